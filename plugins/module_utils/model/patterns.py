# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions that the user gives, each on the whole of a text."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from .errors import InvalidInput

_LIMIT = 1000


def compile_patterns(texts: Iterable[str], option: str) -> tuple[re.Pattern[str], ...]:
    """To be used with ``fullmatch``; raises InvalidInput that names the option and the text.

    Python can't bound the time that an expression takes, so that one with nested repetitions
    (``(a+)+b``) may take very long on a long tag. Who writes them is who waits.
    """
    patterns = []
    for text in texts:
        if len(text) > _LIMIT:
            raise InvalidInput(f"{option}: {text[:40]!r}... has more than {_LIMIT} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a later Python may read otherwise
                patterns.append(re.compile(text))
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidInput(f"{option}: {text!r} is no valid regex: {error}") from None
    return tuple(patterns)
