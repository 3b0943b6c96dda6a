# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a Containerfile: its instructions, and which lines they are in.

docs.docker.com/reference/dockerfile, "Format", "Parser directives" and "Here-Documents".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .containerfile_variables import words_of
from .errors import InvalidInput

#: a directive is a comment with one of these names, before anything else
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_INSTRUCTION = re.compile(r"([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)
_HEREDOC = re.compile(r"""(?<![<\S])\d*<<(-?)(["']?)([A-Za-z_][A-Za-z0-9_.]*)\2""")
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")


class Instruction(NamedTuple):
    """One instruction: its word in capitals, and the rest of it on one line.

    ``first`` and ``end``: its lines, from 0, the last one not included.
    """

    keyword: str
    text: str
    first: int
    end: int

    def flags(self, escape: str) -> list[tuple[str, str, str]]:
        """What stands before all else as ``--name=value``: name, value, and both as written."""
        found = []
        for word in words_of(self.text, escape):
            if not word.startswith("--"):
                break
            name, _equals, value = word[2:].partition("=")
            found.append((name, value, word))
        return found

    def arguments(self, escape: str) -> list[str]:
        """The words after the flags."""
        return words_of(self.text, escape)[len(self.flags(escape)) :]


class ContainerfileText(NamedTuple):
    """The lines, and what they say."""

    lines: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    escape: str

    @property
    def has_heredocs(self) -> bool:
        """Whether an instruction goes on in here-documents."""
        return any(
            one.keyword in _WITH_HEREDOCS and _HEREDOC.search(one.text) for one in self.instructions
        )


def read_text(text: str) -> ContainerfileText:
    """The instructions of a Containerfile; raises InvalidInput, with the line, for what is none."""
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(lines)
    return ContainerfileText(tuple(lines), tuple(_instructions(lines, escape)), escape)


def _escape(lines: list[str]) -> str:
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip())
        if directive is None:
            break
        if directive.group(1).lower() == "escape":
            if directive.group(2) not in ("\\", "`"):
                raise InvalidInput(f"escape is a backslash or `, not {directive.group(2)!r}")
            return directive.group(2)
    return "\\"


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        joined, end = _logical(lines, at, escape)
        match = _INSTRUCTION.fullmatch(joined.strip())
        if match is None:
            raise InvalidInput(f"line {at + 1} is no instruction: {lines[at].strip()[:80]!r}")
        keyword, text = match.group(1).upper(), (match.group(2) or "").strip()
        if keyword in _WITH_HEREDOCS:
            for dash, _quote, name in _HEREDOC.findall(text):
                end = _after_heredoc(lines, end, name, bool(dash))
        yield Instruction(keyword, text, at, end)
        at = end


def _logical(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """The line and those that it goes on in; comments and empty lines between them don't count."""
    joined = ""
    while at < len(lines):
        line = lines[at]
        at += 1
        if joined and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if not line.rstrip().endswith(escape):
            return joined + line, at
        joined += line.rstrip()[:-1]
    return joined, at


def _after_heredoc(lines: list[str], at: int, name: str, tabs: bool) -> int:
    for number in range(at, len(lines)):
        if (lines[number].lstrip("\t") if tabs else lines[number]) == name:
            return number + 1
    raise InvalidInput(f"the here-document {name} after line {at} doesn't end")
