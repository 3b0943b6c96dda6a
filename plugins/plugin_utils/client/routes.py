# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which upstream names are to be found where at the mirror.

A runtime is told of prefixes: what begins with one is asked for at the mirror under another. A
``mirror_path`` that ends in ``/{repository}`` makes a prefix of each registry as a whole; any other
one, and an entry's own ``destination``, only of the repositories that are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)

from ..mirror.entries import Item
from ..mirror.places import Place

_WHOLE = re.compile(r"(?:((?:(?!\{repository\}|\{name\}).)*)/)?\{repository\}")


class Route(NamedTuple):
    """``prefix``: ``registry[/repository]``. ``locations``: the same at the mirror, in order."""

    prefix: str
    locations: tuple[str, ...]


class Routes(NamedTuple):
    """``whole``: of registries, where they have prefixes. ``single``: of all repositories listed.

    ``registries``: all that are mirrored. ``own``: repositories with a destination of their own.
    ``shared``: whether several registries have one path at the mirror, so that an image of one
    might be taken for that of another. ``chosen``: whether the user has named the registries.
    ``renamed``: images with another tag there.
    """

    registries: tuple[str, ...]
    whole: tuple[Route, ...]
    single: tuple[Route, ...]
    own: tuple[str, ...]
    shared: bool
    chosen: bool
    renamed: tuple[str, ...]

    def exact(self) -> list[Route]:
        """Without doubt, for runtimes that know prefixes of any length."""
        if self.whole and (self.chosen or not self.shared):
            return [*self.whole, *(one for one in self.single if one.prefix in self.own)]
        return list(self.single)


class Asked(NamedTuple):
    """An image that is mirrored: its source, where it goes, and whether it says so itself."""

    source: Reference
    destination: Reference
    own: bool
    renamed: bool


def find_routes(
    items: Iterable[Item], where: Place, upstreams: Iterable[str], variables: Mapping[str, Any]
) -> Routes:
    """From the images and ``client_upstreams``; what nodes ask for at the mirror itself is none.

    Raises InvalidInput.
    """
    given = tuple(upstreams)
    asked = [one for item in items if (one := _asked(item, where, variables)) is not None]
    mirror = where.root.partition("/")[0]
    found = dict.fromkeys([*given, *(one.source.registry for one in asked if not given)])
    registries = tuple(name for name in found if name != mirror)
    match = _WHOLE.fullmatch(where.path)
    head = (match[1] or "") if match else ""
    whole = tuple(Route(name, (_under(where.root, head, name),)) for name in registries)
    shared = len(registries) > 1 and "{registry}" not in head
    asked = [one for one in asked if one.source.registry in registries]
    if given and not match and not asked:
        raise InvalidInput(
            f"client_upstreams: with the mirror_path {where.path!r} the place of an image doesn't "
            "follow from its registry; list the images in mirror_images, or let mirror_path end "
            "in /{repository}"
        )
    return Routes(
        registries,
        whole if match else (),
        _single(asked),
        tuple(dict.fromkeys(one.source.name for one in asked if one.own)),
        shared,
        bool(given),
        tuple(dict.fromkeys(str(one.source) for one in asked if one.renamed)),
    )


def _under(root: str, head: str, registry: str) -> str:
    """Where all of a registry is; as path_of writes it."""
    path = head.strip("/").replace("{registry}", registry.replace(":", "_"))
    return f"{root}/{path}" if path else root


def _asked(item: Item, where: Place, variables: Mapping[str, Any]) -> Asked | None:
    source = item.reference
    absent = item.image.get("state") or variables.get("mirror_state")
    if source is None or source.transport or absent == "absent":
        return None
    own = str(item.image.get("destination") or "")
    try:
        destination = parse_reference(where.destination(own, item.source))
    except InvalidInput as error:
        raise InvalidInput(f"{item.label}: {error}") from None
    if destination.transport:
        return None
    renamed = item.image.get("destination_tag") or variables.get("mirror_destination_tag")
    other = bool(destination.tag) and destination.tag != source.tag
    return Asked(source, destination, bool(own), other or renamed not in (None, "", "{tag}"))


def _single(asked: Iterable[Asked]) -> tuple[Route, ...]:
    found: dict[str, dict[str, None]] = {}
    for one in asked:
        if one.source.name != one.destination.name:
            found.setdefault(one.source.name, {})[one.destination.name] = None
    return tuple(Route(name, tuple(places)) for name, places in sorted(found.items()))
