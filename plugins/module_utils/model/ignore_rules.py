# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ignore files of build contexts: which paths a ``.containerignore`` leaves out.

docs.docker.com/build/concepts/context, ".dockerignore files"; github.com/moby/patternmatcher.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from re import Pattern
from typing import NamedTuple

from .errors import InvalidInput


class _Rule(NamedTuple):
    pattern: Pattern[str]
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
        parts = path.split("/")
        paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        left_out = False
        for rule in self._rules:
            if rule.keeps == left_out and any(rule.pattern.fullmatch(one) for one in paths):
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
    try:
        return _Rule(re.compile(_regex(cleaned), re.DOTALL), keeps)
    except re.error:
        raise InvalidInput(f"an ignore file has a pattern that can't be read: {text!r}") from None


def _regex(pattern: str) -> str:
    found, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 2
            if pattern.startswith("/", at):
                at += 1
            found += ".*" if at >= len(pattern) else "(?:.*/)?"
            continue
        if char == "[":
            end = pattern.find("]", at + 2)
            if end < 0:
                raise re.error("unclosed")
            inner = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            found += f"[{inner}]"
            at = end + 1
            continue
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            found += re.escape(pattern[at])
        else:
            found += {"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char)
        at += 1
    return found
