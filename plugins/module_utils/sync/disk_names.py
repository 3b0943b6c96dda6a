# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders and archives that a call names in two ways: by a link, or from the user's home.

What has one name is compared everywhere: sources with destinations, entries with each other, and
what may be pruned with what is declared. Only the host that the images are on can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ..model.errors import InvalidInput
from ..model.reference import DOCKER_ARCHIVE, LAYOUT, OCI_ARCHIVE, Reference, parse_reference
from ..stores.real_path import real_path

_ON_DISK = tuple(f"{transport}:" for transport in (LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE))
_Values = Mapping[str, Any]


def with_one_name(parameters: _Values) -> _Values:
    """The options of image_sync with each place on disk called as the first destination there is.

    ``lock`` is left as it is, and so is what can't be read.
    """
    names: dict[str, str] = {}
    for values in (parameters, *(parameters.get("images") or ())):
        found = _on_disk(values.get("destination"))
        if found:
            names.setdefault(real_path(found), found.repository)
    if not names:
        return parameters
    return {
        **_renamed(parameters, names),
        "images": _all(parameters.get("images"), lambda one: _renamed(one, names)),
        "declared": _all(parameters.get("declared"), lambda one: _name(one, names)),
    }


def _all(values: Any, change: Callable[[Any], Any]) -> Any:
    return None if values is None else [change(value) for value in values]


def _renamed(values: _Values, names: Mapping[str, str]) -> dict[str, Any]:
    new = {key: _name(values.get(key), names) for key in ("source", "destination")}
    return {**values, **{key: text for key, text in new.items() if text != values.get(key)}}


def _name(text: Any, names: Mapping[str, str]) -> Any:
    found = _on_disk(text)
    name = names.get(real_path(found)) if found else None
    if found is None or name in (None, found.repository):
        return text
    return str(found._replace(repository=str(name)))


def _on_disk(text: Any) -> Reference | None:
    if not isinstance(text, str) or not text.strip().startswith(_ON_DISK):
        return None
    try:
        return parse_reference(text)
    except InvalidInput:
        return None
