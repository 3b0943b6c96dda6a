# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A clock that stands still until somebody waits by it, in place of the module ``time``."""

from __future__ import annotations

from ansible_collections.imagesync.registry.plugins.module_utils.transport.retry import Pace


class Clock:
    """As much of the module ``time`` as is used. ``now`` is the time since the start."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_800_000_000.0 + self.now


class ClockPace(Pace):
    """A pace whose sleeps move a clock, or with ``stands`` are only written down."""

    def __init__(self, clock: Clock, stands: bool = False) -> None:
        super().__init__()
        self._clock, self._stands = clock, stands
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.check()
        self.slept.append(seconds)
        if not self._stands:
            self._clock.now += seconds
