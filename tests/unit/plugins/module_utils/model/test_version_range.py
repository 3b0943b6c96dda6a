# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from typing import Callable

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.version import (
    padded,
    parse_version,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.version_range import (
    parse_range,
    parse_wildcard,
)


def inside(text: str, tag: str) -> bool:
    version = parse_version(tag)
    assert version
    return parse_range(text, "semver").contains(version)


#: a range, what it has, and what it hasn't
RANGES = [
    (">=1.25 <2", "1.25 1.25.0 1.99.9 1.26.0-rc1 1.25.0-rc1", "1.24.9 2 2.0.0 2.0.0-rc1"),
    (">=1.25,<2", "1.25 1.26", "2 1.24"),
    (">= 1.25 , < 2", "1.25 1.26", "2 1.24"),
    (">=1.25<2", "1.25 1.26", "2 1.24"),
    ("  >=1.25  ", "1.25 3", "1.24"),
    ("1.2", "1.2 1.2.9 1.2.3.4", "1.1.9 1.3"),
    ("=1.2", "1.2 1.2.9", "1.1.9 1.3"),
    ("1.2.3", "1.2.3 v1.2.3 1.2.3.0 1.2.3-rc1", "1.2.3.1 1.2.4 1.2"),
    ("v1.2.3", "1.2.3 v1.2.3", "1.2.4"),
    ("1.2.3.4", "1.2.3.4", "1.2.3 1.2.3.5"),
    ("!=1.2", "1.1 1.3", "1.2 1.2.9"),
    (">=1 <2 !=1.3.1", "1.3 1.3.2", "1.3.1 2"),
    (">1.2", "1.3 2", "1.2 1.2.9"),
    (">1.2.3", "1.2.4 1.2.3.1", "1.2.3 1.2.3-rc1"),
    ("<=1.2", "1.2 1.2.9 1", "1.3 1.3.0-rc1"),
    ("<=1.2.3", "1.2.3 1.2.2", "1.2.4"),
    ("<1.2", "1.1.9 0", "1.2 1.2.0-rc1"),
    ("^1.2.3", "1.2.3 1.9", "1.2.2 2 2.0.0-rc1"),
    ("^1.2", "1.2 1.9.9", "1.1 2"),
    ("^1", "1 1.9.9", "0.9 2"),
    ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3"),
    ("^0.2", "0.2 0.2.9", "0.1.9 0.3"),
    ("^0.0.3", "0.0.3", "0.0.2 0.0.4"),
    ("^0.0", "0 0.0.9", "0.1"),
    ("^0", "0 0.9.9", "1"),
    ("^0.x", "0 0.9.9", "1"),
    ("^1.2.3.4", "1.2.3.4 1.9", "1.2.3.3 2"),
    ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3"),
    ("~1.2", "1.2 1.2.9", "1.1 1.3"),
    ("~1", "1 1.9", "0.9 2"),
    ("~> 1.2", "1.2.9", "1.3"),
    ("~0.2.3", "0.2.3 0.2.9", "0.3"),
    ("1.2.x", "1.2 1.2.9", "1.1 1.3"),
    ("1.2.X", "1.2.9", "1.3"),
    ("1.2.*", "1.2.9", "1.3"),
    ("1.x", "1 1.9", "2"),
    ("1.x.x", "1 1.9", "2"),
    ("1.2.3.x", "1.2.3 1.2.3.9", "1.2.4"),
    (">=1.x", "1 2", "0.9"),
    ("2.x.0", "2 2.0.0 2.9.0", "2.9.1 3 2.1.0.1"),
    ("!=2.x.0", "2.9.1", "2.9.0"),
    ("*", "0 9.9.9.9 1-rc1", ""),
    ("x", "0 9.9.9.9", ""),
    (">=*", "0 9", ""),
    ("1.2 - 1.4", "1.2 1.4 1.4.9", "1.1.9 1.5"),
    ("1.2.3 - 1.4.5", "1.2.3 1.4.5", "1.2.2 1.4.6"),
    ("1.2 - 1.4 !=1.3", "1.2 1.4", "1.3.5"),
    ("1.2 - 1.4 || ^3", "1.3 3.9", "2"),
    ("1 || 3 || >=5 <6", "1.9 3 5.5", "2 4 6"),
    ("1||3", "1.9 3", "2"),
    # bounds that name a prerelease
    (">=1.2.0-rc2 <2", "1.2.0-rc2 1.2.0-rc10 1.2.0 1.3.0-beta1", "1.2.0-rc1 2.0.0-rc1"),
    ("<2.0.0-rc2", "2.0.0-rc1 1.9", "2.0.0-rc2 2.0.0-rc.10 2.0.0"),
    ("<=2.0.0-rc2", "2.0.0-rc1 2.0.0-rc.2", "2.0.0-rc3 2.0.0-rc2.1 2.0.0"),
    (">2.0.0-rc2", "2.0.0-rc3 2.0.0-rc2.1 2.0.0", "2.0.0-rc2 2.0.0-rc1"),
    ("2.0.0-rc2", "2.0.0-rc.2", "2.0.0-rc1 2.0.0"),
    ("^1.2.0-beta", "1.2.0-beta 1.2.0-rc1 1.9", "1.2.0-alpha 2.0.0-rc1"),
    ("~1.2.0-beta", "1.2.0-beta 1.2.9", "1.3"),
    (">=3.14.0b1", "3.14.0b2 3.14.0rc1 3.14", "3.14.0a1"),
    (">=1.2.3-0", "1.2.3-alpha 1.2.3", "1.2.2"),
    ("<2.0.0-0", "1.9", "2.0.0-alpha"),
]


@pytest.mark.parametrize(("text", "tags", "others"), RANGES, ids=[row[0] for row in RANGES])
def test_ranges(text: str, tags: str, others: str) -> None:
    assert [tag for tag in tags.split() if not inside(text, tag)] == []
    assert [tag for tag in others.split() if inside(text, tag)] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (">=1.2 <2", False),
        ("1.x", False),
        (">=1.2.0-rc1", True),
        (">=1.2.0rc1", True),
        (">=1.2-0", True),
        ("1 || ^2.0.0-beta", True),
        ("1 - 2.0.0-rc1", True),
    ],
)
def test_ranges_that_name_a_prerelease(text: str, named: bool) -> None:
    assert parse_range(text, "semver").names_prerelease is named


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a part of it is empty"),
        ("  ", "a part of it is empty"),
        ("||", "a part of it is empty"),
        ("1 ||", "a part of it is empty"),
        (">=", "isn't understood"),
        ("==1", "isn't understood"),
        ("=>1", "isn't understood"),
        ("1 | 2", "isn't understood"),
        (",1", "isn't understood"),
        ("1,,2", "isn't understood"),
        (">1,", "it ends with a comma"),
        ("latest", "'latest' is no version"),
        ("1.2.3.4.5", "is no version"),
        ("1..2", "is no version"),
        (">=1.2.x-rc1", "is no version"),
        (">=1 - 2", "'-' is no version"),
        (">=1.2-alpine", "'alpine' in '1.2-alpine' is no prerelease; .* variants"),
        ("1.2-1.4", "'1.4' in '1.2-1.4' is no prerelease"),
        ("^2.x.0", r"\^ can't stand before '2.x.0'"),
        ("2.x.0 - 3", "can't be a bound"),
        (">*", r"no version can be > \*"),
        ("!=x", "no version can be != x"),
        (">=2 <1", "no version can be in it"),
        ("<1 >=1", "no version can be in it"),
        ("<0", "no version can be in it"),
        (">2 <1 || >=4 <4", "no version can be in it"),
        ("1" * 501, "more than 500 characters"),
        ("re.*", "is no version"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        parse_range(text, "filter.semver")
    assert str(caught.value).startswith("filter.semver: ")
    assert len(str(caught.value)) < 400


WILDCARDS = [
    ("2.13.x", "2.13 2.13.0 2.13.1 v2.13.1 2.13.1.4", "2.130.1 2.12.9 2.14 12.13.1"),
    ("2.13.X", "2.13.1", "2.14"),
    ("v2.13.x", "v2.13.1", "2.13.1 v2.14"),
    ("v2.x.0", "v2.0.0 v2.10.0", "v2.10.1 2.10.0 v3.0.0 v2.1.0.4 v2.1 v2"),
    ("2.x.0", "v2.0.0 2.10.0", "2.10.1"),
    ("4.x.x", "4.0.0 4.1.2 v4.10.20 4.1", "5.0.0 3.9"),
    ("4.x", "4.1.2 4", "5"),
    ("4.0.x", "4.0 4.0.1", "4 4.1"),
    ("x.x", "1.2 9", ""),
    ("2.x.3.x", "2.1.3.9 2.9.3", "2.1.4.0"),
]


@pytest.mark.parametrize(("text", "tags", "others"), WILDCARDS)
def test_wildcards(text: str, tags: str, others: str) -> None:
    wildcard = parse_wildcard(text)
    assert wildcard

    def matches(tag: str) -> bool:
        version = parse_version(tag)
        assert version
        return wildcard.matches(version)

    assert [tag for tag in tags.split() if not matches(tag)] == []
    assert [tag for tag in others.split() if matches(tag)] == []


@pytest.mark.parametrize(
    "text",
    [
        *("v1", "latest", "x", "vx", "x86", "1.2", "1.2.3", "x64-1.2", "1.2.x-alpine", "1.2.*"),
        *("1.2.xx", "1.2.x.", "a.x", "1.2.3.4.x", "", "x86.1", "1.2x"),
    ],
)
def test_what_is_no_wildcard(text: str) -> None:
    assert parse_wildcard(text) is None


# against brute force

PART = st.integers(0, 3)
NUMBERS = st.lists(PART, min_size=1, max_size=3).map(tuple)
ALL = [
    (".".join(map(str, numbers)), padded(numbers))
    for length in (1, 2, 3)
    for numbers in itertools.product(range(5), repeat=length)
]
Rule = Callable[[tuple[int, ...]], bool]


def written(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def prefixed(numbers: tuple[int, ...]) -> Rule:
    return lambda found: found[: len(numbers)] == numbers


def caret(numbers: tuple[int, ...]) -> Rule:
    """All up to the first number that isn't zero stays."""
    first = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
    same = prefixed(numbers[: first + 1])
    return lambda found: same(found) and found >= padded(numbers)


def tilde(numbers: tuple[int, ...]) -> Rule:
    same = prefixed(numbers[:2])
    return lambda found: same(found) and found >= padded(numbers)


def rule(operator: str, numbers: tuple[int, ...]) -> Rule:
    """What an operator means, said in another way than as an interval."""
    low, same = padded(numbers), prefixed(numbers)
    return {
        "": same,
        "=": same,
        "!=": lambda found: not same(found),
        ">=": lambda found: found >= low,
        "<": lambda found: found < low,
        ">": lambda found: found > low and not same(found),
        "<=": lambda found: found < low or same(found),
        "^": caret(numbers),
        "~": tilde(numbers),
    }[operator]


OPERATOR = st.sampled_from(["", "=", "!=", ">=", "<", ">", "<=", "^", "~"])
COMPARATORS = st.lists(st.tuples(OPERATOR, NUMBERS), min_size=1, max_size=3)


@given(st.lists(COMPARATORS, min_size=1, max_size=3), st.sampled_from([" ", ",", " , "]))
def test_ranges_are_what_their_operators_mean(
    alternatives: list[list[tuple[str, tuple[int, ...]]]], joint: str
) -> None:
    text = " || ".join(
        joint.join(operator + written(numbers) for operator, numbers in comparators)
        for comparators in alternatives
    )
    rules = [[rule(*comparator) for comparator in comparators] for comparators in alternatives]
    expected = [
        tag for tag, found in ALL if any(all(one(found) for one in every) for every in rules)
    ]
    try:
        found = [tag for tag, _numbers in ALL if inside(text, tag)]
    except InvalidInput as error:
        assert "no version can be in it" in str(error)
        found = []
    assert found == expected


@given(NUMBERS.filter(lambda numbers: len(numbers) < 3), st.integers(1, 2))
def test_wildcards_are_ranges(numbers: tuple[int, ...], more: int) -> None:
    text = written(numbers) + ".x" * more
    wildcard = parse_wildcard(text)
    assert wildcard
    for tag, _numbers in ALL:
        version = parse_version(tag)
        assert version
        assert inside(text, tag) is inside(written(numbers), tag)
        whole = len(version.numbers) >= len(numbers)
        assert wildcard.matches(version) is (whole and inside(text, tag))


@given(st.text("0123456789.vxX*<>=!~^|, -rcab", max_size=40))
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        parse_range(text, "semver")
    except InvalidInput as error:
        assert str(error).startswith("semver: ")
