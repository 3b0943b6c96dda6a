# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange: no redirects, no retries, no cookies, no netrc, exact bytes.

Requests gives the connections, with their TLS and proxies; the requests are made on them by
urllib3. The session of requests would apply ~/.netrc over our Authorization header and follow a
redirected PUT as a GET, and what it does around a request takes more time than the request.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..model.errors import ConnectionFailed
from ..model.reference import is_loopback
from .answer import Answer
from .libraries import requests, urllib3
from .settings import Connection
from .text import clean

USER_AGENT = "imagesync.registry"
_CONNECT_TIMEOUT = 15
_UNRESOLVED = ("Name or service", "getaddrinfo", "name resolution", "nodename nor servname")

_UNKNOWN_AUTHORITY = (
    "its certificate isn't signed by a known authority; give the authority's certificate as "
    "ca_path in registries"
)
_CLIENT_CERTIFICATE = (
    "it wants a client certificate, or another one than it was given; see client_cert in registries"
)
#: what OpenSSL's words (in lower case, "_" as " ") mean for a user; the first found holds
_TLS_PROBLEMS = {
    "wrong version number": "it doesn't speak TLS; set plain_http: true for it in registries if "
    "it is meant to be reached by plain HTTP",
    "http request": "it doesn't speak TLS; see plain_http in registries",
    "certificate has expired": "its certificate has expired",
    "self-signed certificate": _UNKNOWN_AUTHORITY,
    "self signed certificate": _UNKNOWN_AUTHORITY,
    "unable to get local issuer": _UNKNOWN_AUTHORITY,
    "doesn't match": "its certificate is for another host name",
    "not valid for": "its certificate is for another host name",
    "hostname mismatch": "its certificate is for another host name",
    "ip address mismatch": "its certificate is for another address",
    "certificate required": "it wants a client certificate; see client_cert in registries",
    # before TLS 1.3 the same alert says that there was none
    "bad certificate": _CLIENT_CERTIFICATE,
    "unknown ca": "it doesn't know the authority of the client certificate",
    "key values mismatch": "client_key isn't the key of client_cert",
    "pem lib": "client_cert and client_key aren't a certificate and its unencrypted key in PEM",
    "no certificate or crl found": "ca_path has no certificate in PEM",
    "no start line": "ca_path has no certificate in PEM",
    "eof occurred": f"it closed the connection; maybe {_CLIENT_CERTIFICATE}",
}


class Wire:
    """Pooled connections to one origin (scheme, host, port) with its TLS and proxy settings."""

    def __init__(self, origin: str, connection: Connection, timeout: int, pool_size: int) -> None:
        """``origin``: ``https://host[:port]``; ``timeout``: seconds without a byte."""
        self.origin = origin
        self.host = origin.partition("://")[2]
        self._timeout = (min(_CONNECT_TIMEOUT, timeout), timeout)
        self._adapter = requests.adapters.HTTPAdapter(
            pool_connections=2, pool_maxsize=pool_size, max_retries=0
        )
        self._verify = _verify(connection)
        if not self._verify:  # we warn of it ourselves, once and by name
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._cert = _client_certificate(connection)
        self._pool: Any = None
        self._absolute = False  # whether a proxy wants the whole URL
        self._lock = threading.Lock()
        # Like Go's tools: what is on this machine is never reached through a proxy.
        self._proxies = {} if is_loopback(self.host) else requests.utils.get_environ_proxies(origin)

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
            pool = self._pool or self._open(url)
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
        except (urllib3.exceptions.HTTPError, requests.exceptions.RequestException) as error:
            raise self._failure(error, read + patience) from None
        except ssl.SSLError as error:
            raise ConnectionFailed(self._tls_problem(str(error)), transient=False) from None
        except OSError as error:  # a certificate that can't be loaded
            raise ConnectionFailed(f"{self.host}: {clean(str(error))}", transient=False) from None
        except ValueError:  # its text would show the header, and so perhaps a secret
            raise ConnectionFailed(
                f"{self.host}: the request can't be sent: a header or the address is invalid",
                transient=False,
            ) from None
        return Answer(raw, url)

    def _open(self, url: str) -> Any:
        """The pool of connections that requests makes for this origin, its TLS and its proxy."""
        with self._lock:
            if self._pool is None:
                request = requests.PreparedRequest()
                request.method, request.url = "GET", url
                adapter, verify, cert = self._adapter, self._verify, self._cert
                if hasattr(adapter, "get_connection_with_tls_context"):  # requests 2.32
                    pool = adapter.get_connection_with_tls_context(
                        request, verify, proxies=self._proxies, cert=cert
                    )
                else:
                    pool = adapter.get_connection(url, self._proxies)
                adapter.cert_verify(pool, url, verify, cert)  # type: ignore[no-untyped-call]
                self._absolute = adapter.request_url(request, self._proxies) != request.path_url
                self._pool = pool
            return self._pool

    def _failure(self, error: Exception, timeout: float) -> ConnectionFailed:
        kinds = urllib3.exceptions
        if isinstance(error, kinds.SSLError):
            return ConnectionFailed(self._tls_problem(str(error)), transient=False)
        if isinstance(error, kinds.ProxyError):
            return ConnectionFailed(
                f"the proxy for {self.host} refused or broke the connection "
                f"({type(_root(error)).__name__}); see HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
            )
        slow = isinstance(error, kinds.ConnectTimeoutError)
        if slow and not isinstance(error, kinds.NewConnectionError):
            return ConnectionFailed(f"{self.host} didn't accept a connection in time")
        root = _root(error)
        text = str(root)  # the outer ones hold the URL's path, which may hold any word
        if isinstance(error, kinds.ReadTimeoutError) or "timed out" in text:
            return ConnectionFailed(f"{self.host} didn't answer for {timeout:g} seconds")
        if "NameResolution" in type(root).__name__ or any(sign in text for sign in _UNRESOLVED):
            return ConnectionFailed(f"the host name of {self.host} can't be resolved")
        if "refused" in text:
            return ConnectionFailed(f"{self.host} refused the connection; is a registry there?")
        stale = isinstance(root, ConnectionError)  # http.client.RemoteDisconnected is one too
        return ConnectionFailed(
            f"{self.host} broke the connection ({type(root).__name__})", True, stale
        )

    def _tls_problem(self, text: str) -> str:
        lowered = text.lower().replace("_", " ")
        for sign, meaning in _TLS_PROBLEMS.items():
            if sign in lowered:
                return f"TLS with {self.host} failed: {meaning}"
        # what OpenSSL says, without the places in code that stand around it
        said = re.findall(r"\[[A-Z0-9_]+: \w+\] ([^(\[]+)", text)
        return f"TLS with {self.host} failed: {clean(said[-1] if said else text)}"

    def close(self) -> None:
        """Closes all idle connections; urllib3 2 leaves that to the garbage collector."""
        for manager in (self._adapter.poolmanager, *self._adapter.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 (it is no dict)
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        self._adapter.close()


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of a URL, in lower case, without the scheme's usual port."""
    end = url.find("/", url.find("://") + 3)
    return _origin(url if end < 0 else url[:end])


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


def _verify(connection: Connection) -> Any:
    if not connection.validate_certs:
        return False
    if connection.ca_path:
        return os.path.expanduser(connection.ca_path)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if os.environ.get(name):
            return os.environ[name]
    return True


def _client_certificate(connection: Connection) -> Any:
    if not connection.client_cert:
        return None
    certificate = os.path.expanduser(connection.client_cert)
    return (
        (certificate, os.path.expanduser(connection.client_key))
        if connection.client_key
        else certificate
    )


def _root(error: BaseException) -> BaseException:
    """The error at the bottom of those that requests and urllib3 put into each other."""
    seen = error
    while True:
        inside = [*seen.args, getattr(seen, "reason", None)]
        inner = next((one for one in inside if isinstance(one, BaseException)), None)
        if inner is None or inner is seen:
            return seen
        seen = inner
