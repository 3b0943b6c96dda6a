# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trying again: once decided per operation, here, for everything that is sent."""

from __future__ import annotations

import email.utils
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from ..model.errors import (
    Cancelled,
    ConnectionFailed,
    ImageSyncError,
    RateLimited,
    RegistryError,
)

T = TypeVar("T")

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0
#: for each try that counts, so many more of those that were refused while others were served
_QUEUING = 5
#: these make the delay grow as other tries do, up to so many
_LONGEST_QUEUE = 3
#: who has read so many bytes since the last interruption gets all tries again
_PROGRESS = 1 << 20
#: a registry that asks for more patience than this many seconds is told no
LONGEST_PAUSE = 120.0

_DURATION = re.compile(
    r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)(ns|us|µs|ms|s))?"
)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def parse_retry_after(text: str, now: float | None = None) -> float | None:
    """Seconds to wait: a number, an HTTP date (RFC 9110, 10.2.3) or a Go duration (GHCR).

    None where it says nothing that can be understood.
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match and any(match.groups()):
        hours, minutes, amount, unit = match.groups()
        seconds = float(amount or 0) * _UNITS.get(unit or "s", 1.0)
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds
    try:
        when = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
    return max(0.0, when - (time.time() if now is None else now))


class Pace:
    """When each host may be asked next; a pause holds for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._not_before: dict[str, float] = {}
        self._over = threading.Event()

    def pause(self, host: str, seconds: float) -> None:
        """Nobody asks ``host`` for that long."""
        with self._lock:
            until = time.monotonic() + seconds
            self._not_before[host] = max(until, self._not_before.get(host, 0.0))

    def wait(self, host: str) -> None:
        """Returns when ``host`` may be asked; raises Cancelled when the run ends before."""
        while True:
            with self._lock:
                left = self._not_before.get(host, 0.0) - time.monotonic()
            self.check()
            if left <= 0:
                return
            self.sleep(left)

    def paused(self, host: str) -> bool:
        """Whether ``host`` has asked to be left alone for a while."""
        with self._lock:
            return self._not_before.get(host, 0.0) > time.monotonic()

    def check(self) -> None:
        """Raises Cancelled when the run is ending."""
        if self._over.is_set():
            raise Cancelled("the run is ending")

    def sleep(self, seconds: float) -> None:
        """Waits; raises Cancelled when the run ends before."""
        if self._over.wait(seconds):
            raise Cancelled("the run is ending")

    def cancel(self) -> None:
        """Ends the run: whoever waits or asks next gets Cancelled."""
        self._over.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run is ending."""
        return self._over.is_set()


class Retrier:
    """Repeats an operation while its failures are transient."""

    def __init__(self, retries: int, pace: Pace) -> None:
        self.pace = pace
        self._retries = retries
        self._lock = threading.Lock()
        self._unreachable: set[str] = set()
        #: operations done, by host
        self._served: Counter[str] = Counter()
        self.count = 0

    def run(self, host: str, operation: Callable[[int], T]) -> T:
        """The result of ``operation(attempt)``; its last error, with the effort told, if none.

        ``attempt`` counts from 0. A connection that was closed while idle is tried again at
        once and isn't counted; nor is, up to a limit, a "too many requests" while others of us
        are served: that is a queue, and no failure. Where one operation found a host out of reach
        to the end, the others try it once, until it is back.
        """
        began = time.monotonic()
        stale_allowed = True
        attempt = queued = 0
        served = self._served[host]
        while True:
            try:
                result = operation(attempt)
                self._done(host)
                return result
            except ImageSyncError as error:
                if not error.transient:
                    raise
                if stale_allowed and isinstance(error, ConnectionFailed) and error.stale:
                    stale_allowed = False
                    continue
                # since this one was last tried
                moving, served = self._served[host] > served, self._served[host]
                if isinstance(error, RateLimited) and moving and queued < self._retries * _QUEUING:
                    queued += 1
                    attempt -= 1
                else:
                    self.check(error, attempt, attempt + queued + 1, began)
                self.pause(host, error, attempt, queued)
                attempt += 1

    def interruptions(self, host: str) -> Interruptions:
        """The tries of one long operation at ``host`` that goes on where it was broken off."""
        return Interruptions(self, host)

    def pause(self, host: str, error: ImageSyncError, attempt: int, queued: int = 0) -> None:
        """Waits after a failed ``attempt``, and counts that there is another one."""
        self._wait(host, error, max(0, attempt), min(queued, _LONGEST_QUEUE))
        with self._lock:
            self.count += 1

    def check(self, error: ImageSyncError, attempt: int, tries: int, began: float) -> None:
        """Raises ``error``, with the effort told, if ``attempt`` was the last one."""
        if attempt >= self._retries or self._is_known_unreachable(error):
            if isinstance(error, ConnectionFailed) and error.host:
                self._unreachable.add(error.host)
            raise _exhausted(error, tries, time.monotonic() - began) from None

    def _done(self, host: str) -> None:
        with self._lock:
            self._served[host] += 1
        self._unreachable.discard(host)

    def _is_known_unreachable(self, error: ImageSyncError) -> bool:
        # of a blob's two hosts, it counts which one failed
        return isinstance(error, ConnectionFailed) and error.host in self._unreachable

    def _wait(self, host: str, error: ImageSyncError, attempt: int, queued: int) -> None:
        asked = None
        if isinstance(error, RegistryError):
            asked, host = error.retry_after, error.host or host
        if asked is None:  # else who is told when to come back needn't guess
            attempt = max(attempt, queued)
        delay = random.uniform(0, min(_LONGEST_DELAY, _FIRST_DELAY * 2**attempt))  # full jitter
        if asked is None:
            self.pace.sleep(delay)
        elif asked > LONGEST_PAUSE:
            error.args = (f"{error}; it asks to come back in {asked:.0f} seconds",)
            error.transient = False
            raise error
        else:
            self.pace.pause(host, max(asked, delay))


class Interruptions:
    """What broke off goes on while there is progress; without it, as often as other tries.

    So a long blob comes whole over a line that never holds for long.
    """

    def __init__(self, retrier: Retrier, host: str) -> None:
        self._retrier, self._host = retrier, host
        self._began, self._tries, self._in_vain = time.monotonic(), 1, 0
        self._stale_allowed = True

    def wait(self, error: ImageSyncError, moved: int) -> None:
        """Returns when it may go on; raises ``error`` when it may not.

        ``moved``: bytes that came since it was last interrupted.
        """
        if not error.transient:
            raise error
        if self._stale_allowed and isinstance(error, ConnectionFailed) and error.stale:
            self._stale_allowed = False
            return
        self._in_vain = 0 if moved >= _PROGRESS else self._in_vain + 1
        attempt = max(0, self._in_vain - 1)
        self._retrier.check(error, attempt, self._tries, self._began)
        self._retrier.pause(self._host, error, attempt)
        self._tries += 1


def _exhausted(error: ImageSyncError, tries: int, seconds: float) -> ImageSyncError:
    if tries > 1:
        error.args = (f"{error} (tried {tries} times in {seconds:.0f} s)",)
    error.transient = False
    return error
