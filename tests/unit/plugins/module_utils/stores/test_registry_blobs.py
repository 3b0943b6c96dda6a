# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    ConnectionFailed,
    ImageSyncError,
    InvalidContent,
    RateLimited,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.base import (
    BlobReader,
    Written,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.registry_blobs import (
    RegistryBlobs,
    Use,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, FakeClient, answer

CONTENT = b"some content"
BLOB = Descriptor("x", digest_of(CONTENT), len(CONTENT))
EMPTY = Descriptor("x", digest_of(b""), 0)
BIG = Descriptor("x", digest_of(b"b" * (3 << 20)), 3 << 20)
HOME = FakeClient.home
UPLOADS = f"{HOME}/v2/a/blobs/uploads/"
SESSION = f"{UPLOADS}1?_state=x%2By=="
QUOTED = BLOB.digest.replace(":", "%3A")


class Source(BlobReader):
    """Content that counts how often it was opened and closed."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content, self.opened, self.closed = content, 0, 0

    def __call__(self) -> BlobReader:
        self.opened += 1
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter([self.content[:5], self.content[5:]])

    def close(self) -> None:
        self.closed += 1


def make(*answers: Any, retries: int = 0) -> tuple[RegistryBlobs, FakeClient]:
    """Blobs of a repository whose tag list can't be had, which so counts as in use."""
    client = FakeClient(list(answers), retries)

    def no_list() -> None:
        raise RegistryError("no tag list", 404)

    return RegistryBlobs(client, "a", no_list), client  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)


def session(location: str = SESSION) -> Any:
    return answer(202, b"", {"Location": location}, UPLOADS)


@pytest.mark.parametrize(
    ("found", "has"),
    [
        (answer(200, b"", {"Content-Length": "12"}), True),
        (answer(200), True),
        (answer(200, b"", {"Content-Length": "0"}), True),
        (answer(200, b"", {"Content-Length": "11"}), False),
        (answer(404), False),
    ],
)
def test_whether_a_blob_is_there(found: Any, has: bool) -> None:
    blobs, client = make(found)
    assert blobs.has(BLOB) is has
    assert client.seen == [("HEAD", f"{HOME}/v2/a/blobs/{BLOB.digest}")]


def test_reading() -> None:
    blobs, client = make(answer(200, CONTENT, {"Content-Length": "12"}))
    reader = blobs.open(BLOB)
    assert b"".join(reader) == CONTENT
    reader.close()
    assert client.network.downloaded == 12


def test_reading_what_has_another_size() -> None:
    with pytest.raises(InvalidContent, match="has 13 bytes, its descriptor says 12") as caught:
        make(answer(200, b"", {"Content-Length": "13"}))[0].open(BLOB)
    assert caught.value.transient


def test_reading_what_has_another_digest() -> None:
    blobs, _client = make(answer(200, CONTENT.upper()))
    with pytest.raises(InvalidContent, match="has the digest"):
        list(blobs.open(BLOB))


def test_an_upload() -> None:
    source = Source()
    blobs, client = make(session(), answer(201))
    assert blobs.write(BLOB, source, None) is Written.COPIED
    assert client.seen == [
        ("POST", f"{UPLOADS}?mount={QUOTED}&from=a"),
        ("PUT", f"{SESSION}&digest={QUOTED}"),
    ]
    assert client.sent == [CONTENT]
    assert client.network.uploaded == len(CONTENT)
    assert (source.opened, source.closed) == (1, 1)


def test_an_upload_location_without_a_query() -> None:
    blobs, client = make(session("/v2/a/blobs/uploads/1"), answer(204))
    blobs.write(BLOB, Source(), None)
    assert client.seen[1] == ("PUT", f"{UPLOADS}1?digest={QUOTED}")


def test_an_upload_without_a_location() -> None:
    with pytest.raises(RegistryError, match="without a Location"):
        make(answer(202))[0].write(BLOB, Source(), None)


def test_an_empty_blob_is_sent_with_its_length() -> None:
    blobs, client = make(session(), answer(201))
    assert blobs.write(EMPTY, Source(b""), None) is Written.COPIED
    assert client.sent == [b""]


def test_a_mount() -> None:
    source = Source()
    blobs, client = make(answer(201))
    assert blobs.write(BLOB, source, "lib/base") is Written.MOUNTED
    assert client.seen == [("POST", f"{UPLOADS}?mount={QUOTED}&from=lib%2Fbase")]
    assert client.needs[0].scopes() == ("repository:a:pull,push", "repository:lib/base:pull")
    assert source.opened == 0


def test_a_blob_that_is_there() -> None:
    blobs, client = make(answer(201))
    assert blobs.write(BLOB, Source(), None) is Written.PRESENT
    assert client.seen == [("POST", f"{UPLOADS}?mount={QUOTED}&from=a")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_a_refused_mount_becomes_an_upload(status: int) -> None:
    blobs, client = make(RegistryError("no", status), session(), answer(201))
    assert blobs.write(BLOB, Source(), "lib") is Written.COPIED
    assert client.seen[1] == ("POST", UPLOADS)


@pytest.mark.parametrize(
    "error", [RateLimited("slow", 429), RegistryError("no", 500), RegistryError("busy", 503)]
)
def test_other_failures_of_a_mount_are_failures(error: RegistryError) -> None:
    with pytest.raises(RegistryError):
        make(error)[0].write(BLOB, Source(), "lib")


def test_push_denied_is_told_before_the_source_is_read() -> None:
    source = Source()
    blobs, _client = make(AccessDenied("no", 403), AccessDenied("push denied", 403))
    with pytest.raises(AccessDenied, match="push denied"):
        blobs.write(BLOB, source, None)
    assert source.opened == 0


@pytest.mark.parametrize(("use", "asks"), [(Use.USED, True), (Use.UNKNOWN, True), (Use.NEW, False)])
def test_a_big_blob_is_looked_for_where_it_may_be(use: Use, asks: bool) -> None:
    there = answer(200, b"", {"Content-Length": str(BIG.size)})
    blobs, client = make(session(), *([there, answer(204)] if asks else [answer(201)]))
    blobs.use = use
    written = blobs.write(BIG, Source(b"b" * BIG.size), None)
    assert written is (Written.PRESENT if asks else Written.COPIED)
    methods = [method for method, _url in client.seen]
    assert methods == (["POST", "HEAD", "DELETE"] if asks else ["POST", "PUT"])


def test_a_registry_that_does_not_find_its_own_blobs_is_asked_by_head() -> None:
    there = answer(200, b"", {"Content-Length": str(BIG.size)})
    blobs, client = make(session(), there, answer(204), there, answer(404), session(), answer(201))
    blobs.use = Use.USED
    assert blobs.write(BIG, Source(), None) is Written.PRESENT
    assert not client.finds_own_blobs
    assert blobs.write(BIG, Source(), None) is Written.PRESENT
    assert blobs.write(BLOB, Source(), None) is Written.COPIED
    assert [method for method, _url in client.seen[3:]] == ["HEAD", "HEAD", "POST", "PUT"]


def test_a_failed_upload_begins_anew() -> None:
    source = Source()
    blobs, client = make(
        session(), ConnectionFailed("reset"), answer(404), session(f"{UPLOADS}2"), answer(201),
        retries=1,
    )  # fmt: skip
    assert blobs.write(BLOB, source, None) is Written.COPIED
    assert [method for method, _url in client.seen] == ["POST", "PUT", "HEAD", "POST", "PUT"]
    assert client.seen[3] == ("POST", UPLOADS)
    assert client.seen[4] == ("PUT", f"{UPLOADS}2?digest={QUOTED}")
    assert source.opened == source.closed == 2


def test_an_upload_whose_answer_was_lost_is_not_sent_again() -> None:
    source = Source()
    there = answer(200, b"", {"Content-Length": "12"})
    blobs, client = make(session(), ConnectionFailed("reset"), there, retries=1)
    assert blobs.write(BLOB, source, None) is Written.COPIED
    assert [method for method, _url in client.seen] == ["POST", "PUT", "HEAD"]
    assert source.opened == 1


def test_a_source_that_fails_ends_the_session() -> None:
    class Broken(Source):
        def __iter__(self) -> Iterator[bytes]:
            raise InvalidContent("damaged")

    source = Broken()
    blobs, client = make(session(), answer(204))
    with pytest.raises(InvalidContent, match="damaged"):
        blobs.write(BLOB, source, None)
    assert client.seen[-1] == ("DELETE", SESSION)
    assert client.sent == []


def test_the_sources_error_counts_even_if_the_session_stays() -> None:
    def source() -> BlobReader:
        raise ImageSyncError("source is gone")

    blobs, _client = make(session(), RegistryError("no", 500))
    with pytest.raises(ImageSyncError, match="source is gone"):
        blobs.write(BLOB, source, None)


@pytest.mark.parametrize(
    ("stored", "fine"),
    [("", True), (BLOB.digest, True), ("sha512:" + "a" * 128, True), (A, False)],
)
def test_what_the_registry_says_it_stored(stored: str, fine: bool) -> None:
    blobs, _client = make(session(), answer(201, b"", {"Docker-Content-Digest": stored}))
    if fine:
        assert blobs.write(BLOB, Source(), None) is Written.COPIED
    else:
        with pytest.raises(InvalidContent, match="was stored as"):
            blobs.write(BLOB, Source(), None)


def cut(host: str = FakeClient.host) -> ConnectionFailed:
    error = ConnectionFailed(f"{host} broke the connection")
    error.host = host
    return error


@pytest.mark.parametrize(("use", "hinted"), [(Use.NEW, True), (Use.USED, False)])
def test_a_repository_that_is_not_there_may_be_why_nothing_was_answered(
    use: Use, hinted: bool
) -> None:
    blobs, _client = make(cut())
    blobs.use = use
    with pytest.raises(ConnectionFailed) as caught:
        blobs.write(BLOB, Source(), None)
    assert ("the repository a doesn't exist there yet" in str(caught.value)) is hinted


def test_what_breaks_later_or_elsewhere_has_another_reason() -> None:
    for answers in ([session(), cut()], [cut("source.example")]):
        blobs, _client = make(*answers)
        blobs.use = Use.NEW
        with pytest.raises(ConnectionFailed) as caught:
            blobs.write(BLOB, Source(), None)
        assert "doesn't exist" not in str(caught.value)
