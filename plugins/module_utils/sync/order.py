# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order images are brought to their places.

A blob that several repositories of a registry lack is sent to one of them and mounted by the
others once a manifest there names it. So a few images go first that have all such blobs between
them: were they taken as they come, each might wait for the one before.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable

from .image import Image

#: a blob in a place: the place's name, the digest
Blob = tuple[str, str]


def in_order(images: Iterable[Image], there: Iterable[Blob] = ()) -> list[Image]:
    """Leaders first, then what is missing, then what has changed; among equals the largest.

    ``there``: blobs that some repository of their place is known to hold.
    """
    given = list(images)
    leaders = _leaders(given, set(there))
    chosen = {id(image) for image in leaders}
    rest = [image for image in given if id(image) not in chosen]
    return _parents_first(leaders + sorted(rest, key=_key))


def _key(image: Image) -> tuple[bool, int]:
    return image.previous is not None, -image.size()


def _parents_first(images: list[Image]) -> list[Image]:
    """An index before a child that is declared as well, whose tag is no business of the index."""
    indexes = sorted((i for i in images if len(i.tree) > 1), key=lambda i: -len(i.tree))
    above: dict[tuple[str, str], Image] = {}
    for index in indexes:
        for digest in index.tree:
            above.setdefault((index.repository.name, digest), index)
    found: dict[int, Image] = {}
    for image in images:
        if image.top is not None:
            index = above.get((image.repository.name, image.top.digest), image)
            found.setdefault(id(index), index)
        found.setdefault(id(image), image)
    return list(found.values())


def _leaders(images: list[Image], there: set[Blob]) -> list[Image]:
    """A greedy set cover of the blobs that more than one repository lacks."""
    lacks = [_lacks(image) for image in images]
    users: defaultdict[Blob, set[str]] = defaultdict(set)
    for image, blobs in zip(images, lacks):
        for blob in blobs:
            users[blob].add(image.repository.path)
    shared = {blob for blob, paths in users.items() if len(paths) > 1} - there
    offers = [blobs & shared for blobs in lacks]
    heap = [(-len(o), _key(images[n]), n) for n, o in enumerate(offers) if o]
    heapq.heapify(heap)
    leaders = []
    while shared and heap:
        gain, key, number = heapq.heappop(heap)
        left = offers[number] & shared
        if len(left) < -gain:  # others have brought some of it meanwhile
            if left:
                heapq.heappush(heap, (-len(left), key, number))
            continue
        leaders.append(images[number])
        shared -= left
    return leaders


def _lacks(image: Image) -> set[Blob]:
    """The blobs that have to come from another place."""
    place = image.repository.place
    if image.whole or (image.source is not None and image.source.place == place):
        return set()
    return {
        (place, blob.digest)
        for manifest in image.tree.values()
        for blob in manifest.blobs
        if blob.digest not in image.kept
    }
