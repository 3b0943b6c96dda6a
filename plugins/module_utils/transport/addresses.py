# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is special about an address, and whether two names lead to one server."""

from __future__ import annotations

import ipaddress
import socket
from typing import Union
from urllib.parse import urlsplit

from ..model.reference import is_loopback

#: ``host[:port]``, and the port where it has none
Name = tuple[str, int]
_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
#: where clouds tell their machines secrets, beside the addresses of the link
_METADATA = {"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"}
_METADATA_NAMES = {"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"}
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
#: RFC 6052
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


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


def kind_of_host(host: str) -> str:
    """The kind of an address that stands in a URL; "" for names, but for those of this machine."""
    host = host.rstrip(".").lower()
    if is_loopback(host) or host.endswith(".localhost"):
        return "loopback"
    if host in _METADATA_NAMES:
        return "metadata"
    try:
        # 127.1, 0x7f.1 and 2130706433 are addresses to the resolver
        return kind_of_address(host) or kind_of_address(socket.inet_ntoa(socket.inet_aton(host)))
    except (OSError, ValueError):
        return ""


def kind_of_address(text: str) -> str:
    """What is special about an address: "loopback", "link", "metadata", ...; "" for usual ones.

    Usual ones are those of private networks too (RFC 1918), where registries may well be.
    """
    try:
        address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return ""
    if str(address) in _METADATA:
        return "metadata"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link"
    if address.is_unspecified or address in _THIS_NETWORK:
        return "unspecified"
    return "multicast" if address.is_multicast else ""


def _unwrapped(address: _Address) -> _Address:
    """The IPv4 address that one of IPv6 stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1)):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
