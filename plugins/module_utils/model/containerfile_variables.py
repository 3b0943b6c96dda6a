# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables in a Containerfile: what ``ARG`` declares, and what ``$NAME`` stands for.

docs.docker.com/reference/dockerfile, "Environment replacement" and "ARG".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import InvalidInput

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: a name, and after it :- or :+ (or these without the colon) and a word
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])(.*))?", re.DOTALL)


def words_of(text: str, escape: str = "\\") -> list[str]:
    """``text`` at its blanks, except at those in quotes; quotes and escapes stay."""
    found, word, quote, skip = [], "", "", False
    for char in text:
        if skip:
            skip = False
        elif char == escape and quote != "'":
            skip = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char.isspace():
            if word:
                found.append(word)
            word = ""
            continue
        word += char
    return [*found, word] if word else found


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """A word without its quotes, and with the values of variables; unknown ones are empty.

    Raises InvalidInput for what is no variable.
    """
    found, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            found += text[at + 1]
            at += 2
        elif char == quote or (not quote and char in "\"'"):
            quote = "" if quote else char
            at += 1
        elif char == "$" and quote != "'":
            value, at = _variable(text, at + 1, variables, escape)
            found += value
        else:
            found += char
            at += 1
    return found


def _variable(text: str, at: int, variables: Mapping[str, str], escape: str) -> tuple[str, int]:
    """The value of the variable whose name begins at ``at``, and where the text goes on."""
    if text[at : at + 1] != "{":
        name = _NAME.match(text, at)
        return (variables.get(name.group(), ""), name.end()) if name else ("$", at)
    end = _closing(text, at)
    inner = _BRACED.fullmatch(text[at + 1 : end])
    if inner is None:
        raise InvalidInput(f"{text!r} has a variable that can't be read: ${text[at : end + 1]}")
    key, operator, word = inner.groups()
    value = variables.get(key)
    if operator:
        given = bool(value) if operator[0] == ":" else value is not None
        if given != (operator[-1] == "-"):
            value = expand(word, variables, escape)
        elif not given:
            value = ""
    return value or "", end + 1


def _closing(text: str, at: int) -> int:
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return place
    raise InvalidInput(f"{text!r} has a brace that isn't closed")


def declared_args(
    text: str, known: Mapping[str, str], given: Mapping[str, str], escape: str
) -> dict[str, str]:
    """The variables that one ``ARG`` makes; ``given``: the build arguments, which win.

    One that has no value anywhere isn't made.
    """
    found: dict[str, str] = {}
    for word in words_of(text, escape):
        name, equals, default = word.partition("=")
        name = expand(name, {}, escape)
        if name in given:
            found[name] = given[name]
        elif equals:
            found[name] = expand(default, {**known, **found}, escape)
    return found
