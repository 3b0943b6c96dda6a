# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs stages side by side, each with a log of its own, and sums them up."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

SHOWN_LINES = 200
COMMAND_SECONDS = 1800  # what takes longer hangs


class StageFailed(Exception):
    """A stage came to a bad end; the message says why, the log says more."""


@dataclass
class Counts:
    """What pytest counted, in one stage or in all."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of another run."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


@dataclass
class Stage:
    """One thing to do: its work is called with the stage itself, to run commands and to log."""

    name: str
    title: str
    work: Callable[[Stage], None]
    needs: tuple[str, ...] = ()
    slots: int = 1
    state: str = "waiting"
    note: str = ""
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)
    log_path: Path = Path(os.devnull)
    log: TextIO | None = None

    def say(self, text: str) -> None:
        """Write a line to the log."""
        if self.log is not None:
            self.log.write(text + "\n")
            self.log.flush()

    def run(
        self,
        *command: str | Path,
        cwd: Path,
        env: Mapping[str, str],
        check: bool = True,
    ) -> int:
        """Run a command with its output in the log."""
        words = [str(word) for word in command]
        self.say(f"$ {' '.join(words)}")
        code = subprocess.run(
            words,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        ).returncode
        if check and code:
            raise StageFailed(f"{Path(words[0]).name} ended with status {code}")
        return code

    def pytest(
        self, python: Path, arguments: list[str], *, cwd: Path, env: Mapping[str, str], tmp: Path
    ) -> None:
        """Run pytest and take over its counts."""
        report = self.log_path.with_suffix(".xml")
        report.unlink(missing_ok=True)
        options = (f"--junitxml={report}", f"--basetemp={tmp}", *arguments)
        code = self.run(python, "-m", "pytest", *options, cwd=cwd, env=env, check=False)
        if report.exists():
            self.counts = read_report(report)
        self.note = _last_line(self.log_path).strip("= ")
        if code:
            # Whatever kept pytest from running counts too: no run may look like a good one.
            self.counts.failed = max(self.counts.failed, 1)
            raise StageFailed(self.note)


def read_report(path: Path) -> Counts:
    """Read the counts of a JUnit report."""
    counts = Counts()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        number = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors")}
        skipped = int(suite.get("skipped", "0"))
        failed = number["failures"] + number["errors"]
        counts.add(Counts(max(number["tests"] - failed - skipped, 0), failed, skipped))
    return counts


class Runner:
    """Starts each stage as soon as what it needs is done and there is room for it."""

    def __init__(self, stages: list[Stage], logs: Path, slots: int) -> None:
        """Take the stages in the order in which they are to start."""
        self.stages = stages
        self.logs = logs
        self.free = self.slots = slots
        self.begin = time.monotonic()

    def run(self) -> None:
        """Run all stages, whatever becomes of each."""
        self.logs.mkdir(parents=True, exist_ok=True)
        running: dict[Future[None], Stage] = {}
        with ThreadPoolExecutor(self.slots) as pool:
            while True:
                self._give_up_on_orphans()
                while stage := self._next():
                    self._print(f"start    {stage.name:<18} {stage.title}")
                    stage.state = "running"
                    self.free -= min(stage.slots, self.slots)
                    running[pool.submit(self._work, stage)] = stage
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    stage = running.pop(future)
                    self.free += min(stage.slots, self.slots)
                    future.result()
                    self._report(stage)

    def _next(self) -> Stage | None:
        done = {stage.name for stage in self.stages if stage.state == "ok"}
        for stage in self.stages:
            room = min(stage.slots, self.slots) <= self.free
            if stage.state == "waiting" and room and done.issuperset(stage.needs):
                return stage
        return None

    def _give_up_on_orphans(self) -> None:
        # The order of the stages is one in which needs come first, so one pass is enough.
        lost = {stage.name for stage in self.stages if stage.state in ("FAILED", "NOT RUN")}
        for stage in self.stages:
            missing = lost.intersection(stage.needs)
            if stage.state == "waiting" and missing:
                stage.state, stage.note = "NOT RUN", f"needs {', '.join(sorted(missing))}"
                lost.add(stage.name)
                self._print(f"NOT RUN  {stage.name:<18} {stage.note}")

    def _work(self, stage: Stage) -> None:
        begin = time.monotonic()
        stage.log_path = self.logs / f"{stage.name}.log"
        with stage.log_path.open("w", encoding="utf-8") as stage.log:
            try:
                stage.work(stage)
                stage.state = "ok"
            except (StageFailed, OSError, subprocess.SubprocessError) as error:
                stage.state = "FAILED"
                if not stage.note:
                    stage.note = str(error)
                    stage.say(stage.note)
        stage.seconds = time.monotonic() - begin

    def _report(self, stage: Stage) -> None:
        self._print(f"{stage.state:<8} {stage.name:<18} {stage.seconds:.0f} s  {stage.note}")
        if stage.state == "FAILED":
            print(f"---- the end of {os.path.relpath(stage.log_path)} " + "-" * 20)
            with stage.log_path.open(encoding="utf-8", errors="replace") as lines:
                print("".join(deque(lines, SHOWN_LINES)).rstrip())
            print("-" * 60, flush=True)

    def _print(self, text: str) -> None:
        seconds = int(time.monotonic() - self.begin)
        print(f"[{seconds // 60:2}:{seconds % 60:02}] {text}".rstrip(), flush=True)

    def summary(self, left_out: list[str]) -> bool:
        """Print how all went, failures last; say whether all went well."""
        total = Counts()
        print("\nSummary")
        for stage in self.stages:
            total.add(stage.counts)
            line = f"  {stage.state:<8} {stage.name:<18} {stage.seconds:4.0f} s  {stage.note}"
            print(line.rstrip())
        if left_out:
            print("\nLeft out")
            print("\n".join(f"  {line}" for line in left_out))
        skipped = f", {total.skipped} tests skipped" if total.skipped else ""
        print(f"\nTook {time.monotonic() - self.begin:.0f} s{skipped}")
        print(f"{total.passed} passed, {total.failed} failed", flush=True)
        bad = [stage for stage in self.stages if stage.state != "ok"]
        for stage in bad:
            print(
                f"{stage.state}: {stage.name}: {stage.note} ({os.path.relpath(stage.log_path)})",
                flush=True,
            )
        return not bad


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")
