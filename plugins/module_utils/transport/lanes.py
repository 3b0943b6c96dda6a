# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests a host is sent at once, and how fast they follow each other.

The number begins small and doubles as the host keeps up. A host that says that it is too much
(429, 503) gets half of it, and from then on one more for each round of answers, as TCP does it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

from .retry import Pace

_FIRST = 8
_TOO_MUCH = (429, 503)
#: seconds after which a waiting thread looks whether the run is ending
_GLANCE = 0.2


class Lane:
    """The requests to one host that are under way: from sending to the end of the answer."""

    def __init__(self, host: str, pace: Pace, most: int, per_second: float | None = None) -> None:
        """``most``: requests at once; ``per_second``: requests that may begin in a second."""
        self._host, self._pace = host, pace
        self._most, self._per_second = most, per_second
        self._window = float(min(_FIRST, most))
        self._steep = True
        self._halved = 0.0
        self._next = 0.0
        self._free = threading.Condition()
        #: of each thread: its requests under way
        self._held: Counter[int] = Counter()
        self.under_way = 0

    @property
    def window(self) -> int:
        """How many requests the host is sent at once now."""
        return int(self._window)

    def enter(self) -> Place:
        """Returns when a request may be sent; raises Cancelled when the run ends before."""
        while True:
            self._pace.wait(self._host)
            place = self._take()
            try:
                self._wait_turn()
            except BaseException:
                place.leave()
                raise
            if not self._pace.paused(self._host):
                return place
            place.leave()

    def _take(self) -> Place:
        thread = threading.get_ident()
        with self._free:
            # one that reads from the host may also write to it, or it would wait for itself
            while self.under_way >= self.window and not self._held[thread]:
                self._pace.check()
                self._free.wait(_GLANCE)
            self.under_way += 1
            self._held[thread] += 1
        return Place(self, thread)

    def _wait_turn(self) -> None:
        if not self._per_second:
            return
        with self._free:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + 1 / self._per_second
        self._pace.sleep(turn - now)

    def judge(self, status: int, began: float) -> None:
        """What the host made of a request that began at that time."""
        with self._free:
            if status in _TOO_MUCH:
                self._steep = False
                if began >= self._halved:  # those sent before have nothing new to say
                    self._halved = time.monotonic()
                    self._window = max(1.0, self._window / 2)
            elif status < 500 and self._window < self._most:
                more = 1.0 if self._steep else 1 / self._window
                self._window = min(self._window + more, float(self._most))
                self._free.notify()

    def give_back(self, thread: int) -> None:
        """A place that ``thread`` took is free again."""
        with self._free:
            self.under_way -= 1
            self._held[thread] -= 1
            self._free.notify()


class Place:
    """One request's place in a lane."""

    __slots__ = ("_began", "_lane", "_left", "_thread")

    def __init__(self, lane: Lane, thread: int) -> None:
        self._lane, self._thread, self._left = lane, thread, False
        self._began = time.monotonic()

    def answered(self, status: int) -> None:
        """The answer begins with this status."""
        self._lane.judge(status, self._began)

    def leave(self) -> None:
        """The answer was read to its end, or given up; more than once is no harm."""
        if not self._left:
            self._left = True
            self._lane.give_back(self._thread)
