# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    DiskError,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.build_folder import (
    BuildFolder,
)


@pytest.fixture(autouse=True)
def above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_is_private_and_gone_afterwards(above: Path) -> None:
    with BuildFolder() as folder:
        assert Path(folder.path).parent == above.resolve()
        assert os.stat(folder.path).st_mode & 0o777 == 0o700
        written = folder.write("auth.json", "{}")
        assert os.stat(written).st_mode & 0o777 == 0o600
        folder.make("closed")
        Path(folder.at("closed", "file")).touch()
        os.chmod(folder.at("closed"), 0)
    assert os.listdir(above) == [] and folder.warnings == []


def test_also_after_an_error(above: Path) -> None:
    with pytest.raises(KeyError), BuildFolder():
        raise KeyError
    assert os.listdir(above) == []


def test_what_dead_builds_have_left_is_removed(above: Path) -> None:
    for name in ("dead", "young", "alive"):
        (above / f"imagesync-build-{name}").mkdir()
        (above / f"imagesync-build-{name}" / "lock").touch()
        if name != "young":
            os.utime(above / f"imagesync-build-{name}", (0, 0))
    (above / "other").mkdir()
    with open(above / "imagesync-build-alive" / "lock", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with BuildFolder():
            pass
    assert sorted(os.listdir(above)) == ["imagesync-build-alive", "imagesync-build-young", "other"]


@pytest.mark.parametrize("place", ["relative", "/tmp/a:b"])
def test_where_nothing_can_be_built(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", place)
    with pytest.raises(InvalidInput, match="can't be built in"), BuildFolder():
        pass


def test_a_place_that_is_not_there(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(above / "nowhere"))
    with pytest.raises(DiskError, match="no folder to build in"), BuildFolder():
        pass
