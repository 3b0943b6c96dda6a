# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a run: one model of all hosts, written as JSON, Markdown or HTML."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

from .report_html import as_html
from .report_markdown import as_markdown

VERSION = 1
Model = dict[str, Any]


def as_json(model: Mapping[str, Any]) -> str:
    """For machines."""
    return json.dumps(model, indent=2, ensure_ascii=False) + "\n"


_WRITERS = {".json": as_json, ".md": as_markdown, ".html": as_html}


def check_ending(path: str) -> str:
    """The path itself; raises InvalidInput for a kind of file that there isn't."""
    if os.path.splitext(path)[1].lower() not in _WRITERS:
        raise InvalidInput(f"mirror_report_file {path}: its name must end in .json, .md or .html")
    return path


def rendered(path: str, model: Mapping[str, Any]) -> str:
    """The report in the form that the file's ending asks for."""
    return _WRITERS[os.path.splitext(path)[1].lower()](model)


def host_report(host: str, destination: str, result: Mapping[str, Any], problem: str) -> Model:
    """A host's part. ``result``: what image_sync returned; ``problem``: why the role fails."""
    images = list(result.get("images") or ())
    return {
        "host": host,
        "destination": destination,
        "status": _status(problem, bool(result.get("changed"))),
        "message": problem,
        "counts": _counts(images),
        "stats": dict(result.get("stats") or {}),
        "rate_limits": dict(result.get("rate_limits") or {}),
        "credentials": dict(result.get("credentials") or {}),
        "pruned": list(result.get("pruned") or ()),
        "images": images,
    }


def no_report(host: str, problem: str) -> Model:
    """The part of a host that the run didn't get to an end on."""
    return {
        **host_report(host, "", {}, problem or "this host didn't get to an end"),
        "status": "no_result",
    }


def _status(problem: str, changed: bool) -> str:
    return "failed" if problem else "changed" if changed else "ok"


def _counts(images: list[Any]) -> dict[str, int]:
    not_done = sum(image.get("reason") == "not_done" for image in images)
    failed = sum(bool(image.get("failed")) for image in images)
    changed = sum(bool(image.get("changed")) and not image.get("failed") for image in images)
    total = len(images)
    return {
        "images": total,
        "changed": changed,
        "failed": failed,
        "not_done": not_done,
        "unchanged": max(0, total - changed - failed - not_done),
    }


def whole_report(hosts: list[Model], finished: str) -> Model:
    """All hosts together; ``finished``: when, as ISO 8601 has it."""
    totals: Counter[str] = Counter()
    for host in hosts:
        totals.update(host["counts"])
        totals["pruned"] += len(host["pruned"])
        for key in ("bytes_downloaded", "bytes_uploaded", "blobs_copied", "retries"):
            totals[key] += host["stats"].get(key) or 0
        totals["requests"] += sum((host["stats"].get("requests") or {}).values())
    seconds = max((host["stats"].get("seconds") or 0 for host in hosts), default=0)
    status = {host["status"] for host in hosts}
    worst = next((s for s in ("failed", "no_result", "changed") if s in status), "ok")
    return {
        "version": VERSION,
        "finished": finished,
        "status": "failed" if worst == "no_result" else worst,
        "totals": {**totals, "hosts": len(hosts), "seconds": seconds},
        "hosts": hosts,
    }
