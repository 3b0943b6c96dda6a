# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.imagesync.registry.tests.support.matrix import (
    PLACES,
    ROWS,
    THREATS,
    Row,
    named_after,
    page,
    read_tests,
)
from ansible_collections.imagesync.registry.tests.unit.support import ROOT

TESTS = read_tests(ROOT / "tests")


def test_the_numbers_are_complete() -> None:
    assert [row.number for row in ROWS] == list(range(1, 68))
    assert [threat.number for threat in THREATS] == list(range(1, 19))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_each_fault_has_a_test_or_says_why_not(row: Row) -> None:
    assert row.place in PLACES
    assert named_after("fault", row.number, TESTS) or row.also or row.why_not


@pytest.mark.parametrize("number", [threat.number for threat in THREATS])
def test_each_threat_has_a_test_or_says_why_not(number: int) -> None:
    threat = THREATS[number - 1]
    rows = [ROWS[fault - 1] for fault in threat.faults]
    tested = [row for row in rows if named_after("fault", row.number, TESTS) or row.also]
    own = [*named_after("threat", number, TESTS), *threat.also]
    reasons = [threat.why_not, *(row.why_not for row in rows)]
    assert own or tested or any(reasons)


@pytest.mark.parametrize(
    "name", sorted({name for entry in (*ROWS, *THREATS) for name in entry.also})
)
def test_what_is_named_exists(name: str) -> None:
    file, _colons, test = name.partition("::")
    assert test in TESTS[file]


def test_nothing_is_named_after_what_there_is_not() -> None:
    known = {name for row in ROWS for name in named_after("fault", row.number, TESTS)}
    known |= {name for one in THREATS for name in named_after("threat", one.number, TESTS)}
    numbered = {
        f"{file}::{name}"
        for file, names in TESTS.items()
        for name in names
        if name.startswith(("test_fault_", "test_threat_"))
    }
    assert numbered == known


def test_the_page_has_these_tables() -> None:
    """`python3 tools/reliability.py` writes them."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert page(text, TESTS) == text
