# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call that is given some time: what is done by then is done and said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors import image_sync
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.limits import Limits
from tests.support import images
from tests.support.faults import ALWAYS
from tests.support.limiting import places_given_back
from tests.support.sides import Sides
from tests.support.sync import sync
from tests.support.waiting import wait_until

__all__ = ["places_given_back"]
MIB = 1 << 20
SetDeadline = Callable[[float], None]


@pytest.fixture
def set_deadline(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetDeadline]:
    """Some seconds for a call, where users give minutes."""

    def set_it(seconds: float) -> None:
        monkeypatch.setattr(image_sync, "_limits", lambda _parameters: Limits(None, seconds))

    yield set_it
    wait_until(
        lambda: not any(isinstance(t, threading.Timer) for t in threading.enumerate()),
        "the timer to end",
    )


@pytest.mark.usefixtures("places_given_back")
def test_a_deadline_ends_the_call_with_what_is_done(
    sides: Sides, set_deadline: SetDeadline
) -> None:
    small = sides.source.push(images.image("small"), "a")
    large = [sides.source.push(images.image(tag, size=5 * MIB), tag) for tag in ("b", "c")]
    layers = "|".join(one.blobs[1].digest for one in large)
    slow = sides.source.proxy.inject(layers, "slow", 50_000, pause=0.05, times=ALWAYS)
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")} for tag in "abc"
    ]
    set_deadline(2.0)
    began = time.monotonic()
    result = sync(images=entries)
    took = time.monotonic() - began
    assert slow.hits == 2 and 2.0 <= took < 4.5
    assert [image["reason"] for image in result["images"]] == ["absent", "not_done", "not_done"]
    assert result["failed"] and result["changed"]
    assert result["msg"] == "2 of 3 were not done: the deadline of 2 seconds was reached"
    assert not any(image.get("failed") for image in result["images"])
    assert sides.destination.has_whole(small, "a") and sides.destination.tags() == ["a"]
    sides.heal()
    result = sync(images=entries)
    assert [image["reason"] for image in result["images"]] == ["in_sync", "absent", "absent"]


def test_a_deadline_does_not_wait_for_a_source_that_is_silent(
    sides: Sides, set_deadline: SetDeadline
) -> None:
    """The answer is given up; its thread ends with the process, or here with the source."""
    sides.source.push(images.image("silent"))
    silent = sides.source.proxy.inject("GET .*/blobs/", "hang", 60, times=ALWAYS)
    set_deadline(0.9)
    began = time.monotonic()
    result = sync(**sides.options())
    assert silent.hits and time.monotonic() - began < 10
    assert result["failed"] and result["reason"] == "not_done"
    assert result["msg"].endswith("not done: the deadline of 1 second was reached")
    sides.source.proxy.stop()
    wait_until(
        lambda: not any(t.name == "imagesync" for t in threading.enumerate()), "our threads to end"
    )


@pytest.mark.usefixtures("places_given_back")
def test_a_call_that_is_done_in_time_leaves_no_timer(
    sides: Sides, set_deadline: SetDeadline
) -> None:
    sides.source.push(images.image("in time"))
    set_deadline(3600.0)
    assert sync(**sides.options())["reason"] == "absent"


@pytest.mark.parametrize("minutes", [0, -1, 10_081])
def test_a_deadline_out_of_reach_is_refused(minutes: int) -> None:
    with pytest.raises(InvalidInput, match="deadline must be between 1 and 10080 minutes"):
        sync(source="a.example/b:1", destination="c.example/d", deadline=minutes)


def test_limits_are_read_from_the_options() -> None:
    assert image_sync._limits({"deadline": 2, "max_bytes": "1K"}) == Limits(1024, 120.0)
    assert image_sync._limits({}) == Limits(None, None)
