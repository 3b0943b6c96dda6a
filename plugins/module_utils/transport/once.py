# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins that cost time to get: got once, however many threads want them, and again in time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Hashable
from typing import Callable

from ..model.errors import ImageSyncError
from .docker_config import Login

#: seconds before the end of a login, at most, from which a new one is got
_MARGIN = 60.0


def renewal(life: float) -> float:
    """When a login that lives for so many seconds is to be renewed, by time.monotonic()."""
    return time.monotonic() + life - min(_MARGIN, life / 5)


class _Entry:
    """One login, or that there is none, or the error; good until ``until``."""

    __slots__ = ("error", "lock", "login", "until")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.login: Login | None = None
        self.error: ImageSyncError | None = None
        self.until = -math.inf


class Once:
    """Logins by key. "None" is remembered for good, an error for some time."""

    def __init__(self, errors_last: float = math.inf) -> None:
        """``errors_last``: seconds."""
        self._errors_last = errors_last
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, obtain: Callable[[], Login | None]) -> Login | None:
        """What ``obtain`` gives, or gave; threads that want the same wait for it."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
        with entry.lock:
            if time.monotonic() >= entry.until:
                self._renew(entry, obtain)
            if entry.error is not None:
                # each thread its own: a traceback belongs to one
                raise type(entry.error)(*entry.error.args) from None
            return entry.login

    def _renew(self, entry: _Entry, obtain: Callable[[], Login | None]) -> None:
        entry.login = entry.error = None
        try:
            entry.login = obtain()
            entry.until = entry.login.expires if entry.login else math.inf
        except ImageSyncError as error:
            entry.error = error
            entry.until = time.monotonic() + self._errors_last
