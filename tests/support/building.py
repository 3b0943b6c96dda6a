# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of image_build in this process, without the second that Ansible takes."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_build import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    REQUIRED_ONE_OF,
    image_build,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.run import Stop

_VALIDATOR = ArgumentSpecValidator(
    ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE, required_one_of=REQUIRED_ONE_OF
)


def build(image: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """The result of a task that builds this image."""
    checked = _VALIDATOR.validate(json.loads(json.dumps({"image": image, "retries": 0, **options})))
    if checked.error_messages:
        raise ValueError("; ".join(checked.error_messages))
    return image_build(checked.validated_parameters, check_mode, Stop())
