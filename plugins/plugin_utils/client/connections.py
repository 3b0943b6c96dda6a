# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How nodes reach the mirror."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import is_loopback

from ..mirror.values import kind


class Connection(NamedTuple):
    """``plain_http``: not encrypted. ``validate_certs``: whether certificates are checked."""

    plain_http: bool
    validate_certs: bool = True

    @property
    def scheme(self) -> str:
        """Of a URL."""
        return "http" if self.plain_http else "https"

    @property
    def insecure(self) -> bool:
        """Whether what is pulled could be anybody's."""
        return self.plain_http or not self.validate_certs


class Connections:
    """By host: as the role's variables say, else as the logins of registries do."""

    def __init__(self, mirror: str, variables: Mapping[str, Any], logins: Any) -> None:
        """``logins``: a list of registries, of which only these two fields are looked at."""
        self._mirror = mirror
        self._own = {
            name: flag(variables.get(f"client_{name}"), f"client_{name}")
            for name in ("plain_http", "validate_certs")
        }
        self._logins: dict[str, Mapping[str, Any]] = {}
        for entry in logins if isinstance(logins, list) else []:
            if isinstance(entry, Mapping):
                self._logins[str(entry.get("name") or "").lower().strip("/")] = entry

    def to(self, host: str) -> Connection:
        """Loopback is reached by plain HTTP, all others by HTTPS, unless told."""
        return Connection(
            self._given(host, "plain_http", is_loopback(host)),
            self._given(host, "validate_certs", True),
        )

    def _given(self, host: str, name: str, default: bool) -> bool:
        own = self._own[name] if host == self._mirror else None
        if own is None:
            own = flag(self._logins.get(host, {}).get(name), f"{name} of the registry {host}")
        return default if own is None else own


def flag(value: Any, name: str) -> bool | None:
    """True or false, None where nothing is given; raises InvalidInput."""
    if value is None:
        return None
    try:
        return bool(boolean(value, strict=True))
    except TypeError:
        raise InvalidInput(f"{name} must be true or false, not {kind(value)}") from None


def public_fields(logins: Any, template: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """Of a list of registries what is no secret; nothing else of it is even templated."""
    if isinstance(logins, str):
        logins = template(logins)
    found = []
    for entry in logins if isinstance(logins, list) else []:
        if isinstance(entry, Mapping):
            fields = ("name", "plain_http", "validate_certs")
            found.append({key: template(entry[key]) for key in fields if key in entry})
    return found
