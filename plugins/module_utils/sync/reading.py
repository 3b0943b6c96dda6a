# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a blob for a transfer, and remembering whether that was what failed; and configs."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.config import ImageConfig, has_config, parse_config
from ..model.descriptor import Descriptor
from ..model.errors import ImageSyncError
from ..model.manifest import Manifest
from ..stores.base import BlobReader, Repository
from ..stores.verified import InlineBlob


def config_of(repository: Repository, manifest: Manifest) -> ImageConfig:
    """What the config of an image says; nothing, where it has none that describes an image."""
    if manifest.config is None or not has_config(manifest):
        return ImageConfig()
    data = manifest.config.data
    return parse_config(repository.read_blob(manifest.config) if data is None else data)


class Opener:
    """Reads a blob from its descriptor where that carries it, else from a source.

    ``failed``: whether the reading failed, rather than what is done with it.
    """

    def __init__(self, source: Repository | None, blob: Descriptor) -> None:
        self._source, self._blob = source, blob
        self.failed = False

    def open(self) -> BlobReader:
        """Begins to read."""
        if self._blob.data is not None or self._source is None:
            return InlineBlob(self._blob.data or b"")
        self.failed = False
        try:
            return _Watched(self._source.open_blob(self._blob), self)
        except ImageSyncError:
            self.failed = True
            raise


class _Watched(BlobReader):
    """A blob on its way, whose failure is remembered."""

    def __init__(self, reader: BlobReader, opener: Opener) -> None:
        self._reader, self._opener = reader, opener

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._reader
        except ImageSyncError:
            self._opener.failed = True
            raise

    def close(self) -> None:
        """See BlobReader."""
        self._reader.close()
