# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What buildah has written, made ready for a registry.

buildah writes layers as they are on disk, those of the base image too, whose digests then differ
from what registries have of it. So they are put back, and the new ones are compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from ..model.config import parse_config
from ..model.digest import digest_of
from ..model.errors import DiskError, InvalidContent
from ..model.layout import MARKER, REF_NAME
from ..model.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from ..model.platforms import Platform

_LAYER = "application/vnd.oci.image.layer.v1.tar"
#: Docker's types for the same content, and OCI's
_DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": _LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{_LAYER}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{_LAYER}+zstd",
}
_TAKEN = tuple(_DOCKER_LAYERS.values())
BASE_NAME, BASE_DIGEST = (
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.base.digest",
)
_PIECE = 1 << 20
_LEVEL = 6


class Layer(NamedTuple):
    """A layer of a base image: where it is, and how a manifest names it."""

    layout: str
    entry: dict[str, Any]


class Built(NamedTuple):
    """One image that was built: its manifest, its platform and labels."""

    manifest: Manifest
    platform: Platform
    labels: Mapping[str, str]


class Dressing(NamedTuple):
    """What is told of an image beside its files.

    ``names``: what stands in the history, and should. ``base``: name and digest of the image
    that it is built on.
    """

    names: Mapping[str, str]
    base: tuple[str, str] | None
    layers: Mapping[str, Layer]


class BuiltLayout:
    """The layout that buildah writes to; ``check`` is called now and then, to end the work."""

    def __init__(self, path: str, check: Callable[[], None]) -> None:
        self._path, self._check = path, check

    def dress(self, name: str, dressing: Dressing) -> Built:
        """The image of this name, as it is to be; raises InvalidContent where there is none."""
        try:
            return self._dress(self._named(name), dressing)
        except OSError as error:
            raise DiskError(f"{error.filename or self._path}: {error.strerror}") from None
        except (KeyError, TypeError, ValueError, IndexError, RecursionError):
            raise InvalidContent("buildah wrote something else than an OCI image layout") from None

    def finish(self, images: list[Built], annotations: Mapping[str, str], name: str) -> Manifest:
        """Makes the one image, or the index of several, the only one, under ``name``."""
        top = images[0].manifest
        try:
            if len(images) > 1:
                entries = [
                    {**_entry_of(image.manifest), "platform": _platform(image.platform)}
                    for image in images
                ]
                document = {
                    "schemaVersion": 2,
                    "mediaType": OCI_INDEX,
                    "manifests": entries,
                    "annotations": dict(annotations),
                }
                top = Manifest(_to_json(document), OCI_INDEX)
                self._put(top.raw)
            entry = {**_entry_of(top), "annotations": {REF_NAME: name}}
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
            self._write("oci-layout", MARKER)
            self._write("index.json", _to_json(index))
        except OSError as error:
            raise DiskError(f"{error.filename or self._path}: {error.strerror}") from None
        return top

    def _named(self, name: str) -> dict[str, Any]:
        index = json.loads(self._read("index.json"))
        for entry in index["manifests"]:
            if (entry.get("annotations") or {}).get(REF_NAME) == name:
                found: dict[str, Any] = json.loads(self._blob(entry["digest"]))
                return found
        raise InvalidContent("buildah wrote no image")

    def _dress(self, document: dict[str, Any], dressing: Dressing) -> Built:
        config = json.loads(self._blob(document["config"]["digest"]))
        parsed = parse_config(_to_json(config))
        if parsed.platform is None:
            raise InvalidContent("buildah wrote an image that doesn't say its platform")
        for step in config.get("history") or ():
            for key in ("created_by", "comment"):
                if isinstance(step.get(key), str):
                    step[key] = renamed(step[key], dressing.names)
        raw = _to_json(config)
        document["config"] = {**document["config"], "digest": self._put(raw), "size": len(raw)}
        digests = config["rootfs"].get("diff_ids") or []
        document["layers"] = [
            self._layer(entry, digest, dressing.layers)
            for entry, digest in zip(document["layers"], digests)
        ]
        annotations = {**(document.get("annotations") or {})}
        annotations.pop(BASE_NAME, None)
        annotations.pop(BASE_DIGEST, None)
        if dressing.base:
            annotations.update({BASE_NAME: dressing.base[0], BASE_DIGEST: dressing.base[1]})
        document.pop("annotations", None)
        if annotations:
            document["annotations"] = annotations
        document["mediaType"] = OCI_MANIFEST
        manifest = Manifest(_to_json(document), OCI_MANIFEST)
        self._put(manifest.raw)
        return Built(manifest, parsed.platform, parsed.labels)

    def _layer(
        self, entry: dict[str, Any], digest: str, known: Mapping[str, Layer]
    ) -> dict[str, Any]:
        if entry["mediaType"] != _LAYER:
            return entry
        if digest in known:
            layer = known[digest]
            target = self._place(layer.entry["digest"])
            if not os.path.exists(target):
                _give(_blob_of(layer.layout, layer.entry["digest"]), target)
            return layer.entry
        return self._compressed(entry)

    def _compressed(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The layer in gzip, the same bytes for the same content: no name and no time in it."""
        source = self._place(entry["digest"])
        with (
            open(source, "rb") as plain,
            open(f"{source}.gz", "wb") as file,
            gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        ):
            for piece in iter(lambda: plain.read(_PIECE), b""):
                self._check()
                packed.write(piece)
        whole, size = hashlib.sha256(), 0
        with open(f"{source}.gz", "rb") as compressed:
            for piece in iter(lambda: compressed.read(_PIECE), b""):
                whole.update(piece)
                size += len(piece)
        digest = f"sha256:{whole.hexdigest()}"
        os.replace(f"{source}.gz", self._place(digest))
        return {"mediaType": f"{_LAYER}+gzip", "digest": digest, "size": size}

    def _blob(self, digest: str) -> bytes:
        return self._read(self._place(digest))

    def _place(self, digest: str) -> str:
        return _blob_of(self._path, digest)

    def _put(self, raw: bytes) -> str:
        digest = digest_of(raw)
        self._write(self._place(digest), raw)
        return digest

    def _read(self, name: str) -> bytes:
        with open(os.path.join(self._path, name), "rb") as file:
            return file.read()

    def _write(self, name: str, raw: bytes) -> None:
        with open(os.path.join(self._path, name), "wb") as file:
            file.write(raw)


def layers_of(layout: str) -> dict[str, Layer]:
    """The layers of the only image in a layout, by the digests of what they hold uncompressed.

    Those that can't stand in an OCI manifest, or don't tell, aren't among them.
    """
    found: dict[str, Layer] = {}
    try:
        (image,) = _read_json(os.path.join(layout, "index.json"))["manifests"]
        manifest = _read_json(_blob_of(layout, image["digest"]))
        config = _read_json(_blob_of(layout, manifest["config"]["digest"]))
        for digest, entry in zip(config["rootfs"]["diff_ids"], manifest["layers"]):
            media_type = _DOCKER_LAYERS.get(entry["mediaType"], entry["mediaType"])
            if media_type in _TAKEN:
                kept = {"mediaType": media_type, "digest": entry["digest"], "size": entry["size"]}
                found[digest] = Layer(layout, kept)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return found


def _read_json(path: str) -> Any:
    with open(path, "rb") as file:
        return json.load(file)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """``text`` with the names that images had during the build replaced by their own."""
    for name, meant in names.items():
        text = text.replace(name, meant)
    return text


def _blob_of(layout: str, digest: str) -> str:
    algorithm, _colon, encoded = digest.partition(":")
    return os.path.join(layout, "blobs", algorithm, encoded)


def _give(path: str, target: str) -> None:
    """The same file by another name; a copy where the file system has no links."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _entry_of(manifest: Manifest) -> dict[str, Any]:
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
    }


def _platform(platform: Platform) -> dict[str, str]:
    found = {"architecture": platform.architecture, "os": platform.os}
    return {**found, "variant": platform.variant} if platform.variant else found


def _to_json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
