# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults 38 to 48: servers that mean harm."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import images
from tests.support.certificates import Certificates
from tests.support.content import OCI_INDEX, OCI_MANIFEST, Image, sha256, to_json
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeStrict
from tests.support.judging import CANARY, Judge
from tests.support.proxy import RecordingProxy
from tests.support.servers import Handler, LocalServer
from tests.support.sides import Side
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import sync

IMAGE = images.image("hostile", layers=2)
LAYER = IMAGE.blobs[1]
LAYER_GET = f"GET .*/blobs/{LAYER.digest}"
MIB = 1 << 20


class _Endless(Handler):
    """Sends a manifest that never ends, without saying how long it is."""

    def __init__(self, owner: Endless, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        try:
            self.close_connection = True
            kind = ("Content-Type", OCI_MANIFEST)
            self.send_head(200, [kind, ("Docker-Content-Digest", IMAGE.digest)])
            while self.command == "GET" and record.bytes_out < 1 << 30:
                self.wfile.write(b" " * (1 << 16))
                record.bytes_out += 1 << 16
        finally:
            self.owner.end()


class Endless(LocalServer):
    """A server whose manifests have a gigabyte."""

    def __init__(self) -> None:
        super().__init__(_Endless)


@pytest.fixture
def endless() -> Iterator[Endless]:
    with Endless() as server:
        yield server


def _memory(name: str) -> int:
    """Of this process, in bytes: VmRSS now, VmHWM at its peak."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


def test_fault_38_a_manifest_without_end(judge: Judge, endless: Endless) -> None:
    judge.given(IMAGE)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    result = sync(
        source=f"{endless.host}/app:1", destination=judge.sides.destination.ref(), retries=2
    )
    assert result["failed"] and not result["changed"]
    for word in (endless.host, f"larger than {4 * MIB} bytes"):
        assert word in result["msg"]
    assert _memory("VmHWM") - before < 32 * MIB
    reads = endless.select("GET")
    assert len(reads) == 1
    # what was read, and what was on its way
    assert reads[0].bytes_out < 16 * MIB
    assert judge.sides.destination.digest() == (judge.old.digest if judge.old else "")


def _variants() -> dict[str, bytes]:
    whole = json.loads(IMAGE.manifest)
    text = IMAGE.manifest

    def layers(**fields: Any) -> bytes:
        return to_json({**whole, "layers": [{**whole["layers"][0], **fields}]})

    return {
        "depth": text[:-1] + b',"annotations":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        "NaN": text[:-1] + b',"x":NaN}',
        "a number of 5000 digits": text[:-1] + b',"x":' + b"9" * 5000 + b"}",
        "1e999": text[:-1] + b',"x":1e999}',
        "not UTF-8": text[:-1] + b',"x":"\xff"}',
        "BOM": b"\xef\xbb\xbf" + text,
        "a key twice": text[:-1] + b',"layers":[]}',
        "Layers": text.replace(b'"layers"', b'"Layers"'),
        "both kinds": text[:-1] + b',"manifests":[]}',
        "negative size": layers(size=-1),
        "size of a fraction": layers(size=1.5),
        "huge size": layers(size=1 << 60),
        "size as text": layers(size="12"),
        "digest as path": layers(digest="sha256:../../../../etc/passwd"),
        "no object": b"[]",
        "no JSON": b"<html>",
        "empty": b"",
        "layers of no objects": to_json({**whole, "layers": [None]}),
        "another type": text.replace(b"image.manifest", b"image.index", 1),
    }


def test_fault_39_manifests_that_are_none(judge: Judge, make_strict: MakeStrict) -> None:
    """Each is refused for itself, in a sentence; the good one beside them is copied."""
    registry = make_strict()
    repository = judge.sides.source.repository
    variants = _variants()
    for number, raw in enumerate(variants.values()):
        registry.put_raw(repository, f"bad{number}", raw, OCI_MANIFEST)
    registry.add(repository, IMAGE, "good")
    destination = judge.sides.destination
    tags = [f"bad{number}" for number in range(len(variants))] + ["good"]
    entries = [
        {"source": f"{registry.host}/{repository}:{tag}", "destination": destination.ref(tag)}
        for tag in tags
    ]
    result = sync(images=entries, referrers="never", retries=1)
    *bad, good = result["images"]
    for name, one in zip(variants, bad, strict=True):
        assert one["failed"], name
        assert registry.host in one["msg"] and len(one["msg"]) < 600, name
        assert "Traceback" not in one["msg"] and "Error(" not in one["msg"], name
    assert good["reason"] == "absent"
    assert destination.tags() == ["good"]


def _many_children(count: int) -> bytes:
    entry = {**IMAGE.descriptor, "platform": {"os": "linux", "architecture": "amd64"}}
    children = [{**entry, "digest": sha256(str(n).encode())} for n in range(count)]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
    return json.dumps(document, separators=(",", ":")).encode()


def test_fault_40_indexes_beyond_all_limits(judge: Judge, make_strict: MakeStrict) -> None:
    """Depth, breadth, and one that holds itself (for which a registry has to lie)."""
    registry = make_strict()
    repository = judge.sides.source.repository
    deep: Image = IMAGE
    for _unused in range(50):
        deep = images.index([deep])
    registry.add(repository, deep, "deep")
    registry.put_raw(repository, "broad", _many_children(100_000), OCI_INDEX)
    registry.put_raw(repository, "many", _many_children(12_000), OCI_INDEX)
    own = images.index([IMAGE])
    registry.add(repository, own, "cycle")
    registry.put_raw(repository, IMAGE.digest, own.manifest, OCI_INDEX)
    registry.store.stocks[repository].manifests[IMAGE.digest] = registry.store.stocks[
        repository
    ].manifests[own.digest]
    tags = ("deep", "broad", "many", "cycle")
    there = judge.sides.destination
    entries = [
        {"source": f"{registry.host}/{repository}:{tag}", "destination": there.ref(tag)}
        for tag in tags
    ]
    result = sync(images=entries, referrers="never", retries=1)
    signs = ("deep", "larger than 4194304 bytes", "more than 10000 manifests", IMAGE.digest)
    for one, sign in zip(result["images"], signs, strict=True):
        assert one["failed"] and sign in one["msg"], one
    assert judge.sides.destination.tags() == []
    assert len(registry.requests) < 60


TAGS = "GET .*/tags/list"


def _tag_list(tags: list[Any]) -> bytes:
    return to_json({"name": "x", "tags": tags})


@pytest.mark.parametrize(
    ("link", "sign"),
    [
        ("<{other}/v2/x/tags/list>; rel=next", "on another host"),
        ("<http://169.254.169.254/latest/meta-data>; rel=next", "on another host"),
        ("<http://[broken>; rel=next", "on another host"),
        ("<ftp://{own}/>; rel=next", "on another host"),
    ],
)
def test_fault_41_a_next_page_elsewhere(
    judge: Judge, make_proxy: MakeProxy, link: str, sign: str
) -> None:
    other = make_proxy(f"http://{judge.sides.source.host}")
    judge.spared.append(other)
    judge.given(IMAGE)
    headers = {"Link": link.format(other=other.url, own=judge.source.host)}
    fault = judge.source.inject(TAGS, "set_header", headers=headers, times=ALWAYS)
    result = judge.run(
        source=judge.sides.source.ref(""), tags=["1.x"], filter={"allow_empty": True}
    )
    assert fault.hits == 1 and result["failed"] and sign in result["msg"]
    assert other.requests == []


@pytest.mark.parametrize("kind", ["loop", "endless", "odd", "many"])
def test_fault_41_tag_lists_of_any_kind(judge: Judge, kind: str) -> None:
    """Bounded, or refused; what is no tag is passed over."""
    judge.given(IMAGE)
    judge.sides.source.push(IMAGE, "1.5.0")
    link, body = {}, _tag_list(["1.5.0"])
    if kind in ("loop", "endless"):
        path = f"/v2/{judge.sides.source.repository}/tags/list?n=100"
        link = {"Link": f'<{path}{"&last=x" if kind == "loop" else ""}>; rel="next"'}
    elif kind == "odd":
        odd = [
            None,
            5,
            "1.4.0",
            "1.5.0",
            "1.5.0",
            "\x1b[31m1.6.0",
            "1.7.0\n",
            "ü",
            "a/b",
            "x" * 200,
        ]
        body = _tag_list([*odd, "1.3.0", {}, []])
    else:
        body = (
            b'{"name":"x","tags":["' + b'","'.join(b"t%015d" % n for n in range(1_000_000)) + b'"]}'
        )
    fault = judge.source.inject(TAGS, "status", 200, times=ALWAYS, headers=link, body=body)
    options = {"tags": ["1.x"], "filter": {"newest": 1}, "source": judge.sides.source.ref("")}
    result = judge.run(**options, retries=0)
    assert 1 <= fault.hits < 5
    if kind == "many":
        assert result["failed"] and f"larger than {16 * MIB} bytes" in result["msg"]
        return
    assert not result.get("failed"), result["msg"]
    assert [one["source"] for one in result["images"]] == [judge.sides.source.ref("1.5.0")]
    assert "\x1b" not in json.dumps(result)


@pytest.mark.parametrize("status", [302, 307])
def test_fault_42_a_blob_at_another_host(
    judge: Judge, make_strict: MakeStrict, make_proxy: MakeProxy, status: int
) -> None:
    """The redirect is followed, and the login stays."""
    other = make_proxy(f"http://{judge.sides.source.host}")
    judge.spared.append(other)
    judge.given(IMAGE)
    repository = judge.sides.source.repository
    registry = make_strict(auth=("alice", CANARY))
    registry.add(repository, IMAGE, "1")
    judge.read_from(registry)
    where = f"{other.url}/v2/{repository}/blobs/{LAYER.digest}?signature=a%2Fb"
    fault = judge.source.inject(LAYER_GET, "status", status, headers={"Location": where})
    judge.survives(fault, again=False)
    assert [r.query for r in other.requests] == ["signature=a%2Fb"]
    assert judge.source.with_header("Authorization")


REFUSED = {
    "http://169.254.169.254/latest/meta-data/": "address of this machine or link",
    "http://127.0.0.1:{port}/v2/": "address of this machine or link",
    "http://[::1]:{port}/v2/": "address of this machine or link",
    "http://localhost:{port}/v2/": "address of this machine or link",
    "http://0:{port}/": "address of this machine or link",
    "file:///etc/passwd": "not an HTTP address",
    "http://alice:word@example.com/": "carries credentials",
}


def test_fault_43_redirects_that_are_refused(
    judge: Judge, make_proxy: MakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a registry elsewhere: its name is made to lead to the proxy."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *args: Any, **named: Any) -> Any:
        return resolve("127.0.0.1" if host == "registry.test" else host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    spared = make_proxy(f"http://{judge.sides.source.host}")
    judge.spared.append(spared)
    judge.given(IMAGE)
    name = f"registry.test:{judge.source.port}"
    logins = [judge.login(name, plain_http=True), judge.login(judge.destination.host)]
    source = f"{name}/{judge.sides.source.repository}:1"
    for target, reason in REFUSED.items():
        where = {"Location": target.format(port=spared.port)}
        fault = judge.source.inject(LAYER_GET, "status", 307, headers=where)
        result = judge.run(source=source, registries=logins, retries=2)
        assert fault.hits == 1 and result["failed"]
        assert "a redirect to" in result["msg"] and reason in result["msg"], target
        assert "word@" not in result["msg"]
        judge.check_secrets(result)
    assert spared.requests == []
    assert not judge.run(source=source, registries=logins).get("failed")
    judge.check_arrived()


def test_fault_43_from_https_to_http(
    judge: Judge, make_proxy: MakeProxy, certificates: Certificates
) -> None:
    side = judge.sides.source
    secured = make_proxy(f"http://{side.host}", tls=certificates)
    spared = judge.source
    judge.spared.append(spared)
    judge.given(IMAGE)
    judge.sides.source = Side(secured, side.host, side.repository)
    where = {"Location": f"{spared.url}/v2/{side.repository}/blobs/{LAYER.digest}"}
    fault = secured.inject(LAYER_GET, "status", 307, times=ALWAYS, headers=where)
    login = judge.login(secured.host, plain_http=False, ca_path=str(certificates.ca))
    judge.refuses(fault, says=("it isn't encrypted", spared.host), registries=[login])
    assert spared.requests == []


@pytest.mark.parametrize("kind", ["loop", "chain"])
def test_fault_44_redirects_without_end(judge: Judge, kind: str) -> None:
    judge.given(IMAGE)
    path = f"/v2/{judge.sides.source.repository}/blobs/{LAYER.digest}"
    if kind == "loop":
        faults = [
            judge.source.inject(LAYER_GET, "status", 307, times=ALWAYS, headers={"Location": path})
        ]
    else:
        faults = [
            judge.source.inject(LAYER_GET, "status", 302, headers={"Location": f"{path}?hop={n}"})
            for n in range(20)
        ]
    judge.refuses(*faults[:6], says=("more than 5 redirects", judge.source.host))
    assert sum(fault.hits for fault in faults) == 6


@pytest.mark.parametrize("status", [403, 400])
def test_fault_45_an_address_that_has_expired(
    judge: Judge, make_proxy: MakeProxy, status: int
) -> None:
    """The registry is asked for another one, and the rest is read there."""
    large = images.image("expired", size=5 << 19)
    layer = large.blobs[1]
    cdn = make_proxy(f"http://{judge.sides.source.host}")
    judge.spared.append(cdn)
    judge.given(large)
    match = f"GET .*/blobs/{layer.digest}"
    where = f"{cdn.url}/v2/{judge.sides.source.repository}/blobs/{layer.digest}?signed="
    for number in range(3):
        judge.source.inject(match, "status", 307, headers={"Location": f"{where}{number}"})
    cut = cdn.inject(match, "close_short", 1 << 20)
    expired = cdn.inject(match, "status", status, body=b"<Error><Code>AccessDenied</Code></Error>")
    judge.survives(cut, expired, again=False)
    assert [r.query for r in cdn.requests] == ["signed=0", "signed=1", "signed=2"]
    assert [r.header("Range") for r in cdn.requests] == [None, *[f"bytes={1 << 20}-"] * 2]
    assert cdn.requests[2].status == 206


# tokens

TOKEN = "token-of-the-strict-registry"


class Realm:
    """A registry that takes one token, and a server that is to give it."""

    def __init__(self, judge: Judge, registry: StrictRegistry, server: RecordingProxy) -> None:
        self.judge, self.registry, self.server = judge, registry, server
        repository = judge.sides.source.repository
        judge.given(IMAGE)
        registry.add(repository, IMAGE, "1")
        judge.read_from(registry)
        self.challenge(f"{server.url}/token")

    def challenge(self, realm: str) -> None:
        """Let the registry send clients there for tokens."""
        self.registry.rules.challenges = [f'Bearer realm="{realm}",service="x"']

    def give(self, body: bytes | None = None, **fields: Any) -> Any:
        """What the server answers from now on; the token, if nothing else is said."""
        self.server.heal()
        answer = to_json({"token": TOKEN, **fields}) if body is None else body
        return self.server.inject("/token", "status", 200, times=ALWAYS, body=answer)

    def mend(self) -> None:
        """All is well."""
        self.challenge(f"{self.server.url}/token")
        self.give()


@pytest.fixture
def realm(judge: Judge, make_strict: MakeStrict, make_proxy: MakeProxy) -> Realm:
    """A registry that takes one token only."""
    server = make_proxy(f"http://{judge.sides.source.host}")
    return Realm(judge, make_strict(bearer=TOKEN), server)


def _arrives(realm: Realm) -> None:
    """The image comes whole; the login was seen by the token server alone."""
    result = realm.judge.run()
    assert not result.get("failed"), result["msg"]
    realm.judge.check_arrived()
    realm.judge.check_secrets(result)
    assert realm.judge.run()["reason"] == "in_sync"


@pytest.mark.parametrize(
    ("where", "sign"),
    [
        ("http://alice:word@{host}/token", "carries credentials"),
        ("ftp://{host}/token", "not an HTTP address"),
        ("file:///etc/passwd", "not an HTTP address"),
        ("http://[broken", "invalid URL"),
    ],
)
def test_fault_46_realms_that_are_refused(realm: Realm, where: str, sign: str) -> None:
    realm.challenge(where.format(host=realm.server.host))
    result = realm.judge.run(retries=2)
    assert result["failed"] and not result["changed"]
    assert sign in result["msg"] and "word@" not in result["msg"]
    assert realm.server.requests == []
    realm.judge.check_secrets(result)
    realm.mend()
    _arrives(realm)
    assert realm.server.with_header("Authorization")


def test_fault_46_a_realm_without_tls(
    judge: Judge, make_proxy: MakeProxy, certificates: Certificates
) -> None:
    """An https registry has its tokens fetched by https."""
    side = judge.sides.source
    judge.given(IMAGE)
    secured, spared = make_proxy(f"http://{side.host}", tls=certificates), judge.source
    judge.spared.append(spared)
    judge.sides.source = Side(secured, side.host, side.repository)
    challenge = {"WWW-Authenticate": f'Bearer realm="{spared.url}/token",service="x"'}
    fault = secured.inject("manifests", "status", 401, times=ALWAYS, headers=challenge)
    login = judge.login(secured.host, plain_http=False, ca_path=str(certificates.ca))
    judge.refuses(fault, says=("the token realm", "it isn't encrypted"), registries=[login])
    assert spared.requests == []


def test_fault_47_a_realm_that_redirects(realm: Realm, make_proxy: MakeProxy) -> None:
    """It is followed, and the login stays behind."""
    other = make_proxy(realm.server.url)
    realm.judge.spared.append(other)
    other.inject("/token", "status", 200, times=ALWAYS, body=to_json({"token": TOKEN}))
    moved = {"Location": f"{other.url}/token"}
    fault = realm.server.inject("/token", "status", 302, times=ALWAYS, headers=moved)
    _arrives(realm)
    assert fault.hits and other.requests
    assert realm.server.with_header("Authorization")


NO_TOKENS = {
    "2 MB": (b'{"token": "%s"}' % (b"x" * (2 << 20)), "larger than"),
    "no token": (b"{}", "gave no token"),
    "HTML": (b"<html>welcome</html>", "isn't a JSON object"),
    "a line break": (b'{"token": "a\\r\\nX-Evil: b"}', "characters that no token has"),
    "a number": (b'{"token": 5}', "gave no token"),
}


@pytest.mark.parametrize("kind", NO_TOKENS)
def test_fault_48_answers_that_hold_no_token(realm: Realm, kind: str) -> None:
    body, sign = NO_TOKENS[kind]
    realm.give(body)
    result = realm.judge.run(retries=1)
    assert result["failed"] and sign in result["msg"] and not result["changed"]
    assert "welcome" not in result["msg"]
    realm.judge.check_secrets(result)
    realm.mend()
    _arrives(realm)


@pytest.mark.parametrize("expires", [-1, "60", None, 1e300])
def test_fault_48_odd_lifetimes(realm: Realm, expires: Any) -> None:
    """A minute is what the specification says where nothing is said."""
    fault = realm.give(expires_in=expires)
    _arrives(realm)
    assert 1 <= fault.hits <= 6
