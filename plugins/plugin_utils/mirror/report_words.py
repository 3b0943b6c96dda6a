# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the reports for people say alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATUS = {
    "ok": "Nothing to do",
    "changed": "Changed",
    "failed": "Failed",
    "no_result": "No result",
}
REASONS = {
    "absent": "new",
    "digest_differs": "moved",
    "referrers_missing": "what is attached was missing",
    "incomplete": "repaired",
    "in_sync": "in sync",
    "staged": "staged",
    "kept": "kept as it was",
    "immutable": "immutable",
    "too_young": "too young",
    "removed": "removed",
    "not_done": "not done",
    "gate_failed": "held back by its gate",
    "failed": "failed",
}


def size(number: Any) -> str:
    """Bytes for people, in powers of 1024."""
    value = float(number or 0)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: Any) -> str:
    """Seconds for people."""
    total = float(seconds or 0)
    if total < 60:
        return f"{total:.1f} s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def short(digest: Any) -> str:
    """A digest that the eye can compare."""
    text = str(digest or "")
    return text[: text.find(":") + 13] if text else ""


def reason(image: Mapping[str, Any]) -> str:
    """Why something was done or not."""
    word = str(image.get("reason") or "")
    return REASONS.get(word, word)


def many(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def headline(model: Mapping[str, Any]) -> str:
    """The whole run in one sentence."""
    totals = model["totals"]
    parts = [f"{many(totals.get('images', 0), 'image')} on {many(totals['hosts'], 'host')}"]
    for key in ("changed", "failed", "not_done", "pruned"):
        if totals.get(key):
            parts.append(f"{totals[key]} {key.replace('_', ' ')}")
    return ", ".join(parts)


def sorted_images(host: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """A host's images by what a reader looks for first."""
    groups: dict[str, list[Mapping[str, Any]]] = {"failed": [], "changed": [], "unchanged": []}
    for image in host["images"]:
        if image.get("failed") or image.get("reason") in ("not_done", "gate_failed"):
            groups["failed"].append(image)
        elif image.get("changed"):
            groups["changed"].append(image)
        else:
            groups["unchanged"].append(image)
    return groups


def message(host: Mapping[str, Any]) -> list[str]:
    """The lines of a host's message that its failed images don't tell."""
    told: set[str] = set()
    for image in host["images"]:
        line = f"{image.get('destination')}: {image.get('msg') or ''}"
        told.update(one.rstrip() for one in line.splitlines())
    left = [line for line in str(host["message"] or "").splitlines() if line.rstrip() not in told]
    return [] if len(left) == 1 and left[0].endswith(" failed:") else left


def rate_limit(limit: Mapping[str, Any]) -> str:
    """What a registry says of its limit."""
    text = f"{limit.get('remaining', '?')} of {limit.get('limit', '?')} requests left"
    window = limit.get("window")
    return f"{text} in {duration(window)}" if window else text
