# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Showing how far a module is while it runs: a thread that reads along.

Whatever goes wrong here ends the showing, and never the task.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .lines import Lines
from .tail import Tail

#: seconds since the beginning, and between two looks from then on
_INTERVALS = ((600.0, 5.0), (0.0, 1.0))
#: how long a look that is under way is waited for at the end
_PATIENCE = 2.0


class Watch:
    """Shows what a file says, from entering the context on."""

    def __init__(
        self,
        tail: Tail,
        lines: Lines,
        show: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``show`` is called from another thread, with one line."""
        self._tail, self._lines, self._show, self._clock = tail, lines, show, clock
        self._over = threading.Event()
        self._broken = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="image_sync progress", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        # a host that doesn't answer isn't waited for; the thread shows nothing any more
        self._thread.join(_PATIENCE)

    def end(self, result: Mapping[str, Any]) -> None:
        """Shows the last line, if there was one before."""
        if not self._broken and not self._thread.is_alive():
            self._guarded(lambda: self._say(self._lines.end(result)))

    def look(self) -> None:
        """Shows what is new, if it is time for a line."""
        found = self._tail.new()
        with self._lock:
            if not self._over.is_set():
                self._lines.take(found)
                self._say(self._lines.line(self._clock()))

    def _run(self) -> None:
        began = self._clock()
        while not self._broken and not self._over.wait(_interval(self._clock() - began)):
            self._guarded(self.look)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # an unreachable host, a strange line, a closed terminal: no progress
            self._broken = True

    def _say(self, line: str) -> None:
        if line:
            self._show(line)


def tried(step: Callable[[], object], patience: float = _PATIENCE) -> None:
    """Does what nothing depends on, and waits for it so many seconds at most."""

    def guarded() -> None:
        with contextlib.suppress(Exception):
            step()

    # a host that can't be reached, or a login that hangs, must not keep the task from its end
    thread = threading.Thread(target=guarded, name="image_sync progress", daemon=True)
    thread.start()
    thread.join(patience)


def _interval(seconds: float) -> float:
    return next(length for since, length in _INTERVALS if seconds >= since)
