# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a host's images: the role's facts, and why it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

#: of what Ansible adds to a module's result
_NOT_RETURNED = (
    "ansible_facts",
    "deprecations",
    "exception",
    "failed_when_result",
    "failed_when_suppressed_exception",
    "invocation",
)
_Image = Mapping[str, Any]


def returned(result: Mapping[str, Any]) -> dict[str, Any]:
    """What image_sync returned; ``failed`` as it was before the task was told not to fail."""
    kept = {
        key: value
        for key, value in result.items()
        if key not in _NOT_RETURNED and not key.startswith("_ansible")
    }
    kept["failed"] = bool(message(kept))
    return kept


def message(result: Mapping[str, Any]) -> str:
    """Why the call failed, one line per failed image; "" when it didn't."""
    if result.get("unreachable"):
        return f"the host is unreachable: {result.get('msg') or ''}".strip()
    if "images" in result and not result.get("msg"):
        return ""
    lines = str(result.get("msg") or "image_sync gave no result").splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def facts(result: Mapping[str, Any], bundle: str = "") -> dict[str, Any]:
    """The facts of the role, from what image_sync returned.

    ``bundle``: what images were taken from, which call them by their own sources.
    """
    images: list[_Image] = [
        {**image, "source": str(image.get("source") or "").removeprefix(f"{bundle}:")}
        for image in result.get("images") or ()
        if isinstance(image, Mapping)
    ]
    return {
        "mirror_result": dict(result),
        "mirror_ids": {
            image["source"]: image["id"]
            for image in images
            if image.get("source") and _is_at(image)
        },
        "mirror_ids_by_name": _by_name(images),
        "mirror_changed": list(
            dict.fromkeys(
                _called(image) for image in images if image.get("changed") and not _held(image)
            )
        ),
    }


def _is_at(image: _Image) -> bool:
    return bool(image.get("id")) and not image.get("failed") and not _held(image)


def _held(image: _Image) -> bool:
    """Whether it may be there, and has not been let in: its gate failed, or wasn't run."""
    return image.get("reason") in ("gate_failed", "not_done")


def _called(image: _Image) -> str:
    return str(image.get("name") or image.get("source") or image.get("destination"))


def _by_name(images: list[_Image]) -> dict[str, str]:
    """By the name alone where one image has it, else by name and tag."""
    counts = Counter(image.get("name") for image in images)
    found = {}
    for image in images:
        name = image.get("name")
        if name and _is_at(image):
            key = name if counts[name] == 1 else f"{name}:{_tag(image)}"
            found[key] = image["id"]
    return found


def _tag(image: _Image) -> str:
    """The source's tag, or its digest where it is named so."""
    source = str(image.get("source") or image.get("destination") or "")
    name, at, digest = source.partition("@")
    _path, colon, tag = name.rpartition("/")[2].partition(":")
    return tag if colon else digest if at else ""
