# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether two names lead to one server."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

#: ``host[:port]``, and the port where it has none
Name = tuple[str, int]


def may_be_one(name: Name, other: Name) -> bool:
    """Whether both have an address and a port in common, or can't be looked up.

    Several registries may share an address, so this proves nothing; it is for what must not go
    wrong if they are one.
    """
    (host, port), (other_host, other_port) = _split(name), _split(other)
    if port != other_port:
        return False
    if host == other_host:
        return True
    addresses, others = _addresses(host), _addresses(other_host)
    return not addresses or not others or not addresses.isdisjoint(others)


def _split(name: Name) -> tuple[str, int]:
    parts = urlsplit(f"//{name[0]}")
    return (parts.hostname or "").lower(), parts.port or name[1]


def _addresses(host: str) -> set[str]:
    """Those of this machine are one, however many it has."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return set()
    return {"loopback" if a == "::1" or a.startswith("127.") else a for a in found}
