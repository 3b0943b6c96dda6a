# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries hold: blobs and manifests, as plain values with their digests."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ALL_MANIFESTS = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)

Platform = Mapping[str, str]


def sha256(data: bytes) -> str:
    """The digest of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def to_json(document: Any) -> bytes:
    """One form of a document, the same every time."""
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Blob:
    """Bytes with a media type; `extra` goes into the descriptor, `stored` says it is pushed."""

    data: bytes
    media_type: str
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    stored: bool = True

    @functools.cached_property
    def digest(self) -> str:
        """The digest of the data."""
        return sha256(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        """How a manifest names it."""
        return {
            "mediaType": self.media_type,
            "size": len(self.data),
            "digest": self.digest,
            **self.extra,
        }


@dataclass(frozen=True)
class Image:
    """A manifest with all that it names: an image, an index or an artifact."""

    manifest: bytes
    media_type: str
    blobs: tuple[Blob, ...] = ()
    children: tuple[Image, ...] = ()
    platform: Platform | None = field(default=None, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @functools.cached_property
    def digest(self) -> str:
        """The digest of the manifest."""
        return sha256(self.manifest)

    @property
    def document(self) -> dict[str, Any]:
        """The manifest, parsed."""
        document: dict[str, Any] = json.loads(self.manifest)
        return document

    @property
    def descriptor(self) -> dict[str, Any]:
        """How an index or a subject names it."""
        descriptor: dict[str, Any] = {
            "mediaType": self.media_type,
            "size": len(self.manifest),
            "digest": self.digest,
        }
        if self.platform:
            descriptor["platform"] = dict(self.platform)
        if self.annotations:
            descriptor["annotations"] = dict(self.annotations)
        return descriptor

    def walk(self) -> Iterator[Image]:
        """Every manifest, children before what names them, each once."""
        seen: set[str] = set()
        yield from self._walk(seen)

    def _walk(self, seen: set[str]) -> Iterator[Image]:
        for child in self.children:
            yield from child._walk(seen)
        if self.digest not in seen:
            seen.add(self.digest)
            yield self

    @property
    def all_blobs(self) -> list[Blob]:
        """Every blob that a registry holds for it, each once."""
        return list({b.digest: b for i in self.walk() for b in i.blobs if b.stored}.values())

    @property
    def size(self) -> int:
        """The bytes of all these blobs."""
        return sum(len(blob.data) for blob in self.all_blobs)


def parse_platform(text: str) -> dict[str, str]:
    """`linux/arm/v7` as the mapping that an index holds."""
    names = ("os", "architecture", "variant")
    return dict(zip(names, text.split("/")))
