# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating a repository before the first write to it, where the registry doesn't by itself."""

from __future__ import annotations

import threading
from typing import Callable

from ..model.errors import ImageSyncError
from ..transport.client import RegistryClient


class Creation:
    """One repository's; ``create_repository`` in ``registries`` says whether it is wanted."""

    def __init__(self, client: RegistryClient, path: str, exists: Callable[[], bool]) -> None:
        """``exists`` is asked at most once, before the first write."""
        self._client, self._path, self._exists = client, path, exists
        settings = client.network.settings
        self._wanted = bool(settings.lookup(client.host, path, "create_repository"))
        self._done = threading.Event()
        self._error: ImageSyncError | None = None
        self._lock = threading.Lock()

    def needed(self) -> bool:
        """Whether the first write would create the repository."""
        return self._wanted and not self._exists()

    def ensure(self) -> None:
        """Before each write; the first of them creates what is missing, and the others wait.

        Raises ImageSyncError, the same each time: what was refused once isn't asked for again.
        """
        if not self._wanted or self._done.is_set():
            return
        with self._lock:
            if self._error:
                raise self._error
            if self._done.is_set():
                return
            try:
                if not self._exists():
                    self._client.network.ecr_repositories.create(self._client.host, self._path)
            except ImageSyncError as error:
                self._error = error
                raise
            self._done.set()
