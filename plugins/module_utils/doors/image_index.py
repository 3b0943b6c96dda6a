# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_index between its arguments and its result, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.reference import parse_reference
from ..sync.indexing import Order, assemble, check_order
from ..sync.masking import check_masking
from ..sync.stop import Stop
from .arguments import CONNECTION_OPTIONS, read_annotations, read_settings

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "image": {"type": "str", "required": True},
    "manifests": {"type": "list", "elements": "str", "required": True},
    "annotations": {"type": "dict"},
    **CONNECTION_OPTIONS,
}


def image_index(
    parameters: Mapping[str, Any], check_mode: bool, diff: bool = False, stop: Stop | None = None
) -> dict[str, Any]:
    """The result of a call. Raises ImageSyncError."""
    settings = read_settings(parameters)
    order = Order(
        parse_reference(parameters["image"]),
        tuple(parse_reference(text).with_default_tag() for text in parameters["manifests"]),
        read_annotations(parameters.get("annotations")),
    )
    check_order(order)
    shown = [*map(str, (order.image, *order.manifests)), *order.annotations.values()]
    check_masking(settings, shown)
    return assemble(order, settings, check_mode, stop or Stop(), diff)
