# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_image.py HOST/REPOSITORY:TAG CONTENT: an image of two platforms for tests to copy.

The same content makes the same image. Prints its digests and its size as JSON.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import urllib.request
from urllib.parse import urljoin

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def main(reference: str, content: str) -> None:
    """Push the image, and print what it is."""
    place, tag = reference.rsplit(":", 1)
    host, repository = place.split("/", 1)
    base = f"http://{host}/v2/{repository}/"
    platforms = {}
    manifests = []
    size = 0
    for architecture in ("amd64", "arm64"):
        platform = {"os": "linux", "architecture": architecture}
        archive = tar(f"{content} for {architecture}\n".encode())
        layer = push_blob(base, gzip.compress(archive, mtime=0), LAYER)
        config = {
            **platform,
            "created": "2026-01-02T03:04:05Z",
            "config": {"Labels": {"content": content}},
            "rootfs": {"type": "layers", "diff_ids": [digest(archive)]},
        }
        config_blob = push_blob(base, encode(config), CONFIG)
        manifest = {"config": config_blob, "layers": [layer]}
        pushed = push_manifest(base, None, manifest, MANIFEST)
        manifests.append({**pushed, "platform": platform})
        platforms[f"linux/{architecture}"] = pushed["digest"]
        size += layer["size"] + config_blob["size"]
    index = push_manifest(base, tag, {"manifests": manifests}, INDEX)
    print(json.dumps({"digest": index["digest"], "platforms": platforms, "size": size}))


def tar(data: bytes) -> bytes:
    """An archive of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        file = tarfile.TarInfo("content")
        file.size = len(data)
        archive.addfile(file, io.BytesIO(data))
    return buffer.getvalue()


def push_blob(base: str, data: bytes, media_type: str) -> dict:
    """Upload a blob; its descriptor."""
    with send("POST", base + "blobs/uploads/", b"", media_type) as answer:
        location = urljoin(base, answer.headers["Location"])
    joint = "&" if "?" in location else "?"
    upload = f"{location}{joint}digest={digest(data)}"
    send("PUT", upload, data, "application/octet-stream").close()
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def push_manifest(base: str, tag: str | None, document: dict, media_type: str) -> dict:
    """Write a manifest, by digest where there is no tag; its descriptor."""
    data = encode({"schemaVersion": 2, "mediaType": media_type, **document})
    send("PUT", f"{base}manifests/{tag or digest(data)}", data, media_type).close()
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def send(method: str, url: str, data: bytes, media_type: str):
    """One request; raises an error when the registry refuses it."""
    headers = {"Content-Type": media_type}
    request = urllib.request.Request(url, data, headers, method=method)
    # Without any proxy: the registry is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=30)


def encode(document: dict) -> bytes:
    """The bytes of a JSON document."""
    return json.dumps(document).encode()


def digest(data: bytes) -> str:
    """The name of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
