# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from .counts import COLD, MOVED, NOTHING, PHASES
from .plan import CASES, COUNTED_LAYER
from .tools import TOOLS
from .workloads import MIB

Results = dict[str, Any]
TITLES = {tool.key: tool.title for tool in TOOLS}
OURS = {tool.key for tool in TOOLS if tool.ours}
NONE = "–"  # noqa: RUF001


def report(results: Results) -> str:
    """All tables of what was measured."""
    parts = [_machine(results)]
    if results["quick"]:
        parts.append("**Quick run: small workloads, one round. These figures mean nothing.**")
    parts += [f"**{failure}**" for failure in results["failures"]]
    if results["counts"]:
        parts.append(_counts(results["counts"]))
    for case in CASES:
        times = [run for run in results["times"] if run["case"] == case.name]
        if times:
            parts.append(f"### Time: {case.name}\n\n{times_table(times)}")
    if results["growth"]:
        parts.append(_growth(results["growth"]))
    if results["memory"]:
        parts.append(_memory(results["memory"]))
    return "\n\n".join(parts) + "\n"


def times_table(times: Sequence[dict[str, Any]]) -> str:
    """The times of one workload: medians, and how often the time of the fastest other tool."""
    phases = [phase for phase in PHASES if any(run["phase"] == phase for run in times)]
    others = [run for run in times if run["tool"] not in OURS]
    best = {phase: min(_medians(others, phase).values(), default=None) for phase in phases}
    heads = ["tool"]
    for phase in phases:
        heads += [f"{phase}, s", "ratio"]
    rows = []
    for tool in _tools(times):
        runs = [run for run in times if run["tool"] == tool]
        row = [TITLES[tool]]
        for phase in phases:
            seconds, fastest = _medians(runs, phase).get(tool), best[phase]
            row += [_number(seconds), _number(seconds / fastest if seconds and fastest else None)]
        cold = [run for run in runs if run["phase"] == COLD]
        row.append(_number(median(run["cpu"] * run["share"] for run in cold), 1))
        row.append(_number(max(run["peak"] for run in cold) / MIB, 0))
        share = runs[0]["share"]
        row.append(
            str(len(cold)) + (f", of 1/{share} of the images, times {share}" if share > 1 else "")
        )
        rows.append(row)
    return _table([*heads, "CPU s, cold", "peak MiB, cold", "runs"], rows)


def _medians(times: Iterable[dict[str, Any]], phase: str) -> dict[str, float]:
    """The median time of each tool, in seconds for all images."""
    found: dict[str, list[float]] = {}
    for run in times:
        if run["phase"] == phase:
            found.setdefault(run["tool"], []).append(run["seconds"] * run["share"])
    return {tool: median(seconds) for tool, seconds in found.items()}


def _counts(counts: Sequence[dict[str, Any]]) -> str:
    """One table for each workload: requests at the source and at the destination."""
    parts = []
    for workload in dict.fromkeys(row["workload"] for row in counts):
        rows = []
        for tool in _tools(counts):
            found = {
                row["phase"]: row
                for row in counts
                if (row["workload"], row["tool"]) == (workload, tool)
            }
            if found:
                rows.append([TITLES[tool].partition(",")[0], *_count_cells(found)])
        heads = [COLD, "MiB read", "MiB written", "mounts", NOTHING, MOVED]
        size = f", with layers of {COUNTED_LAYER // MIB} MiB" if workload == "big" else ""
        title = f"### Requests, source + destination: {workload}{size}"
        parts.append(f"{title}\n\n{_table(['tool', *heads], rows)}")
    return "\n\n".join(parts)


def _count_cells(found: dict[str, dict[str, Any]]) -> list[str]:
    cold = found[COLD]
    cells = [_requests(cold), _number(cold["downloaded"] / MIB, 1)]
    cells += [_number(cold["uploaded"] / MIB, 1), f"{cold['mounts']:,}"]
    return cells + [_requests(found.get(phase)) for phase in (NOTHING, MOVED)]


def _requests(row: dict[str, Any] | None) -> str:
    if row is None:
        return NONE
    total = row["source"] + row["destination"]
    heads = ", all HEAD" if row["reads_only"] else ""
    return f"{row['source']:,} + {row['destination']:,} = {total:,}{heads}"


def _growth(growth: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            f"{row['tags']:,}",
            _number(row["seconds"]),
            _number(row["seconds"] / row["tags"] * 1000),
            f"{row['requests']:,}",
            _number(row["cpu"], 1),
            _number(row["peak"] / MIB, 0),
        ]
        for row in growth
    ]
    heads = ["tags", "s", "s for 1,000", "requests", "CPU s", "peak MiB"]
    return f"### Growth: tags in sync, the module's process, loopback\n\n{_table(heads, rows)}"


def _memory(memory: dict[str, int]) -> str:
    rows = [[name, _number(peak / MIB, 0)] for name, peak in memory.items()]
    return f"### Memory: peak of the module's process\n\n{_table(['call', 'MiB'], rows)}"


def _machine(results: Results) -> str:
    lines = [f"- {name}: {value}" for name, value in results["machine"].items()]
    return "### Machine and versions\n\n" + "\n".join(lines)


def _tools(rows: Iterable[dict[str, Any]]) -> list[str]:
    there = {row["tool"] for row in rows}
    return [tool.key for tool in TOOLS if tool.key in there]


def _number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    sides = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, sides, *rows))
