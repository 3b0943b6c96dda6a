# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON that two readers can't understand differently.

Go programs match keys whatever their case and take the last of two equal ones, Python takes
them as they are: a document that uses this shows one image to us and another to the node that
runs it. Such documents are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from .errors import InvalidContent

_DEEPEST = 64
#: of objects and lists, and of values: what that takes in memory is some hundred megabytes
_MOST_GROUPS, _MOST_VALUES = 1_000_000, 4_000_000
_LARGEST = 2**53
_ESCAPE = re.compile(r"\\.", re.DOTALL)
# without escapes, and by runs: alternatives would take memory for each character; an unclosed
# string ends with the text, else each quote in it would be tried as a beginning
_STRING = re.compile(r'"[^"]*(?:"|\Z)')
_BRACKET = re.compile(r"[\[{\]}]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_object(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object in ``raw``; raises InvalidContent, naming ``what``, for anything else."""
    try:
        text = raw.decode("utf-8")
        _check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_bounded,
            parse_float=_finite,
        )
        # half of a pair of escapes is no character: Go reads another one in its place
        if _SURROGATE.search(text) and not is_text(json.dumps(value, ensure_ascii=False)):
            raise ValueError("a text has half of a surrogate pair")
    except UnicodeDecodeError:
        raise InvalidContent(f"{what} is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise InvalidContent(f"{what} is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise InvalidContent(f"{what} is not a JSON object")
    return value


def to_json(document: Any) -> bytes:
    """Without blanks, in the order of the document's keys: equal documents are equal bytes."""
    return json.dumps(document, separators=(",", ":")).encode()


def check_amount(raw: bytes, what: str) -> None:
    """Refuses a large document that would become a far larger one in memory."""
    if raw.count(b"{") + raw.count(b"[") > _MOST_GROUPS or raw.count(b",") > _MOST_VALUES:
        raise InvalidContent(f"{what} has more in it than any real one")


def check_keys(value: dict[str, Any], known: Iterable[str], what: str) -> None:
    """Refuses a known key that is written in another case."""
    # casefold, as Go does: the long s of "layer\u017f" is an s to it
    folded = {key.casefold(): key for key in known}
    for key in value:
        meant = folded.get(key.casefold())
        if meant is not None and meant != key:
            raise InvalidContent(f"{what} has the key {key[:40]!r}, which must be {meant!r}")


def is_text(text: str) -> bool:
    """Whether ``text`` can be written: not with half of a surrogate pair in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= _DEEPEST:
        return
    bare = _STRING.sub("", _ESCAPE.sub("", text))
    steps = map(_STEPS.__getitem__, _BRACKET.findall(bare))
    if max(accumulate(steps), default=0) > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _value in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:40]!r} occurs twice")
            seen.add(key)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not allowed")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _bounded(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > _LARGEST:
        raise ValueError("a number is too large")
    return int(digits)
