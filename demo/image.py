# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demo's image: one program for two processors, as `docker buildx` would make it."""

from __future__ import annotations

import gzip
import io
import tarfile

from ansible_collections.imagesync.registry.demo.hello import MACHINES, executable
from ansible_collections.imagesync.registry.tests.support.content import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Blob,
    Image,
    sha256,
    to_json,
)

PROGRAM = "hello"


def hello_image(version: str) -> Image:
    """The image of both platforms."""
    children = tuple(_image_of(architecture, version) for architecture in MACHINES)
    manifests = [child.descriptor for child in children]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return Image(to_json(document), OCI_INDEX, children=children)


def program_in(layer: bytes) -> bytes:
    """The program that a layer holds."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
        member = archive.extractfile(PROGRAM)
        if member is None:
            raise ValueError(f"the layer holds no file {PROGRAM}")
        return member.read()


def _image_of(architecture: str, version: str) -> Image:
    platform = {"os": "linux", "architecture": architecture}
    archive = _archive(executable(architecture, f"Hello {version} from linux/{architecture}!"))
    layer = Blob(gzip.compress(archive, mtime=0), OCI_LAYER)
    config = {
        **platform,
        "config": {
            "Cmd": [f"/{PROGRAM}"],
            "Labels": {"org.opencontainers.image.version": version},
        },
        "rootfs": {"type": "layers", "diff_ids": [sha256(archive)]},
    }
    blobs = (Blob(to_json(config), OCI_CONFIG), layer)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": blobs[0].descriptor,
        "layers": [layer.descriptor],
    }
    return Image(to_json(document), OCI_MANIFEST, blobs, platform=platform)


def _archive(program: bytes) -> bytes:
    file = tarfile.TarInfo(PROGRAM)
    file.size, file.mode = len(program), 0o755
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(file, io.BytesIO(program))
    return buffer.getvalue()
