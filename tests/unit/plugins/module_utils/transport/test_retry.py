# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import email.utils
import random
import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    Cancelled,
    ConnectionFailed,
    ImageSyncError,
    InvalidContent,
    NotFound,
    RateLimited,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.retry import (
    LONGEST_PAUSE,
    Pace,
    Retrier,
    parse_retry_after,
)

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    {
        "0": 0.0,
        "1": 1.0,
        " 120 ": 120.0,
        "1.5": 1.5,
        "1.889377ms": 0.001889377,
        "250us": 0.00025,
        "250µs": 0.00025,
        "5ns": 5e-9,
        "2s": 2.0,
        "1m": 60.0,
        "1m30s": 90.0,
        "1h0m0.5s": 3600.5,
        "2h": 7200.0,
        "Thu, 01 Jan 2026 00:01:30 GMT": 90.0,
        "Thu, 01 Jan 2026 01:00:30 +0100": 30.0,
        "Wed, 31 Dec 2025 23:59:00 GMT": 0.0,
        "": None,
        "soon": None,
        "-1": None,
        "1 s": None,
        "ms": None,
        "1e3": None,
        "inf": None,
        "nan": None,
        "0x10": None,
        "Thu, 99 Jan 2026 00:00:00 GMT": None,
        "Mon, 01 Jan 0001 00:00:00": 0.0,
        "9" * 400: None,
        "9" * 5000 + "h": None,
        "9" * 400 + "h1s": None,
    }.items(),
    ids=lambda v: repr(v)[:30],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    found = parse_retry_after(text, NOW)
    if seconds is None or text.startswith("Mon, 01 Jan 0001"):
        assert found in (seconds, None)
    else:
        assert found == pytest.approx(seconds)


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, [0-9:A-Za-z +-]{0,40}"))
def test_garbage_in_retry_after_says_nothing(text: str) -> None:
    found = parse_retry_after(text, NOW)
    assert found is None or found >= 0


@given(st.integers(0, 10**6))
def test_dates_are_read_as_they_are_written(seconds: int) -> None:
    text = email.utils.formatdate(NOW + seconds, usegmt=True)
    assert parse_retry_after(text, NOW) == pytest.approx(seconds)


class Script:
    """An operation that raises what the script has, then returns "done"."""

    def __init__(self, *errors: ImageSyncError) -> None:
        self.errors = list(errors)
        self.attempts: list[int] = []

    def __call__(self, attempt: int) -> str:
        self.attempts.append(attempt)
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def busy(after: float | None = None, host: str = "r.example") -> RegistryError:
    return RateLimited("busy", 429, (), True, after, host)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collects the delays instead of waiting; each is the longest of its range."""
    delays: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    monkeypatch.setattr(Pace, "sleep", lambda _self, seconds: delays.append(seconds))
    return delays


def test_transient_failures_are_tried_again(slept: list[float]) -> None:
    script = Script(busy(), ConnectionFailed("gone"), InvalidContent("damaged", True))
    retrier = Retrier(5, Pace())
    assert retrier.run("r.example", script) == "done"
    assert script.attempts == [0, 1, 2, 3]
    assert retrier.count == 3
    assert slept == [0.5, 1.0, 2.0]


def test_delays_grow_to_a_minute(slept: list[float]) -> None:
    assert Retrier(10, Pace()).run("r.example", Script(*[busy()] * 10)) == "done"
    assert slept == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_delays_are_jittered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return 0.0

    monkeypatch.setattr(random, "uniform", uniform)
    Retrier(2, Pace()).run("r.example", Script(busy(), busy()))
    assert asked == [(0, 0.5), (0, 1.0)]


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_the_last_error_tells_the_effort(slept: list[float], retries: int) -> None:
    script = Script(*[busy() for _unused in range(retries + 1)])
    with pytest.raises(RateLimited) as caught:
        Retrier(retries, Pace()).run("r.example", script)
    assert len(script.attempts) == retries + 1
    assert len(slept) == retries
    assert not caught.value.transient  # nobody around this tries it again
    assert ("tried" in str(caught.value)) is (retries > 0)
    if retries:
        assert f"tried {retries + 1} times in 0 s" in str(caught.value)


@pytest.mark.parametrize(
    "error", [NotFound("no", 404), InvalidContent("bad"), ConnectionFailed("tls", transient=False)]
)
def test_final_failures_are_not_tried_again(slept: list[float], error: ImageSyncError) -> None:
    script = Script(error)
    with pytest.raises(type(error)) as caught:
        Retrier(5, Pace()).run("r.example", script)
    assert caught.value is error
    assert "tried" not in str(error)
    assert script.attempts == [0]
    assert slept == []


def test_other_exceptions_are_nobodys_retry() -> None:
    def operation(_attempt: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Retrier(5, Pace()).run("r.example", operation)


def test_a_stale_connection_is_tried_again_at_once_and_once(slept: list[float]) -> None:
    retrier = Retrier(0, Pace())
    script = Script(ConnectionFailed("closed", stale=True))
    assert retrier.run("r.example", script) == "done"
    assert script.attempts == [0, 0]
    assert (slept, retrier.count) == ([], 0)

    script = Script(*[ConnectionFailed("closed", stale=True) for _unused in range(2)])
    with pytest.raises(ConnectionFailed):
        retrier.run("r.example", script)
    assert script.attempts == [0, 0]
    assert slept == []


def test_retry_after_pauses_the_host_for_everybody(slept: list[float]) -> None:
    pace = Pace()
    assert Retrier(1, pace).run("label", Script(busy(30.0, "r.example"))) == "done"
    assert slept == []  # the pause holds when the host is asked again, not here
    pace._over.set()  # so that the wait below ends
    with pytest.raises(Cancelled):
        pace.wait("r.example")
    assert pace._not_before["r.example"] > time.monotonic() + 25
    assert "label" not in pace._not_before


def test_longer_pauses_win() -> None:
    pace = Pace()
    pace.pause("r.example", 50)
    pace.pause("r.example", 1)
    assert pace._not_before["r.example"] > time.monotonic() + 40


def test_a_pause_is_waited_for() -> None:
    pace = Pace()
    pace.wait("r.example")  # nothing to wait for
    pace.pause("r.example", 0.05)
    began = time.monotonic()
    pace.wait("r.example")
    assert time.monotonic() - began >= 0.05
    pace.pause("r.example", 60)
    pace.wait("other.example")


def test_retry_after_longer_than_our_patience_is_an_error(slept: list[float]) -> None:
    script = Script(busy(LONGEST_PAUSE + 1))
    pace = Pace()
    with pytest.raises(RateLimited, match="it asks to come back in 121 seconds"):
        Retrier(5, pace).run("r.example", script)
    assert script.attempts == [0]
    assert pace._not_before == {}
    assert slept == []


def test_nested_operations_say_it_once(slept: list[float]) -> None:
    # a request that needs a token: the realm's refusal passes through both
    retrier = Retrier(5, Pace())
    script = Script(busy(900.0))
    with pytest.raises(RateLimited) as caught:
        retrier.run("r.example", lambda _: retrier.run("auth.example", script))
    assert script.attempts == [0]
    assert str(caught.value).count("come back") == 1


def test_nested_operations_do_not_multiply(slept: list[float]) -> None:
    retrier = Retrier(2, Pace())
    script = Script(*[busy() for _unused in range(20)])
    with pytest.raises(RateLimited):
        retrier.run("r.example", lambda _: retrier.run("auth.example", script))
    assert len(script.attempts) == 3


def test_cancelling_ends_all_waiting() -> None:
    pace = Pace()
    pace.pause("r.example", 600)
    ended = threading.Semaphore(0)

    def wait(function: object) -> None:
        try:
            function()  # type: ignore[operator]
        except Cancelled:
            ended.release()

    waits = [
        lambda: pace.wait("r.example"),
        lambda: pace.sleep(600),
        lambda: Retrier(5, pace).run("r.example", Script(*[busy()] * 9)),
    ]
    threads = [threading.Thread(target=wait, args=(function,)) for function in waits[:2]]
    for thread in threads:
        thread.start()
    assert not pace.cancelled
    pace.cancel()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
        assert ended.acquire(timeout=10)
    wait(waits[2])  # whoever comes later ends at once
    assert ended.acquire(timeout=10)
    assert pace.cancelled


@pytest.mark.usefixtures("slept")
def test_a_host_out_of_reach_is_tried_once_by_those_that_follow() -> None:
    retrier = Retrier(3, Pace())
    tries = []

    def unreachable(number: int) -> None:
        tries.append(number)
        error = ConnectionFailed("gone")
        error.host = "a"
        raise error

    for _operation in range(3):
        with pytest.raises(ConnectionFailed):
            retrier.run("a", unreachable)
    assert tries == [0, 1, 2, 3, 0, 0]
    # the same failure in an operation of another host, as in reading a blob to send it there
    with pytest.raises(ConnectionFailed):
        retrier.run("b", unreachable)
    assert tries.pop() == 0
    # that other host is in order, and its failures are tried again
    busy = Counter[str]()

    def passing(_number: int) -> str:
        busy["tries"] += 1
        if busy["tries"] < 3:
            raise ConnectionFailed("a hiccup")
        return "done"

    assert retrier.run("b", passing) == "done"
    assert retrier.run("a", lambda _number: "back") == "back"
    with pytest.raises(ConnectionFailed):
        retrier.run("a", unreachable)
    assert tries[6:] == [0, 1, 2, 3]


def test_a_short_retry_after_is_no_reason_to_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    paused = []
    pace = Pace()
    monkeypatch.setattr(pace, "pause", lambda host, seconds: paused.append((host, seconds)))
    monkeypatch.setattr("random.uniform", lambda _low, high: high)

    def busy(_number: int) -> None:
        raise RateLimited("slow down", 429, (), True, 0.002, "realm.example")

    with pytest.raises(RateLimited):
        Retrier(2, pace).run("a", busy)
    assert paused == [("realm.example", 0.5), ("realm.example", 1.0)]


def test_what_is_refused_while_others_are_served_waits_its_turn(slept: list[float]) -> None:
    retrier = Retrier(2, Pace())
    attempts = []

    def refused(attempt: int) -> str:
        attempts.append(attempt)
        if len(attempts) > 9:
            return "done"
        retrier.run("r.example", Script())
        raise busy()

    assert retrier.run("r.example", refused) == "done"
    assert attempts == [0] * 10
    assert slept == [1.0, 2.0] + [4.0] * 7


def test_a_queue_has_an_end(slept: list[float]) -> None:
    retrier = Retrier(2, Pace())

    def refused(_attempt: int) -> None:
        retrier.run("r.example", Script())
        raise busy()

    with pytest.raises(RateLimited, match="tried 13 times"):
        retrier.run("r.example", refused)
    assert len(slept) == 12


def test_others_at_another_host_are_no_sign_of_a_queue(slept: list[float]) -> None:
    retrier = Retrier(2, Pace())

    def refused(_attempt: int) -> None:
        retrier.run("other.example", Script())
        raise busy()

    with pytest.raises(RateLimited, match="tried 3 times"):
        retrier.run("r.example", refused)
    assert slept == [0.5, 1.0]
