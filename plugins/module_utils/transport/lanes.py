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


class Holders:
    """Which threads have requests under way, at whatever host; one for all lanes of a call."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # an answer may be given up by the garbage collector
        self._held: Counter[int] = Counter()

    def change(self, thread: int, by: int) -> None:
        """A place was taken or given back."""
        with self._lock:
            self._held[thread] += by

    def has(self, thread: int) -> bool:
        """Whether a thread has any."""
        return self._held[thread] > 0


class Lane:
    """The requests to one host that are under way: from sending to the end of the answer.

    Who reads a blob from one host may wait to write it to another one, and others may do so the
    other way round. So where anything will be written, not all places are given to readers; and
    if all who have one are readers all the same, one writer at a time gets a place beyond them.
    Who is already writing and has to read again, since what it read broke off, waits for no writer
    either: those may be waiting for the same. One of them at a time gets a place beyond all.
    """

    def __init__(
        self,
        host: str,
        pace: Pace,
        most: int,
        per_second: float | None = None,
        holders: Holders | None = None,
    ) -> None:
        """``most``: requests at once; ``per_second``: requests that may begin in a second."""
        self._host, self._pace = host, pace
        self._holders = holders or Holders()
        self._most, self._per_second = most, per_second
        self._window = float(min(_FIRST, most))
        self._steep = True
        self._halved = 0.0
        self._next = 0.0
        self._free = threading.Condition()
        self._written = False
        self._reads = 0
        #: places beyond the window: of writers, of readers
        self._beyond = [0, 0]
        self.under_way = 0

    @property
    def window(self) -> int:
        """How many requests the host is sent at once now."""
        return int(self._window)

    def will_be_written(self) -> None:
        """Told before the first request, where blobs will be sent to the host."""
        self._written = True

    def enter(self, reads: bool = False) -> Place:
        """Returns when a request may be sent; raises Cancelled when the run ends before.

        ``reads``: the place may be kept while another one is waited for.
        """
        while True:
            self._pace.wait(self._host)
            place = self._take(reads)
            try:
                self._wait_turn()
            except BaseException:
                place.leave()
                raise
            if not self._pace.paused(self._host):
                place.began = time.monotonic()
                return place
            place.leave()

    def _take(self, reads: bool) -> Place:
        thread = threading.get_ident()
        keeps_one = self._holders.has(thread)
        with self._free:
            while not self._has_room(reads, keeps_one):
                self._pace.check()
                self._free.wait(_GLANCE)
            place = Place(self, thread, reads, self.under_way >= self.window)
            self._count(place, 1)
        return place

    def _has_room(self, reads: bool, keeps_one: bool) -> bool:
        room = self.window - self.under_way
        if keeps_one:
            only_readers = self.under_way == self._reads
            return room > 0 or ((reads or only_readers) and not self._beyond[reads])
        if reads and self._written:
            return room > 0 and self._reads < max(1, self.window - 1)
        return room > 0

    def _count(self, place: Place, by: int) -> None:
        self.under_way += by
        self._reads += by if place.reads else 0
        self._beyond[place.reads] += by if place.beyond else 0
        self._holders.change(place.thread, by)

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
                self._free.notify_all()

    def give_back(self, place: Place) -> None:
        """A place is free again."""
        with self._free:
            self._count(place, -1)
            self._free.notify_all()  # the next one may not be allowed to take it


class Place:
    """One request's place in a lane."""

    __slots__ = ("_lane", "_left", "began", "beyond", "reads", "thread")

    def __init__(self, lane: Lane, thread: int, reads: bool, beyond: bool) -> None:
        """``beyond``: it is one more than the window."""
        self._lane, self._left = lane, False
        self.thread, self.reads, self.beyond = thread, reads, beyond
        self.began = time.monotonic()

    def answered(self, status: int) -> None:
        """The answer begins with this status."""
        self._lane.judge(status, self.began)

    def leave(self) -> None:
        """The answer was read to its end, or given up; more than once is no harm."""
        if not self._left:
            self._left = True
            self._lane.give_back(self)
