# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.outcome import (
    facts,
    message,
    returned,
)


def image(source: str, name: str = "", **more: Any) -> dict[str, Any]:
    at = "r.example.com/" + source.partition("/")[2].partition(":")[0]
    found = {"source": source, "destination": at, "id": f"{at}@{source[-3:]}", "changed": True}
    return {**found, **({"name": name} if name else {}), **more}


def test_the_facts() -> None:
    images = [
        image("docker.io/library/a:1.0", "one"),
        image("docker.io/library/b:2.0", "two", changed=False),
        image("docker.io/library/b:2.1", "two"),
        image("docker.io/library/b:2.2", "two", id="", failed=True, changed=False),
        image("docker.io/library/c:3.0"),
        {"destination": "r.example.com/d:1", "changed": True, "reason": "removed"},
    ]
    found = facts({"images": images, "stats": {}})
    assert found["mirror_result"] == {"images": images, "stats": {}}
    assert found["mirror_ids"] == {
        "docker.io/library/a:1.0": "r.example.com/library/a@1.0",
        "docker.io/library/b:2.0": "r.example.com/library/b@2.0",
        "docker.io/library/b:2.1": "r.example.com/library/b@2.1",
        "docker.io/library/c:3.0": "r.example.com/library/c@3.0",
    }
    assert found["mirror_ids_by_name"] == {
        "one": "r.example.com/library/a@1.0",
        "two:2.0": "r.example.com/library/b@2.0",
        "two:2.1": "r.example.com/library/b@2.1",
    }
    assert found["mirror_changed"] == ["one", "two", "docker.io/library/c:3.0", "r.example.com/d:1"]


@pytest.mark.parametrize("reason", ["gate_failed", "not_done"])
def test_what_wasn_t_let_in_is_in_no_fact(reason: str) -> None:
    found = facts({"images": [image("docker.io/library/a:1", "one", reason=reason)]})
    assert (found["mirror_ids"], found["mirror_ids_by_name"], found["mirror_changed"]) == (
        {},
        {},
        [],
    )


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"images": []}, ""),
        ({"images": [{}], "msg": "1 of 2 images failed:\na: no\n"}, "1 of 2 images failed:\na: no"),
        ({"msg": "timeout must be a number"}, "timeout must be a number"),
        ({}, "image_sync gave no result"),
        ({"unreachable": True, "msg": "no route"}, "the host is unreachable: no route"),
    ],
)
def test_why_it_failed(result: dict[str, Any], expected: str) -> None:
    assert message(result) == expected
    assert returned({**result, "failed": False})["failed"] is bool(expected)


def test_what_ansible_adds_isn_t_returned() -> None:
    added = {
        "invocation": {},
        "failed_when_result": False,
        "_ansible_no_log": None,
        "exception": "",
    }
    assert returned({"images": [], "changed": False, **added}) == {
        "images": [],
        "changed": False,
        "failed": False,
    }
