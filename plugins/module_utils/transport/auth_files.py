# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins that the user's files hold, or the programs that these files name."""

from __future__ import annotations

import os
import threading
from typing import Callable

from ..model.errors import InvalidInput
from .credential_helpers import Helpers
from .docker_config import AuthFile, Login


class Opened:
    """One auth file, read when it is first needed; a missing one is empty unless required."""

    def __init__(self, kind: str, path: Callable[[], str | None], required: bool = False) -> None:
        self._kind, self._path, self._required = kind, path, required
        self._file: AuthFile | None = None
        self._read = False
        self._lock = threading.Lock()

    @property
    def file(self) -> AuthFile | None:
        """What is in it; raises InvalidInput."""
        with self._lock:
            if not self._read:
                self._file = self._open()
                self._read = True
        return self._file

    def _open(self) -> AuthFile | None:
        path = self._path()
        if not path:
            return None
        path = os.path.expanduser(path)
        if not os.path.exists(path):
            if self._required:
                raise InvalidInput(f"the auth file {path} doesn't exist")
            return None
        return AuthFile(path, self._kind)


class FromEnvironment(Opened):
    """Docker's file as a text in a variable, as CI systems have it."""

    def _open(self) -> AuthFile | None:
        text = self._path()
        return AuthFile("DOCKER_AUTH_CONFIG", self._kind, text) if text else None


class FileHelpers:
    """``credHelpers``: the program that a file names for one registry."""

    def __init__(self, opened: Opened, helpers: Helpers) -> None:
        self._opened, self._helpers = opened, helpers

    def find(self, host: str, repository: str) -> Callable[[], Login | None] | None:
        """See Source."""
        name = self._opened.file.helper(host) if self._opened.file else ""
        return self._helpers.later(name, host) if name else None


class FileLogins:
    """``auths``: the logins that a file itself holds."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def find(self, host: str, repository: str) -> Login | None:
        """See Source."""
        return self._opened.file.find(host, repository) if self._opened.file else None


class FileStore:
    """``credsStore``: the program that a file names for all other registries."""

    def __init__(self, opened: Opened, helpers: Helpers) -> None:
        self._opened, self._helpers = opened, helpers

    def find(self, host: str, repository: str) -> Callable[[], Login | None] | None:
        """See Source."""
        name = self._opened.file.store if self._opened.file else ""
        return self._helpers.later(name, host) if name else None
