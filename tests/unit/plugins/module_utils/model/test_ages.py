# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import (
    FIRST_IMAGES,
    format_date,
    is_believable,
    parse_age,
    parse_date,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3d", 259_200),
        ("12h", 43_200),
        ("30m", 1_800),
        (" 1 w ", 604_800),
        ("3650d", 315_360_000),
        ("0", 0),
        ("0d", 0),
    ],
)
def test_ages(text: str, seconds: int) -> None:
    assert parse_age(text, "min_age") == seconds


@pytest.mark.parametrize(
    "text",
    ["", "3", "d", "3 days", "-3d", "1.5d", "3D", "3d12h", "3s", "9999999d", "3651d", "\u0663d"],
)
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"min_age: .* is no age"):
        parse_age(text, "min_age")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("2024-01-02T03:04:05Z", 1_704_164_645),
        ("2024-01-02T03:04:05.123456789Z", 1_704_164_645),
        ("2024-01-02t03:04:05z", 1_704_164_645),
        (" 2024-01-02 03:04:05Z\n", 1_704_164_645),
        ("2024-01-02T04:04:05+01:00", 1_704_164_645),
        ("2024-01-01T21:34:05-05:30", 1_704_164_645),
        ("2016-12-31T23:59:60Z", 1_483_228_799),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ],
)
def test_dates(text: str, seconds: float) -> None:
    assert parse_date(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-01-02",
        "2024-01-02T03:04:05",
        "2024-13-02T03:04:05Z",
        "2024-02-30T03:04:05Z",
        "0000-01-01T00:00:00Z",
        "1704164645",
        "2024-01-02T03:04:05Z" + "x" * 100,
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@given(st.datetimes(min_value=datetime.datetime(1, 1, 1)))
def test_dates_are_read_as_they_are_written(date: datetime.datetime) -> None:
    found = parse_date(f"{date.isoformat(timespec='seconds')}Z")
    assert found is not None
    assert format_date(found) == f"{date.isoformat(timespec='seconds')}Z"


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert parse_date(text) is None or isinstance(parse_date(text), float)


@pytest.mark.parametrize(
    ("date", "good"),
    [
        (0, False),  # SOURCE_DATE_EPOCH=0, Bazel, ko
        (315_532_801, False),  # buildpacks
        (FIRST_IMAGES - 1, False),
        (FIRST_IMAGES, True),
        (NOW, True),
        (NOW + 86_400, True),  # a clock or a time zone
        (NOW + 86_401, False),
    ],
)
def test_what_can_be_true(date: float, good: bool) -> None:
    assert is_believable(date, NOW) is good
