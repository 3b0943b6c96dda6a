# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the benchmarks mirror: images in repositories, the same bytes on every machine."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import random
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.imagesync.registry.tests.support.content import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Blob,
    Image,
    parse_platform,
    to_json,
)
from ansible_collections.imagesync.registry.tests.support.images import CREATED, PLATFORMS, index

KIB, MIB = 1 << 10, 1 << 20
TAGS_IN_SYNC = 100  # in each repository of in_sync()

_PIECE = MIB
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_STORED = 0xFFFF  # bytes in one stored block at most


@dataclass(frozen=True)
class Layer:
    """A layer with `size` bytes that cannot be compressed, made anew whenever it is read.

    A tar archive in a gzip file of stored blocks. The gzip file is made here, as the bytes that
    zlib makes differ from one zlib to the next.
    """

    seed: str
    size: int

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the gzip file, a few at a time."""
        checksum = length = 0
        yield _GZIP_HEAD
        for piece in self._archive():
            checksum = zlib.crc32(piece, checksum)
            length += len(piece)
            for start in range(0, len(piece), _STORED):
                block = piece[start : start + _STORED]
                yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF) + block
        yield struct.pack("<BHHII", 1, 0, 0xFFFF, checksum, length & 0xFFFFFFFF)

    def _archive(self) -> Iterator[bytes]:
        """The bytes of the tar archive, which holds one file."""
        info = tarfile.TarInfo("data")
        info.size = self.size
        yield info.tobuf(tarfile.USTAR_FORMAT)
        content = random.Random(self.seed)
        for start in range(0, self.size, _PIECE):
            yield content.randbytes(min(_PIECE, self.size - start))
        padding = -self.size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
        whole = tarfile.BLOCKSIZE + self.size + padding
        yield bytes(padding + -whole % tarfile.RECORDSIZE)

    @functools.cached_property
    def _facts(self) -> tuple[str, int, str]:
        """The digest and the size of the file, and the digest of the archive in it."""
        packed, size, archive = hashlib.sha256(), 0, hashlib.sha256()
        for piece in self.pieces():
            packed.update(piece)
            size += len(piece)
        for piece in self._archive():
            archive.update(piece)
        return f"sha256:{packed.hexdigest()}", size, f"sha256:{archive.hexdigest()}"

    @property
    def digest(self) -> str:
        """The digest of the gzip file."""
        return self._facts[0]

    @property
    def diff_id(self) -> str:
        """The digest of the archive."""
        return self._facts[2]

    @property
    def descriptor(self) -> dict[str, object]:
        """How a manifest names it."""
        return {"mediaType": OCI_LAYER, "size": self._facts[1], "digest": self.digest}


@dataclass(frozen=True)
class Tagged:
    """A tag of a repository with the image that it names; `content` is all of its blobs."""

    repository: str
    tag: str
    image: Image
    content: tuple[Layer | Blob, ...]


@dataclass(frozen=True)
class Workload:
    """Images of one kind; all sizes are bytes.

    All images share `base` layers, and each has `own` layers of its own, for each platform. With
    more than one platform an image is an index.
    """

    name: str
    repositories: int
    tags: int  # in each repository
    own_size: int
    own: int = 1
    base: int = 0
    base_size: int = 0
    platforms: tuple[str, ...] = PLATFORMS[:1]
    prefix: str = "bench"  # of the repositories' names

    def all(self) -> list[Tagged]:
        """Every tag."""
        return [self.tagged(number) for number in range(self.repositories * self.tags)]

    def tagged(self, number: int, version: int = 0) -> Tagged:
        """One tag; each further version is the tag moved, with new layers of its own."""
        repository, tag = divmod(number, self.tags)
        content: list[Layer | Blob] = []
        children = []
        for platform in self.platforms:
            seed = f"{self.name}/{number}/{version}/{platform}"
            layers = [
                *[_layer(f"{self.name}/{platform}/{n}", self.base_size) for n in range(self.base)],
                *[_layer(f"{seed}/{n}", self.own_size) for n in range(self.own)],
            ]
            config = _config(seed, platform, layers)
            children.append(_manifest(platform, config, layers))
            content += [config, *layers]
        image = children[0] if len(children) == 1 else index(children)
        return Tagged(f"{self.prefix}/r{repository:03}", f"t{tag}", image, tuple(content))

    def part(self, share: int) -> Workload:
        """The same with one of `share` repositories."""
        return dataclasses.replace(self, repositories=max(self.repositories // share, 1))


MANY_SMALL = Workload("many-small", 50, 4, 200 * KIB, base=3, base_size=2 * MIB)
MULTIARCH = Workload("multiarch", 10, 2, MIB, base=1, base_size=2 * MIB, platforms=PLATFORMS)
BIG = Workload("big", 1, 1, 256 * MIB, own=4)
WORKLOADS = {workload.name: workload for workload in (MANY_SMALL, MULTIARCH, BIG)}


def in_sync(tags: int, prefix: str = "bench") -> list[Tagged]:
    """Many tags, all of one tiny image: for calls that have nothing to do."""
    one = Workload("in-sync", 1, 1, KIB).tagged(0)
    return [
        Tagged(
            f"{prefix}/r{number // TAGS_IN_SYNC:03}",
            f"t{number % TAGS_IN_SYNC}",
            one.image,
            one.content,
        )
        for number in range(tags)
    ]


@functools.cache
def _layer(seed: str, size: int) -> Layer:
    """One object for each layer, as it takes time to tell a digest."""
    return Layer(seed, size)


def _config(seed: str, platform: str, layers: list[Layer]) -> Blob:
    document = {
        **parse_platform(platform),
        "created": CREATED,
        "config": {"Labels": {"seed": seed}},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created_by": "imagesync benchmark"} for _unused in layers],
    }
    return Blob(to_json(document), OCI_CONFIG)


def _manifest(platform: str, config: Blob, layers: list[Layer]) -> Image:
    """An image without its blobs, so that nothing holds on to their bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }
    return Image(to_json(document), OCI_MANIFEST, platform=parse_platform(platform))
