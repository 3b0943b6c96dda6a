# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults 12 to 22: who says "not now" or "not you", or says nothing."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.sync import run, stop
from tests.support import images
from tests.support.certificates import Certificates
from tests.support.content import to_json
from tests.support.faults import ALWAYS, Fault
from tests.support.fixtures import MakeProxy, MakeRegistry, MakeStrict
from tests.support.judging import CANARY, Judge
from tests.support.sides import Side
from tests.support.token_server import TokenServer

IMAGE = images.image("patience", layers=2)
LAYER = IMAGE.blobs[1]
KINDS = {
    "HEAD": ("source", "HEAD .*/manifests/"),
    "GET of a manifest": ("source", "GET .*/manifests/"),
    "GET of a blob": ("source", "GET .*/blobs/"),
    "POST": ("destination", "POST .*/uploads/"),
    "PUT of a blob": ("destination", "PUT .*/uploads/"),
    "PUT of a manifest": ("destination", "PUT .*/manifests/"),
}


def _at(judge: Judge, kind: str, *given: Any, **more: Any) -> Fault:
    side, match = KINDS[kind]
    fault: Fault = getattr(judge, side).inject(match, *given, **more)
    return fault


@pytest.mark.parametrize("kind", KINDS)
def test_fault_12_too_many_requests(judge: Judge, pauses: list[float], kind: str) -> None:
    """The host is left alone for as long as it says, by all threads; garbage says nothing."""
    judge.given(IMAGE)
    in_two = email.utils.formatdate(time.time() + 2.9, usegmt=True)
    for after in ("1", in_two, "1.9ms", "soon", "-5"):
        _at(judge, kind, "status", 429, headers={"Retry-After": after})
    result = judge.survives()
    assert result["stats"]["retries"] == 5
    said = sorted(pauses)
    assert len(said) == 3
    assert 0.0019 <= said[0] < 0.1 and said[1] == 1 and 1 < said[2] < 3


def test_fault_12_more_patience_than_there_is(judge: Judge, pauses: list[float]) -> None:
    judge.given(IMAGE)
    fault = _at(judge, "GET of a blob", "status", 429, times=ALWAYS, headers={"Retry-After": "900"})
    # one after the other: who asks once it is known that this would be in vain is `not_done`
    judge.refuses(fault, says=(judge.source.host, "429", "900 seconds"), concurrency=1)
    assert not pauses


def test_fault_13_a_pull_limit_that_is_used_up(judge: Judge) -> None:
    """Nothing is gained by asking on."""
    judge.given(IMAGE)
    text = "You have reached your unauthenticated pull rate limit. https://www.docker.com/x"
    said = to_json({"errors": [{"code": "TOOMANYREQUESTS", "message": text}]})
    fault = judge.source.inject("GET .*/manifests/", "status", 429, times=ALWAYS, body=said)
    began = time.monotonic()
    judge.refuses(fault, says=(judge.source.host, "pull rate limit", "log in (see registries)"))
    assert fault.hits == 1 and time.monotonic() - began < 30


@pytest.mark.parametrize("kind", KINDS)
def test_fault_14_a_burst_of_server_errors(judge: Judge, kind: str) -> None:
    judge.given(IMAGE)
    faults = [_at(judge, kind, "status", status) for status in (500, 502, 503, 504)]
    judge.survives(*faults)


def test_fault_14_at_each_step_of_a_transfer(judge: Judge) -> None:
    """Each request has its own tries; only a body that was sent in vain costs one of the whole."""
    judge.given(IMAGE)
    faults = [
        judge.source.inject(f"GET .*/blobs/{LAYER.digest}", "status", 503, times=2),
        judge.destination.inject("POST .*/uploads/$", "status", 503, times=2),
        judge.destination.inject(f"PUT .*/uploads/.*{LAYER.digest[7:]}", "status", 503, times=2),
    ]
    judge.survives(*faults, again=False, retries=2, concurrency=1)
    assert [fault.hits for fault in faults] == [2, 2, 2]


def test_fault_15_service_unavailable_for_ever(judge: Judge) -> None:
    judge.given(IMAGE)
    fault = _at(judge, "GET of a blob", "status", 503, times=ALWAYS)
    judge.refuses(fault, says=(judge.source.host, "failed with 503", "tried 4 times"), retries=3)


def test_fault_16_an_error_of_the_server_that_stays(
    judge: Judge, make_registry: MakeRegistry
) -> None:
    """docker-registry refuses foreign URLs with status 500; the code says that it means it."""
    allowing = make_registry(foreign_urls=[r"^https://example\.com/"])
    judge.sides.source = Side(
        judge.make_proxy(allowing.url), allowing.host, judge.sides.source.repository
    )
    judge.given(images.foreign_image("refused"))
    puts: list[str] = []
    judge.destination.inject(
        "PUT .*/manifests/", "pass", times=ALWAYS, call=lambda: puts.append("")
    )
    judge.refuses(
        says=(judge.destination.host, "MANIFEST_BLOB_UNKNOWN"),
        mend=lambda: judge.given(IMAGE, old=False),
    )
    # the second after everything that it names was looked for
    assert 1 <= len(puts) - 1 <= 2


@pytest.mark.parametrize("kind", ["GET of a blob", "PUT of a blob", "PUT of a manifest"])
def test_fault_17_a_token_that_is_revoked(
    judge: Judge, make_strict: MakeStrict, token_server: TokenServer, kind: str
) -> None:
    """One new token, and the same request again."""
    token_server.users = {"alice": CANARY}
    side = KINDS[kind][0]
    registry = make_strict(token=token_server)
    repository = getattr(judge.sides, side).repository
    if side == "source":
        registry.add(repository, IMAGE, "1")
        judge.given(IMAGE)
        judge.read_from(registry)
    else:
        judge.given(IMAGE, old=False)
        judge.write_to(registry)
    fault = _at(judge, kind, "pass", call=token_server.revoke)
    result = judge.run(concurrency=1)
    assert fault.hits == 1 and not result.get("failed"), result["msg"]
    refused = [r for r in getattr(judge, side).requests if r.status == 401]
    assert len([r for r in refused if r.header("Authorization")]) == 1
    assert 2 <= len(token_server.token_requests) <= 4
    assert judge.run()["reason"] == "in_sync"
    assert not judge.source.saw(CANARY) and not judge.destination.saw(CANARY)
    if side == "source":
        judge.check_arrived()
    else:
        assert registry.tag(repository, "1") == IMAGE.digest


def test_fault_18_tokens_that_live_for_a_second(
    judge: Judge, make_strict: MakeStrict, token_server: TokenServer
) -> None:
    token_server.users, token_server.lifetime = {"alice": CANARY}, 1
    judge.given(IMAGE, old=False)
    registry = make_strict(token=token_server)
    judge.write_to(registry)
    slow = judge.destination.inject("PUT .*/uploads/", "delay", 1.1)
    result = judge.run(concurrency=1)
    assert slow.hits and not result.get("failed"), result["msg"]
    assert registry.tag(judge.sides.destination.repository, "1") == IMAGE.digest
    assert 2 <= len(token_server.token_requests) <= 2 * judge.destination.count()
    assert judge.run()["reason"] == "in_sync"


def test_fault_19_a_wrong_password(judge: Judge, make_strict: MakeStrict) -> None:
    """Accounts get locked by such tries: one is made, whatever is to be copied."""
    registry = make_strict(auth=("alice", "another-password"))
    registry.expected.add("UNAUTHORIZED")
    judge.given(IMAGE, old=False)
    judge.write_to(registry)
    result = judge.run()
    assert result["failed"] and not result["changed"]
    for word in (judge.destination.host, "refused the login"):
        assert word in result["msg"]
    assert CANARY not in result["msg"]
    assert len(judge.destination.with_header("Authorization")) == 1
    assert judge.destination.count() <= 2


def test_fault_20_push_denied_where_pull_is_allowed(judge: Judge, make_strict: MakeStrict) -> None:
    """It is found out before a blob is read for nothing."""
    registry = make_strict(deny_push=True)
    judge.given(IMAGE, old=False)
    judge.write_to(registry)
    repository = judge.sides.destination.repository

    def look() -> None:
        assert judge.source.count("GET", "blob") == 0
        registry.rules.deny_push = False

    judge.refuses(says=(repository, "403", "DENIED"), mend=look)


def test_fault_21_a_body_that_trickles(judge: Judge) -> None:
    """It is cut when it comes too slowly, and goes on from there."""
    judge.given(images.image("trickle", size=3 << 20))
    fault = judge.source.inject("GET .*/blobs/", "slow", 1, pause=0.05)
    began = time.monotonic()
    judge.survives(fault, timeout=1, again=False)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("kind", ["GET of a blob", "PUT of a manifest"])
def test_fault_21_a_head_that_trickles(judge: Judge, kind: str) -> None:
    """Each byte would begin a socket's timeout anew."""
    judge.given(IMAGE)
    fault = _at(judge, kind, "slow_head", 60, pause=0.05)
    began = time.monotonic()
    judge.survives(fault, timeout=1, again=False)
    assert time.monotonic() - began < 20


def test_fault_21_a_flood_of_interim_answers(judge: Judge) -> None:
    judge.given(IMAGE)
    fault = _at(judge, "GET of a blob", "flood", 1 << 20)
    judge.survives(fault, timeout=20)


def test_fault_21_always(judge: Judge) -> None:
    judge.given(IMAGE)
    fault = _at(judge, "GET of a manifest", "slow_head", 60, times=ALWAYS, pause=0.05)
    judge.refuses(
        fault, says=(judge.source.host, "didn't answer for 1 seconds"), timeout=1, retries=0
    )


@pytest.mark.parametrize("side", ["source", "destination"])
def test_fault_22_no_answer_at_all(judge: Judge, side: str) -> None:
    judge.given(IMAGE)
    proxy = getattr(judge, side)
    fault = proxy.inject("manifests/", "hang", 1.5, times=ALWAYS)
    judge.refuses(fault, says=(proxy.host, "didn't answer for 1 seconds"), timeout=1, retries=0)


def test_a_pause_within_the_timeout_is_no_failure(
    judge: Judge, make_proxy: MakeProxy, certificates: Certificates
) -> None:
    """TLS too can be waited for in small steps."""
    side = judge.sides.source
    secured = make_proxy(f"http://{side.host}", tls=certificates)
    judge.given(images.image("pause", size=200 << 10))
    judge.sides.source = Side(secured, side.host, side.repository)
    faults = [
        secured.inject("GET .*/manifests/", "delay", 1.2),
        secured.inject("GET .*/blobs/", "slow", 100 << 10, pause=0.8),
    ]
    logins = [judge.login(secured.host, plain_http=False, ca_path=str(certificates.ca))]
    result = judge.survives(*faults, again=False, registries=logins, retries=0)
    assert result["stats"]["retries"] == 0


def test_the_end_of_the_run_is_seen_while_a_body_trickles(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a deadline nor SIGTERM has to wait for the source."""
    judge.given(images.image("ended", size=3 << 20))
    fault = judge.source.inject("GET .*/blobs/", "slow", 1, pause=0.05)
    given = stop.end_after
    monkeypatch.setattr(run, "end_after", lambda _seconds, ends: given(0.7, ends))
    began = time.monotonic()
    result = judge.run(deadline=1)
    assert fault.hits and result["reason"] == "not_done"
    assert time.monotonic() - began < 3
