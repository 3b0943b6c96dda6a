# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a call is, as lines of JSON in a file, for somebody who reads along.

Nothing in the work knows of it: a thread of its own looks at the images from time to time. What
goes wrong here ends the telling, never the call.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Callable, NamedTuple

from .image import Image
from .summary import QUIET

#: what the call is at
LIST, COMPARE, COPY, REMOVE = "list", "compare", "copy", "remove"
#: seconds since the beginning, and between two lines from then on: hours must not fill a disk
_INTERVALS = ((600.0, 5.0), (60.0, 1.0), (0.0, 0.5))
#: names in a line; those left out are in the numbers
_MOST_NAMES = 20
_LONGEST_NAME = 300
#: a file of our own, or none: never through a link, never one that is there
_NEW_FILE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class State(NamedTuple):
    """Where a call is. ``bytes_done`` of ``bytes_planned``, of blobs that have to be copied."""

    stage: str
    images: Iterable[Image]
    bytes_done: int
    bytes_planned: int


class Teller:
    """The ends of images since it was asked last, and numbers over all of them."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        """``scrub`` makes a text fit to be shown."""
        self._scrub = scrub
        self._counts: Counter[str] = Counter()
        self._told: set[int] = set()

    def told(self, state: State, seconds: float) -> dict[str, Any]:
        """What a line says; ``seconds`` since the beginning."""
        images = list(state.images)
        named = []
        for image in images:
            reason = image.outcome.reason
            if id(image) in self._told or not _is_final(image, state.stage):
                continue
            self._told.add(id(image))
            self._counts[reason] += 1
            if reason not in QUIET:
                named.append([reason, self._name(image)])
        named.sort(key=lambda entry: entry[0] != "failed")  # they are the last to be left out
        return {
            "seconds": round(seconds, 2),
            "stage": state.stage,
            "images": [len(self._told), len(images)],
            "bytes": [state.bytes_done, state.bytes_planned],
            "ended": dict(self._counts),
            "named": named[:_MOST_NAMES],
        }

    def _name(self, image: Image) -> str:
        return self._scrub(image.outcome.destination)[:_LONGEST_NAME]


def _is_final(image: Image, stage: str) -> bool:
    """Whether nothing more will become of it.

    What is compared may be looked at more closely afterwards.
    """
    reason, declared = image.outcome.reason, image.declared
    if stage == COMPARE and reason != "failed":
        closer = declared.signed_by or declared.integrity != "tag" or declared.referrers == "always"
        return bool(reason) and not closer
    return bool(reason) and stage != LIST


class Progress:
    """A file that grows while the call runs, and is gone afterwards."""

    def __init__(self, path: str, state: Callable[[], State], scrub: Callable[[str], str]) -> None:
        """Begins at once. ``state`` is asked from another thread."""
        self._path, self._state = path, state
        self._teller = Teller(scrub)
        self._file: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="imagesync", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Removes the file; nothing is written any more."""
        self._over.set()
        self._thread.join()
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _run(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(Exception):  # nobody reads along any more, and the call goes on
            while not self._over.wait(_interval(time.monotonic() - began)):
                self._write(self._teller.told(self._state(), time.monotonic() - began))

    def _write(self, line: dict[str, Any]) -> None:
        """In one piece, so that no reader sees half a line for long."""
        if self._file is None:
            self._file = os.open(self._path, _NEW_FILE, 0o600)
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")


def _interval(seconds: float) -> float:
    return next(length for since, length in _INTERVALS if seconds >= since)


@contextlib.contextmanager
def reported(
    path: str | None, state: Callable[[], State], scrub: Callable[[str], str]
) -> Iterator[None]:
    """Tells in the file ``path`` how far the work inside is; nothing without one."""
    progress = Progress(path, state, scrub) if path else None
    try:
        yield
    finally:
        if progress:
            progress.close()
