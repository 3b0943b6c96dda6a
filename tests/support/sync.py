# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of image_sync in this process: what the module does, without a playbook's second."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sync import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    image_sync,
)

from .records import Recorder

_VALIDATOR = ArgumentSpecValidator(ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE)


def sync(check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """The result of a task with these options; one that fails has ``failed`` and ``msg``.

    What Ansible would refuse before the module runs is a ValueError here.
    """
    given = json.loads(json.dumps(options))  # it completes them in place
    checked = _VALIDATOR.validate(given)
    if checked.error_messages:
        raise ValueError("; ".join(checked.error_messages))
    return image_sync(checked.validated_parameters, check_mode)


def blobs(result: Mapping[str, Any]) -> tuple[int, int, int]:
    """How many blobs a result says were copied, mounted and found there."""
    names = ("blobs_copied", "blobs_mounted", "blobs_present")
    copied, mounted, present = (result[name] for name in names)
    return copied, mounted, present


#: what check mode must say exactly as the run itself does
FORETOLD = (
    "changed",
    "reason",
    "failed",
    "digest",
    "source_digest",
    "previous_digest",
    "backup",
    "id",
    "media_type",
    "platforms",
    "bytes_copied",
    "blobs_copied",
    "blobs_mounted",
    "blobs_present",
)
_STATS = (
    "bytes_downloaded",
    "bytes_uploaded",
    "blobs_copied",
    "blobs_mounted",
    "blobs_present",
)


def foretold_then_done(*watched: Recorder, **options: Any) -> dict[str, Any]:
    """The result of a run, after check mode has foretold all of it without a write.

    ``watched`` are the proxies before all registries; they show the run alone afterwards.
    """
    for proxy in watched:
        proxy.clear()
    foretold = sync(check_mode=True, **options)
    assert any(proxy.requests for proxy in watched)
    for proxy in watched:
        assert [str(request) for request in proxy.writes()] == []
        proxy.clear()
    done = sync(**options)
    assert not [thread for thread in threading.enumerate() if thread.name == "imagesync"]
    assert _prediction(foretold) == _prediction(done)
    return done


def _prediction(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "changed": result["changed"],
        "failed": result.get("failed", False),
        "diff": result["diff"],
        "stats": {name: result["stats"][name] for name in _STATS},
        "images": [{name: one.get(name) for name in FORETOLD} for one in result["images"]],
    }
