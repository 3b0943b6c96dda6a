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
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    CONNECTION_OPTIONS,
    REGISTRY_OPTIONS,
    read_settings,
)
from ansible_collections.imagesync.registry.plugins.modules import image_info, image_sync

DOCS = Path(__file__).parents[2] / "docs"
#: how README, which Galaxy shows alone, calls what is in this repository
ON_GITHUB = "https://github.com/imagesync/ansible-registry/blob/main/"
GUIDES = ("authentication.md", "network.md", "registries.md")
OTHERS = (
    "README.md",
    "build-and-discover.md",
    "clients.md",
    "build-and-discover.md",
    "migrating.md",
    "mirror-a-registry.md",
    "monitoring.md",
    "gates.md",
    "operating.md",
    "pruning.md",
    "quarantine.md",
    "schedule.md",
    "events.md",
    "architecture.md",
)
NAMES = ("registries", "imagesync_registries")
PATHS = ("ca_path", "client_cert", "client_key")


def _text(guide: str) -> str:
    return (DOCS / guide).read_text(encoding="utf-8")


def _lists(node: Any) -> Iterator[list[dict[str, Any]]]:
    """All lists of registries in a snippet."""
    if isinstance(node, list):
        for one in node:
            yield from _lists(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in NAMES:
                yield value
            else:
                yield from _lists(value)


@pytest.mark.parametrize("guide", GUIDES)
def test_the_snippets_are_taken(guide: str, tmp_path: Path) -> None:
    """By the specification of the modules, and by what checks the options with each other."""
    file = tmp_path / "some.pem"
    file.touch()
    snippets = re.findall(r"```yaml\n(.*?)```", _text(guide), re.DOTALL)
    lists = [found for snippet in snippets for found in _lists(yaml.safe_load(snippet))]
    assert lists
    for registries in lists:
        for entry in registries:
            entry.update({path: str(file) for path in PATHS if path in entry})
        checked = ArgumentSpecValidator(CONNECTION_OPTIONS).validate({"registries": registries})
        assert checked.error_messages == []
        settings = read_settings(checked.validated_parameters)
        assert len(settings.entries) == len(registries)


def test_each_option_is_in_a_guide() -> None:
    text = "".join(map(_text, GUIDES))
    assert [name for name in REGISTRY_OPTIONS if not re.search(rf"\b{name}\b", text)] == []


def test_the_kinds_of_places_are_those_of_the_results() -> None:
    rows = re.findall(r"^\|.*\| (`.*`) \|$", _text("authentication.md"), re.MULTILINE)
    kinds = re.findall(r"`(\w+)`", " ".join(rows))
    for module in (image_sync, image_info):
        told = " ".join(yaml.safe_load(module.RETURN)["credentials"]["description"])
        assert sorted(re.findall(r"V\((\w+)\)", told)) == sorted(kinds)


@pytest.mark.parametrize("guide", [*GUIDES, *OTHERS, "../README.md"])
def test_links_lead_somewhere(guide: str) -> None:
    page = (DOCS / guide).resolve()
    text = page.read_text(encoding="utf-8").replace(ON_GITHUB, f"{DOCS.parent}/")
    links = re.findall(r"\]\(([^)#]+?)(?:#([\w-]+))?\)", text)
    local = [(path, anchor) for path, anchor in links if "://" not in path]
    assert local
    for path, anchor in local:
        target = (page.parent / path).resolve()
        # that one is made by the first release
        assert target.exists() or target.name == "CHANGELOG.md", path
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-") for title in titles]
