# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    Cancelled,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.build_context import (
    BuildContext,
)


def nothing() -> None:
    """Goes on."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some files, a folder and a link."""
    root = tmp_path / "context"
    (root / "inner").mkdir(parents=True)
    (root / "a").write_text("a", encoding="utf-8")
    (root / "inner" / "b").write_text("b", encoding="utf-8")
    (root / "link").symlink_to("nowhere")
    return root


def digest(folder: Path, file: str = "") -> str:
    return BuildContext(str(folder), file, nothing).digest()


def read_all(folder: Path) -> None:
    """The Containerfile, where there is one, and the rest."""
    if list(folder.glob("*file")):
        BuildContext(str(folder), "", nothing).containerfile()
    digest(folder)


def test_what_counts(folder: Path) -> None:
    seen = {digest(folder)}
    for change in (
        lambda: (folder / "a").write_text("A", encoding="utf-8"),
        lambda: (folder / "a").chmod(0o755),
        lambda: (folder / "a").rename(folder / "c"),
        lambda: (folder / "inner").chmod(0o700),
        (folder / "empty").mkdir,
        lambda: ((folder / "link").unlink(), (folder / "link").symlink_to("elsewhere")),
        lambda: ((folder / "link").unlink(), (folder / "link").write_text("elsewhere")),
    ):
        change()
        assert digest(folder) not in seen
        seen.add(digest(folder))


def test_what_does_not_count(folder: Path) -> None:
    before = digest(folder)
    os.utime(folder / "a", (1, 1))
    os.utime(folder / "inner", (1, 1))
    assert digest(folder) == before


def test_a_copy_is_what_was_hashed(folder: Path, tmp_path: Path) -> None:
    os.utime(folder / "a", (5, 5))
    (folder / "inner").chmod(0o555)
    (folder / "a").chmod(0o640)
    os.mkfifo(folder / "pipe")
    context, copy = BuildContext(str(folder), "", nothing), tmp_path / "copy"
    assert context.copy(str(copy)) == context.digest()
    assert sorted(os.listdir(copy)) == ["a", "inner", "link"]
    assert os.readlink(copy / "link") == "nowhere"
    told = (copy / "a").stat()
    assert (stat.S_IMODE(told.st_mode), told.st_mtime) == (0o640, 5)
    assert stat.S_IMODE((copy / "inner").stat().st_mode) == 0o555
    assert digest(copy) != digest(folder)  # the pipe
    (folder / "pipe").unlink()
    assert digest(copy) == digest(folder)


def test_a_name_that_is_no_text(folder: Path, tmp_path: Path) -> None:
    before = digest(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("x", encoding="utf-8")
    context = BuildContext(str(folder), "", nothing)
    assert context.copy(str(tmp_path / "copy")) == context.digest() != before


@pytest.mark.parametrize(
    ("name", "file", "left"),
    [
        (".dockerignore", "", ["a", "inner", "link"]),
        (".containerignore", "", ["a", "inner", "link"]),
        ("Containerfile.dockerignore", "", ["a", "inner", "link"]),
        ("build.containerignore", "build", ["a", "inner", "link"]),
        ("build.containerignore", "other", ["a", "big.log", "inner", "link"]),
    ],
)
def test_ignore_files(folder: Path, tmp_path: Path, name: str, file: str, left: list[str]) -> None:
    (folder / "big.log").write_text("x", encoding="utf-8")
    (folder / name).write_text("*.log\n*ignore\n", encoding="utf-8")
    BuildContext(str(folder), file, nothing).copy(str(tmp_path / "copy"))
    assert [n for n in sorted(os.listdir(tmp_path / "copy")) if not n.endswith("ignore")] == left


def test_what_is_kept_below_a_folder_that_is_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "inner" / "c").write_text("c", encoding="utf-8")
    (folder / ".dockerignore").write_text("*\n!inner/b\n", encoding="utf-8")
    BuildContext(str(folder), "", nothing).copy(str(tmp_path / "copy"))
    found = sorted(str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*"))
    assert found == ["inner", "inner/b"]


def test_the_containerfile(folder: Path) -> None:
    context = BuildContext(str(folder), "", nothing)
    with pytest.raises(InvalidInput, match="has no file Containerfile or Dockerfile"):
        context.containerfile()
    (folder / "Dockerfile").write_text("FROM a", encoding="utf-8")
    assert context.containerfile() == "FROM a"
    (folder / "Containerfile").write_text("FROM b", encoding="utf-8")
    assert context.containerfile() == "FROM b"
    (folder / "own").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="isn't text in UTF-8"):
        BuildContext(str(folder), "own", nothing).containerfile()


def test_it_can_be_ended(folder: Path) -> None:
    def end() -> None:
        raise Cancelled("the run is ending")

    with pytest.raises(Cancelled):
        BuildContext(str(folder), "", end).digest()


def test_what_is_no_folder(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="isn't a folder on this host"):
        BuildContext(str(folder / "a"), "", nothing)


@pytest.mark.parametrize(
    "name", ["Containerfile", "Dockerfile", ".containerignore", ".dockerignore"]
)
def test_what_is_shown_in_messages_is_of_the_context(folder: Path, name: str) -> None:
    """Who writes a context must not read the host's files by it."""
    secret = folder.parent / "shadow"
    secret.write_text("[root:canary", encoding="utf-8")
    (folder / name).symlink_to("../shadow")
    with pytest.raises(InvalidInput, match="is a link that leads out of the context") as caught:
        read_all(folder)
    assert "canary" not in str(caught.value)


def test_links_in_the_context_and_files_outside_that_are_named(folder: Path) -> None:
    (folder / "Containerfile").symlink_to("inner/b")
    assert BuildContext(str(folder), "", nothing).containerfile() == "b"
    outside = folder.parent / "outside"
    outside.write_text("FROM scratch", encoding="utf-8")
    for named in (str(outside), "../outside"):
        assert BuildContext(str(folder), named, nothing).containerfile() == "FROM scratch"
