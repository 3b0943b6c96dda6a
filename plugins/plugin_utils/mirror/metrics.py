# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers of the last run as text for Prometheus, for node_exporter's textfile collector.

The format is Prometheus' "Exposition formats", version 0.0.4. The file is its own memory: when an
image was last found right is read back from it, so that a failure doesn't lose it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .report_words import REASONS

#: of a host in this run: has a result; has none; didn't begin yet, as with ``serial``
DONE, FAILED, WAITING = "done", "failed", "waiting"
#: more than a file of ours has for 100,000 images
SIZE_LIMIT = 64 << 20
_LAST_SUCCESS = "imagesync_image_last_success_timestamp_seconds"
_IN_SYNC = "imagesync_image_in_sync"
#: the destination names what its source named, as far as it is to be compared
_SAME = ("in_sync", "absent", "digest_differs", "incomplete", "referrers_missing", "immutable")
_NO_SUCCESS = ("failed", "not_done", "gate_failed")
HELP = {
    "imagesync_last_run_timestamp_seconds": "When the last run ended.",
    "imagesync_run_duration_seconds": "How long the last run took.",
    "imagesync_images": "Images of the last run by what became of them.",
    "imagesync_bytes_uploaded": "Bytes of blobs that the last run wrote to destinations.",
    "imagesync_requests": "Requests of the last run to each registry.",
    _LAST_SUCCESS: "When a run last ended well for the image.",
    _IN_SYNC: "Whether the destination names what its source names (1), as of the last run.",
    "imagesync_rate_limit_limit": "Requests that the registry allows.",
    "imagesync_rate_limit_remaining": "Requests that were left of these after the last run.",
}
_LINE = re.compile(
    rf'({_LAST_SUCCESS}|{_IN_SYNC})\{{destination="((?:[^"\\]|\\.)*)"\}}\s+([0-9.eE+-]{{1,40}})\s*'
)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Host(NamedTuple):
    """``result``: what image_sync returned."""

    plan: Mapping[str, Any]
    result: Mapping[str, Any]
    state: str


class Memory(NamedTuple):
    """Of each destination: when it was last right, as seconds since 1970; whether it was."""

    success: dict[str, float]
    in_sync: dict[str, float]


def read(text: str) -> Memory:
    """What a file of ours says; lines that can't be read say nothing."""
    found = Memory({}, {})
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if not match:
            continue
        name, label, number = match.groups()
        destination = re.sub(r"\\[\\\"n]", lambda one: _ESCAPES[one.group()], label)
        try:
            value = float(number)
        except ValueError:
            continue
        if name == _LAST_SUCCESS and 0 < value < math.inf:
            found.success[destination] = value
        elif name == _IN_SYNC and value in (0.0, 1.0):
            found.in_sync[destination] = value
    return found


def as_text(hosts: Iterable[Host], memory: Memory, began: float, finished: float) -> str:
    """The whole file; ``began`` and ``finished``: of the run, in seconds since 1970."""
    given = list(hosts)
    images = [image for host in given for image in host.result.get("images") or ()]
    stats = [host.result.get("stats") or {} for host in given]
    reasons = Counter(dict.fromkeys(REASONS, 0))
    reasons.update(str(image.get("reason") or "failed") for image in images)
    requests: Counter[str] = Counter()
    for one in stats:
        requests.update(one.get("requests") or {})
    limits = _limits(given)
    places = _places(given, images, memory, finished)
    values: dict[str, Mapping[tuple[str, str], float]] = {
        "imagesync_last_run_timestamp_seconds": {("", ""): finished},
        "imagesync_run_duration_seconds": {("", ""): max(0.0, finished - began)},
        "imagesync_images": _labelled("reason", reasons),
        "imagesync_bytes_uploaded": {("", ""): sum(s.get("bytes_uploaded") or 0 for s in stats)},
        "imagesync_requests": _labelled("registry", requests),
        _LAST_SUCCESS: _labelled("destination", places.success),
        _IN_SYNC: _labelled("destination", places.in_sync),
        "imagesync_rate_limit_limit": _labelled("registry", _given(limits, "limit")),
        "imagesync_rate_limit_remaining": _labelled("registry", _given(limits, "remaining")),
    }
    return "".join(f"{line}\n" for name in HELP for line in _lines(name, values[name]))


def _labelled(label: str, values: Mapping[str, float]) -> dict[tuple[str, str], float]:
    return {(label, key): value for key, value in values.items()}


def _lines(name: str, values: Mapping[tuple[str, str], float]) -> Iterator[str]:
    yield f"# HELP {name} {HELP[name]}"
    yield f"# TYPE {name} gauge"
    for (label, value), number in sorted(values.items()):
        labels = f'{{{label}="{escaped(value)}"}}' if label else ""
        yield f"{name}{labels} {_number(number)}"


def escaped(value: str) -> str:
    """The value of a label."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 3))


# images


def _places(
    hosts: list[Host], images: list[Mapping[str, Any]], memory: Memory, finished: float
) -> Memory:
    # a clock that was ahead must not hide that nothing works
    known = {place: min(when, finished) for place, when in memory.success.items()}
    found = Memory({}, {})
    for image in images:
        destination, reason = str(image.get("destination") or ""), image.get("reason")
        if not image.get("source") or not destination:
            continue  # it is to be absent
        failed = bool(image.get("failed")) or reason in _NO_SUCCESS
        same = float(reason in _SAME and not failed)
        # of hosts with the same destination, the worst is told
        found.in_sync[destination] = min(same, found.in_sync.get(destination, 1.0))
        if not failed:
            found.success[destination] = finished
        elif destination in known:
            found.success.setdefault(destination, known[destination])
    stays = _stays(hosts, images)
    lost = any(host.state == FAILED for host in hosts)
    for destination in [*known, *memory.in_sync]:
        if destination in found.in_sync or not stays(destination):
            continue
        found.in_sync[destination] = 0.0 if lost else memory.in_sync.get(destination, 0.0)
        if destination in known:
            found.success[destination] = known[destination]
    return found


def _stays(hosts: list[Host], images: list[Mapping[str, Any]]) -> Callable[[str], bool]:
    """Whether an image that isn't in the run is declared all the same.

    It is, where the run was for others (mirror_only), or nobody can tell.
    """
    if any(host.state != DONE for host in hosts):
        return lambda destination: True
    entries = [e for h in hosts for e in h.plan.get("entries") or () if not e.get("absent")]
    places = {place for entry in entries for place in entry.get("places") or ()}
    # tags that weren't selected from, or couldn't be
    open_ones = {
        e.get("repository") for e in entries if e.get("by_pattern") and not e.get("wanted")
    }
    open_ones |= {image.get("destination") for image in images if image.get("failed")}

    def stays(destination: str) -> bool:
        group = destination.partition("@")[0]
        return destination in places or group.rpartition(":")[0] in open_ones

    return stays


# rate limits


def _limits(hosts: list[Host]) -> dict[str, Mapping[str, Any]]:
    """Of each registry what was left last, that is least."""
    found: dict[str, Mapping[str, Any]] = {}
    for host in hosts:
        for registry, limit in (host.result.get("rate_limits") or {}).items():
            if registry not in found or _left(limit) < _left(found[registry]):
                found[registry] = limit
    return found


def _left(limit: Mapping[str, Any]) -> float:
    remaining = limit.get("remaining")
    return math.inf if remaining is None else float(remaining)


def _given(limits: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, float]:
    return {name: limit[key] for name, limit in limits.items() if limit.get(key) is not None}
