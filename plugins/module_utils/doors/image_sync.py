# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_sync between its arguments and its result, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.errors import InvalidInput
from ..model.sizes import parse_size
from ..sync.declared import (
    EXISTING,
    INTEGRITY,
    PLATFORMS_MISSING,
    REFERRERS,
    STATES,
    Declared,
    read_image,
    read_images,
)
from ..sync.limits import Limits
from ..sync.outcome import Report
from ..sync.run import Stop, sync
from .arguments import CONNECTION_OPTIONS, check_masking, read_settings

#: what the call says for all images, and each entry of ``images`` for itself
_IMAGE_OPTIONS: dict[str, dict[str, Any]] = {
    "source": {"type": "str"},
    "destination": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES)},
    "destination_tag": {"type": "str"},
    "existing": {"type": "str", "choices": list(EXISTING)},
    "immutable_tags": {"type": "list", "elements": "str"},
    "referrers": {"type": "str", "choices": list(REFERRERS)},
    "integrity": {"type": "str", "choices": list(INTEGRITY)},
    "platforms": {"type": "list", "elements": "str"},
    "platforms_missing": {"type": "str", "choices": list(PLATFORMS_MISSING)},
}
_DEFAULTS = {
    "state": "present",
    "destination_tag": "{tag}",
    "existing": "replace",
    "referrers": "with_image",
    "integrity": "tag",
    "platforms_missing": "fail",
}

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **{
        name: {**option, "default": _DEFAULTS[name]} if name in _DEFAULTS else option
        for name, option in _IMAGE_OPTIONS.items()
    },
    "images": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str"}, **_IMAGE_OPTIONS},
    },
    "fail_fast": {"type": "bool", "default": False},
    "bandwidth_limit": {"type": "str"},
    "max_bytes": {"type": "str"},
    "deadline": {"type": "int"},
    **CONNECTION_OPTIONS,
}
MUTUALLY_EXCLUSIVE = [("images", "source"), ("images", "destination")]
REQUIRED_ONE_OF = [("images", "destination")]

#: minutes: a week
_LONGEST_DEADLINE = 7 * 24 * 60
#: not repeated at the top level of a call for one image
_NOT_AT_TOP = ("warnings", "msg", "failed")


def image_sync(
    parameters: Mapping[str, Any], check_mode: bool, stop: Stop | None = None
) -> dict[str, Any]:
    """The result of a call; ``failed`` is in it when images failed. Raises ImageSyncError."""
    settings = read_settings(parameters)
    declared = _declared(parameters)
    check_masking(settings, (str(part) for image in declared for part in _references(image)))
    limits = _limits(parameters)
    report = sync(declared, settings, check_mode, parameters["fail_fast"], stop, limits)
    return _result(report)


def _limits(parameters: Mapping[str, Any]) -> Limits:
    size, minutes = parameters.get("max_bytes"), parameters.get("deadline")
    if minutes is not None and not 1 <= minutes <= _LONGEST_DEADLINE:
        raise InvalidInput(f"deadline must be between 1 and {_LONGEST_DEADLINE} minutes")
    return Limits(
        None if size is None else parse_size(size, "max_bytes"),
        None if minutes is None else minutes * 60.0,
    )


def _declared(parameters: Mapping[str, Any]) -> list[Declared]:
    if parameters.get("images") is not None:
        return read_images(parameters["images"], parameters)
    if not parameters.get("destination"):
        raise InvalidInput("destination is empty")
    return read_image(parameters)


def _references(image: Declared) -> tuple[Any, ...]:
    return (image.source or "", image.destination, image.name)


def _result(report: Report) -> dict[str, Any]:
    images = [image.as_dict() for image in report.images]
    result: dict[str, Any] = {
        "changed": report.changed,
        "images": images,
        "stats": report.stats,
        "credentials": report.credentials,
        "rate_limits": report.rate_limits,
        "diff": report.diff(),
        "warnings": report.warnings,
    }
    if len(images) == 1:
        result.update({k: v for k, v in images[0].items() if k not in _NOT_AT_TOP})
    if report.message():
        result.update(failed=True, msg=report.message())
    return result
