# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection through the proxy: the request up, the answer down, a fault in between."""

from __future__ import annotations

import http.client
import select
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .faults import Fault, corrupt, first_bytes, small_pieces
from .records import Request
from .servers import CHUNK, Handler

if TYPE_CHECKING:
    from .proxy import RecordingProxy

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "expect"}


class ProxyHandler(Handler):
    """One client, with its own connection to the registry."""

    def __init__(self, owner: RecordingProxy, *args: Any) -> None:
        """Serve a connection of this proxy."""
        self.owner = owner
        self._upstream: http.client.HTTPConnection | None = None
        super().__init__(*args)

    def finish(self) -> None:
        """Close both sides."""
        self._hang_up()
        super().finish()

    def do_request(self) -> None:
        """Pass one request on, or do what a fault says."""
        record = self.owner.begin(self.command, self.path, self.headers.items())
        try:
            self.owner.hold(self.owner.latency)
            fault = self.owner.pick(record)
            if fault is None or not self._early(record, fault):
                self._pass_on(record, fault)
        except BaseException:
            self._hang_up()
            raise
        finally:
            self.owner.end()

    def _early(self, record: Request, fault: Fault) -> bool:
        """Do what needs no registry; False when the request is to go on."""
        if fault.action == "rst_before":
            self.reset()
        elif fault.action == "rst_body":
            self._send_up(record, fault.number)
            if fault.after:
                fault.after()
            self._hang_up()
            self.reset()
        elif fault.action in ("hang", "slow_head", "flood"):
            self._keep_waiting(fault)
            self.close_connection = True
        elif fault.action == "early_status":
            self.close_connection = True
            self._scripted(record, fault)
        elif fault.action == "status":
            for piece in self._body():
                record.bytes_in += len(piece)
            self._scripted(record, fault)
        else:
            return False
        return True

    def _keep_waiting(self, fault: Fault) -> None:
        """Answer with nothing, or with what is as good as nothing."""
        if fault.action == "hang":
            self.owner.hold(float(fault.arg))
        elif fault.action == "flood":
            for _unused in range(fault.number):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            until = time.monotonic() + float(fault.arg)
            while time.monotonic() < until and not self.owner.stopping.is_set():
                self.wfile.write(b"a")
                self.wfile.flush()
                self.owner.hold(fault.pause)

    def _pass_on(self, record: Request, fault: Fault | None) -> None:
        """Ask the registry, and answer with what it said or what is left of it."""
        action = fault.action if fault else ""
        if fault and action == "delay":
            self.owner.hold(float(fault.arg))
        try:
            response = self._send_up(record)
        except OSError:  # the registry is down, or was killed meanwhile
            record.status = 502
            self.reset()
            return
        assert response is not None
        if fault and action in ("rst_after", "status_after"):
            response.read()
            if fault.after:
                fault.after()
            if action == "rst_after":
                self.reset()
            else:
                self._scripted(record, fault)
            return
        self._send_down(record, response, fault)
        if fault and action == "hang_up":
            self.close_connection = True
        if response.will_close:
            self._hang_up()

    def _scripted(self, record: Request, fault: Fault) -> None:
        """The answer that the fault holds."""
        record.status = fault.number
        headers = [("Content-Length", str(len(fault.body)))]
        headers = [h for h in headers if h[0] not in fault.headers] + [*fault.headers.items()]
        if self.close_connection:
            headers.append(("Connection", "close"))
        self.send_head(record.status, headers)
        if self.command != "HEAD":
            record.bytes_out += len(fault.body)
            self.wfile.write(fault.body)

    # The way up

    def _connection(self) -> http.client.HTTPConnection:
        """A connection to the registry that is still good."""
        if self._upstream is not None:
            if not select.select([self._upstream.sock], [], [], 0)[0]:
                return self._upstream
            self._hang_up()
        self._upstream = http.client.HTTPConnection(*self.owner.upstream, timeout=60)
        self._upstream.connect()
        return self._upstream

    def _hang_up(self) -> None:
        """Close the connection to the registry."""
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    @property
    def _chunked(self) -> bool:
        return "chunked" in (self.headers.get("Transfer-Encoding") or "").lower()

    def _body(self) -> Iterator[bytes]:
        """The request's body as it comes in."""
        if self._chunked:
            yield from self._chunks()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.read_exactly(min(left, CHUNK))
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        """The pieces of a chunked body."""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            piece = self.read_exactly(size)
            self.rfile.readline()
            if not size:
                return
            yield piece

    def _send_up(
        self, record: Request, limit: int | None = None
    ) -> http.client.HTTPResponse | None:
        """Send the request on; None when only the first bytes of its body were to go."""
        upstream = self._connection()
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                upstream.putheader(name, value)
        if self._chunked:
            upstream.putheader("Transfer-Encoding", "chunked")
        upstream.endheaders()
        if limit is not None:
            for piece in first_bytes(self._body(), limit):
                record.bytes_in += len(piece)
                upstream.send(piece)
            return None
        self._send_body_up(record, upstream)
        return upstream.getresponse()

    def _send_body_up(self, record: Request, upstream: http.client.HTTPConnection) -> None:
        """Send the body on; a registry that stops listening has an answer ready."""
        listening = True
        for piece in self._body():
            record.bytes_in += len(piece)
            if listening:
                framed = b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece
                try:
                    upstream.send(framed)
                except (BrokenPipeError, ConnectionResetError):
                    listening = False
        if self._chunked and listening:
            upstream.send(b"0\r\n\r\n")

    # The way down

    def _send_down(
        self, record: Request, response: http.client.HTTPResponse, fault: Fault | None
    ) -> None:
        """Stream the answer to the client, harmed where the fault says so."""
        record.status = response.status
        headers = [(n, v) for n, v in response.headers.items() if n.lower() not in HOP_BY_HOP]
        if self.close_connection:
            headers.append(("Connection", "close"))
        pieces = iter(lambda: response.read(CHUNK), b"")
        empty = self.command == "HEAD" or response.status in (204, 304)
        length = None if empty else response.length
        if fault:
            if length is None and not empty:
                data = response.read()
                pieces, length = iter([data]), len(data)
                headers.append(("Content-Length", str(length)))
            headers = self._harm_head(headers, fault)
            pieces = self._harm_body(pieces, length or 0, fault)
        chunked = length is None and not empty
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        self.send_head(record.status, headers)
        self._send_pieces(record, pieces, chunked, flush=fault is not None)
        if fault and fault.action == "truncate":
            self.wfile.flush()
            self.reset()

    def _send_pieces(
        self, record: Request, pieces: Iterator[bytes], chunked: bool, flush: bool
    ) -> None:
        """Write the body; count before, so that no client knows more than the record.

        The last byte stays in the buffer until the request is counted as done with: whoever has
        all of the answer may send the next request at once.
        """
        for piece in pieces:
            record.bytes_out += len(piece)
            data = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
            self.wfile.write(data[:-1])
            self.wfile.write(data[-1:])
            if flush:
                self.wfile.flush()
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _harm_head(self, headers: list[tuple[str, str]], fault: Fault) -> list[tuple[str, str]]:
        """The answer's headers after the fault."""
        if fault.action in ("truncate", "close_short", "wrong_length"):
            self.close_connection = True
        if fault.action == "wrong_length":
            return [
                (n, str(int(v) + fault.number) if n.lower() == "content-length" else v)
                for n, v in headers
            ]
        return fault.rewrite(headers)

    def _harm_body(self, pieces: Iterator[bytes], length: int, fault: Fault) -> Iterator[bytes]:
        """The answer's body after the fault."""
        if fault.action in ("truncate", "close_short"):
            return first_bytes(pieces, fault.number)
        if fault.action == "corrupt" and length:
            return corrupt(pieces, fault.number % length)
        if fault.action == "slow":
            return small_pieces(pieces, fault.number, lambda: self.owner.hold(fault.pause))
        return pieces
