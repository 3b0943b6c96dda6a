# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authentication with one registry: what it asks for, what we answer, what we remember."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from ..model.errors import AuthenticationFailed, ImageSyncError
from .answer import Answer
from .challenge import Challenge, choose_challenge
from .clouds import login_hint
from .credentials import Keychain
from .docker_config import Login
from .passwords import Passwords
from .token_cache import Next, Place, TokenCache, Wish
from .tokens import Token, TokenRequest, basic, read_token, token_request
from .trust import check_target

#: sends a request to a realm: (request, realm's purpose) -> its answer, 200 only
Send = Callable[[TokenRequest], Answer]
#: seconds to wait for the first answer of a registry, which tells whether it wants a login
_PATIENCE = 2.0


#: to list all repositories (distribution, "Token Scope Documentation")
CATALOG = "catalog"


class Need(NamedTuple):
    """What a request needs to be allowed to do.

    ``actions``: "pull", "pull,push" or "delete" on ``repository``; ``sources``: repositories to
    pull from in the same request (a mount). Registries disagree about the scope of a deletion,
    so that one is taken from the challenge. CATALOG is for no repository.
    """

    repository: str
    actions: str
    sources: tuple[str, ...] = ()

    def scopes(self) -> tuple[str, ...]:
        """The scopes to ask a token server for, the most important first."""
        if self.actions == "delete":
            return ()
        if self.actions == CATALOG:
            return ("registry:catalog:*",)
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
        self._passwords = Passwords(host)
        self._tokens = TokenCache(
            self._passwords, lambda name: keychain.find(host, name), self._fetch
        )
        self._by_get: set[str] = set()
        self._lock = threading.Lock()
        self._begun, self._opened = False, threading.Event()

    def login(self, need: Need) -> Login:
        """Who we are for this repository, as far as it matters yet.

        Before the registry has asked for a login, sources that take time aren't asked.
        """
        return self._keychain.find(self._host, need.repository, self._challenge is not None)

    def secrets(self, need: Need, status: int) -> tuple[str, ...]:
        """What an answer with this status may repeat and nobody must see; empty: no login."""
        demanded = status == 401 or self._challenge is not None
        try:
            return self._keychain.find(self._host, need.repository, demanded).secrets()
        except ImageSyncError:
            return ("",)  # there is one, somewhere; why we can't have it is told when it is needed

    def expect(self, need: Need) -> None:
        """Requests with this need will come; known ahead, few tokens do for many of them."""
        if need.scopes():
            self._tokens.expect(need.scopes())

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Around the first request, which goes alone: its answer may tell what all have to send.

        The others wait for it a little, and never for a second one.
        """
        if self._opened.is_set():
            yield
            return
        with self._lock:
            first, self._begun = not self._begun, True
        if not first:
            self._opened.wait(_PATIENCE)
            yield
            return
        try:
            yield
        finally:
            self._opened.set()

    def hear(self, headers: Iterable[str]) -> None:
        """The WWW-Authenticate headers of a 401."""
        self._challenge = choose_challenge(headers) or self._challenge

    def header(self, need: Need, fresh: bool = False) -> str | None:
        """The Authorization value as far as it is known what the registry wants.

        ``fresh``: a token for a long upload, which must not expire on the way.
        """
        login, challenge = self.login(need), self._challenge
        if login.token:
            return f"Bearer {login.token}"
        if login.at_once or (challenge and challenge.scheme == "basic"):
            if not login.password:
                return None
            self._passwords.stop_if_refused(login)
            return basic(login.username, login.password)
        if challenge is None:
            return None
        scopes = need.scopes() or self._learned.get(need)
        if scopes is None:
            return None
        return self._bearer(challenge, login, _wish(need, scopes, fresh))

    def meet(self, headers: Iterable[str], need: Need, sent: str | None) -> str | None:
        """The Authorization value after a 401 with these WWW-Authenticate headers.

        ``sent`` is what the refused request carried. None when there is nothing to answer with;
        raises AuthenticationFailed when a realm refuses our login.
        """
        login = self._keychain.find(self._host, need.repository)
        challenge = choose_challenge(headers, bool(login.password))
        if challenge is None or login.token or login.at_once:
            return None
        self._challenge = challenge
        if challenge.scheme == "basic":
            return self._meet_basic(login, sent)
        scopes = _merge(need.scopes(), challenge.parameters.get("scope", ""))
        if not scopes:  # a deletion, and a registry that doesn't say what it takes
            scopes = (f"repository:{need.repository}:pull,push,delete",)
        self._learned[need] = scopes
        wish = _wish(need, scopes)
        if sent:
            insufficient = challenge.parameters.get("error") == "insufficient_scope"
            asked = wish._replace(scopes=need.scopes() or scopes)
            todo = self._tokens.refused(_token_of(sent), asked, scopes, insufficient)
            if todo is Next.NOTHING:
                return None
            wish = wish._replace(alone=wish.alone or todo is Next.ALONE)
        return self._bearer(challenge, login, wish)

    def doubts(self, need: Need, sent: str | None, status: int) -> bool:
        """Whether a 403 or 404 may be due to a token that was fetched for several."""
        if not sent or not need.scopes():
            return False
        return self._tokens.doubtful(_token_of(sent), _wish(need, need.scopes()), status)

    def alone(self, need: Need) -> str | None:
        """After a doubt: the Authorization value of a token for this need and nothing else."""
        challenge = self._challenge
        if challenge is None or challenge.scheme != "bearer":
            return None
        wish = _wish(need, need.scopes())._replace(alone=True)
        return self._bearer(challenge, self.login(need), wish)

    def compared(self, need: Need, sent: str | None, first: int, again: str, second: int) -> None:
        """What came of a second try: the status with ``sent``, and that with ``again``."""
        if sent and first == second == 401 and need.scopes():
            self._tokens.in_vain(_token_of(again), _wish(need, need.scopes()))

    def ended(self, sent: str, status: int) -> bool:
        """Whether this answer refuses a token that was good for something until now."""
        bearer = status == 401 and sent.startswith("Bearer ")
        return bearer and self._tokens.was_good(_token_of(sent))

    def trial(self, need: Need, sent: str | None) -> contextlib.AbstractContextManager[None]:
        """Around a request with a password: see Passwords."""
        return self._passwords.trial(self.login(need), sent)

    def tried(self, need: Need, sent: str | None, status: int) -> None:
        """What became of a request; raises AuthenticationFailed for a password refused."""
        self._passwords.tried(self.login(need), sent, status)
        if sent and need.scopes():
            self._tokens.used(_token_of(sent), _wish(need, need.scopes()), status)

    def _meet_basic(self, login: Login, sent: str | None) -> str | None:
        if not login.password or (sent and sent.startswith("Basic ")):
            return None
        self._passwords.stop_if_refused(login)
        return basic(login.username, login.password)

    def _bearer(self, challenge: Challenge, login: Login, wish: Wish) -> str:
        parameters = challenge.parameters
        place = Place(parameters["realm"], parameters.get("service", ""), login)
        return f"Bearer {self._tokens.get(place, wish)}"

    def _fetch(self, place: Place, scopes: tuple[str, ...], last: bool) -> Token:
        """A new token. Where there is another way to ask, ``last`` False, a 401 says little."""
        realm, service, login = place
        check_target(realm, self._home, "the token realm")
        refresh = bool(login.identity_token) and realm not in self._by_get
        while True:
            try:
                request = token_request(realm, service, scopes, login, refresh)
                answer = self._send(request._replace(patient=last))
                token = read_token(answer, scopes, self._host)
                break
            except AuthenticationFailed as error:
                if not last:
                    raise
                if not login.secrets():
                    raise AuthenticationFailed(
                        f"{self._host}: it wants a login for this, and none was found in "
                        f"registries or in an auth file{login_hint(self._host)}",
                        error.status,
                    ) from None
                self._passwords.refuse(login)
            except Exception as error:
                status = getattr(error, "status", 0)
                # OAuth2 isn't everywhere: such realms know no POST
                if refresh and status in (404, 405):
                    refresh = False
                    continue
                if last and status in ((400, 403) if refresh else (403,)):
                    self._prove(place, refresh, error)
                raise
        if login.identity_token and not refresh:
            self._by_get.add(realm)
        self._passwords.accept(login)
        self._keychain.learn(token.value)
        return token

    def _prove(self, place: Place, refresh: bool, refusal: Exception) -> None:
        """After a refusal that may mean the login as well as the repository: which of both.

        Not all realms answer a wrong password with 401 (GitLab: 403; RFC 6749, 5.2: 400). A
        login that is good gets a token for nothing; so a wrong one is tried twice, not for each
        repository. Raises AuthenticationFailed for it.
        """
        login = place.login
        if not self._passwords.untried(login):
            return
        request = token_request(place.realm, place.service, (), login, refresh)
        try:
            self._send(request._replace(patient=False)).drain()
        except ImageSyncError as error:
            if getattr(error, "status", 0) in (401, getattr(refusal, "status", 0)):
                said = str(refusal)
                own = f"{self._host}: "
                self._passwords.refuse(login, said[len(own) :] if said.startswith(own) else said)
        else:
            self._passwords.accept(login)


def _wish(need: Need, scopes: tuple[str, ...], fresh: bool = False) -> Wish:
    """Registries disagree about deletions, so a token for one has nothing else in it."""
    return Wish(scopes, fresh, need.actions == "delete", bool(need.sources))


def _token_of(header: str) -> str:
    return header.partition(" ")[2]


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
