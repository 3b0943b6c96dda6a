# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ConnectionFailed,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.addresses import (
    kind_of_address,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.client import Network
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import Scrubber
from ansible_collections.imagesync.registry.plugins.module_utils.transport.wires import Wires

HOME, CDN = "https://r.example", "https://cdn.example"

KINDS = {
    "127.0.0.1": "loopback",
    "127.9.9.9": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "169.254.1.1": "link",
    "fe80::1%eth0": "link",
    "169.254.169.254": "metadata",
    "::ffff:169.254.169.254": "metadata",
    "fd00:ec2::254": "metadata",
    "fd00:0ec2:0:0::0254": "metadata",
    "100.100.100.200": "metadata",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "0.1.2.3": "unspecified",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "64:ff9b::169.254.169.254": "metadata",
    "10.0.0.1": "",
    "192.168.0.1": "",
    "172.31.0.1": "",
    "fd12::1": "",
    "93.184.216.34": "",
    "2606:2800:220::1": "",
    "r.example": "",
    "": "",
}


@pytest.mark.parametrize("address", KINDS)
def test_kinds_of_addresses(address: str) -> None:
    assert kind_of_address(address) == KINDS[address]


def wires(*entries: dict[str, Any]) -> Wires:
    return Wires(Settings(read_entries(entries)), Scrubber())


def test_strangers_are_kept_apart() -> None:
    """Whom the user has named is one, whoever sends us there."""
    found = wires({"name": "named.example"})
    found.know("https://known.example", "known.example")
    assert found.to(HOME) is found.to(HOME, HOME)
    for origin in ("https://named.example", "https://known.example"):
        assert found.to(origin) is found.to(origin, HOME)
    assert found.to(CDN, HOME) is found.to(CDN, HOME)
    assert found.to(CDN, HOME) is not found.to(CDN, "https://other.example")


def test_where_strangers_may_be() -> None:
    """Only where the registry that sends us there is."""
    found = wires()
    stranger = found.to(CDN, HOME)
    stranger._arrived("10.0.0.1")
    with pytest.raises(ConnectionFailed, match=r"cdn\.example was refused"):
        stranger._arrived("127.0.0.1")
    found.to(HOME)._arrived("127.0.0.1")
    stranger._arrived("127.0.0.1")
    with pytest.raises(ConnectionFailed, match=r"169\.254\.169\.254"):
        stranger._arrived("169.254.169.254")
    with pytest.raises(ConnectionFailed):
        found.to(CDN, "https://other.example")._arrived("127.0.0.1")


def test_a_registry_named_with_the_usual_port_has_its_settings() -> None:
    network = Network(Settings(read_entries([{"name": "r.example:443", "proxy": "http://p:1"}])))
    network.client("r.example:443")
    proxy = network._wires.to(HOME).proxy
    assert proxy is not None
    assert proxy.address == "p:1"


def test_a_proxys_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:c%61nary@p:1")
    monkeypatch.delenv("https_proxy", raising=False)
    scrub = Scrubber()
    Wires(Settings(), scrub).to(HOME)
    assert scrub("canary c%61nary dXNlcjpjYW5hcnk=") == "******** ******** ********="
