# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source: what it makes of notifications, and what of those who send something else.

The notifications have the shapes that the registries' own documentation shows.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import runpy
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.tests.support.certificates import make_certificates
from ansible_collections.imagesync.registry.tests.unit.support import ROOT

FILE = ROOT / "extensions/eda/plugins/event_source/registry_events.py"
# as ansible-rulebook loads it
SOURCE = runpy.run_path(str(FILE))
Refused = SOURCE["Refused"]
read_events: Callable[..., list[dict[str, str]]] = SOURCE["read_events"]

DIGEST = "sha256:" + "fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf"[:64]


def _changed(target: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if changes is None else {**target, **changes}


def distribution(**changes: Any) -> dict[str, Any]:
    """https://distribution.github.io/distribution/about/notifications."""
    target = {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "digest": DIGEST,
        "length": 1,
        "repository": "library/test",
        "url": f"http://example.com/v2/library/test/manifests/{DIGEST}",
        "tag": "1.0",
    }
    event = {
        "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
        "timestamp": "2016-03-09T14:44:26.402973972-08:00",
        "action": "push",
        "target": _changed(target, changes.pop("target", {})),
        "request": {
            "id": "6df24a34-0959-4923-81ca-14f09767db19",
            "addr": "192.168.64.11:42961",
            "host": "192.168.100.227:5000",
            "method": "GET",
            "useragent": "curl/7.38.0",
        },
        "actor": {},
        "source": {"addr": "xtal.local:5000", "instanceID": "a53db899-3b4b-4a62-a067-8dd013beaca4"},
        **changes,
    }
    return {"events": [event]}


def harbor(kind: str = "PUSH_ARTIFACT", tag: str = "latest") -> dict[str, Any]:
    """https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks."""
    return {
        "type": kind,
        "occur_at": 1680501893,
        "operator": "harbor-jobservice",
        "event_data": harbor_data(tag),
    }


def harbor_data(tag: str) -> dict[str, Any]:
    separator = "@" if ":" in tag else ":"
    return {
        "resources": [
            {
                "digest": DIGEST,
                "tag": tag,
                "resource_url": f"hub.example.com:8443/harbor/alpine{separator}{tag}",
            }
        ],
        "repository": {
            "date_created": 1680501893,
            "name": "alpine",
            "namespace": "harbor",
            "repo_full_name": "harbor/alpine",
            "repo_type": "private",
        },
    }


def cloud_event() -> dict[str, Any]:
    """The same page, CloudEvents."""
    return {
        "specversion": "1.0",
        "id": "66e18103-09c1-41f6-982f-37df223f3eeb",
        "requestid": "51c0b694-0168-4f3c-b0db-282565455d7b",
        "source": "/projects/2/webhook/policies/15",
        "type": "harbor.artifact.pushed",
        "datacontenttype": "application/json",
        "time": "2023-04-03T06:04:46Z",
        "data": harbor_data("3.18"),
        "operator": "admin",
    }


def quay(tags: Any) -> dict[str, Any]:
    """https://docs.projectquay.io/use_quay.html, Repository Push."""
    return {
        "name": "repository",
        "repository": "dgangaia/test",
        "namespace": "dgangaia",
        "docker_url": "quay.io/dgangaia/test",
        "homepage": "https://quay.io/repository/dgangaia/repository",
        "updated_tags": tags,
    }


def shown(events: list[dict[str, str]]) -> list[tuple[str, str, str, str, str]]:
    return [tuple(e[k] for k in ("sender", "action", "image", "digest", "actor")) for e in events]  # type: ignore[misc]


def test_docker_registry() -> None:
    image = "192.168.100.227:5000/library/test"
    assert shown(read_events(distribution())) == [
        ("docker-registry", "push", f"{image}:1.0", DIGEST, "")
    ]
    (event,) = read_events(distribution(actor={"name": "alice"}), "registry.example.com")
    assert event["image"] == "registry.example.com/library/test:1.0"
    assert (event["registry"], event["repository"]) == ("registry.example.com", "library/test")
    assert (event["tag"], event["actor"]) == ("1.0", "alice")
    (child,) = read_events(distribution(target={"tag": None}))
    assert (child["image"], child["tag"]) == (f"{image}@{DIGEST}", "")
    (other,) = read_events(distribution(request={}, action="pull"))
    assert (other["action"], other["registry"]) == ("pull", "example.com")
    (gone,) = read_events(distribution(action="delete", target={"mediaType": "", "tag": ""}))
    assert gone["action"] == "delete"


def test_what_is_about_blobs_is_passed_over() -> None:
    blob = {"mediaType": "application/octet-stream", "tag": ""}
    assert read_events(distribution(target=blob)) == []
    assert read_events(distribution(target=blob, action="mount")) == []
    assert read_events({"events": []}) == []


def test_harbor() -> None:
    assert shown(read_events(harbor())) == [
        (
            "harbor",
            "push",
            "hub.example.com:8443/harbor/alpine:latest",
            DIGEST,
            "harbor-jobservice",
        )
    ]
    (by_digest,) = read_events(harbor(tag=DIGEST))
    assert by_digest["image"] == f"hub.example.com:8443/harbor/alpine@{DIGEST}"
    assert by_digest["tag"] == ""
    assert [e["action"] for e in read_events(harbor("DELETE_ARTIFACT"))] == ["delete"]
    assert read_events(harbor("SCANNING_COMPLETED")) == []
    assert shown(read_events(cloud_event())) == [
        ("harbor", "push", "hub.example.com:8443/harbor/alpine:3.18", DIGEST, "admin")
    ]


def test_quay() -> None:
    found = read_events(quay(["latest", "1.0"]))
    assert shown(found) == [
        ("quay", "push", "quay.io/dgangaia/test:latest", "", ""),
        ("quay", "push", "quay.io/dgangaia/test:1.0", "", ""),
    ]
    # older versions have ids of images, which are no digests
    assert shown(read_events(quay({"latest": "b750fe79269d"}))) == shown(found[:1])
    queued = {**quay([]), "build_id": "296ec063"}
    del queued["updated_tags"]
    assert read_events(queued) == []


BAD = [
    None,
    [],
    "push",
    {},
    {"events": "x"},
    {"events": [1]},
    distribution(target={"repository": ""}),
    distribution(target=None),
    distribution(request={"host": 5}),
    {**harbor(), "event_data": []},
    quay([["a"]]),
]


NAMES = [
    distribution(target={"repository": "{{ lookup('env', 'HOME') }}"}),
    distribution(target={"repository": "../../etc"}),
    distribution(target={"tag": "-e x"}),
    distribution(target={"tag": "1.0\n"}),
    distribution(target={"digest": "sha256:" + "0" * 63}),
    distribution(request={"host": "a b"}),
    quay(["a b"]),
    {**quay(["1"]), "docker_url": "quay.io:x/a"},
]


@pytest.mark.parametrize("document", NAMES)
def test_what_has_a_name_that_is_none_is_passed_over(
    document: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """docker-registry sends what is refused for ever, and all that comes after it would wait."""
    assert read_events(document) == []
    assert "passed over" in caplog.text and "\n" not in caplog.messages[0]
    if "events" in document:
        document = {"events": [*document["events"], *distribution()["events"]]}
        assert len(read_events(document)) == 1


@pytest.mark.parametrize(
    ("name", "actor"),
    [
        ("auth0|5f7c8ec7c33c6c004bbafe82", "auth0|5f7c8ec7c33c6c004bbafe82"),
        ("CN=ci,OU=Build,O=Example", "CN=ci,OU=Build,O=Example"),
        ("Jürgen (dev)", "Jürgen (dev)"),
        ("a\x1b[31m{{ 1 }}{% b %}", "a_[31m__ 1 ___% b %_"),
        ("x" * 300, "x" * 200),
    ],
)
def test_whoever_pushed(name: str, actor: str) -> None:
    (event,) = read_events(distribution(actor={"name": name}))
    assert event["actor"] == actor


@pytest.mark.parametrize("document", BAD)
def test_what_no_registry_sends_is_refused(document: Any) -> None:
    with pytest.raises(Refused) as refused:
        read_events(document)
    assert refused.value.status == 400


KEYS = ["events", "action", "target", "mediaType", "repository", "tag", "digest", "request", "host"]
KEYS += ["type", "event_data", "resources", "resource_url", "repo_full_name", "docker_url"]
KEYS += ["updated_tags", "data", "specversion", "operator", "actor", "name"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.sampled_from(["push", "PUSH_ARTIFACT", "a/b", "a.b/c:1", DIGEST]),
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(DOCUMENTS)
def test_whatever_comes_is_events_or_refused(document: Any) -> None:
    try:
        for event in read_events(document):
            assert set(map(type, event.values())) == {str} and event["image"]
    except Refused as error:
        assert error.status == 400


@given(st.binary(max_size=200))
def test_whatever_is_sent_is_a_head_or_refused(head: bytes) -> None:
    for data in (head + b"\r\n\r\n", b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n"):
        try:
            method, headers = SOURCE["read_head"](data)
        except Refused:
            continue
        assert method.isalpha() and not any("\n" in v or "\r" in v for v in headers.values())


# The server

SECRET = "open sesame"


async def listening(work: Callable[[int, asyncio.Queue[Any]], Awaitable[Any]], **args: Any) -> Any:
    """Calls ``work`` with the port and the queue while the source runs."""
    queue: asyncio.Queue[Any] = asyncio.Queue(args.pop("room", 0))
    quick = args.pop("quick", None)
    settings = SOURCE["read_settings"]({"port": 1, "secret": SECRET, **args})
    changes = {"port": 0, **({"timeout": quick} if quick else {})}
    for name, value in changes.items():
        object.__setattr__(settings, name, value)
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    start = asyncio.start_server

    async def noted(*positional: Any, **keywords: Any) -> asyncio.Server:
        server = await start(*positional, **keywords)
        started.set_result(server.sockets[0].getsockname()[1])
        return server

    asyncio.start_server = noted
    task = asyncio.ensure_future(SOURCE["Listener"](queue, settings).run())
    try:
        port = await started
        return await asyncio.wait_for(work(port, queue), 20)
    finally:
        asyncio.start_server = start
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def send(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> str:
    """The first line of the answer, "" when there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(data)
    try:
        return (await reader.read()).decode().partition("\r\n")[0]
    except ConnectionError:
        return ""
    finally:
        writer.close()


def request(document: Any, authorization: str | None = f"Bearer {SECRET}", *more: str) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    secret = [] if authorization is None else [f"Authorization: {authorization}"]
    length = [] if any(line.startswith(("Content-L", "Transfer")) for line in more) else None
    lines = ["POST /any HTTP/1.1", "Host: x", *secret, *more]
    lines += [f"Content-Length: {len(body)}"] if length is None else []
    return "\r\n".join([*lines, "", ""]).encode() + body


BASIC = base64.b64encode(f"any:{SECRET}".encode()).decode()


def test_notifications_are_answered_and_become_events() -> None:
    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        for way in (f"Bearer {SECRET}", SECRET, f"Basic {BASIC}", f"bearer  {SECRET}"):
            assert "200 OK" in await send(port, request(distribution(), way))
        assert "200 OK" in await send(port, request(distribution(action="pull")))
        assert "200 OK" in await send(port, request(quay(["1", "2"])))
        found = [queue.get_nowait() for _unused in range(queue.qsize())]
        assert [event["sender"] for event in found] == ["docker-registry"] * 4 + ["quay"] * 2

    asyncio.run(listening(work))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(distribution(), None), 401),
        (request(distribution(), "Bearer open"), 401),
        (request(distribution(), "Basic !!"), 401),
        (request(distribution(), f"Basic {base64.b64encode(b'open').decode()}"), 401),
        (request(distribution()).replace(b"POST", b"GET", 1), 405),
        (request(b"", f"Bearer {SECRET}", "Transfer-Encoding: chunked"), 411),
        (request(b"x", f"Bearer {SECRET}", "Content-Length: x"), 400),
        (request(b"x", f"Bearer {SECRET}", "Content-Length: -1"), 400),
        (request(b"x", f"Bearer {SECRET}", "Content-Length: 1", "Content-Length: 2"), 400),
        (request(b"x", f"Bearer {SECRET}", "Content-Length: 2000000"), 413),
        (request(b"x", f"Bearer {SECRET}", "X: " + "x" * 20000), 431),
        (request(b"{"), 400),
        (request(b"\xff\xfe"), 400),
        (request(b"[" * 100000), 400),
        (request({"a": 1}), 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
    ],
)
def test_bad_requests_get_their_answer_and_do_no_harm(data: bytes, status: int) -> None:
    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        assert (await send(port, data)).startswith(f"HTTP/1.1 {status} ")
        assert queue.empty()
        assert "200 OK" in await send(port, request(distribution()))

    asyncio.run(listening(work))


def test_nobody_holds_a_connection() -> None:
    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        for silent in (b"", b"POST / HT", request(distribution())[:-1]):
            assert await send(port, silent) == ""
        assert "200 OK" in await send(port, request(distribution()))

    asyncio.run(listening(work, quick=0.1))


def test_more_connections_than_allowed_are_turned_away() -> None:
    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _unused in range(2)]
        assert " 503 " in await send(port, b"")
        for _reader, writer in held:
            writer.close()
        while "200 OK" not in await send(port, request(distribution())):
            await asyncio.sleep(0.01)

    asyncio.run(listening(work, max_connections=2))


def test_what_the_rules_have_no_room_for_is_not_answered() -> None:
    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        assert "200 OK" in await send(port, request(distribution()))
        assert await send(port, request(distribution())) == ""
        queue.get_nowait()
        assert "200 OK" in await send(port, request(distribution()))

    asyncio.run(listening(work, room=1, quick=0.2))


def test_the_end_waits_for_nobody() -> None:
    async def work(port: int, _queue: asyncio.Queue[Any]) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        held.append(writer)
        writer.write(b"POST / HTTP/1.1\r\n")
        assert "200 OK" in await send(port, request(distribution()))
        return reader

    async def ended() -> None:
        reader = await listening(work)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        held[0].close()

    held: list[asyncio.StreamWriter] = []
    started = time.monotonic()
    asyncio.run(ended())
    assert time.monotonic() - started < 5  # the connection might last for 10


def test_many_at_once() -> None:
    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        sent = [send(port, request(distribution())) for _unused in range(200)]
        assert set(await asyncio.gather(*sent)) == {"HTTP/1.1 200 OK"}
        assert queue.qsize() == 200

    asyncio.run(listening(work))


def test_an_answer_to_head_has_no_body() -> None:
    async def work(port: int, _queue: asyncio.Queue[Any]) -> None:
        for secret, status in ((f"Bearer {SECRET}", " 405 "), ("x", " 401 ")):
            data = request(b"", secret).replace(b"POST", b"HEAD", 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            head, _end, body = (await reader.read()).decode().partition("\r\n\r\n")
            writer.close()
            assert status in head and body == ""

    asyncio.run(listening(work))


def test_over_tls(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    trusting = ssl.create_default_context(cafile=str(made.ca))
    stranger = ssl.create_default_context()

    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        assert "200 OK" in await send(port, request(distribution()), trusting)
        with pytest.raises(ssl.SSLCertVerificationError):
            await send(port, request(distribution()), stranger)
        assert "200 OK" not in await send(port, request(distribution()))  # not over TLS
        assert " 401 " in await send(port, request(distribution(), "Bearer x"), trusting)
        assert "200 OK" in await send(port, request(distribution()), trusting)
        assert queue.qsize() == 2

    files = {"certfile": str(made.server.cert), "keyfile": str(made.server.key)}
    asyncio.run(listening(work, **files))


def test_a_secret_that_is_not_ascii() -> None:
    basic = base64.b64encode("any:Müller".encode()).decode()

    async def work(port: int, _queue: asyncio.Queue[Any]) -> None:
        for way in ("Bearer Müller", f"Basic {basic}"):
            assert "200 OK" in await send(port, request(distribution(), way))

    asyncio.run(listening(work, secret="Müller"))


def test_another_header_may_have_the_secret() -> None:
    async def work(port: int, queue: asyncio.Queue[Any]) -> None:
        assert "401" in await send(port, request(distribution()))
        assert "200 OK" in await send(port, request(distribution(), None, f"X-Token: {SECRET}"))

    asyncio.run(listening(work, header="X-Token"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "needs a secret"),
        ({"secret": ""}, "needs a secret"),
        ({"secret": "a", "secret_file": "b"}, "one of secret and secret_file"),
        ({"secret": "a", "port": 0}, "port must be a number"),
        ({"secret": "a", "port": "x"}, "port must be a number"),
        ({"secret": "a", "timeout": -1}, "timeout must be a number"),
        ({"secret": "a", "token": "b"}, "no option token"),
        ({"secret": "a", "actions": "push"}, "actions is a list"),
        ({"secret": "a", "registry": "https://x"}, "registry isn't a host"),
        ({"secret": "a", "port": 65536}, "port must be a number from 1 to 65535"),
        ({"secret": "a", "actions": [["push"]]}, "actions is a list"),
        ({"secret": "a", "header": "X Y"}, "header isn't the name of one"),
        ({"secret": "a", "keyfile": "/nowhere/key"}, "keyfile and password go with certfile"),
        ({"secret": "a", "password": "b"}, "keyfile and password go with certfile"),
        ({"secret": "a", "certfile": "/nowhere/cert"}, "certfile /nowhere/cert .*No such file"),
        ({"secret": "a", "certfile": "/dev/null"}, "certfile /dev/null .*can't be used"),
        ({"secret_file": "/nowhere/secret"}, "secret_file /nowhere/secret .*No such file"),
        ({"secret_file": "/dev"}, "secret_file /dev can't be read"),
        ({"secret": "a", "host": "192.0.2.1"}, "can't listen on 192.0.2.1:5005: "),
    ],
)
def test_bad_options_are_told(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        asyncio.run(SOURCE["main"](None, {"port": 5005, **args}))


def test_a_file_may_have_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    settings = SOURCE["read_settings"]({"port": "5005", "secret_file": str(tmp_path / "secret")})
    assert SOURCE["is_secret"](f"Bearer {SECRET}", settings.secret)
    assert settings.host == "127.0.0.1" and SECRET not in repr(settings)


def test_the_options_are_those_of_the_documentation() -> None:
    told = yaml.safe_load(SOURCE["DOCUMENTATION"])["options"]
    known = {*SOURCE["_NUMBERS"], *SOURCE["_TEXTS"], *SOURCE["_OTHERS"]} - {"eda_feedback_queue"}
    assert set(told) == known
    for name, default in SOURCE["_NUMBERS"].items():
        assert told[name].get("default", 0) == default
