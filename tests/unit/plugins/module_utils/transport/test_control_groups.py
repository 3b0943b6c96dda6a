# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.control_groups import (
    Bounds,
    ControlGroup,
    limited,
)

BOUNDS = Bounds(1 << 20, 1.5)


def read(path: Path) -> str:
    return path.read_text(encoding="ascii")


def test_one_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "cgroup.subtree_control").write_text("cpu io\n", encoding="ascii")
    group = ControlGroup(BOUNDS, "build", str(tmp_path))
    assert read(tmp_path / "cgroup.subtree_control") == "+memory"
    group.__enter__()
    group.add(42)
    made = tmp_path / "build"
    assert read(made / "memory.max") == str(1 << 20)
    assert read(made / "cpu.max") == "150000 100000"
    assert read(made / "cgroup.procs") == "42"
    assert not group.ran_out_of_memory()
    (made / "memory.events").write_text("max 3\noom 1\noom_kill 1\n", encoding="ascii")
    assert group.ran_out_of_memory()
    for file in made.iterdir():
        file.unlink()
    group.__exit__()
    assert not made.exists()


def test_a_hierarchy_for_each(tmp_path: Path) -> None:
    for name in ("memory", "cpu"):
        (tmp_path / name).mkdir()
    group = ControlGroup(BOUNDS, "build", str(tmp_path))
    group.__enter__()
    (memory,) = tmp_path.glob("memory/**/memory.limit_in_bytes")
    (quota,) = tmp_path.glob("cpu/**/cpu.cfs_quota_us")
    assert (read(memory), read(quota)) == (str(1 << 20), "150000")
    (memory.parent / "memory.oom_control").write_text("oom_kill 0\n", encoding="ascii")
    assert not group.ran_out_of_memory()
    for file in (*memory.parent.iterdir(), *quota.parent.iterdir()):
        file.unlink()
    group.__exit__()
    assert not memory.parent.exists() and not quota.parent.exists()


def test_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="can't be limited here"):
        ControlGroup(BOUNDS, "build", str(tmp_path))


def test_where_one_may_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    group = ControlGroup(Bounds(1 << 20), "no/such", str(tmp_path))
    with pytest.raises(InvalidInput, match="can't be limited here"):
        group.__enter__()


def test_no_bounds_no_group() -> None:
    with limited(Bounds(), "build") as group:
        assert group is None
