# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptors: what points at content (image-spec, descriptor.md)."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

from .digest import digest_of, is_digest
from .errors import InvalidContent
from .platforms import Platform
from .strict_json import check_keys

_KEYS = (
    "mediaType",
    "digest",
    "size",
    "urls",
    "data",
    "platform",
    "annotations",
    "artifactType",
)
_LONGEST_PART = 128
_PLATFORM_KEYS = ("os", "architecture", "variant", "os.version", "os.features")


class Descriptor(NamedTuple):
    """Type, digest and size (bytes) of some content, and what else the pointing document says.

    ``foreign``: a layer that may be kept away from registries (``urls`` say where it is).
    ``data``: the content itself, verified, where the descriptor carries it.
    """

    media_type: str
    digest: str
    size: int
    foreign: bool = False
    data: bytes | None = None
    platform: Platform | None = None
    artifact_type: str = ""


def parse_descriptor(value: Any, where: str) -> Descriptor:
    """The descriptor that a document holds at ``where``; raises InvalidContent."""
    if not isinstance(value, dict):
        raise InvalidContent(f"{where} is not a descriptor")
    check_keys(value, _KEYS, where)
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType", "")
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidContent(f"{where} has no valid digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidContent(f"{where} has no valid size")
    if not isinstance(media_type, str):
        raise InvalidContent(f"{where} has no valid mediaType")
    artifact_type = value.get("artifactType", "")
    return Descriptor(
        media_type,
        digest,
        size,
        bool(value.get("urls")) and _is_nondistributable(media_type),
        _inline(value.get("data"), digest, size, where),
        _platform(value.get("platform"), where),
        artifact_type if isinstance(artifact_type, str) else "",
    )


def _is_nondistributable(media_type: str) -> bool:
    return ".foreign." in media_type or ".nondistributable." in media_type


def _inline(data: Any, digest: str, size: int, where: str) -> bytes | None:
    """image-spec: embedded content must be verified like fetched content."""
    if data is None:
        return None
    try:
        content = base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise InvalidContent(f"{where} has data that is not base64") from None
    if len(content) != size or digest_of(content, digest) != digest:
        raise InvalidContent(f"{where} has data that doesn't match its digest and size")
    return content


def _platform(value: Any, where: str) -> Platform | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidContent(f"{where} has a platform that is not an object")
    check_keys(value, _PLATFORM_KEYS, where)
    parts = [value.get(key, "") for key in ("os", "architecture", "variant")]
    if not all(isinstance(part, str) and len(part) <= _LONGEST_PART for part in parts):
        raise InvalidContent(f"{where} has a platform whose parts are not short texts")
    return Platform(*parts)
