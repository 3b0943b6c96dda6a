# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a reference to the repository that it speaks of."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..model.errors import ImageSyncError
from ..model.reference import Reference
from ..transport.addresses import may_be_one
from ..transport.client import Network
from .base import Repository
from .real_path import real_path
from .registry import RegistryRepository

if TYPE_CHECKING:
    from .mirrored import Mirrors


class Places:
    """Opens repositories; the same one each time for the same name, and for the same folder."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._opened: dict[str, RegistryRepository] = {}
        self._sources: dict[str, Repository] = {}
        self._on_disk: dict[str, Repository] = {}
        self._real: dict[str, str] = {}
        self._mirrors: Mirrors | None = None
        self._lock = threading.Lock()

    def may_be_one(self, registry: str, other: str) -> bool:
        """Whether two names may be those of one registry."""
        connection = self._network.settings.connection
        ports = [80 if connection(name).plain_http else 443 for name in (registry, other)]
        return may_be_one((registry, ports[0]), (other, ports[1]))

    def real(self, reference: Reference) -> Reference:
        """The same place, on disk by its only name."""
        if not reference.transport:
            return reference
        found = self._real.get(reference.repository)
        if found is None:
            found = self._real[reference.repository] = real_path(reference)
        return reference._replace(repository=found)

    def repository(self, reference: Reference, write: bool = False) -> Repository:
        """The repository that ``reference`` is in; ``write``: it will be written to."""
        with self._lock:
            found = self._at(reference)
            if write:
                found.will_be_written()
            return found

    def source(self, reference: Reference) -> Repository:
        """The same to read from, where mirrors of the registry may stand in for it."""
        with self._lock:
            if reference.transport:
                return self._at(reference)
            found = self._sources.get(reference.name)
            if found is None:
                found = self._sources[reference.name] = self._mirrored(reference)
            return found

    def _open(self, registry: str, path: str) -> RegistryRepository:
        name = f"{registry}/{path}"
        found = self._opened.get(name)
        if found is None:
            found = RegistryRepository(self._network.client(registry), path)
            self._opened[name] = found
        return found

    def _mirrored(self, reference: Reference) -> Repository:
        upstream = self._open(reference.registry, reference.repository)
        settings = self._network.settings
        names = settings.lookup(reference.registry, reference.repository, "mirrors")
        if not names:
            return upstream
        from .mirrored import Mirror, MirroredRepository, Mirrors

        self._mirrors = self._mirrors or Mirrors(self._network)
        mirrors = []
        for name in names:
            host, _slash, prefix = name.partition("/")
            path = f"{prefix}/{reference.repository}" if prefix else reference.repository
            mirrors.append(Mirror(name, reference.registry, self._open(host, path)))
        return MirroredRepository(upstream, mirrors, self._mirrors)

    def _at(self, reference: Reference) -> Repository:
        if not reference.transport:
            return self._open(reference.registry, reference.repository)
        found = self._on_disk.get(reference.name)
        if found is None:
            from .disk import open_on_disk  # most calls have no use for it

            real = self.real(reference).name
            found = self._on_disk.get(real) or open_on_disk(reference, self._network)
            self._on_disk[real] = self._on_disk[reference.name] = found
        return found

    def _all_on_disk(self) -> list[Repository]:
        return list(dict.fromkeys(self._on_disk.values()))

    def sweep(self) -> list[str]:
        """See Repository; warnings."""
        return [warning for one in self._all_on_disk() if (warning := one.sweep())]

    def finish(self) -> list[tuple[Repository, ImageSyncError]]:
        """See Repository; those that aren't there to stay, and why."""
        failed = []
        for one in self._all_on_disk():
            try:
                one.finish()
            except ImageSyncError as error:
                failed.append((one, error))
        return failed

    def close(self) -> None:
        """See Repository."""
        for one in self._all_on_disk():
            one.close()
