# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that notice when a server is too slow, or when the run is ending.

A socket's own timeout begins anew with every byte: who sends one now and then holds a connection
for ever. Here the head of an answer has to be complete within the timeout, and its body has to
come at a certain rate. Only the time that is spent waiting counts, so neither a bandwidth limit
nor a slow destination is taken for a slow source.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import io
import socket
import ssl
import sys
import termios
import time
from typing import Any

from .retry import Pace

#: a body that comes with fewer bytes a second than this, over the whole timeout, has stalled
SLOWEST = 1024
#: seconds after which a thread that waits looks whether the run is ending
_GLANCE = 0.5
#: http.client reads on through any number of "100 Continue"
_LONGEST_HEAD = 512 << 10
#: nor does it count the lines after the last chunk
_MOST_TRAILERS = 100
_LONGEST_LINE = 64 << 10
_PIECE = 256 << 10
#: TLS says nothing until all of a piece was taken; its records have as much
_RECORD = 16 << 10


def timed(kind: type[Any], timeout: float, pace: Pace) -> type[Any]:
    """A class of connections as ``kind`` (of urllib3) makes them, that keep time.

    ``timeout``: seconds without a byte taken by the server; for what it sends, that of the socket.
    """

    class Timed(kind):  # type: ignore[misc]
        """One connection."""

        _answer: http.client.HTTPResponse | None = None

        def send(self, data: Any) -> None:
            """Sends all of the data; socket.sendall would have to be done within one timeout."""
            if not isinstance(self.sock, socket.socket) or not isinstance(data, (bytes, bytearray)):
                super().send(data)
                return
            _send(self.sock, data, timeout, pace)

        def response_class(self, sock: Any, *args: Any, **named: Any) -> http.client.HTTPResponse:
            """What http.client makes of the socket to read an answer."""
            self._answer = _Response(sock, pace, *args, **named)
            return self._answer

        def _tunnel(self) -> None:
            """Before Python 3.12, a proxy's refusal keeps the socket open until it is collected."""
            try:
                super()._tunnel()
            finally:
                if self._answer is not None:
                    self._answer.close()
                    self._answer = None

    return Timed


def _send(sock: socket.socket, data: bytes | bytearray, timeout: float, pace: Pace) -> None:
    left = memoryview(data)
    sock.settimeout(min(timeout, _GLANCE))
    moved = time.monotonic()
    piece = _RECORD if isinstance(sock, ssl.SSLSocket) else _PIECE
    while left:
        try:
            left = left[sock.send(left[:piece]) :]
            moved = time.monotonic()
        except socket.timeout:  # TimeoutError from Python 3.10 on
            pace.check()
            if time.monotonic() - moved >= timeout:
                raise


def _unsent(sock: Any) -> int:
    """How many bytes the kernel has still to send, as far as it tells."""
    try:
        told = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError):
        return 0
    return int.from_bytes(told, sys.byteorder)


class _Response(http.client.HTTPResponse):
    """An answer of which first the head is read, in one go, and then the body."""

    def __init__(self, sock: Any, pace: Pace, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        # a write may have been done when its answer comes: that has to be known
        reads = named.get("method") in ("GET", "HEAD")
        self._flow = _Flow(self.fp, sock, pace, reads)
        self.fp = io.BufferedReader(self._flow)

    def begin(self) -> None:
        """Reads the head."""
        super().begin()
        self._flow.in_head = False

    def _read_and_discard_trailer(self) -> None:
        """Reads what follows the last chunk (RFC 9112, 7.1.2), as long as there is an end to it."""
        for _unused in range(_MOST_TRAILERS):
            line = self.fp.readline(_LONGEST_LINE)
            if line in (b"\r\n", b"\n", b""):
                return
        raise http.client.HTTPException("the answer's trailer has no end")


class _Flow(io.RawIOBase):
    """The bytes of one answer, as they come from a socket.

    Raises socket.timeout for a server that is too slow, and Cancelled when the run is ending.
    """

    def __init__(self, file: Any, sock: Any, pace: Pace, reads: bool) -> None:
        """``file``: what keeps the socket open until the answer is read."""
        super().__init__()
        self._file, self._sock, self._pace, self._reads = file, sock, pace, reads
        self._limit: float = sock.gettimeout() or float("inf")
        self.in_head = True
        self._head_until = time.monotonic() + self._limit
        self._unsent = 0 if reads else _unsent(sock)
        self._head_size = 0
        #: of the time that is looked at now: seconds spent waiting, bytes that came
        self._waited, self._came = 0.0, 0
        sock.settimeout(min(self._limit, _GLANCE))

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As any raw file does it."""
        began = time.monotonic()
        while True:
            if self._reads or not self.in_head:
                self._pace.check()
            try:
                count: int = self._sock.recv_into(buffer)
            except socket.timeout:  # TimeoutError from Python 3.10 on
                self._check(time.monotonic() - began)
                continue
            self._count(count, time.monotonic() - began)
            return count

    def _check(self, waited: float) -> None:
        """Nothing has come for so long."""
        if self.in_head:
            self._check_head()
        elif waited >= self._limit or self._has_stalled(waited):
            raise socket.timeout("timed out")

    def _count(self, count: int, waited: float) -> None:
        if self.in_head:
            self._head_size += count
            if self._head_size > _LONGEST_HEAD:
                raise http.client.HTTPException("the head of the answer has no end")
            self._check_head()
            return
        self._waited += waited
        self._came += count
        if count and self._has_stalled(0.0):
            raise socket.timeout("timed out")
        if self._waited >= self._limit:
            self._waited, self._came = 0.0, 0

    def _check_head(self) -> None:
        if time.monotonic() < self._head_until:
            return
        # what was sent may still be on its way, and nobody answers before all of it is there
        left = _unsent(self._sock) if self._unsent else 0
        if self._unsent - left < self._limit * SLOWEST:
            raise socket.timeout("timed out")
        self._unsent = left
        self._head_until = time.monotonic() + self._limit

    def _has_stalled(self, waited: float) -> bool:
        too_long = self._waited + waited >= self._limit
        return too_long and self._came < self._limit * SLOWEST

    def close(self) -> None:
        """Lets go of the socket, as it was: through a proxy, TLS is to be spoken on it next."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self._sock.settimeout(None if self._limit == float("inf") else self._limit)
            self._file.close()
        super().close()
