# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.lines import Lines
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.tail import Snapshot

MIB = 1 << 20


def at(seconds: float, done: int = 0, planned: int = 0, **more: Any) -> Snapshot:
    values = {"stage": "copy", "images": (0, 4), "ended": {}, "named": (), **more}
    return Snapshot(seconds=seconds, size=(done * MIB, planned * MIB), **values)


def lines(width: int = 200, check_mode: bool = False) -> Lines:
    return Lines("[host]", check_mode, width)


def shown(found: Lines, now: float, *snapshots: Snapshot) -> str:
    found.take(snapshots)
    return found.line(now)


def test_what_is_done_of_what_and_how_fast() -> None:
    found = lines()
    assert shown(found, 1) == ""
    assert (
        shown(found, 2, at(0.5, stage="list", images=(0, 1))) == "[host] 0 of 1 image, listing tags"
    )
    assert shown(found, 3, at(1, stage="compare")) == "[host] 0 of 4 images, comparing"
    assert shown(found, 4, at(1.5, 0, 100)) == "[host] 0 of 4 images, 0 bytes of 100.0 MiB"
    assert shown(found, 5, at(2.5, 1, 100)) == "[host] 0 of 4 images, 1.0 MiB of 100.0 MiB"
    # a rate after two seconds, a forecast after three
    assert shown(found, 6, at(3.5, 4, 100)).endswith("of 100.0 MiB, 2.0 MiB/s")
    assert shown(found, 7, at(5.5, 20, 100)).endswith(", 5.0 MiB/s, 16 seconds left")
    # what was fast long ago doesn't count
    last = shown(found, 8, at(14.5, 28, 100), at(15.5, 30, 100))
    assert last.endswith("30.0 MiB of 100.0 MiB, 1.0 MiB/s, 1 minute 10 seconds left")
    assert shown(found, 9, at(40, 30, 100)).endswith("30.0 MiB of 100.0 MiB")
    assert shown(found, 10, at(43, 30, 100)).endswith(", 0 bytes/s")
    assert shown(found, 11, at(44, 100, 100)).endswith("100.0 MiB of 100.0 MiB")
    assert shown(found, 12, at(45, 100, 100, stage="remove")).endswith("images, removing")


def test_a_forecast_needs_a_part_that_is_done() -> None:
    found = lines()
    found.take([at(1, 0, 1000), at(9, 9, 1000)])
    assert found.line(1).endswith(", 1.1 MiB/s")
    assert shown(found, 2, at(10, 10, 1000)).endswith(" left")


def test_check_mode_says_what_it_found() -> None:
    found = lines(check_mode=True)
    first = at(1, 3, 9, ended={"absent": 1}, named=(("absent", "r/a:1"),))
    assert shown(found, 1, first) == "[host] 0 of 4 images, 3.0 MiB to move; to copy r/a:1"


def test_one_line_a_second_at_most_and_nothing_is_lost() -> None:
    found = lines()
    assert shown(found, 10.0, at(1, ended={"absent": 1}, named=(("absent", "a"),)))
    second = at(1.5, images=(1, 4), ended={"absent": 2}, named=(("absent", "b"),))
    assert shown(found, 10.9, second) == ""
    third = at(2, images=(2, 4), ended={"absent": 2, "failed": 1}, named=(("failed", "c"),))
    assert shown(found, 11.0, third) == "[host] 2 of 4 images; failed c; copied b"


def test_the_same_is_shown_again_after_a_while_only() -> None:
    found = lines()
    times = [n for n in range(1, 30) if shown(found, n, at(n, 1, 9, stage="compare"))]
    assert times == [1, 11, 21]


def test_names_as_far_as_there_is_room() -> None:
    found = lines(width=60)
    names = tuple(("absent", f"registry.example.com/image-{n}:1") for n in range(9))
    ended = {"absent": 12, "in_sync": 3}
    assert shown(found, 1, at(1, ended=ended, named=names)) == (
        "[host] 0 of 4 images; copied registry.example.com/image-0:1 and 11 more; 3 in sync"
    )
    assert shown(found, 2, at(2, images=(2, 4), ended={**ended, "failed": 1})) == (
        "[host] 2 of 4 images; 1 failed"
    )


def test_the_last_line_has_the_summary_and_names_not_shown_yet() -> None:
    images = [
        {"reason": "absent", "destination": "a"},
        {"reason": "failed", "destination": "b\x1b"},
        {"reason": "in_sync", "destination": "c"},
    ]
    result = {"images": images, "summary": "1 failed, 1 copied, 1 in sync"}
    assert lines().end(result) == ""  # it was too short for any line
    found = lines()
    assert shown(found, 1, at(1, ended={"absent": 1}, named=(("absent", "a"),)))
    assert found.end(result) == "[host] 1 failed, 1 copied, 1 in sync; failed b?"
    assert found.end({"msg": "no such option"}) == ""
