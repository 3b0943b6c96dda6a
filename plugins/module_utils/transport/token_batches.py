# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many repositories one token may name: the rules, and what a realm's answers teach.

A request for a token can name several scopes (distribution, "Token Authentication
Specification"). Some realms refuse that, some grant the first scope only, some refuse all when
one is denied. Nothing here sends anything.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

from ..model.errors import ConnectionFailed, ImageSyncError
from .tokens import Token, granted_by

Scopes = tuple[str, ...]

_MOST = 15
#: of scopes in a request, whose URL must not grow too long either
_MOST_TEXT = 4096
#: proxies refuse headers above 8 KB: from here on fewer repositories, or one, are named
_LONG, _TOO_LONG = 6000, 7500
#: failures that may have another reason, before they are taken for the realm's way
_STRIKES = 2
#: what is said of a request that has too much in it
_TOO_LARGE = (413, 414, 431)
#: what may be said of one repository among several
_DENIED = (401, 403, 404)


def name_of(scope: str) -> str:
    """``repository:team/app`` of ``repository:team/app:pull``."""
    return scope.rpartition(":")[0]


@functools.lru_cache(maxsize=4096)
def atoms(scopes: Scopes) -> frozenset[str]:
    """Each action of each scope by itself, as a token for pull,push is good to pull."""
    return frozenset(f"{name_of(scope)}:{action}" for scope in scopes for action in _actions(scope))


class Expected:
    """The repositories that tokens will be needed for, in the order of their turn."""

    def __init__(self) -> None:
        self._wanted: dict[str, tuple[str, dict[str, None]]] = {}

    def add(self, scopes: Scopes) -> None:
        """The first is the repository's own scope, the others are of those it mounts from."""
        own, *lenders = scopes
        before, known = self._wanted.pop(name_of(own), (own, {}))
        if len(_actions(own)) < len(_actions(before)):
            own = before
        self._wanted[name_of(own)] = (own, {**known, **dict.fromkeys(lenders)})

    def beginning_with(self, name: str) -> Iterator[Scopes]:
        """What one request each needs; ``name`` first, what was expected before it last."""
        names = list(self._wanted)
        start = names.index(name) if name in self._wanted else 0
        for each in (*names[start:], *names[:start]):
            own, lenders = self._wanted[each]
            if not lenders:
                yield (own,)
            for lender in lenders:
                yield (own, lender)


class Batches:
    """One realm: how many repositories a token may name, and how that is found out."""

    def __init__(self) -> None:
        self.limit = _MOST
        #: whether tokens are given for several repositories at all; None: not known
        self.several: bool | None = None
        self._alone: set[str] = set()
        self._doubted = False
        self._strikes = 0
        self._refused: set[Scopes] = set()

    @property
    def most(self) -> int:
        """How many a request may name now."""
        return 1 if self._doubted and self.several is None else self.limit

    def uncertain(self, mount: bool) -> bool:
        """Whether a request for several is one to learn from, before the next is sent."""
        return self.several is None and (mount or self.most > 1)

    def compose(self, scopes: Scopes, candidates: Iterable[Scopes]) -> Scopes:
        """``scopes``, and after them as many of the ``candidates`` as fit into one request.

        All scopes of a candidate are named, or none.
        """
        named = {name_of(scope): scope for scope in scopes}
        fixed, text = set(named), sum(len(scope) + 1 for scope in scopes)
        most = self.most
        if len(named) >= most:
            return scopes
        for wanted in candidates:
            if len(named) >= most:
                break
            new = _missing(wanted, named)
            if any(name in fixed or name in self._alone for name in new):
                continue
            more = text + sum(len(new[n]) + 1 - len(named.get(n, "")) for n in new)
            if len(named.keys() | new.keys()) <= most and more <= _MOST_TEXT:
                named.update(new)
                text = more
        return (*scopes, *(scope for name, scope in named.items() if name not in fixed))

    def granted(self, own: Scopes, asked: Scopes, token: Token) -> tuple[frozenset[str], bool]:
        """What a token may be used for, and whether it says so itself; learns from it.

        What was asked for first counts as granted, for the registry to decide. Nothing is
        granted by a token that is too long to be sent.
        """
        if asked == own:
            return atoms(own), False
        self._strikes = 0
        self._measure(len(token.value), len({name_of(scope) for scope in asked}))
        if len(token.value) > _TOO_LONG:
            return frozenset(), False
        if not token.usable():
            self.limit = 1  # the others wouldn't get to use it
        more = atoms(asked) - atoms(own)
        # what was found to be no good while this was fetched
        more = frozenset(atom for atom in more if name_of(atom) not in self._alone)
        told = granted_by(token.value)
        if told is None:
            return atoms(own) | more, False
        given = {atom for atom in more if atom in told or f"{name_of(atom)}:*" in told}
        missing = {name_of(atom) for atom in more - given}
        if given:
            self.several = True
        elif len(missing) > 1 and self.several is None and told & atoms(own):
            self._give_up()
        self._alone |= missing
        return atoms(own) | given, True

    def failed(self, error: ImageSyncError, alone_worked: bool) -> None:
        """A request for several failed; ``alone_worked``: one for the first alone did not."""
        status = getattr(error, "status", 0)
        self._strikes += 1
        passing = status == 0 or status >= 500 or isinstance(error, ConnectionFailed)
        if self._strikes < _STRIKES and (passing or not alone_worked):
            return
        if status in _TOO_LARGE:
            self.limit = max(1, self.limit // 2)
        elif status in _DENIED or self.several or not alone_worked:
            self.limit = 1  # one of them may be denied, which says nothing of a mount's two
        else:
            self._give_up()

    def used(self) -> None:
        """A token was good for a repository that was named beside others."""
        self.several = True

    def doubt(self, scopes: Scopes) -> None:
        """A token was no good for a repository that was named beside others."""
        self._alone.add(name_of(scopes[0]))
        self._doubted = True

    def refuse(self, scopes: Scopes) -> None:
        """No token is good for this mount; after a few, none is asked for any more."""
        self._refused.add(scopes)
        if self.several is None and len(self._refused) >= _STRIKES:
            self._give_up()

    def refuses(self, scopes: Scopes) -> bool:
        """Whether a mount with these scopes needn't be tried."""
        return self.several is False or scopes in self._refused

    def _give_up(self) -> None:
        self.several, self.limit = False, 1

    def _measure(self, length: int, repositories: int) -> None:
        if length > _TOO_LONG:
            self.limit = 1
        elif length > _LONG:
            self.limit = min(self.limit, max(1, repositories // 2))


def _actions(scope: str) -> set[str]:
    return set(scope.rpartition(":")[2].split(","))


def _missing(wanted: Scopes, named: dict[str, str]) -> dict[str, str]:
    """The scopes by name that must be added, or take the place of a narrower one."""
    return {
        name_of(scope): scope
        for scope in wanted
        if name_of(scope) not in named or not _actions(scope) <= _actions(named[name_of(scope)])
    }
