# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides tell people to write is what the collection takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    REGISTRY_OPTIONS,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    canonical_registry,
)

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("authentication.md", "registries.md")
#: fields that are decided on, and come with changes of their own
DECIDED = {"helper", "auth", "proxy", "mirrors"}


def _entries(node: Any) -> Iterator[dict[str, Any]]:
    """All entries of ``registries`` in a snippet."""
    if isinstance(node, list):
        for one in node:
            yield from _entries(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "registries":
                yield from value
            else:
                yield from _entries(value)


@pytest.mark.parametrize("guide", GUIDES)
def test_the_snippets_are_entries_of_registries(guide: str) -> None:
    text = (DOCS / guide).read_text(encoding="utf-8")
    snippets = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    entries = [entry for snippet in snippets for entry in _entries(yaml.safe_load(snippet))]
    assert len(snippets) >= 1 and len(entries) >= 1
    for entry in entries:
        assert set(entry) <= set(REGISTRY_OPTIONS) | DECIDED, entry
        assert canonical_registry(entry["name"].partition("/")[0])


@pytest.mark.parametrize("guide", [*GUIDES, "architecture.md", "../README.md"])
def test_links_lead_somewhere(guide: str) -> None:
    page = (DOCS / guide).resolve()
    links = re.findall(r"\]\(([^)#]+?)(?:#([\w-]+))?\)", page.read_text(encoding="utf-8"))
    local = [(path, anchor) for path, anchor in links if "://" not in path]
    assert local
    for path, anchor in local:
        target = (page.parent / path).resolve()
        assert target.exists(), path
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-") for title in titles]
