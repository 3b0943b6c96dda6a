# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.plugin_utils.progress import tail
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.tail import (
    Snapshot,
    Tail,
    parsed,
    printable,
)

LINE: dict[str, Any] = {
    "seconds": 1.5,
    "stage": "copy",
    "images": [1, 4],
    "bytes": [3, 9],
    "ended": {"absent": 1},
    "named": [["absent", "r/a:1"]],
}


def written(**changes: Any) -> str:
    return json.dumps({**LINE, **changes}) + "\n"


class File:
    """A file as it looks over a connection."""

    def __init__(self, text: str = "", ends: str = "\n") -> None:
        self.text, self.ends = text, ends
        self.offsets: list[int] = []

    def read(self, offset: int) -> str:
        self.offsets.append(offset)
        piece = self.text.encode()[offset:][: tail.PIECE]
        return piece.decode(errors="replace").replace("\n", self.ends)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_is_read_on_from_where_it_was_left(ends: str) -> None:
    file = File(ends=ends)
    reader = Tail(file.read)
    assert reader.new() == []
    file.text = written(stage="é") + written(seconds=2)[:20]
    assert [s.seconds for s in reader.new()] == [1.5]
    file.text += written(seconds=2)[20:] + written(seconds=3)
    assert [s.seconds for s in reader.new()] == [2, 3]
    assert reader.new() == []
    assert file.offsets[-1] == len(file.text.encode())


def test_what_a_line_says() -> None:
    assert parsed(written()) == Snapshot(
        1.5, "copy", (1, 4), (3, 9), {"absent": 1}, (("absent", "r/a:1"),)
    )


def test_nothing_in_a_line_is_a_command_to_a_terminal() -> None:
    found = parsed(written(named=[["absent", "a\x1b]0;title\x07\u202e\nb" + "c" * 999]]))
    ((_reason, name),) = found.named
    assert name.startswith("a?]0;title???b") and len(name) == 300
    assert printable("a\r\nb\x9b") == "a??b?"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text",
        "[]",
        "{}",
        "1",
        written(images=[1]),
        written(images=["x", 1]),
        written(bytes=[1, float("inf")]),
        written(ended=[]),
        written(named=[["a"]]),
        written(seconds=None),
        "[" * 100_000,
    ],
)
def test_strange_lines_are_one_error(line: str) -> None:
    with pytest.raises(ValueError):
        parsed(line)


def test_a_line_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError):
        Tail(File("x" * 100_000).read).new()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_any_value_in_any_place_is_read_or_an_error(value: Any) -> None:
    for key in LINE:
        try:
            found = parsed(written(**{key: value}))
        except ValueError:
            continue
        texts = [found.stage, *found.ended, *(text for pair in found.named for text in pair)]
        assert all(text.isprintable() for text in texts)
