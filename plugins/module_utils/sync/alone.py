# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""To be alone with a file while it is read and replaced.

What is locked (flock(2)) is there anyway, so that nothing is left beside the file: the folder. NFS
locks files only, so there it is the file, as often as somebody else has replaced it meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

_BUSY = (errno.EAGAIN, errno.EACCES)
#: seconds to wait for others, who hold the lock for moments
_PATIENCE, _INTERVAL = 10.0, 0.02


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Keeps others who do the same with the file from it.

    Where nothing can be locked, or somebody holds it for long (who runs us under ``flock(1)`` may),
    it goes on without: whoever replaces a file at once can be surprised in a moment only.
    """
    until = time.monotonic() + _PATIENCE
    handle = _locked_folder(os.path.dirname(path) or ".", until)
    if handle < 0:
        handle = _locked_file(path, until)
    try:
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def _locked_folder(path: str, until: float) -> int:
    """The handle of the folder, locked if that is to be had in time; -1 where it can't be."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # also of one that may be written to, and not read
        return -1
    try:
        _wait(handle, until)
    except OSError:
        os.close(handle)
        return -1
    return handle


def _locked_file(path: str, until: float) -> int:
    """The handle of the file that is at ``path``, locked if that can be; -1 for none."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return -1
        try:
            if not _wait(handle, until) or os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            return handle
        except OSError:
            os.close(handle)
            return -1
        os.close(handle)  # it has been replaced


def _wait(handle: int, until: float) -> bool:
    """Whether the lock was to be had in time; raises OSError where there are no locks."""
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _BUSY:
                raise
        else:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_INTERVAL)
