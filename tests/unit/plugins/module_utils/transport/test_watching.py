# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import Cancelled
from ansible_collections.imagesync.registry.plugins.module_utils.transport import watching
from ansible_collections.imagesync.registry.plugins.module_utils.transport.retry import Pace
from ansible_collections.imagesync.registry.tests.unit.clock import Clock

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


class Script:
    """A socket whose bytes come when a script says so: (seconds that it takes, bytes)."""

    def __init__(
        self, clock: Clock, script: list[tuple[float, bytes]], timeout: float = 60
    ) -> None:
        self.clock, self.script, self.timeout = clock, script, timeout

    def gettimeout(self) -> float:
        return self.timeout

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def makefile(self, _mode: str) -> Any:
        return io.BytesIO()

    def recv_into(self, buffer: Any) -> int:
        assert self.script, "it reads on"
        seconds, data = self.script[0]
        if seconds > self.timeout:
            self.clock.now += self.timeout
            self.script[0] = (seconds - self.timeout, data)
            raise socket.timeout
        self.clock.now += seconds
        part, more = data[: len(buffer)], data[len(buffer) :]
        self.script[0:1] = [(0.0, more)] if more else []
        buffer[: len(part)] = part
        return len(part)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(watching, "time", found)
    return found


def response(
    clock: Clock, *script: tuple[float, bytes], method: str = "GET", pace: Pace | None = None
) -> http.client.HTTPResponse:
    sock = Script(clock, list(script))
    return watching._Response(sock, pace or Pace(), method=method)


def test_an_ordinary_answer(clock: Clock) -> None:
    found = response(clock, (59, HEAD), (59, b"a" * 99_999), (1, b"a"))
    found.begin()
    assert (found.status, len(found.read(100_000))) == (200, 100_000)


def test_a_head_that_trickles_is_given_up(clock: Clock) -> None:
    began = clock.now
    found = response(clock, *[(1.0, b"H")] * 1000)
    with pytest.raises(socket.timeout):
        found.begin()
    assert 60 <= clock.now - began <= 61


def test_a_head_without_end_is_given_up(clock: Clock) -> None:
    found = response(clock, *[(0.0, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)] * 1000)
    with pytest.raises(http.client.HTTPException, match="no end"):
        found.begin()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


def test_a_trailer(clock: Clock) -> None:
    found = response(clock, (0.0, CHUNKED + b"X: y\r\nZ: y\r\n\r\n"))
    found.begin()
    assert found.read() == b"{}"


@pytest.mark.parametrize("line", [b"X: y\r\n", b"x" * 1000])
def test_a_trailer_without_end_is_given_up(clock: Clock, line: bytes) -> None:
    found = response(clock, (0.0, CHUNKED), *[(0.0, line * 20)] * 1000)
    found.begin()
    with pytest.raises(http.client.HTTPException, match="trailer has no end"):
        found.read()


def test_a_body_that_stops_is_given_up(clock: Clock) -> None:
    found = response(clock, (0, HEAD), (1, b"a" * 90_000), (1e9, b""))
    found.begin()
    began = clock.now
    with pytest.raises(socket.timeout):
        found.read(100_000)
    assert 60 <= clock.now - began <= 62


def test_a_body_that_trickles_is_given_up(clock: Clock) -> None:
    """A burst at the beginning hides it for one more timeout at most."""
    found = response(clock, (0, HEAD), (0, b"a" * 80_000), *[(1.0, b"a")] * 1000)
    found.begin()
    began = clock.now
    with pytest.raises(socket.timeout):
        found.read(100_000)
    assert 60 <= clock.now - began <= 121


def test_a_slow_body_that_is_fast_enough_comes_whole(clock: Clock) -> None:
    found = response(clock, (0, HEAD), *[(1.0, b"a" * 1100)] * 90, (1, b"a" * 1000))
    found.begin()
    assert len(found.read(100_000)) == 100_000


def test_the_socket_is_left_as_it_was(clock: Clock) -> None:
    """The answer to CONNECT is read by us, and then TLS is spoken on the socket by others."""
    sock = Script(clock, [(0, b"HTTP/1.1 200 OK\r\n\r\n")], 15)
    found = watching._Response(sock, Pace(), method=None)
    assert found._read_status()[1] == 200  # type: ignore[attr-defined]
    assert sock.timeout < 1
    found.close()
    assert sock.timeout == 15


def test_time_that_we_take_ourselves_does_not_count(clock: Clock) -> None:
    """A bandwidth limit, or a destination that is slow."""
    found = response(clock, (0, HEAD), *[(0.1, b"a" * 8192)] * 13)
    found.begin()
    for _unused in range(10):
        assert found.read(8192)
        clock.now += 1000


def test_a_run_that_ends_ends_a_read(clock: Clock) -> None:
    pace = Pace()
    found = response(clock, (0, HEAD), (0.1, b"a"), (1e9, b""), pace=pace)
    found.begin()
    assert found.read(1) == b"a"
    pace.cancel()
    with pytest.raises(Cancelled):
        found.read(1)


def test_a_run_that_ends_waits_for_what_became_of_a_write(clock: Clock) -> None:
    pace = Pace()
    pace.cancel()
    found = response(clock, (10, HEAD), method="PUT", pace=pace)
    found.begin()
    assert found.status == 200


def test_what_is_still_being_sent_is_waited_for(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow line may take longer for what the kernel has buffered than a server for its answer."""
    unsent = iter([250_000, 150_000, 50_000, 0])
    monkeypatch.setattr(watching, "_unsent", lambda _sock: next(unsent))
    began = clock.now
    found = response(clock, (1e9, HEAD), method="PUT")
    with pytest.raises(socket.timeout):
        found.begin()
    assert 180 <= clock.now - began <= 183


def test_what_is_hardly_sent_is_given_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    unsent = iter([250_000, 249_000])
    monkeypatch.setattr(watching, "_unsent", lambda _sock: next(unsent))
    began = clock.now
    found = response(clock, (1e9, HEAD), method="PUT")
    with pytest.raises(socket.timeout):
        found.begin()
    assert clock.now - began <= 61


def test_the_kernel_tells_what_it_has_still_to_send() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname())
        there, _address = server.accept()
        with here, there:
            assert watching._unsent(here) == 0
            here.setblocking(False)
            sent = 0
            with pytest.raises(BlockingIOError):
                while True:
                    sent += here.send(bytes(1 << 16))
            assert 0 < watching._unsent(here) <= sent


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    yield here, there
    here.close()
    there.close()


class Given:
    """A connection of urllib3, as far as it matters."""

    def __init__(self, sock: Any) -> None:
        self.sock, self.sent = sock, b""

    def send(self, data: Any) -> None:
        self.sent += data


def test_everything_is_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    data = bytes(range(256)) * (1 << 13)
    got = bytearray()
    reader = threading.Thread(target=lambda: got.extend(_read(there, len(data))))
    reader.start()
    watching.timed(Given, 60, Pace())(here).send(data)
    reader.join(10)
    assert bytes(got) == data


def _anonymous(sock: socket.socket, server: bool) -> ssl.SSLSocket:
    """TLS without certificates."""
    kind = ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(kind)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
    return context.wrap_socket(sock, server_side=server)


def test_tls_that_is_slow_to_take_is_waited_for(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call of it sends all that it is given: a large piece would look like silence."""
    monkeypatch.setattr(watching, "_GLANCE", 0.02)
    size, got = 320 << 10, bytearray()
    for sock in pair:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def take() -> None:
        with _anonymous(pair[1], True) as there:
            while len(got) < size:
                time.sleep(0.05)  # a slow line
                got.extend(_read(there, 16 << 10))

    reader = threading.Thread(target=take)
    reader.start()
    with _anonymous(pair[0], False) as here:
        watching.timed(Given, 0.5, Pace())(here).send(bytes(size))
        reader.join(10)
    assert len(got) == size


def _read(sock: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        parts.append(sock.recv(min(size, 1 << 16)))
        size -= len(parts[-1])
    return b"".join(parts)


class SlowTaker:
    """A socket to a server that takes 1000 bytes each so many seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds, self.left = clock, seconds, seconds
        self.timeout, self.taken = 0.0, 0

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def send(self, data: memoryview) -> int:
        waited = min(self.left, self.timeout)
        self.clock.now += waited
        self.left -= waited
        if self.left > 0:
            raise socket.timeout
        self.left = self.seconds
        self.taken += min(1000, len(data))
        return min(1000, len(data))


def test_a_server_that_is_slow_to_take_is_waited_for(clock: Clock) -> None:
    """The timeout is for silence: socket.sendall would have to be done within it."""
    taker, began = SlowTaker(clock, 59), clock.now
    watching._send(taker, bytes(100_000), 60, Pace())  # type: ignore[arg-type]
    assert taker.taken == 100_000
    assert clock.now - began == 5900


def test_a_server_that_is_too_slow_to_take_is_given_up(clock: Clock) -> None:
    taker = SlowTaker(clock, 61)
    with pytest.raises(socket.timeout):
        watching._send(taker, bytes(100_000), 60, Pace())  # type: ignore[arg-type]
    assert clock.now < 1000 + 61


def test_a_server_that_takes_nothing_is_given_up(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_GLANCE", 0.01)
    began = time.monotonic()
    with pytest.raises(socket.timeout):
        watching.timed(Given, 0.05, Pace())(pair[0]).send(bytes(8 << 20))
    assert time.monotonic() - began >= 0.05


def test_a_run_that_ends_ends_a_send(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_GLANCE", 0.01)
    pace = Pace()
    pace.cancel()
    with pytest.raises(Cancelled):
        watching.timed(Given, 60, pace)(pair[0]).send(bytes(8 << 20))


@pytest.mark.parametrize("sock", [None, object()])
def test_what_is_no_ordinary_socket_is_left_to_those_who_know_it(sock: Any) -> None:
    connection = watching.timed(Given, 60, Pace())(sock)
    connection.send(b"data")
    assert connection.sent == b"data"
