# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    Cancelled,
    ConnectionFailed,
    ImageSyncError,
    InvalidContent,
    NotFound,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.registry_reading import (
    RegistryBlob,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport import retry
from ansible_collections.imagesync.registry.plugins.module_utils.transport.authenticator import (
    Need,
)
from ansible_collections.imagesync.registry.tests.unit.support import FakeClient, answer

CONTENT = bytes(range(100))
BLOB = Descriptor("x", digest_of(CONTENT), len(CONTENT))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)


def broken(first: int, last: int, status: int = 200, **headers: str) -> Any:
    """An answer that breaks off after some bytes."""
    found = answer(status, CONTENT[first:last], headers)
    found._raw = _Breaking(found._raw)
    return found


class _Breaking:
    """The raw response of an answer that breaks off."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, size: int, decode_content: bool = False) -> bytes:
        data: bytes = self._raw.read(min(size, 7), decode_content=decode_content)
        if not data:
            raise ConnectionResetError
        return data

    def close(self) -> None:
        self._raw.close()

    release_conn = close


def rest(first: int, last: int = 100, said: str = "") -> Any:
    """An answer with the bytes that were asked for."""
    headers = {"Content-Range": said or f"bytes {first}-99/100"}
    return answer(206, CONTENT[first:last], headers)


def read(*answers: Any, retries: int = 1) -> tuple[bytes, FakeClient]:
    client = FakeClient(list(answers), retries)
    reader = RegistryBlob(client, "a", Need("a", "pull"), BLOB)  # type: ignore[arg-type]
    try:
        return b"".join(reader), client
    finally:
        reader.close()


def ranges(client: FakeClient) -> list[str]:
    return [headers.get("Range", "") for headers in client.headers]


def test_what_broke_off_goes_on_from_there() -> None:
    content, client = read(broken(0, 40), rest(40))
    assert content == CONTENT
    assert ranges(client) == ["", "bytes=40-"]
    assert client.network.downloaded == 100
    assert client.network.retrier.count == 1


def test_a_server_without_ranges_is_read_again_and_what_was_had_passed_over() -> None:
    content, client = read(broken(0, 40), answer(200, CONTENT))
    assert content == CONTENT
    assert client.network.downloaded == 140


@pytest.mark.parametrize(
    "said",
    ["bytes 0-99/100", "bytes 41-99/100", "bytes 40-98/100", "bytes 40-99/101", "bytes */100", "x"],
)
def test_another_range_than_was_asked_for_is_not_used(said: str) -> None:
    content, client = read(broken(0, 40), rest(40, said=said), answer(200, CONTENT))
    assert content == CONTENT
    assert ranges(client) == ["", "bytes=40-", ""]


@pytest.mark.parametrize(
    "odd",
    [answer(416), answer(206, b"", {"Content-Range": "bytes 40-99/100", "Content-Length": "1"})],
)
def test_a_range_that_is_refused_or_short_is_not_used(odd: Any) -> None:
    assert read(broken(0, 40), odd, answer(200, CONTENT))[0] == CONTENT


def test_a_total_that_isnt_told_will_do() -> None:
    assert read(broken(0, 40), rest(40, said="bytes 40-99/*"))[0] == CONTENT


def test_another_etag_of_the_same_content_costs_nothing() -> None:
    """A CDN may have one for each of its servers; whether it is the same, the digest tells."""
    later = answer(206, CONTENT[40:], {"Content-Range": "bytes 40-99/100", "ETag": "b"})
    content, client = read(broken(0, 40, ETag="a"), later)
    assert content == CONTENT
    assert ranges(client) == ["", "bytes=40-"]


def test_other_content_in_the_rest_is_noticed() -> None:
    wrong = answer(206, CONTENT[:60], {"Content-Range": "bytes 40-99/100"})
    with pytest.raises(InvalidContent, match="has the digest") as caught:
        read(broken(0, 40), wrong)
    assert caught.value.transient


def test_nothing_had_yet_is_read_from_the_beginning() -> None:
    content, client = read(broken(0, 0), answer(200, CONTENT))
    assert content == CONTENT
    assert ranges(client) == ["", ""]


def test_an_end_without_an_error_is_one_all_the_same() -> None:
    content, client = read(answer(200, CONTENT[:40]), rest(40))
    assert content == CONTENT
    assert ranges(client) == ["", "bytes=40-"]


def test_an_error_after_the_last_byte_is_none() -> None:
    """The end of a chunked answer may get lost; nothing is missing then."""
    content, client = read(broken(0, 100), retries=0)
    assert content == CONTENT
    assert ranges(client) == [""]


def test_the_last_error_says_how_often_it_was_tried_and_is_final() -> None:
    with pytest.raises(ConnectionFailed) as caught:
        read(broken(0, 40), broken(40, 50, 206, **{"Content-Range": "bytes 40-99/100"}))
    assert f"reading blob {BLOB.digest} of a failed at 50 of 100 bytes" in str(caught.value)
    assert "tried 2 times in 0 s" in str(caught.value)
    assert not caught.value.transient


def test_without_retries_nothing_goes_on() -> None:
    with pytest.raises(ConnectionFailed):
        read(broken(0, 40), retries=0)


def test_progress_gives_all_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_PROGRESS", 10)
    parts = [
        broken(at, at + 10, 206, **{"Content-Range": f"bytes {at}-99/100"})
        for at in range(10, 90, 10)
    ]
    content, client = read(broken(0, 10), *parts, rest(90))
    assert content == CONTENT
    assert len(client.seen) == 10


def test_too_little_progress_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_PROGRESS", 11)
    more = broken(10, 20, 206, **{"Content-Range": "bytes 10-99/100"})
    last = broken(20, 30, 206, **{"Content-Range": "bytes 20-99/100"})
    with pytest.raises(ConnectionFailed, match="tried 3 times"):
        read(broken(0, 10), more, last, retries=2)


def test_an_answer_that_passes_is_waited_for() -> None:
    busy = RegistryError("busy", 503, transient=True)
    assert read(broken(0, 40), busy, rest(40), retries=2)[0] == CONTENT


def test_an_answer_that_stays_is_the_end() -> None:
    with pytest.raises(NotFound, match="gone"):
        read(broken(0, 40), NotFound("gone", 404), retries=5)


def test_an_address_that_has_expired_is_asked_for_again() -> None:
    expired = AccessDenied("expired", 403)
    expired.elsewhere = True
    content, client = read(broken(0, 40), expired, rest(40), retries=2)
    assert content == CONTENT
    assert len({url for _method, url in client.seen}) == 1
    with pytest.raises(AccessDenied) as caught:
        read(expired)
    assert caught.value.transient


def test_a_kept_connection_that_was_closed_is_not_counted() -> None:
    stale = ConnectionFailed("closed", True, stale=True)
    assert read(broken(0, 40), stale, rest(40), retries=1)[0] == CONTENT


def test_a_run_that_ends_does_not_go_on() -> None:
    client = FakeClient([broken(0, 40)], 5)
    reader = RegistryBlob(client, "a", Need("a", "pull"), BLOB)  # type: ignore[arg-type]
    client.network.pace.cancel()
    with pytest.raises(Cancelled):
        b"".join(reader)


def test_what_has_another_size() -> None:
    with pytest.raises(ImageSyncError, match="has 5 bytes, its descriptor says 100"):
        read(broken(0, 40), answer(200, CONTENT, {"Content-Length": "5"}))
