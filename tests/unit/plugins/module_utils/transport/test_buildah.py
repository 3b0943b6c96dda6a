# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.buildah import Buildah


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of buildah, which says that it is one."""
    path = tmp_path / "buildah"
    path.write_text("#!/bin/sh\n[ $1 = --version ] && echo buildah version 1.28.2\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return path


def does(program: Path, *lines: str) -> None:
    with program.open("a", encoding="utf-8") as file:
        file.write("\n".join(["[ $1 = --version ] && exit", *lines, ""]))


def test_what_it_gives(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDAH_ISOLATION", "of the host")
    does(program, 'echo "$1 $WORD [$BUILDAH_ISOLATION] $PWD"', "echo trouble >&2", "exit 3")
    done = Buildah(lambda: False).run(["build"], str(tmp_path), {"WORD": "given"})
    assert done == (3, f"build given [] {os.path.realpath(tmp_path)}\ntrouble\n")


def test_only_the_end_of_much_is_kept(program: Path) -> None:
    does(program, "head -c 1000000 /dev/zero | tr '\\0' x", "echo the end")
    output = Buildah(lambda: False).run(["build"], "/", {}).output
    assert output.endswith("xthe end\n") and len(output) == 256 << 10


def test_all_of_it_is_ended(program: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    ids.touch()
    does(
        program,
        f"(trap '' TERM; echo $$ >>{ids}; exec setsid sh -c 'echo $$ >>{ids}; sleep 600') &",
        f"while [ x$(wc -l <{ids}) != x2 ]; do sleep 0.01; done; echo >{tmp_path}/ready; sleep 600",
    )
    began = time.monotonic()
    Buildah((tmp_path / "ready").exists).run(["build"], "/", {})
    assert time.monotonic() - began < 10
    left = [pid for pid in ids.read_text().split() if Path(f"/proc/{pid}").exists()]
    assert len(ids.read_text().split()) == 2 and left == []


def test_what_is_left_behind_is_ended(program: Path, tmp_path: Path) -> None:
    """A process that keeps the output open doesn't keep the call."""
    does(program, f"sleep 600 & echo $! >{tmp_path}/id")
    assert Buildah(lambda: False).run(["build"], "/", {}).status == 0
    assert not Path(f"/proc/{(tmp_path / 'id').read_text().strip()}").exists()


def test_one_that_is_too_old(program: Path) -> None:
    program.write_text("#!/bin/sh\necho buildah version 1.23.1\n")
    with pytest.raises(InvalidInput, match=r"buildah 1\.23 of this host is too old"):
        Buildah(lambda: False)


def test_one_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInput, match="isn't on the PATH"):
        Buildah(lambda: False)


@pytest.mark.parametrize(
    ("name", "may"),
    [
        *((name, True) for name in ("VERSION", "HTTPS_PROXY", "GOOGLE_KEY", "GOFLAGS")),
        *((name, True) for name in ("REGISTRY_PASSWORD", "CONTAINER_TOKEN")),
        *((name, False) for name in ("PATH", "BUILDAH_FORMAT", "TMPDIR", "GODEBUG")),
        *((name, False) for name in ("REGISTRY_AUTH_FILE", "CONTAINERS_CONF", "LD_PRELOAD")),
    ],
)
def test_what_may_be_passed_by_the_environment(name: str, may: bool) -> None:
    assert Buildah.may_be_passed(name) is may


@pytest.mark.parametrize(
    ("version", "refused"), [("1.28.2", True), ("1.33.0", False), ("2.0", False)]
)
def test_here_documents_need_a_newer_one(program: Path, version: str, refused: bool) -> None:
    program.write_text(f"#!/bin/sh\necho buildah version {version}\n", encoding="utf-8")
    if not refused:
        Buildah(lambda: False).check_heredocs()
        return
    with pytest.raises(InvalidInput, match=r"buildah 1.28 of this host is too old: .*takes 1.33"):
        Buildah(lambda: False).check_heredocs()
