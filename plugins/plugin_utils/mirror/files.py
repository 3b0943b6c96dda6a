# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on the controller: the lock, reports and metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import (
    Lock,
    parse_lock,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.lock_file import LockFile
from ansible_collections.imagesync.registry.plugins.module_utils.sync.replacing import replace_file

#: the playbooks of this collection, which nobody keeps files beside
_OUR_PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"


def base_folder(variables: Mapping[str, Any]) -> Path:
    """Where relative paths begin: at the playbook; with one of ours, at the inventory."""
    playbook = Path(str(variables.get("playbook_dir") or "."))
    if playbook.resolve() != _OUR_PLAYBOOKS:
        return playbook.absolute()
    return Path(str(variables.get("inventory_dir") or ".")).absolute()


def full_path(folder: Path, value: Any) -> str:
    """One name for each file, however it is written; "" for no file."""
    return os.path.realpath(folder / Path(str(value)).expanduser()) if value else ""


def load_lock(path: str, variable: str = "mirror_lock_file", must_exist: bool = False) -> Lock:
    """The lock in a file, an empty one where there may be no file; raises InvalidInput."""
    found = LockFile(path, variable).load()
    if found is None and must_exist:
        raise InvalidInput(f"{variable} {path} doesn't exist")
    return found or Lock()


def save_lock(path: str, before: Any, after: Any, check_mode: bool) -> tuple[bool, list[str]]:
    """Writes what image_sync changed in the lock; whether that is something, and warnings.

    ``before``: what was read for the call, ``after``: what it returned. What others have changed
    in the file since stays. Raises InvalidInput.
    """
    lock = parse_lock(before, "lock")
    lock.images = parse_lock(after, "the lock of image_sync").images
    if not lock.changed or check_mode:
        return lock.changed, []
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"mirror_lock_file {path}: {error.strerror or error}") from None
    warnings = LockFile(path, "mirror_lock_file").update(lock)
    return lock.changed, warnings


def write(path: str, text: str, mode: int | None = None) -> None:
    """Replaces a file, so that it is there whole at any time; raises OSError.

    ``mode``: its permissions, else as before.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    replace_file(path, text.encode("utf-8", "replace"), mode)
