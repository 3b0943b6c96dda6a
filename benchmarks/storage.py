# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders in which docker-registry keeps what it has, written without it: that is fast."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible_collections.imagesync.registry.tests.support.content import Blob

from .workloads import Layer, Tagged


def store(storage: Path, images: Iterable[Tagged]) -> None:
    """Put images below the root directory of a registry, which may be running without a cache.

    What is there already is kept, and a tag that is there moves. 10,000 tags take seconds this
    way, and a minute by requests.
    """
    base = storage / "docker" / "registry" / "v2"
    written: set[Path] = set()
    for image in images:
        _store(base, image, written)


def _store(base: Path, image: Tagged, written: set[Path]) -> None:
    repository = base / "repositories" / image.repository
    for blob in image.content:
        _blob(base, blob.digest, blob, written)
        _link(repository / "_layers", blob.digest, written)
    manifests = repository / "_manifests"
    for manifest in image.image.walk():
        _blob(base, manifest.digest, manifest.manifest, written)
        _link(manifests / "revisions", manifest.digest, written)
    tag = manifests / "tags" / image.tag
    _link(tag / "index", image.image.digest, written)
    (tag / "current").mkdir(exist_ok=True)
    (tag / "current" / "link").write_text(image.image.digest, encoding="ascii")


def _blob(base: Path, digest: str, content: Layer | Blob | bytes, written: set[Path]) -> None:
    algorithm, _colon, value = digest.partition(":")
    folder = base / "blobs" / algorithm / value[:2] / value
    if folder in written:
        return
    written.add(folder)
    if (folder / "data").exists():
        return
    folder.mkdir(parents=True)
    with (folder / "data").open("wb") as file:
        if isinstance(content, Layer):
            file.writelines(content.pieces())
        else:
            file.write(content if isinstance(content, bytes) else content.data)


def _link(folder: Path, digest: str, written: set[Path]) -> None:
    algorithm, _colon, value = digest.partition(":")
    link = folder / algorithm / value / "link"
    if link not in written:
        written.add(link)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(digest, encoding="ascii")
