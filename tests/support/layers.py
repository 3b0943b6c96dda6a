# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers: real tar archives with content that depends on a seed alone."""

from __future__ import annotations

import functools
import gzip
import io
import random
import struct
import tarfile
from collections.abc import Mapping
from typing import Any

from .content import OCI_LAYER, Blob, sha256

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_BLOCK = 1 << 17


@functools.lru_cache(maxsize=64)
def tar_archive(seed: str, size: int) -> bytes:
    """An archive of one file with this many bytes that cannot be compressed."""
    content = random.Random(seed).randbytes(size)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("data")
        info.size = size
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def gzipped(data: bytes) -> bytes:
    """The same gzip file every time."""
    buffer = io.BytesIO()
    level = 1 if len(data) < 1 << 20 else 0  # what cannot be compressed needn't be tried
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=level, mtime=0) as archive:
        archive.write(data)
    return buffer.getvalue()


def zstd_frame(data: bytes) -> bytes:
    """A real zstd frame that stores the data as it is."""
    parts = [ZSTD_MAGIC, b"\xe0", struct.pack("<Q", len(data))]
    blocks = [data[i : i + ZSTD_BLOCK] for i in range(0, len(data), ZSTD_BLOCK)] or [b""]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        parts += [struct.pack("<I", len(block) << 3 | last)[:3], block]
    return b"".join(parts)


def layer(
    seed: str,
    size: int = 1024,
    media_type: str = OCI_LAYER,
    extra: Mapping[str, Any] | None = None,
    stored: bool = True,
) -> Blob:
    """A compressed layer of about this size."""
    archive = tar_archive(seed, size)
    packed = zstd_frame(archive) if media_type.endswith("+zstd") else gzipped(archive)
    return Blob(packed, media_type, extra or {}, stored)


def diff_id(blob: Blob) -> str:
    """The digest of a layer's archive without its compression, for the config."""
    if blob.data[:2] == b"\x1f\x8b":
        return sha256(gzip.decompress(blob.data))
    return blob.digest
