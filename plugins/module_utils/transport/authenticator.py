# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authentication with one registry: what it asks for, what we answer, what we remember."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from ..model.errors import AuthenticationFailed
from .answer import Answer
from .challenge import Challenge, choose_challenge
from .credentials import Keychain
from .docker_config import Login
from .tokens import Token, TokenRequest, basic, read_token, token_request
from .trust import check_target

#: sends a request to a realm: (request, realm's purpose) -> its answer, 200 only
Send = Callable[[TokenRequest], Answer]


class Need(NamedTuple):
    """What a request needs to be allowed to do.

    ``actions``: "pull", "pull,push" or "delete" on ``repository``; ``sources``: repositories to
    pull from in the same request (a mount). Registries disagree about the scope of a deletion,
    so that one is taken from the challenge.
    """

    repository: str
    actions: str
    sources: tuple[str, ...] = ()

    def scopes(self) -> tuple[str, ...]:
        """The scopes to ask a token server for, the most important first."""
        if self.actions == "delete":
            return ()
        own = f"repository:{self.repository}:{self.actions}"
        return (own, *(f"repository:{name}:pull" for name in self.sources))


class Authenticator:
    """Gives requests to one registry their Authorization header."""

    def __init__(self, host: str, home: str, keychain: Keychain, send: Send) -> None:
        """``home``: the registry's origin, which decides how far a realm is trusted."""
        self._host, self._home = host, home
        self._keychain, self._send = keychain, send
        self._challenge: Challenge | None = None
        self._learned: dict[Need, tuple[str, ...]] = {}
        self._tokens: dict[tuple[str, str, Login], list[Token]] = defaultdict(list)
        self._refused: dict[Login, str] = {}
        self._accepted: set[Login] = set()
        self._lock = threading.Lock()
        self._locks: dict[object, threading.Lock] = {}

    def login(self, need: Need) -> Login:
        """Who we are for this repository."""
        return self._keychain.find(self._host, need.repository)

    def header(self, need: Need, fresh: bool = False) -> str | None:
        """The Authorization value as far as it is known what the registry wants.

        ``fresh``: a token for a long upload, which must not expire on the way.
        """
        login = self.login(need)
        if login.token:
            return f"Bearer {login.token}"
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            if not login.password:
                return None
            self._stop_if_refused(login)
            return basic(login.username, login.password)
        scopes = need.scopes() or self._learned.get(need)
        if scopes is None:
            return None
        return f"Bearer {self._token(challenge, login, scopes, fresh).value}"

    def meet(self, headers: Iterable[str], need: Need, sent: str | None) -> str | None:
        """The Authorization value after a 401 with these WWW-Authenticate headers.

        ``sent`` is what the refused request carried. None when there is nothing to answer with;
        raises AuthenticationFailed when a realm refuses our login.
        """
        challenge = choose_challenge(headers)
        login = self.login(need)
        if challenge is None or login.token:
            return None
        with self._lock:
            self._challenge = challenge
        if challenge.scheme == "basic":
            return self._meet_basic(login, sent)
        scopes = _merge(need.scopes(), challenge.parameters.get("scope", ""))
        if not scopes:  # a deletion, and a registry that doesn't say what it takes
            scopes = (f"repository:{need.repository}:pull,push,delete",)
        with self._lock:
            self._learned[need] = scopes
            self._forget(login, sent)
        return f"Bearer {self._token(challenge, login, scopes, False).value}"

    @contextlib.contextmanager
    def trial(self, need: Need, sent: str | None) -> Iterator[None]:
        """Around a request with a password: the first one alone, until it is known to be good.

        So a wrong password is tried once, not by all threads at a time.
        """
        login = self.login(need)
        if not sent or not sent.startswith("Basic ") or login in self._accepted:
            yield
            return
        with self._lock_for(login):
            self._stop_if_refused(login)
            if login not in self._accepted:
                yield
                return
        yield  # those that waited go on side by side

    def tried(self, need: Need, sent: str | None, status: int) -> None:
        """What became of a request; raises AuthenticationFailed for a password refused."""
        login = self.login(need)
        if not sent or not sent.startswith("Basic ") or login in self._accepted:
            return
        if status == 401:
            self._refuse(login, self._wrong(login))
        if 200 <= status < 500 and status not in (408, 425, 429):
            self._accepted.add(login)  # others may be said before the password is looked at

    def _meet_basic(self, login: Login, sent: str | None) -> str | None:
        if not login.password or (sent and sent.startswith("Basic ")):
            return None
        self._stop_if_refused(login)
        return basic(login.username, login.password)

    def _lock_for(self, key: object) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())

    def _wrong(self, login: Login) -> str:
        return (
            f"{self._host}: authentication failed: the registry refused the login "
            f"(credentials from: {login.kind})"
        )

    def _refuse(self, login: Login, message: str) -> None:
        """Remembers it, so that a wrong password isn't tried until the account is locked.

        One that was good before is refused for what was asked, not for itself.
        """
        with self._lock:
            if login not in self._accepted:
                self._refused[login] = message
        raise AuthenticationFailed(message, 401)

    def _stop_if_refused(self, login: Login) -> None:
        message = self._refused.get(login)
        if message:
            raise AuthenticationFailed(message, 401)

    def _token(
        self, challenge: Challenge, login: Login, scopes: tuple[str, ...], fresh: bool
    ) -> Token:
        realm, service = challenge.parameters["realm"], challenge.parameters.get("service", "")
        place = (realm, service, login)
        with self._lock_for((place, frozenset(scopes))):  # the others find the token of the first
            self._stop_if_refused(login)
            with self._lock:
                known = [t for t in self._tokens[place] if t.usable(fresh)]
                self._tokens[place] = known
            covering = [t for t in known if t.scopes.issuperset(scopes)]
            if covering:
                return max(covering, key=lambda token: token.expires)
            token = self._first_or_any(realm, service, scopes, login)
            self._keychain.learn(token.value)
            with self._lock:
                self._tokens[place].append(token)
            return token

    def _first_or_any(
        self, realm: str, service: str, scopes: tuple[str, ...], login: Login
    ) -> Token:
        """A new token; the first one for a login alone, as in trial()."""
        if login.secrets() and login not in self._accepted:
            with self._lock_for(login):
                self._stop_if_refused(login)
                if login not in self._accepted:
                    token = self._fetch(realm, service, scopes, login)
                    self._accepted.add(login)
                    return token
        return self._fetch(realm, service, scopes, login)

    def _fetch(self, realm: str, service: str, scopes: tuple[str, ...], login: Login) -> Token:
        check_target(realm, self._home, "the token realm")
        refresh = bool(login.identity_token)
        while True:
            try:
                answer = self._send(token_request(realm, service, scopes, login, refresh))
                return read_token(answer, scopes, self._host)
            except AuthenticationFailed as error:
                if not login.secrets():
                    raise AuthenticationFailed(
                        f"{self._host}: it wants a login for this, and none was found in "
                        "registries or in an auth file",
                        error.status,
                    ) from None
                self._refuse(login, self._wrong(login))
            except Exception as error:
                # OAuth2 isn't everywhere: such realms know no POST
                if not refresh or getattr(error, "status", 0) not in (404, 405):
                    raise
                refresh = False

    def _forget(self, login: Login, sent: str | None) -> None:
        for place, tokens in self._tokens.items():
            if place[2] == login:
                self._tokens[place] = [t for t in tokens if f"Bearer {t.value}" != sent]


def _merge(own: tuple[str, ...], challenged: str) -> tuple[str, ...]:
    """Ours first ("some registries look at the first only"), each once.

    A challenge may put several scopes into one string. What ours allow already isn't added.
    """
    more = [scope for scope in challenged.split() if not any(_covers(one, scope) for one in own)]
    return tuple(dict.fromkeys((*own, *more)))


def _covers(scope: str, other: str) -> bool:
    """Whether ``scope`` allows all that ``other`` does, as pull,push does pull."""
    name, _colon, actions = scope.rpartition(":")
    other_name, _colon, other_actions = other.rpartition(":")
    return name == other_name and set(other_actions.split(",")) <= set(actions.split(","))
