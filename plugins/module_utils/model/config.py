# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The config of an image: when it was made, for what, and its labels (image-spec, config.md)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from .manifest import IMAGES, Manifest
from .platforms import Platform

#: config types that describe an image; an artifact's config may be anything
_MEDIA_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
#: as much as is read of a config
SIZE_LIMIT = 8 << 20


class ImageConfig(NamedTuple):
    """What of a config is of use here; empty where it doesn't say."""

    platform: Platform | None = None
    created: str = ""
    labels: dict[str, str] = {}  # noqa: RUF012 - never changed
    os_version: str = ""
    os_features: tuple[str, ...] = ()


def has_config(manifest: Manifest) -> bool:
    """Whether the manifest's config is one that describes an image."""
    config = manifest.config
    return (
        manifest.media_type in IMAGES
        and config is not None
        and config.media_type in _MEDIA_TYPES
        and config.size <= SIZE_LIMIT
    )


def parse_config(raw: bytes) -> ImageConfig:
    """What ``raw`` says; nothing, if it can't be read."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return ImageConfig()
    if not isinstance(document, dict):
        return ImageConfig()
    parts = [document.get(key) or "" for key in ("os", "architecture", "variant")]
    known = all(isinstance(part, str) for part in parts) and parts[0] and parts[1]
    created = document.get("created")
    inner = document.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    version, features = document.get("os.version"), document.get("os.features")
    return ImageConfig(
        Platform(*map(_text, parts)) if known else None,
        _text(created) if isinstance(created, str) else "",
        _labels(labels) if isinstance(labels, dict) else {},
        _text(version) if isinstance(version, str) else "",
        tuple(_text(f) for f in features if isinstance(f, str))
        if isinstance(features, list)
        else (),
    )


def _labels(labels: dict[str, Any]) -> dict[str, str]:
    """Those that are texts or numbers."""
    scalars = (str, int, float, type(None))
    return {_text(k): _text(str(v)) for k, v in labels.items() if isinstance(v, scalars)}


def _text(text: str) -> str:
    """Half of a surrogate pair is no character, and couldn't be written."""
    return text.encode("utf-8", "replace").decode()
