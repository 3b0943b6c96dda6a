# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How old an image is: spans of time as people write them, and the dates that images carry."""

from __future__ import annotations

import datetime
import re

from .errors import InvalidInput

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"\s*([0-9]{1,6})\s*([mhdw])\s*")
_NONE = re.compile(r"\s*0\s*[mhdw]?\s*")
#: ten years: more is a slip of the pen
_LONGEST = 3650 * _UNITS["d"]
#: RFC 3339, section 5.6, as the image-spec asks for; blanks instead of T as RFC 3339 allows
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d{1,20})?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_EPOCH = datetime.datetime(1970, 1, 1)
#: 2013-01-01: before the first container image of this kind, so that an earlier date is a
#: placeholder, as builds that are to be the same every time put there (1970, 1980, year 1)
FIRST_IMAGES = 1_356_998_400.0
#: seconds that clocks, or time zones, may be wrong
_SKEW = 86_400.0


def parse_age(text: str, option: str) -> int:
    """Seconds: ``3d``, ``12h``, ``30m``, ``1w``; ``0`` is none.

    Raises InvalidInput, which names ``option``, for anything else.
    """
    if _NONE.fullmatch(str(text)):
        return 0
    match = _AGE.fullmatch(str(text))
    seconds = int(match.group(1)) * _UNITS[match.group(2)] if match else -1
    if not 0 < seconds <= _LONGEST:
        raise InvalidInput(
            f"{option}: {text!r} is no age; write a number with m, h, d or w, as in 3d or 12h "
            "(3650d at most), or 0 for none"
        )
    return seconds


def parse_date(text: str) -> float | None:
    """Seconds since 1970 of a date by RFC 3339, None where it isn't one."""
    match = _DATE.fullmatch(text.strip()[:60])
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    sign, hours, minutes = match.groups()[6:]
    try:
        # a leap second is none for Python
        date = datetime.datetime(year, month, day, hour, minute, min(second, 59))
    except ValueError:
        return None
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    return (date - _EPOCH).total_seconds() - offset


def is_believable(date: float, now: float) -> bool:
    """Whether an image can have been built then: after there were any, and not in the future."""
    return FIRST_IMAGES <= date <= now + _SKEW


def format_date(date: float) -> str:
    """By RFC 3339, in UTC."""
    return f"{(_EPOCH + datetime.timedelta(seconds=int(date))).isoformat()}Z"
