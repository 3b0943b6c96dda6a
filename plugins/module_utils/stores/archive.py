# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files in a tar file, read where they are: nothing is unpacked.

Of a compressed one a plain copy is made in the folder for temporary files (``TMPDIR``), in a file
without a name, as there is no other way to begin reading in the middle.
"""

from __future__ import annotations

import importlib
import os
import posixpath
import stat
import tarfile
import tempfile
import threading
from typing import IO, Any, Callable

from ..model.errors import DiskError, InvalidContent
from .files import File, Files, disk_error

_MOST_MEMBERS, _MOST_LINKS = 1_000_000, 16
#: real archives become smaller by far less than this
_MOST_GROWTH, _ANY_GROWTH = 200, 1 << 30
_PIECE = 1 << 20
#: bytes of all headers of one file in it: attributes, and a name that is long
_MOST_HEADERS = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", _ZSTD: "zstd"}
_DAMAGED = (EOFError, OSError, ValueError, tarfile.TarError)


def compression_of(beginning: bytes) -> str:
    """How content that begins so is compressed, "" if it isn't."""
    return next((name for magic, name in MAGIC.items() if beginning.startswith(magic)), "")


def version_of(found: os.stat_result) -> tuple[int, int, int]:
    """Differs between two files of one name."""
    return found.st_ino, found.st_mtime_ns, found.st_size


class TarFiles(Files):
    """See Files."""

    def __init__(self, path: str, check: Callable[[], None] = lambda: None) -> None:
        """``check``: called again and again while it is decompressed; raises to end that."""
        self.path = self.where = path
        self._check = check
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        #: name -> offset and size; or what it is a link to
        self._members: dict[str, tuple[int, int] | str] = {}
        self.compression = ""
        #: of the file that was read, to know it again
        self.version: tuple[int, int, int] | None = None

    def exists(self) -> bool:
        """See Files."""
        return self._loaded()

    def state(self, name: str) -> object:
        """See Files. It is read once: who replaces it makes another file."""
        return self.version

    def open(self, name: str) -> File | None:
        """See Files."""
        if not self._loaded() or self._file is None:
            return None
        for _hop in range(_MOST_LINKS):
            found = self._members.get(name)
            if not isinstance(found, str):
                break
            name = found
        if found is None or isinstance(found, str):
            return None
        return File(self._file.fileno(), *found, f"{self.path}:{name}", False)

    def close(self) -> None:
        """See Files."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # reading it

    def _loaded(self) -> bool:
        """Whether there is such a file; reads it once."""
        with self._lock:
            if self.version is None:
                try:
                    self._load()
                except FileNotFoundError:
                    return False
                except OSError as error:
                    raise disk_error(self.path, error) from None
            return True

    def _load(self) -> None:
        handle = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            hint = "; oci: is for directories" if stat.S_ISDIR(found.st_mode) else ""
            raise InvalidContent(f"{self.path} is no file{hint}")
        file: IO[bytes] = open(handle, "rb")  # noqa: SIM115 - it stays open
        try:
            self.compression = compression_of(os.pread(handle, 8, 0))
            if self.compression:
                with file:
                    file = self._spooled(file, found.st_size)
            self._members = _members(file, self.path)
        except BaseException:
            file.close()
            raise
        self._file = file
        self.version = version_of(found)

    def _spooled(self, file: IO[bytes], size: int) -> IO[bytes]:
        """A plain copy, in a file that goes with its handle."""
        limit = size * _MOST_GROWTH + _ANY_GROWTH
        folder = tempfile.gettempdir()
        spool = tempfile.TemporaryFile(prefix="imagesync-", dir=folder)  # noqa: SIM115
        try:
            with _opened(self.compression, file, self.path) as plain:
                while True:
                    self._check()
                    try:
                        piece = plain.read(_PIECE)
                    except Exception as error:  # each kind of compression has errors of its own
                        raise InvalidContent(
                            f"{self.path} can't be decompressed ({self.compression}): {error}"
                        ) from None
                    if not piece:
                        break
                    self._spool(spool, piece, folder)
                    if spool.tell() > limit:
                        raise InvalidContent(
                            f"{self.path} becomes more than {_MOST_GROWTH} times as large when it "
                            "is decompressed; unpack it yourself if it is to be trusted"
                        )
            spool.seek(0)
        except BaseException:
            spool.close()
            raise
        return spool

    def _spool(self, spool: IO[bytes], piece: bytes, folder: str) -> None:
        try:
            spool.write(piece)
            spool.flush()
        except OSError as error:
            raise DiskError(
                f"{self.path} is compressed, and a plain copy of it in {folder} failed: "
                f"{error.strerror or error} (TMPDIR may name another folder)"
            ) from None


def _opened(compression: str, file: IO[bytes], path: str) -> Any:
    """What reads it decompressed; some Pythons are built without one or the other."""
    try:
        if compression == "gzip":
            return importlib.import_module("gzip").GzipFile(fileobj=file, mode="rb")
        if compression == "xz":
            return importlib.import_module("lzma").LZMAFile(file)
        if compression == "bzip2":
            return importlib.import_module("bz2").BZ2File(file)
    except ImportError:
        raise InvalidContent(
            f"{path} is compressed with {compression}, which this Python can't read: unpack it"
        ) from None
    return _zstd(file, path)


def _zstd(file: IO[bytes], path: str) -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]

        return zstd.ZstdFile(file)
    except ImportError:
        pass
    try:
        import zstandard  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise InvalidContent(
            f"{path} is compressed with zstd, which needs Python 3.14, or the Python package "
            "zstandard; or unpack it first, with unzstd"
        ) from None
    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)


def _members(file: IO[bytes], path: str) -> dict[str, tuple[int, int] | str]:
    """Where each file in it begins, and how long it is. Of several of one name the last counts."""
    found: dict[str, tuple[int, int] | str] = {}
    end = os.fstat(file.fileno()).st_size
    headers, position = _Headers(file), -1
    try:
        with tarfile.open(fileobj=headers, mode="r:") as archive:  # type: ignore[call-overload]
            for number, member in enumerate(archive):
                headers.left = _MOST_HEADERS
                if member.size < 0 or archive.offset <= position:  # type: ignore[attr-defined,unused-ignore]
                    raise InvalidContent(f"{path} has a file of less than no bytes in it")
                position = archive.offset  # type: ignore[attr-defined,unused-ignore]
                name = posixpath.normpath(member.name.lstrip("/"))
                if member.isreg() and not member.issparse():
                    if member.offset_data + member.size > end:
                        raise InvalidContent(f"{path} ends in the middle of {name}: it is cut off")
                    found[name] = member.offset_data, member.size
                elif member.issym():
                    folder = posixpath.dirname(name)
                    found[name] = posixpath.normpath(posixpath.join(folder, member.linkname))
                elif member.islnk():
                    found[name] = posixpath.normpath(member.linkname.lstrip("/"))
                if number >= _MOST_MEMBERS:
                    raise InvalidContent(f"{path} has more than {_MOST_MEMBERS} files in it")
                archive.members = []  # type: ignore[attr-defined,unused-ignore]
    except _DAMAGED as error:
        raise InvalidContent(f"{path} is no tar file that can be read: {error}") from None
    return found


class _Headers:
    """A file for ``tarfile``, which has to do with a little of it for each file in it.

    Else it would read whatever a header says is one into memory, or go through it again and again.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.left = file, _MOST_HEADERS
        self.seek, self.tell = file.seek, file.tell

    def read(self, length: int) -> bytes:
        """The next bytes; raises ValueError when there were too many of them."""
        if not 0 <= length <= self.left:
            raise ValueError("a header in it is too long")
        self.left -= length
        return self._file.read(length)
