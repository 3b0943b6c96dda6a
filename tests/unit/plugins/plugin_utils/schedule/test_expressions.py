# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often: what is understood, what cron makes of it, and what is refused."""

from __future__ import annotations

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.schedule.expressions import (
    check_calendar,
    read_schedule,
)


@pytest.mark.parametrize(
    ("text", "timer", "delay"),
    [
        ("15m", [("OnCalendar", "*-*-* *:00/15:00"), ("Persistent", "true")], 90),
        ("60m", [("OnCalendar", "*-*-* 00/1:00:00"), ("Persistent", "true")], 360),
        (" 6h ", [("OnCalendar", "*-*-* 00/6:00:00"), ("Persistent", "true")], 900),
        ("1d", [("OnCalendar", "*-*-* 00:00:00"), ("Persistent", "true")], 900),
        ("24h", [("OnCalendar", "*-*-* 00:00:00"), ("Persistent", "true")], 900),
        ("1w", [("OnCalendar", "Mon *-*-* 00:00:00"), ("Persistent", "true")], 900),
        ("7h", [("OnActiveSec", "1min"), ("OnUnitActiveSec", "420min")], 900),
        ("2d", [("OnActiveSec", "1min"), ("OnUnitActiveSec", "2880min")], 900),
        ("Mon..Fri  03:30", [("OnCalendar", "Mon..Fri 03:30"), ("Persistent", "true")], 120),
    ],
)
def test_the_lines_of_a_timer(text: str, timer: list[tuple[str, str]], delay: int) -> None:
    schedule = read_schedule(text)
    assert (schedule.timer(), schedule.delay()) == (timer, delay)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("hourly", "0 * * * *"),
        ("Daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("monthly", "0 0 1 * *"),
        ("03:30", "30 3 * * *"),
        ("03:30:00", "30 3 * * *"),
        ("*:00/15", "0-59/15 * * * *"),
        ("00/6:05", "5 0-23/6 * * *"),
        ("8..18/2:00", "0 8-18/2 * * *"),
        ("Mon..Fri 03:30", "30 3 * * 1,2,3,4,5"),
        ("Mon,Wednesday,Sun 3:00", "0 3 * * 1,3,0"),
        ("Sat", "0 0 * * 6"),
        ("*-*-1,15 04:00", "0 4 1,15 * *"),
        ("*-1/3-1 04:00", "0 4 1 1-12/3 *"),
        ("12-24 00:00", "0 0 24 12 *"),
        ("30 3 * * 1-5", "30 3 * * 1-5"),
        ("*/10 0-6/2,12 * 1,7 *", "*/10 0-6/2,12 * 1,7 *"),
    ],
)
def test_calendar_expressions_for_cron(text: str, fields: str) -> None:
    assert " ".join(read_schedule(text).cron("host")) == fields


def test_intervals_for_cron_are_moved_by_minutes_and_always_the_same() -> None:
    for text, hour, weekday in (("6h", "*/6", "*"), ("1d", "0", "*"), ("1w", "0", "1")):
        minute, *rest = read_schedule(text).cron("one")
        assert rest == [hour, "*", "*", weekday] and 0 <= int(minute) < 60
        assert read_schedule(text).cron("one")[0] == minute
    begins = {read_schedule("15m").cron(f"host {n}")[0] for n in range(40)}
    assert len(begins) > 5 and begins <= {f"{n}-59/15" for n in range(15)}
    assert read_schedule("1m").cron("one") == ("*", "*", "*", "*", "*")


BAD = [None, 6, "", "0m", "00h", "-1h", "6", "6 h", "6H", "1y", "6h30m", "15s", "99999h", "$(id)"]


@pytest.mark.parametrize("text", [*BAD, "6h; reboot", "a\nb", "%h", "x" * 201, "'daily'"])
def test_bad_ones_are_errors(text: object) -> None:
    with pytest.raises(InvalidInput, match="mirror_schedule"):
        read_schedule(text)


UNKNOWN = ["sometimes", "24:00", "3:60", "*-13-1", "*-*-32 00:00", "Mon..", "Fri..Mon", "Foo 3:00"]
UNKNOWN += ["*-02-30 00:00", "*-4,6-31", "2020-*-* 3:00", "2010..2020-1-1"]
UNKNOWN += ["5..1:00", "00/0:00", "3:00 Mon", "*", "1-2-3-4 0:0", "1:2:3:4", "0 3 * * *", "::"]


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_no_calendar_expression(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"no schedule"):
        check_calendar(text)


CANNOT = ["7h", "45m", "2d", "2w", "90m", "2030-*-* 3:00", "3:00:30", "Mon *-*-1 3:00"]
CANNOT += ["*-*~1 3:00", "3:00 UTC", "60 3 * * *", "0 3 * * mon", "0 3 * *", "*/0 * * * *"]
CANNOT += ["*:*:*", "0:0:0/30", "0:0:0,30", "0:0:0..5", "0 0 30 2 *", "0 0 31 4-6/2,11 *"]
CANNOT += ["1/2 * * * *", "*-5 * * * *", "5-1 * * * *", "0 3 * * 8", "0 3 0 * *"]


@pytest.mark.parametrize("text", CANNOT)
def test_what_cron_cannot_keep(text: str) -> None:
    with pytest.raises(InvalidInput, match="mirror_schedule"):
        read_schedule(text).cron("host")


@pytest.mark.parametrize("text", ["*-02-29 3:00", "*-2,3-30 3:00", "2020/1-*-* 3:00"])
def test_what_comes_now_and_then(text: str) -> None:
    check_calendar(text)


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 31 4,5 *", "0 0 30 2 1", "0 0 31 */4 *"])
def test_what_comes_now_and_then_by_cron(text: str) -> None:
    assert " ".join(read_schedule(text).cron("host")) == text
