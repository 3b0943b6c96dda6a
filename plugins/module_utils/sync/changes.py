# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call changed, as a table to read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

#: as many digits as Docker and Podman show
_DIGEST = re.compile(r"(\w+:[0-9a-f]{12})[0-9a-f]{20,}")


class Move(NamedTuple):
    """An image and what was there before and after: a digest, a word in brackets, or nothing."""

    destination: str
    before: str
    after: str


def table(moves: Iterable[Move]) -> str:
    """A line for each, with digests cut short, under a line of titles."""
    rows = [("image", "before", "after")]
    for move in moves:
        before, after = short(move.before), short(move.after)
        rows.append((short(move.destination), before, after or "(complete)"))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}".rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def short(text: str) -> str:
    """The digests in a text, cut to twelve digits."""
    return _DIGEST.sub(r"\1", text)
