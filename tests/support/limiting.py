# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching how much is under way: at a proxy, and in the lanes of the code under test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport.client import Network

from .faults import ALWAYS
from .proxy import RecordingProxy


def limited(proxy: RecordingProxy, **limits: Any) -> dict[str, Any]:
    """The entry of ``registries`` that limits what a proxy is sent."""
    return {"name": proxy.host, **limits}


class Watch:
    """When a proxy was asked, how many requests it had then, and how many connections."""

    def __init__(self, proxy: RecordingProxy, match: str = ".*") -> None:
        """From now on; faults that were injected before come first, and aren't seen."""
        self._proxy = proxy
        self.times: list[float] = []
        self.busy: list[int] = []
        self.connections = 0
        proxy.inject(match, "pass", times=ALWAYS, call=self.look)

    def look(self) -> None:
        """Note how it is now."""
        with self._proxy._lock:
            self.times.append(time.monotonic())
            self.busy.append(self._proxy._busy)
            self.connections = max(self.connections, len(self._proxy._sockets.live))

    @property
    def span(self) -> float:
        """Seconds between the first request and the last one."""
        return max(self.times) - min(self.times)


@pytest.fixture
def places_given_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """At the end of each call no request may hold a place any more."""
    kept: list[dict[str, int]] = []
    close = Network.close

    def checked(network: Network) -> None:
        kept.append({name: lane.under_way for name, lane in network._lanes.items()})
        close(network)

    monkeypatch.setattr(Network, "close", checked)
    yield
    assert not [lanes for lanes in kept if any(lanes.values())]
