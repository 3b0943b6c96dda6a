# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a reference to the repository that it speaks of."""

from __future__ import annotations

import threading

from ..model.reference import Reference
from ..transport.addresses import may_be_one
from ..transport.client import Network
from .base import Repository
from .registry import RegistryRepository


class Places:
    """Opens repositories; the same one each time for the same name."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._opened: dict[str, Repository] = {}
        self._lock = threading.Lock()

    def may_be_one(self, registry: str, other: str) -> bool:
        """Whether two names may be those of one registry."""
        connection = self._network.settings.connection
        ports = [80 if connection(name).plain_http else 443 for name in (registry, other)]
        return may_be_one((registry, ports[0]), (other, ports[1]))

    def repository(self, reference: Reference, write: bool = False) -> Repository:
        """The repository that ``reference`` is in; ``write``: it will be written to."""
        with self._lock:
            found = self._opened.get(reference.name)
            if found is None:
                client = self._network.client(reference.registry)
                found = RegistryRepository(client, reference.repository)
                self._opened[reference.name] = found
            if write:
                found.will_be_written()
            return found
