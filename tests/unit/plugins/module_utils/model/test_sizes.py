# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.sizes import (
    format_size,
    format_span,
    parse_size,
)

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
SPANS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("4096", 4096),
        ("20M", 20 << 20),
        (" 20 M ", 20 << 20),
        ("20m", 20 << 20),
        ("20MB", 20 << 20),
        ("20MiB", 20 << 20),
        ("20 mib", 20 << 20),
        ("500kB", 500 << 10),
        ("512 B", 512),
        ("1.5 GiB", 3 << 29),
        ("0.5K", 512),
        ("200G", 200 << 30),
        ("2T", 2 << 40),
        ("1P", 1 << 50),
        ("1.0000009", 1),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text, "max_bytes") == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0G",
        "0.5",
        "-1",
        "+1",
        "M",
        "1.M",
        ".5M",
        "1,5M",
        "1e6",
        "1 2",
        "20X",
        "20MM",
        "20M/s",
        "20M\n1",
        "0x10",
        "inf",
        "nan",
        "1" * 19,
        "unlimited",
    ],
)
def test_what_is_no_size_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"bandwidth_limit: .* is no amount of bytes"):
        parse_size(text, "bandwidth_limit")


@given(st.integers(1, 10**6), st.sampled_from([*UNITS, ""]), st.sampled_from(["", "B", "iB"]))
def test_whole_numbers_of_any_unit(number: int, unit: str, ending: str) -> None:
    expected = number * UNITS.get(unit, 1)
    for text in (f"{number}{unit}{ending}", f" {number} {unit.lower()}{ending} "):
        assert parse_size(text, "max_bytes") == expected


@given(st.text(max_size=12))
def test_no_text_does_anything_but_give_a_size_or_be_refused(text: str) -> None:
    try:
        assert parse_size(text, "max_bytes") >= 1
    except InvalidInput as error:
        assert repr(text) in str(error)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (1 << 20, "1.0 MiB"),
        (3 << 29, "1.5 GiB"),
        (1 << 40, "1.0 TiB"),
        (5000 << 40, "5000.0 TiB"),
    ],
)
def test_sizes_are_written(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 1 << 50))
@example((1 << 20) - 1)
@example((1 << 30) - 1)
def test_a_written_size_is_near_and_short(size: int) -> None:
    text = format_size(size)
    amount, unit = text.split(" ")
    assert float(amount) < 1024 or unit == "TiB"
    of_unit = UNITS.get(unit[0], 1)
    assert abs(float(amount) * of_unit - size) <= 0.0501 * of_unit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 second"),
        (0.1, "1 second"),
        (1, "1 second"),
        (1.01, "2 seconds"),
        (59.5, "1 minute"),
        (60, "1 minute"),
        (90, "1 minute 30 seconds"),
        (3599, "59 minutes 59 seconds"),
        (3599.5, "1 hour"),
        (5400, "1 hour 30 minutes"),
        (5401, "1 hour 31 minutes"),
        (7199, "2 hours"),
        (21_600, "6 hours"),
        (21_599.2, "6 hours"),
        (86_399, "1 day"),
        (86_400, "1 day"),
        (86_401, "1 day 1 hour"),
        (7 * 86_400, "7 days"),
        (2 * 86_400 - 1, "2 days"),
    ],
)
def test_spans_are_written(seconds: float, text: str) -> None:
    assert format_span(seconds) == text


@given(st.one_of(st.integers(0, 10**7), st.floats(0, 10**7)))
def test_a_span_is_rounded_up_to_the_finer_of_its_two_units(seconds: float) -> None:
    text = format_span(seconds)
    parts = re.findall(r"(\d+) (day|hour|minute|second)(s?)", text)
    assert 1 <= len(parts) <= 2
    assert " ".join(f"{n} {unit}{s}" for n, unit, s in parts) == text
    assert all((int(n) > 1) == bool(s) and int(n) > 0 for n, _unit, s in parts)
    names = list(SPANS)
    first = names.index(parts[0][1])
    finer = SPANS[names[min(first + 1, 3)]]
    said = sum(int(n) * SPANS[unit] for n, unit, _s in parts)
    assert 0 <= said - max(1, math.ceil(seconds)) < finer
