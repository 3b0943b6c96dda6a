# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making an index of images that are there (image-spec, image-index.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .config import ImageConfig
from .descriptor import Descriptor
from .errors import InvalidContent, InvalidInput
from .manifest import DOCKER_LIST, DOCKER_MANIFEST, IMAGES, OCI_INDEX, SIZE_LIMIT, Manifest
from .platforms import Platform
from .subset import ABOUT

_UNKNOWN = Platform("unknown", "unknown")


class Part(NamedTuple):
    """One manifest that an index is to name. ``entry``: its descriptor, as JSON has it.

    ``about``: the digest of the image that it is an attestation of, "" for an image.
    """

    entry: Mapping[str, Any]
    about: str = ""

    @property
    def digest(self) -> str:
        """The manifest's."""
        return str(self.entry["digest"])

    @property
    def platform(self) -> str:
        """In a message or result."""
        found = self.entry["platform"]
        parts = [found["os"], found["architecture"], found.get("variant"), found.get("os.version")]
        return "/".join(str(part) for part in parts if part)

    @property
    def serves(self) -> tuple[Any, ...]:
        """What no two images of an index may share: images of Windows differ by their version."""
        found = self.entry["platform"]
        platform = Platform(found["os"], found["architecture"], found.get("variant") or "")
        features = found.get("os.features")
        features = sorted(map(str, features)) if isinstance(features, list) else []
        return (*platform.full, str(found.get("os.version") or ""), *features)


def part_of(manifest: Manifest, config: ImageConfig) -> Part:
    """An image, for the platform that its config names; raises InvalidContent if it names none."""
    entry = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
    }
    return with_platform(entry, config)


def with_platform(entry: Mapping[str, Any], config: ImageConfig) -> Part:
    """The same of an entry of an index, to which the platform is added."""
    if config.platform is None:
        raise InvalidContent("its config names no platform, so that an index can't offer it")
    platform: dict[str, Any] = {
        "architecture": config.platform.architecture,
        "os": config.platform.os,
    }
    if config.os_version:
        platform["os.version"] = config.os_version
    if config.os_features:
        platform["os.features"] = list(config.os_features)
    if config.platform.variant:
        platform["variant"] = config.platform.variant
    return Part({**entry, "platform": platform})


def parts_of(index: Manifest) -> list[tuple[Part | None, Descriptor, Mapping[str, Any]]]:
    """What an index is made of: its images, and the attestations about them.

    None stands for an image whose platform the index doesn't tell. Raises InvalidContent for
    an index of anything else.
    """
    if index.blobs:
        raise InvalidContent("it is an index that lists something else than images")
    entries: list[dict[str, Any]] = json.loads(index.raw).get("manifests") or []
    digests = {child.digest for child in index.children}
    return [
        (_part(entry, child, digests), child, entry)
        for entry, child in zip(entries, index.children)
    ]


def _part(entry: Mapping[str, Any], child: Descriptor, digests: set[str]) -> Part | None:
    if child.media_type not in IMAGES:
        raise InvalidContent(f"it is an index of indexes ({child.digest}); name its images instead")
    annotations = entry.get("annotations")
    about = annotations.get(ABOUT) if isinstance(annotations, dict) else None
    if isinstance(about, str) and about in digests and about != child.digest:
        return Part(entry, about)
    if child.platform == _UNKNOWN:
        raise InvalidContent(
            f"it is an index with a manifest that is for no platform, and about none of its images "
            f"({child.digest})"
        )
    known = child.platform is not None and child.platform.os and child.platform.architecture
    return Part(entry) if known else None


def make_index(parts: Iterable[tuple[str, Part]], annotations: Mapping[str, str]) -> Manifest:
    """An index of these, in their order: the same bytes every time.

    Each with what a message calls it by. It is a manifest list of Docker's where all images are of
    Docker's type and there are no ``annotations``, which that has no place for; else OCI's.
    Raises InvalidInput for two images of one platform.
    """
    taken: dict[tuple[Any, ...], tuple[str, Part]] = {}
    entries: list[Mapping[str, Any]] = []
    for label, part in parts:
        if not part.about:
            other = taken.setdefault(part.serves, (label, part))
            if other[1] is not part:
                raise InvalidInput(
                    f"two manifests are for {part.platform}: {_named(*other)} and "
                    f"{_named(label, part)}; an index has one for each platform"
                )
        entries.append(part.entry)
    types = {entry["mediaType"] for entry in entries}
    media_type = DOCKER_LIST if types == {DOCKER_MANIFEST} and not annotations else OCI_INDEX
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    raw = json.dumps(document, indent=2).encode()
    if len(raw) > SIZE_LIMIT:
        raise InvalidInput(
            f"the index would have {len(raw)} bytes; registries take {SIZE_LIMIT >> 20} MiB"
        )
    return Manifest(raw, media_type)


def _named(label: str, part: Part) -> str:
    return label if part.digest in label else f"{label} ({part.digest})"
