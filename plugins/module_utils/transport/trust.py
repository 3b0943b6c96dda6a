# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a server may send us: redirects, upload locations, token realms.

An answer of a registry names other URLs; without rules it could lead us to plain HTTP, to
services of this machine or of its cloud (169.254.169.254), or have us show a password there.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from ..model.errors import RegistryError
from .addresses import kind_of_host
from .text import clean, printable_url
from .wire import origin_of

#: others, such as digits in circles, a proxy may read as an address, or cut at a backslash
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")


def check_target(url: str, home: str, what: str) -> None:
    """Refuses a URL that ``home`` (an origin) may not send us to; raises RegistryError.

    ``what`` begins the message: "a redirect", "the token realm".
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise RegistryError(f"{home}: {what} leads to an invalid URL") from None
    shown = printable_url(url)
    if parts.scheme not in ("http", "https") or not host:
        raise RegistryError(f"{home}: {what} to {shown} was refused: not an HTTP address")
    if parts.scheme == "http" and home.startswith("https:"):
        raise RegistryError(f"{home}: {what} to {shown} was refused: it isn't encrypted")
    if parts.username is not None or parts.password is not None:
        raise RegistryError(f"{home}: {what} to {shown} was refused: it carries credentials")
    if not _HOST.fullmatch(host):
        raise RegistryError(f"{home}: {what} to {shown} was refused: it has no valid host name")
    kind = kind_of_host(host)
    if kind and kind != kind_of_host(urlsplit(home).hostname or ""):
        raise RegistryError(
            f"{home}: {what} to {shown} was refused: it is an address of this machine or link"
        )


def redirect_target(url: str, location: str, home: str) -> str:
    """Where a redirect from ``url`` leads; raises RegistryError when it may not."""
    target = _joined(url, clean(location, 8192), home, "a redirect")
    check_target(target, home, "a redirect")
    return target


def upload_location(url: str, location: str, home: str) -> str:
    """The URL of an upload session, from the Location of the answer to ``url``.

    Behind a proxy that ends TLS, registries write their own address with http://; the same host
    is then meant with https://.
    """
    if not location:
        raise RegistryError(f"{home}: the registry opened an upload without a Location")
    target = _joined(url, location, home, "an upload location")
    if _is_home_without_tls(target, home):
        # cut, not taken apart and put together: the query must stay as it is
        target = home + target[len("http://") + len(urlsplit(target).netloc) :]
    check_target(target, home, "an upload location")
    return target


def _joined(url: str, location: str, home: str, what: str) -> str:
    try:
        target = urljoin(url, location)
        origin_of(target)
    except ValueError:
        raise RegistryError(f"{home}: {what} leads to an invalid URL") from None
    return target


def _is_home_without_tls(url: str, home: str) -> bool:
    here, there = urlsplit(url), urlsplit(home)
    if (here.scheme, there.scheme) != ("http", "https") or "@" in here.netloc:
        return False
    return here.hostname == there.hostname and here.port in (there.port, None, 80)
