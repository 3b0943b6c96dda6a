# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wires of one call, each with the settings of its own host and of nobody else's."""

from __future__ import annotations

import functools
import threading
from collections.abc import Collection

from .retry import Pace
from .settings import Settings
from .text import Scrubber
from .wire import Wire


class Wires:
    """Makes wires, and keeps apart those to hosts that only a server has named."""

    def __init__(self, settings: Settings, scrub: Scrubber, pace: Pace | None = None) -> None:
        """``scrub`` learns the passwords of proxies; ``pace`` is that of the run."""
        self._pace = pace
        self._settings, self._scrub = settings, scrub
        self._wires: dict[tuple[str, str], Wire] = {}
        self._named = {entry.host for entry in settings.entries}
        self._homes: dict[str, str] = {}
        self._lock = threading.Lock()

    def know(self, origin: str, registry: str) -> None:
        """The user has named this registry, which is at ``origin``."""
        self._homes[origin] = registry

    def to(self, origin: str, home: str = "") -> Wire:
        """The wire to ``origin``; ``home``: that of the registry that has sent us there.

        A host that the user has named may be wherever it is. Any other may be at an address of
        this machine, say, only if the registry that sends us there is at one too.
        """
        host = origin.partition("://")[2]
        if origin == home or origin in self._homes or host in self._named:
            home = ""
        with self._lock:
            wire = self._wires.get((origin, home))
            if wire is None:
                wire = self._wires[origin, home] = Wire(
                    origin,
                    self._settings.connection(self._homes.get(origin, host)),
                    self._settings.timeout,
                    self._settings.concurrency + 2,
                    functools.partial(self._kinds_of, home) if home else None,
                    self._pace,
                )
                if wire.proxy:
                    self._scrub.add_login(wire.proxy.username, wire.proxy.password)
                    self._scrub.add(*wire.proxy.secrets)
            return wire

    def _kinds_of(self, home: str) -> Collection[str]:
        """At what kinds of address a registry is: where it may send us."""
        wire = self._wires.get((home, ""))
        return wire.kinds if wire else ()

    def close(self) -> None:
        """Closes all idle connections."""
        for wire in self._wires.values():
            wire.close()
