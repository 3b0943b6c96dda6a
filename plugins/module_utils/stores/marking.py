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

#: what names other blobs, or may, also where a layer is expected
_LEADING = (
    *MEDIA_TYPES,
    "application/vnd.oci.artifact.manifest.v1+json",
    "",
    "application/json",
    "text/plain",
    "application/octet-stream",
)
#: keys of manifests under which digests stand that don't keep what they name
_LOOSE = ("annotations", "subject")
#: digest, media type, and whether it stands where manifests do
_Part = tuple[str, str, bool]


def used(files: Files, index: LayoutIndex) -> set[str]:
    """The digests of all blobs that an entry of the index is, or leads to.

    Of a manifest whose type isn't known, each digest in it counts. A blob's subject doesn't: what
    refers to an image doesn't keep it. Raises InvalidContent for a manifest that can't be read:
    then nobody knows.
    """
    queue: list[_Part] = [
        (e.descriptor.digest, e.descriptor.media_type, True) for e in index.entries
    ]
    found: set[str] = set()
    followed: set[str] = set()
    while queue:
        digest, media_type, leads = queue.pop()
        found.add(digest)
        kind = media_type.lower()
        # what is called a layer in one place may be called a manifest in another
        if digest not in followed and (leads or kind in _LEADING):
            followed.add(digest)
            queue += _below(files, digest, kind in MEDIA_TYPES)
    return found


def _below(files: Files, digest: str, surely: bool) -> list[_Part]:
    document = _document(files, blob_path(digest), surely)
    if surely:
        return [
            part
            for key in ("config", "manifests", "layers", "blobs")
            for part in _digests(document.get(key), key == "manifests")
        ]
    return _digests({k: v for k, v in document.items() if k not in _LOOSE}, False)


def _document(files: Files, path: str, surely: bool) -> dict[str, Any]:
    """The JSON of a blob; nothing for what isn't there, or surely is no manifest."""
    size = files.size(path)
    if size is None or (size > SIZE_LIMIT and not surely):
        return {}
    raw = files.read(path, SIZE_LIMIT) or b""
    try:
        return parse_object(raw, f"{files.where}/{path}")
    except InvalidContent:
        if surely:
            raise
        return {}


def _digests(value: Any, leads: bool) -> list[_Part]:
    """All digests in it: those of descriptors with their types."""
    if isinstance(value, str):
        return [(value, "", leads)] if is_digest(value) else []
    if isinstance(value, list):
        return [part for one in value for part in _digests(one, leads)]
    if not isinstance(value, dict):
        return []
    digest = value.get("digest")
    if isinstance(digest, str) and is_digest(digest):
        return [(digest, str(value.get("mediaType", "")), leads)]
    return [
        part for key, one in value.items() if key not in _LOOSE for part in _digests(one, leads)
    ]
