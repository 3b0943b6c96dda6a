# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a call is ended from outside: by a signal, or when its time is over."""

from __future__ import annotations

import threading

from ..model.sizes import format_span
from ..transport.retry import Pace


class Stop:
    """Ends a call from outside, once: what is done stays done and is reported."""

    def __init__(self) -> None:
        self.requested = False
        self.why = ""
        self._pace: Pace | None = None

    def watch(self, pace: Pace) -> None:
        """The call whose waits and requests are to end."""
        self._pace = pace
        if self.requested:
            pace.cancel()

    def request(self, why: str = "the task was told to end (SIGTERM)") -> None:
        """From a thread of its own: a signal may come while the main thread holds a lock."""
        self.why = self.why or why
        self.requested = True
        if self._pace:
            self._pace.cancel()


def end_after(seconds: float | None, stop: Stop) -> threading.Timer | None:
    """Ends the call when the time is up; None for no limit. Cancel it when the call is done."""
    if seconds is None:
        return None
    why = f"the deadline of {format_span(seconds)} was reached"
    timer = threading.Timer(seconds, stop.request, (why,))
    timer.daemon = True
    timer.start()
    return timer
