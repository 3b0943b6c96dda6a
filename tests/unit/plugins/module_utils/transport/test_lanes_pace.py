# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.transport import lanes, retry
from ansible_collections.imagesync.registry.plugins.module_utils.transport.lanes import Lane
from ansible_collections.imagesync.registry.tests.unit.clock import Clock, ClockPace

HOST = "r.example"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(lanes, "time", found)
    monkeypatch.setattr(retry, "time", found)
    return found


def test_a_pause_holds_for_who_waits_for_a_place_too(clock: Clock) -> None:
    class Pausing(ClockPace):
        """The host asks for a pause while somebody waits for a turn."""

        def sleep(self, seconds: float) -> None:
            if len(self.slept) == 1:
                self.pause(HOST, 30.0)
            super().sleep(seconds)

    lane = Lane(HOST, Pausing(clock), 4, per_second=1)
    began = clock.now
    lane.enter().leave()
    lane.enter()
    assert clock.now - began == pytest.approx(30.0)
    assert lane.under_way == 1


def test_a_pause_is_kept_before_the_first_request(clock: Clock) -> None:
    pace = ClockPace(clock)
    pace.pause(HOST, 7.0)
    pace.pause("other.example", 70.0)
    began = clock.now
    Lane(HOST, pace, 4).enter()
    assert clock.now - began == pytest.approx(7.0)


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 3), min_size=1, max_size=30))
def test_requests_per_second_are_evenly_spread(rate: float, gaps: list[float]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "time", clock)
        patch.setattr(retry, "time", clock)
        lane = Lane(HOST, ClockPace(clock), 1000, rate)
        sent = []
        for gap in gaps:
            clock.now += gap
            asked = clock.now
            lane.enter().leave()
            sent.append(clock.now)
            due = sent[-2] + 1 / rate if len(sent) > 1 else 0.0
            assert clock.now == pytest.approx(max(asked, due), rel=1e-9)
    assert all(b - a >= 1 / rate - 1e-6 for a, b in zip(sent, sent[1:]))


def test_threads_share_the_turns(clock: Clock) -> None:
    pace = ClockPace(clock, stands=True)
    lane = Lane(HOST, pace, 8, per_second=4)
    for _unused in range(4):
        lane.enter()
    assert pace.slept == pytest.approx([0, 0.25, 0.5, 0.75])


def test_without_a_rate_nobody_waits(clock: Clock) -> None:
    pace = ClockPace(clock)
    lane = Lane(HOST, pace, 8)
    for _unused in range(8):
        lane.enter()
    assert pace.slept == []
