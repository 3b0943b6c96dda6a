# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_info between its arguments and its result, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.reference import parse_reference
from ..sync.inspect import describe
from ..sync.masking import check_masking
from ..sync.signatures import read_keys
from .arguments import CONNECTION_OPTIONS, read_settings

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "images": {"type": "list", "elements": "str", "required": True},
    "referrers": {"type": "bool", "default": False},
    "signed_by": {"type": "list", "elements": "str"},
    **CONNECTION_OPTIONS,
}


def image_info(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a call. Raises ImageSyncError."""
    settings = read_settings(parameters)
    references = [parse_reference(text).with_default_tag() for text in parameters["images"]]
    check_masking(settings, map(str, references))
    written = parameters.get("signed_by")
    keys = None if written is None else list(read_keys(written).values())
    images, numbers = describe(references, settings, parameters["referrers"], keys)
    return {"changed": False, "images": images, **numbers}
