# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing to an OCI image layout in a folder, safely beside others who do.

Everything is written to a file of its own beside its place, brought to the disk, and renamed. Two
locks, on files that are there anyway: whoever uses the layout shares that of ``oci-layout``, and
who deletes blobs must have it alone; who changes ``index.json`` holds that of the folder for as
long as it takes to read and replace it. Locks go with the process that holds them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator

from ..model.digest import LENGTHS, is_digest
from ..model.errors import DiskError, InvalidContent
from ..model.layout import MARKER as MARKER_TEXT
from ..model.layout import LayoutIndex
from ..transport.retry import Pace
from .files import FIRST_CONTENT, FOLDER, TEMPORARY, FolderFiles, disk_error
from .layout_files import INDEX, MARKER, Change, Writer, blob_path, read_index
from .marking import used

_BUSY = (errno.EAGAIN, errno.EACCES)
#: seconds to wait for others; they hold locks for moments only
_PATIENCE, _INTERVAL = 120.0, 0.02


class _Ticket:
    """A change of the index that is to be made."""

    def __init__(self, change: Change) -> None:
        self.change, self.done = change, False
        #: why it couldn't be made
        self.errors: list[Exception] = []


class LayoutWriter(Writer):
    """See Writer. The folder is made when there is something to write."""

    def __init__(self, path: str, pace: Pace) -> None:
        super().__init__(path)
        self.path, self._pace = path, pace
        self._files = FolderFiles(path)
        self._lock, self._committing = threading.Lock(), threading.Lock()
        self._root = self._marker = -1
        self._folders: dict[str, int] = {}
        self._pending: list[_Ticket] = []
        #: the index that was written last, and the state of its file then
        self._last: tuple[object, LayoutIndex] | None = None

    # beginning and end

    def _begin(self) -> int:
        """The folder's handle; what dead writers have left there is cleared away."""
        with self._lock:
            if self._root < 0:
                with self._told(self.path):
                    os.makedirs(self.path, exist_ok=True)
                    root = os.open(self.path, FOLDER)
                    try:
                        with self._held(root):
                            self._make_layout(root)
                        self._marker = self._open_marker(root)
                    except BaseException:
                        os.close(root)
                        raise
                    self._root = root
            return self._root

    def _make_layout(self, root: int) -> None:
        if read_index(self._files) is not None:
            return
        if self._files.exists():
            raise InvalidContent(
                f"{self.path} is no OCI image layout: it has no file {MARKER}, and isn't empty"
            )
        self._replace(root, INDEX, FIRST_CONTENT)
        self._replace(root, MARKER, MARKER_TEXT)

    def _open_marker(self, root: int) -> int:
        """With its lock shared; alone for a moment if nobody else is here."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        marker = os.open(MARKER, flags, dir_fd=root)
        try:
            if try_lock(marker, fcntl.LOCK_EX):
                for name in os.listdir(root):
                    if name.startswith(TEMPORARY):
                        with contextlib.suppress(IsADirectoryError):
                            os.unlink(name, dir_fd=root)
            self._wait_lock(marker, fcntl.LOCK_SH)
        except BaseException:
            os.close(marker)
            raise
        return marker

    def begin(self) -> None:
        """See Writer."""
        self._begin()

    def close(self) -> None:
        """See Writer."""
        with self._lock:
            for handle in (*self._folders.values(), self._marker, self._root):
                if handle >= 0:
                    os.close(handle)
            self._folders.clear()
            self._root = self._marker = -1

    # files

    def blob(self, digest: str, pieces: Iterable[bytes]) -> None:
        """See Writer."""
        path = blob_path(digest)
        _blobs, algorithm, name = path.split("/")
        root = self._begin()
        with self._told(f"{self.path}/{path}"):
            self._write(root, self._folder(algorithm), name, pieces)

    def _folder(self, algorithm: str) -> int:
        with self._lock:
            if algorithm not in self._folders:
                blobs = _make_folder(self._root, "blobs")
                try:
                    self._folders[algorithm] = _make_folder(blobs, algorithm)
                    os.fsync(blobs)
                finally:
                    os.close(blobs)
            return self._folders[algorithm]

    def _write(self, root: int, folder: int, name: str, pieces: Iterable[bytes]) -> None:
        temporary = f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(temporary, flags, 0o666, dir_fd=root)
        try:
            with open(handle, "wb", buffering=0) as file:
                for piece in pieces:
                    left = memoryview(piece)
                    while left:
                        left = left[file.write(left) :]
                os.fsync(handle)
            os.rename(temporary, name, src_dir_fd=root, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=root)
            raise

    def _replace(self, root: int, name: str, content: bytes) -> None:
        self._write(root, root, name, [content])
        os.fsync(root)

    # the index

    def commit(self, change: Change) -> None:
        """See Writer. Changes that come while another is written are written together."""
        ticket = _Ticket(change)
        self._begin()
        with self._lock:
            self._pending.append(ticket)
        with self._committing:
            if not ticket.done:
                with self._lock:
                    tickets, self._pending = self._pending, []
                try:
                    self._commit([one.change for one in tickets])
                except Exception as error:  # of whatever kind: nobody may take it as made
                    for one in tickets:
                        one.errors.append(error)
                for one in tickets:
                    one.done = True
        for failure in ticket.errors:
            raise failure

    def _commit(self, changes: list[Change]) -> None:
        root = self._root
        with self._told(f"{self.path}/{INDEX}"):
            for folder in list(self._folders.values()):
                os.fsync(folder)  # what the index will name is there before it
            with self._held(root):
                old = self.known(self._files.state(INDEX)) or read_index(self._files)
                if old is None:
                    raise InvalidContent(f"{self.path}/{MARKER} is gone")
                new = old
                for change in changes:
                    new = change(new)
                if new is not old and new.raw() != old.raw():
                    self._replace(root, INDEX, new.raw())
                    self._last = self._files.state(INDEX), new

    def known(self, state: object) -> LayoutIndex | None:
        """See Writer."""
        last = self._last
        return last[1] if last and last[0] == state else None

    # deletion

    def sweep(self) -> str:
        """See Writer."""
        self._begin()
        if not try_lock(self._marker, fcntl.LOCK_EX):
            self._wait_lock(self._marker, fcntl.LOCK_SH)  # to fail took it away, see flock(2)
            return (
                f"{self.path}: blobs that nothing uses any more were left there, as another "
                "process uses it; the next removal takes them"
            )
        try:
            with self._told(self.path), self._held(self._root):
                index = read_index(self._files)
                marked = used(self._files, index or LayoutIndex())
                for digest in list(self._stored()):
                    if digest not in marked:
                        algorithm, _colon, name = digest.partition(":")
                        with contextlib.suppress(IsADirectoryError):
                            os.unlink(name, dir_fd=self._folder(algorithm))
        except (InvalidContent, DiskError) as error:
            return f"{self.path}: what is unused was left there, or some of it: {error}"
        finally:
            self._wait_lock(self._marker, fcntl.LOCK_SH)
        return ""

    def _stored(self) -> Iterator[str]:
        for algorithm in LENGTHS:
            if os.path.isdir(f"{self.path}/blobs/{algorithm}"):
                for name in os.listdir(self._folder(algorithm)):
                    if is_digest(f"{algorithm}:{name}"):
                        yield f"{algorithm}:{name}"

    # locks and errors

    @contextlib.contextmanager
    def _held(self, handle: int) -> Iterator[None]:
        self._wait_lock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _wait_lock(self, handle: int, kind: int) -> None:
        until = time.monotonic() + _PATIENCE
        while not try_lock(handle, kind):
            if time.monotonic() > until:
                raise DiskError(
                    f"{self.path} has been locked by another process for {_PATIENCE:.0f} seconds"
                )
            self._pace.sleep(_INTERVAL)

    @contextlib.contextmanager
    def _told(self, where: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise disk_error(where, error) from None


def _make_folder(above: int, name: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    return os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=above)


def try_lock(handle: int, kind: int) -> bool:
    """Whether the lock (see flock(2)) was to be had at once."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True
