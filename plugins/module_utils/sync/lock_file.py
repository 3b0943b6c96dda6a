# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock in a file: read at the beginning, and at the end replaced as a whole if it changed.

What others have written meanwhile stays: changes are made in the file as it is then.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from ..model.errors import InvalidInput
from ..model.lock import Lock, read_lock
from .alone import alone
from .replacing import replace_file

_SIZE_LIMIT = 256 << 20
_MOST_SHOWN = 20


class LockFile:
    """A file that holds a lock, or will. ``option``: what messages call it."""

    def __init__(self, path: str, option: str = "lock_file") -> None:
        """A link is followed, so that the file it leads to is replaced."""
        self.path = os.path.realpath(os.path.expanduser(path))
        self._name = f"{option} {self.path}"

    def read(self, write: bool = True) -> Lock:
        """Its lock, an empty one where there is no file but may be one; raises InvalidInput.

        ``write``: whether it is likely to be replaced, so that it must be possible.
        """
        self._check_folder(write)
        return self.load() or Lock()

    def load(self) -> Lock | None:
        """Its lock now, None where there is no file; raises InvalidInput."""
        with self._told():
            try:
                found = os.stat(self.path)
                if not stat.S_ISREG(found.st_mode):
                    raise InvalidInput(f"{self._name} isn't a file")
                if found.st_size > _SIZE_LIMIT:
                    raise InvalidInput(f"{self._name} is too large for a lock")
                with open(self.path, "rb") as file:
                    return read_lock(file.read(), self._name)
            except FileNotFoundError:
                return None

    def update(self, lock: Lock) -> list[str]:
        """Writes what changed in ``lock``, which then is what the file holds; returns warnings.

        The file is there whole at any time, and what others have changed in it since it was read
        stays. Raises InvalidInput, and then it was left alone.
        """
        with self._told(), alone(self.path):
            warnings = self._rebase(lock)
            if lock.changed:
                replace_file(self.path, lock.text().encode())
        return warnings

    def _rebase(self, lock: Lock) -> list[str]:
        try:
            now = self.load()
        except InvalidInput as error:
            raise InvalidInput(
                f"{error}. Something else has changed it during this run, so it doesn't have what "
                "became of the images; they are at their places nevertheless. Mend or delete it, "
                "and run again"
            ) from None
        if now is None and lock.before:
            lock.before = {}
            again = ", and was written again" if lock.changed else ""
            return [f"{self._name} was gone at the end of this run{again}"]
        disputed = lock.rebase(now or Lock())
        both = f"{self._name}: another run has changed the same entries meanwhile. A lock belongs "
        both += "to one task. "
        warnings = []
        if disputed.ours:
            warnings.append(f"{both}They are now as this one left them: {_some(disputed.ours)}")
        if disputed.theirs:
            warnings.append(
                f"{both}Kept was what it wrote where this one removed an image: "
                f"{_some(disputed.theirs)}"
            )
        return warnings

    def _check_folder(self, write: bool) -> None:
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise InvalidInput(f"{self._name}: the folder {folder} doesn't exist")
        if write and not os.access(folder, os.W_OK):
            raise InvalidInput(f"{self._name}: the folder {folder} can't be written to")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InvalidInput(f"{self._name}: {error.strerror or error}") from None


def _some(destinations: list[str]) -> str:
    more = ["..."] if len(destinations) > _MOST_SHOWN else []
    return ", ".join(destinations[:_MOST_SHOWN] + more)
