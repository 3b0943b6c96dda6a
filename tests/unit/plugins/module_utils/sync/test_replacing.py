# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.sync.replacing import replace_file


def test_the_mode_stays_and_a_new_file_has_the_usual_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(str(path), b"1")
    usual = tmp_path / "usual"
    usual.touch()
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o640)
    replace_file(str(path), b"2")
    assert path.read_bytes() == b"2" and path.stat().st_mode & 0o777 == 0o640


def test_what_nobody_writes_any_more_is_removed(tmp_path: Path) -> None:
    """And nothing else: not what is being written, nor what only looks like it."""
    kept = [".file.abcdefgh", ".file.short", ".other.abcdefgh", ".file.abcdefgh.txt"]
    for name in [*kept, ".file.zyxwvuts"]:
        (tmp_path / name).touch()
    (tmp_path / ".file.a2345678").symlink_to(tmp_path / ".file.short")
    with (tmp_path / kept[0]).open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        replace_file(str(tmp_path / "file"), b"1")
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, ".file.a2345678", "file"])


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        replace_file(str(tmp_path / "file"), b"1")
    assert os.listdir(tmp_path) == ["file"]
