# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers and files may hold: valid things that are changed in one place, and worse.

A fuzz test hands it to what reads it, by ``survives``. `make fuzz` does the same for longer.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator
from typing import Any, Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
)

#: how many examples each test tries; see the Makefile
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 40)
#: seconds of work that nothing of this size is worth
LONGEST = 3.0


def fuzz(*strategies: Any, **named: Any) -> Callable[[Any], Any]:
    """Hypothesis' given, with as many examples as there is time for."""

    def decorate(test: Any) -> Any:
        return settings(max_examples=EXAMPLES)(given(*strategies, **named)(test))

    return decorate


def survives(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What the function returns; None for an error of ours. It mustn't take long."""
    began = time.thread_time()
    try:
        found = function(*arguments, **named)
    except ImageSyncError as error:
        str(error).encode()  # it can be shown
        found = None
    took = time.thread_time() - began
    assert took < LONGEST, f"{took:.1f} s for {str(arguments)[:200]}"
    return found


# texts

#: what gets into the way of regular expressions, encodings, terminals and parsers of numbers
ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "\n",
    "\ud800",
    "\x1b[31m",
    "\u202e",
    "é",
    "\u0130",
    "\u017f",
    "\u0663",
    "%",
    "../..",
    "sha256:" + "0" * 63,
    "1" * 5000,
    "-1",
    "1e400",
    "nan",
    "x" * 300,
    " " * 3000,
    ",;=" * 1000,
)
texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=20))
#: as http.client gives them: bytes taken for Latin-1, without line breaks
header_texts = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, blacklist_characters="\x7f"), max_size=60
)


@st.composite
def edited(draw: Any, valid: Any) -> str:
    """One of these texts with something put in, taken out, repeated or replaced."""
    text: str = draw(st.sampled_from(list(valid)))
    for _unused in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 20)))
        times = draw(st.sampled_from([0, 0, 1, 2, 500]))
        new = draw(st.one_of(texts, st.sampled_from(list(valid)), st.characters()))
        text = text[:start] + draw(st.sampled_from([new, text[start:end] * times])) + text[end:]
    return text[:60_000]


def headers(valid: Any) -> Any:
    """Values of a header: edited ones of these, with nothing in them that can't arrive."""
    found = edited(valid).map(lambda text: text.encode("latin-1", "replace").decode("latin-1"))
    return st.one_of(found, header_texts).map(lambda text: "".join(text.splitlines()).strip())


# documents

DEEP = "@deep@"
_DEPTHS = (60, 63, 64, 65, 500, 900, 960, 980, 990, 995, 1000, 5000, 20_000)
_SCALARS = (None, True, False, 0, -1, 1.5, 2**53, 2**53 + 1, 2**64, float("nan"), float("inf"))
json_values = st.recursive(
    st.one_of(st.sampled_from(_SCALARS), texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
odd_values = st.one_of(
    st.sampled_from([*_SCALARS, *ODD_TEXTS, [], {}, [[]], [{}], {"": {}}, DEEP, [DEEP]]),
    json_values,
)


@st.composite
def documents(draw: Any, *valid: Any) -> bytes:
    """JSON of one of these documents, changed in a few places, and perhaps in its bytes."""
    found = copy.deepcopy(draw(st.sampled_from(valid)))
    for _unused in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        found = _changed(draw, found)
    text = json.dumps(found, ensure_ascii=draw(st.booleans()))
    deep = draw(st.sampled_from(_DEPTHS))
    text = text.replace(f'"{DEEP}"', draw(_nested(deep)))
    raw = text.encode("utf-8", "surrogatepass")
    return draw(damaged(raw)) if draw(st.integers(0, 3)) == 0 else raw


def _nested(depth: int) -> Any:
    return st.sampled_from(["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth])


def _changed(draw: Any, document: Any) -> Any:
    """The document with one of its parts replaced, removed, renamed or repeated."""
    path = draw(st.sampled_from(list(_paths(document))))
    if not path:
        return copy.deepcopy(draw(odd_values))
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    action = draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"]))
    if action == "remove":
        del parent[last]
    elif isinstance(parent, list) and action in ("rename", "add"):
        parent.append(copy.deepcopy(parent[last] if action == "add" else draw(odd_values)))
    elif action == "rename":
        parent[draw(st.sampled_from([last.upper(), last.title()]))] = parent.pop(last)
    elif action == "add":
        parent[draw(texts)] = copy.deepcopy(draw(odd_values))
    else:
        parent[last] = copy.deepcopy(draw(odd_values))
    return document


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    steps: Any = ()
    if isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    for step, inner in steps:
        yield from _paths(inner, (*path, step))


@st.composite
def damaged(draw: Any, raw: bytes) -> bytes:
    """The bytes with a piece of them cut out, doubled or replaced."""
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 40)))
    piece = draw(st.one_of(st.binary(max_size=8), st.just(raw[start:end] * 2), st.just(b"")))
    rest = draw(st.sampled_from([raw[end:], b""]))
    return raw[:start] + piece + rest
