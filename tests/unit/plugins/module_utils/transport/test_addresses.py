# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport.addresses import (
    may_be_one,
)

KNOWN = {
    "a.example": ["192.0.2.1", "192.0.2.2"],
    "b.example": ["192.0.2.2"],
    "c.example": ["192.0.2.3"],
    "localhost": ["::1", "127.0.0.1"],
    "127.0.0.1": ["127.0.0.1"],
    "::1": ["::1"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, _port: Any) -> list[tuple[Any, ...]]:
        if host not in KNOWN:
            raise socket.gaierror("unknown")
        return [(0, 0, 0, "", (address, 0)) for address in KNOWN[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("a.example", 443), ("a.example:443", 443), True),
        (("a.example", 443), ("A.example", 443), True),
        (("a.example", 443), ("b.example", 443), True),
        (("a.example", 443), ("c.example", 443), False),
        (("a.example", 443), ("b.example", 80), False),
        (("a.example:5000", 443), ("b.example:5001", 443), False),
        (("localhost:5000", 80), ("127.0.0.1:5000", 80), True),
        (("[::1]:5000", 80), ("127.0.0.1:5000", 80), True),
        (("localhost:5000", 80), ("a.example:5000", 443), False),
        (("a.example", 443), ("unknown.example", 443), True),
    ],
)
def test_names_of_one_server(one: Any, other: Any, same: bool) -> None:
    assert may_be_one(one, other) is same
    assert may_be_one(other, one) is same
