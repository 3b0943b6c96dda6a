# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder that a build has to itself, and that is gone afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
import time
from types import TracebackType

from ..model.errors import DiskError, InvalidInput

_PREFIX = "imagesync-build-"
_LOCK = "lock"
#: seconds; a younger folder may be one that somebody is just making
_YOUNG = 3600.0
_DEFAULT = "/var/tmp"


class BuildFolder:
    """A private folder below ``TMPDIR``, or ``/var/tmp``, while a ``with`` block lasts.

    What calls that were killed have left there is removed first; whose call lives holds its lock.
    """

    def __init__(self) -> None:
        self.path = ""
        self._lock = -1
        #: what couldn't be removed
        self.warnings: list[str] = []

    def __enter__(self) -> BuildFolder:
        above = os.environ.get("TMPDIR") or _DEFAULT
        if not os.path.isabs(above) or ":" in above or not above.isprintable():
            raise InvalidInput(
                f"TMPDIR {above!r} can't be built in: give an absolute path without :"
            )
        try:
            _remove_old(above)
            self.path = os.path.realpath(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
            self._lock = _take_lock(self.path)
        except OSError as error:
            raise DiskError(
                f"no folder to build in can be made in {above}: {error.strerror}"
            ) from None
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        reason = remove(self.path)
        if reason:
            self.warnings.append(
                f"{self.path}, where the image was built, is still there: {reason}"
            )
        if self._lock >= 0:
            os.close(self._lock)

    def at(self, *names: str) -> str:
        """The path of something in it."""
        return os.path.join(self.path, *names)

    def make(self, name: str) -> None:
        """Makes a folder in it."""
        try:
            os.mkdir(self.at(name))
        except OSError as error:
            raise DiskError(f"{self.at(name)} can't be made: {error.strerror}") from None

    def write(self, name: str, text: str) -> str:
        """Writes a file that nobody else can read; its path."""
        path = self.at(name)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        except OSError as error:
            raise DiskError(f"{path} can't be written: {error.strerror}") from None
        return path


def _take_lock(folder: str) -> int:
    handle = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _remove_old(above: str) -> None:
    for name in os.listdir(above):
        path = os.path.join(above, name)
        if not name.startswith(_PREFIX):
            continue
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            if time.time() - found.st_mtime > _YOUNG:
                lock = _take_lock(path)
                try:
                    remove(path)
                finally:
                    os.close(lock)


def remove(path: str) -> str:
    """Removes a build's folder with all that is in it; why it couldn't be, or ""."""
    if not os.path.isdir(path):
        return ""
    left = _unmounted(path)
    if left:  # removing would go on in what is mounted there, which may be the host's own
        return f"{left} is still mounted"
    with contextlib.suppress(OSError):
        _remove_tree(path)
        return ""
    # files of other users of the build belong to others here as well, in its user namespace
    _run("buildah", "unshare", "rm", "-rf", "--", path)
    try:
        if os.path.isdir(path):
            _remove_tree(path)
    except OSError as error:
        return error.strerror or "it can't be removed"
    return ""


def _remove_tree(path: str) -> None:
    for folder, folders, _files in os.walk(path):
        for name in folders:
            place = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                mode = os.lstat(place).st_mode
                if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
                    os.chmod(place, 0o700)
    shutil.rmtree(path)


def _unmounted(path: str) -> str:
    """Takes down what is mounted below ``path``; what couldn't be, or ""."""
    for point in reversed(_mounts(path)):
        _run("umount", "-l", "--", point)
    return next(iter(_mounts(path)), "")


def _mounts(path: str) -> list[str]:
    """proc(5), /proc/pid/mountinfo: the mount point is the fifth field."""
    found = []
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            point = line.split()[4].replace(b"\\040", b" ").decode("utf-8", "surrogateescape")
            if point == path or point.startswith(f"{path}/"):
                found.append(point)
    return found


def _run(*command: str) -> None:
    with contextlib.suppress(OSError):
        subprocess.run(  # pylint: disable=ansible-bad-function
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True
        )
