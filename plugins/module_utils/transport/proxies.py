# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which proxy leads to a host: that of its entry in ``registries``, else the environment's.

The environment is read as curl and Go's tools read it, but for NO_PROXY networks of IPv6 too.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ..model.errors import ConnectionFailed, InvalidInput
from ..model.reference import is_loopback
from .text import clean
from .tokens import basic

if TYPE_CHECKING:
    import ssl

_SCHEMES = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080}
_SCHEMES.update({"socks5": 1080, "socks5h": 1080})
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}) ?(.*)", re.DOTALL)


class Proxy(NamedTuple):
    """A proxy. ``address``: ``host:port``, which is all that is ever shown of it.

    ``secrets``: its password as it was written, and as it is sent.
    """

    scheme: str
    address: str
    username: str = ""
    password: str = ""
    given_by: str = "proxy in registries"
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Proxy({self.address})"

    def headers(self) -> dict[str, str]:
        """What is sent to the proxy alone."""
        if not self.username and not self.password:
            return {}
        return {"Proxy-Authorization": basic(self.username, self.password)}


def parse_proxy(text: str, given_by: str) -> Proxy:
    """``[scheme://][user:password@]host[:port]``; raises InvalidInput, which doesn't repeat it."""
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InvalidInput(
            f"{given_by}: this isn't the address of a proxy such as http://host:port (in a user "
            "name or password, characters such as / @ : # are written as %2F %40 %3A %23)"
        )
    if parts.scheme not in _SCHEMES:
        raise InvalidInput(
            f"{given_by}: {clean(parts.scheme, 20)}:// is no kind of proxy; there are http, https, "
            "socks5, socks5h, socks4 and socks4a"
        )
    name = f"[{host}]" if ":" in host else host
    written = parts.password or ""
    password = unquote(written)
    return Proxy(
        parts.scheme,
        f"{name}:{port or _SCHEMES[parts.scheme]}",
        unquote(parts.username or ""),
        password,
        given_by,
        tuple(dict.fromkeys(secret for secret in (password, written) if secret)),
    )


def proxy_for(
    origin: str, given: str | None, environment: Mapping[str, str] | None = None
) -> Proxy | None:
    """The proxy through which ``origin`` is reached, None where there is none.

    ``given``: the option ``proxy`` of its entry, "" for none. Like Go's tools, nothing on this
    machine is reached through a proxy of the environment.
    """
    if given is not None:
        return parse_proxy(given, "proxy in registries") if given else None
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)
    if is_loopback(parts.netloc):
        return None
    environ = os.environ if environment is None else environment
    if bypassed(host, port, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    for kind in (parts.scheme, "all"):
        name = f"{kind}_proxy"
        # in CGI programs HTTP_PROXY is a header of the request (CVE-2016-5385)
        trusted = name != "http_proxy" or "REQUEST_METHOD" not in environ
        if name not in environ and trusted:
            name = name.upper()
        if environ.get(name):
            return parse_proxy(environ[name], name)
    return None


def bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether ``no_proxy`` names the host.

    Entries, by commas or spaces: ``*``; an address; a network (``10.0.0.0/8``); a domain, which
    stands for all below it too, with a dot or ``*.`` in front or without; each of these but the
    first with ``:port`` or without.
    """
    host = host.strip("[]").rstrip(".").lower()
    address = _address(host)
    for entry in re.split(r"[,\s]+", no_proxy.lower()):
        if entry == "*":
            return True
        name, wanted = _split(entry)
        if not name or wanted not in ("", str(port)):
            continue
        if address is not None and _within(address, name):
            return True
        if address is None and f".{host}".endswith("." + re.sub(r"^\*?\.", "", name)):
            return True
    return False


def _split(entry: str) -> tuple[str, str]:
    """Host and port of an entry; IPv6 addresses have a port only behind brackets."""
    found = re.fullmatch(r"\[([^]]*)\](?::(\d+))?", entry)
    if found or entry.count(":") > 1:
        return (found.group(1), found.group(2) or "") if found else (entry, "")
    name, _colon, port = entry.partition(":")
    return name.rstrip("."), port


def _address(text: str) -> Any:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _within(address: Any, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except (ValueError, TypeError):
        return False


def open_pool(
    proxy: Proxy, origin: str, context: ssl.SSLContext | None, own: ssl.SSLContext | None, size: int
) -> Any:
    """urllib3's pool of connections to ``origin`` through ``proxy``.

    ``context``: for TLS with the origin; ``own``: for TLS with the proxy. Raises ConnectionFailed.
    """
    from .libraries import socks_manager, urllib3  # whoever reads settings needs none of it

    url = f"{proxy.scheme}://{proxy.address}"
    options: dict[str, Any] = {"maxsize": size, "num_pools": 2}
    if context or own:
        # what goes to a plain origin through an https proxy is in TLS with the proxy alone
        options["ssl_context"] = context or own
    if proxy.scheme.startswith("socks"):
        try:
            manager = socks_manager()
        except ImportError:
            raise ConnectionFailed(
                f"the proxy {proxy.address} ({proxy.given_by}) is a SOCKS proxy, which takes the "
                "Python library PySocks",
                transient=False,
            ) from None
        login = (proxy.username or None, proxy.password or None)
        return manager(url, *login, **options).connection_from_url(origin)
    manager = urllib3.ProxyManager(
        url, proxy_headers=proxy.headers(), proxy_ssl_context=own, **options
    )
    return manager.connection_from_url(origin)


def refusal(proxy: Proxy, host: str, status: int, reason: str = "") -> ConnectionFailed:
    """The error for a proxy's own answer, to CONNECT or, 407, to any request."""
    text = f"the proxy {proxy.address} refused to lead to {host} ({status}"
    said = clean(reason, 80)
    text += f": {said})" if said else ")"
    if status == 407:
        lacking = "another login than it was given" if proxy.headers() else "a login"
        text = f"the proxy {proxy.address} wants {lacking} (407)"
    return ConnectionFailed(
        f"{text}; see {proxy.given_by}", transient=status in (408, 425, 429, 500, 502, 503, 504)
    )


def tunnel_refusal(proxy: Proxy, host: str, text: str) -> ConnectionFailed | None:
    """The error for what http.client says of a CONNECT that failed."""
    found = _TUNNEL.search(text)
    return refusal(proxy, host, int(found.group(1)), found.group(2)) if found else None
