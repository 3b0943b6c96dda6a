# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call may prune, and what it has pruned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ..model.reference import Reference, parse_reference

MODES = ("none", "lock", "repository")


class PruneOptions(NamedTuple):
    """``declared``: elsewhere; without tag and digest it stands for all tags of a repository.

    ``protect``: searched for in full destination references. ``limit``: the most deletions.
    """

    mode: str = "none"
    declared: tuple[Reference, ...] = ()
    protect: tuple[re.Pattern[str], ...] = ()
    limit: int = 10


NO_PRUNING = PruneOptions()


class Pruned(NamedTuple):
    """What was deleted, or in check mode would be; what was noticed; what failed.

    ``left``: how many there was no time for. ``decided``: of what was looked at, the destinations
    that are gone by now, or stay because something else uses them.
    """

    deleted: list[dict[str, str]]
    warnings: list[str]
    errors: list[str]
    left: int = 0
    decided: frozenset[str] = frozenset()


def read_declared(texts: Iterable[str]) -> tuple[Reference, ...]:
    """The option ``declared``; raises InvalidInput."""
    return tuple(parse_reference(text) for text in texts)
