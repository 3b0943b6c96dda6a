# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ConnectionFailed,
    InvalidContent,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Connection,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.wire import Wire
from ansible_collections.imagesync.registry.tests.unit.support import answer

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Server(http.server.ThreadingHTTPServer):
    """Answers as its ``respond`` says, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.raw: bytes | None = None
        self.headers: list[tuple[str, str]] = []
        self.body = b"content"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {k.lower(): v for k, v in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, self.rfile.read(length)))
        if self.server.raw is not None:
            self.wfile.write(self.server.raw)
            self.close_connection = True
            return
        self.send_response(200)
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.server.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_CONNECT = _any

    def log_message(self, *_args: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    thread.join(10)
    found.server_close()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    found = Wire(server.origin, Connection(True), 5, 4)
    yield found
    found.close()


def test_what_is_sent_is_what_was_given(server: Server, wire: Wire) -> None:
    url = f"{server.origin}/v2/a/uploads/1?_state=a%2Bb==&x=+y&&digest=sha256%3Aabc"
    found = wire.exchange("PUT", url, {"Authorization": "Bearer T", "X": "1"}, b"body")
    assert found.status == 200
    assert found.read(100, "it") == b"content"
    method, path, headers, body = server.seen[0]
    assert (method, body) == ("PUT", b"body")
    assert path == "/v2/a/uploads/1?_state=a%2Bb==&x=+y&&digest=sha256%3Aabc"
    assert headers["authorization"] == "Bearer T"
    assert headers["x"] == "1"
    assert headers["accept-encoding"] == "identity"
    assert headers["content-length"] == "4"
    assert "transfer-encoding" not in headers
    assert "cookie" not in headers


def test_a_body_of_known_length_is_not_sent_in_chunks(server: Server, wire: Wire) -> None:
    wire.exchange("PUT", f"{server.origin}/x", {"Content-Length": "6"}, iter([b"abc", b"def"]))
    _method, _path, headers, body = server.seen[0]
    assert body == b"abcdef"
    assert headers["content-length"] == "6"
    assert "transfer-encoding" not in headers


def test_netrc_and_cookies_are_nobodys_business(
    server: Server, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.headers = [("Set-Cookie", "a=b")]
    for _unused in range(2):
        wire.exchange("GET", f"{server.origin}/x", {}).drain()
    assert all("cookie" not in seen[2] for seen in server.seen)
    assert all("authorization" not in seen[2] for seen in server.seen)


def test_redirects_are_not_followed(server: Server, wire: Wire) -> None:
    server.raw = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"
    found = wire.exchange("PUT", f"{server.origin}/x", {}, b"body")
    assert (found.status, found.header("location")) == (302, "/other")
    assert len(server.seen) == 1


def test_connections_are_used_again(server: Server, wire: Wire) -> None:
    ports = []
    original = server.process_request

    def count(request: Any, address: Any) -> None:
        ports.append(address[1])
        original(request, address)

    server.process_request = count  # type: ignore[assignment]
    for method in ("GET", "HEAD", "GET"):
        wire.exchange(method, f"{server.origin}/x", {}).drain()
    assert len(server.seen) == 3
    assert len(ports) == 1


def test_a_body_that_is_cut_off(server: Server, wire: Wire) -> None:
    server.raw = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    found = wire.exchange("GET", f"{server.origin}/x", {})
    with pytest.raises(ConnectionFailed) as caught:
        found.read(1000, "the list")
    assert caught.value.transient


def test_a_chunked_body_that_is_cut_off(server: Server, wire: Wire) -> None:
    server.raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"
    found = wire.exchange("GET", f"{server.origin}/x", {})
    with pytest.raises(ConnectionFailed, match=r"^the list can't be read: 127\.0\.0\.1"):
        found.read(1000, "the list")


def test_no_answer_at_all(server: Server, wire: Wire) -> None:
    server.raw = b""
    with pytest.raises(ConnectionFailed, match="broke the connection") as caught:
        wire.exchange("GET", f"{server.origin}/x", {})
    assert caught.value.transient
    assert caught.value.stale


def test_what_is_no_http(server: Server, wire: Wire) -> None:
    server.raw = b"SSH-2.0-OpenSSH_9.9\r\n"
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1"):
        wire.exchange("GET", f"{server.origin}/x", {})


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        wire = Wire(origin, Connection(True), 1, 1)
        wire._timeout = (0.2, 0.05)  # type: ignore[assignment]
        with pytest.raises(ConnectionFailed, match=r"didn't answer for 0\.05 seconds"):
            wire.exchange("GET", f"{origin}/x", {})
        wire.close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    wire = Wire(f"http://127.0.0.1:{port}", Connection(True), 5, 1)
    with pytest.raises(ConnectionFailed, match="refused the connection") as caught:
        wire.exchange("GET", f"http://127.0.0.1:{port}/x", {})
    assert caught.value.transient


def test_tls_where_there_is_none(server: Server) -> None:
    server.raw = b"HTTP/1.0 400 Bad Request\r\n\r\n"
    origin = server.origin.replace("http:", "https:")
    wire = Wire(origin, Connection(False), 5, 1)
    with pytest.raises(ConnectionFailed, match=r"doesn\'t speak TLS.*plain_http") as caught:
        wire.exchange("GET", f"{origin}/x", {})
    assert not caught.value.transient
    assert server.seen == []  # it never falls back


@pytest.mark.parametrize("header", ["a\r\nX-Evil: 1", "a\nb"])
def test_a_header_that_cannot_be_sent(server: Server, wire: Wire, header: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        wire.exchange("GET", f"{server.origin}/x", {"Authorization": header})
    assert not caught.value.transient
    assert server.seen == []


def test_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example,10.0.0.0/8")

    def proxy(origin: str, given: str | None = None) -> str:
        found = Wire(origin, Connection(False, proxy=given), 5, 1).proxy
        return found.address if found else ""

    assert proxy("https://r.example") == "proxy.example:3128"
    assert proxy("https://r.example", "") == ""
    assert proxy("https://r.example", "http://other.example") == "other.example:80"
    assert proxy("https://10.1.2.3:5000") == ""
    assert proxy("https://127.0.0.1:5000") == ""
    assert proxy("https://127.0.0.1:5000", "http://other.example") == "other.example:80"


def test_a_proxy_is_given_the_whole_address(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.origin.replace("://", "://user:pass@"))
    wire = Wire("http://r.example", Connection(True), 5, 1)
    for path in ("/v2/a?b=c%2Fd", "/v2/"):
        wire.exchange("GET", f"http://r.example{path}", {}).drain()
    wire.close()
    assert [seen[1] for seen in server.seen] == [
        "http://r.example/v2/a?b=c%2Fd",
        "http://r.example/v2/",
    ]
    assert server.seen[1][2]["proxy-authorization"] == "Basic dXNlcjpwYXNz"
    assert server.seen[1][2]["host"] == "r.example"


def test_a_proxys_password_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://user:s3cret@127.0.0.1:{port}")
    wire = Wire("http://r.example", Connection(True), 5, 1)
    with pytest.raises(ConnectionFailed, match=r"r\.example.*see http_proxy") as caught:
        wire.exchange("GET", "http://r.example/x", {})
    assert f"the proxy 127.0.0.1:{port}" in str(caught.value)
    assert "refused the connection" in str(caught.value)
    assert caught.value.transient
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(wire.proxy)


#: what a proxy answers, what the error says of it, and whether it is worth another try
PROXY_ANSWERS = [
    (b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n", "wants a login", False),
    (b"HTTP/1.1 403 No\x07way\r\nContent-Length: 0\r\n\r\n", "refused to lead to r.example", False),
    (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "(502: Bad Gateway)", True),
    (b"", "broke the connection through the proxy", True),
    (b"HTTP/1.1 200 OK\r\n\r\n", "TLS with r.example failed: it closed", False),
]


@pytest.mark.parametrize(("raw", "sign", "transient"), PROXY_ANSWERS)
def test_a_tunnel_that_is_refused(server: Server, raw: bytes, sign: str, transient: bool) -> None:
    server.raw = raw
    given = (
        server.origin.replace("://", "://user:s3cret@") if "login" not in sign else server.origin
    )
    wire = Wire("https://r.example", Connection(False, proxy=given), 5, 1)
    with pytest.raises(ConnectionFailed) as caught:
        wire.exchange("GET", "https://r.example/v2/", {"Authorization": "Bearer T"})
    wire.close()
    assert sign in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\x07" not in str(caught.value)
    assert f"the proxy {server.origin[len('http://') :]}" in str(caught.value)
    assert caught.value.transient is transient
    method, path, headers, _body = server.seen[0]
    assert (method, path) == ("CONNECT", "r.example:443")
    assert "authorization" not in headers
    del caught
    gc.collect()  # a socket that nobody has closed would be told of, and fail the test


def test_a_proxy_that_wants_a_login_for_plain_http(server: Server) -> None:
    server.raw = b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n"
    wire = Wire("http://r.example", Connection(True, proxy=server.origin), 5, 1)
    with pytest.raises(ConnectionFailed, match="wants a login") as caught:
        wire.exchange("GET", "http://r.example/v2/", {})
    assert not caught.value.transient
    assert "proxy in registries" in str(caught.value)


def test_tls_with_a_proxy_that_has_none(server: Server) -> None:
    server.raw = b"HTTP/1.0 400 Bad Request\r\n\r\n"
    given = server.origin.replace("http:", "https:")
    for origin in ("https://r.example", "http://r.example"):
        wire = Wire(origin, Connection(False, proxy=given), 5, 1)
        with pytest.raises(ConnectionFailed, match=r"TLS with the proxy 127.*doesn't speak TLS"):
            wire.exchange("GET", f"{origin}/v2/", {})
    wire = Wire("https://r.example", Connection(False, False, proxy=given), 5, 1)
    with pytest.raises(ConnectionFailed, match="validate_certs: false doesn't go with"):
        wire.exchange("GET", "https://r.example/v2/", {})
    assert server.seen == []


def test_where_a_connection_leads_is_seen(server: Server) -> None:
    """A name proves nothing, and nothing is sent to an address that isn't wanted."""
    origin = server.origin.replace("127.0.0.1", "localhost")
    for kinds, reached in (({"loopback"}, True), ((), False), ({"link"}, False)):
        wire = Wire(origin, Connection(True), 5, 1, lambda kinds=kinds: kinds)  # type: ignore[misc]
        if reached:
            wire.exchange("GET", f"{origin}/x", {}).drain()
        else:
            with pytest.raises(ConnectionFailed, match=r"was refused.*at 127\.0\.0\.1") as caught:
                wire.exchange("GET", f"{origin}/x", {"Authorization": "Bearer T"})
            assert not caught.value.transient
        assert wire.kinds == {"loopback"}
        wire.close()
    assert len(server.seen) == 1


def test_not_even_a_name_is_sent_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS begins with the host's name; the connection ends before."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _h, *a, **k: real("127.0.0.1", *a, **k))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"https://storage.example:{listening.getsockname()[1]}"
        wire = Wire(origin, Connection(False), 5, 1, tuple)
        with pytest.raises(ConnectionFailed, match=r"storage\.example.*was refused"):
            wire.exchange("GET", f"{origin}/x", {})
        connection, _address = listening.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""


def test_https_asked_by_plain_http(server: Server, wire: Wire) -> None:
    server.raw = b"\x15\x03\x01\x00\x02\x02\x46"
    with pytest.raises(ConnectionFailed, match=r"speaks TLS.*see plain_http") as caught:
        wire.exchange("GET", f"{server.origin}/x", {})
    assert not caught.value.transient


# answers


def test_headers_of_an_answer() -> None:
    found = answer(200, b"", [("WWW-Authenticate", "Basic"), ("www-authenticate", "Bearer x")])
    assert found.all_headers("Www-Authenticate") == ["Basic", "Bearer x"]
    assert found.header("missing") == ""
    assert found.all_headers("missing") == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("5", 5),
        ("0", 0),
        ("", None),
        ("-1", None),
        ("5, 5", None),
        ("\xb2", None),
        ("9" * 30, None),
    ],
)
def test_content_length(text: str, length: int | None) -> None:
    found = answer(200)
    found.headers = {"Content-Length": text}
    assert found.length() == length


def test_bodies_have_a_limit() -> None:
    assert answer(200, b"12345").read(5, "it") == b"12345"
    with pytest.raises(InvalidContent, match="it is larger than 4 bytes"):
        answer(200, b"12345").read(4, "it")
    with pytest.raises(InvalidContent, match="it is larger than 4 bytes"):
        answer(200, b"", {"Content-Length": "5"}).read(4, "it")


def test_encoded_content_is_refused() -> None:
    with pytest.raises(InvalidContent, match=r"registry\.example\.com sent 'gzip' encoded"):
        answer(200, b"x", {"Content-Encoding": "gzip"}).read(5, "it")
    assert answer(200, b"x", {"Content-Encoding": "identity"}).read(5, "it") == b"x"


def test_pieces_have_a_size() -> None:
    assert [len(piece) for piece in answer(200, b"x" * 25).chunks(10)] == [10, 10, 5]


def test_draining_never_fails() -> None:
    answer(200, b"x" * 10).drain()
    answer(200, b"x" * (1 << 20)).drain()
    answer(200, b"x", {"Content-Encoding": "gzip"}).drain()
    answer(200, b"x", {"Content-Length": "10"}).drain()
