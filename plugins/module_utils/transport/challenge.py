# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The WWW-Authenticate header (RFC 9110, 11.3 and 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"(?:\s*,)?\s*({_TOKEN})(?=\s|,|$)\s*")
_PARAMETER = re.compile(rf'(?:\s*,)?\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")
_LIMIT = 8192


class Challenge(NamedTuple):
    """One scheme (lower case) with its parameters (names in lower case)."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """All challenges of all headers, in their order; what can't be read is passed over."""
    found: list[Challenge] = []
    for header in headers:
        found.extend(_parse(header[:_LIMIT]))
    return found


def choose_challenge(headers: Iterable[str], password: bool = True) -> Challenge | None:
    """The first that can be met: Bearer with a realm, or, with a password, Basic."""
    for challenge in parse_challenges(headers):
        if challenge.scheme == "basic" and password:
            return challenge
        if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
            return challenge
    return None


def _parse(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = 0
    while True:
        scheme = _SCHEME.match(header, position)
        if not scheme:
            return found
        position = scheme.end()
        parameters: dict[str, str] = {}
        token68 = _TOKEN68.match(header, position)
        if token68 and not _PARAMETER.match(header, position):
            position = token68.end()
        while True:
            parameter = _PARAMETER.match(header, position)
            if not parameter:
                break
            name, quoted, plain = parameter.groups()
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            parameters.setdefault(name.lower(), value)
            position = parameter.end()
        found.append(Challenge(scheme.group(1).lower(), parameters))
