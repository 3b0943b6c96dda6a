# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI image layouts and archives, written and read without the code under test."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .content import OCI_INDEX, Blob, Image, sha256, to_json

REF_NAME = "org.opencontainers.image.ref.name"


def blob_file(folder: Path, digest: str) -> Path:
    """Where a layout keeps a blob."""
    return folder / "blobs" / digest.replace(":", "/")


def index_of(folder: Path) -> dict[str, Any]:
    """What index.json says."""
    document: dict[str, Any] = json.loads((folder / "index.json").read_bytes())
    return document


def names(folder: Path) -> dict[str, str]:
    """The digests of a layout's images by their names, each name once."""
    found: dict[str, str] = {}
    for entry in index_of(folder)["manifests"]:
        name = entry.get("annotations", {}).get(REF_NAME)
        if name:
            assert name not in found, f"{name} stands twice in index.json"
            found[name] = entry["digest"]
    return found


def unnamed(folder: Path) -> set[str]:
    """The digests of what is there without a name."""
    entries = index_of(folder)["manifests"]
    return {e["digest"] for e in entries if REF_NAME not in e.get("annotations", {})}


def stored(folder: Path) -> set[str]:
    """The digests of all blobs, each of which must have its name's content."""
    found = set()
    for path in (folder / "blobs" / "sha256").iterdir():
        digest = f"sha256:{path.name}"
        assert sha256(path.read_bytes()) == digest, f"{path} is damaged"
        found.add(digest)
    return found


def parts(*images: Image) -> set[str]:
    """The digests of all that these images are made of."""
    manifests = {one.digest for image in images for one in image.walk()}
    return manifests | {blob.digest for image in images for blob in image.all_blobs}


def check_valid(folder: Path) -> None:
    """Whether it is a layout as image-layout.md has it, with nothing else in it."""
    assert sorted(path.name for path in folder.iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    document = index_of(folder)
    assert document["schemaVersion"] == 2
    there = stored(folder)
    for entry in document["manifests"]:
        _check_tree(folder, entry, there)


def _check_tree(folder: Path, descriptor: Mapping[str, Any], there: set[str]) -> None:
    assert descriptor["digest"] in there
    data = blob_file(folder, descriptor["digest"]).read_bytes()
    assert len(data) == descriptor["size"]
    if "manifest" not in descriptor["mediaType"] and "index" not in descriptor["mediaType"]:
        return
    document = json.loads(data)
    config = [document["config"]] if "config" in document else []
    for part in [*config, *document.get("layers", []), *document.get("manifests", [])]:
        if not part.get("urls"):
            _check_tree(folder, part, there)


def files_of(images: Mapping[str, Image], **more: Any) -> dict[str, bytes]:
    """The files of a layout with these images, by their paths; ``more`` goes into index.json."""
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    entries = []
    for name, image in images.items():
        annotations = {REF_NAME: name} if name else {}
        entries.append({**image.descriptor, **({"annotations": annotations} if name else {})})
        for manifest in image.walk():
            files[_path(manifest.digest)] = manifest.manifest
        for blob in image.all_blobs:
            files[_path(blob.digest)] = blob.data
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
    return {**files, "index.json": to_json(document)}


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def write_layout(folder: Path, images: Mapping[str, Image], **more: Any) -> Path:
    """A layout with these images; an empty name is none."""
    for path, data in files_of(images, **more).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def write_archive(path: Path, images: Mapping[str, Image]) -> Path:
    """The same in a tar file."""
    path.write_bytes(tar(files_of(images)))
    return path


def tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A tar file of these; ``links`` are symbolic ones."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def docker_archive(images: Mapping[str, Image], new: bool = False) -> bytes:
    """What `docker save` writes of images whose layers aren't compressed.

    The old form has a folder for each layer, a shared one as a link; the new one is a layout too.
    """
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    seen: dict[str, str] = {}
    manifest = []
    for number, (name, image) in enumerate(images.items()):
        config, *layers = image.blobs
        paths = []
        for order, layer in enumerate(layers):
            path = f"{number:x}{order:x}" * 32 + "/layer.tar"
            if layer.digest in seen:
                links[path] = f"../{seen[layer.digest]}"
            else:
                files[path] = layer.data
                seen[layer.digest] = path
            paths.append(path)
        name_of_config = config.digest.partition(":")[2] + ".json"
        files[name_of_config] = config.data
        manifest.append({"Config": name_of_config, "RepoTags": [name], "Layers": paths})
    if new:
        files, links, manifest = _new_form(images)
    files["manifest.json"] = json.dumps(manifest).encode()
    return tar(files, links)


def _new_form(
    images: Mapping[str, Image],
) -> tuple[dict[str, bytes], dict[str, str], list[dict[str, Any]]]:
    files = files_of(images)
    entries, manifest = [], []
    for name, image in images.items():
        annotations = {
            "io.containerd.image.name": f"docker.io/{'' if '/' in name else 'library/'}{name}",
            REF_NAME: name.partition(":")[2],
        }
        entries.append({**image.descriptor, "annotations": annotations})
        config, *layers = (_path(blob.digest) for blob in image.blobs)
        manifest.append({"Config": config, "RepoTags": [name], "Layers": layers})
    files["index.json"] = to_json({"schemaVersion": 2, "manifests": entries})
    return files, {}, manifest


def uncompressed(images: Iterable[tuple[str, bytes]]) -> list[Blob]:
    """Layers that aren't compressed, each a tar file of one file."""
    return [
        Blob(tar({name: data}), "application/vnd.oci.image.layer.v1.tar") for name, data in images
    ]
