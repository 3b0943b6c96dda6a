# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be mirrored so that pods can pull it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.places import (
    Place,
    read_place,
)

from .pods import failing_images
from .undo import NotToldByPath
from .upstreams import Allowed, Upstreams

_NAME_LIMIT = 1024


class Missing(NamedTuple):
    """``entries`` for image_sync, and what is under the mirror and not taken: why, by image."""

    entries: list[dict[str, str]]
    left_out: dict[str, str]


def missing_images(
    pods: Any, mirror_destination: Any, mirror_path: Any, upstreams: Any = None, allowed: Any = None
) -> Missing:
    """See the documentation of the filter. Raises InvalidInput."""
    mirror = _Mirror(read_place(mirror_destination, mirror_path))
    known = Upstreams(upstreams, mirror.template)
    limits = Allowed(allowed, mirror.registry)
    entries: dict[str, dict[str, str]] = {}
    left_out: dict[str, str] = {}
    for image in dict.fromkeys(failing_images(pods)):
        wanted = mirror.read(image)
        if wanted is None or str(wanted) in entries:
            continue
        try:
            source = _source(mirror, wanted, known, limits)
        except NotToldByPath:
            if not known:  # so of every image, and no pod's doing
                raise
            left_out[str(wanted)] = "no path in upstreams is its own"
        except InvalidInput as error:
            left_out[str(wanted)] = str(error)
        else:
            entries[str(wanted)] = {"source": str(source), "destination": str(wanted)}
    return Missing(list(entries.values()), left_out)


class _Mirror:
    """The place under which images are the mirror's."""

    def __init__(self, place: Place) -> None:
        if not place.root:
            raise InvalidInput("mirror_destination is missing")
        if place.is_bundle:
            raise InvalidInput(f"mirror_destination {place.root!r} must be on a registry")
        base = parse_reference(f"{place.root}/x")
        self.registry, self.template = base.registry, place.path
        self._root = base.repository[: -len("x")]

    def read(self, image: str) -> Reference | None:
        """What a pod wants under the mirror; None for all else.

        What is pulled by digest is wanted by digest alone: no pod may say what a tag is to name.
        """
        if len(image) > _NAME_LIMIT:
            return None
        try:
            found = parse_reference(image)
        except InvalidInput:
            return None
        if found.transport or not self._has(found):
            return None
        return found._replace(tag=None) if found.digest else found.with_default_tag()

    def path(self, image: Reference) -> str:
        """Its path under the mirror."""
        return image.repository[len(self._root) :]

    def _has(self, image: Reference) -> bool:
        return image.registry == self.registry and image.repository.startswith(self._root)


def _source(mirror: _Mirror, wanted: Reference, known: Upstreams, limits: Allowed) -> Reference:
    found, named = known.find(mirror.path(wanted))
    if found is None:
        raise InvalidInput("mirror_path makes no such path of any source")
    if mirror.read(found.name) is not None:
        raise InvalidInput(f"{found.name} is under the mirror itself")
    problem = "" if named else limits.problem(found)
    if problem:
        raise InvalidInput(problem)
    return found._replace(tag=wanted.tag, digest=wanted.digest)
