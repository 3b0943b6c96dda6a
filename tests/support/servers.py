# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The in-process HTTP/1.1 server that the proxy, the token server and the strict registry are."""

from __future__ import annotations

import contextlib
import functools
import socket
import socketserver
import ssl
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeVar

from .certificates import Certificates
from .records import Recorder

Self = TypeVar("Self", bound="LocalServer")  # typing has it since Python 3.11

CHUNK = 1 << 16
TLS_HELLO = b"\x16"
GONE = (ConnectionError, TimeoutError, ssl.SSLError)


class _Sockets(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread per connection; knows its open connections, so that stop() can end them."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, handler: Callable[..., Any], errors: list[str]) -> None:
        self.errors = errors
        self.live: set[Any] = set()
        super().__init__(("127.0.0.1", 0), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.live.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.live.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], GONE):
            self.errors.append(traceback.format_exc())

    def end_connections(self) -> None:
        for connection in list(self.live):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class LocalServer(Recorder):
    """A server on a free loopback port, with a record of its requests; use it as a context."""

    def __init__(
        self,
        handler: Callable[..., BaseHTTPRequestHandler],
        tls: Certificates | None = None,
        client_ca: bool = False,
    ) -> None:
        """Listen, with TLS when certificates are given; requests are served after start()."""
        super().__init__()
        self.errors: list[str] = []
        self.stopping = threading.Event()
        self._sockets = _Sockets(functools.partial(handler, self), self.errors)
        if tls:
            self._sockets.socket = tls.server_context(client_ca).wrap_socket(
                self._sockets.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._sockets.socket.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self._thread = threading.Thread(target=self._sockets.serve_forever, args=(0.02,))
        self._thread.daemon = True

    def start(self: Self) -> Self:
        """Serve from now on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection and give the port back."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self._thread.is_alive():
            self._sockets.shutdown()
            self._thread.join()
        self._sockets.server_close()
        self._sockets.end_connections()

    def __enter__(self: Self) -> Self:
        """Serve inside the with block."""
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        """Stop at its end."""
        self.stop()


class Handler(BaseHTTPRequestHandler):
    """One connection: keeps it alive, speaks no Server header, logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_args: Any) -> None:
        """Say nothing; the records are the log."""

    def handle(self) -> None:
        """Refuse TLS on a plain port at once, so that clients that try it first go on."""
        if not isinstance(self.connection, ssl.SSLSocket) and self._is_hello():
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\nthis port speaks plain HTTP\n")
            return
        with contextlib.suppress(*GONE):
            super().handle()

    def _is_hello(self) -> bool:
        """Whether the first byte begins a TLS handshake."""
        try:
            return bool(self.rfile.peek(1)[:1] == TLS_HELLO)  # type: ignore[attr-defined]
        except GONE:
            return False

    def finish(self) -> None:
        """Close the files, whether or not the client is still there."""
        with contextlib.suppress(OSError):
            super().finish()
        self.rfile.close()

    def do_request(self) -> None:
        """Answer one request, whatever its method."""
        raise NotImplementedError

    def _do(self) -> None:
        self.do_request()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_OPTIONS = _do

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def send_head(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the status line and exactly these headers."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def read_exactly(self, size: int) -> bytes:
        """Read this much of the body; a client that leaves earlier is an error."""
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionResetError("the client left in the middle of its request")
        return data
