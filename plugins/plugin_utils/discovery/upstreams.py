# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where images may be taken from: ``upstreams``, and what is ``allowed``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    canonical_registry,
    check_repository,
    parse_reference,
    without_login,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.places import is_full
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import kind, text

from .undo import undo

ANY = "*"
#: names that aren't in the public DNS (RFC 6761, 6762, 8375; ICANN on .internal; Kubernetes)
_INTERNAL = (".localhost", ".local", ".internal", ".home.arpa", ".svc")
#: as resolvers do: 127.1 and 0x7f.1 are addresses, too
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Location(NamedTuple):
    """A registry, or what is below a path there."""

    registry: str
    path: str = ""

    def covers(self, source: Reference) -> bool:
        """Whether a source is there."""
        return source.registry == self.registry and _within(source.repository, self.path)


class Upstreams:
    """From the path of an image under the mirror to its source."""

    def __init__(self, given: Any, template: str) -> None:
        """``given``: the beginning of a path -> registry, or registry and path."""
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            raise InvalidInput(
                f"upstreams must be a mapping of paths to registries, not {kind(given)}"
            )
        found = {
            text(prefix, "a path in upstreams").strip("/"): _location(place, f"upstreams {prefix}")
            for prefix, place in given.items()
        }
        self._template = template
        self._by_length = sorted(found.items(), key=lambda one: (-len(one[0]), one[0]))

    def __bool__(self) -> bool:
        return bool(self._by_length)

    def find(self, path: str) -> tuple[Reference | None, bool]:
        """The source, and whether its registry is one that is named here.

        Raises InvalidInput where it could be several.
        """
        for prefix, place in self._by_length:
            if _within(path, prefix):
                return self._by(path, prefix, place), True
        return undo(path, self._template), False

    def _by(self, path: str, prefix: str, place: Location) -> Reference | None:
        rest = path[len(prefix) :].strip("/")
        if not place.path:
            try:
                found = undo(path, self._template, place.registry)
            except InvalidInput:
                found = None
            if found is not None:
                return found
        parts = (place.registry, place.path, rest)
        try:
            # the prefix stands for the place
            return parse_reference("/".join(part for part in parts if part))
        except InvalidInput:
            return None


class Allowed:
    """What may be taken, of all that somebody asks for."""

    def __init__(self, given: Any, own: str) -> None:
        """``given``: a list of ``registry[/path]`` or ``*``; None: all. ``own``: the mirror's."""
        self._all, self._any, self._own = given is None, False, own
        self._places: list[Location] = []
        given = [given] if isinstance(given, str) else given or []
        if isinstance(given, Mapping) or not isinstance(given, Iterable):
            raise InvalidInput(f"allowed must be a list of registries, not {kind(given)}")
        for one in given:
            if one == ANY:
                self._any = True
            else:
                self._places.append(_location(one, "allowed"))

    def problem(self, source: Reference) -> str:
        """Why it isn't taken, "" if it is."""
        if self._all or any(place.covers(source) for place in self._places):
            return ""
        if not self._any:
            return f"{source.name} isn't allowed"
        if source.registry == self._own or _is_internal(source.registry):
            return f"{source.name} isn't allowed: '*' stands for public names of other registries"
        return ""


def _is_internal(registry: str) -> bool:
    """Whether it is, by its name, a place that only those inside a network reach."""
    host = re.sub(r":[0-9]+$", "", registry)
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        last = host.rpartition(".")[2]
        return "." not in host or bool(_NUMBER.fullmatch(last)) or host.endswith(_INTERNAL)
    return True


def _location(value: Any, option: str) -> Location:
    name = text(value, option).strip().removeprefix("docker://").rstrip("/")
    registry, slash, path = name.partition("/")
    if not is_full(f"{registry}/x"):
        raise InvalidInput(
            f"{option}: {without_login(name)[:200]!r} names no registry; write it as in docker.io "
            "or quay.io/team"
        )
    try:
        return Location(canonical_registry(registry), check_repository(path) if slash else "")
    except InvalidInput as error:
        raise InvalidInput(f"{option}: {error}") from None


def _within(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(f"{prefix}/")
