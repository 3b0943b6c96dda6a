# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy before a registry: records what passes, and does harm on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from .certificates import Certificates
from .faults import Fault
from .forwarding import ProxyHandler
from .records import Request
from .servers import LocalServer
from .waiting import wait_until


class RecordingProxy(LocalServer):
    """Passes everything to a registry and back, Host and repeated headers included."""

    def __init__(
        self,
        upstream: str,
        *,
        latency: float = 0.0,
        tls: Certificates | None = None,
        client_ca: bool = False,
    ) -> None:
        """Stand before this URL (plain HTTP); with tls, speak HTTPS to clients."""
        parts = urlsplit(upstream)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError(f"not a plain HTTP server with a port: {upstream}")
        super().__init__(ProxyHandler, tls, client_ca)
        self.upstream = (parts.hostname, parts.port)
        self.latency = latency
        self.faults: list[Fault] = []

    def inject(self, match: str, action: str, arg: int | float | str = 0, **more: Any) -> Fault:
        """Make a fault and let it happen from now on."""
        return self.add(Fault(match, action, arg, **more))

    def add(self, fault: Fault) -> Fault:
        """Let this fault happen from now on."""
        with self._lock:
            self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """End all faults."""
        with self._lock:
            self.faults.clear()

    def pick(self, record: Request) -> Fault | None:
        """The first fault that hits this request; runs its call."""
        with self._lock:
            line = f"{record.method} {record.target}"
            fault = next((f for f in self.faults if f.applies(line)), None)
        if fault is not None:
            record.fault = fault.action
            if fault.call:
                fault.call()
        return fault

    def hold(self, seconds: float) -> None:
        """Let time pass, unless the proxy is being stopped."""
        if seconds > 0:
            self.stopping.wait(seconds)

    def bytes_down(self, kind: str = "blob") -> int:
        """Body bytes that were sent to clients."""
        return sum(r.bytes_out for r in self.requests if r.kind == kind and r.method != "HEAD")

    def bytes_up(self, kind: str = "upload") -> int:
        """Body bytes that came from clients."""
        return sum(request.bytes_in for request in self.requests if request.kind == kind)

    def settle(self, timeout: float = 5.0) -> None:
        """Wait until no request is on its way, so that the records are complete."""
        wait_until(lambda: not self._busy, "the last requests to end", timeout)


MakeProxy = Callable[..., RecordingProxy]
