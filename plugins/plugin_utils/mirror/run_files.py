# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written at the end of a run, over all its hosts: reports, and metrics.

A host's plan names its files; hosts that name the same one are in it together. What goes wrong
here is told at the end of the role, and fails nothing before that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from . import files, metrics, report_dates, reports, since

#: of earlier reports: as many as are looked into for what the newest doesn't tell
_MOST_READ = 30
#: rw-r--r--: node_exporter reads as a user of its own
_READABLE = 0o644


class Ran(NamedTuple):
    """A host of the play; ``plan`` and ``outcome`` are empty where it didn't get so far.

    ``problem``: why it didn't.
    """

    host: str
    plan: Mapping[str, Any]
    outcome: Mapping[str, Any]
    problem: str

    @property
    def result(self) -> Mapping[str, Any]:
        """What image_sync returned."""
        found: Mapping[str, Any] = (self.outcome.get("facts") or {}).get("mirror_result") or {}
        return found


def names_files(plans: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of the plans wants anything to be written."""
    return any(plan.get("report_path") or plan.get("metrics_path") for plan in plans)


def write(ran: list[Ran], finished: float, limited: bool = False) -> tuple[list[str], list[str]]:
    """What went wrong, and the files that were written.

    ``finished``: seconds since 1970. ``limited``: whether there are hosts that were left out.
    """
    problems: list[str] = []
    written: list[str] = []
    steps: tuple[tuple[str, Callable[[str, list[Ran], float], str]], ...] = (
        ("report", _report),
        ("metrics", lambda path, own, when: _metrics(path, own, when, limited)),
    )
    for kind, step in steps:
        key = f"{kind}_path"
        for path in sorted({one.plan.get(key) or "" for one in ran} - {""}):
            # one that failed before it had a plan is in every file
            own = [
                one
                for one in ran
                if one.plan.get(key, path) == path and not one.plan.get("skipped")
            ]
            try:
                written.append(step(path, own, finished))
                if kind == "report":
                    report_dates.forget(path, _keep(own), written[-1])
            except OSError as error:
                problems.append(f"mirror_{kind}_file {path}: {error.strerror or error}")
    return problems, written


def began(ran: Iterable[Ran], finished: float) -> float:
    """When the run began: with the first host's plan, which all of them know."""
    return min((float(one.plan["began"]) for one in ran if "began" in one.plan), default=finished)


def _report(template: str, ran: list[Ran], finished: float) -> str:
    path = report_dates.dated(template, began(ran, finished))
    earlier = report_dates.earlier(template)[:_MOST_READ] or [path]
    parts = [_part(one) for one in ran]
    model = reports.whole_report(parts, since.as_time(finished))
    images = (image for part in parts for image in part["images"])
    places = {str(image.get("destination")) for image in images}
    since.remember(model, since.read(earlier, places))
    files.write(path, reports.rendered(path, model))
    return path


def _part(one: Ran) -> dict[str, Any]:
    if not one.outcome:
        return reports.no_report(one.host, one.problem)
    destination, problem = str(one.plan.get("destination") or ""), str(one.outcome["problem"])
    return reports.host_report(one.host, destination, one.result, problem)


def _keep(ran: list[Ran]) -> int:
    """The largest of what the hosts say; 0 for all."""
    return max((int(one.plan.get("report_keep") or 0) for one in ran), default=0)


def _metrics(path: str, ran: list[Ran], finished: float, limited: bool) -> str:
    memory = metrics.read(_content(path))
    hosts = [metrics.Host(one.plan, one.result, _state(one)) for one in ran]
    if limited:
        hosts.append(metrics.Host({}, {}, metrics.WAITING))
    text = metrics.as_text(hosts, memory, began(ran, finished), finished)
    files.write(path, text, _READABLE)
    return path


def _state(one: Ran) -> str:
    if "images" in one.result:
        return metrics.DONE
    return metrics.FAILED if one.plan or one.outcome else metrics.WAITING


def _content(path: str) -> str:
    """Of a file of ours; nothing where there is none, or none that can be read."""
    try:
        if os.path.getsize(path) > metrics.SIZE_LIMIT:
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
