# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import Cancelled
from ansible_collections.imagesync.registry.plugins.module_utils.transport import lanes, retry
from ansible_collections.imagesync.registry.plugins.module_utils.transport.lanes import (
    Holders,
    Lane,
    Place,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.retry import Pace
from ansible_collections.imagesync.registry.tests.unit.clock import Clock, ClockPace

WAIT = 10
HOST = "r.example"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(lanes, "time", found)
    monkeypatch.setattr(retry, "time", found)
    return found


class Guests:
    """Threads that enter lanes; those that got no place are let go at the end.

    All of them live until then: a lane knows who has places by the thread's number, and a new
    thread may get the number of one that is gone.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._threads: list[threading.Thread] = []
        self._home = threading.Event()

    def send(self, visit: Callable[[], object]) -> threading.Event:
        """``visit`` in a thread of its own; the event tells that it is over."""
        over = threading.Event()

        def run() -> None:
            try:
                visit()
            except Cancelled:
                return
            over.set()
            self._home.wait(WAIT)

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()
        return over

    def end(self) -> None:
        self._pace.cancel()
        self._home.set()
        for thread in self._threads:
            thread.join(WAIT)
        assert not any(thread.is_alive() for thread in self._threads)


@pytest.fixture
def pace() -> Pace:
    return Pace()


@pytest.fixture
def guests(pace: Pace) -> Iterator[Guests]:
    found = Guests(pace)
    yield found
    found.end()


def answer(lane: Lane, status: int = 200) -> None:
    place = lane.enter()
    place.answered(status)
    place.leave()


def waits(event: threading.Event) -> bool:
    """Whether a guest is still outside after longer than a look around takes."""
    return not event.wait(0.05)


def elsewhere(guests: Guests, lane: Lane, reads: bool = False) -> Place:
    """A place in the lane that another thread holds."""
    found: list[Place] = []
    assert guests.send(lambda: found.append(lane.enter(reads))).wait(WAIT)
    return found[0]


# the window


@pytest.mark.parametrize(("most", "first"), [(1, 1), (3, 3), (8, 8), (16, 8), (256, 8)])
def test_it_begins_small(pace: Pace, most: int, first: int) -> None:
    assert Lane(HOST, pace, most).window == first


def test_it_doubles_with_each_round_up_to_the_most(pace: Pace) -> None:
    lane = Lane(HOST, pace, 40)
    seen = [lane.window]
    for _round in range(4):
        for _request in range(lane.window):
            answer(lane)
        seen.append(lane.window)
    assert seen == [8, 16, 32, 40, 40]


@pytest.mark.parametrize("status", [429, 503])
def test_too_much_halves_it_and_one_more_comes_with_each_round(
    clock: Clock, pace: Pace, status: int
) -> None:
    lane = Lane(HOST, ClockPace(clock), 32)
    for _request in range(24):
        answer(lane)
    assert lane.window == 32
    clock.now += 1
    answer(lane, status)
    seen = [lane.window]
    for _round in range(3):
        # a request more than the window: a third of a request is lost in each division
        for _request in range(lane.window + 1):
            answer(lane)
        seen.append(lane.window)
    assert seen == [16, 17, 18, 19]


def test_a_round_of_refusals_halves_it_once(clock: Clock) -> None:
    lane = Lane(HOST, ClockPace(clock, stands=True), 8)
    places = [lane.enter() for _unused in range(8)]
    clock.now += 1
    for place in places:
        place.answered(429)
        place.leave()
    assert lane.window == 4
    clock.now += 1
    answer(lane, 429)
    assert lane.window == 2


def test_it_never_falls_below_one_and_recovers(clock: Clock) -> None:
    lane = Lane(HOST, ClockPace(clock), 16)
    for _unused in range(10):
        clock.now += 1
        answer(lane, 429)
    assert lane.window == 1
    answer(lane)
    assert lane.window == 2


@pytest.mark.parametrize("status", [500, 502, 504])
def test_errors_of_the_server_change_nothing(pace: Pace, status: int) -> None:
    lane = Lane(HOST, pace, 16)
    answer(lane, status)
    assert lane.window == 8
    answer(lane, 404)  # an answer like any other
    assert lane.window == 9


def test_a_request_counts_from_its_turn_not_from_its_place(clock: Clock) -> None:
    """One that waited for its turn while another was refused can be refused anew."""

    class Refusing(ClockPace):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds / 2)
            if seconds:
                first.answered(429)
            super().sleep(seconds / 2)

    lane = Lane(HOST, Refusing(clock), 16, per_second=1)
    first = lane.enter()
    second = lane.enter()
    assert lane.window == 4
    second.answered(429)
    assert lane.window == 2


@settings(max_examples=60)
@given(st.integers(1, 64), st.lists(st.sampled_from([200, 201, 404, 429, 500, 503]), max_size=60))
def test_the_window_stays_within_its_bounds(most: int, statuses: list[int]) -> None:
    lane = Lane(HOST, Pace(), most)
    for status in statuses:
        before = lane.window
        answer(lane, status)
        assert 1 <= lane.window <= most
        assert lane.window <= before + 1
        assert lane.window >= before // 2
    assert lane.under_way == 0


# places


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_under_way_than_the_window(pace: Pace, guests: Guests, most: int) -> None:
    lane = Lane(HOST, pace, most)
    inside, peak, lock, full = 0, 0, threading.Lock(), threading.Event()

    def visit() -> None:
        nonlocal inside, peak
        place = lane.enter()
        with lock:
            inside += 1
            peak = max(peak, inside)
            if inside == most:
                full.set()
        assert full.wait(WAIT)
        with lock:
            inside -= 1
        place.leave()

    visits = [guests.send(visit) for _unused in range(40)]
    assert all(visit.wait(WAIT) for visit in visits)
    assert peak == most
    assert lane.under_way == 0


def test_who_leaves_lets_the_next_one_in(pace: Pace, guests: Guests) -> None:
    lane = Lane(HOST, pace, 1)
    first = elsewhere(guests, lane)
    second = guests.send(lane.enter)
    assert waits(second)
    first.leave()
    assert second.wait(WAIT)


def test_a_place_is_given_back_once(pace: Pace, guests: Guests) -> None:
    lane = Lane(HOST, pace, 1)
    first = elsewhere(guests, lane)
    for _unused in range(3):
        first.leave()
    assert lane.under_way == 0
    elsewhere(guests, lane)
    assert waits(guests.send(lane.enter))


def test_growth_lets_waiting_ones_in(pace: Pace, guests: Guests) -> None:
    lane = Lane(HOST, pace, 9)
    places = [elsewhere(guests, lane) for _unused in range(8)]
    ninth = guests.send(lane.enter)
    assert waits(ninth)
    places[0].answered(200)
    assert ninth.wait(WAIT)
    assert lane.under_way == 9


def test_the_end_of_the_run_wakes_those_who_wait(pace: Pace, guests: Guests) -> None:
    lane = Lane(HOST, pace, 1)
    lane.enter()
    outcome: list[str] = []

    def visit() -> None:
        with pytest.raises(Cancelled):
            lane.enter()
        outcome.append("cancelled")

    over = [guests.send(visit) for _unused in range(3)]
    pace.cancel()
    assert all(event.wait(WAIT) for event in over)
    assert outcome == ["cancelled"] * 3 and lane.under_way == 1


def test_a_run_that_has_ended_takes_no_places(pace: Pace) -> None:
    lane = Lane(HOST, pace, 4, per_second=1)
    lane.enter().leave()
    pace.cancel()
    with pytest.raises(Cancelled):
        lane.enter()
    assert lane.under_way == 0


def test_a_place_taken_when_the_run_ends_is_given_back(clock: Clock) -> None:
    class Ending(ClockPace):
        def sleep(self, seconds: float) -> None:
            if seconds:
                self.cancel()
            super().sleep(seconds)

    lane = Lane(HOST, Ending(clock), 4, per_second=1)
    lane.enter().leave()
    with pytest.raises(Cancelled):  # while it waits for its turn
        lane.enter()
    assert lane.under_way == 0


# one that reads from a host and writes to it, or to another one


def test_who_reads_may_write_to_the_same_host(pace: Pace) -> None:
    lane = Lane(HOST, pace, 1)
    lane.will_be_written()
    reading = lane.enter(True)
    writing = lane.enter()
    assert lane.under_way == 2
    writing.leave()
    reading.leave()
    assert lane.under_way == 0


def test_readers_leave_a_place_for_their_writes(pace: Pace, guests: Guests) -> None:
    lane = Lane(HOST, pace, 3)
    lane.will_be_written()
    readers = [elsewhere(guests, lane, True) for _unused in range(2)]
    third = guests.send(lambda: lane.enter(True))
    assert waits(third)
    elsewhere(guests, lane)
    assert lane.under_way == 3
    readers[0].leave()
    assert third.wait(WAIT)
    assert waits(guests.send(lane.enter))


def test_where_nothing_is_written_readers_have_all_places(pace: Pace, guests: Guests) -> None:
    lane = Lane(HOST, pace, 3)
    for _unused in range(3):
        elsewhere(guests, lane, True)
    assert lane.under_way == 3


def test_one_at_a_time_goes_beyond_a_window_full_of_readers(pace: Pace, guests: Guests) -> None:
    """The window shrank, or the host wasn't known to be written to."""
    lane = Lane(HOST, pace, 2)
    reading = threading.Barrier(2)
    inside = threading.Semaphore(0)
    go = threading.Semaphore(0)

    def copy() -> None:
        source = lane.enter(True)
        reading.wait(WAIT)
        target = lane.enter()
        inside.release()
        go.acquire()
        target.leave()
        source.leave()

    copies = [guests.send(copy) for _unused in range(2)]
    assert inside.acquire(timeout=WAIT)
    assert not inside.acquire(timeout=0.05)
    assert lane.under_way == 3
    go.release(2)
    assert all(event.wait(WAIT) for event in copies)
    assert lane.under_way == 0


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("known", [False, True])
def test_copies_both_ways_dont_wait_for_each_other(
    pace: Pace, guests: Guests, most: int, known: bool
) -> None:
    holders = Holders()
    both = [Lane(name, pace, most, None, holders) for name in ("a", "b")]
    peak = [0, 0]
    for lane in both if known else ():
        lane.will_be_written()

    def copy(one: int) -> None:
        for _unused in range(20):
            reading = both[one].enter(True)
            writing = both[1 - one].enter()
            for number in (0, 1):
                peak[number] = max(peak[number], both[number].under_way)
            writing.leave()
            reading.leave()

    copies = [guests.send(lambda n=n: copy(n % 2)) for n in range(12)]  # type: ignore[misc]
    assert all(event.wait(WAIT) for event in copies)
    assert [lane.under_way for lane in both] == [0, 0]
    assert max(peak) <= (most if known and most > 1 else most + 1)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_who_writes_may_read_again_what_broke_off(pace: Pace, guests: Guests, most: int) -> None:
    """All places may be those of writers, none of whom ends before it has read the rest."""
    holders = Holders()
    both = [Lane(name, pace, most, None, holders) for name in ("a", "b")]

    def copy(source: Lane, target: Lane) -> None:
        for _unused in range(10):
            reading = source.enter(True)
            writing = target.enter()
            for _interruption in range(3):
                reading.leave()
                reading = source.enter(True)
            writing.leave()
            reading.leave()

    ways = [(0, 0), (0, 1), (1, 0)]
    copies = [
        guests.send(lambda s=both[s], t=both[t]: copy(s, t))  # type: ignore[misc]
        for s, t in ways * 4
    ]
    assert all(event.wait(WAIT) for event in copies)
    assert [lane.under_way for lane in both] == [0, 0]
