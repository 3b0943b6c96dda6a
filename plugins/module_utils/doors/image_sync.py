# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_sync between its arguments and its result, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..model.errors import InvalidInput
from ..model.lock import parse_lock
from ..model.patterns import compile_patterns
from ..model.sizes import parse_size
from ..sync.backup import check_backups
from ..sync.declared import (
    EXISTING,
    INTEGRITY,
    PLATFORMS_MISSING,
    REFERRERS,
    STATES,
    Declared,
    Entry,
    Several,
    read_image,
    read_images,
)
from ..sync.deltas import Baseline
from ..sync.disk_names import with_one_name
from ..sync.limits import Limits
from ..sync.locking import MODES as LOCK_MODES
from ..sync.locking import NO_LOCK, Locking
from ..sync.masking import check_masking
from ..sync.outcome import Report
from ..sync.pruned import MODES as PRUNE_MODES
from ..sync.pruned import PruneOptions, read_declared
from ..sync.settled import FIELDS
from .arguments import CONNECTION_OPTIONS, FILTER_OPTIONS, read_settings

if TYPE_CHECKING:
    from ..sync.stop import Stop

#: what the call says for all images, and each entry of ``images`` for itself
_IMAGE_OPTIONS: dict[str, dict[str, Any]] = {
    "source": {"type": "str"},
    "destination": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES)},
    "tags": {"type": "list", "elements": "str"},
    "filter": {"type": "dict", "options": FILTER_OPTIONS},
    "destination_tag": {"type": "str"},
    "destination_path": {"type": "str"},
    "existing": {"type": "str", "choices": list(EXISTING)},
    "immutable_tags": {"type": "list", "elements": "str"},
    "referrers": {"type": "str", "choices": list(REFERRERS)},
    "integrity": {"type": "str", "choices": list(INTEGRITY)},
    "platforms": {"type": "list", "elements": "str"},
    "platforms_missing": {"type": "str", "choices": list(PLATFORMS_MISSING)},
    "signed_by": {"type": "list", "elements": "str"},
    "min_age": {"type": "str"},
    "backup_tag": {"type": "str"},
}
#: what the role mirror hands over from the call that staged
_SETTLED_OPTIONS = {
    **{key: {"type": "str"} for key in FIELDS},
    "platforms": {"type": "list", "elements": "str"},
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
        "options": {
            "name": {"type": "str"},
            "settled": {"type": "dict", "options": _SETTLED_OPTIONS},
            **_IMAGE_OPTIONS,
        },
    },
    "fail_fast": {"type": "bool", "default": False},
    "lock_file": {"type": "path"},
    "lock": {"type": "dict"},
    "lock_mode": {"type": "str", "choices": list(LOCK_MODES), "default": "update"},
    "baseline": {"type": "dict"},
    "prune": {"type": "str", "choices": list(PRUNE_MODES), "default": "none"},
    "declared": {"type": "list", "elements": "str"},
    "prune_protect": {"type": "list", "elements": "str"},
    "prune_limit": {"type": "int", "default": 10},
    "bandwidth_limit": {"type": "str"},
    "max_bytes": {"type": "str"},
    "deadline": {"type": "int"},
    "progress": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "progress_file": {"type": "path"},
    **CONNECTION_OPTIONS,
}
MUTUALLY_EXCLUSIVE = [("images", "source"), ("images", "destination"), ("lock_file", "lock")]

#: minutes: a week
_LONGEST_DEADLINE = 7 * 24 * 60
#: not repeated at the top level of a call for one image
_NOT_AT_TOP = ("warnings", "msg", "failed", "changed")


def image_sync(
    parameters: Mapping[str, Any], check_mode: bool, stop: Stop | None = None
) -> dict[str, Any]:
    """The result of a call; ``failed`` is in it when images failed. Raises ImageSyncError."""
    settings = read_settings(parameters)
    parameters = with_one_name(parameters)
    declared = _declared(parameters)
    check_masking(settings, (text for entry in declared for text in _references(entry)))
    limits, locking = _limits(parameters), _locking(parameters)
    if locking.lock is not None:
        check_masking(settings, locking.lock.references())
    prune = _prune(parameters, locking)
    check_backups((image for entry in declared for image in _known(entry)), prune.declared)
    told = parameters.get("progress_file") if parameters.get("progress") != "never" else None
    from ..sync.run import sync  # the role mirror wants no more than what stands above

    report = sync(
        declared,
        settings,
        check_mode,
        parameters["fail_fast"],
        stop,
        limits,
        locking,
        prune,
        _baseline(parameters),
        told,
    )
    return _result(report)


def _limits(parameters: Mapping[str, Any]) -> Limits:
    size, minutes = parameters.get("max_bytes"), parameters.get("deadline")
    if minutes is not None and not 1 <= minutes <= _LONGEST_DEADLINE:
        raise InvalidInput(f"deadline must be between 1 and {_LONGEST_DEADLINE} minutes")
    return Limits(
        None if size is None else parse_size(size, "max_bytes"),
        None if minutes is None else minutes * 60.0,
    )


def _locking(parameters: Mapping[str, Any]) -> Locking:
    path, given = parameters.get("lock_file"), parameters.get("lock")
    frozen = parameters.get("lock_mode") == "frozen"
    if path is not None:
        from ..sync.lock_file import LockFile

        file = LockFile(path)
        return Locking(file.read(write=not frozen), frozen, file)
    if given is not None:
        return Locking(parse_lock(given, "the option lock"), frozen)
    if frozen:
        raise InvalidInput("lock_mode: frozen needs a lock: give lock_file or lock")
    return NO_LOCK


def _baseline(parameters: Mapping[str, Any]) -> Baseline | None:
    given = parameters.get("baseline")
    return None if given is None else Baseline(parse_lock(given, "the option baseline"))


def _prune(parameters: Mapping[str, Any], locking: Locking) -> PruneOptions:
    mode, limit = parameters.get("prune") or "none", parameters.get("prune_limit")
    if mode == "lock" and locking.lock is None:
        raise InvalidInput("prune: lock needs a lock: give lock_file or lock")
    if mode == "lock" and locking.frozen:
        raise InvalidInput("prune: lock changes the lock, and lock_mode is frozen")
    limit = 10 if limit is None else limit
    if limit < 0:
        raise InvalidInput("prune_limit must not be negative")
    return PruneOptions(
        mode,
        read_declared(parameters.get("declared") or ()),
        compile_patterns(parameters.get("prune_protect") or (), "prune_protect"),
        limit,
    )


def _declared(parameters: Mapping[str, Any]) -> list[Entry]:
    if parameters.get("images") is not None:
        return read_images(parameters["images"], parameters)
    # not by required_one_of, of which Ansible tells before it does of a misspelt destination
    if parameters.get("destination") is None:
        raise InvalidInput("either destination or images is required")
    if not parameters["destination"]:
        raise InvalidInput("destination is empty")
    return read_image(parameters)


def _references(entry: Entry) -> Iterator[str]:
    for image in [*_known(entry), *([entry.base] if isinstance(entry, Several) else [])]:
        yield from (str(image.source or ""), str(image.destination), image.name)
        yield str(image.backup or "")


def _known(entry: Entry) -> list[Declared]:
    """The images of an entry as far as they are known before anybody is asked."""
    return entry.named() if isinstance(entry, Several) else [entry]


def _result(report: Report) -> dict[str, Any]:
    images = [image.as_dict() for image in report.images]
    result: dict[str, Any] = {
        "changed": report.changed,
        "images": images,
        "summary": report.summary(),
        "stats": report.stats,
        "credentials": report.credentials,
        "rate_limits": report.rate_limits,
        "pruned": report.pruned,
        "diff": report.diff(),
        "warnings": report.warnings,
    }
    if report.lock is not None:
        result["lock"] = report.lock.document()
    if len(images) == 1:
        result.update({k: v for k, v in images[0].items() if k not in _NOT_AT_TOP})
    if report.message():
        result.update(failed=True, msg=report.message())
    return result
