# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ignore files of build contexts: which paths a ``.containerignore`` leaves out.

docs.docker.com/build/concepts/context, ".dockerignore files"; github.com/moby/patternmatcher.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import Any, Callable, NamedTuple, Union

from .errors import InvalidInput

#: stands for any number of characters, or of parts of a path
_ANY = None
#: a character, or ranges of them and whether it is to be none of these
_Token = Union[str, tuple[tuple[tuple[str, str], ...], bool], None]


class _Rule(NamedTuple):
    """``parts``: for each part of a path its tokens, or ``_ANY``."""

    parts: tuple[Any, ...]
    keeps: bool


class IgnoreRules:
    """The rules of one file; the last one that fits a path decides."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Raises InvalidInput for a pattern that can't be read."""
        self._rules = [rule for line in lines if (rule := _rule(line))]
        #: whether something may be kept below a folder that is left out
        self.has_exceptions = any(rule.keeps for rule in self._rules)

    def leaves_out(self, path: str) -> bool:
        """Whether ``path``, relative and with slashes, is left out: itself or a folder above it."""
        parts, left_out = path.split("/"), False
        for rule in self._rules:
            if rule.keeps == left_out and _fits(rule.parts, parts, _part_fits):
                left_out = not rule.keeps
        return left_out


def _rule(line: str) -> _Rule | None:
    text = line.lstrip("\ufeff").strip()
    if not text or text.startswith("#"):
        return None
    keeps = text.startswith("!")
    if keeps:
        text = text[1:].strip()
        if not text:
            raise InvalidInput("an ignore file has a line that is nothing but !")
    cleaned = posixpath.normpath(text).lstrip("/")
    if cleaned in (".", ""):
        return None
    parts: list[Any] = []
    for part in cleaned.split("/"):
        # what comes right after ** begins a part, as moby has it
        if part.startswith("**"):
            parts.append(_ANY)
            part = part[2:].lstrip("*")
        if part:
            parts.append(_tokens(part, text))
    if parts[-1] is _ANY:
        parts.append((_ANY,))  # what is below a folder isn't the folder
    # what is below something that fits, fits as well
    return _Rule((*parts, _ANY), keeps)


def _tokens(part: str, pattern: str) -> tuple[_Token, ...]:
    found: list[_Token] = []
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            found.append(_ANY)
        elif char == "?":
            found.append(((), True))
        elif char == "[":
            end = part.find("]", at + 1)
            if end < 0:
                raise InvalidInput(f"an ignore file has a [ that isn't closed: {pattern!r}")
            negated = part[at] in "^!"
            found.append((_ranges(part[at + negated : end]), negated))
            at = end + 1
        elif char == "\\" and at < len(part):
            found.append(part[at])
            at += 1
        else:
            found.append(char)
    return tuple(found)


def _ranges(inner: str) -> tuple[tuple[str, str], ...]:
    """What stands in brackets, each character as a range of one."""
    found, at = [], 0
    while at < len(inner):
        is_range = inner[at + 1 : at + 2] == "-" and at + 2 < len(inner)
        end = at + 2 if is_range else at
        found.append((inner[at], inner[end]))
        at = end + 1
    return tuple(found)


def _fits(tokens: Sequence[Any], items: Sequence[str], one: Callable[[Any, str], bool]) -> bool:
    """Whether the tokens stand for all items; going back to the last ``_ANY`` is enough."""
    token = item = mark = 0
    last = -1
    while item < len(items):
        if token < len(tokens) and tokens[token] is _ANY:
            last, mark = token, item
            token += 1
        elif token < len(tokens) and one(tokens[token], items[item]):
            token += 1
            item += 1
        elif last >= 0:
            mark += 1
            token, item = last + 1, mark
        else:
            return False
    return all(left is _ANY for left in tokens[token:])


def _part_fits(tokens: Sequence[_Token], part: str) -> bool:
    return _fits(tokens, part, _character_fits)


def _character_fits(token: _Token, char: str) -> bool:
    if isinstance(token, str):
        return token == char
    ranges, negated = token or ((), True)
    return any(first <= char <= last for first, last in ranges) != negated
