# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder reads of the collection, and of the guide's example."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from .conftest import Installed, checkout

GUIDE = checkout() / "docs" / "execution-environment.md"


def _build(tools: Path, folder: Path, *arguments: str | Path) -> None:
    done = subprocess.run(
        [str(tools / "ansible-builder"), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_says_what_it_needs(installed: Installed, tools: Path, tmp_path: Path) -> None:
    """An environment with the collection gets requests by itself, and no program."""
    written = ("--write-pip", "pip.txt", "--write-bindep", "bindep.txt")
    _build(tools, tmp_path, "introspect", installed.collections, *written)
    python = (tmp_path / "pip.txt").read_text(encoding="utf-8")
    assert re.fullmatch(r"requests>=2\.25\.1 +# from collection imagesync\.registry\n*", python)
    programs = tmp_path / "bindep.txt"
    assert not programs.exists() or not programs.read_text(encoding="utf-8").strip()


def _definitions() -> list[str]:
    snippets = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return [snippet for snippet in snippets if "\nversion: 3" in snippet]


def test_the_guide_s_definition_is_taken(tools: Path, tmp_path: Path) -> None:
    """It becomes all that an engine needs to build the image."""
    (definition,) = _definitions()
    file = tmp_path / "execution-environment.yml"
    file.write_text(definition, encoding="utf-8")
    where = ("--context", tmp_path / "context", "--output-filename", "Containerfile")
    _build(tools, tmp_path, "create", "--file", file, *where)
    wanted = yaml.safe_load(definition)["dependencies"]
    built = tmp_path / "context" / "_build"
    assert yaml.safe_load((built / "requirements.yml").read_text()) == wanted["galaxy"]
    assert (built / "requirements.txt").read_text().split() == wanted["python"]
    recipe = (tmp_path / "context" / "Containerfile").read_text(encoding="utf-8")
    assert wanted["ansible_core"]["package_pip"] in recipe
