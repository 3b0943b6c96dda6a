# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits to a whole call: how much it may move, and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError
from ..model.sizes import format_size
from ..stores.base import Repository
from .workers import Workers


class Limits(NamedTuple):
    """``max_bytes``: of blobs, read from sources. ``deadline``: seconds from the beginning."""

    max_bytes: int | None = None
    deadline: float | None = None


NO_LIMITS = Limits()


class TooMuch(ImageSyncError):
    """The call would move more than it may; nothing has been written."""


def check_bytes(
    planned: Iterable[tuple[Repository, Descriptor, Repository | None]],
    limit: int,
    workers: Workers,
) -> None:
    """Raises TooMuch when the blobs that are to be sent are more than ``limit`` bytes.

    ``planned``: each with where it is to be sent, and its source. Only if all of them were too
    much is it asked which are there already.
    """
    moves = [move for move in planned if move[1].data is None]
    if sum(blob.size for _where, blob, _source in moves) <= limit:
        return
    sizes = workers.map(lambda move: _size_of(*move), moves)
    if sum(sizes) > limit:
        raise TooMuch(
            f"{format_size(sum(sizes))} ({sum(sizes)} bytes) would have to be copied, and "
            f"max_bytes allows {format_size(limit)}; nothing was written"
        )


def _size_of(repository: Repository, blob: Descriptor, source: Repository | None) -> int:
    """How many bytes it takes to bring the blob there.

    Where that can't be found out, all of them: the image's own steps will tell why.
    """
    try:
        if blob.foreign and not (source and source.has_blob(blob)):
            return 0  # it stays where its URLs say
        return 0 if repository.has_blob(blob) else blob.size
    except Cancelled:
        raise
    except ImageSyncError:
        return blob.size
