# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of images and indexes: the same bytes every time for the same arguments."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from .content import (
    DOCKER_CONFIG,
    DOCKER_FOREIGN_LAYER,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_FOREIGN_LAYER,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    OCI_ZSTD_LAYER,
    Blob,
    Image,
    parse_platform,
    to_json,
)
from .layers import diff_id, layer

CREATED = "2024-01-02T03:04:05Z"
PLATFORMS = ("linux/amd64", "linux/arm64/v8")


def image(
    seed: str = "image",
    *,
    platform: str = "linux/amd64",
    layers: int | Sequence[Blob] = 1,
    size: int = 1024,
    docker: bool = False,
    labels: Mapping[str, str] | None = None,
    created: str | None = CREATED,
    annotations: Mapping[str, str] | None = None,
    subject: Image | None = None,
    inline: bool = False,
) -> Image:
    """An image of one platform; pass blobs as `layers` to share them between images."""
    kind = DOCKER_LAYER if docker else OCI_LAYER
    if isinstance(layers, int):
        layers = [layer(f"{seed}/{n}", size, kind) for n in range(layers)]
    config = _config(platform, layers, docker, {"seed": seed, **(labels or {})}, created)
    blobs = [config, *layers]
    if inline:
        blobs = [_inlined(blob) for blob in blobs]
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": blobs[0].descriptor,
        "layers": [blob.descriptor for blob in blobs[1:]],
    }
    if subject:
        document["subject"] = _reference(subject)
    if annotations:
        document["annotations"] = dict(annotations)
    parts = tuple(blobs)
    return Image(to_json(document), media_type, parts, platform=parse_platform(platform))


def _config(
    platform: str,
    layers: Sequence[Blob],
    docker: bool,
    labels: Mapping[str, str],
    created: str | None,
) -> Blob:
    """The config blob."""
    document: dict[str, Any] = {
        **parse_platform(platform),
        "config": {"Labels": dict(labels), "Cmd": ["/data"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id(blob) for blob in layers]},
        "history": [{"created_by": "imagesync test"} for _unused in layers],
    }
    if created:
        document["created"] = created
    return Blob(to_json(document), DOCKER_CONFIG if docker else OCI_CONFIG)


def _inlined(blob: Blob) -> Blob:
    """The blob with its data in the descriptor."""
    data = base64.b64encode(blob.data).decode()
    return dataclasses.replace(blob, extra={**blob.extra, "data": data})


def _reference(image: Image) -> dict[str, Any]:
    """A descriptor without platform."""
    return {k: v for k, v in image.descriptor.items() if k in ("mediaType", "size", "digest")}


def index(
    children: Sequence[Image],
    *,
    docker: bool = False,
    annotations: Mapping[str, str] | None = None,
    subject: Image | None = None,
) -> Image:
    """An OCI index or a Docker manifest list of these."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [child.descriptor for child in children],
    }
    if subject:
        document["subject"] = _reference(subject)
    if annotations:
        document["annotations"] = dict(annotations)
    return Image(to_json(document), media_type, children=tuple(children))


def multi_platform(
    seed: str = "multi",
    *,
    platforms: Sequence[str] = PLATFORMS,
    docker: bool = False,
    shared_layer: bool = False,
    annotations: Mapping[str, str] | None = None,
    **options: Any,
) -> Image:
    """An index with one image per platform; the options are those of image()."""
    children = []
    common = [layer(f"{seed}/shared", media_type=DOCKER_LAYER if docker else OCI_LAYER)]
    for platform in platforms:
        more = {"layers": [*common, _own(seed, platform, docker)]} if shared_layer else {}
        settings = {**options, **more}
        children.append(image(f"{seed}/{platform}", platform=platform, docker=docker, **settings))
    return index(children, docker=docker, annotations=annotations)


def _own(seed: str, platform: str, docker: bool) -> Blob:
    """A layer that one platform alone has."""
    return layer(f"{seed}/{platform}", media_type=DOCKER_LAYER if docker else OCI_LAYER)


def nested_index(seed: str = "nested") -> Image:
    """An index that holds an index beside an image."""
    inner = multi_platform(f"{seed}/inner", platforms=("linux/arm64/v8", "linux/s390x"))
    return index([image(f"{seed}/outer"), inner])


def zstd_image(seed: str = "zstd", **options: Any) -> Image:
    """An image with a layer compressed by zstd."""
    return image(seed, layers=[layer(seed, media_type=OCI_ZSTD_LAYER)], **options)


def foreign_image(
    seed: str = "foreign", *, docker: bool = True, url: str = "https://example.com/layer.tar.gz"
) -> Image:
    """An image with a layer that registries don't hold but name the address of."""
    ordinary = layer(f"{seed}/own", media_type=DOCKER_LAYER if docker else OCI_LAYER)
    kind = DOCKER_FOREIGN_LAYER if docker else OCI_FOREIGN_LAYER
    foreign = layer(f"{seed}/foreign", media_type=kind, extra={"urls": [url]}, stored=False)
    return image(seed, docker=docker, layers=[foreign, ordinary])


def inline_image(seed: str = "inline", **options: Any) -> Image:
    """An image whose descriptors hold their content as `data`."""
    return image(seed, inline=True, **{"size": 64, **options})


def image_without_layers(seed: str = "bare", **options: Any) -> Image:
    """An image that is nothing but its config."""
    return image(seed, layers=0, **options)


def image_with_empty_layer(seed: str = "zero", **options: Any) -> Image:
    """An image with a layer of zero bytes beside an ordinary one."""
    return image(seed, layers=[layer(seed), Blob(b"", OCI_LAYER)], **options)
