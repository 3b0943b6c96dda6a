# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock in a file: read at the beginning, and replaced as a whole when it changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..model.errors import InvalidInput
from ..model.lock import Lock, read_lock
from .replacing import replace_file

_SIZE_LIMIT = 256 << 20


class LockFile:
    """A file that holds a lock, or will."""

    def __init__(self, path: str) -> None:
        """A link is followed, so that the file it leads to is replaced."""
        self.path = os.path.realpath(os.path.expanduser(path))

    def read(self) -> Lock:
        """Its lock, an empty one where there is no file; raises InvalidInput."""
        with self._told():
            self._check_folder()
            if not os.path.exists(self.path):
                return Lock()
            if not os.path.isfile(self.path):
                raise InvalidInput(f"lock_file {self.path} isn't a file")
            if os.path.getsize(self.path) > _SIZE_LIMIT:
                raise InvalidInput(f"lock_file {self.path} is too large for a lock")
            with open(self.path, "rb") as file:
                return read_lock(file.read(), f"lock_file {self.path}")

    def write(self, lock: Lock) -> None:
        """Replaces it, so that it is there whole at any time; raises InvalidInput."""
        with self._told():
            replace_file(self.path, lock.text().encode())

    def _check_folder(self) -> None:
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise InvalidInput(f"lock_file {self.path}: the folder {folder} doesn't exist")
        if not os.access(folder, os.W_OK):
            raise InvalidInput(f"lock_file {self.path}: the folder {folder} can't be written to")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InvalidInput(f"lock_file {self.path}: {error.strerror or error}") from None
