# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that a running image_sync writes (module_utils, sync/progress.py), as they are read.

They come from another host and end on a terminal: nothing in them is taken for granted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

#: bytes that are read at once
PIECE = 1 << 16
_LONGEST_NAME = 300


class Snapshot(NamedTuple):
    """Where a call was after some ``seconds``.

    ``images`` and ``size`` (bytes): done, and of how many. ``ended``: images by their reason, over
    the whole time. ``named``: reason and destination of some that ended since the line before.
    """

    seconds: float
    stage: str
    images: tuple[int, int]
    size: tuple[int, int]
    ended: dict[str, int]
    named: tuple[tuple[str, str], ...]


class Tail:
    """A file that grows, read from where it was left."""

    def __init__(self, read: Callable[[int], str]) -> None:
        """``read`` gives at most ``PIECE`` bytes from an offset on, as text; "" without a file."""
        self._read = read
        self._offset = 0

    def new(self) -> list[Snapshot]:
        """What has come since. Raises ValueError for what no module of ours has written."""
        # on a terminal, which ssh may give to a command, each line ends with CR LF
        text = self._read(self._offset).replace("\r\n", "\n")
        whole, newline, rest = text.rpartition("\n")
        if not newline and len(rest) >= PIECE:
            raise ValueError("a line without an end")
        self._offset += len((whole + newline).encode())
        return [parsed(line) for line in whole.split("\n") if line]


def parsed(line: str) -> Snapshot:
    """What a line says; raises ValueError."""
    try:
        read = json.loads(line)
        return Snapshot(
            float(read["seconds"]),
            printable(read["stage"], 20),
            _pair(read["images"]),
            _pair(read["bytes"]),
            {printable(key, 30): int(count) for key, count in read["ended"].items()},
            tuple((printable(r, 30), printable(name)) for r, name in read["named"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("no line of image_sync") from error


def printable(text: Any, most: int = _LONGEST_NAME) -> str:
    """A text without anything that a terminal takes for more than text."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:most])


def _pair(values: Any) -> tuple[int, int]:
    done, planned = values
    return int(done), int(planned)
