# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange: no redirects, no retries, no cookies, no netrc, exact bytes.

The connections and the requests on them are those of urllib3, below the session of requests, which
would apply ~/.netrc over our Authorization header and follow a redirected PUT as a GET, and takes
more time than the request.
"""

from __future__ import annotations

import functools
import http.client
import ssl
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from ..model.errors import ConnectionFailed
from .addresses import kind_of_address
from .answer import Answer
from .libraries import urllib3
from .proxies import open_pool, proxy_for, refusal, tunnel_refusal
from .retry import Pace
from .settings import Connection
from .text import clean
from .tls import tls_context, tls_problem
from .watching import timed

USER_AGENT = "imagesync.registry"
_CONNECT_TIMEOUT = 15
_UNRESOLVED = ("Name or service", "getaddrinfo", "name resolution", "nodename nor servname")
#: how an alert of TLS begins, which is what a server of HTTPS answers to plain HTTP
_ALERT = "\x15\x03"
#: the kinds of address at which a wire may end, None for all; see addresses.kind_of_address
Allowed = Optional[Callable[[], Collection[str]]]


class Wire:
    """Pooled connections to one origin (scheme, host, port) with its TLS and proxy settings."""

    def __init__(
        self,
        origin: str,
        connection: Connection,
        timeout: int,
        pool_size: int,
        allowed: Allowed = None,
        pace: Pace | None = None,
    ) -> None:
        """``origin``: ``https://host[:port]``; ``timeout``: seconds without a byte.

        ``allowed``: for an origin that a server has sent us to, where its address may be. A proxy
        looks up addresses itself, so there it has no effect. ``pace``: that of the run,
        which ends what waits here.
        """
        self.origin = origin
        self.host = origin.partition("://")[2]
        self._timeout = (min(_CONNECT_TIMEOUT, timeout), timeout)
        self._connection, self._pool_size = connection, pool_size
        #: None where the way is direct
        self.proxy = proxy_for(origin, connection.proxy)
        #: what kinds of address were found behind the name
        self.kinds: set[str] = set()
        self._allowed = allowed
        self._pace = pace or Pace()
        self._pool: Any = None
        # whether a proxy wants the whole URL
        self._absolute = self.proxy is not None and origin.startswith("http:")
        self._lock = threading.Lock()

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
        patience: int = 0,
    ) -> Answer:
        """Sends one request and returns the answer with its body unread.

        ``patience``: seconds to wait for the answer beyond the usual. Raises ConnectionFailed.
        """
        sent = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **headers}
        if isinstance(body, bytes):  # else it would be sent in chunks
            sent["Content-Length"] = str(len(body))
        connect, read = self._timeout
        try:
            pool = self._pool or self._open()
            raw = pool.request(
                method,
                url.partition("#")[0] if self._absolute else _target(url),
                body=body,
                headers=sent,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                retries=False,
                timeout=urllib3.Timeout(connect=connect, read=read + patience),
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._failure(error, read + patience) from None
        except ssl.SSLError as error:
            raise ConnectionFailed(tls_problem(str(error), self.host), transient=False) from None
        except OSError as error:  # some versions let them through
            raise ConnectionFailed(f"{self.host}: {clean(str(error))}", transient=False) from None
        except ValueError:  # its text would show the header, and so perhaps a secret
            raise ConnectionFailed(
                f"{self.host}: the request can't be sent: a header or the address is invalid",
                transient=False,
            ) from None
        answer = Answer(raw, url)
        if answer.status == 407 and self.proxy:
            answer.close()
            raise refusal(self.proxy, self.host, 407)
        return answer

    def _open(self) -> Any:
        """The pool of connections to this origin, with its TLS and its proxy."""
        with self._lock:
            if self._pool is None:
                context = own = None
                if self.origin.startswith("https:"):
                    context = tls_context(self._connection, self.host)
                if self.proxy is None:
                    options = {"ssl_context": context} if context else {}
                    pool = urllib3.connection_from_url(
                        self.origin, maxsize=self._pool_size, **options
                    )
                    pool.ConnectionCls = _watched(pool.ConnectionCls, self._arrived)
                else:
                    if self.proxy.scheme == "https":
                        own = self._tls_with_proxy()
                    pool = open_pool(self.proxy, self.origin, context, own, self._pool_size)
                    if own:
                        pool.ConnectionCls = _telling(pool.ConnectionCls, self.proxy.address)
                pool.ConnectionCls = timed(pool.ConnectionCls, self._timeout[1], self._pace)
                self._pool = pool
            return self._pool

    def _tls_with_proxy(self) -> ssl.SSLContext:
        if self.proxy is None:
            raise AssertionError("only a proxy has TLS of its own")
        if not self._connection.validate_certs:
            # older versions of urllib3 would let that hold for the proxy, which gets its password
            raise ConnectionFailed(
                f"{self.host}: validate_certs: false doesn't go with an https proxy "
                f"({self.proxy.address})",
                transient=False,
            )
        return tls_context(Connection(False), f"the proxy {self.proxy.address}")

    def _arrived(self, address: str) -> None:
        """A connection was made, to this address, and nothing was sent yet.

        Looked at here, a name can't lead to one address when it is judged and to another later.
        """
        kind = kind_of_address(address)
        self.kinds.add(kind)
        if kind and self._allowed is not None and kind not in self._allowed():
            raise ConnectionFailed(
                f"{self.host} was refused: a server has sent us there, and it is at {address}, an "
                "address of this machine or link (an entry for that host in registries allows it)",
                transient=False,
            )

    def _failure(self, error: Exception, timeout: float) -> ConnectionFailed:
        kinds = urllib3.exceptions
        root = _root(error)
        text = str(root)  # the outer ones hold the URL's path, which may hold any word
        host, way = self.host, ""
        if self.proxy:
            refused = tunnel_refusal(self.proxy, self.host, text)
            if refused:
                return refused
            proxy = f"the proxy {self.proxy.address}"
            # all that can be out of reach is the proxy itself
            host, way = f"{proxy} (for {self.host}; see {self.proxy.given_by})", f" through {proxy}"
            with_proxy = isinstance(error, kinds.ProxyError) or self._absolute
            if with_proxy and isinstance(root, (ssl.SSLError, kinds.SSLError)):
                return ConnectionFailed(tls_problem(text, proxy), transient=False)
        if isinstance(error, kinds.SSLError):
            through = f" ({way.strip()})" if way else ""
            return ConnectionFailed(tls_problem(str(error), self.host) + through, transient=False)
        if isinstance(root, http.client.BadStatusLine) and str(root).startswith(_ALERT):
            return ConnectionFailed(
                f"{self.host} speaks TLS (HTTPS) and was asked by plain HTTP; see plain_http in "
                "registries",
                transient=False,
            )
        slow = isinstance(root, kinds.ConnectTimeoutError)
        if slow and not isinstance(root, kinds.NewConnectionError):
            return ConnectionFailed(f"{host} didn't accept a connection in time")
        if isinstance(error, kinds.ReadTimeoutError) or "timed out" in text:
            return ConnectionFailed(f"{self.host} didn't answer for {timeout:g} seconds{way}")
        if "NameResolution" in type(root).__name__ or any(sign in text for sign in _UNRESOLVED):
            return ConnectionFailed(f"the host name of {host} can't be resolved")
        if "refused" in text:
            return ConnectionFailed(f"{host} refused the connection{_doubt(self.proxy)}")
        stale = isinstance(root, ConnectionError)  # http.client.RemoteDisconnected is one too
        return ConnectionFailed(
            f"{self.host} broke the connection{way} ({type(root).__name__})", True, stale
        )

    def close(self) -> None:
        """Closes all idle connections; urllib3 2 leaves that to the garbage collector."""
        if self._pool is not None:
            self._pool.close()


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of a URL, in lower case, without the scheme's usual port."""
    end = url.find("/", url.find("://") + 3)
    return _origin(url if end < 0 else url[:end])


def host_of(url: str) -> str:
    """``host[:port]`` of a URL."""
    return origin_of(url).partition("://")[2]


@functools.lru_cache(maxsize=256)
def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme.lower()}://{host}{port}"


def _target(url: str) -> str:
    """Path and query of a URL, as they are."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _watched(kind: Any, arrived: Callable[[str], None]) -> Any:
    """A class of connections like ``kind``, which tells where each of them has led.

    Before TLS begins: not even the host's name is sent to an address that isn't wanted.
    """

    class Watched(kind):  # type: ignore[misc]
        """See urllib3.connection."""

        def _new_conn(self) -> Any:
            sock = super()._new_conn()
            try:
                arrived(sock.getpeername()[0])
            except BaseException:
                sock.close()
                raise
            return sock

    return Watched


def _telling(kind: Any, address: str) -> Any:
    """A class of connections like ``kind``, which tells TLS with the proxy from TLS behind it.

    urllib3 1.26 has the same error for both.
    """

    class Telling(kind):  # type: ignore[misc]
        """See urllib3.connection."""

        def _connect_tls_proxy(self, *args: Any, **more: Any) -> Any:
            try:
                return super()._connect_tls_proxy(*args, **more)
            except (ssl.SSLError, ValueError) as error:  # another host's name is a ValueError
                text = tls_problem(str(error), f"the proxy {address}")
                raise ConnectionFailed(text, transient=False) from None

    return Telling


def _doubt(proxy: object) -> str:
    return "" if proxy else "; is a registry there?"


def _root(error: BaseException) -> BaseException:
    """The error at the bottom of those that requests and urllib3 put into each other."""
    seen = error
    while True:
        inside = [*seen.args, getattr(seen, "reason", None)]
        inner = next((one for one in inside if isinstance(one, BaseException)), None)
        if inner is None or inner is seen:
            return seen
        seen = inner
