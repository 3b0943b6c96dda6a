# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries that allow so many requests: they are believed, and not asked for more."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport import rate_limits
from tests.support import images
from tests.support.content import to_json
from tests.support.faults import ALWAYS, Fault
from tests.support.fixtures import MakeProxy, MakeStrict
from tests.support.limiting import Watch, places_given_back
from tests.support.sides import Side, Sides
from tests.support.sync import sync

__all__ = ["places_given_back"]
pytestmark = pytest.mark.usefixtures("places_given_back")

READS = "GET .*/manifests/"
HUB_SAYS = (
    "You have reached your unauthenticated pull rate limit. "
    "https://www.docker.com/increase-rate-limit"
)


class Countdown(Mapping[str, str]):
    """Headers as Docker Hub sends them: how many are left, less what each answer costs."""

    def __init__(self, left: list[int], cost: int) -> None:
        self._left, self._cost = left, cost
        self._lock = threading.Lock()
        self._names = ("ratelimit-limit", "ratelimit-remaining")

    def __getitem__(self, name: str) -> str:
        if name == "ratelimit-limit":
            return "100;w=21600"
        with self._lock:
            self._left[0] -= self._cost
            return f"{max(0, self._left[0])};w=21600"

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _allow(sides: Sides, count: int) -> Fault:
    """From now on the source allows so many reads of manifests; HEADs cost nothing."""
    left = [count]
    proxy = sides.source.proxy
    proxy.inject("HEAD .*/manifests/", "set_header", headers=Countdown(left, 0), times=ALWAYS)
    return proxy.inject(READS, "set_header", headers=Countdown(left, 1), times=ALWAYS)


def _entries(sides: Sides, count: int, prefix: str = "new") -> list[dict[str, Any]]:
    """Images at the source, each for a repository of its own."""
    found = []
    for number in range(count):
        name = f"{prefix}{number}"
        sides.source.push(images.image(name), name)
        target = f"{sides.destination.repository}/{name}"
        entry = {
            "source": sides.source.ref(name),
            "destination": sides.destination.ref("", target),
        }
        found.append(entry)
    sides.clear()
    return found


def _reasons(result: Mapping[str, Any]) -> Counter[str]:
    return Counter(image["reason"] for image in result["images"])


@pytest.mark.parametrize("allowed", [1, 5, 8])
def test_no_more_is_asked_than_is_left(sides: Sides, allowed: int) -> None:
    entries = _entries(sides, 8)
    fault = _allow(sides, allowed)
    sides.source.proxy.latency = 0.02
    result = sync(images=entries, referrers="never")
    assert fault.hits == sides.source.proxy.count(kind="manifest") == allowed
    assert sides.source.proxy.count("GET", "blob") == 2 * allowed
    assert _reasons(result) == Counter({"absent": allowed, "not_done": 8 - allowed})
    assert result["rate_limits"] == {
        sides.source.proxy.host: {"limit": 100, "remaining": 0, "window": 21600}
    }
    for image, entry in zip(result["images"], entries, strict=True):
        name = entry["source"].rpartition(":")[2]
        if image["reason"] == "absent":
            there = f"{sides.destination.repository}/{name}"
            assert sides.destination.has_whole(images.image(name), name, there)
    if allowed < 8:
        assert result["failed"]
        assert (
            f"{8 - allowed} of 8 {'was' if allowed == 7 else 'were'} not done: "
            f"{sides.source.proxy.host} says that nothing of its 100 requests in 6 hours is left; "
            "come back in 6 hours" in result["msg"]
        )
    else:
        assert not result.get("failed")


def test_the_rest_is_done_by_the_next_run(sides: Sides) -> None:
    entries = _entries(sides, 4)
    _allow(sides, 2)
    assert _reasons(sync(images=entries, referrers="never")) == Counter(
        {"absent": 2, "not_done": 2}
    )
    sides.heal()
    assert _reasons(sync(images=entries, referrers="never")) == Counter({"in_sync": 2, "absent": 2})


def test_an_index_that_was_half_read_is_not_begun(sides: Sides) -> None:
    whole = sides.source.push(images.multi_platform("half"))
    assert len(whole.children) == 2
    fault = _allow(sides, 2)
    result = sync(**sides.options(), referrers="never")
    assert fault.hits == 2 and result["failed"] and result["reason"] == "not_done"
    assert "come back in 6 hours" in result["msg"]
    assert sides.writes() == []


@pytest.mark.parametrize("allowed", [2, 3])
def test_what_is_missing_is_read_before_what_has_changed(sides: Sides, allowed: int) -> None:
    """Of those that wait for a thread; which of the changed ones is read is all the same."""
    entries = _entries(sides, 2, "changed") + _entries(sides, 2, "missing")
    for entry in entries[:2]:
        repository, _colon, tag = entry["source"].rpartition(":")
        name = tag or repository
        old = images.image(f"old {name}")
        sides.destination.push(old, name, f"{sides.destination.repository}/{name}")
    fault = _allow(sides, allowed)
    sides.source.proxy.latency = 0.02
    result = sync(images=entries, concurrency=1, referrers="never")
    reasons = [image["reason"] for image in result["images"]]
    assert reasons[2:] == ["absent", "absent"]
    expected = Counter({"not_done": 4 - allowed, "digest_differs": allowed - 2})
    assert Counter(reasons[:2]) == +expected
    assert fault.hits == allowed


def test_docker_hub_counts_nothing_but_manifests(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is attached to the images is asked for when nothing is left: by lists of tags."""
    entries = _entries(sides, 8)
    fault = _allow(sides, 5)
    monkeypatch.setattr(rate_limits, "DOCKER_HUB", sides.source.proxy.host)
    result = sync(images=entries, referrers="with_image")
    assert _reasons(result) == Counter({"absent": 5, "not_done": 3})
    assert fault.hits == 5 and sides.source.proxy.count("GET", "tags") == 1
    assert [image["reason"] for image in result["images"]].count("failed") == 0


def test_limits_of_the_destination_hold_back_what_reads_it(sides: Sides) -> None:
    """Writes don't count; what was found out before is finished."""
    entries = _entries(sides, 6)
    fault = sides.destination.proxy.inject(
        "HEAD .*/manifests/", "set_header", headers=Countdown([4], 1), times=ALWAYS
    )
    result = sync(images=entries, concurrency=1, referrers="never")
    assert (
        fault.hits
        == 4
        == sides.destination.proxy.count(kind="manifest") - len(sides.destination.written())
    )
    assert result["rate_limits"][sides.destination.proxy.host]["remaining"] == 0
    assert _reasons(result)["not_done"] >= 2


def test_docker_hubs_pull_limit(sides: Sides) -> None:
    """It comes without Retry-After, and however often one asks, it stays."""
    entries = _entries(sides, 10)
    body = to_json({"errors": [{"code": "TOOMANYREQUESTS", "message": HUB_SAYS}]})
    fault = sides.source.proxy.inject(READS, "status", 429, skip=3, times=ALWAYS, body=body)
    result = sync(images=entries, concurrency=2, referrers="never")
    reasons = _reasons(result)
    assert 1 <= fault.hits <= 2 and reasons["failed"] == fault.hits
    assert reasons["absent"] == 3 and reasons["not_done"] == 7 - fault.hits
    assert sides.source.proxy.count("GET", "manifest") == 3 + fault.hits
    assert result["stats"]["retries"] == 0
    assert f"the pull limit of {sides.source.proxy.host} is used up: log in" in result["msg"]
    assert "come back in 1 hour" in result["msg"]


def _refuse(sides: Sides, match: str, side: str, status: int = 429, **more: Any) -> Fault:
    proxy = sides.source.proxy if side == "source" else sides.destination.proxy
    return proxy.inject(match, "status", status, **{"times": ALWAYS, **more})


@pytest.mark.parametrize(
    ("side", "match", "done"),
    [("source", READS, 0), ("source", "GET .*/blobs/", 1), ("destination", "PUT .*/uploads/", 1)],
)
def test_a_registry_that_wants_an_hour_is_left_alone(
    sides: Sides, side: str, match: str, done: int
) -> None:
    entries = _entries(sides, 5)
    fault = _refuse(sides, match, side, headers={"Retry-After": "3600"}, skip=2)
    result = sync(images=entries, concurrency=1, referrers="never")
    assert fault.hits == 1
    assert _reasons(result) == Counter({"absent": done, "failed": 1, "not_done": 4 - done})
    proxy = sides.source.proxy if side == "source" else sides.destination.proxy
    seen = [request.fault for request in proxy.requests]
    assert seen[seen.index("status") + 1 :] == []
    assert "it asks to come back in 3600 seconds" in result["msg"]
    assert "come back in 1 hour" in result["msg"]
    assert result["stats"]["retries"] == 0


def _in_sync(make_strict: MakeStrict, make_proxy: MakeProxy, count: int) -> Side:
    """A registry with this many tags of one image, each of which is its own destination too."""
    registry = make_strict()
    there = images.image("in sync", layers=0)
    digest = registry.add("a", there, "t0")
    for number in range(1, count):
        registry.set_tag("a", f"t{number}", digest)
    return Side(make_proxy(registry.url), registry.host, "a")


def test_a_pause_holds_for_everyone_and_less_is_sent_afterwards(
    make_strict: MakeStrict, make_proxy: MakeProxy
) -> None:
    source, destination = (_in_sync(make_strict, make_proxy, 260) for _unused in range(2))
    refused = source.proxy.inject(
        "HEAD .*/manifests/", "status", 429, skip=80, times=3, headers={"Retry-After": "1"}
    )
    watch = Watch(source.proxy)
    refused.call = watch.look
    source.proxy.latency = 0.02
    entries = [
        {"source": source.ref(f"t{n}"), "destination": destination.ref("")} for n in range(260)
    ]
    result = sync(images=entries, referrers="never")
    assert not result.get("failed") and _reasons(result) == Counter({"in_sync": 260})
    assert refused.hits == result["stats"]["retries"] == 3

    times, busy = watch.times, watch.busy
    statuses = [request.fault for request in source.proxy.requests]
    assert statuses.count("status") == 3
    gap = max(range(1, len(times)), key=lambda n: times[n] - times[n - 1])
    # what was under way came in, then nobody asked, then fewer did, and more again
    assert 0.7 < times[gap] - times[gap - 1] < 3
    assert times[gap] - times[80] >= 0.99
    before, after = busy[40:81], busy[gap:]
    assert max(before) == 16
    assert max(after[:10]) <= 11
    assert max(after) >= 12
