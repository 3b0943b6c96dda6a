# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make bench` runs: measures and counts this collection beside other tools.

The tables go to standard output and to .build/bench/results.md, all figures to results.json.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ansible_collections.imagesync.registry.benchmarks import plan
from ansible_collections.imagesync.registry.benchmarks.counts import COLD, MOVED, Counted, count
from ansible_collections.imagesync.registry.benchmarks.machine import machine
from ansible_collections.imagesync.registry.benchmarks.measure import (
    RunFailed,
    Taken,
    check,
    front,
    run,
)
from ansible_collections.imagesync.registry.benchmarks.plan import CASES, Case, Effort
from ansible_collections.imagesync.registry.benchmarks.report import report, times_table
from ansible_collections.imagesync.registry.benchmarks.storage import store
from ansible_collections.imagesync.registry.benchmarks.tools import (
    TOOLS,
    AnsibleAlone,
    Job,
    Module,
    Playbook,
    Tool,
)
from ansible_collections.imagesync.registry.benchmarks.workloads import Tagged, in_sync
from ansible_collections.imagesync.registry.tests.support.registries import DockerRegistry

BUILD = Path(__file__).resolve().parent.parent / ".build" / "bench"
PARTS = ("many-small", "multiarch", "big", "counts", "growth")
TRIES = 3
STARTS = 5  # how often Ansible alone is measured


class Bench:
    """A run of the benchmarks, and what it has found so far."""

    def __init__(self, tools: Sequence[Tool], rounds: int, quick: bool) -> None:
        """Measure these tools so many times."""
        self.tools, self.rounds, self.quick = tools, rounds, quick
        self.begin = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix="imagesync-bench-"))
        self.results: dict[str, Any] = {
            "machine": machine(),
            "quick": quick,
            "rounds": rounds,
            "counts": [],
            "times": [],
            "growth": [],
            "memory": {},
            "failures": [],
        }

    def say(self, text: str) -> None:
        """Print a line of progress."""
        seconds = int(time.monotonic() - self.begin)
        print(f"[{seconds // 60:2}:{seconds % 60:02}] {text}", flush=True)

    def save(self) -> None:
        """Write what was found so far."""
        BUILD.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.results, indent=1)
        (BUILD / "results.json").write_text(text, encoding="utf-8")
        (BUILD / "results.md").write_text(report(self.results), encoding="utf-8")

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Go on where a tool fails, so that one doesn't cost the figures of the others."""
        try:
            yield
        except RunFailed as error:
            self.say(f"FAILED: {error}")
            self.results["failures"].append(str(error).partition("\n")[0])
            self.save()

    # Ansible's own start

    def start(self) -> None:
        """Run ours once, so that it is compiled, and see what Ansible's start takes."""
        with DockerRegistry() as source, DockerRegistry() as destination:
            images = in_sync(1)
            store(source.storage, images)
            for tool in (Playbook(), Module()):
                run(tool, self.job(source.host, destination.host, images))
            job = self.job(source.host, destination.host, images)
            taken = [run(AnsibleAlone(), job).seconds for _unused in range(STARTS)]
        seconds = statistics.median(taken)
        self.results["machine"]["Ansible alone"] = f"{seconds:.2f} s for a playbook with one `ping`"
        self.say(f"Ansible alone takes {seconds:.2f} s")

    # Counts

    def counts(self, names: Sequence[str]) -> None:
        """Count what each tool sends."""
        for workload, phases in plan.COUNTED:
            for tool in self.tools:
                if tool.key in plan.NOT_COUNTED or workload.name not in names:
                    continue
                counted_at = plan.quick(workload) if self.quick else workload
                found: dict[str, Counted] = {}
                with self.noting():
                    found = count(tool, counted_at, phases, self.folder / "counts")
                for phase, counted in found.items():
                    row = dataclasses.asdict(counted)
                    what = {"workload": workload.name, "tool": tool.key, "phase": phase}
                    self.results["counts"].append(what | row)
                totals = [f"{p} {c.source + c.destination}" for p, c in found.items()]
                self.say(f"requests, {workload.name}, {tool.key}: {', '.join(totals)}")
                self.save()

    # Times

    def times(self, case: Case) -> None:
        """Measure the tools in turns."""
        if self.quick:
            case = plan.quick_case(case)
        images = case.workload.all()
        with DockerRegistry() as source:
            store(source.storage, images)
            for number in range(self.rounds):
                for tool in self.tools:
                    effort = case.effort(tool.key, self.rounds)
                    if number < effort.rounds:
                        self._try(case, tool, source, images, effort)
        found = [one for one in self.results["times"] if one["case"] == case.name]
        print(f"\n{case.name}\n\n{times_table(found)}\n", flush=True)

    def _try(self, *what: Any) -> None:
        """Measure once more where a tool fails: see `Job.by_turns` for why some do."""
        for _unused in range(TRIES):
            with self.noting():
                self._measure(*what)
                return

    def _measure(
        self, case: Case, tool: Tool, source: DockerRegistry, images: list[Tagged], effort: Effort
    ) -> None:
        """One round of a tool, with a new destination; the first image moves at the source."""
        wanted = images[: len(case.workload.part(effort.share).all())]
        times = []
        with contextlib.ExitStack() as stack:
            destination = stack.enter_context(DockerRegistry())
            hosts = [stack.enter_context(front(r, case.latency)) for r in (source, destination)]
            for phase in case.phases_of(effort):
                if phase == MOVED:
                    version_number = len(self.results["times"]) + 1
                    images[0] = wanted[0] = case.workload.tagged(0, version_number)
                    store(source.storage, wanted[:1])
                taken = run(tool, self.job(hosts[0], hosts[1], wanted))
                check(tool, destination.host, wanted)
                self._note(case, tool, phase, effort, taken)
                times.append(f"{phase} {taken.seconds:.2f} s")
        scaled = f", 1/{effort.share} of the images" if effort.share > 1 else ""
        self.say(f"{case.name}, {tool.key}{scaled}: {', '.join(times)}")
        self.save()

    def _note(self, case: Case, tool: Tool, phase: str, effort: Effort, taken: Taken) -> None:
        what = {"case": case.name, "tool": tool.key, "phase": phase, "share": effort.share}
        self.results["times"].append(what | dataclasses.asdict(taken))
        if (case.workload.name, phase, tool.key) == ("big", COLD, "module"):
            self._peak("big, cold", taken.peak)

    # Growth

    def growth(self) -> None:
        """Measure the module with more and more tags that are in sync."""
        tool = Module()
        with DockerRegistry() as source, DockerRegistry() as destination:
            for tags in plan.QUICK_GROWTH if self.quick else plan.GROWTH:
                images = in_sync(tags)
                for registry in (source, destination):
                    store(registry.storage, images)
                job = self.job(source.host, destination.host, images)
                taken = run(tool, job)
                lines = (job.folder / "output").read_text(encoding="utf-8").strip().splitlines()
                said = json.loads(lines[-1])
                if said["changed"] or len(said["images"]) != tags:
                    raise RunFailed("the module changed what was in sync")
                requests = sum(said["stats"]["requests"].values())
                row = {"tags": tags, "requests": requests}
                self.results["growth"].append(row | dataclasses.asdict(taken))
                self._peak(f"{tags:,} tags, nothing to do", taken.peak)
                self.say(f"{tags:,} tags in sync: {taken.seconds:.2f} s, {requests:,} requests")
                self.save()

    def _peak(self, name: str, peak: int) -> None:
        memory = self.results["memory"]
        memory[name] = max(memory.get(name, 0), peak)

    def job(self, source: str, destination: str, images: Sequence[Tagged]) -> Job:
        """What a tool is to do, with a folder for its files."""
        folder = self.folder / "job"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Job(folder, source, destination, images)


def main() -> int:
    """Measure what the command line names."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    options = _options()
    known = {tool.key: tool for tool in TOOLS}
    tools = [known[key] for key in options.tools]
    missing = {tool.program for tool in tools if not tool.found}
    bench = Bench(
        [tool for tool in tools if tool.found],
        1 if options.quick else options.rounds,
        options.quick,
    )
    if missing:
        bench.say(f"not installed, so left out: {', '.join(sorted(missing))}")
    try:
        _run(bench, options.only)
    except RunFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    print(f"\n{report(bench.results)}")
    print(f"This is in {os.path.relpath(BUILD)}/results.md, every run in results.json.")
    return 1 if bench.results["failures"] else 0


def _run(bench: Bench, only: Sequence[str]) -> None:
    workloads = [name for name in only if name not in ("counts", "growth")]
    bench.start()
    if "counts" in only:
        bench.counts(workloads or [workload.name for workload, _phases in plan.COUNTED])
    if "growth" in only:
        bench.growth()
    for case in CASES:
        if case.workload.name in workloads:
            bench.times(case)
    bench.save()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    keys = [tool.key for tool in TOOLS]

    def words(known: Sequence[str]) -> Any:
        def read(text: str) -> list[str]:
            given = text.split(",")
            if unknown := set(given) - set(known):
                raise argparse.ArgumentTypeError(
                    f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}"
                )
            return given

        return read

    parser.add_argument("--only", type=words(PARTS), default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--tools", type=words(keys), default=keys, help=", ".join(keys))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small workloads, one round")
    return parser.parse_args()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
