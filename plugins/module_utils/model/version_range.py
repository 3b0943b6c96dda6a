# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ranges of versions (``>=1.25 <2``, ``^1.2``, ``1.2.x``) and wildcards (``v2.x.0``).

The language is that of npm and of Masterminds/semver (Helm), which agree on nearly all of it:
``=1.2``, ``<=1.2`` and ``>1.2`` are about every 1.2.x. A range is over the numbers, so that
``<2`` never has ``2.0.0-rc1``. Only a bound that names a prerelease itself goes between those.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional, Union

from .errors import InvalidInput
from .version import PARTS, PRERELEASE, Key, Piece, Version, padded, parse_version

_LIMIT = 500
_FULL = 3
#: before all prereleases of these numbers
_BEFORE = -1
#: right behind a prerelease: before any that begins with it
_NEXT: Piece = (-1, 0, "")
#: None where any number fits
Parts = tuple[Optional[int], ...]

_COMPARATOR = re.compile(r"(\^|~>?|[<>]=?|!=|=)?\s*([^\s,|<>=!~^]+)")
_HYPHEN = re.compile(r"\s+-\s+([^\s,|<>=!~^]+)")
_SEPARATOR = re.compile(r"\s*,\s*|\s*")
_PATTERN = re.compile(r"([vV]?)((?:[0-9]+|[xX*])(?:\.(?:[0-9]+|[xX*])){0,3})")


class Interval(NamedTuple):
    """Half open: ``low`` is in, ``high`` isn't; None where there is no bound."""

    low: Key | None
    high: Key | None
    outside: bool = False

    def contains(self, version: Version) -> bool:
        """Whether the version is inside (or with ``outside``, isn't)."""
        above = self.low is None or self.low <= version.key
        below = self.high is None or version.key < self.high
        return (above and below) is not self.outside


class Fixed(NamedTuple):
    """Some parts are given, others may be any number."""

    parts: Parts
    outside: bool = False

    def contains(self, version: Version) -> bool:
        """Whether the given parts are the version's."""
        return _fits(self.parts, version) is not self.outside


Comparator = Union[Interval, Fixed]


class VersionRange(NamedTuple):
    """Alternatives, each of which is what several comparators have in common.

    ``names_prerelease``: one of them is about a prerelease.
    """

    text: str
    alternatives: tuple[tuple[Comparator, ...], ...]
    names_prerelease: bool

    def contains(self, version: Version) -> bool:
        """Whether a version is in it, as far as its numbers go."""
        return any(all(one.contains(version) for one in found) for found in self.alternatives)


class Wildcard(NamedTuple):
    """``2.13.x``: tags with or without a ``v`` before; ``v2.13.x``: only those with it.

    It is the range of the same name, for tags that have all of its numbers: ``2.13`` is one of
    ``2.13.x``, but not of ``2.x.0``, since it usually names the newest 2.13.
    """

    text: str
    has_v: bool
    parts: Parts

    def matches(self, version: Version) -> bool:
        """Whether it stands for this version, whatever its variant and prerelease."""
        given = max((i + 1 for i, part in enumerate(self.parts) if part is not None), default=0)
        written = len(version.numbers) >= given
        return written and (version.has_v or not self.has_v) and _fits(self.parts, version)


class _Operand(NamedTuple):
    """What an operator stands before; ``written`` has each ``x``, ``parts`` none at the end."""

    text: str
    written: Parts
    prerelease: tuple[Piece, ...] = ()

    @property
    def parts(self) -> Parts:
        length = len(self.written)
        while length and self.written[length - 1] is None:
            length -= 1
        return self.written[:length]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(part for part in self.parts if part is not None)

    @property
    def has_gap(self) -> bool:
        """Whether an ``x`` stands before a number: ``2.x.0``."""
        return None in self.parts

    def low(self) -> Key | None:
        if not self.parts:
            return None
        rank = PRERELEASE if self.prerelease else _BEFORE
        return padded(self.numbers), rank, self.prerelease

    def after(self) -> Key | None:
        """What comes behind all that it stands for."""
        if not self.parts:
            return None
        if self.prerelease:
            return padded(self.numbers), PRERELEASE, (*self.prerelease, _NEXT)
        if len(self.parts) < _FULL or self.parts != self.written:
            return _bumped(self.numbers, len(self.parts) - 1)
        return _bumped(padded(self.numbers), PARTS - 1)


def parse_range(text: str, option: str) -> VersionRange:
    """Reads a range; raises InvalidInput that names the option and what is wrong."""
    try:
        if len(text) > _LIMIT:
            raise InvalidInput(f"it has more than {_LIMIT} characters")
        alternatives: list[tuple[Comparator, ...]] = []
        named = False
        for part in text.split("||"):
            comparators, names = _alternative(part)
            alternatives.append(comparators)
            named = named or names
        if all(_is_empty(found) for found in alternatives):
            raise InvalidInput("no version can be in it")
    except InvalidInput as error:
        raise InvalidInput(f"{option}: {text[:100]!r} is no version range: {error}") from None
    return VersionRange(text, tuple(alternatives), named)


def parse_wildcard(text: str) -> Wildcard | None:
    """The wildcard that a tag is: numbers and at least one ``x``, with dots; else None."""
    found = _PATTERN.fullmatch(text) if len(text) <= _LIMIT else None
    if not found or "." not in text or not re.search("[xX]", found.group(2)) or "*" in text:
        return None
    return Wildcard(text, bool(found.group(1)), _parts(found.group(2)))


def _alternative(text: str) -> tuple[tuple[Comparator, ...], bool]:
    """What is between two ``||``, and whether it names a prerelease."""
    text = text.strip()
    if not text:
        raise InvalidInput("a part of it is empty")
    comparators: list[Comparator] = []
    position, named = 0, False
    while position < len(text):
        found = _COMPARATOR.match(text, position)
        if not found:
            raise InvalidInput(f"{text[position:]!r} isn't understood")
        position = found.end()
        operands = [_operand(found.group(2))]
        hyphen = None if found.group(1) else _HYPHEN.match(text, position)
        if hyphen:
            position = hyphen.end()
            operands.append(_operand(hyphen.group(1)))
        comparators += _comparators(found.group(1) or "=", operands)
        named = named or any(one.prerelease for one in operands)
        separator = _SEPARATOR.match(text, position)
        position = separator.end() if separator else position
        if "," in text[found.end() : position] and position == len(text):
            raise InvalidInput("it ends with a comma")
    return tuple(comparators), named


def _operand(text: str) -> _Operand:
    version = parse_version(text)
    if version and not version.variant:
        return _Operand(text, version.numbers, version.prerelease)
    if version and version.variant == "0":  # npm's name for the first prerelease there can be
        return _Operand(text, version.numbers, ((0, 0, ""),))
    if version:
        raise InvalidInput(
            f"{version.variant!r} in {text!r} is no prerelease; a suffix is selected by variants"
        )
    found = _PATTERN.fullmatch(text)
    if not found:
        raise InvalidInput(f"{text!r} is no version")
    return _Operand(text, _parts(found.group(2)))


def _comparators(operator: str, operands: list[_Operand]) -> list[Comparator]:
    one = operands[0]
    if len(operands) == 2:
        if one.has_gap or operands[1].has_gap:
            raise InvalidInput("an x before a number can't be a bound")
        return [Interval(one.low(), operands[1].after())]
    if one.has_gap:
        if operator not in ("=", "!="):
            raise InvalidInput(f"{operator} can't stand before {one.text!r}")
        return [Fixed(one.written, operator == "!=")]
    if not one.parts and operator in ("<", ">", "!="):
        raise InvalidInput(f"no version can be {operator} {one.text}")
    found = {
        "=": Interval(one.low(), one.after()),
        "!=": Interval(one.low(), one.after(), True),
        ">=": Interval(one.low(), None),
        ">": Interval(one.after(), None),
        "<": Interval(None, one.low()),
        "<=": Interval(None, one.after()),
        "^": Interval(one.low(), _caret(one)),
        "~": Interval(one.low(), _tilde(one)),
        "~>": Interval(one.low(), _tilde(one)),
    }
    return [found[operator]]


def _caret(operand: _Operand) -> Key | None:
    """The first number that isn't zero stays: ``^1.2`` is below 2, ``^0.2`` below 0.3."""
    numbers = operand.numbers
    if not numbers:
        return None
    leading = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
    return _bumped(numbers, leading)


def _tilde(operand: _Operand) -> Key | None:
    """The first two numbers stay: ``~1.2`` and ``~1.2.3`` are below 1.3, ``~1`` is below 2."""
    numbers = operand.numbers
    return _bumped(numbers, min(len(numbers), 2) - 1) if numbers else None


def _bumped(numbers: tuple[int, ...], position: int) -> Key:
    raised = (*numbers[:position], numbers[position] + 1)
    return padded(raised), _BEFORE, ()


def _is_empty(comparators: tuple[Comparator, ...]) -> bool:
    """Whether the bounds leave nothing between them."""
    inside = [one for one in comparators if isinstance(one, Interval) and not one.outside]
    lows = [one.low for one in inside if one.low is not None]
    highs = [one.high for one in inside if one.high is not None]
    lowest: Key = ((0,) * PARTS, _BEFORE, ())
    return bool(highs) and min(highs) <= max(lows, default=lowest)


def _parts(text: str) -> Parts:
    return tuple(int(part) if part.isdigit() else None for part in text.split("."))


def _fits(parts: Parts, version: Version) -> bool:
    """Behind three given parts, more of them aren't free: ``2.x.0`` has no 2.1.0.5."""
    numbers = padded(version.numbers)
    if any(part not in (None, number) for part, number in zip(parts, numbers)):
        return False
    return len(parts) < _FULL or parts[-1] is None or not any(numbers[len(parts) :])
