# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Amounts of bytes and of time as people write and read them."""

from __future__ import annotations

import math
import re

from .errors import InvalidInput

_UNITS = {letter: 1 << (10 * power) for power, letter in enumerate(("", "K", "M", "G", "T", "P"))}
_SIZE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([KMGTP]?)(?:i?B)?\s*", re.IGNORECASE)
_SPANS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def parse_size(text: str, option: str) -> int:
    """Bytes: ``20M``, ``1.5 GiB``, ``500kB``, ``4096``; units are powers of 1024, as in Ansible.

    Raises InvalidInput, which names ``option``, for anything else and for less than one byte.
    """
    match = _SIZE.fullmatch(str(text))
    size = int(float(match.group(1)) * _UNITS[match.group(2).upper()]) if match else 0
    if size < 1:
        raise InvalidInput(f"{option}: {text!r} is no amount of bytes; write it as in 20M or 1.5G")
    return size


def format_size(size: int) -> str:
    """``1.5 GiB``."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if round(amount, 1) < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def format_span(seconds: float) -> str:
    """``6 hours``, ``1 hour 30 minutes``: two units at most, rounded up."""
    left = max(1, math.ceil(seconds))
    for (length, _name), (finer, _finer) in zip(_SPANS, _SPANS[1:]):
        if left >= length:
            left = -(-left // finer) * finer
            break
    parts = []
    for length, name in _SPANS:
        amount, left = divmod(left, length)
        if amount:
            parts.append(f"{amount} {name}{'s' if amount > 1 else ''}")
    return " ".join(parts[:2])
