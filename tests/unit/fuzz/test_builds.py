# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images are built from: Containerfiles and ignore files."""

from __future__ import annotations

from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.containerfile import (
    Containerfile,
    Target,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.containerfile_variables import (  # noqa: E501
    expand,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.ignore_rules import (
    IgnoreRules,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import Platform
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    edited,
    fuzz,
    survives,
    texts,
)

CONTAINERFILES = (
    "# escape=`\nARG V=1\nFROM --platform=$BUILDPLATFORM a:${V:-2} AS b\nRUN `\n  # c\n  x\n",
    "FROM a AS b\nRUN --mount=type=bind,from=c,target=/d <<-EOF cat\n\tx\n\tEOF\nFROM b\n",
    "ARG A=$B B='$A' C=\"${A+x}\"\nFROM $A$B$C\nARG A\nCOPY --from=$A --chown=0 / /\n",
)
WORDS = ("${A:-${A:+${A}}}", "\"'$A'\"", "\\$A${A-}", "${" * 500, "$A" * 500)
PATTERNS = ("**/a/**/b*", "!*.m[a-d]?", "[^a-]", "\\*\\", "**/" * 50 + "x", "/../a/./b//")
PATHS = ("a/b/c.md", "a/" * 30 + "b", "x" * 200)
TARGET = Target("", {"A": "a", "V": "$V"}, Platform("linux", "arm64"), Platform("linux", "amd64"))


@fuzz(st.one_of(edited(CONTAINERFILES), texts))
def test_containerfiles(text: str) -> None:
    found = survives(Containerfile, text, TARGET)
    if found is not None:
        names = {base: f"oci:base{number}" for number, base in enumerate(found.bases)}
        written = survives(found.rewritten, names)
        assert written is None or len(written.split("\n")) == len(text.split("\n"))


@fuzz(st.one_of(edited(WORDS), texts))
def test_variables(text: str) -> None:
    survives(expand, text, TARGET.arguments)


@fuzz(st.lists(edited(PATTERNS), max_size=4), edited(PATHS))
def test_ignore_files(patterns: list[str], path: str) -> None:
    rules = survives(IgnoreRules, patterns)
    if rules is not None:
        assert survives(rules.leaves_out, path) in (True, False)
