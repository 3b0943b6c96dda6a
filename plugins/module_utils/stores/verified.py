# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs are checked while they pass: size and digest, before the last piece is handed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..model.descriptor import Descriptor
from ..model.digest import hasher
from ..model.errors import ConnectionFailed, InvalidContent
from .base import BlobReader


def verified(pieces: Iterable[bytes], blob: Descriptor, where: str) -> Iterator[bytes]:
    """``pieces``, the last of them held back until the whole is known to be right.

    So nobody downstream can hold wrong content whole. Raises InvalidContent or
    ConnectionFailed, both worth another try.
    """
    check = hasher(blob.digest)
    total = 0
    held = b""
    for piece in filter(None, pieces):  # an empty one would push out what is held back
        total += len(piece)
        if total > blob.size:
            raise InvalidContent(
                f"{where}: blob {blob.digest} is larger than the {blob.size} bytes of its "
                "descriptor",
                True,
            )
        check.update(piece)
        if held:
            yield held
        held = piece
    if total != blob.size:
        raise ConnectionFailed(
            f"{where}: blob {blob.digest} ended after {total} of {blob.size} bytes"
        )
    if check.hexdigest() != blob.digest.partition(":")[2]:
        actual = f"{blob.digest.partition(':')[0]}:{check.hexdigest()}"
        raise InvalidContent(
            f"{where}: the content of blob {blob.digest} has the digest {actual}", True
        )
    if held:
        yield held


class InlineBlob(BlobReader):
    """A blob that its descriptor carries; it was verified when that was parsed."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        if self._data:
            yield self._data

    def close(self) -> None:
        """Nothing is open."""
