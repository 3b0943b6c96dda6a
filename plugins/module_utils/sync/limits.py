# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits to a whole call: how much it may move, and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..model.descriptor import Descriptor
from ..model.errors import ImageSyncError
from ..model.sizes import format_size
from ..stores.base import Repository
from .workers import Workers


class Limits(NamedTuple):
    """``max_bytes``: of blobs, read from sources. ``deadline``: seconds from the beginning."""

    max_bytes: int | None = None
    deadline: float | None = None


class TooMuch(ImageSyncError):
    """The call would move more than it may; nothing has been written."""


def check_bytes(
    planned: Iterable[tuple[Repository, Descriptor]], limit: int, workers: Workers
) -> None:
    """Raises TooMuch when the blobs that are to be sent are more than ``limit`` bytes.

    ``planned``: each with where it is to be sent. Only if all of them were too much is it asked
    which are there already.
    """
    blobs = [(repository, blob) for repository, blob in planned if blob.data is None]
    if sum(blob.size for _where, blob in blobs) <= limit:
        return
    there = workers.map(lambda pair: pair[0].has_blob(pair[1]), blobs)
    size = sum(blob.size for (_where, blob), found in zip(blobs, there) if not found)
    if size > limit:
        raise TooMuch(
            f"{format_size(size)} ({size} bytes) would have to be copied, and max_bytes allows "
            f"{format_size(limit)}; nothing was written"
        )
