# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy as companies have them: CONNECT for HTTPS, whole URLs for plain HTTP, a login perhaps."""

from __future__ import annotations

import base64
import contextlib
import http.client
import select
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .certificates import Certificates
from .forwarding import HOP_BY_HOP
from .records import Request
from .servers import CHUNK, Handler, LocalServer


class ForwardProxy(LocalServer):
    """Leads to any host, and records what it was asked.

    ``hosts``: where names lead that no resolver knows, ``host[:port]`` to ``host:port``.
    ``login``: (user, password), without which it answers 407. ``answer``: what it says to
    everybody instead, an HTTP status, or 0 to hang up; ``reason``: the words beside that.
    """

    def __init__(
        self,
        hosts: Mapping[str, str] | None = None,
        login: tuple[str, str] | None = None,
        tls: Certificates | None = None,
    ) -> None:
        """Listen on a free port of loopback."""
        super().__init__(_ForwardHandler, tls)
        self.hosts = dict(hosts or {})
        self.login = login
        self.answer: int | None = None
        self.reason: str | None = None

    def reached(self) -> list[str]:
        """The hosts that were asked for, each once, in their order."""
        return list(dict.fromkeys(_host_of(request) for request in self.requests))

    def lets_in(self, shown: str | None) -> bool:
        """Whether this Proxy-Authorization will do."""
        pair = ":".join(self.login or ()).encode()
        return self.login is None or shown == f"Basic {base64.b64encode(pair).decode()}"


def _host_of(request: Request) -> str:
    return request.target if request.method == "CONNECT" else urlsplit(request.target).netloc


class _ForwardHandler(Handler):
    """One client."""

    def __init__(self, owner: ForwardProxy, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        try:
            record.status = self._refused()
            if self.owner.answer == 0:
                self.close_connection = True
            elif record.status:
                self.close_connection = True
                self.send_response_only(record.status, self.owner.reason)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()
            elif self.command == "CONNECT":
                self._tunnel(record)
            else:
                self._forward(record)
        finally:
            self.owner.end()

    do_CONNECT = do_request

    def _refused(self) -> int:
        if self.owner.answer is not None:
            return self.owner.answer
        return 0 if self.owner.lets_in(self.headers.get("Proxy-Authorization")) else 407

    def _place(self, name: str, port: int) -> tuple[str, int]:
        found = self.owner.hosts.get(name) or self.owner.hosts.get(name.partition(":")[0]) or name
        host, _colon, given = found.partition(":")
        return host, int(given or port)

    def _tunnel(self, record: Request) -> None:
        record.status = 200
        self.close_connection = True
        with socket.create_connection(self._place(self.path, 443), 20) as there:
            self.send_head(200, [])
            self.wfile.flush()
            ends = {self.connection: there, there: self.connection}
            with contextlib.suppress(OSError):
                while not self.owner.stopping.is_set():
                    for end in select.select(list(ends), [], [], 0.2)[0]:
                        data = end.recv(CHUNK)
                        if not data:
                            return
                        ends[end].sendall(data)

    def _forward(self, record: Request) -> None:
        parts = urlsplit(self.path)
        body = self.read_exactly(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(*self._place(parts.netloc, 80), timeout=20)
        with contextlib.closing(connection):
            target = self.path.partition(parts.netloc)[2] or "/"
            connection.putrequest(self.command, target, True, True)
            for name, value in self.headers.items():
                if name.lower() not in {*HOP_BY_HOP, "proxy-authorization"}:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            record.status = response.status
            headers = [h for h in response.getheaders() if h[0].lower() not in HOP_BY_HOP]
            content = response.read()
        if not any(name.lower() == "content-length" for name, _value in headers):
            headers.append(("Content-Length", str(len(content))))
        self.send_head(response.status, headers)
        self.wfile.write(content)
