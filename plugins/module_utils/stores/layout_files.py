# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an OCI image layout (image-spec, image-layout.md), and what writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ..model.digest import algorithm_of, is_digest
from ..model.errors import DiskError, InvalidContent
from ..model.layout import LayoutIndex, check_marker, parse_index
from .files import Files

MARKER, INDEX = "oci-layout", "index.json"
#: as many entries as an index may have
INDEX_LIMIT = 128 << 20
MARKER_LIMIT = 4096

Change = Callable[[LayoutIndex], LayoutIndex]


def blob_path(digest: str) -> str:
    """Where a blob is; only ever called with what was found to be a digest."""
    if not is_digest(digest):
        raise InvalidContent(f"{digest[:140]!r} is not a digest")
    return f"blobs/{algorithm_of(digest)}/{digest.partition(':')[2]}"


def read_index(files: Files) -> LayoutIndex | None:
    """What ``index.json`` says; None where there is no layout. Raises InvalidContent."""
    marker = files.read(MARKER, MARKER_LIMIT)
    if marker is None:
        return None
    check_marker(marker, f"{files.where}/{MARKER}")
    raw = files.read(INDEX, INDEX_LIMIT)
    if raw is None:
        raise InvalidContent(f"{files.where} is no OCI image layout: it has no {INDEX}")
    return parse_index(raw, f"{files.where}/{INDEX}")


class Writer:
    """What changes a layout; this one is for those that are only read."""

    def __init__(self, where: str) -> None:
        self._where = where

    def begin(self) -> None:
        """From here on nobody deletes what is there; raises DiskError."""

    def blob(self, digest: str, pieces: Iterable[bytes]) -> None:
        """Stores a blob whose content is right when ``pieces`` end; raises DiskError."""
        raise DiskError(f"{self._where} can only be read")

    def commit(self, change: Change) -> None:
        """Changes ``index.json``; what others have changed meanwhile stays. Raises DiskError."""
        raise DiskError(f"{self._where} can only be read")

    def known(self, state: object) -> LayoutIndex | None:
        """The index, where it was written by us in this ``state`` of its file."""
        return None

    def sweep(self) -> str:
        """Deletes blobs that nothing uses; a warning where that can't be done now."""
        return ""

    def finish(self) -> None:
        """All is written that will be; raises DiskError."""

    def close(self) -> None:
        """Gives up what is held open, and what isn't finished."""
