# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A graph of small steps, each run when what it needs is done; there are no other barriers."""

from __future__ import annotations

import threading
from typing import Callable

from ..model.errors import ImageSyncError
from .workers import Rank, Workers


class Step:
    """One thing to do. ``error`` tells afterwards why it, or what it needs, failed."""

    __slots__ = ("_followers", "_left", "action", "done", "error", "rank")

    def __init__(self, rank: Rank, action: Callable[[], None]) -> None:
        self.rank, self.action = rank, action
        self.error: ImageSyncError | None = None
        self.done = False
        self._left = 0
        self._followers: list[tuple[Step, bool]] = []


class Graph:
    """Steps and what they wait for. First all are added, then ``run``."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._steps: list[Step] = []
        self._lock = threading.Lock()

    def add(self, rank: Rank, action: Callable[[], None]) -> Step:
        """A new step; its action may raise ImageSyncError."""
        step = Step(rank, action)
        self._steps.append(step)
        return step

    def needs(self, step: Step, before: Step) -> None:
        """``step`` runs after ``before``, and fails with it."""
        self._link(step, before, True)

    def waits(self, step: Step, before: Step) -> None:
        """``step`` runs after ``before``, however that ends."""
        self._link(step, before, False)

    def _link(self, step: Step, before: Step, needed: bool) -> None:
        before._followers.append((step, needed))
        step._left += 1

    def run(self) -> None:
        """Runs all steps; returns when they are done or have failed."""
        ready = [step for step in self._steps if not step._left]
        self._steps = []
        for step in ready:
            self._submit(step)
        self._workers.finish()

    def _submit(self, step: Step) -> None:
        self._workers.submit(step.rank, lambda: self._perform(step))

    def _perform(self, step: Step) -> None:
        if step.error is None:
            try:
                step.action()
            except ImageSyncError as error:
                step.error = error
        ready = []
        with self._lock:
            step.done = True
            for follower, needed in step._followers:
                if needed and step.error is not None:
                    follower.error = follower.error or step.error
                follower._left -= 1
                if not follower._left:
                    ready.append(follower)
        for follower in ready:
            self._submit(follower)
