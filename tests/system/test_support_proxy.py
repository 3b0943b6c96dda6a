# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kit: the proxy passes everything, records it, and does exactly the harm it is told."""

from __future__ import annotations

import http.client
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest
import requests

from tests.support import push, skopeo
from tests.support.certificates import Certificates
from tests.support.content import Blob, sha256
from tests.support.faults import ALWAYS, Fault
from tests.support.images import image, multi_platform
from tests.support.proxy import MakeProxy, RecordingProxy
from tests.support.registries import DockerRegistry
from tests.support.waiting import wait_until

BLOB = Blob(bytes(range(256)) * 16, "application/octet-stream")


@pytest.fixture
def there(source: RecordingProxy, repo: str) -> Iterator[push.Repository]:
    """A repository behind the proxy that holds BLOB; nothing recorded yet."""
    with push.Repository(source.host, repo) as repository:
        repository.put_blob(BLOB)
        source.clear()
        yield repository


def test_it_passes_and_counts(source: RecordingProxy, repo: str) -> None:
    content = multi_platform()
    ref = f"{source.host}/{repo}:1"
    push.push(content, ref)
    assert source.methods() == {
        ("HEAD", "blob"): 4,
        ("POST", "upload"): 4,
        ("PUT", "upload"): 4,
        ("PUT", "manifest"): 3,
    }
    assert source.bytes_up() == content.size
    assert [str(request.status)[0] for request in source.writes()] == ["2"] * 11
    source.clear()
    push.verify_whole(ref)
    assert source.bytes_down() == content.size
    assert source.count("GET", "manifest") == 3
    assert not source.writes()
    assert skopeo.verify_whole(ref) == content.digest


def test_records_tell_what_was_asked(source: RecordingProxy, repo: str) -> None:
    url = f"{source.url}/v2/{repo}/tags/list?n=5&last=a%2Bb"
    requests.get(url, headers={"X-Canary": "secret"}, timeout=10)
    (seen,) = source.requests
    assert (seen.kind, seen.repo, seen.query) == ("tags", repo, "n=5&last=a%2Bb")
    assert seen.params == {"n": "5", "last": "a+b"}
    assert seen.header("x-canary") == "secret"
    assert source.saw("secret") == source.with_header("X-Canary") == [seen]
    assert (seen.status, str(seen)) == (404, f"GET {seen.target} -> 404")


def test_a_connection_is_kept_and_repeated_headers_too(source: RecordingProxy) -> None:
    connection = http.client.HTTPConnection(source.host, timeout=10)
    for _unused in range(2):
        connection.putrequest("GET", "/v2/")
        connection.putheader("Accept", "a/b")
        connection.putheader("Accept", "c/d")
        connection.endheaders()
        used = connection.sock
        assert connection.getresponse().read() == b"{}"
        assert connection.sock is used
    connection.close()
    assert source.requests[1].header("Accept") == "a/b, c/d"


def test_large_bodies_stream(source: RecordingProxy, repo: str) -> None:
    blob = Blob(bytes(24 << 20), "application/octet-stream")
    with push.Repository(source.host, repo) as repository:
        tracemalloc.start()
        repository.put_blob(blob)
        url = f"{source.url}/v2/{repo}/blobs/{blob.digest}"
        with repository.session.get(url, stream=True, timeout=10) as answer:
            size = sum(len(piece) for piece in answer.iter_content(1 << 16))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size == len(blob.data)
    assert peak < 8 << 20
    assert source.bytes_up() == source.bytes_down() == size


def test_a_chunked_body_arrives_whole(there: push.Repository, source: RecordingProxy) -> None:
    pieces = [b"one", b"two"]
    digest = sha256(b"onetwo")
    begun = there.call("POST", "blobs/uploads/", (202,))
    assert begun.headers["Location"].startswith(source.url)
    there.call("PUT", f"{begun.headers['Location']}&digest={digest}", (201,), data=iter(pieces))
    assert there.blob(digest) == b"onetwo"


@pytest.mark.parametrize(
    ("action", "arg"), [("rst_before", 0), ("truncate", 10), ("close_short", 10), ("rst_after", 0)]
)
def test_answers_that_are_cut(
    there: push.Repository, source: RecordingProxy, action: str, arg: int
) -> None:
    fault = source.inject("GET .*/blobs/", action, arg)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        there.blob(BLOB.digest)
    assert (fault.hits, source.requests[0].fault) == (1, action)
    assert there.blob(BLOB.digest) == BLOB.data


def test_a_corrupt_byte_and_a_wrong_length(there: push.Repository, source: RecordingProxy) -> None:
    source.inject("GET .*/blobs/", "corrupt", 5)
    data = there.blob(BLOB.digest)
    assert [i for i, (a, b) in enumerate(zip(data, BLOB.data, strict=True)) if a != b] == [5]
    source.inject("GET .*/blobs/", "wrong_length", 6)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        there.blob(BLOB.digest)
    # Last: the client believes that this connection is still good.
    source.inject("GET .*/blobs/", "wrong_length", -6)
    assert there.blob(BLOB.digest) == BLOB.data[:-6]


def test_statuses_skip_and_times(there: push.Repository, source: RecordingProxy) -> None:
    headers = {"Retry-After": "1"}
    fault = source.inject(
        "HEAD .*/blobs/", "status", 429, skip=1, times=2, headers=headers, body=b"slow down"
    )
    statuses = []
    for _unused in range(4):
        answer = there.call("HEAD", f"blobs/{BLOB.digest}", (200, 429))
        statuses.append((answer.status_code, answer.headers.get("Retry-After")))
    assert statuses == [(200, None), (429, "1"), (429, "1"), (200, None)]
    assert fault.hits == 2
    source.inject("", "status", 307, times=ALWAYS, headers={"Location": "http://127.0.0.1:1/x"})
    answer = there.call("GET", "tags/list", (307,), allow_redirects=False)
    assert answer.headers["Location"] == "http://127.0.0.1:1/x"
    source.heal()
    assert there.has_blob(BLOB.digest)


def test_what_happened_although_the_answer_says_otherwise(
    there: push.Repository, source: RecordingProxy
) -> None:
    content = image()
    source.inject("PUT .*/manifests/", "status_after", 500)
    with pytest.raises(RuntimeError, match="500"):
        there.put(content, "1")
    assert there.tags() == ["1"]


def test_an_upload_that_breaks_leaves_nothing(
    there: push.Repository, source: RecordingProxy
) -> None:
    blob = Blob(b"y" * 500_000, "application/octet-stream")
    fault = source.inject("PUT .*/uploads/", "rst_body", 1000)
    with pytest.raises(requests.ConnectionError):
        there.put_blob(blob)
    assert fault.hits == 1
    assert not there.has_blob(blob.digest)
    there.put_blob(blob)
    assert there.has_blob(blob.digest)


def test_an_answer_before_the_body_was_read(there: push.Repository, source: RecordingProxy) -> None:
    source.inject("PUT .*/uploads/", "early_status", 401)
    with pytest.raises((RuntimeError, requests.ConnectionError)):
        there.put_blob(Blob(b"z" * 100, "application/octet-stream"))
    assert source.requests[-1].bytes_in == 0


def test_headers_are_dropped_and_set(there: push.Repository, source: RecordingProxy) -> None:
    name = "Docker-Content-Digest"
    source.inject("HEAD", "drop_header", name)
    source.inject("HEAD", "set_header", headers={name: "sha256:other"})
    answers = [there.call("HEAD", f"blobs/{BLOB.digest}", (200,)) for _unused in range(3)]
    assert [a.headers.get(name) for a in answers] == [None, "sha256:other", BLOB.digest]


def test_time_passes(there: push.Repository, source: RecordingProxy) -> None:
    source.inject("GET", "slow", 1024, pause=0.02)
    source.inject("HEAD", "delay", 0.05)
    source.inject("DELETE", "hang", 0.05)
    begin = time.monotonic()
    assert there.blob(BLOB.digest) == BLOB.data
    assert time.monotonic() - begin > 0.06
    assert there.has_blob(BLOB.digest)
    assert time.monotonic() - begin > 0.11
    with pytest.raises(requests.ConnectionError):
        there.call("DELETE", f"blobs/{BLOB.digest}", ())


def test_latency_and_peak(source: RecordingProxy) -> None:
    source.latency = 0.1
    options = {"timeout": 10}
    begin = time.monotonic()
    asking = [
        threading.Thread(target=requests.get, args=(f"{source.url}/v2/",), kwargs=options)
        for _unused in range(4)
    ]
    for thread in asking:
        thread.start()
    wait_until(lambda: source.peak == 4, "four requests at once")
    for thread in asking:
        thread.join()
    assert 0.1 <= time.monotonic() - begin < 5


def test_a_call_comes_before_the_request(
    there: push.Repository, source: RecordingProxy, source_registry: DockerRegistry, repo: str
) -> None:
    ref = f"{source_registry.host}/{repo}:moved"
    fault = source.inject("GET .*/manifests/", "pass", call=lambda: push.push(image("new"), ref))
    assert sha256(there.manifest("moved").content) == image("new").digest
    assert fault.hits == 1


def test_unknown_faults_and_servers_are_refused() -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Fault("GET", "explode")
    with pytest.raises(ValueError, match="not a plain HTTP server"):
        RecordingProxy("https://registry.example")


def test_it_speaks_tls_to_clients(
    source_registry: DockerRegistry, make_proxy: MakeProxy, certificates: Certificates, repo: str
) -> None:
    proxy = make_proxy(source_registry.url, tls=certificates)
    push.push(image(), f"{source_registry.host}/{repo}:1")
    assert push.digest_of(proxy.host, repo, "1", verify=certificates.ca) == image().digest
    ref = f"{proxy.host}/{repo}:1"
    assert skopeo.raw_digest(ref, cert_dir=certificates.cert_dir) == image().digest
    with pytest.raises(requests.exceptions.SSLError):
        push.tags(proxy.host, repo, verify=certificates.other_ca)


def test_a_dead_registry_is_a_broken_connection(make_proxy: MakeProxy) -> None:
    with DockerRegistry() as registry:
        proxy = make_proxy(registry.url)
        with requests.Session() as session:
            assert session.get(f"{proxy.url}/v2/", timeout=10).ok
            registry.kill()
            with pytest.raises(requests.ConnectionError):
                session.get(f"{proxy.url}/v2/", timeout=10)
            registry.restart()
            assert session.get(f"{proxy.url}/v2/", timeout=10).ok
