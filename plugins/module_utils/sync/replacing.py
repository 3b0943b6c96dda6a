# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that is there whole at any time, whatever ends the process that writes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator


def replace_file(path: str, data: bytes, mode: int | None = None) -> None:
    """Puts ``data`` in the place of what ``path`` held, with its mode or this one; raises OSError.

    What was left behind by processes that were killed at this is removed.
    """
    if mode is None:
        mode = _mode(path)
    folder, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(handle, "wb") as file:
            _hold(handle)
            file.write(data)
            file.flush()
            os.fsync(handle)
            os.chmod(temporary, mode)
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    for abandoned in _temporary(folder, name):
        with contextlib.suppress(OSError):
            _remove_abandoned(abandoned)


def _hold(handle: int) -> bool:
    """Whether nobody else had the file; the system ends it with the process that holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # also where the file system knows no such thing
        return False
    return True


def _temporary(folder: str, name: str) -> Iterator[str]:
    made = re.compile(re.escape(f".{name}.") + "[a-z0-9_]{8}")  # as tempfile does
    try:
        there = os.listdir(folder or ".")
    except OSError:  # by then all is done
        there = []
    for found in there:
        if made.fullmatch(found):
            yield os.path.join(folder, found)


def _remove_abandoned(path: str) -> None:
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _hold(handle):
            os.unlink(path)
    finally:
        os.close(handle)


def _mode(path: str) -> int:
    """What the file has, or would get."""
    try:
        return os.stat(path).st_mode & 0o7777
    except FileNotFoundError:
        return 0o666 & ~_umask()


def _umask() -> int:
    """Only setting it tells what it is."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
