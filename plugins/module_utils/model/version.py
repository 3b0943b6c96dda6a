# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that are versions, and their order.

A version is up to four numbers, with or without a ``v`` before them. What follows is a
prerelease, when its first word is one of a few (``-rc.1``, ``-beta2``, ``3.14.0b1``), and else
the variant of the image (``-alpine3.20``), which says nothing about its age. ``1.2.3-rc.1-alpine``
has both. Any other tag isn't a version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PARTS = 4
#: a number sorts before a word, and by its value (semver.org, 11.4)
Piece = tuple[int, int, str]
#: numbers, then what is before the release with these numbers, then the release
Key = tuple[tuple[int, ...], int, tuple[Piece, ...]]
#: what a tag calls its version: numbers as written, and the prerelease
Name = tuple[tuple[int, ...], tuple[Piece, ...]]
PRERELEASE, RELEASE = 0, 1

_NUMBERS = re.compile(r"([vV]?)([0-9]+(?:\.[0-9]+){0,3})")
_WORD = "alpha|beta|canary|dev|nightly|preview|pre|rc|snapshot"
#: one letter directly behind a number (OpenSSL's 1.1.1a) is no prerelease, but 3.14.0b1 is one
_PRERELEASE = re.compile(
    rf"((?:[-_](?:{_WORD}|[abm])|(?:{_WORD})|[abm](?=[0-9]))"
    r"(?:[.-]?[0-9]+)?(?:\.[0-9a-z]+)*)(?:[-_](.+))?",
    re.IGNORECASE,
)
_PIECES = re.compile(r"[0-9]+|[a-z]+")
#: Git's abbreviated hashes may look like 1b234567
_SHORT = re.compile(r"[0-9]+[abm][0-9]", re.IGNORECASE)


class Version(NamedTuple):
    """A tag taken apart. ``numbers`` are those written; ``prerelease`` is empty for a release."""

    tag: str
    has_v: bool
    numbers: tuple[int, ...]
    prerelease: tuple[Piece, ...]
    variant: str

    @property
    def key(self) -> Key:
        """Sorts versions from the oldest to the newest; the variant has no part in it."""
        return padded(self.numbers), PRERELEASE if self.prerelease else RELEASE, self.prerelease

    @property
    def name(self) -> Name:
        """What it is called, whatever its variant, and whether with a ``v``."""
        return self.numbers, self.prerelease

    def names(self) -> Iterator[Name]:
        """Its own name and its shorter ones: ``1.27`` and ``1`` for ``1.27.3``.

        A prerelease has them too: ``4.1-rc`` for ``4.1.0-rc.2``.
        """
        pieces = self.prerelease
        for length in range(1, len(self.numbers) + 1):
            yield self.numbers[:length], pieces
        for length in range(1, len(self.numbers) if pieces else 0):
            for count in range(1, len(pieces)):
                yield self.numbers[:length], pieces[:count]


def padded(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """With zeros for the parts that aren't written."""
    return numbers + (0,) * (PARTS - len(numbers))


def parse_version(tag: str) -> Version | None:
    """The version that a tag is, None for any other tag."""
    start = _NUMBERS.match(tag)
    if start is None:
        return None
    numbers = tuple(int(part) for part in start.group(2).split("."))
    prerelease, variant, rest = "", "", tag[start.end() :]
    found = None if _SHORT.match(tag) else _PRERELEASE.fullmatch(rest)
    if found:
        prerelease, variant = found.group(1).lower(), found.group(2) or ""
    elif rest[:1] in ("-", "_") and len(rest) > 1:
        variant = rest[1:]
    elif rest:
        return None
    return Version(tag, bool(start.group(1)), numbers, _pieces(prerelease), variant)


def _pieces(text: str) -> tuple[Piece, ...]:
    """In natural order: ``rc2`` before ``rc10``."""
    return tuple(
        (0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in _PIECES.findall(text)
    )


def newest_first(tags: Iterable[str]) -> list[str]:
    """Each tag once: versions from the newest on, then what isn't a version, by text.

    Of equal versions, the one with more parts comes first (``1.27.0``, then ``1.27``); then
    the text decides.
    """
    parsed = {tag: parse_version(tag) for tag in tags}
    versions = in_order(version for version in parsed.values() if version)
    others = sorted(tag for tag, version in parsed.items() if not version)
    return [version.tag for version in versions] + others


def in_order(versions: Iterable[Version]) -> list[Version]:
    """Versions as `newest_first` orders their tags."""
    ordered = sorted(versions, key=lambda version: version.tag)
    # a sort keeps the order of equals, also when it is reversed
    ordered.sort(key=lambda version: (version.key, len(version.numbers)), reverse=True)
    return ordered
