# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests and indexes: raw bytes, and what they point at.

image-spec, manifest.md and image-index.md; Docker's "Image Manifest Version 2, Schema 2". The
bytes are passed on as they came, so that the digest stays; they are parsed only to know what
belongs to the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .descriptor import Descriptor, parse_descriptor
from .digest import digest_of
from .errors import InvalidContent
from .strict_json import check_keys, parse_object

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
IMAGES = (OCI_MANIFEST, DOCKER_MANIFEST)
MEDIA_TYPES = (*INDEXES, *IMAGES)

#: distribution-spec, "Pushing Manifests": registries should take at least this much
SIZE_LIMIT = 4 << 20
#: indexes within indexes
DEPTH_LIMIT = 4
_CHILDREN_LIMIT = 10_000
_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+"
_GENERIC = ("", "application/json", "text/plain", "application/octet-stream")
_KEYS = (
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
)


class Manifest:
    """A parsed manifest or index.

    ``blobs`` are the config (if there is one) and the layers, ``children`` the manifests of an
    index. ``raw`` are the bytes as they came.
    """

    __slots__ = (
        "annotations",
        "artifact_type",
        "blobs",
        "children",
        "config",
        "digest",
        "media_type",
        "raw",
        "subject",
    )

    def __init__(self, raw: bytes, media_type: str, digest: str = "sha256:") -> None:
        """``digest`` gives the algorithm; the digest itself is always computed here."""
        self.raw = raw
        self.digest = digest_of(raw, digest)
        document = parse_object(raw, "the manifest")
        check_keys(document, _KEYS, "the manifest")
        self.media_type = _media_type(document, media_type)
        self.config: Descriptor | None = None
        self.blobs: tuple[Descriptor, ...] = ()
        self.children: tuple[Descriptor, ...] = ()
        if self.is_index:
            self._read_index(document)
        else:
            self._read_image(document)
        artifact_type = document.get("artifactType")
        self.artifact_type = artifact_type if isinstance(artifact_type, str) else ""
        annotations = document.get("annotations")
        self.annotations: dict[str, str] = (
            {key: value for key, value in annotations.items() if isinstance(value, str)}
            if isinstance(annotations, dict)
            else {}
        )
        subject = document.get("subject")
        self.subject = parse_descriptor(subject, "subject") if subject is not None else None

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests rather than layers."""
        return self.media_type in INDEXES

    def descriptor(self) -> Descriptor:
        """What points at this manifest."""
        return Descriptor(
            self.media_type, self.digest, len(self.raw), artifact_type=self.artifact_type
        )

    def platforms(self) -> list[str]:
        """The platforms that an index names; attestations stand there as unknown/unknown."""
        named = [str(child.platform) for child in self.children if child.platform]
        return [name for name in named if name != "unknown/unknown"]

    def unique_blobs(self) -> Iterator[Descriptor]:
        """Each blob once: an image may use one layer several times."""
        return iter({blob.digest: blob for blob in self.blobs}.values())

    def _read_index(self, document: dict[str, Any]) -> None:
        entries = _list(document, "manifests")
        found = [parse_descriptor(entry, f"manifests[{n}]") for n, entry in enumerate(entries)]
        # An index may list content of any type; what isn't a manifest is kept like a layer.
        self.children = tuple(d for d in found if d.media_type in MEDIA_TYPES)
        self.blobs = tuple(d for d in found if d.media_type not in MEDIA_TYPES)

    def _read_image(self, document: dict[str, Any]) -> None:
        entries = _list(document, "layers")
        layers = [parse_descriptor(entry, f"layers[{n}]") for n, entry in enumerate(entries)]
        if document.get("config") is None:
            raise InvalidContent("the manifest has no config")
        self.config = parse_descriptor(document["config"], "config")
        self.blobs = (self.config, *layers)


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if value is None:
        value = []
    if not isinstance(value, list):
        raise InvalidContent(f"{key} of the manifest is not a list")
    if len(value) > _CHILDREN_LIMIT:
        raise InvalidContent(f"the manifest lists more than {_CHILDREN_LIMIT} {key}")
    return value


def _media_type(document: dict[str, Any], content_type: str) -> str:
    """The one type on which header and body agree (distribution-spec, "Pulling manifests")."""
    declared = content_type.partition(";")[0].strip().lower()
    inside = document.get("mediaType")
    if inside is not None and not isinstance(inside, str):
        raise InvalidContent("the manifest's mediaType is not text")
    if declared.startswith(_SCHEMA1) or document.get("schemaVersion") == 1:
        raise InvalidContent(
            "this is a Docker schema 1 manifest, a format that no current tool builds and that "
            "can't be copied by digest; rebuild the image or push it again with a current tool"
        )
    if "layers" in document and "manifests" in document:
        raise InvalidContent("the manifest has both layers and manifests (CVE-2021-41190)")
    if inside and declared not in _GENERIC and declared != inside:
        raise InvalidContent(
            f"the registry calls the manifest {declared[:120]}, the manifest says {inside[:120]}"
        )
    found = inside or (declared if declared not in _GENERIC else _guess(document))
    if found not in MEDIA_TYPES:
        raise InvalidContent(f"manifests of type {found[:120] or 'unknown'!r} can't be copied")
    if ("layers" if found in INDEXES else "manifests") in document:
        raise InvalidContent(f"the manifest's content doesn't fit its type {found}")
    return found


def _guess(document: dict[str, Any]) -> str:
    """OCI documents may leave their type out; then the content tells."""
    if "manifests" in document:
        return OCI_INDEX
    return OCI_MANIFEST if "config" in document else ""
