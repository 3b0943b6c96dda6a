# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A limit to the bytes that are read in a second, shared by all threads."""

from __future__ import annotations

import threading
import time

from .retry import Pace

_PIECE, _SMALLEST_PIECE = 1 << 20, 4 << 10
#: pieces a second, so that a slow transfer goes on evenly, and no server takes it for a dead one
_EVENLY = 16


class Bandwidth:
    """Bytes a second from all sources of a call; None is as fast as it goes."""

    def __init__(self, limit: int | None, pace: Pace) -> None:
        self._limit, self._pace = limit, pace
        self._lock = threading.Lock()
        self._next = 0.0
        #: how much to read at a time
        self.piece = _PIECE
        if limit:
            self.piece = max(_SMALLEST_PIECE, min(_PIECE, limit // _EVENLY))

    def spend(self, size: int) -> None:
        """Waits for as long as ``size`` bytes should have taken; raises Cancelled."""
        if not self._limit:
            self._pace.check()
            return
        with self._lock:
            self._next = max(self._next, time.monotonic()) + size / self._limit
            left = self._next - time.monotonic()
        self._pace.sleep(max(0.0, left))
