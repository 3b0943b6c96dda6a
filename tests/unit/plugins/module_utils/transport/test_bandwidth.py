# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import Cancelled
from ansible_collections.imagesync.registry.plugins.module_utils.transport import bandwidth
from ansible_collections.imagesync.registry.plugins.module_utils.transport.bandwidth import (
    Bandwidth,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.retry import Pace
from ansible_collections.imagesync.registry.tests.unit.clock import Clock, ClockPace

WAIT = 10


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(bandwidth, "time", found)
    return found


def test_bytes_take_their_time(clock: Clock) -> None:
    limited = Bandwidth(1000, ClockPace(clock))
    began = clock.now
    for _unused in range(8):
        limited.spend(500)
    assert clock.now - began == pytest.approx(4.0)


def test_time_that_passed_anyway_is_not_waited_for_and_not_saved_up(clock: Clock) -> None:
    pace = ClockPace(clock)
    limited = Bandwidth(1000, pace)
    limited.spend(1000)
    clock.now += 60  # nobody read
    began = clock.now
    limited.spend(1000)
    limited.spend(1000)
    assert clock.now - began == pytest.approx(2.0)
    assert pace.slept == pytest.approx([1.0, 1.0, 1.0])


def test_threads_share_the_limit(clock: Clock) -> None:
    """Each of two takes its piece at the same moment: the second one waits for both."""
    pace = ClockPace(clock, stands=True)
    limited = Bandwidth(1000, pace)
    for _unused in range(3):
        limited.spend(500)
    assert pace.slept == pytest.approx([0.5, 1.0, 1.5])


@given(st.lists(st.integers(1, 1 << 20), min_size=1, max_size=20), st.integers(1, 1 << 30))
def test_never_more_than_the_limit_in_any_run_of_pieces(sizes: list[int], limit: int) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bandwidth, "time", clock)
        limited = Bandwidth(limit, ClockPace(clock))
        began = clock.now
        for size in sizes:
            limited.spend(size)
    assert clock.now - began == pytest.approx(sum(sizes) / limit, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("limit", "piece"),
    [
        (None, 1 << 20),
        (1, 4096),
        (64 << 10, 4096),
        (1 << 20, 64 << 10),
        (16 << 20, 1 << 20),
        (1 << 40, 1 << 20),
    ],
)
def test_pieces_are_small_enough_to_flow_evenly(limit: int | None, piece: int) -> None:
    assert Bandwidth(limit, Pace()).piece == piece


@pytest.mark.parametrize("limit", [None, 1, 1 << 30])
def test_a_run_that_has_ended_reads_nothing_more(limit: int | None) -> None:
    pace = Pace()
    limited = Bandwidth(limit, pace)
    pace.cancel()
    with pytest.raises(Cancelled):
        limited.spend(1)


def test_without_a_limit_nobody_waits() -> None:
    clock = Clock()
    pace = ClockPace(clock)
    Bandwidth(None, pace).spend(1 << 40)
    assert pace.slept == []


def test_whoever_waits_ends_with_the_run() -> None:
    pace = Pace()
    limited = Bandwidth(1, pace)
    ended = threading.Event()

    def reads() -> None:
        with pytest.raises(Cancelled):
            limited.spend(1 << 20)
        ended.set()

    thread = threading.Thread(target=reads)
    thread.start()
    pace.cancel()
    thread.join(WAIT)
    assert ended.is_set()
