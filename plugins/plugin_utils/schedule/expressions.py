# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often: ``15m``, ``6h``, ``1d``, ``1w``, or a calendar expression of systemd's.

systemd.time(7) is the source for calendar expressions, crontab(5) for what cron takes. Where
systemd is, its own word counts; what is here decides elsewhere, and translates for cron.
"""

from __future__ import annotations

import re
import time
import zlib
from dataclasses import dataclass

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import shown

FORMS = "15m, 6h, 1d, 1w, or a calendar expression such as Mon..Fri 03:30 or *-*-1 04:00"
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}
_DAY, _WEEK = _MINUTES["d"], _MINUTES["w"]
_INTERVAL = re.compile(r"([1-9][0-9]{0,3})([mhdw])")
_CALENDAR = re.compile(r"[A-Za-z0-9*/.,:~ +_-]{1,200}")
_WORDS = {
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CRON_DAYS = ("1", "2", "3", "4", "5", "6", "0")
#: the smallest and the largest value of each field of cron: minute, hour, day, month, weekday
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
#: days of the months, in leap years
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_RANGE = re.compile(r"([0-9]{1,4})(?:\.\.([0-9]{1,4}))?(?:/([0-9]{1,4}))?")
_CRON_RANGE = re.compile(r"(\*|[0-9]{1,2})(?:-([0-9]{1,2}))?(?:/([0-9]{1,2}))?")

Fields = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Schedule:
    """``minutes`` of an interval, or 0 and the ``calendar`` expression as it was written."""

    minutes: int
    calendar: str

    def timer(self) -> list[tuple[str, str]]:
        """The lines of a timer unit; only calendar times are made up for when they were missed."""
        expression = self.calendar or _even(self.minutes)
        if expression:
            return [("OnCalendar", expression), ("Persistent", "true")]
        # counted from the run before, and once when the timer starts
        return [("OnActiveSec", "1min"), ("OnUnitActiveSec", f"{self.minutes}min")]

    def delay(self) -> int:
        """How many seconds a run may wait: a tenth of the interval, 15 minutes at most."""
        return min(self.minutes * 6, 900) if self.minutes else 120

    def cron(self, salt: str) -> Fields:
        """The five fields of a crontab. ``salt`` moves intervals by minutes, always the same."""
        if self.minutes:
            return _cron_interval(self.minutes, zlib.crc32(salt.encode()))
        if len(self.calendar.split()) == 5:
            return _cron_as_written(self.calendar)
        return _cron_calendar(self.calendar)


def read_schedule(text: object) -> Schedule:
    """What ``mirror_schedule`` says. Calendar expressions are looked at more closely later."""
    written = text.strip() if isinstance(text, str) else ""
    if not written:
        raise InvalidInput(f"mirror_schedule must say how often to mirror: {FORMS}")
    interval = _INTERVAL.fullmatch(written)
    if interval:
        return Schedule(int(interval.group(1)) * _MINUTES[interval.group(2)], "")
    # what looks like an interval is none of the others
    if not _CALENDAR.fullmatch(written) or re.match(r"[+-]?[0-9]+ ?([A-Za-z]|$)", written):
        raise _bad(written)
    return Schedule(0, " ".join(written.split()))


def check_calendar(expression: str) -> None:
    """Refuse what isn't one of the common calendar expressions; systemd itself takes more."""
    _calendar(expression)


def _bad(text: str, why: str = "") -> InvalidInput:
    return InvalidInput(f"mirror_schedule {shown(text, 60)} is no schedule{why}; give {FORMS}")


def _even(minutes: int) -> str:
    """The calendar expression of an interval that fits into hours, days or a week, or ""."""
    if minutes in (_DAY, _WEEK):
        return _WORDS["daily" if minutes == _DAY else "weekly"]
    if minutes < 60 and 60 % minutes == 0:
        return f"*-*-* *:00/{minutes}:00"
    if minutes < _DAY and minutes % 60 == 0 and 24 % (minutes // 60) == 0:
        return f"*-*-* 00/{minutes // 60}:00:00"
    return ""


def _cron_interval(minutes: int, salt: int) -> Fields:
    if not _even(minutes):
        raise InvalidInput(
            f"mirror_schedule: cron can't run something every {minutes} minutes; it takes "
            "intervals that divide an hour or a day (15m, 30m, 1h, 6h, 12h), 1d and 1w"
        )
    if minutes < 60:
        return f"{salt % minutes}-59/{minutes}" if minutes > 1 else "*", "*", "*", "*", "*"
    minute = str(salt % 60)
    if minutes < _DAY:
        return minute, f"*/{minutes // 60}", "*", "*", "*"
    return minute, "0", "*", "*", "*" if minutes == _DAY else "1"


def _cron_as_written(text: str) -> Fields:
    """Five fields of a crontab, checked: cron would refuse the whole table for a mistake."""
    fields = text.split()
    for field, (low, high) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            found = _CRON_RANGE.fullmatch(part)
            if not found or (found.group(1) == "*" and found.group(2)):
                raise _bad(text)
            begin, end, step = (found.group(n) for n in (1, 2, 3))
            # cron takes a step of ranges and of * only
            if (step and begin != "*" and not end) or step in ("0", "00"):
                raise _bad(text)
            first = low if begin == "*" else int(begin)
            if not low <= first <= int(end or first) <= high:
                raise _bad(text)
    minute, hour, day, month, weekday = fields
    # with a day of the week as well, cron runs on either
    if weekday == "*" and "*" not in month + day:
        of_months, of_days = (_values(field.replace("-", ".."), 1, 31) for field in (month, day))
        if _never(of_months, of_days):
            raise _bad(text, ": that day never comes")
    return minute, hour, day, month, weekday


def _cron_calendar(text: str) -> Fields:
    weekdays, (year, month, day), (hour, minute, second) = _calendar(text)
    if year != "*" or set(second) != {"0"}:
        raise _bad(text, " that cron can keep: it knows no years and no seconds")
    if weekdays and day != "*":
        raise _bad(text, " that cron can keep: it takes days of the week or of the month, not both")
    return (
        _cron_field(minute, 59),
        _cron_field(hour, 23),
        _cron_field(day, 31),
        _cron_field(month, 12),
        ",".join(weekdays) or "*",
    )


def _cron_field(component: str, high: int) -> str:
    """One component of a calendar expression, as cron has it."""
    if component == "*":
        return component
    parts = []
    for part in component.split(","):
        begin, end, step = _parts(part)
        last = "" if end is None and step is None else f"-{high if end is None else end}"
        parts.append(f"{begin}{last}" + (f"/{step}" if step else ""))
    return ",".join(parts)


def _calendar(text: str) -> tuple[list[str], list[str], list[str]]:
    """Days of the week (as cron counts), year-month-day, hour:minute:second; all are checked."""
    words = _WORDS.get(text.lower(), text).split()
    days = _weekdays(words.pop(0)) if words and words[0][0].isalpha() else []
    date, clock = ["*", "*", "*"], ["00", "00", "00"]
    if words and ":" not in words[0]:
        found = words.pop(0).split("-")
        if len(found) not in (2, 3):
            raise _bad(text)
        date[3 - len(found) :] = found
    if words:
        found = words.pop(0).split(":")
        if len(found) not in (2, 3):
            raise _bad(text)
        clock[: len(found)] = found
    limits = ((1970, 2199), *reversed(_FIELDS[2:4]), *reversed(_FIELDS[:2]), (0, 59))
    good = all(_fits(*both) for both in zip([*date, *clock], limits, strict=True))
    if words or days is None or not good:
        raise _bad(text)
    _check_comes(text, date)
    return days, date, clock


def _check_comes(text: str, date: list[str]) -> None:
    """Refuse 30 February and years that are over: it would be a schedule that never runs."""
    year, month, day = date
    this = time.gmtime().tm_year
    over = year != "*" and max(_values(year, 1970, 2199)) < this
    if over or _never(_values(month, 1, 12), _values(day, 1, 31)):
        raise _bad(text, ": that day never comes")


def _never(months: set[int], days: set[int]) -> bool:
    return min(days) > max(_LENGTHS[month - 1] for month in months)


def _values(component: str, low: int, high: int) -> set[int]:
    """All that a component stands for, which was checked; a single value with a step goes on."""
    if component == "*":
        return set(range(low, high + 1))
    found: set[int] = set()
    for part in component.split(","):
        begin, end, step = _parts(part)
        last = end if end is not None else high if step else begin
        found.update(range(begin, last + 1, step or 1))
    return found


def _fits(component: str, limits: tuple[int, int]) -> bool:
    if component == "*":
        return True
    for part in component.split(","):
        if not _RANGE.fullmatch(part):
            return False
        begin, end, step = _parts(part)
        if step == 0 or not limits[0] <= begin <= (begin if end is None else end) <= limits[1]:
            return False
    return True


def _parts(part: str) -> tuple[int, int | None, int | None]:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise _bad(part)
    begin, end, step = found.groups()
    return int(begin), int(end) if end else None, int(step) if step else None


def _weekdays(text: str) -> list[str] | None:
    """``Mon,Wed..Fri`` as cron has it: 1, 3, 4, 5; None for what isn't that."""
    chosen: set[int] = set()
    for part in text.lower().split(","):
        ends = [_weekday(name) for name in part.split("..")]
        if len(ends) > 2 or -1 in ends or ends[0] > ends[-1]:
            return None
        chosen.update(range(ends[0], ends[-1] + 1))
    return [_CRON_DAYS[day] for day in sorted(chosen)]


def _weekday(name: str) -> int:
    for names in (_DAYS, _LONG_DAYS):
        if name in names:
            return names.index(name)
    return -1
