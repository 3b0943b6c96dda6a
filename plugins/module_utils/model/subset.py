# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some platforms of an index: one of its images, or an index of just these.

An index must not name what isn't there (a "sparse" one is refused by many registries), so leaving
platforms out makes a new index, with a digest of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from .descriptor import Descriptor
from .errors import InvalidContent
from .manifest import Manifest
from .platforms import Platform, choose

#: BuildKit's attestations name the image that they are about so (attestation-storage.md)
ABOUT = "vnd.docker.reference.digest"


class Subset(NamedTuple):
    """What is taken of an index: its ``child``, or ``manifest``, itself or a new index.

    ``platforms``: those that it is for; ``missing``: those asked for that the index doesn't have.
    """

    platforms: list[str]
    missing: list[str]
    manifest: Manifest | None = None
    child: Descriptor | None = None


def subset(index: Manifest, wanted: Iterable[Platform]) -> Subset:
    """What serves these platforms; raises InvalidContent where it has none of them.

    One platform is its own manifest, all of them are the index as it is, and several a new index
    with their entries as they were, in their order, and the attestations about them: the same
    bytes every time.
    """
    offered = [(child, child.platform) for child in index.children if child.platform]
    platforms = [platform for _child, platform in offered]
    taken: dict[Platform, None] = {}
    missing = []
    for platform in wanted:
        number = choose(platform, platforms)
        if number is None:
            missing.append(str(platform))
        else:
            taken[platforms[number].full] = None
    if not taken:
        raise InvalidContent(lacks(missing, index.platforms()))
    chosen = [child for child, platform in offered if platform.full in taken]
    names = [str(child.platform) for child in chosen]
    if len(taken) == 1:
        return Subset(names[:1], missing, child=chosen[0])
    if set(names) == set(index.platforms()):
        return Subset(names, missing, index)
    return Subset(names, missing, _reduced(index, {child.digest for child in chosen}))


def lacks(missing: Iterable[str], has: Iterable[str]) -> str:
    """The sentence about platforms that an image doesn't have."""
    there = ", ".join(dict.fromkeys(has))
    return f"it has no {', '.join(missing)}; it has: {there or 'no platform'}"


def _reduced(index: Manifest, digests: set[str]) -> Manifest:
    document: dict[str, Any] = json.loads(index.raw)
    document["manifests"] = [e for e in document["manifests"] if _belongs(e, digests)]
    document.pop("subject", None)  # what the index was about, this one isn't
    raw = json.dumps(document, indent=2).encode()
    return Manifest(raw, index.media_type)


def _belongs(entry: dict[str, Any], digests: set[str]) -> bool:
    if entry.get("digest") in digests:
        return True
    annotations = entry.get("annotations")
    about = annotations.get(ABOUT) if isinstance(annotations, dict) else None
    return isinstance(about, str) and about in digests
