# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where logins come from: a table of sources, asked in their order; the first hit wins."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Callable, Optional, Protocol, Union

from ..model.errors import InvalidInput
from .auth_files import FileHelpers, FileLogins, FileStore, FromEnvironment, Opened
from .clouds import ecr_place, is_google
from .credential_helpers import Helpers
from .docker_config import Login
from .settings import Settings
from .text import Scrubber

if TYPE_CHECKING:
    from .ecr_login import EcrLogins
    from .google_login import GoogleLogins

ANONYMOUS = Login("anonymous")
#: asks for a login where that takes time, so only once the registry demands one
Later = Callable[[], Optional[Login]]
Hit = Union[Login, Later, None]
_PER_USER = "/run/containers"


class Source(Protocol):
    """One place where a login may be found."""

    def find(self, host: str, repository: str) -> Hit:
        """The login for ``host/repository``, None to let the next source try."""


class OptionLogins:
    """The option ``registries``, field by field."""

    def __init__(self, settings: Settings, helpers: Helpers) -> None:
        self._settings, self._helpers = settings, helpers

    def find(self, host: str, repository: str) -> Hit:
        """See Source. Of several kinds of login, the one of the longest entry counts."""
        found = {}
        for name in ("username", "password", "token", "identity_token", "helper"):
            entry = self._settings.entry(host, repository, name)
            if entry and getattr(entry, name):
                found[name] = (len(entry.path), getattr(entry, name))
        if "username" not in found:
            found.pop("password", None)  # it goes with the user name of a part of the registry
        secrets = [n for n in ("token", "identity_token", "password", "helper") if n in found]
        if not secrets:
            return None
        longest = max(found[name][0] for name in secrets)
        names: list[str] = [name for name in secrets if found[name][0] == longest]
        if names == ["helper"]:
            return self._helpers.later(found["helper"][1], host)
        if "helper" in names:
            names.remove("helper")
        if "username" in found and names != ["token"]:
            names.append("username")
        return Login("options", **{name: found[name][1] for name in names})


def _runtime_file() -> str:
    """As Podman has it, which with sudo or from cron knows of no XDG_RUNTIME_DIR."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return os.path.join(runtime, "containers", "auth.json")
    return os.path.join(_PER_USER, str(os.getuid()), "auth.json")


def _podman_file() -> str | None:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return os.path.join(base, "containers", "auth.json")


def _docker_file() -> str | None:
    return os.path.join(os.environ.get("DOCKER_CONFIG") or "~/.docker", "config.json")


def _files(settings: Settings) -> list[Opened]:
    """The auth files in their order (containers-auth.json(5), then Docker's own places).

    A file that the user names stands instead of the usual ones.
    """
    if settings.auth_file:
        return [Opened("auth_file", lambda: settings.auth_file, required=True)]
    return [
        Opened("REGISTRY_AUTH_FILE", lambda: os.environ.get("REGISTRY_AUTH_FILE")),
        Opened("podman", _runtime_file),
        Opened("podman", _podman_file),
        FromEnvironment("docker", lambda: os.environ.get("DOCKER_AUTH_CONFIG")),
        Opened("docker", _docker_file),
    ]


def sources(settings: Settings) -> dict[str, list[Source]]:
    """All sources in their order, by what ``auth`` in ``registries`` says."""
    helpers = Helpers()
    google, ecr = _Cloud(is_google, _google), _Cloud(ecr_place, lambda: _ecr(helpers))
    usual: list[Source] = [OptionLogins(settings, helpers)]
    for opened in _files(settings):
        usual += [
            FileHelpers(opened, helpers),
            FileLogins(opened),
            FileStore(opened, helpers),
        ]
    usual += [google, ecr]
    return {
        "auto": usual,
        "anonymous": [],
        "basic": usual,
        "google": [_Only(google)],
        "ecr": [_Only(ecr)],
    }


def _google() -> GoogleLogins:
    from .google_login import GoogleLogins

    return GoogleLogins()


def _ecr(helpers: Helpers) -> EcrLogins:
    from .ecr_login import EcrLogins

    return EcrLogins(helpers)


class _Cloud:
    """The logins of a cloud for its own registries, whose code is imported when one is needed."""

    def __init__(
        self, owns: Callable[[str], object], make: Callable[[], GoogleLogins | EcrLogins]
    ) -> None:
        self._owns, self._make = owns, make
        self._logins: GoogleLogins | EcrLogins | None = None
        self._lock = threading.Lock()

    def find(self, host: str, repository: str) -> Hit:
        """See Source. Nothing is imported or asked before the login is needed."""
        return (lambda: self.login(host)) if self._owns(host) else None

    def login(self, host: str, required: bool = False) -> Login | None:
        """See GoogleLogins and EcrLogins."""
        with self._lock:
            logins = self._logins = self._logins or self._make()
        return logins.login(host, required)


class _Only:
    """A source of a cloud, for a host whose name doesn't tell, and for which it must do."""

    def __init__(self, source: _Cloud) -> None:
        self._source = source

    def find(self, host: str, repository: str) -> Hit:
        """See Source."""
        return lambda: self._source.login(host, required=True)


class Keychain:
    """Finds the login for a repository, and remembers it for the run."""

    def __init__(self, settings: Settings, scrub: Scrubber | None = None) -> None:
        """``scrub`` learns the secrets of each login that is found."""
        self._settings, self._sources = settings, sources(settings)
        self._scrub = scrub or Scrubber()
        self._scrub.add(*settings.secrets())
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Login] = {}
        #: the kind of login used for each registry
        self.kinds: dict[str, str] = {}

    def learn(self, token: str) -> None:
        """A token was fetched, which is a secret too."""
        self._scrub.add(token)

    def find(self, host: str, repository: str, demanded: bool = True) -> Login:
        """The login for ``host/repository``; ANONYMOUS where no source has one.

        ``demanded``: the registry has asked for a login. Else sources that take time aren't
        asked yet, nor those after them.
        """
        key = (host, repository)
        login = self._found.get(key)
        if login is None or time.monotonic() >= login.expires:
            login, final = self._search(host, repository, demanded)
            self._scrub.add(login.token, login.identity_token)
            self._scrub.add_login(login.username, login.password)
            with self._lock:
                if final:
                    self._found[key] = login
                if self.kinds.get(host, "anonymous") == "anonymous":
                    self.kinds[host] = login.kind
        return login

    def _search(self, host: str, repository: str, demanded: bool) -> tuple[Login, bool]:
        """The login, and whether it is the last word."""
        auth = self._settings.lookup(host, repository, "auth") or "auto"
        for source in self._sources[auth]:
            hit = source.find(host, repository)
            if callable(hit):
                if not demanded and auth != "basic":
                    return ANONYMOUS, False
                hit = hit()
            if hit:
                return _as_asked(hit, auth, host), True
        return _as_asked(ANONYMOUS, auth, host), True


def _as_asked(login: Login, auth: str, host: str) -> Login:
    """With ``basic``, a password is sent unasked, and there must be one."""
    if auth != "basic":
        return login
    if not login.password:
        raise InvalidInput(
            f"{host}: auth is basic, and no user name with a password was found "
            f"(credentials from: {login.kind})"
        )
    return login._replace(token="", identity_token="", at_once=True)
