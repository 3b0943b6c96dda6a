# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are damaged, and archives and layouts that others write at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.stores import (
    archive_writing,
    layout,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.files import TEMPORARY
from tests.support import images, layouts
from tests.support.sync import sync

SHARED = images.image("shared by two", layers=1).blobs[1]
ONE, TWO = (images.image(n, layers=[SHARED, images.layer(n)]) for n in ("one", "two"))


def put(source: Path, target: Path, name: str, **more: Any) -> dict[str, Any]:
    return sync(source=f"oci:{source}:{name}", destination=f"oci-archive:{target}:{name}", **more)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return layouts.write_layout(tmp_path / "source", {"one:1": ONE, "two:2": TWO})


def check_whole(target: Path, folder: Path, *found: images.Image) -> None:
    """Whether an archive has these images, and nothing else."""
    assert sync(source=f"oci-archive:{target}", destination=f"oci:{folder}")["changed"]
    layouts.check_valid(folder)
    assert layouts.stored(folder) == layouts.parts(*found)


def test_integrity_repairs_an_archive(tmp_path: Path, source: Path) -> None:
    """Though its index stays the same."""
    target = tmp_path / "a.tar"
    put(source, target, "one:1")
    good, layer = target.read_bytes(), ONE.blobs[2].data
    assert good.count(layer) == 1
    target.write_bytes(good.replace(layer, b"x" * len(layer)))
    assert put(source, target, "one:1")["reason"] == "in_sync"

    told = put(source, target, "one:1", integrity="blobs", check_mode=True)
    repaired = put(source, target, "one:1", integrity="blobs")

    for result in (told, repaired):
        assert (result["reason"], result["blobs_copied"]) == ("incomplete", 1)
    assert target.read_bytes() == good
    inode = target.stat().st_ino
    assert not put(source, target, "one:1", integrity="blobs")["changed"]
    assert target.stat().st_ino == inode


def while_packing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> list[int]:
    """Does something else, once, when an archive is being packed."""
    add, happened = archive_writing._add_bytes, []

    def late(*arguments: Any) -> None:
        if not happened:
            happened.append(1)
            act()
        add(*arguments)

    monkeypatch.setattr(archive_writing, "_add_bytes", late)
    return happened


def test_what_others_prune_in_an_archive_is_kept_if_it_is_used(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shared layer was there when it was looked for, and is gone when it is to be packed."""
    target = tmp_path / "a.tar"
    put(source, target, "one:1")

    def prune() -> None:
        gone = sync(destination=f"oci-archive:{target}:one:1", state="absent")
        assert gone["reason"] == "removed"

    happened = while_packing(monkeypatch, prune)
    result = put(source, target, "two:2")

    assert happened and result["changed"] and result["blobs_present"] == 1
    check_whole(target, tmp_path / "all", TWO)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "all", "source"]


def test_nobody_waits_for_an_archive_to_be_packed(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those who write another one beside it, nor the same one."""
    monkeypatch.setattr(archive_writing, "_PATIENCE", 2.0)
    target, other = tmp_path / "a.tar", tmp_path / "b.tar"

    def write() -> None:
        assert put(source, other, "one:1")["changed"]
        assert put(source, target, "two:2")["changed"]

    happened = while_packing(monkeypatch, write)

    assert put(source, target, "one:1")["changed"] and happened
    check_whole(target, tmp_path / "all", ONE, TWO)
    check_whole(other, tmp_path / "other", ONE)


def test_an_archive_behind_a_link_stays_there(tmp_path: Path, source: Path) -> None:
    (tmp_path / "data").mkdir()
    link, real = tmp_path / "a.tar", tmp_path / "data" / "real.tar"
    link.symlink_to(real)
    for name in ("one:1", "two:2"):
        assert put(source, link, name)["changed"]
    assert os.readlink(link) == str(real)
    check_whole(real, tmp_path / "all", ONE, TWO)


def test_what_was_found_in_a_layout_is_not_swept_away(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others remove the only image that uses it, after we have seen that it is all there."""
    folder = layouts.write_layout(tmp_path / "b", {"other:1": TWO})
    check, happened = layout.LayoutRepository._check_parts, []

    def seen(*arguments: Any) -> None:
        check(*arguments)
        if not happened:
            happened.append(sync(destination=f"oci:{folder}:other:1", state="absent"))

    monkeypatch.setattr(layout.LayoutRepository, "_check_parts", seen)
    result = sync(source=f"oci:{source}:two:2", destination=f"oci:{folder}:two:2")

    assert result["changed"] and happened[0]["reason"] == "removed"
    assert "another process uses it" in happened[0]["warnings"][0]
    layouts.check_valid(folder)
    assert layouts.names(folder) == {"two:2": TWO.digest}


def test_a_sweep_that_fails_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image is removed, whatever is left of it."""
    folder = layouts.write_layout(tmp_path / "b", {"one:1": ONE})
    unlink = os.unlink

    def refusing(path: Any, *, dir_fd: int | None = None) -> None:
        if len(str(path)) == 64:
            raise PermissionError(1, "Operation not permitted")
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refusing)
    result = sync(destination=f"oci:{folder}:one:1", state="absent")

    assert result["changed"] and not result.get("failed")
    assert "Operation not permitted" in result["warnings"][0]
    monkeypatch.undo()
    assert layouts.names(folder) == {} and layouts.stored(folder) == layouts.parts(ONE)


def test_what_is_no_blob_of_a_layout_is_left_alone(tmp_path: Path) -> None:
    folder = layouts.write_layout(tmp_path / "b", {"one:1": ONE})
    blobs = folder / "blobs" / "sha256"
    foreign = {
        folder / "README",
        folder / f"{TEMPORARY}folder" / "file",
        folder / "blobs" / "other" / ("0" * 64),
        folder / "blobs" / "sha512" / ("0" * 64),
        blobs / "notes.txt",
        blobs / ("A" * 64),
        blobs / ("1" * 64) / "file",
    }
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("theirs")

    gone = sync(destination=f"oci:{folder}:one:1", state="absent")

    assert (gone["reason"], gone.get("warnings", [])) == ("removed", [])
    files = {path for path in folder.rglob("*") if path.is_file()}
    assert files == foreign | {folder / "index.json", folder / "oci-layout"}


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("oci:{0}/source:one", "oci:{0}/source:one doesn't exist; oci:{0}/source has one:1, two:2"),
        ("oci:{0}/none:one:1", "oci:{0}/none:one:1 doesn't exist; nothing is there"),
        ("oci:{0}/a.tar:one:1", "Not a directory; oci-archive: and docker-archive: are for files"),
        ("oci-archive:{0}/source:one:1", "{0}/source is no file; oci: is for directories"),
        ("docker-archive:{0}/a.tar:one:1", "no manifest.json; oci-archive: is for OCI image"),
        ("oci-archive:{0}/saved.tar:one:1", "no file oci-layout; docker-archive: is for what"),
        ("oci:{0}/strange:1", "oci:{0}/strange has 'a\\x1b[2J\\nb'"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, source: Path, reference: str, told: str) -> None:
    layouts.write_archive(tmp_path / "a.tar", {"one:1": ONE})
    (tmp_path / "saved.tar").write_bytes(layouts.tar({"manifest.json": b"[]"}))
    layouts.write_layout(tmp_path / "strange", {"a\x1b[2J\nb": ONE})
    result = sync(source=reference.format(tmp_path), destination=f"oci:{tmp_path}/out:x:1")
    assert result["failed"] and told.format(tmp_path) in result["msg"]
    assert result["msg"].isprintable() and not (tmp_path / "out").exists()


def test_a_name_without_end_makes_no_message_without_end(tmp_path: Path) -> None:
    layouts.write_layout(tmp_path / "a", {"a b" * 100_000: ONE})
    result = sync(source=f"oci:{tmp_path}/a", destination=f"oci:{tmp_path}/out")
    assert "is not a name for an image on disk" in result["msg"] and len(result["msg"]) < 5000


def test_a_lock_knows_the_only_image_of_a_layout(tmp_path: Path) -> None:
    """Of which its source has no name."""
    layouts.write_layout(tmp_path / "a", {"": ONE})
    options: dict[str, Any] = {
        "source": f"oci:{tmp_path}/a",
        "destination": f"oci:{tmp_path}/b:x:1",
        "lock_file": str(tmp_path / "lock.json"),
    }
    assert sync(**options)["changed"]
    for mode in ("update", "frozen"):
        assert sync(lock_mode=mode, **options)["reason"] == "in_sync"
