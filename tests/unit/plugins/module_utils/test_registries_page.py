# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of docs/registries.md, the stand-ins, and the tests that run against them."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.tests.unit.support import ROOT

SYSTEM = ROOT / "tests" / "system"
STORY = SYSTEM / "test_registries.py"
#: what a row names all of, and the other tests of create_repository and of logins
OTHER_FILES = (SYSTEM / "test_ecr.py", SYSTEM / "test_credentials.py")


@functools.cache
def rows() -> dict[str, list[str]]:
    """The cells of each row but the first, by that one."""
    text = (ROOT / "docs" / "registries.md").read_text(encoding="utf-8")
    table = text[text.index("| registry |") :].split("\n\n")[0].splitlines()
    found = {}
    for line in table[2:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert len(cells) == len(table[0].strip("|").split("|")) - 1
        found[name] = cells
    return found


@functools.cache
def profiles() -> dict[str, dict[str, object]]:
    """The stand-ins with the plain values among their fields, as they stand in the code."""
    tree = ast.parse((ROOT / "tests" / "support" / "manners.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "PROFILES":
            assert isinstance(node.value, ast.Dict)
            pairs = zip(node.value.keys, node.value.values)
            return {_text(name): _fields(profile) for name, profile in pairs}
    raise AssertionError("no PROFILES")


def _text(node: ast.expr | None) -> str:
    assert isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value


def _fields(node: ast.expr) -> dict[str, object]:
    assert isinstance(node, ast.Call)
    return {word.arg or "": ast.unparse(word.value) for word in node.keywords}


@functools.cache
def story() -> dict[str, str]:
    """The tests of the story, and where they take place: the arguments of ``on``."""
    found = {}
    for node in ast.parse(STORY.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            places = [d for d in node.decorator_list if ast.unparse(d).startswith("on(")]
            found[node.name] = ast.unparse(places[0])[3:-1] if places else ""
    return found


def places(test: str) -> set[str]:
    """The names of the stand-ins that a test runs against."""
    where = story()[test]
    everywhere = profiles()
    groups = {
        "*PROFILES": set(everywhere),
        "*PUSHED": {n for n, fields in everywhere.items() if fields.get("pushes") != "False"},
        "*IMMUTABLE": {n for n, fields in everywhere.items() if "immutable" in fields},
        "*FULL": {n for n, fields in everywhere.items() if "quota" in fields},
        "*MISSING": {n for n, fields in everywhere.items() if "missing" in fields},
    }
    if where in groups:
        return groups[where]
    return {name for name in everywhere if repr(name) in where}


def test_each_row_has_a_stand_in_and_the_reverse() -> None:
    played = {name for name, cells in rows().items() if cells[3] == "stand-in"}
    assert played == set(profiles())
    assert [name for name in rows() if name not in played] == ["docker-registry (distribution)"]


@pytest.mark.parametrize("name", profiles())
def test_each_row_names_its_tests(name: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", rows()[name][4]))
    run = {test for test in story() if name in places(test)}
    beside = "".join(Path(file).read_text(encoding="utf-8") for file in OTHER_FILES)
    others = {test for test in named - run if f"\ndef {test}(" in beside}
    at_one = {t for t, where in story().items() if not where and t in named}
    assert named == run | others | at_one
    assert run


def test_no_test_of_the_story_is_left_out() -> None:
    named = {test for cells in rows().values() for test in re.findall(r"`(test_\w+)`", cells[4])}
    assert set(story()) <= named


@pytest.mark.parametrize("name", rows())
def test_no_cell_is_empty(name: str) -> None:
    assert all(rows()[name])
    assert "`" in rows()[name][0]
