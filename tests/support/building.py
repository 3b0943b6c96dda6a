# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of image_build in this process, and what came of them. Fixtures."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_build import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    REQUIRED_ONE_OF,
    image_build,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop

from . import push
from .sides import Side

_VALIDATOR = ArgumentSpecValidator(
    ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE, required_one_of=REQUIRED_ONE_OF
)


def check(options: dict[str, Any]) -> dict[str, Any]:
    """The options as the module gets them; raises ValueError for those that it doesn't know."""
    checked = _VALIDATOR.validate(json.loads(json.dumps(options)))
    if checked.error_messages:
        raise ValueError("; ".join(checked.error_messages))
    parameters: dict[str, Any] = checked.validated_parameters
    return parameters


def build(image: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """The result of a task that builds this image."""
    return image_build(check({"image": image, "retries": 0, **options}), check_mode, Stop())


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where images are built, and nothing may be left."""
    # a short path, as Ansible has a socket in it, of at most some hundred characters
    with tempfile.TemporaryDirectory(prefix="build-") as folder:
        place = Path(folder).resolve()
        monkeypatch.setenv("TMPDIR", str(place))
        yield place
        assert not list(place.iterdir())
        assert str(place) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


@pytest.fixture
def context(tmp_path: Path, scratch: Path) -> Path:
    """A folder to build from."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "hello").write_text("hello\n", encoding="utf-8")
    return folder


def add_programs(folder: Path, *names: str) -> None:
    """Copies programs of this machine with the libraries that they need, as for a root folder."""
    for name in names:
        path = Path(shutil.which(name) or "")
        said = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=True).stdout
        needed = {library: library for library in re.findall(r"(/\S+) \(0x", said)}
        for place, source in {f"/bin/{name}": str(path), **needed}.items():
            target = folder / place.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def layers(side: Side, tag: str = "1", auth: push.Auth | None = None) -> list[str]:
    """The digests of an image's layers."""
    with push.Repository(side.host, side.repository, auth) as there:
        return [layer["digest"] for layer in there.manifest(tag).json()["layers"]]


def files(side: Side, tag: str = "1", auth: push.Auth | None = None) -> dict[str, bytes]:
    """All files of an image, from all of its layers; what isn't one is empty."""
    found = {}
    with push.Repository(side.host, side.repository, auth) as there:
        for digest in layers(side, tag, auth):
            with tarfile.open(fileobj=io.BytesIO(there.blob(digest))) as archive:
                for member in archive:
                    held = archive.extractfile(member) if member.isreg() else None
                    found[member.name] = held.read() if held else b""
    return found
