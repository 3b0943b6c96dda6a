# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which blobs of a layout are used: all that its index leads to."""

from __future__ import annotations

from typing import Any

from ..model.digest import is_digest
from ..model.errors import InvalidContent
from ..model.layout import LayoutIndex
from ..model.manifest import MEDIA_TYPES, SIZE_LIMIT
from ..model.strict_json import parse_object
from .files import Files
from .layout_files import blob_path

#: what names other blobs, or may
_LEADING = (
    *MEDIA_TYPES,
    "application/vnd.oci.artifact.manifest.v1+json",
    "",
    "application/json",
    "text/plain",
    "application/octet-stream",
)


def used(files: Files, index: LayoutIndex) -> set[str]:
    """The digests of all blobs that an entry of the index is, or leads to.

    A blob's subject isn't: what refers to an image doesn't keep it. Raises InvalidContent for a
    manifest that can't be read: then nobody knows.
    """
    queue = [(entry.descriptor.digest, entry.descriptor.media_type) for entry in index.entries]
    found: set[str] = set()
    while queue:
        digest, media_type = queue.pop()
        if digest in found:
            continue
        found.add(digest)
        if media_type in _LEADING:
            queue += _below(files, digest, media_type in MEDIA_TYPES)
    return found


def _below(files: Files, digest: str, surely: bool) -> list[tuple[str, str]]:
    path = blob_path(digest)
    size = files.size(path)
    if size is None or (size > SIZE_LIMIT and not surely):
        return []  # it isn't there, or is no manifest
    raw = files.read(path, SIZE_LIMIT) or b""
    try:
        document = parse_object(raw, f"{files.where}/{path}")
    except InvalidContent:
        if surely:
            raise
        return []
    parts: list[Any] = [document.get("config")]
    for key in ("manifests", "layers", "blobs"):
        value = document.get(key)
        parts += value if isinstance(value, list) else []
    return [
        (part["digest"], str(part.get("mediaType", "")))
        for part in parts
        if isinstance(part, dict) and is_digest(str(part.get("digest")))
    ]
