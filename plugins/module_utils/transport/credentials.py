# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where logins come from: a table of sources, asked in their order; the first hit wins."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Protocol

from ..model.errors import InvalidInput
from .docker_config import AuthFile, Login
from .settings import Settings
from .text import Scrubber

ANONYMOUS = Login("anonymous")


class Source(Protocol):
    """One place where a login may be found."""

    def find(self, host: str, repository: str) -> Login | None:
        """The login for ``host/repository``, None to let the next source try."""


class OptionLogins:
    """The option ``registries``, field by field."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def find(self, host: str, repository: str) -> Login | None:
        """See Source. Of several kinds of login, the one of the longest entry counts."""
        found = {}
        for name in ("username", "password", "token", "identity_token"):
            entry = self._settings.entry(host, repository, name)
            if entry and getattr(entry, name):
                found[name] = (len(entry.path), getattr(entry, name))
        if "username" not in found:
            found.pop("password", None)  # it goes with the user name of a part of the registry
        secrets = [name for name in ("token", "identity_token", "password") if name in found]
        if not secrets:
            return None
        longest = max(found[name][0] for name in secrets)
        names: list[str] = [name for name in secrets if found[name][0] == longest]
        if "password" in names:
            names.append("username")
        return Login("options", **{name: found[name][1] for name in names})


class AuthFiles:
    """One auth file, read when it is first needed; a missing one is empty unless required."""

    def __init__(self, kind: str, path: Callable[[], str | None], required: bool) -> None:
        self._kind, self._path, self._required = kind, path, required
        self._file: AuthFile | None = None
        self._read = False
        self._lock = threading.Lock()

    def find(self, host: str, repository: str) -> Login | None:
        """See Source."""
        with self._lock:
            if not self._read:
                self._file = self._open()
                self._read = True
        return self._file.find(host, repository) if self._file else None

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


def _runtime_file() -> str | None:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return os.path.join(runtime, "containers", "auth.json") if runtime else None


def _podman_file() -> str | None:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return os.path.join(base, "containers", "auth.json")


def _docker_file() -> str | None:
    return os.path.join(os.environ.get("DOCKER_CONFIG") or "~/.docker", "config.json")


def sources(settings: Settings) -> list[Source]:
    """All sources in their order (containers-auth.json(5), then Docker's own place).

    A file that the user names stands instead of the usual ones.
    """
    options = OptionLogins(settings)
    if settings.auth_file:
        return [options, AuthFiles("auth_file", lambda: settings.auth_file, True)]
    return [
        options,
        AuthFiles("REGISTRY_AUTH_FILE", lambda: os.environ.get("REGISTRY_AUTH_FILE"), False),
        AuthFiles("podman", _runtime_file, False),
        AuthFiles("podman", _podman_file, False),
        AuthFiles("docker", _docker_file, False),
    ]


class Keychain:
    """Finds the login for a repository, and remembers it for the run."""

    def __init__(self, settings: Settings, scrub: Scrubber | None = None) -> None:
        """``scrub`` learns the secrets of each login that is found."""
        self._sources = sources(settings)
        self._scrub = scrub or Scrubber()
        self._scrub.add(*settings.secrets())
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Login] = {}
        #: the kind of login used for each registry
        self.kinds: dict[str, str] = {}

    def learn(self, token: str) -> None:
        """A token was fetched, which is a secret too."""
        self._scrub.add(token)

    def find(self, host: str, repository: str) -> Login:
        """The login for ``host/repository``; ANONYMOUS where no source has one."""
        key = (host, repository)
        login = self._found.get(key)
        if login is None:
            hits = (source.find(host, repository) for source in self._sources)
            login = next((hit for hit in hits if hit), ANONYMOUS)
            self._scrub.add(login.token, login.identity_token)
            self._scrub.add_login(login.username, login.password)
            with self._lock:
                self._found[key] = login
                if self.kinds.get(host, "anonymous") == "anonymous":
                    self.kinds[host] = login.kind
        return login
