# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import (
    Platform,
    choose,
    parse_platform,
)


@pytest.mark.parametrize(
    ("text", "platform"),
    {
        "linux/amd64": Platform("linux", "amd64"),
        "amd64": Platform("linux", "amd64"),
        "x86_64": Platform("linux", "amd64"),
        "aarch64": Platform("linux", "arm64"),
        "linux/aarch64": Platform("linux", "arm64"),
        "linux/arm64/v8": Platform("linux", "arm64", "v8"),
        "linux/arm/v7": Platform("linux", "arm", "v7"),
        "Linux/AMD64": Platform("linux", "amd64"),
        " linux/s390x ": Platform("linux", "s390x"),
        "windows/amd64": Platform("windows", "amd64"),
        "riscv64": Platform("linux", "riscv64"),
    }.items(),
)
def test_how_platforms_are_written(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "linux/",
        "/amd64",
        "linux//v8",
        "a/b/c/d",
        "linux",
        "windows",
        "linux/am d64",
        "a,b",
    ],
)
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a platform"):
        parse_platform(text)


AMD = Platform("linux", "amd64")
AMD_V3 = Platform("linux", "amd64", "v3")
ARM64 = Platform("linux", "arm64")
ARM64_V8 = Platform("linux", "arm64", "v8")
ARM_V6 = Platform("linux", "arm", "v6")
ARM_V7 = Platform("linux", "arm", "v7")
ARM = Platform("linux", "arm")
WINDOWS = Platform("windows", "amd64")


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (AMD, [ARM64, AMD], 1),
        (AMD, [WINDOWS, ARM64], None),
        (AMD, [], None),
        (ARM64, [AMD, ARM64_V8], 1),
        (ARM64_V8, [AMD, ARM64], 1),
        (ARM, [ARM_V6, ARM_V7], 1),
        (ARM, [ARM_V6], 0),
        (ARM_V7, [ARM_V6], None),
        (ARM_V7, [ARM_V6, ARM], 1),
        (AMD, [AMD_V3], 0),
        (AMD, [AMD_V3, AMD], 1),
        (AMD_V3, [AMD], None),
        (AMD, [AMD, AMD], 0),
        (Platform("unknown", "unknown"), [AMD], None),
    ],
)
def test_choose(wanted: Platform, offered: list[Platform], chosen: int | None) -> None:
    assert choose(wanted, offered) == chosen


PLATFORMS = st.builds(
    Platform,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "arm64", "arm", "s390x"]),
    st.sampled_from(["", "v1", "v6", "v7", "v8"]),
)


@given(PLATFORMS)
def test_written_and_read_again(platform: Platform) -> None:
    assert parse_platform(str(platform)) == platform


@given(PLATFORMS, st.lists(PLATFORMS))
def test_what_is_chosen_serves(wanted: Platform, offered: list[Platform]) -> None:
    number = choose(wanted, offered)
    if number is None:
        assert wanted not in offered
    else:
        assert offered[number][:2] == wanted[:2]
        if wanted.variant:
            assert offered[number].full == wanted.full
