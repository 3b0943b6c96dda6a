# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides to mirroring tell people to write is what the role and the module take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sync import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import read_lock
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import read_image
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import names
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.options import check_logins
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = (
    "air-gap.md",
    "migrating.md",
    "mirror-a-registry.md",
    "monitoring.md",
    "pruning.md",
    "quarantine.md",
)
MODULE = "imagesync.registry.image_sync"
#: first lines of snippets for other programs
OTHERS = ("# before: ", "# .github/workflows/")
#: what a guide's snippet for one group of an inventory takes from another
REST = {"mirror_destination": "registry.example.com/mirror", "mirror_lock_file": "lock.json"}
IMAGES = ["docker.io/library/busybox:1.36", "docker.io/library/postgres:17.0"]


def _snippets(guide: str, language: str) -> list[str]:
    text = (DOCS / guide).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _variables(node: Any) -> Iterator[dict[str, Any]]:
    """The role's variables of each host or group in a snippet."""
    if isinstance(node, list):
        for one in node:
            yield from _variables(one)
    elif isinstance(node, dict):
        found = {key: value for key, value in node.items() if str(key).startswith("mirror_")}
        if found:
            yield found
        for key in node.keys() - found:
            yield from _variables(node[key])


def _tasks(node: Any) -> Iterator[dict[str, Any]]:
    """The arguments of all calls of image_sync in a snippet."""
    for task in node if isinstance(node, list) else ():
        if MODULE in task:
            yield task[MODULE]


def _check_variables(variables: dict[str, Any], folder: Path) -> None:
    assert names.misspelt(variables) == []
    unknown = [name for name in variables if not _is_known(name)]
    assert unknown == []
    given = {**REST, **variables}
    if "mirror_images_file" in given:
        (folder / given["mirror_images_file"]).write_text("busybox:1.36\n", encoding="utf-8")
    if not any(re.match("mirror_(images|source)", name) for name in given):
        given["mirror_images"] = IMAGES
    plan = make_plan(given, {"inventory_hostname": "host", "playbook_dir": str(folder)})
    left_out = given.get("mirror_images") is IMAGES and "mirror_exclude" in given
    assert len(plan["entries"]) == 1 if left_out else plan["entries"]
    if "mirror_registries" in variables:
        check_logins("mirror_registries", variables["mirror_registries"])


def _is_known(name: str) -> bool:
    return name in names.KNOWN or names.is_list_of_images(name)


def _check_task(arguments: dict[str, Any]) -> None:
    checked = ArgumentSpecValidator(ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE).validate(
        arguments
    )
    assert checked.error_messages == []
    assert arguments.get("images") or arguments.get("destination")
    assert arguments.get("prune") != "lock" or "lock_file" in arguments
    for image in arguments.get("images", [arguments]):
        read_image({key: image[key] for key in image if key in ARGUMENT_SPEC["images"]["options"]})


@pytest.mark.parametrize("guide", GUIDES)
def test_the_snippets_are_taken(guide: str, tmp_path: Path) -> None:
    """Each is for the role, for the module, or marked as another program's."""
    ours, folder = 0, tmp_path / "inventory"
    folder.mkdir()
    for snippet in _snippets(guide, "yaml"):
        document = yaml.safe_load(snippet)
        if snippet.startswith(OTHERS):
            continue
        variables, tasks = list(_variables(document)), list(_tasks(document))
        for found in variables:
            _check_variables(found, folder)
        for arguments in tasks:
            _check_task(arguments)
        plain_hosts = isinstance(document, dict) and set(document) >= {"all", "europe"}
        assert variables or tasks or plain_hosts, snippet
        ours += 1
    assert ours


def test_the_lock_is_one() -> None:
    (text,) = _snippets("pruning.md", "json")
    lock = read_lock(text.encode(), "docs/pruning.md")
    assert len(lock.images) == 1
    assert lock.text() == text
    (diff,) = _snippets("pruning.md", "diff")
    after = "".join(line[1:] for line in diff.splitlines(True) if line[0] != "-")
    (entry,) = json.loads(text)["images"].values()
    changed = json.loads("{" + after + "}")
    assert {key for key in changed if changed[key] != entry[key]} == {"digest", "source_digest"}


def test_all_pages_are_in_the_list() -> None:
    listed = re.findall(r"^- \[.*?\]\((.*?)\):", _text("README.md"), re.MULTILINE)
    pages = {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    assert sorted(listed) == sorted(pages)


def _text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")
