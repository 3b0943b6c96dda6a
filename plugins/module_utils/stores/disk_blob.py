# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A blob of a layout or archive, on its way."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.descriptor import Descriptor
from ..model.errors import ImageSyncError
from ..transport.client import Network
from .base import BlobReader
from .files import File
from .verified import verified


class DiskBlob(BlobReader):
    """See BlobReader. ``counted``: whether it is read in order to be sent."""

    def __init__(self, file: File, blob: Descriptor, network: Network, counted: bool) -> None:
        self._file, self._blob, self._network, self._counts = file, blob, network, counted

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from verified(self._pieces(), self._blob, self._file.where)
        except ImageSyncError as error:
            error.transient = False  # what a disk has is the same the next time
            raise

    def _pieces(self) -> Iterator[bytes]:
        bandwidth = self._network.bandwidth
        for piece in self._file.pieces(bandwidth.piece):
            if self._counts:
                bandwidth.spend(len(piece))
                self._network.moved(downloaded=len(piece))
            yield piece

    def close(self) -> None:
        """See BlobReader."""
        self._file.close()
