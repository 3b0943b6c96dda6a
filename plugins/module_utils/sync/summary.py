# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A call in one line: ``1 failed, 3 copied, 57 in sync, 1.2 GiB moved in 12 seconds``."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.sizes import format_size, format_span

#: what became of an image, and in check mode would: what needs a look first, then what changed
WORDS = {
    "failed": ("failed", "would fail"),
    "gate_failed": ("failed at the gate", "would fail at the gate"),
    "not_done": ("not done", "not done"),
    "absent": ("copied", "to copy"),
    "digest_differs": ("updated", "to update"),
    "staged": ("staged", "to stage"),
    "incomplete": ("repaired", "to repair"),
    "referrers_missing": ("completed", "to complete"),
    "removed": ("removed", "to remove"),
    "pruned": ("pruned", "to prune"),
    "in_sync": ("in sync", "in sync"),
    "kept": ("kept", "kept"),
    "immutable": ("immutable", "immutable"),
    "too_young": ("too young", "too young"),
}
#: ends of images that nobody wants to read one by one
QUIET = ("in_sync", "kept", "immutable", "too_young", "not_done")


def summary(counts: Mapping[str, int], size: int, seconds: float, check_mode: bool) -> str:
    """``counts``: images by their reason, and ``pruned``. ``size``: bytes sent, or to be sent."""
    parts = [
        f"{counts[key]} {words[check_mode]}" for key, words in WORDS.items() if counts.get(key)
    ]
    parts += [f"{count} {key}" for key, count in counts.items() if key and key not in WORDS]
    if not parts:
        return "no images"
    # in check mode the time is that of looking, not of the move
    moved = f"{format_size(size)} {'to move; planned' if check_mode else 'moved'}"
    return f"{', '.join([*parts, moved])} in {format_span(seconds)}"
