# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown of a running image_sync: one line, at most once a second.

``[localhost] 12 of 60 images, 340.5 MiB of 1.2 GiB, 45.1 MiB/s, 20 seconds left; failed
registry.example.com/web:3; copied registry.example.com/app:1.2; 9 in sync``
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.sizes import (
    format_size,
    format_span,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.summary import (
    QUIET,
    WORDS,
)

from .tail import Snapshot, printable

#: seconds: between two lines, even if nothing new is known, and over which a rate is measured
SHORTEST, LONGEST, _WINDOW = 1.0, 10.0, 10.0
_STAGES = {"list": "listing tags", "compare": "comparing", "remove": "removing"}
#: a rate needs some seconds to mean anything, and a forecast some more and a part that is done
_FOR_RATE, _FOR_FORECAST, _PART = 2.0, 3.0, 100


class Lines:
    """Makes lines of snapshots."""

    def __init__(self, label: str, check_mode: bool, width: int) -> None:
        """``label`` says whose they are. ``width``: characters in a line, about."""
        self._label, self._check_mode = printable(label), check_mode
        self._room = max(width, 60)
        self._last: Snapshot | None = None
        self._points: deque[tuple[float, int]] = deque()
        self._copying = math.inf
        #: ended and not yet shown: names, and numbers by reason
        self._named: list[tuple[str, str]] = []
        self._ended: Counter[str] = Counter()
        self._shown: Counter[str] = Counter()
        self._names_shown: set[str] = set()
        self._when: float | None = None
        self._status = ""

    @property
    def begun(self) -> bool:
        """Whether a line was shown."""
        return self._when is not None

    def take(self, snapshots: Iterable[Snapshot]) -> None:
        """New ones, oldest first."""
        for snapshot in snapshots:
            self._last = snapshot
            self._ended = Counter(snapshot.ended)
            self._named += snapshot.named
            if not snapshot.size[1]:
                continue  # nothing is to be copied yet
            self._points.append((snapshot.seconds, snapshot.size[0]))
            self._copying = min(self._copying, snapshot.seconds)
            while snapshot.seconds - self._points[0][0] > _WINDOW:
                self._points.popleft()

    def line(self, now: float) -> str:
        """What there is to show at the time ``now`` (seconds of any clock); "" for nothing."""
        if self._last is None or (self._when is not None and now < self._when + SHORTEST):
            return ""
        status, events = self._about(self._last), self._events()
        waited = self._when is None or now >= self._when + LONGEST
        if status == self._status and not events and not waited:
            return ""
        self._status, self._when = status, now
        return f"{self._label} {'; '.join([status, *events])}"

    def end(self, result: Mapping[str, Any]) -> str:
        """The last line, of what the module returned; "" if there was none before."""
        images, summary = result.get("images"), result.get("summary")
        if not self.begun or not isinstance(images, list) or not summary:
            return ""
        ended = [(str(i.get("reason")), printable(i.get("destination"))) for i in images]
        loud = [entry for entry in ended if entry[0] not in QUIET]
        self._named = [entry for entry in loud if entry[1] not in self._names_shown]
        # the summary has the numbers
        self._ended = Counter(reason for reason, _name in self._named)
        self._shown = Counter()
        return f"{self._label} {'; '.join([printable(summary), *self._events()])}"

    def _about(self, last: Snapshot) -> str:
        parts = ["{} of {} {}".format(*last.images, "image" if last.images[1] == 1 else "images")]
        done, planned = last.size
        if last.stage in _STAGES:
            return f"{parts[0]}, {_STAGES[last.stage]}"
        if self._check_mode:
            return f"{parts[0]}, {format_size(done)} to move"
        if planned:
            parts.append(f"{format_size(done)} of {format_size(planned)}")
            parts += self._speed(done, planned)
        return ", ".join(parts)

    def _speed(self, done: int, planned: int) -> list[str]:
        """The rate of late, and how long the rest takes at that rate."""
        (since, before), (until, after) = self._points[0], self._points[-1]
        if until - since < _FOR_RATE or done >= planned:
            return []
        rate = max(0.0, (after - before) / (until - since))
        shown = [f"{format_size(int(rate))}/s"]
        sure = until - self._copying >= _FOR_FORECAST and done * _PART >= planned
        if rate >= 1 and sure:
            shown.append(f"{format_span((planned - done) / rate)} left")
        return shown

    def _events(self) -> list[str]:
        """What has ended since the last line: names as far as there is room, else numbers."""
        new = self._ended - self._shown
        self._shown = self._ended
        found, room = [], self._room
        for reason, words in WORDS.items():
            if not new[reason]:
                continue
            names = [name for ended, name in self._named if ended == reason]
            fitting = []
            for name in names:
                room -= len(name) + 2
                if room < 0:
                    break
                fitting.append(name)
            self._names_shown.update(fitting)
            found.append(_event(words[self._check_mode], fitting, new[reason] - len(fitting)))
        self._named = []
        return found


def _event(word: str, names: list[str], more: int) -> str:
    if not names:
        return f"{more} {word}"
    listed = ", ".join(names)
    return f"{word} {listed} and {more} more" if more > 0 else f"{word} {listed}"
