# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating a repository before the first write to it, where the registry doesn't by itself."""

from __future__ import annotations

import threading
from typing import Callable, TypeVar

from ..model.errors import ImageSyncError, RegistryError
from ..transport.client import RegistryClient

T = TypeVar("T")
_LOOKED_FOR, _CREATED = 1, 2


class Creation:
    """One repository's; ``create_repository`` in ``registries`` says whether it is wanted."""

    def __init__(self, client: RegistryClient, path: str, exists: Callable[[], bool]) -> None:
        """``exists`` is asked at most once, before the first write."""
        self._client, self._path, self._exists = client, path, exists
        settings = client.network.settings
        self._wanted = bool(settings.lookup(client.host, path, "create_repository"))
        self._stage = 0
        self._error: ImageSyncError | None = None
        self._lock = threading.Lock()

    def needed(self) -> bool:
        """Whether the first write would create the repository."""
        return self._wanted and not self._exists()

    def ensure(self) -> None:
        """Before each write; the first of them creates what is missing, and the others wait.

        Raises ImageSyncError, the same each time: what was refused once isn't asked for again.
        """
        if self._wanted:
            self._once(_LOOKED_FOR, self._exists)

    def then(self, write: Callable[[], T]) -> T:
        """What ``write`` gives, in a repository that is there.

        Who may write, and not list tags, finds out only by a write that it is missing.
        """
        self.ensure()
        try:
            return write()
        except RegistryError as error:
            if not self._wanted or "NAME_UNKNOWN" not in error.codes:
                raise
        self._once(_CREATED, lambda: False)
        return write()

    def _once(self, stage: int, exists: Callable[[], bool]) -> None:
        with self._lock:
            if self._error:
                raise self._error
            if self._stage >= stage:
                return
            try:
                if not exists():
                    self._client.network.ecr_repositories.create(self._client.host, self._path)
                    stage = _CREATED
            except ImageSyncError as error:
                self._error = error
                raise
            self._stage = stage
