# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import NothingLeft
from ansible_collections.imagesync.registry.plugins.module_utils.transport import rate_limits
from ansible_collections.imagesync.registry.plugins.module_utils.transport.rate_limits import (
    Quota,
    Quotas,
    RateLimit,
    is_question,
    read_rate_limit,
)
from ansible_collections.imagesync.registry.tests.unit.clock import Clock

WAIT = 10
HOST = "r.example"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(rate_limits, "time", found)
    return found


def read(headers: Mapping[str, str]) -> RateLimit | None:
    """As they come from a server, where case doesn't matter."""
    return read_rate_limit(HTTPResponse(headers=headers).headers)


# headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"},
            RateLimit(100, 76, 21600),
        ),
        ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0"}, RateLimit(100, 0, 21600)),
        (
            {"RateLimit-Limit": "10", "RateLimit-Remaining": "3", "RateLimit-Reset": "50"},
            RateLimit(10, 3, None, 50.0),
        ),
        # several policies; the first is the one that holds
        (
            {"RateLimit-Limit": "10, 10;w=1, 50;w=60", "RateLimit-Remaining": "9"},
            RateLimit(10, 9, 1),
        ),
        ({"RateLimit-Limit": '100; w=3600; comment="x"'}, RateLimit(100, None, 3600)),
        ({"RateLimit-Remaining": "5"}, RateLimit(None, 5)),
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"},
            RateLimit(60, 0, None, 30.0),
        ),
        ({"X-RateLimit-Remaining": "1", "RateLimit-Remaining": "2"}, RateLimit(None, 2)),
        ({"RateLimit-Reset": "30"}, None),
        ({}, None),
        ({"RateLimit-Limit": "", "RateLimit-Remaining": ""}, None),
        ({"RateLimit-Remaining": "unlimited"}, None),
        ({"RateLimit-Remaining": "-1"}, None),
        ({"RateLimit-Limit": "none", "X-RateLimit-Limit": "7"}, RateLimit(7)),
        ({"RateLimit-Remaining": "5", "RateLimit-Reset": "soon"}, RateLimit(None, 5)),
        ({"RateLimit-Limit": "5;window=60"}, RateLimit(5)),
        ({"RateLimit-Limit": "100/hour", "RateLimit-Remaining": "7.0"}, RateLimit(100, 7)),
        (
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-11-21T15:00:00Z"},
            RateLimit(None, 0),
        ),
    ],
)
def test_headers_are_understood(headers: Mapping[str, str], expected: RateLimit | None) -> None:
    assert read(headers) == expected


def test_a_reset_may_be_a_time(clock: Clock) -> None:
    for ahead, left in ((90, 90.0), (-90, 0.0)):
        given_time = int(clock.time()) + ahead
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(given_time)}
        assert read(headers) == RateLimit(None, 0, None, left)
        headers["X-RateLimit-Reset"] += "000"  # in milliseconds
        assert read(headers) == RateLimit(None, 0, None, left)


TEXTS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    st.from_regex(r"\A[0-9]{1,30}(;w=[0-9]{1,30})?\Z"),
)


@given(TEXTS, TEXTS, TEXTS, st.sampled_from(["RateLimit-", "X-RateLimit-"]))
def test_whatever_a_server_says_is_no_failure(a: str, b: str, c: str, prefix: str) -> None:
    told = read({f"{prefix}Limit": a, f"{prefix}Remaining": b, f"{prefix}Reset": c})
    if told:
        assert all(isinstance(v, int) and v >= 0 for v in told.as_dict().values())
        quota = Quota(HOST)
        assert 0.0 <= quota.learn(told) <= 120.0
        try:
            with quota.asking(True):
                assert told.remaining != 0 or (told.reset or 0) <= 120
        except NothingLeft as error:
            assert told.remaining == 0 and "come back in" in str(error)


def test_only_what_is_known_is_told() -> None:
    assert RateLimit(100, 76, 21600, 3.0).as_dict() == {
        "limit": 100,
        "remaining": 76,
        "window": 21600,
    }
    assert RateLimit(None, 0).as_dict() == {"remaining": 0}


# what is a question


@pytest.mark.parametrize(
    ("host", "method", "path", "expected"),
    [
        (HOST, "GET", "https://r.example/v2/a/b/manifests/1", True),
        (HOST, "HEAD", "/v2/a/b/manifests/1", True),
        (HOST, "GET", "/v2/a/tags/list?n=100", True),
        (HOST, "GET", "/v2/a/referrers/sha256:0", True),
        (HOST, "PUT", "/v2/a/manifests/1", False),
        (HOST, "DELETE", "/v2/a/manifests/1", False),
        (HOST, "GET", "/v2/a/blobs/sha256:0", False),
        (HOST, "HEAD", "/v2/a/blobs/sha256:0", False),
        (HOST, "GET", "/v2/", False),
        ("docker.io", "HEAD", "/v2/library/a/manifests/1", False),
        ("docker.io", "GET", "/v2/library/a/manifests/1", True),
        ("docker.io", "GET", "/v2/library/a/tags/list?n=100", False),
        ("docker.io", "GET", "/v2/library/a/referrers/sha256:0", False),
    ],
)
def test_what_counts(host: str, method: str, path: str, expected: bool) -> None:
    assert is_question(host, method, path) is expected


# keeping to it


class Asker:
    """Threads that ask and hold their question until they are told."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self.inside = 0
        self.refused = 0
        self._lock = threading.Lock()
        self._go = threading.Semaphore(0)
        self._ended = threading.Semaphore(0)
        self._began = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def send(self, count: int) -> None:
        for _unused in range(count):
            thread = threading.Thread(target=self._ask, daemon=True)
            self.threads.append(thread)
            thread.start()

    def _ask(self) -> None:
        try:
            with self._quota.asking(True):
                with self._lock:
                    self.inside += 1
                self._began.release()
                self._go.acquire()
                with self._lock:
                    self.inside -= 1
            self._ended.release()
        except NothingLeft:
            with self._lock:
                self.refused += 1
            self._ended.release()

    def begun(self, count: int) -> bool:
        return all(self._began.acquire(timeout=WAIT) for _unused in range(count))

    def no_more_begin(self) -> bool:
        return not self._began.acquire(timeout=0.05)

    def end(self, count: int = 1) -> None:
        for _unused in range(count):
            self._go.release()
        assert all(self._ended.acquire(timeout=WAIT) for _unused in range(count))

    def refusals(self, count: int) -> bool:
        return all(self._ended.acquire(timeout=WAIT) for _unused in range(count))


@pytest.fixture
def quota(clock: Clock) -> Quota:
    return Quota(HOST)


@pytest.fixture
def asker(quota: Quota) -> Iterator[Asker]:
    found = Asker(quota)
    yield found
    for _unused in found.threads:
        found._go.release()
    for thread in found.threads:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in found.threads)


def test_as_long_as_nothing_is_known_all_may_ask(asker: Asker) -> None:
    asker.send(20)
    assert asker.begun(20)


def test_no_more_under_way_than_are_left(quota: Quota, asker: Asker) -> None:
    quota.learn(RateLimit(100, 3))
    asker.send(5)
    assert asker.begun(3) and asker.no_more_begin()
    quota.learn(RateLimit(100, 3))  # of a request that didn't count
    asker.end()
    assert asker.begun(1) and asker.no_more_begin()


def test_each_answer_makes_it_less(quota: Quota, asker: Asker) -> None:
    quota.learn(RateLimit(100, 2))
    asker.send(4)
    assert asker.begun(2)
    quota.learn(RateLimit(100, 1))
    asker.end()
    assert asker.no_more_begin()  # one is left, and one is under way
    quota.learn(RateLimit(100, 0, 3600))
    asker.end()
    assert asker.refusals(2) and asker.refused == 2


def test_answers_that_overtake_each_other_dont_make_it_more(
    clock: Clock, quota: Quota, asker: Asker
) -> None:
    """Of two requests that were sent together, the second one's answer comes first."""
    quota.learn(RateLimit(100, 3), clock.now)
    clock.now += 1
    began = clock.now
    asker.send(5)
    assert asker.begun(3)
    clock.now += 1
    quota.learn(RateLimit(100, 1), began)
    asker.end()
    quota.learn(RateLimit(100, 2), began)
    asker.end()
    assert asker.no_more_begin()
    assert quota.told and quota.told.remaining == 1
    clock.now += 1
    asker.end()
    assert asker.begun(1) and asker.no_more_begin()
    quota.learn(RateLimit(100, 50), clock.now)  # sent later than all that: it was filled up
    assert quota.told.remaining == 50


@pytest.mark.parametrize(
    ("told", "words", "seconds"),
    [
        (
            RateLimit(100, 0, 21600),
            "its 100 requests in 6 hours is left; come back in 6 hours",
            21600,
        ),
        (RateLimit(100, 0, 21600, 300.0), "come back in 5 minutes", 300),
        (RateLimit(100, 0), "nothing of its 100 requests is left; come back in 1 hour", 3600),
        (RateLimit(None, 0), "nothing of its requests is left; come back in 1 hour", 3600),
        (RateLimit(None, 0, None, 121.0), "come back in 3 minutes", 121),
    ],
)
def test_nothing_left_says_when_to_come_back(
    clock: Clock, quota: Quota, told: RateLimit, words: str, seconds: float
) -> None:
    assert quota.learn(told) == 0.0
    with pytest.raises(NothingLeft) as caught, quota.asking(True):
        pass
    assert words in str(caught.value) and HOST in str(caught.value)
    assert caught.value.status == 429 and not caught.value.transient
    with quota.asking(False):
        pass  # blobs and writes don't count
    clock.now += seconds - 1
    with pytest.raises(NothingLeft, match="come back in 1 second"), quota.asking(True):
        pass
    clock.now += 1.5
    with quota.asking(True):
        pass


@pytest.mark.parametrize("reset", [0.0, 0.5, 120.0])
def test_a_short_wait_is_a_pause_and_no_refusal(quota: Quota, reset: float) -> None:
    assert quota.learn(RateLimit(10, 0, None, reset)) == reset
    with quota.asking(True):
        pass


def test_a_refused_question_leaves_nothing_behind(clock: Clock, quota: Quota, asker: Asker) -> None:
    quota.learn(RateLimit(10, 0, 60))
    for _unused in range(5):
        with pytest.raises(NothingLeft), quota.asking(True):
            pass
    clock.now += 61
    quota.learn(RateLimit(10, 1))
    asker.send(2)
    assert asker.begun(1) and asker.no_more_begin()


def test_a_failed_question_is_over(quota: Quota, asker: Asker) -> None:
    quota.learn(RateLimit(10, 1))
    with pytest.raises(ZeroDivisionError), quota.asking(True):
        raise ZeroDivisionError
    asker.send(1)
    assert asker.begun(1)


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(
    ("told", "asked", "seconds"),
    [
        (None, 500.0, 500),
        (None, None, 3600),
        (RateLimit(100, 5, 600), None, 600),
        (RateLimit(100, 5, 600), 30.0, 30),
    ],
)
def test_a_refusal_closes_for_as_long_as_it_says(
    clock: Clock,
    quota: Quota,
    told: RateLimit | None,
    asked: float | None,
    seconds: float,
    everything: bool,
) -> None:
    if told:
        quota.learn(told)
    quota.spend(asked, everything)
    for question in (True, False):
        if question or everything:
            with pytest.raises(NothingLeft), quota.asking(question):
                pass
        else:
            with quota.asking(question):
                pass
    clock.now += seconds + 1
    for question in (True, False):
        with quota.asking(question):
            pass


def test_a_refusal_wakes_those_who_wait(quota: Quota, asker: Asker) -> None:
    quota.learn(RateLimit(10, 1))
    asker.send(4)
    assert asker.begun(1) and asker.no_more_begin()
    quota.spend(3600.0, everything=False)
    assert asker.refusals(3) and asker.refused == 3


@given(st.integers(1, 40), st.integers(1, 12))
def test_never_more_questions_than_were_allowed(allowed: int, together: int) -> None:
    """A server that counts, and answers in any order: asked by as many as it lets."""
    quota = Quota(HOST)
    quota.learn(RateLimit(allowed, allowed, 3600))
    lock, asked, refused = threading.Lock(), [0], [0]

    def ask() -> None:
        while True:
            try:
                with quota.asking(True):
                    began = time.monotonic()
                    with lock:
                        asked[0] += 1
                        left = allowed - asked[0]
                    quota.learn(RateLimit(allowed, max(0, left), 3600), began)
            except NothingLeft:
                with lock:
                    refused[0] += 1
                return

    threads = [threading.Thread(target=ask) for _unused in range(together)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert (asked[0], refused[0]) == (allowed, together)


def test_each_host_has_its_own() -> None:
    quotas = Quotas()
    assert quotas.of("b") is quotas.of("b") is not quotas.of("a")
    quotas.of("b").learn(RateLimit(100, 7, 60))
    assert quotas.told() == {"b": {"limit": 100, "remaining": 7, "window": 60}}
