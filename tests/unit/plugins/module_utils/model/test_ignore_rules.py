# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.ignore_rules import (
    IgnoreRules,
)


@pytest.mark.parametrize(
    ("pattern", "left_out", "kept"),
    [
        ("a", ["a", "a/b", "a/b/c"], ["b", "b/a", "ab"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("./a", ["a"], ["b/a"]),
        ("a/../b", ["b"], ["a"]),
        ("*", ["a", "a/b", ".a"], []),
        ("*.md", ["a.md"], ["a.mdx", "a/b.md", "amd"]),
        ("*/*.md", ["a/b.md"], ["b.md", "a/b/c.md"]),
        ("**/*.md", ["b.md", "a/b.md", "a/b/c.md"], ["a/b"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b"]),
        ("a/**/c", ["a/c", "a/b/c", "a/b/b/c/d"], ["a/b"]),
        ("**", ["a", "a/b"], []),
        ("temp?", ["tempa", "temp1/x"], ["temp", "temp/x", "tempab"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x"]),
        ("[^a]x", ["bx"], ["ax"]),
        (r"a\*", ["a*"], ["ab"]),
        ("a.b+c", ["a.b+c"], ["aXb+c", "a.bbc"]),
        ("**.log", [".log", "a/.log"], ["a.log"]),
        ("a/b**", ["a/b", "a/bc", "a/bc/d"], ["a", "b"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("# a", [], ["a", "# a"]),
        ("", [], ["a"]),
        (".", [], ["a"]),
    ],
)
def test_a_pattern(pattern: str, left_out: list[str], kept: list[str]) -> None:
    rules = IgnoreRules([pattern])
    assert [path for path in left_out if not rules.leaves_out(path)] == []
    assert [path for path in kept if rules.leaves_out(path)] == []


def test_the_last_rule_that_fits_decides() -> None:
    rules = IgnoreRules(["*.md", "!README*.md", "README-secret.md"])
    assert [rules.leaves_out(f"{n}.md") for n in ("a", "README", "README-secret")] == [1, 0, 1]
    assert rules.has_exceptions and not IgnoreRules(["a"]).has_exceptions
    nested = IgnoreRules(["a", "!a/b/c"])
    assert [nested.leaves_out(path) for path in ("a", "a/b", "a/b/c", "a/b/c/d")] == [1, 1, 0, 0]


@pytest.mark.parametrize("pattern", ["!", "a[", "[]"])
def test_what_can_not_be_read(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="ignore file"):
        IgnoreRules([pattern])
