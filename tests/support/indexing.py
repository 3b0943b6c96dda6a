# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of image_index in this process, without the second that Ansible takes."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_index import (
    ARGUMENT_SPEC,
    image_index,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop

_VALIDATOR = ArgumentSpecValidator(ARGUMENT_SPEC)


def make(
    image: str,
    *manifests: str,
    check_mode: bool = False,
    stop: Stop | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The result of a task that makes this index, with its diff."""
    given = {"image": image, "manifests": list(manifests), "retries": 0, **options}
    checked = _VALIDATOR.validate(json.loads(json.dumps(given)))
    if checked.error_messages:
        raise ValueError("; ".join(checked.error_messages))
    return image_index(checked.validated_parameters, check_mode, diff=True, stop=stop)
