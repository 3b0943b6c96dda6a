# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An OCI image layout in a tar file, written as a whole at the end of the call.

Until then what is new is kept in a folder beside it. The same images give the same bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import secrets
import shutil
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator

from ..model.errors import DiskError, InvalidContent
from ..model.layout import LayoutIndex
from ..transport.retry import Pace
from .archive import TarFiles, version_of
from .files import FOLDER, TEMPORARY, File, Files, FolderFiles, disk_error
from .layout_files import INDEX, MARKER, Change, Writer, blob_path, read_index
from .layout_writing import LayoutWriter, try_lock
from .marking import used

_PIECE = 1 << 20
_PATIENCE, _INTERVAL = 120.0, 0.05


class Overlay(Files):
    """An archive, and in front of it the folder with what is to be in the next one."""

    def __init__(self, archive: TarFiles) -> None:
        self.archive, self.where = archive, archive.where
        self.new: FolderFiles | None = None
        #: what others have replaced in the meantime; what was found in it is taken from it
        self.before: list[TarFiles] = []

    def exists(self) -> bool:
        """See Files."""
        return self.new is not None or self.archive.exists()

    def state(self, name: str) -> object:
        """See Files."""
        return self.new.state(name) if self.new else self.archive.state(name)

    def open(self, name: str) -> File | None:
        """See Files."""
        found = self.new.open(name) if self.new else None
        if found is None and (self.new is None or name not in (INDEX, MARKER)):
            archives = (self.archive, *self.before)
            found = next((file for one in archives if (file := one.open(name))), None)
        return found

    def close(self) -> None:
        """See Files."""
        for archive in (self.archive, *self.before):
            archive.close()


class ArchiveWriter(Writer):
    """See Writer."""

    def __init__(self, files: Overlay, pace: Pace) -> None:
        super().__init__(files.where)
        self.path = os.path.realpath(files.where)  # a link stays one
        self._files, self._pace = files, pace
        self._parent, name = os.path.split(self.path)
        self._prefix = f".{name}{TEMPORARY}"
        self._lock = threading.Lock()
        self._inner: LayoutWriter | None = None
        self._changes: list[Change] = []
        #: digests of the blobs that are in the folder; some may be in the archive, damaged
        self._new: set[str] = set()

    def blob(self, digest: str, pieces: Iterable[bytes]) -> None:
        """See Writer."""
        self._begun().blob(digest, pieces)
        with self._lock:
            self._new.add(digest)

    def commit(self, change: Change) -> None:
        """See Writer."""
        inner = self._begun()
        with self._lock:
            self._changes.append(change)
        inner.commit(change)

    def _begun(self) -> LayoutWriter:
        """What is in the archive stays there; its index is copied."""
        with self._lock:
            if self._inner is None:
                archive = self._files.archive
                index = read_index(archive)
                if archive.compression:
                    raise DiskError(f"{self.path} is compressed, and can only be read")
                if index is None and archive.exists():
                    raise InvalidContent(f"{self.path} is no OCI image layout: it has no {MARKER}")
                folder = os.path.join(self._parent, self._prefix + secrets.token_hex(8))
                with self._told(), self._held():
                    self._clear()
                    self._inner = self._begin(folder, index or LayoutIndex())
                self._files.new = FolderFiles(folder)
            return self._inner

    def _begin(self, folder: str, index: LayoutIndex) -> LayoutWriter:
        os.mkdir(folder)
        inner = LayoutWriter(folder, self._pace)
        try:
            inner.commit(lambda _empty: index)
        except BaseException:
            inner.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return inner

    def _clear(self) -> None:
        """Takes away what processes have left that are dead."""
        for name in os.listdir(self._parent):
            if not name.startswith(self._prefix):
                continue
            folder = os.path.join(self._parent, name)
            try:
                handle = os.open(os.path.join(folder, MARKER), os.O_RDONLY | os.O_NOFOLLOW)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                if try_lock(handle, fcntl.LOCK_EX):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)

    # the end

    def finish(self) -> None:
        """See Writer. The lock isn't held while it is packed, as that takes long."""
        if self._inner is None or self._files.new is None:
            return
        with self._told():
            index = read_index(self._files) or LayoutIndex()
            while True:
                index = self._merged(index)
                temporary = self._pack(index)
                if temporary is None:
                    return
                with self._held():
                    if self._is_current():
                        self._replace(temporary)
                        return
                os.unlink(temporary)

    def _is_current(self) -> bool:
        """Whether the archive is still the one that was read."""
        try:
            return version_of(os.stat(self.path)) == self._files.archive.version
        except FileNotFoundError:
            return self._files.archive.version is None

    def _merged(self, index: LayoutIndex) -> LayoutIndex:
        """When somebody else has written it, our changes are made in theirs."""
        if self._is_current():
            return index
        present = TarFiles(self.path)
        self._files.before.insert(0, self._files.archive)
        self._files.archive = present
        index = read_index(present) or LayoutIndex()
        for change in self._changes:
            index = change(index)
        return index

    def _pack(self, index: LayoutIndex) -> str | None:
        """The path of the new archive; None where it would be the same."""
        digests = used(self._files, index)
        old = read_index(self._files.archive) or LayoutIndex()
        if old.raw() == index.raw() and self._new.isdisjoint(digests):
            return None
        folder = self._files.new.path if self._files.new else self._parent
        temporary = os.path.join(folder, "archive")
        with open(temporary, "xb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
                _add(archive, MARKER, self._files.open(MARKER))
                _add_bytes(archive, INDEX, index.raw())
                for name in sorted(map(blob_path, digests)):
                    _add(archive, name, self._files.open(name))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, os.stat(self.path).st_mode & 0o7777)
        return temporary

    def _replace(self, temporary: str) -> None:
        os.replace(temporary, self.path)
        handle = os.open(self._parent, FOLDER)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def close(self) -> None:
        """See Writer."""
        if self._inner is not None:
            self._inner.close()
            shutil.rmtree(self._inner.path, ignore_errors=True)
            self._inner = None

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """The lock of the folder that the archive is in."""
        handle = os.open(self._parent, FOLDER)
        try:
            until = time.monotonic() + _PATIENCE
            while not try_lock(handle, fcntl.LOCK_EX):
                if time.monotonic() > until:
                    raise DiskError(f"{self._parent} has been locked by another process for long")
                time.sleep(_INTERVAL)
            yield
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise disk_error(self.path, error) from None


class _Reader:
    """A file as ``tarfile`` reads it; what isn't whole fails."""

    def __init__(self, file: File, digest: str) -> None:
        self._file, self._digest = file, digest
        self._check, self._position = hashlib.new(digest.partition(":")[0] or "sha256"), 0

    def read(self, length: int) -> bytes:
        """The next bytes."""
        piece = self._file.read(self._position, min(length, _PIECE))
        self._position += len(piece)
        self._check.update(piece)
        return piece

    def check(self) -> None:
        """Raises InvalidContent when that wasn't it."""
        if self._digest and self._check.hexdigest() != self._digest.partition(":")[2]:
            raise InvalidContent(f"{self._file.where} is damaged")


def _add(archive: tarfile.TarFile, name: str, file: File | None) -> None:
    if file is None:
        return  # a foreign layer, or what was missing before
    try:
        digest = ":".join(name.split("/")[1:]) if name.startswith("blobs/") else ""
        reader = _Reader(file, digest)
        archive.addfile(_info(name, file.size), reader)  # type: ignore[arg-type]
        reader.check()
    finally:
        file.close()


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_info(name, len(content)), io.BytesIO(content))


def _info(name: str, size: int) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.mode = size, 0o644
    return found
