# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Threads that run small jobs, the most urgent first, and end with the call."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterable
from typing import Any, Callable, TypeVar

from ..model.errors import Cancelled

T = TypeVar("T")
R = TypeVar("R")
#: seconds
_MOMENT = 3.0
Job = Callable[[], None]
#: lower is more urgent
Rank = tuple[int, ...]


class Workers:
    """A pool whose jobs may submit further jobs; ``finish`` waits until none is left.

    Jobs handle their own failures: what a job raises all the same ends the work and is raised
    by ``finish``.
    """

    def __init__(self, size: int, hurried: Callable[[], bool] = lambda: False) -> None:
        """``hurried``: whether to wait no longer than a moment for what is under way."""
        self._size, self._hurried = size, hurried
        self._state = threading.Condition()
        self._queue: list[tuple[Rank, int, Job]] = []
        self._order = itertools.count()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._open = 0
        self._closed = False
        self._error: BaseException | None = None

    def submit(self, rank: Rank, job: Job) -> None:
        """Queues a job."""
        with self._state:
            if self._closed:
                return
            self._open += 1
            heapq.heappush(self._queue, (rank, next(self._order), job))
            # an idle thread that has been notified counts as idle until it runs
            if len(self._queue) > self._idle and len(self._threads) < self._size:
                thread = threading.Thread(target=self._work, name="imagesync", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._state.notify()

    def finish(self) -> None:
        """Returns when all jobs are done, or raises what one of them raised.

        Raises Cancelled when it is in a hurry and they don't end.
        """
        with self._state:
            until: float | None = None
            while self._open and self._error is None:
                # with a time limit, so that signals reach the main thread
                self._state.wait(0.5)
                if self._hurried() and until is None:
                    until = time.monotonic() + _MOMENT
                if until is not None and time.monotonic() > until:
                    raise Cancelled("the run is ending")
            if self._error is not None:
                raise self._error

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """``function`` of each item, side by side; the first exception is raised."""
        given = list(items)
        results: list[Any] = [None] * len(given)
        errors: list[Exception] = []

        def job(number: int) -> None:
            try:
                results[number] = function(given[number])
            except Exception as error:  # raised again below, in the caller's thread
                errors.append(error)

        for number in range(len(given)):
            self.submit((0,), lambda number=number: job(number))  # type: ignore[misc]
        self.finish()
        if errors:
            raise errors[0]
        return results

    def close(self) -> None:
        """Forgets what is queued and waits for what is running."""
        with self._state:
            self._closed = True
            self._open -= len(self._queue)
            self._queue.clear()
            self._state.notify_all()
        until = time.monotonic() + 1.0
        for thread in self._threads:
            # one that waits for a slow server is left behind, and ends with the process
            thread.join(max(0.0, until - time.monotonic()) if self._hurried() else None)

    @property
    def ended(self) -> bool:
        """Whether no thread is left, after ``close``."""
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while True:
            with self._state:
                self._idle += 1
                while not self._queue and not self._closed:
                    self._state.wait()
                self._idle -= 1
                if self._closed:
                    return
                _rank, _number, job = heapq.heappop(self._queue)
            try:
                job()
            except BaseException as error:  # a defect: the main thread raises it
                with self._state:
                    self._error = self._error or error
            with self._state:
                self._open -= 1
                if not self._open or self._error:
                    self._state.notify_all()
