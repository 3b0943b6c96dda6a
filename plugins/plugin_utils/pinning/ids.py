# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of images: their references, and the ids that these lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import Lock, parse_lock
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import kind, shown


class Known:
    """Where references lead to. An id is a Reference with a digest and without a tag.

    A reference leads to the id that was given for it. One by digest leads to an id of that digest
    that was given for any tag of its repository; with a tag too, it is the digest that has to fit.
    An id leads to itself, so that pinning twice is pinning once.
    """

    def __init__(self) -> None:
        self._ids: dict[str, list[Reference]] = {}
        #: what follows from those: the same content by its digest, a tag whose digest was given too
        self._implied: dict[str, list[Reference]] = {}
        self._own: set[str] = set()

    def add(self, reference: Reference, image_id: Reference, *digests: str) -> None:
        """``digests``: under which the image is known at ``reference``, beside the id's own."""
        _append(self._ids, str(reference), image_id)
        self._own.add(str(image_id))
        for digest in (image_id.digest or "", *digests):
            _append(self._implied, reference.at(digest), image_id)
        if reference.tag and reference.digest:
            _append(self._implied, reference.at(reference.digest), image_id)
            _append(self._implied, f"{reference.name}:{reference.tag}", image_id)

    def __contains__(self, reference: Reference) -> bool:
        return str(reference) in self._ids

    def given(self, reference: Reference) -> Reference | None:
        """The id that was given for it, if there is just one."""
        found = self._ids.get(str(reference), [])
        return found[0] if len(found) == 1 else None

    def find(self, reference: Reference) -> Reference | None:
        """The id, or None; raises InvalidInput where there are several to choose from."""
        if reference.digest and reference.at(reference.digest) in self._own:
            return reference._replace(tag=None)
        for name in _names(reference):
            for known in (self._ids, self._implied):
                fitting = [one for one in known.get(name, []) if _fits(reference, name, one)]
                if len(fitting) == 1:
                    return fitting[0]
                if fitting:
                    places = ", ".join(map(str, fitting))
                    raise InvalidInput(f"{reference} may be any of {places}; give it an id")
        return None


def _append(known: dict[str, list[Reference]], name: str, image_id: Reference) -> None:
    found = known.setdefault(name, [])
    if image_id not in found:
        found.append(image_id)


def _names(reference: Reference) -> Iterator[str]:
    """Under what it may be known, the closest first."""
    yield str(reference)
    if reference.tag and reference.digest:
        yield f"{reference.name}:{reference.tag}"
        yield reference.at(reference.digest)


def _fits(reference: Reference, name: str, image_id: Reference) -> bool:
    """A tag leads nowhere else than the digest beside it."""
    by_tag_alone = name != str(reference) and "@" not in name
    return not by_tag_alone or image_id.digest == reference.digest


def read_ids(ids: Any) -> Known:
    """What ``ids`` knows: a dict of references and ids, or a lock. Raises InvalidInput."""
    if not isinstance(ids, Mapping):
        raise InvalidInput(
            f"ids must be a dict of references and ids, as mirror_ids, or a lock, not {kind(ids)}"
            "; of a lock file that is lookup('ansible.builtin.file', path) | from_json"
        )
    if "version" in ids and "images" in ids:
        return _of_lock(parse_lock(ids, "ids"))
    known = Known()
    for key, value in ids.items():
        reference, image_id = _key(key), _id(key, value)
        if reference is None:
            continue
        if known.given(reference) not in (None, image_id):
            raise InvalidInput(
                f"ids has two ids for {reference}: {known.given(reference)} and {image_id}"
            )
        known.add(reference, image_id)
    return known


def _of_lock(lock: Lock) -> Known:
    """Destinations and sources both lead to what is locked at the destination."""
    known = Known()
    for destination, locked in lock.images.items():
        place = parse_reference(destination)
        _refuse_disk(place, "the lock's destination")
        known.add(place, Reference(place.registry, place.repository, digest=locked.digest))
    places = set(lock.images)
    for destination, locked in lock.images.items():
        source = _on_registry(parse_reference(locked.source))
        if source is not None and str(source) not in places:
            place = parse_reference(destination)
            image_id = Reference(place.registry, place.repository, digest=locked.digest)
            known.add(source, image_id, locked.source_digest)
    return known


def _key(key: Any) -> Reference | None:
    if not isinstance(key, str):
        raise InvalidInput(f"ids: the key {shown(key)} must be an image reference")
    try:
        return _on_registry(parse_reference(str(key)))
    except InvalidInput as error:
        raise InvalidInput(f"ids: a key must be an image reference: {error}") from None


def _id(key: Any, value: Any) -> Reference:
    what = f"ids: what {key} leads to"
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be an id, not {kind(value)}")
    try:
        found = parse_reference(str(value))
    except InvalidInput as error:
        raise InvalidInput(f"{what} must be an id: {error}") from None
    if found.tag or not found.digest:
        raise InvalidInput(
            f"{what} must be an id, registry/repository@sha256:..., not {shown(str(value))}"
        )
    _refuse_disk(found, what)
    return found


def _on_registry(reference: Reference) -> Reference | None:
    """What data may call it; an image in a bundle goes by the name that it has there."""
    if not getattr(reference, "transport", ""):
        return reference.with_default_tag()
    try:
        named = parse_reference(reference.tag or "")
    except InvalidInput:
        return None
    full = named if str(named) == reference.tag else None
    return full if full is None or full.tag or full.digest else None


def _refuse_disk(reference: Reference, what: str) -> None:
    if getattr(reference, "transport", ""):
        raise InvalidInput(
            f"{what} is {reference}: an image on disk, which nothing can be deployed from"
        )
