# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tokens of one registry: fetched once however many threads want them, ahead in batches."""

from __future__ import annotations

import enum
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Callable, NamedTuple

from ..model.errors import AccessDenied, Cancelled, ImageSyncError, RegistryError
from .docker_config import Login
from .passwords import Passwords
from .token_batches import Batches, Expected, Scopes, atoms, name_of
from .tokens import Token


class Place(NamedTuple):
    """Where a token comes from, and for whom: tokens of two logins are never mixed."""

    realm: str
    service: str
    login: Login


#: seconds; who waits may itself keep the one from getting on for whom it waits
_LONGEST_WAIT = 10.0
#: (place, scopes, whether it is the only way to ask) -> a new token
Fetch = Callable[[Place, Scopes, bool], Token]


class Wish(NamedTuple):
    """What a request needs a token for.

    ``fresh``: it mustn't expire during a long upload; ``alone``: no other repository is to be
    named beside; ``mount``: it can be done without.
    """

    scopes: Scopes
    fresh: bool = False
    alone: bool = False
    mount: bool = False


class Next(enum.Enum):
    """What to do after a token was refused."""

    AGAIN = 1
    ALONE = 2
    NOTHING = 3


class _Kept:
    """A token, and what it may be used for; ``own`` was asked for first, ``sure`` it says so."""

    __slots__ = ("all", "good", "in_vain", "own", "place", "sure", "token")

    def __init__(
        self, place: Place, token: Token, own: Scopes, good_for: frozenset[str], sure: bool
    ) -> None:
        self.place, self.token, self.sure = place, token, sure
        self.own, self.all = atoms(own), good_for
        self.in_vain = self.good = False

    def drop(self, scopes: Scopes) -> None:
        """It is no good for their repositories."""
        names = {name_of(scope) for scope in scopes}
        self.all = frozenset(atom for atom in self.all if name_of(atom) not in names)


class _Flight(NamedTuple):
    """A request for a token that is under way."""

    place: Place
    asked: frozenset[str]
    several: bool


class TokenCache:
    """Tokens by place and repository."""

    def __init__(
        self, passwords: Passwords, login_of: Callable[[str], Login], fetch: Fetch
    ) -> None:
        """``login_of`` tells who we are for a repository."""
        self._passwords, self._login_of, self._fetch = passwords, login_of, fetch
        self._expected = Expected()
        self._batches: defaultdict[tuple[str, str], Batches] = defaultdict(Batches)
        self._kept: dict[tuple[Place, str], list[_Kept]] = {}
        self._by_value: dict[str, _Kept] = {}
        self._flights: list[_Flight] = []
        self._changed = threading.Condition()

    def expect(self, scopes: Scopes) -> None:
        """Requests with this need will come: their token may be fetched with another one."""
        with self._changed:
            self._expected.add(scopes)

    def get(self, place: Place, wish: Wish) -> str:
        """A token for this, kept or new."""
        until = time.monotonic() + _LONGEST_WAIT
        with self._changed:
            while True:
                self._passwords.stop_if_refused(place.login)
                if wish.mount and self._rules(place).refuses(wish.scopes):
                    raise AccessDenied("the realm gives no token for mounts between these", 403)
                found = self._best(place, wish.scopes, wish.fresh)
                if found:
                    return found.token.value
                if not self._has_to_wait(place, wish, until):
                    break
                self._changed.wait(1.0)
            asked = wish.scopes if wish.alone else self._compose(place, wish.scopes)
            flight = _Flight(place, atoms(asked), asked != wish.scopes or wish.mount)
            self._flights.append(flight)
        kept: _Kept | None = None
        try:
            kept = self._obtain(place, wish, asked)
        finally:
            with self._changed:
                self._flights.remove(flight)
                if kept:
                    self._keep(kept)
                self._changed.notify_all()
        return kept.token.value

    # after the answer

    def refused(self, value: str, wish: Wish, told: Scopes, insufficient: bool) -> Next:
        """The registry refused a token by 401; ``told``: the scopes to ask for instead.

        ``insufficient``: it says that the token is good, and not for this (RFC 6750, 3.1).
        """
        with self._changed:
            kept = self._by_value.get(value)
            if kept is None:
                return Next.AGAIN  # another thread saw to it
            first = atoms(wish.scopes) <= kept.own
            if first and insufficient and wish.mount:
                self._refuse_mount(kept, wish)
                return Next.NOTHING
            if first and (kept.in_vain or (insufficient and atoms(told) == kept.own)):
                return Next.NOTHING
            if insufficient or not (first or kept.sure):
                self._withdraw(kept, wish.scopes)
                return Next.ALONE
            self._forget(kept)
            return Next.AGAIN

    def doubtful(self, value: str, wish: Wish, status: int) -> bool:
        """Whether a 403 or 404 may be due to a token that was fetched for another repository.

        A 404 is how some hide what isn't allowed. It is believed only where the token says that
        it is allowed, or was asked for this first: a tag taken for absent may be overwritten.
        """
        with self._changed:
            kept = self._by_value.get(value)
            if kept is None or atoms(wish.scopes) <= kept.own:
                return False
            if status == 404 and kept.sure:
                return False
            self._withdraw(kept, wish.scopes)
            return True

    def used(self, value: str, wish: Wish, status: int) -> None:
        """The registry answered; a mount proves something only where it was done."""
        kept = self._by_value.get(value)
        if kept is None:
            return
        if status == 403 and wish.mount:
            with self._changed:
                self._refuse_mount(kept, wish)
        if status != 201 and (wish.mount or not 200 <= status < 300):
            return
        kept.in_vain, kept.good = False, True
        rules = self._rules(kept.place)
        if rules.several is None and (wish.mount or not atoms(wish.scopes) <= kept.own):
            rules.used()

    def was_good(self, value: str) -> bool:
        """Whether the registry has accepted this token; so too one that another thread dropped."""
        kept = self._by_value.get(value)
        return kept is None or kept.good

    def in_vain(self, value: str, wish: Wish) -> None:
        """A new token was refused as the one before it: another one wouldn't help."""
        with self._changed:
            kept = self._by_value.get(value)
            if kept is not None and wish.mount:
                self._refuse_mount(kept, wish)
            elif kept is not None:
                kept.in_vain = True

    # all below: with the lock, except _obtain and what it calls

    def _rules(self, place: Place) -> Batches:
        return self._batches[place.realm, place.service]

    def _best(self, place: Place, scopes: Scopes, fresh: bool = False) -> _Kept | None:
        """Of the tokens that cover these scopes: one fetched for them, then the longest lived."""
        wanted = atoms(scopes)
        found = [
            kept
            for kept in self._kept.get((place, name_of(scopes[0])), ())
            if wanted <= kept.all and kept.token.usable(fresh)
        ]
        if not found:
            return None
        return max(found, key=lambda kept: (wanted <= kept.own, kept.token.expires))

    def _has_to_wait(self, place: Place, wish: Wish, until: float) -> bool:
        """Whether a request under way may spare this one, or must be learned from first."""
        wanted, patient = atoms(wish.scopes), time.monotonic() < until
        for flight in self._flights:
            if flight.place == place and patient:
                if wanted <= flight.asked:
                    return True
                if flight.several and self._rules(place).uncertain(wish.mount):
                    return True
            if flight.place.login == place.login and self._passwords.untried(place.login):
                return True
        return False

    def _compose(self, place: Place, scopes: Scopes) -> Scopes:
        """What to ask for: alone as long as a refusal could mean a wrong password."""
        if self._passwords.untried(place.login):
            return scopes
        return self._rules(place).compose(scopes, self._candidates(place, scopes))

    def _candidates(self, place: Place, scopes: Scopes) -> Iterator[Scopes]:
        """What will be needed of the same login, and is neither here nor under way."""
        under_way = [flight.asked for flight in self._flights if flight.place == place]
        for wanted in self._expected.beginning_with(name_of(scopes[0])):
            if self._is_for(place.login, wanted[0]) and not self._best(place, wanted):
                needed = atoms(wanted)
                if not any(needed <= asked for asked in under_way):
                    yield wanted

    def _is_for(self, login: Login, scope: str) -> bool:
        try:
            return self._login_of(name_of(scope).partition(":")[2]) == login
        except ImageSyncError:  # told to the request for that repository
            return False

    def _keep(self, kept: _Kept) -> None:
        for name in {name_of(atom) for atom in kept.all}:
            held = self._kept.setdefault((kept.place, name), [])
            for old in [old for old in held if not old.token.usable()]:
                held.remove(old)
                self._by_value.pop(old.token.value, None)
            held.append(kept)
        same = self._by_value.get(kept.token.value)
        if same and same.place == kept.place:
            kept.own |= same.own  # some realms give one token for everything
        self._by_value[kept.token.value] = kept

    def _withdraw(self, kept: _Kept, scopes: Scopes) -> None:
        """The token is no good for one repository."""
        kept.drop(scopes[:1])
        if not atoms(scopes) <= kept.own:
            self._rules(kept.place).doubt(scopes)

    def _refuse_mount(self, kept: _Kept, wish: Wish) -> None:
        """The token is no good to take from the other repository."""
        kept.drop(wish.scopes[1:])
        self._rules(kept.place).refuse(wish.scopes)

    def _forget(self, kept: _Kept) -> None:
        """The token is no good at all."""
        self._by_value.pop(kept.token.value, None)
        kept.all = frozenset()

    # a new token

    def _obtain(self, place: Place, wish: Wish, asked: Scopes) -> _Kept:
        """Several are asked for once; whatever is the matter with that, then one alone."""
        if asked == wish.scopes:
            return self._alone(place, wish)
        failure: ImageSyncError | None = None
        try:
            token = self._fetch(place, asked, False)
        except Cancelled:
            raise
        except ImageSyncError as error:
            failure = error
        else:
            with self._changed:
                good_for, sure = self._rules(place).granted(wish.scopes, asked, token)
            if good_for:
                return _Kept(place, token, wish.scopes, good_for, sure)
        kept: _Kept | None = None
        try:
            kept = self._alone(place, wish)
            return kept
        finally:
            if failure is not None:
                with self._changed:
                    self._rules(place).failed(failure, kept is not None)

    def _alone(self, place: Place, wish: Wish) -> _Kept:
        try:
            token = self._fetch(place, wish.scopes, True)
        except RegistryError as error:
            if wish.mount and error.status >= 400 and error.status != 429:
                with self._changed:
                    self._rules(place).refuse(wish.scopes)
                if error.status >= 500:
                    raise AccessDenied(str(error), 403) from None  # it goes on without the mount
            raise
        return _Kept(place, token, wish.scopes, atoms(wish.scopes), False)
