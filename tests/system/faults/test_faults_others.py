# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults 49 to 67: others at work, refusals, the surroundings, and check mode."""

from __future__ import annotations

import datetime
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support import artifacts, images, push
from tests.support.certificates import Certificates
from tests.support.content import to_json
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeRegistry, MakeStrict
from tests.support.judging import CANARY, Judge
from tests.support.servers import Handler, LocalServer
from tests.support.sides import Side
from tests.support.signatures import as_tag, entries, found_at, put_referrers

IMAGE = images.image("others", layers=2)
LAYER_GET = f"GET .*/blobs/{IMAGE.blobs[1].digest}"
MANIFEST_PUT = "PUT .*/manifests/1"


@pytest.mark.parametrize("old", [True, False])
def test_fault_49_a_source_tag_that_moves(judge: Judge, old: bool) -> None:
    """What was resolved first is copied whole; the next run follows."""
    first = judge.given(images.multi_platform("first"), old=old)
    later = images.multi_platform("later")
    fault = judge.source.inject(
        "GET .*/manifests/sha256", "pass", call=lambda: judge.sides.source.push(later)
    )
    result = judge.run()
    assert fault.hits == 1 and (result["changed"], result["digest"]) == (True, first.digest)
    judge.check_arrived()
    judge.new = later
    assert judge.run()["previous_digest"] == first.digest
    judge.check_arrived()


def test_fault_50_a_destination_tag_that_another_writer_moves(judge: Judge) -> None:
    """Nobody can write on condition; we write last, and say what we saw before."""
    judge.given(IMAGE)
    other = images.image("another writer")
    fault = judge.source.inject(LAYER_GET, "pass", call=lambda: judge.sides.destination.push(other))
    judge.survives(fault)
    assert judge.sides.destination.digest(other.digest) == other.digest


@pytest.mark.parametrize("answer", [(400, "TAG_INVALID"), (409, "TAG_INVALID"), (412, "DENIED")])
def test_fault_51_a_tag_that_is_immutable(
    judge: Judge, make_strict: MakeStrict, answer: tuple[int, str]
) -> None:
    """The same image is in sync without a write; another one is an error."""
    judge.given(IMAGE)
    status, code = answer
    body = to_json({"errors": [{"code": code, "message": "tag 1 is immutable"}]})
    fault = judge.destination.inject(MANIFEST_PUT, "status", status, times=ALWAYS, body=body)
    judge.refuses(fault, says=(judge.destination.host, "tag 1 is immutable", code))
    judge.write_to(make_strict(immutable_tags=True))
    judge.sides.destination.push(IMAGE)
    result = judge.run()
    assert (result["changed"], result["reason"]) == (False, "in_sync")
    assert judge.destination.writes() == []


def test_fault_52_a_repository_that_does_not_exist(judge: Judge, make_strict: MakeStrict) -> None:
    registry = make_strict(create_repositories=False)
    judge.given(IMAGE, old=False)
    judge.write_to(registry)

    def create() -> None:
        registry.rules.create_repositories = True

    says = (judge.destination.host, "NAME_UNKNOWN", "doesn't exist at", "create it first")
    judge.refuses(says=says, mend=create)


def test_fault_52_a_repository_whose_absence_is_a_closed_connection(judge: Judge) -> None:
    """So ECR says it at times; that can't be told from a broken line."""
    judge.given(IMAGE, old=False)
    fault = judge.destination.inject("POST .*/uploads/", "rst_before", times=ALWAYS)
    says = (judge.destination.host, judge.sides.destination.repository, "broke the connection")
    judge.refuses(fault, says=says, retries=1)


def test_fault_53_two_runs_at_once(judge: Judge) -> None:
    judge.given(images.multi_platform("at once"))
    start = threading.Barrier(2)
    results: list[dict[str, Any]] = []

    def run() -> None:
        start.wait(10)
        results.append(judge.run())

    threads = [threading.Thread(target=run) for _unused in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [result.get("msg", "") for result in results] == ["", ""]
    assert {result["digest"] for result in results} == {judge.new.digest}
    judge.check_arrived()
    assert judge.run()["reason"] == "in_sync"


def test_fault_56_a_registry_that_is_read_only(judge: Judge, make_registry: MakeRegistry) -> None:
    """Told at once, by what the registry says itself."""
    reading = make_registry(readonly=True)
    judge.given(IMAGE, old=False)
    repository = judge.sides.destination.repository
    proxy = judge.make_proxy(reading.url)
    judge.sides.destination = Side(proxy, reading.host, repository)
    judge.refuses(says=(proxy.host, "405"), mend=lambda: reading.restart(readonly=False))


def test_fault_56_deletion_that_is_disabled(judge: Judge, make_registry: MakeRegistry) -> None:
    keeping = make_registry(delete=False)
    repository = judge.sides.destination.repository
    proxy = judge.make_proxy(keeping.url)
    judge.sides.destination = Side(proxy, keeping.host, repository)
    judge.given(IMAGE)
    judge.sides.destination.push(IMAGE)
    result = judge.run(state="absent", destination=judge.sides.destination.ref(), source=None)
    assert result["failed"] and not result["changed"]
    assert "doesn't allow deletion" in result["msg"] and proxy.host in result["msg"]
    assert judge.sides.destination.digest() == IMAGE.digest


REFERRERS: dict[str, tuple[dict[str, Any], str]] = {
    "500 once": ({"arg": 500, "times": 1}, "API"),
    "404": ({"arg": 404}, "tag"),
    "400": ({"arg": 400}, "tag"),
    "a page": ({"arg": 200, "body": b"<html></html>"}, "error"),
    "pages": ({"arg": 503, "times": 0}, "API"),
    "500": ({"arg": 500}, "error"),
}


@pytest.mark.parametrize("kind", REFERRERS)
def test_fault_59_a_referrers_api_that_fails(
    judge: Judge, make_strict: MakeStrict, kind: str
) -> None:
    """A failure is no absence: "none" is what a registry says that has no such API."""
    judge.read_from(make_strict(referrers_page=1))
    judge.given(IMAGE)
    boms = [artifacts.artifact(f"bom {n}", subject=IMAGE) for n in range(3)]
    fault, way = REFERRERS[kind]
    put_referrers(judge.sides.source, {IMAGE.digest: boms}, way != "tag")
    injected = judge.source.inject("GET .*/referrers/", "status", **{"times": ALWAYS, **fault})
    if way == "error":
        judge.refuses(injected, says=(judge.source.host,), referrers="with_image", retries=1)
    else:
        result = judge.run(referrers="with_image")
        assert not result.get("failed"), result["msg"]
        assert injected.hits == fault.get("times", 1)
        judge.check_arrived()
        judge.check_secrets(result)
    assert found_at(judge.sides.destination, IMAGE.digest) == entries(boms)


@pytest.mark.parametrize("where", ["source", "destination"])
def test_fault_60_an_image_where_a_list_of_referrers_should_be(judge: Judge, where: str) -> None:
    """It is left alone, and so is the image's own tag."""
    judge.given(IMAGE)
    bom = artifacts.artifact("bom", subject=IMAGE)
    put_referrers(judge.sides.source, {IMAGE.digest: [bom]}, False)
    side, tag = getattr(judge.sides, where), as_tag(IMAGE.digest)
    odd = side.push(images.image("no list"), tag)

    def mend() -> None:
        assert side.digest(tag) == odd.digest
        push.delete_manifest(side.host, side.repository, odd.digest)
        put_referrers(judge.sides.source, {IMAGE.digest: [bom]}, False)

    judge.refuses(says=(tag, "list of referrers"), mend=mend, referrers="with_image")
    assert found_at(judge.sides.destination, IMAGE.digest) == entries([bom])


@pytest.mark.parametrize("match", ["GET .*/manifests/", LAYER_GET])
def test_fault_61_content_that_claims_to_be_compressed(judge: Judge, match: str) -> None:
    """It wasn't asked for; a digest is over the bytes as they are."""
    judge.given(IMAGE)
    headers = {"Content-Encoding": "gzip"}
    fault = judge.source.inject(match, "set_header", headers=headers, times=ALWAYS)
    judge.refuses(fault, says=(judge.source.host, "'gzip' encoded content"))
    asked = {r.header("Accept-Encoding") for r in judge.source.requests}
    assert asked <= {"identity"}


def test_fault_62_certificates_that_prove_nothing(
    judge: Judge, make_proxy: MakeProxy, make_registry: MakeRegistry, certificates: Certificates
) -> None:
    """Told by what is wrong with them, at once; plain HTTP is never tried instead."""
    judge.given(IMAGE)
    side, made = judge.sides.source, certificates
    good = make_proxy(f"http://{side.host}", tls=made)
    wanting = make_proxy(f"http://{side.host}", tls=made, client_ca=True)
    expired = make_registry(tls=made, identity=made.expired)
    other = make_registry(tls=made, identity=made.other_host)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (good, {}, "isn't signed by a known authority"),
        (good, {"ca_path": str(made.other_ca)}, "isn't signed by a known authority"),
        (expired, {"ca_path": str(made.ca)}, "has expired"),
        (other, {"ca_path": str(made.ca)}, "for another"),
        (wanting, {"ca_path": str(made.ca)}, "client certificate"),
    ]
    for server, options, problem in cases:
        logins = [judge.login(server.host, plain_http=False, **options)]
        source = f"{server.host}/{side.repository}:1"
        result = judge.run(source=source, registries=logins, retries=3)
        assert result["failed"] and not result["changed"]
        assert f"TLS with {server.host} failed" in result["msg"] and problem in result["msg"]
        judge.check_secrets(result)
    assert good.requests == wanting.requests == judge.source.requests == []
    logins = [judge.login(good.host, plain_http=False, ca_path=str(made.ca))]
    done = judge.run(source=f"{good.host}/{side.repository}:1", registries=logins)
    assert done["changed"]
    judge.check_arrived()


class _BadProxy(Handler):
    """Answers CONNECT with a status, or with nothing."""

    def __init__(self, owner: BadProxy, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_CONNECT(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        record.status = self.owner.status
        if record.status:
            self.send_head(record.status, [("Content-Length", "0")])
        else:
            self.reset()
        self.owner.end()


class BadProxy(LocalServer):
    """A proxy that leads nowhere."""

    def __init__(self, status: int) -> None:
        super().__init__(_BadProxy)
        self.status = status


@pytest.mark.parametrize("status", [407, 502, 0])
def test_fault_63_a_proxy_that_leads_nowhere(
    judge: Judge, make_proxy: MakeProxy, certificates: Certificates, status: int
) -> None:
    """Told with its name, and without its password, which nobody else gets."""
    side = judge.sides.source
    judge.given(IMAGE)
    secured = make_proxy(f"http://{side.host}", tls=certificates)
    judge.sides.source = Side(secured, side.host, side.repository)
    trusting = {"plain_http": False, "ca_path": str(certificates.ca)}
    with BadProxy(status) as proxy:
        way = f"http://keeper:canary-of-the-proxy@{proxy.host}"
        logins = [judge.login(secured.host, **trusting, proxy=way)]
        result = judge.run(registries=logins, retries=1)
        assert proxy.requests and proxy.saw(CANARY) == []
    assert result["failed"] and not result["changed"]
    assert f"the proxy {proxy.host}" in result["msg"]
    assert "canary-of-the-proxy" not in json.dumps(result)
    judge.check_secrets(result)
    assert secured.requests == []
    judge.survives(again=False, registries=[judge.login(secured.host, **trusting)])


@pytest.mark.parametrize("days", [-1, 1])
def test_fault_64_a_clock_that_is_wrong(
    judge: Judge, make_strict: MakeStrict, make_proxy: MakeProxy, days: int
) -> None:
    """A token's life begins when it comes here, whatever the server's clock says."""
    judge.given(IMAGE)
    repository = judge.sides.source.repository
    server = make_proxy(f"http://{judge.sides.source.host}")
    registry = make_strict(bearer="token", challenges=[f'Bearer realm="{server.url}/token"'])
    registry.add(repository, IMAGE, "1")
    judge.read_from(registry)
    now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017 - mypy looks with 3.10
    then = now + datetime.timedelta(days=days)
    body = {"token": "token", "expires_in": 300, "issued_at": then.strftime("%Y-%m-%dT%H:%M:%SZ")}
    fault = server.inject("/token", "status", 200, times=ALWAYS, body=to_json(body))
    judge.survives(fault, again=False)
    # of this run, and of the next
    assert fault.hits == 2


def test_fault_65_another_login_in_netrc(
    judge: Judge, make_strict: MakeStrict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is used, and that of ~/.netrc nowhere."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password from-netrc\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    judge.given(IMAGE)
    registry = make_strict(auth=("alice", CANARY))
    registry.add(judge.sides.source.repository, IMAGE, "1")
    judge.read_from(registry)
    judge.survives(again=False)
    sent = {r.header("Authorization") for r in judge.source.with_header("Authorization")}
    assert len(sent) == 1
    assert judge.destination.with_header("Authorization") == []


@pytest.mark.parametrize("side", ["source", "destination"])
def test_fault_66_a_kept_connection_that_was_closed(
    judge: Judge, side: str, pauses: list[float]
) -> None:
    """It is no failure: the request goes again, at once."""
    judge.given(images.multi_platform("stale"))
    fault = getattr(judge, side).inject("", "hang_up", times=ALWAYS)
    result = judge.survives(fault, again=False, concurrency=1, retries=0)
    assert result["stats"]["retries"] == 0 and not pauses


READ_FAULTS: list[tuple[str, str, int | str, dict[str, Any]]] = [
    (method + match, action, arg, more)
    for method, match in (
        ("HEAD", ".*/manifests/"),
        ("GET", ".*/manifests/"),
        ("HEAD", ".*/blobs/"),
    )
    for action, arg, more in (
        ("rst_before", 0, {}),
        ("rst_after", 0, {}),
        ("status", 401, {}),
        ("status", 403, {}),
        ("status", 404, {}),
        ("status", 429, {"headers": {"Retry-After": "0"}}),
        ("status", 500, {}),
        ("drop_header", "Docker-Content-Digest", {}),
        ("set_header", 0, {"headers": {"Docker-Content-Digest": IMAGE.digest}}),
        ("corrupt", 7, {}),
        ("truncate", 10, {}),
        ("close_short", 10, {}),
        ("wrong_length", 3, {}),
        ("set_header", 0, {"headers": {"Content-Encoding": "gzip"}}),
        ("status", 307, {"headers": {"Location": "http://alice:word@127.0.0.1/"}}),
        ("status", 200, {"body": b"<html></html>"}),
    )
]


def test_fault_67_check_mode_under_every_fault_of_a_read(judge: Judge) -> None:
    """At either side: not one request that writes, and no guess."""
    wanted = judge.given(images.multi_platform("looked at"))
    hits = 0
    for match, action, arg, more in READ_FAULTS:
        for proxy in (judge.source, judge.destination):
            fault = proxy.inject(match, action, arg, times=ALWAYS, **more)
            result = judge.run(check_mode=True, retries=1)
            hits += bool(fault.hits)
            assert judge.writes() == [], fault
            judge.check_secrets(result)
            if result.get("failed"):
                assert not result["changed"] and proxy.host in result["msg"], fault
            else:
                assert (result["changed"], result["digest"]) == (True, wanted.digest), fault
            proxy.heal()
    assert hits > len(READ_FAULTS)
    assert judge.old and judge.sides.destination.digest() == judge.old.digest
