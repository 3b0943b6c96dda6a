# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import re

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.version import (
    newest_first,
    parse_version,
)

WORDS = ["alpha", "beta", "rc", "pre", "preview", "dev", "snapshot", "nightly", "canary"]
WORDS += ["a", "b", "m"]
NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)
SUFFIXES = st.sampled_from(
    [
        "",
        "",
        "",
        "-rc1",
        "-rc.2",
        "-rc10",
        "-beta",
        "-alpine",
        "_slim",
        "rc2",
        "-rc.1-alpine",
        "-x.y",
    ]
)
TAGS = st.one_of(
    st.builds(lambda v, n, s: v + n + s, st.sampled_from(["", "", "v"]), NUMBERS, SUFFIXES),
    st.sampled_from(["latest", "edge", "v", "stable-1.2", "x86"]),
)


@pytest.mark.parametrize(
    ("tag", "numbers", "prerelease", "variant"),
    [
        ("1.2.3", (1, 2, 3), "", ""),
        ("v1.2.3", (1, 2, 3), "", ""),
        ("V1.2.3", (1, 2, 3), "", ""),
        ("1", (1,), "", ""),
        ("1.2", (1, 2), "", ""),
        ("1.2.3.4", (1, 2, 3, 4), "", ""),
        ("2024.01.15", (2024, 1, 15), "", ""),
        ("20240115", (20240115,), "", ""),
        ("1.27.3-alpine", (1, 27, 3), "", "alpine"),
        ("1.27.3-alpine3.20", (1, 27, 3), "", "alpine3.20"),
        ("1.27.3-alpine3.20-perl", (1, 27, 3), "", "alpine3.20-perl"),
        ("1.27.3_alpine", (1, 27, 3), "", "alpine"),
        ("1.27.3-1", (1, 27, 3), "", "1"),
        ("1.27.3-amd64", (1, 27, 3), "", "amd64"),
        ("1.27.3-bookworm", (1, 27, 3), "", "bookworm"),
        ("1.27.3-rcx", (1, 27, 3), "", "rcx"),
        ("1.27.3-debian-12-r5", (1, 27, 3), "", "debian-12-r5"),
        ("1.2.3-rc1", (1, 2, 3), "rc 1", ""),
        ("1.2.3-rc.1", (1, 2, 3), "rc 1", ""),
        ("1.2.3-rc-1", (1, 2, 3), "rc 1", ""),
        ("1.2.3-RC1", (1, 2, 3), "rc 1", ""),
        ("1.2.3_rc1", (1, 2, 3), "rc 1", ""),
        ("1.2.3-alpha.1.2", (1, 2, 3), "alpha 1 2", ""),
        ("1.2.3-dev.20240101.abc", (1, 2, 3), "dev 20240101 abc", ""),
        ("1.2.3-rc.1-alpine", (1, 2, 3), "rc 1", "alpine"),
        ("1.2.3-rc.1-alpine3.20", (1, 2, 3), "rc 1", "alpine3.20"),
        ("4.0-rc-management-alpine", (4, 0), "rc", "management-alpine"),
        ("3.14.0b1", (3, 14, 0), "b 1", ""),
        ("3.14.0rc2-slim", (3, 14, 0), "rc 2", "slim"),
        ("17beta1", (17,), "beta 1", ""),
        ("1.2.3-nightly-20240101", (1, 2, 3), "nightly 20240101", ""),
        *((f"1.0-{word}", (1, 0), word, "") for word in WORDS),
        ("2024-01-15", (2024,), "", "01-15"),
    ],
)
def test_what_is_a_version(
    tag: str, numbers: tuple[int, ...], prerelease: str, variant: str
) -> None:
    found = parse_version(tag)
    assert found is not None
    pieces = " ".join(word or str(number) for _kind, number, word in found.prerelease)
    assert (found.tag, found.numbers, pieces, found.variant) == (tag, numbers, prerelease, variant)
    assert found.has_v is (tag[0] in "vV")


@pytest.mark.parametrize(
    "tag",
    [
        *("latest", "v", "", "x86", "edge-1.2", "release-1.2.3", "1.2.3.4.5", "1.2.x", "1..2"),
        *("1.", ".1", "1.2.", "1.2.3-", "1.2.3.Final", "1.2.3alpine", "1e5f3a2", "1b23456"),
        *("1.1.1a", "vv1", "1,2", "\u0661.2", "1.\u0662"),
    ],
)
def test_what_is_no_version(tag: str) -> None:
    assert parse_version(tag) is None


ORDER = [
    "v10",
    "2.0.0-alpine",  # a variant has no part in the order
    "2.0.0-rc10",
    "2.0.0-rc.2",
    "2.0.0-beta",
    "1.27.10",
    "1.27.9",
    "1.27.3",
    "1.27.3-alpine",
    "1.27.0",
    "v1.27.0",
    "1.27",
    "1.27-rc1",
    "1.26.1.1",
    "1.26.1",
    "1",
    "0.9",
    "edge",
    "latest",
    "release-9",
]


def test_newest_first() -> None:
    assert newest_first(reversed([*ORDER, *ORDER])) == ORDER


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("1.2.0", "1.2.0-rc1"),
        ("1.2.0-rc10", "1.2.0-rc2"),
        ("1.2.0-rc1", "1.2.0-rc"),
        ("1.2.0-rc.1.1", "1.2.0-rc.1"),
        ("1.2.0-rc.alpha", "1.2.0-rc.1"),  # semver.org, 11.4.3
        ("1.2.0-beta1", "1.2.0-alpha9"),
        ("1.2.0-rc1", "1.1.9"),
        ("1.10", "1.9"),
        ("1.0.0", "1.0"),
        ("9", "8.99.99.99"),
        ("9" * 128, "8" * 128),
    ],
)
def test_which_is_newer(newer: str, older: str) -> None:
    assert newest_first([older, newer]) == newest_first([newer, older]) == [newer, older]


@pytest.mark.parametrize(
    ("name", "full", "expected"),
    [
        ("1.27", "1.27.3", True),
        ("1", "1.27.3", True),
        ("v1.27", "1.27.3", True),
        ("v1.27.3", "1.27.3", True),
        ("1.27-alpine", "1.27.3-alpine", True),
        ("4.1-rc", "4.1.0-rc.2", True),
        ("1.2", "1.27.3", False),
        ("1.27.3", "1.27", False),
        ("1.27", "1.27.0-rc1", False),
        ("1.27-rc1", "1.27.0", False),
        ("1.27.0-rc", "1.27.0-rc2", False),
    ],
)
def test_shorter_names(name: str, full: str, expected: bool) -> None:
    one, other = parse_version(name), parse_version(full)
    assert one and other
    assert (one.name in other.names()) is expected


@given(st.lists(TAGS, max_size=12))
def test_the_order_is_total(tags: list[str]) -> None:
    """It depends on the tags alone, and any two of them stand in it as in any other list."""
    found = newest_first(tags)
    assert sorted(found) == sorted(set(tags))
    assert found == newest_first(reversed(tags)) == newest_first(sorted(tags))
    for one, other in itertools.combinations(found, 2):
        assert newest_first([other, one]) == [one, other]


@given(NUMBERS, NUMBERS)
def test_numbers_are_compared_as_numbers(one: str, other: str) -> None:
    def value(text: str) -> list[int]:
        parts = [int(part) for part in text.split(".")]
        return parts + [0] * (4 - len(parts))

    if value(one) > value(other):
        assert newest_first([other, one]) == [one, other]


@given(st.text("0123456789.vrcab-_xX", max_size=128))
def test_anything_can_be_read(tag: str) -> None:
    found = parse_version(tag)
    if found:
        assert re.match("[vV]?" + r"\.".join(f"0*{n}" for n in found.numbers), tag)
