# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One image that somebody asks for: by the rules of the inventory, and by its own if declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan

HOME = "registry.example.com/mirror"
DIGEST = f"sha256:{'a' * 64}"
OWN = {"gate_tasks": "gate.yml", "min_age": "7d", "platforms": ["linux/arm64"]}
EXACT = {"name": "app", "source": "quay.io/team/app:1", "destination": "own/app", **OWN}
SEVERAL = {"name": "web", "source": "quay.io/team/web", "filter": {"newest": 2}, **OWN}
BARE = {"name": "db", "source": "quay.io/team/db", "tags": ["1", "2.x"], "destination": "own/db"}


def asked(folder: Path, source: str, *images: Any, **more: Any) -> dict[str, Any]:
    """The one entry that the run is for."""
    (folder / "gate.yml").write_text("- ansible.builtin.debug:\n", encoding="utf-8")
    variables = {"mirror_destination": HOME, "mirror__asked": {"source": source, **more}}
    if images:
        variables["mirror_images"] = list(images)
    facts = {"inventory_hostname": "host", "playbook_dir": str(folder)}
    plan = make_plan(variables, facts)
    assert len(plan["entries"]) == max(1, len(images) + ("new" in source))
    (found,) = [entry for entry in plan["entries"] if entry["wanted"]]
    return found


def test_what_nobody_has_declared_is_as_it_was_asked_for(tmp_path: Path) -> None:
    found = asked(tmp_path, "quay.io/team/new:1", EXACT, SEVERAL, BARE, platforms=["amd64"])
    assert found["image"] == {
        "source": "quay.io/team/new:1",
        "platforms": ["amd64"],
        "destination": f"{HOME}/team/new",
    }
    assert found["gates"] == []
    assert asked(tmp_path, "quay.io/team/app:1")["places"] == [f"{HOME}/team/app:1"]


@pytest.mark.parametrize("more", [{}, {"platforms": ["linux/amd64"]}])
def test_what_is_declared_is_as_its_declaration_says(more: Any, tmp_path: Path) -> None:
    found = asked(tmp_path, "quay.io/team/app:1", SEVERAL, EXACT, BARE, **more)
    assert found["places"] == [f"{HOME}/own/app:1"] and found["image"]["name"] == "app"
    assert found["image"]["min_age"] == "7d" and found["image"]["platforms"] == ["linux/arm64"]
    assert [Path(gate).name for gate in found["gates"]] == ["gate.yml"]


def test_a_tag_of_many_has_the_rules_of_their_entry(tmp_path: Path) -> None:
    found = asked(tmp_path, "quay.io/team/web:5", EXACT, SEVERAL)
    assert found["places"] == [f"{HOME}/team/web:5"] and not found["by_pattern"]
    assert found["gates"] and found["image"]["min_age"] == "7d"
    assert asked(tmp_path, "quay.io/team/db:1", BARE)["places"] == [f"{HOME}/own/db:1"]
    # one by its name goes before those that would be selected
    both = {"source": "quay.io/team/web:5", "destination": "own/web"}
    found = asked(tmp_path, "quay.io/team/web:5", {**SEVERAL, "destination": "w"}, both)
    assert found["places"] == [f"{HOME}/own/web:5"] and not found["gates"]


def test_by_digest_and_what_is_to_be_gone(tmp_path: Path) -> None:
    found = asked(tmp_path, f"quay.io/team/web-new@{DIGEST}", SEVERAL)
    assert found["places"] == [f"{HOME}/team/web-new@{DIGEST}"]
    pinned = {"name": "app", "source": f"quay.io/team/app:1@{DIGEST}"}
    with pytest.raises(InvalidInput, match=r"mirror_one_image .* and .*\(app\) are different"):
        asked(tmp_path, "quay.io/team/app:1", pinned)
    gone = {"destination": "team/old-new:1", "state": "absent"}
    assert asked(tmp_path, "quay.io/team/new:1", gone)["places"] == [f"{HOME}/team/new:1"]


@pytest.mark.parametrize(
    "source",
    [
        "evil.example.com/team/web:5",
        "evil.example.com/team/app:1",
        f"quay.io/team/web:5@{DIGEST}",
        f"quay.io/team/app:1@{DIGEST}",
    ],
)
def test_nothing_declared_is_replaced(tmp_path: Path, source: str) -> None:
    """Neither by the image of another registry nor by a digest: no gate has seen these."""
    exact = {"source": "quay.io/team/app:1", **OWN}
    with pytest.raises(InvalidInput, match=r"^mirror_one_image "):
        asked(tmp_path, source, exact, SEVERAL)
