# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_build between its arguments and its result, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.errors import InvalidInput
from ..model.platforms import Platform, parse_platform
from ..model.reference import DOCKER_ARCHIVE, Reference, parse_reference
from ..model.sizes import parse_size
from ..model.strict_json import is_text
from ..sync.build_inputs import LABEL, BuildOrder
from ..sync.build_steps import ISOLATIONS, Manner
from ..sync.building import build
from ..sync.masking import check_masking
from ..sync.stop import Stop
from ..transport.control_groups import Bounds
from .arguments import CONNECTION_OPTIONS, read_settings

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "image": {"type": "str", "required": True},
    "containerfile": {"type": "str"},
    "context": {"type": "path"},
    "file": {"type": "path"},
    "platforms": {"type": "list", "elements": "str"},
    "build_args": {"type": "dict"},
    "labels": {"type": "dict"},
    "target": {"type": "str"},
    "memory": {"type": "str"},
    "cpus": {"type": "float"},
    "isolation": {"type": "str", "choices": list(ISOLATIONS), "default": "chroot"},
    "storage_driver": {"type": "str", "choices": ["vfs", "overlay"], "default": "vfs"},
    "timestamp": {"type": "int"},
    "deadline": {"type": "int"},
    "force": {"type": "bool", "default": False},
    **CONNECTION_OPTIONS,
}
MUTUALLY_EXCLUSIVE = [("containerfile", "file")]
REQUIRED_ONE_OF = [("containerfile", "context")]
REQUIRED_BY = {"file": ("context",)}

#: bytes: buildah itself takes some
_LEAST_MEMORY = 16 << 20
#: seconds
_MINUTE = 60.0
#: minutes: a week
_LONGEST_DEADLINE = 7 * 24 * 60


def image_build(parameters: Mapping[str, Any], check_mode: bool, stop: Stop) -> dict[str, Any]:
    """The result of a call. Raises ImageSyncError."""
    settings = read_settings(parameters)
    image = _image(parameters["image"])
    order = BuildOrder(
        image,
        parameters.get("containerfile"),
        parameters.get("context"),
        parameters.get("file") or "",
        _platforms(parameters.get("platforms") or ()),
        _texts(parameters.get("build_args") or {}, "build_args"),
        _labels(parameters.get("labels") or {}),
        parameters.get("target") or "",
        _timestamp(parameters.get("timestamp")),
    )
    check_masking(settings, [str(image), *order.labels.values()])
    return build(order, _manner(parameters), settings, check_mode, stop)


def _image(text: str) -> Reference:
    image = parse_reference(text).with_default_tag()
    if image.digest:
        raise InvalidInput(f"image {image}: a digest isn't known before the image is built")
    if image.transport == DOCKER_ARCHIVE:
        raise InvalidInput(f"image {image}: archives of Docker can only be read, not written")
    if not image.tag:
        raise InvalidInput(f"image {image}: give it a name, as in {image}:team/app:1.2")
    return image


def _platforms(given: Any) -> tuple[Platform, ...]:
    found = dict.fromkeys(parse_platform(text) for text in given)
    if len({platform.full for platform in found}) < len(found):
        raise InvalidInput("platforms has one platform twice")
    return tuple(found)


def _manner(parameters: Mapping[str, Any]) -> Manner:
    memory, cpus, minutes = (parameters.get(name) for name in ("memory", "cpus", "deadline"))
    size = None if memory is None else parse_size(memory, "memory")
    if size is not None and size < _LEAST_MEMORY:
        raise InvalidInput(f"memory: {memory} isn't enough for buildah itself")
    if cpus is not None and not 0.01 <= cpus <= 4096:
        raise InvalidInput("cpus must be between 0.01 and 4096")
    if minutes is not None and not 1 <= minutes <= _LONGEST_DEADLINE:
        raise InvalidInput(f"deadline must be between 1 and {_LONGEST_DEADLINE} minutes")
    return Manner(
        parameters["isolation"],
        parameters["storage_driver"],
        Bounds(size, cpus),
        parameters["force"],
        None if minutes is None else minutes * _MINUTE,
    )


def _timestamp(given: int | None) -> int | None:
    if given is not None and not 0 <= given < 1 << 36:
        raise InvalidInput("timestamp is the number of seconds since 1970")
    return given


def _labels(given: Mapping[Any, Any]) -> dict[str, str]:
    found = _texts(given, "labels")
    if LABEL in found:
        raise InvalidInput(f"labels: {LABEL} is the one that this module gives")
    return found


def _texts(given: Mapping[Any, Any], option: str) -> dict[str, str]:
    """Names and values as text, as Containerfiles have them."""
    found = {}
    for key, value in given.items():
        name = str(key)
        if isinstance(value, bool):
            value = str(value).lower()
        if not isinstance(value, (str, int, float)):
            raise InvalidInput(f"{option}: the value of {name} must be text")
        text = str(value)
        if not name or "=" in name or not is_text(name + text) or "\0" in name + text:
            raise InvalidInput(f"{option}: {name!r} can't be a name, or its value isn't text")
        found[name] = text
    return found
