# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import metrics
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.metrics import (
    DONE,
    FAILED,
    WAITING,
    Host,
    Memory,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.report_words import REASONS

NOW = 1_795_000_000.25
BEFORE = NOW - 1000
R = "r.example.com/m"
#: those of the contract: their labels
SERIES = {
    "imagesync_last_run_timestamp_seconds": set(),
    "imagesync_run_duration_seconds": set(),
    "imagesync_images": {"reason"},
    "imagesync_bytes_uploaded": set(),
    "imagesync_requests": {"registry"},
    "imagesync_image_last_success_timestamp_seconds": {"destination"},
    "imagesync_image_in_sync": {"destination"},
    "imagesync_rate_limit_limit": {"registry"},
    "imagesync_rate_limit_remaining": {"registry"},
}


def image(name: str, reason: str = "in_sync", **fields: Any) -> dict[str, Any]:
    failed = {"failed": True} if reason == "failed" else {}
    return {"source": "q/x:1", "destination": f"{R}/{name}", "reason": reason, **failed, **fields}


def host(*images: Any, state: str = DONE, entries: Any = (), **result: Any) -> Host:
    return Host({"entries": list(entries)}, {"images": list(images), **result}, state)


def parsed(text: str) -> dict[str, dict[str, float]]:
    """What Prometheus' own parser makes of it: by name and the value of the one label."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge" and family.documentation
        found[family.name] = {}
        for sample in family.samples:
            assert sample.name == family.name and set(sample.labels) == SERIES[family.name]
            (key,) = sample.labels.values() or ("",)
            assert key not in found[family.name]
            found[family.name][key] = sample.value
    assert list(found) == list(SERIES)
    return found


def run(*hosts: Host, memory: Memory | None = None) -> dict[str, dict[str, float]]:
    text = metrics.as_text(hosts, memory or Memory({}, {}), NOW - 60, NOW)
    return parsed(text)


def places(found: dict[str, dict[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """When images were last right, and whether they are; by their short names."""
    names = ("imagesync_image_last_success_timestamp_seconds", "imagesync_image_in_sync")
    success, in_sync = ({k.removeprefix(f"{R}/"): v for k, v in found[n].items()} for n in names)
    return success, in_sync


def remembered(*names: str) -> Memory:
    return Memory({f"{R}/{n}": BEFORE for n in names}, {f"{R}/{n}": 1.0 for n in names})


def test_the_series() -> None:
    limits = {"docker.io": {"limit": 100, "remaining": 76, "window": 21600}, "quay.io": {}}
    found = run(
        host(
            image("a:1"),
            image("b:1", "absent"),
            image("c:1", "failed"),
            stats={"bytes_uploaded": 3 << 30, "requests": {"docker.io": 7, "r.example.com": 2}},
            rate_limits=limits,
        ),
        host(
            stats={"bytes_uploaded": 1, "requests": {"docker.io": 1}},
            rate_limits={"docker.io": {"limit": 100, "remaining": 0}},
        ),
    )
    assert found["imagesync_last_run_timestamp_seconds"] == {"": NOW}
    assert found["imagesync_run_duration_seconds"] == {"": 60}
    assert found["imagesync_bytes_uploaded"] == {"": (3 << 30) + 1}
    assert found["imagesync_requests"] == {"docker.io": 8, "r.example.com": 2}
    assert found["imagesync_rate_limit_limit"] == {"docker.io": 100}
    assert found["imagesync_rate_limit_remaining"] == {"docker.io": 0}
    # each reason is there also when it is 0, so that an alert sees it rise
    expected = {**dict.fromkeys(REASONS, 0), "in_sync": 1, "absent": 1, "failed": 1}
    assert found["imagesync_images"] == expected


def test_an_empty_run() -> None:
    found = run()
    assert found["imagesync_image_in_sync"] == {} and set(found["imagesync_images"].values()) == {0}


@pytest.mark.parametrize(
    ("reason", "same", "success"),
    [
        ("in_sync", 1, True),
        ("absent", 1, True),
        ("digest_differs", 1, True),
        ("incomplete", 1, True),
        ("referrers_missing", 1, True),
        ("immutable", 1, True),
        ("staged", 0, True),
        ("kept", 0, True),
        ("too_young", 0, True),
        ("failed", 0, False),
        ("not_done", 0, False),
        ("gate_failed", 0, False),
    ],
)
def test_what_became_of_an_image(reason: str, same: int, success: bool) -> None:
    for memory, before in ((None, {}), (remembered("a:1"), {"a:1": BEFORE})):
        assert places(run(host(image("a:1", reason)), memory=memory)) == (
            {"a:1": NOW} if success else before,
            {"a:1": same},
        )


def test_a_write_that_failed_afterwards_is_no_success() -> None:
    assert places(run(host(image("a:1", "absent", failed=True)))) == ({}, {"a:1": 0})


def test_what_is_to_be_absent_has_no_series() -> None:
    gone = {"destination": f"{R}/a:1", "reason": "removed"}
    assert places(run(host(gone), memory=remembered("a:1"))) == ({}, {})


def test_images_that_are_gone_disappear() -> None:
    assert places(run(host(image("a:1")), memory=remembered("a:1", "b:1"))) == (
        {"a:1": NOW},
        {"a:1": 1},
    )


def test_what_the_run_left_out_stays_as_it_was() -> None:
    """mirror_only, and tags of entries that weren't asked for, or couldn't be."""
    entries = [
        {"places": [f"{R}/b:1"], "wanted": False},
        {"places": [], "by_pattern": True, "repository": f"{R}/c", "wanted": False},
        {"places": [f"{R}/d:1"], "wanted": False, "absent": True},
        {"places": [], "by_pattern": True, "repository": f"{R}/e", "wanted": True},
        {"places": [], "by_pattern": True, "repository": f"{R}/f", "wanted": True},
    ]
    names = ("b:1", "c:1", "c/c:1", "d:1", "e:1", "f:1")
    memory = remembered(*names)
    memory.in_sync[f"{R}/b:1"] = 0.0
    run_of = host(image("a:1"), image("f", "failed"), entries=entries)
    success, in_sync = places(run(run_of, memory=memory))
    assert success == {"a:1": NOW, "b:1": BEFORE, "c:1": BEFORE, "f:1": BEFORE}
    assert in_sync == {"a:1": 1, "b:1": 0, "c:1": 1, "f": 0, "f:1": 1}


@pytest.mark.parametrize(("state", "expected"), [(FAILED, 0), (WAITING, 1)])
def test_hosts_without_a_result(state: str, expected: int) -> None:
    """One that failed has images that nobody knows of; one that waits will tell later."""
    success, in_sync = places(
        run(host(image("a:1")), Host({}, {}, state), memory=remembered("a:1", "b:1"))
    )
    assert success == {"a:1": NOW, "b:1": BEFORE} and in_sync == {"a:1": 1, "b:1": expected}


def test_hosts_with_one_destination() -> None:
    found = run(host(image("a:1")), host(image("a:1", "failed")), memory=remembered("a:1"))
    assert places(found) == ({"a:1": NOW}, {"a:1": 0})


def test_a_clock_that_was_ahead() -> None:
    memory = Memory({f"{R}/a:1": NOW + 1e6}, {})
    assert places(run(host(image("a:1", "failed")), memory=memory))[0] == {"a:1": NOW}


EVIL = 'oci:/srv/a b"c\\d\\n{e="f"} 7\n# TYPE x gauge:1'


def test_labels_are_escaped_and_read_back() -> None:
    found = host(image("a:1", destination=EVIL), stats={"requests": {EVIL: 3}})
    text = metrics.as_text([found], Memory({}, {}), NOW, NOW)
    assert parsed(text)["imagesync_image_in_sync"] == {EVIL: 1}
    assert parsed(text)["imagesync_requests"] == {EVIL: 3}
    assert metrics.read(text) == Memory({EVIL: NOW}, {EVIL: 1.0})


@given(st.text(min_size=1, max_size=30))
def test_any_destination_is_read_back(name: str) -> None:
    text = metrics.as_text([host(image("", destination=name))], Memory({}, {}), NOW, NOW)
    assert metrics.read(text).success == {name: NOW}


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "\x00\x00",
        "<html>",
        'imagesync_image_last_success_timestamp_seconds{destination="a',
        'imagesync_image_last_success_timestamp_seconds{destination="a"} x',
        'imagesync_image_last_success_timestamp_seconds{destination="a"} --1',
        'imagesync_image_last_success_timestamp_seconds{destination="a"} -5',
        'imagesync_image_last_success_timestamp_seconds{destination="a"} 1e999',
        'imagesync_image_last_success_timestamp_seconds{other="a"} 5',
        'imagesync_image_in_sync{destination="a"} 7',
    ],
)
def test_a_damaged_file_loses_only_what_is_damaged(damage: str) -> None:
    good = f'imagesync_image_last_success_timestamp_seconds{{destination="b"}} {BEFORE}'
    found = metrics.read(f"{damage}\n{good}\n{damage}")
    assert found == Memory({"b": BEFORE}, {})


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    metrics.read(text)
