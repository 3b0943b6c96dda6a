# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps client libraries from logging: what they write at level DEBUG has tokens in it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_inside = 0
_silenced: list[logging.Logger] = []
_levels: dict[logging.Logger, int] = {}


def _loggers(libraries: tuple[str, ...]) -> list[logging.Logger]:
    """The loggers of these libraries and of all their parts, as far as there are any yet."""
    known = dict(logging.root.manager.loggerDict)
    return [
        logger
        for name, logger in known.items()
        if isinstance(logger, logging.Logger)
        and any(f"{name}.".startswith(f"{library}.") for library in libraries)
    ]


@contextlib.contextmanager
def quiet(*libraries: str) -> Iterator[None]:
    """No record of these libraries is logged, not even a warning to standard error.

    Loggers that there are already are switched off, those that are made inside take the level of
    their library.
    """
    global _inside
    with _lock:
        _inside += 1
        for library in libraries:
            top = logging.getLogger(library)
            _levels.setdefault(top, top.level)
            top.setLevel(logging.CRITICAL + 1)
        for logger in _loggers(libraries):
            if not logger.disabled:
                logger.disabled = True
                _silenced.append(logger)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _speak_again()


def _speak_again() -> None:
    while _silenced:
        _silenced.pop().disabled = False
    while _levels:
        logger, level = _levels.popitem()
        logger.setLevel(level)
