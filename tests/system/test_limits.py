# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits to a call: how much at once, how fast, how many bytes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support import images, push
from tests.support.content import Image
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeStrict
from tests.support.layers import layer
from tests.support.limiting import Watch, limited, places_given_back
from tests.support.playbook import run_tasks
from tests.support.sides import Side, Sides
from tests.support.sync import sync

MIB = 1 << 20
#: large enough to be passed on while it is read
STREAMED = MIB + 50_000
MOUNT = r"POST .*\?mount="


__all__ = ["places_given_back"]
pytestmark = pytest.mark.usefixtures("places_given_back")


def _several(side: Side, count: int, size: int) -> list[Image]:
    """Images without anything in common, as tags t0, t1 and so on."""
    found = [images.image(f"several {n} {size}", size=size) for n in range(count)]
    for number, one in enumerate(found):
        side.push(one, f"t{number}")
    side.proxy.clear()
    return found


def _copies(source: Side, destination: Side, count: int, name: str) -> list[dict[str, str]]:
    target = f"{destination.repository}/{name}"
    return [
        {"source": source.ref(f"t{n}"), "destination": destination.ref("", target)}
        for n in range(count)
    ]


# how much at once


def test_max_connections_of_both_sides(sides: Sides) -> None:
    wanted = _several(sides.source, 6, STREAMED)
    watches = [Watch(side.proxy) for side in (sides.source, sides.destination)]
    registries = [
        limited(side.proxy, max_connections=2) for side in (sides.source, sides.destination)
    ]
    for side in (sides.source, sides.destination):
        side.proxy.latency = 0.01
    entries = _copies(sides.source, sides.destination, 6, "x")
    result = sync(images=entries, registries=registries)
    assert not result.get("failed"), result
    assert sides.source.proxy.peak == sides.destination.proxy.peak == 2
    assert [watch.connections for watch in watches] == [2, 2]
    for number, one in enumerate(wanted):
        there = f"{sides.destination.repository}/x"
        assert sides.destination.has_whole(one, f"t{number}", there)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_within_one_registry_that_refuses_mounts(sides: Sides, most: int) -> None:
    """Who reads from a registry writes to it at the same time: one connection isn't enough."""
    side = sides.destination
    wanted = _several(side, 4, STREAMED)
    refused = side.proxy.inject(MOUNT, "status", 405, times=ALWAYS)
    watch = Watch(side.proxy)
    side.proxy.latency = 0.01
    result = sync(
        images=_copies(side, side, 4, "x"),
        registries=[limited(side.proxy, max_connections=most)],
    )
    assert not result.get("failed"), result
    assert refused.hits == result["stats"]["blobs_copied"] == 8
    assert most - 1 <= side.proxy.peak <= watch.connections == max(2, most)
    for number, one in enumerate(wanted):
        assert side.has_whole(one, f"t{number}", f"{side.repository}/x")


@pytest.mark.parametrize("most", [1, 2])
def test_copies_both_ways_do_not_block_each_other(sides: Sides, most: int) -> None:
    a, b = sides.source, sides.destination
    entries = []
    for one, other in ((a, b), (b, a)):
        _several(one, 3, STREAMED)
        entries += _copies(one, other, 3, "x")
        one.proxy.latency = 0.01
    result = sync(
        images=entries,
        registries=[limited(side.proxy, max_connections=most) for side in (a, b)],
    )
    assert not result.get("failed"), result
    assert result["stats"]["bytes_uploaded"] > 6 * MIB
    assert max(a.proxy.peak, b.proxy.peak) == 2


def test_concurrency_is_the_most_at_each_registry(sides: Sides) -> None:
    _several(sides.source, 8, STREAMED)
    for side in (sides.source, sides.destination):
        side.proxy.latency = 0.01
    result = sync(images=_copies(sides.source, sides.destination, 8, "x"), concurrency=3)
    assert not result.get("failed"), result
    assert sides.source.proxy.peak == sides.destination.proxy.peak == 3


def _in_sync(sides: Sides, count: int) -> list[dict[str, str]]:
    """Tags that both sides have: each costs one HEAD at each of them."""
    there = images.image("in sync", layers=0)
    for side in (sides.source, sides.destination):
        with push.Repository(side.host, side.repository) as repository:
            repository.put(there, "t0")
            for number in range(1, count):
                repository.put_manifest(f"t{number}", there.manifest, there.media_type)
    return [
        {"source": sides.source.ref(f"t{n}"), "destination": sides.destination.ref("")}
        for n in range(count)
    ]


def test_requests_per_second_of_one_registry(sides: Sides) -> None:
    entries = _in_sync(sides, 40)
    slow, free = Watch(sides.source.proxy), Watch(sides.destination.proxy)
    result = sync(images=entries, registries=[limited(sides.source.proxy, requests_per_second=20)])
    assert {image["reason"] for image in result["images"]} == {"in_sync"}
    assert len(slow.times) == len(free.times) == 40
    assert slow.span >= 1.9
    assert free.span < slow.span / 2
    times = sorted(slow.times)
    assert all(later - earlier > 0.4 for earlier, later in zip(times, times[10:], strict=False))


# how fast


def test_bandwidth_limit(sides: Sides) -> None:
    wanted = sides.source.push(images.image("slowly", size=3 * MIB))
    began = time.monotonic()
    result = sync(**sides.options(), bandwidth_limit="2M")
    assert time.monotonic() - began > 1.5
    assert result["digest"] == wanted.digest
    assert sides.destination.has_whole(wanted)


def test_bandwidth_limit_is_for_sources(sides: Sides) -> None:
    """What the destination does by itself takes no longer; limited, this would take an hour."""
    side = sides.destination
    wanted = side.push(images.image("mounted", size=3 * MIB))
    target = f"{side.repository}/copy"
    result = sync(
        source=side.ref(), destination=side.ref("", repository=target), bandwidth_limit="1K"
    )
    assert result["stats"]["bytes_downloaded"] == 0 and result["stats"]["blobs_mounted"] == 2
    assert side.has_whole(wanted, repository=target)


# how many bytes


def _with_shared_layers(sides: Sides) -> tuple[list[dict[str, Any]], int]:
    """Images for two repositories, two of them new, and the bytes that have to be copied.

    One layer is in both; another one is in the destination's repository, under another tag.
    """
    shared, there = layer("shared", 50_000), layer("there", 70_000)
    new = {
        "a": images.image("a", layers=[shared, layer("own a", 30_000), there]),
        "b": images.image("b", layers=[shared, layer("own b", 20_000)]),
    }
    for side in (sides.source, sides.destination):
        side.push(images.image("same"), "same", f"{side.repository}/a")
    old = images.image("old", layers=[there])
    sides.destination.push(old, "old", f"{sides.destination.repository}/a")
    for name, one in new.items():
        sides.source.push(one, "new", f"{sides.source.repository}/{name}")
    entries: list[dict[str, Any]] = [
        {
            "source": sides.source.ref(tag, f"{sides.source.repository}/{name}"),
            "destination": sides.destination.ref("", f"{sides.destination.repository}/{name}"),
        }
        for name, tag in (("a", "new"), ("a", "same"), ("b", "new"))
    ]
    repository = f"{sides.destination.repository}/a"
    entries.append({"destination": sides.destination.ref("old", repository), "state": "absent"})
    moved = {b.digest: len(b.data) for one in new.values() for b in one.all_blobs}
    del moved[there.digest]
    sides.clear()
    return entries, sum(moved.values())


def test_more_than_max_bytes_writes_nothing(sides: Sides) -> None:
    entries, size = _with_shared_layers(sides)
    for check_mode in (True, False):
        result = sync(check_mode, images=entries, max_bytes=str(size - 1))
        assert result["failed"] and not result["changed"]
        reasons = [image["reason"] for image in result["images"]]
        assert reasons == ["not_done", "in_sync", "not_done", "not_done"]
        assert f"({size} bytes) would have to be copied" in result["msg"]
        assert "3 of 4 were not done" in result["msg"] and "max_bytes allows" in result["msg"]
        assert [str(request) for request in sides.writes()] == []
        assert result["stats"]["bytes_uploaded"] == result["stats"]["blobs_copied"] == 0
    there = f"{sides.destination.repository}/a"
    assert sorted(sides.destination.tags(there)) == ["old", "same"]


def test_exactly_max_bytes_is_allowed(sides: Sides) -> None:
    """A shared layer counts once, one that is there or is mounted doesn't."""
    entries, size = _with_shared_layers(sides)
    result = sync(images=entries, max_bytes=str(size))
    assert not result.get("failed"), result
    assert [image["reason"] for image in result["images"]] == [
        "absent",
        "in_sync",
        "absent",
        "removed",
    ]
    assert result["stats"]["bytes_uploaded"] == size
    assert result["stats"]["blobs_mounted"] == 1
    assert sides.destination.tags(f"{sides.destination.repository}/a") != []


def test_mounts_do_not_count(sides: Sides) -> None:
    side = sides.destination
    side.push(images.image("lent", size=100_000))
    target = side.ref("", repository=f"{side.repository}/copy")
    result = sync(source=side.ref(), destination=target, max_bytes="1")
    assert result["reason"] == "absent" and result["blobs_mounted"] == 2


def test_a_layer_that_stays_elsewhere_does_not_count(make_strict: MakeStrict) -> None:
    source, destination = make_strict(), make_strict()
    wanted = images.foreign_image()
    source.add("a", wanted, "1")
    size = sum(len(blob.data) for blob in wanted.all_blobs if blob.stored)
    assert sum(layer["size"] for layer in wanted.document["layers"]) > size
    options = {"source": f"{source.host}/a:1", "destination": f"{destination.host}/a"}
    assert sync(**options, max_bytes=str(size - 1))["reason"] == "not_done"
    result = sync(**options, max_bytes=str(size))
    assert result["reason"] == "absent" and result["bytes_copied"] == size


def test_an_image_that_fails_does_not_hide_the_others(sides: Sides) -> None:
    """A question that goes wrong is the business of that image."""
    good = sides.source.push(images.image("good", size=1000), "good")
    sides.source.push(images.image("bad", size=100_000), "bad")
    sides.destination.push(images.image("before"), "before", f"{sides.destination.repository}/bad")
    fault = sides.destination.proxy.inject(
        f"(HEAD|POST) /v2/{sides.destination.repository}/bad/blobs/", "status", 403, times=ALWAYS
    )
    entries = [
        {
            "source": sides.source.ref(tag),
            "destination": sides.destination.ref(tag, f"{sides.destination.repository}/{tag}"),
        }
        for tag in ("good", "bad")
    ]
    result = sync(images=entries, max_bytes="90000")
    assert fault.hits and result["failed"]
    assert [image["reason"] for image in result["images"]] == ["not_done", "not_done"]
    result = sync(images=entries, max_bytes="1M")
    assert [image["reason"] for image in result["images"]] == ["absent", "failed"]
    assert sides.destination.has_whole(good, "good", f"{sides.destination.repository}/good")


def test_limits_reach_the_module(sides: Sides) -> None:
    """Through ansible-playbook, where options are text."""
    wanted = sides.source.push(images.image("by the module", size=300_000))
    size = sum(len(blob.data) for blob in wanted.all_blobs)
    registries = [limited(sides.destination.proxy, max_connections=1, requests_per_second=10)]
    common = {**sides.options(), "registries": registries, "bandwidth_limit": "10M"}
    watch = Watch(sides.destination.proxy)
    run = run_tasks(
        [
            {"name": "No", "imagesync.registry.image_sync": {**common, "max_bytes": "200K"}},
            {
                "name": "Yes",
                "imagesync.registry.image_sync": {**common, "max_bytes": "1 MiB", "deadline": 5},
            },
        ]
    )
    assert run[0]["failed"] and run[0]["reason"] == "not_done", run.output
    assert f"({size} bytes)" in run[0]["msg"] and "max_bytes allows 200.0 KiB" in run[0]["msg"]
    assert run[0]["rate_limits"] == {}
    assert not run[1]["failed"] and run[1]["digest"] == wanted.digest, run.output
    assert sides.destination.proxy.peak == 1
    second = run[1]["stats"]["requests"][sides.destination.proxy.host]
    times = watch.times[-second:]
    assert second >= 5 and times[-1] - times[0] > (second - 1) * 0.1 - 0.05


def test_an_error_that_breaks_off_keeps_no_place(sides: Sides) -> None:
    """The failure is remembered to the end of the call, what it came by is not."""
    entries = _copies(sides.source, sides.destination, 3, "x")
    _several(sides.source, 3, 1000)
    fault = sides.destination.proxy.inject(
        "PUT .*/manifests/t[01]", "early_status", 403, times=ALWAYS,
        headers={"Content-Length": "500"}, body=b'{"errors": [',
    )  # fmt: skip
    result = sync(
        images=entries,
        registries=[limited(sides.destination.proxy, max_connections=1)],
        concurrency=2,
    )
    assert fault.hits == 2
    assert [image["reason"] for image in result["images"]] == ["failed", "failed", "absent"]
