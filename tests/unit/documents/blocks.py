# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds all that the documentation shows: fenced blocks, commands in the text, examples."""

from __future__ import annotations

import ast
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ansible_collections.imagesync.registry.tests.unit.support import PLUGINS, ROOT

_FENCE = re.compile(r"^( *)(```+|~~~+)(.*)$")
_COMMAND = re.compile(r"`((?:ansible|ansible-\w+|make|python3 tools/dev\.py)\s[^`]+)`")


class Block(NamedTuple):
    """A piece of a document: ``line`` is where its text begins."""

    file: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.language or 'without a language'}"


def documents() -> list[str]:
    """All Markdown files of the checkout; hidden folders aside, but for GitHub's."""
    found = []
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(".") or name == ".github"]
        found += [
            os.path.relpath(os.path.join(folder, name), ROOT)
            for name in files
            if name.endswith(".md")
        ]
    return sorted(found)


def blocks_of(file: str, text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown document. One that isn't closed has no end."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        fence = _FENCE.match(line)
        if not fence:
            continue
        body = []
        for _number, inner in lines:
            if inner.strip() == fence.group(2):
                break
            body.append(inner)
        inside = textwrap.dedent("\n".join(body) + "\n")
        yield Block(file, number + 1, fence.group(3).strip(), inside)


def commands_of(file: str, text: str) -> Iterator[Block]:
    """The commands of ours that stand in a line of text, between backquotes."""
    fenced = False
    lines = []
    for line in text.splitlines():
        is_fence = bool(_FENCE.match(line))
        lines.append("" if fenced or is_fence else line)
        fenced = fenced != is_fence
    plain = "\n".join(lines)
    for found in _COMMAND.finditer(plain):
        above = plain.count("\n", 0, found.start())
        yield Block(file, above + 1, "command", " ".join(found.group(1).split()))


def blocks() -> list[Block]:
    """All that all documents show."""
    found = []
    for file in documents():
        text = (ROOT / file).read_text(encoding="utf-8")
        found += [*blocks_of(file, text), *commands_of(file, text)]
    return found


def examples() -> list[Block]:
    """The examples in the documentation of all plugins and roles."""
    found = []
    for path in sorted(PLUGINS.glob("*/*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
                text = ast.literal_eval(node.value)
                found.append(Block(str(path.relative_to(ROOT)), node.lineno, "yaml", text))
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        for entry in entries.values():
            if entry.get("examples"):
                name = str(path.relative_to(ROOT))
                found.append(Block(name, 1, "yaml", entry["examples"]))
    return found


def documentation(path: Path) -> dict[str, Any]:
    """The DOCUMENTATION of one of our plugins, its fragments' options included."""
    found: dict[str, Any] = _assigned(path, "DOCUMENTATION")
    options = dict(found.get("options") or {})
    for fragment in found.get("extends_documentation_fragment", []):
        name, _dot, part = fragment.removeprefix("imagesync.registry.").partition(".")
        more = _assigned(
            PLUGINS / "doc_fragments" / f"{name}.py", (part or "documentation").upper()
        )
        options.update(more.get("options") or {})
    return {**found, "options": options}


def _assigned(path: Path, name: str) -> dict[str, Any]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            found: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    raise AssertionError(f"{path} has no {name}")
