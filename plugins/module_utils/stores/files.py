# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files to read images from: in a folder, or in a tar file.

Whoever has written them may be hostile: nothing outside is ever opened, and nothing but regular
files. Hard links are regular files, and what is in them is checked like all else.
"""

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator

from ..model.errors import DiskError, InvalidContent
from ..model.layout import LayoutIndex

#: O_NONBLOCK: to open a FIFO must not wait for somebody who writes to it
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: names of files that aren't in their place yet begin so
TEMPORARY = ".imagesync-"
#: an index without images comes first: with the marker after it, the layout is one
FIRST, FIRST_CONTENT = "index.json", LayoutIndex().raw()
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def disk_error(where: str, error: OSError) -> DiskError:
    """An error about a path, in the words of the operating system."""
    hint = ""
    if error.errno == errno.ENOSPC:
        hint = "; free some space there, what was there before is still whole"
    return DiskError(f"{where}: {error.strerror or error}{hint}")


class File:
    """A file that is open for reading, or a part of one; ``size`` in bytes."""

    def __init__(self, handle: int, offset: int, size: int, where: str, owned: bool) -> None:
        """``owned``: whether ``close`` closes the handle."""
        self._handle, self._offset, self.size = handle, offset, size
        self.where, self._owned = where, owned

    def pieces(self, length: int) -> Iterator[bytes]:
        """The content in pieces of ``length`` bytes; raises DiskError."""
        position = 0
        while position < self.size:
            piece = self.read(position, length)
            if not piece:
                return  # it became shorter; who reads it counts
            position += len(piece)
            yield piece

    def read(self, position: int, length: int) -> bytes:
        """Bytes from ``position``; raises DiskError."""
        length = max(0, min(length, self.size - position))
        try:
            return os.pread(self._handle, length, self._offset + position)
        except OSError as error:
            raise disk_error(self.where, error) from None

    def whole(self, limit: int) -> bytes:
        """All of it; raises InvalidContent when that is more than ``limit`` bytes."""
        if self.size > limit:
            raise InvalidContent(
                f"{self.where} has {self.size} bytes, more than the {limit} allowed"
            )
        return b"".join(self.pieces(1 << 20))

    def close(self) -> None:
        """Gives the handle back."""
        if self._owned:
            self._owned = False
            os.close(self._handle)


class Files(ABC):
    """Files by their names, with ``/`` between folders. ``where``: what messages call them."""

    where: str

    @abstractmethod
    def open(self, name: str) -> File | None:
        """The file; None where there is none. Raises DiskError, InvalidContent."""

    @abstractmethod
    def state(self, name: str) -> object:
        """Equal as long as the file is the same."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is the folder or tar file."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        file = self.open(name)
        if file is None:
            return None
        file.close()
        return file.size

    def read(self, name: str, limit: int) -> bytes | None:
        """The content of a small file; None where there is none."""
        file = self.open(name)
        if file is None:
            return None
        try:
            return file.whole(limit)
        finally:
            file.close()

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Gives up what is held open."""


class FolderFiles(Files):
    """Files below a folder. The folder itself may be a link, nothing below it may."""

    def __init__(self, path: str) -> None:
        self.path = self.where = path

    def exists(self) -> bool:
        """See Files. One that is empty, or is just being begun, isn't there yet."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            found = disk_error(self.path, error)
            if os.path.isfile(self.path):
                found = DiskError(f"{found}; oci-archive: and docker-archive: are for files")
            raise found from None
        return not self.begun(names)

    def begun(self, names: list[str]) -> bool:
        """Whether a folder with these names in it is empty but for what is written first."""
        left = [name for name in names if not name.startswith(TEMPORARY)]
        return not left or (
            left == [FIRST] and self.read(FIRST, len(FIRST_CONTENT)) == FIRST_CONTENT
        )

    def open(self, name: str) -> File | None:
        """See Files."""
        where = f"{self.path}/{name}"
        try:
            handle = self._open(name.split("/"))
        except OSError as error:
            if error.errno in _ABSENT and not self._is_link(name):
                return None
            if error.errno in (errno.ELOOP, errno.ENXIO) or self._is_link(name):
                raise _not_regular(where) from None
            raise disk_error(where, error) from None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            raise _not_regular(where)
        return File(handle, 0, found.st_size, where, True)

    def _open(self, parts: list[str]) -> int:
        """Each folder on the way by itself, so that none can be a link."""
        folder = os.open(self.path, FOLDER)
        try:
            for part in parts[:-1]:
                below = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
            return os.open(parts[-1], _READ, dir_fd=folder)
        finally:
            os.close(folder)

    def _is_link(self, name: str) -> bool:
        """Whether something on the way is a link: then it isn't just absent."""
        parts = name.split("/")
        paths = ("/".join([self.path, *parts[:end]]) for end in range(1, len(parts) + 1))
        return any(os.path.islink(path) for path in paths)

    def state(self, name: str) -> object:
        """See Files."""
        try:
            found = os.lstat(f"{self.path}/{name}")
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _not_regular(where: str) -> InvalidContent:
    return InvalidContent(f"{where} is, or is behind, a link or something else that isn't a file")
