# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    Cancelled,
    ImageSyncError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.graph import Graph, Step
from ansible_collections.imagesync.registry.plugins.module_utils.sync.workers import Workers

WAIT = 10


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = Workers(4)
    yield found
    found.close()
    assert not any(thread.is_alive() for thread in found._threads)


@pytest.fixture
def single() -> Iterator[Workers]:
    found = Workers(1)
    yield found
    found.close()
    assert len(found._threads) <= 1


def test_map_keeps_the_order(workers: Workers) -> None:
    assert workers.map(lambda n: n * n, range(50)) == [n * n for n in range(50)]
    assert workers.map(str, []) == []


def test_map_raises_after_all_are_done(workers: Workers) -> None:
    done = []

    def job(number: int) -> None:
        if number == 3:
            raise ImageSyncError("three")
        done.append(number)

    with pytest.raises(ImageSyncError, match="three"):
        workers.map(job, range(10))
    assert sorted(done) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert workers.map(str, [1]) == ["1"]  # it goes on working


def test_finish_without_jobs(workers: Workers) -> None:
    workers.finish()


def test_jobs_may_submit_jobs(workers: Workers) -> None:
    done = []

    def job(depth: int) -> None:
        done.append(depth)
        for _unused in range(2 if depth else 0):
            workers.submit((0,), lambda: job(depth - 1))

    workers.submit((0,), lambda: job(4))
    workers.finish()
    assert len(done) == 31


def test_the_most_urgent_first_and_equal_ones_in_order(single: Workers) -> None:
    hold = threading.Event()
    done: list[str] = []
    single.submit((0,), lambda: hold.wait(WAIT) and None)  # type: ignore[arg-type]
    for rank, name in [((3, 1, -5), "small"), ((3, 1, -9), "large"), ((1,), "manifest")]:
        single.submit(rank, lambda name=name: done.append(name))  # type: ignore[misc]
    for number in range(3):
        single.submit((2,), lambda number=number: done.append(str(number)))  # type: ignore[misc]
    hold.set()
    single.finish()
    assert done == ["manifest", "0", "1", "2", "large", "small"]


def test_no_more_threads_than_allowed() -> None:
    workers = Workers(3)
    together = threading.Barrier(3)
    running = threading.Semaphore(3)

    def job() -> None:
        assert running.acquire(blocking=False)
        together.wait(WAIT)
        running.release()

    for _unused in range(9):
        workers.submit((0,), job)
    workers.finish()
    assert len(workers._threads) == 3
    workers.close()


def test_a_burst_after_idleness_uses_all_threads(workers: Workers) -> None:
    # one thread is idle when four jobs come at once, each of which waits for the others
    workers.map(str, [1])
    together = threading.Barrier(4)
    workers.map(lambda _: together.wait(WAIT), range(4))
    assert len(workers._threads) == 4


def test_a_defect_in_a_job_is_raised(workers: Workers) -> None:
    def job() -> None:
        raise ZeroDivisionError("a defect")

    workers.submit((0,), job)
    with pytest.raises(ZeroDivisionError):
        workers.finish()


def test_closing_forgets_what_is_queued_and_waits_for_what_runs() -> None:
    workers = Workers(1)
    began, go = threading.Event(), threading.Event()
    done = []

    def slow() -> None:
        began.set()
        go.wait(WAIT)
        done.append("slow")

    workers.submit((0,), slow)
    workers.submit((0,), lambda: done.append("queued"))
    assert began.wait(WAIT)
    closing = threading.Thread(target=workers.close)
    closing.start()
    go.set()
    closing.join(WAIT)
    assert not closing.is_alive()
    assert done == ["slow"]
    assert not workers._threads[0].is_alive()
    workers.submit((0,), lambda: done.append("late"))
    workers.finish()
    assert done == ["slow"]


# the graph


class Run:
    """A graph whose steps write their names down, and fail where told to."""

    def __init__(self, workers: Workers) -> None:
        self.graph = Graph(workers)
        self.done: list[str] = []

    def step(self, name: str, error: Exception | None = None) -> Step:
        def action() -> None:
            if error:
                raise error
            self.done.append(name)

        return self.graph.add((0,), action)


def test_steps_run_after_what_they_need(workers: Workers) -> None:
    run = Run(workers)
    tag, index, left, right = (run.step(name) for name in ("tag", "index", "left", "right"))
    run.graph.needs(tag, index)
    run.graph.needs(index, left)
    run.graph.needs(index, right)
    run.graph.run()
    assert sorted(run.done[:2]) == ["left", "right"]
    assert run.done[2:] == ["index", "tag"]
    assert all(step.done and step.error is None for step in (tag, index, left, right))


def test_a_failure_reaches_whatever_needs_it(workers: Workers) -> None:
    run = Run(workers)
    error = ImageSyncError("blob")
    blob = run.step("blob", error)
    manifest, tag, other = run.step("manifest"), run.step("tag"), run.step("other")
    settled = run.step("settled")
    run.graph.needs(manifest, blob)
    run.graph.needs(tag, manifest)
    run.graph.waits(settled, tag)
    run.graph.run()
    assert sorted(run.done) == ["other", "settled"]
    assert manifest.error is tag.error is blob.error is error
    assert settled.error is None is other.error


def test_the_first_failure_counts(single: Workers) -> None:
    run = Run(single)
    first, second = run.step("a", ImageSyncError("first")), run.step("b", Cancelled("second"))
    last = run.step("last")
    run.graph.needs(last, first)
    run.graph.needs(last, second)
    run.graph.run()
    assert str(last.error) == "first"
    assert run.done == []


def test_needing_and_waiting_for_the_same_step(workers: Workers) -> None:
    run = Run(workers)
    before, after = run.step("before"), run.step("after")
    run.graph.needs(after, before)
    run.graph.waits(after, before)
    run.graph.run()
    assert run.done == ["before", "after"]


def test_defects_are_raised(workers: Workers) -> None:
    run = Run(workers)
    run.step("a", ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        run.graph.run()


def test_an_empty_graph(workers: Workers) -> None:
    Graph(workers).run()


@settings(max_examples=40)
@given(st.integers(1, 4), st.data())
def test_any_graph_runs_in_order_and_fails_only_behind_failures(
    size: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 8))
    broken = data.draw(st.sets(st.integers(0, count - 1)))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.booleans())
    links = [
        (max(a, b), min(a, b), needed) for a, b, needed in data.draw(st.lists(pairs)) if a != b
    ]
    workers = Workers(size)
    run = Run(workers)
    steps = [
        run.step(str(number), ImageSyncError(str(number)) if number in broken else None)
        for number in range(count)
    ]
    for after, before, needed in links:
        (run.graph.needs if needed else run.graph.waits)(steps[after], steps[before])
    run.graph.run()
    workers.close()

    failed = set(broken)
    for after, before, needed in sorted(links):
        if needed and before in failed:
            failed.add(after)
    assert {number for number in range(count) if steps[number].error} == failed
    assert sorted(run.done) == sorted(str(n) for n in range(count) if n not in failed)
    for after, before, _needed in links:
        if str(after) in run.done and str(before) in run.done:
            assert run.done.index(str(before)) < run.done.index(str(after))
