# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.tests.unit.support import MODULE_UTILS

FLOORS = ["model", "transport", "stores", "sync", "doors"]
FILES = sorted(MODULE_UTILS.rglob("*.py"))
PREFIX = "ansible_collections.imagesync.registry.plugins.module_utils."
IDS = [str(file.relative_to(MODULE_UTILS)) for file in FILES]
#: the only file that may import what isn't on every target
ANSIBLE = MODULE_UTILS / "doors" / "module.py"
LIBRARIES = MODULE_UTILS / "transport" / "libraries.py"


def imported(file: Path) -> list[str]:
    """Full names of all modules that a file imports, wherever in it."""
    package = ["plugins", "module_utils", *file.relative_to(MODULE_UTILS).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            own = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*own, *([node.module] if node.module else [])])
            if node.level and not node.module:
                found += [f"{base}.{alias.name}" for alias in node.names]
            else:
                found.append(base)
    return [name.replace(PREFIX, "plugins.module_utils.") for name in found]


def floor_of(file: Path) -> int:
    return FLOORS.index(file.relative_to(MODULE_UTILS).parts[0])


def test_there_are_files_on_every_floor() -> None:
    assert {file.relative_to(MODULE_UTILS).parts[0] for file in FILES} == set(FLOORS)


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_imports_only_go_down(file: Path) -> None:
    for name in imported(file):
        parts = name.split(".")
        if parts[:2] == ["plugins", "module_utils"]:
            assert FLOORS.index(parts[2]) <= floor_of(file), f"{name} is above"
        else:
            assert parts[0] != "plugins", f"{name} is outside of module_utils"


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_only_the_door_of_modules_knows_ansible(file: Path) -> None:
    uses = [n for n in imported(file) if n.split(".")[0] in ("ansible", "ansible_collections")]
    assert bool(uses) is (file == ANSIBLE)


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_only_one_file_imports_requests(file: Path) -> None:
    uses = [n for n in imported(file) if n.split(".")[0] in ("requests", "urllib3")]
    assert bool(uses) is (file == LIBRARIES)


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_sizes_and_headers(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") < 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, node.name
    if text:
        assert "\n# " + "SPDX-License" + "-Identifier: GPL-3.0-or-later\n" in text
        assert "from __future__ import annotations" in text
