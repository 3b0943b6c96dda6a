# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: what was staged is tested before its tag moves, and one that fails holds back no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import images, push
from tests.support.playbook import run_playbook
from tests.support.proxy import RecordingProxy
from tests.support.role import facts, failure, inventory, mirror

#: what the image says of itself is what policy wants
POLICY = [
    {
        "name": "Look",
        "imagesync.registry.image_info": {"images": ["{{ image }}"]},
        "register": "looked",
    },
    {
        "name": "Policy",
        "ansible.builtin.assert": {
            "that": "'{{ image_name }}' != 'bad' and looked.images[0].exists",
            "fail_msg": "policy refuses {{ image_source }}",
        },
    },
]


class Mirror:
    """Two registries behind proxies, and a project folder."""

    def __init__(
        self, source: RecordingProxy, destination: RecordingProxy, repo: str, folder: Path
    ) -> None:
        self.source, self.destination, self.repo = source, destination, repo
        self.folder = folder
        self.root = f"{destination.host}/{repo}"

    def push(self, name: str, content: str) -> str:
        """Makes a tag name an image at the source; returns its digest."""
        push.push(images.image(content), self.ref(name))
        return images.image(content).digest

    def ref(self, name: str) -> str:
        return f"{self.source.host}/{self.repo}/{name}:1"

    def at(self, name: str) -> str:
        return f"{self.root}/{self.repo}/{name}:1"

    def digest(self, name: str) -> str | None:
        """What the tag at the destination names."""
        return push.digest_of(self.at(name))

    def gate(self, tasks: list[dict[str, Any]], name: str = "gate.yml") -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(tasks), encoding="utf-8")
        return name

    def entries(self, *names: str) -> list[dict[str, Any]]:
        return [{"name": name, "source": self.ref(name)} for name in names]

    def run(self, entries: list[Any], *arguments: str, play: Any = None, **variables: Any) -> Any:
        self.source.clear()
        self.destination.clear()
        hosts = inventory({"destination": self.root, "images": entries, **variables})
        found = mirror(self.folder, hosts, *arguments, **(play or {}))
        self.destination.settle()
        return found


@pytest.fixture
def at(
    source: RecordingProxy, destination: RecordingProxy, repo: str, tmp_path: Path
) -> Mirror:
    return Mirror(source, destination, repo, tmp_path)


def reasons(run: Any) -> dict[str, str]:
    return {i["name"]: i["reason"] for i in facts(run)["mirror_result"]["images"]}


def test_one_that_fails_stays_out_and_the_others_go_in(at: Mirror) -> None:
    for name in ("good", "bad", "same"):
        at.push(name, name)
    at.run(at.entries("same"))
    at.gate(POLICY)
    options = {"gate_tasks": "gate.yml", "lock_file": "lock.json", "report_file": "report.md"}
    run = at.run(at.entries("good", "bad", "same"), **options)
    assert run.returncode != 0
    assert reasons(run) == {"good": "absent", "bad": "gate_failed", "same": "in_sync"}, run.output
