# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``inventory_from``: from files and a registry to a list that the role takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    read_settings,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores import catalog
from ansible_collections.imagesync.registry.plugins.module_utils.sync.census import Surveyor
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan
from tests.support import images, push, skopeo
from tests.support.asking import check_sentence, sentence_of
from tests.support.playbook import run_playbook
from tests.support.processes import free_port
from tests.support.registries import PASSWORD, USER, DockerRegistry
from tests.support.role import PLAYBOOK as MIRROR
from tests.support.token_server import TokenServer

PLAYBOOK = "imagesync.registry.inventory_from"
DOCS = Path(__file__).parents[2] / "docs"


#: what is refused, by what is said of it
REFUSED: dict[str, dict[str, Any]] = {
    "wasn't written by this playbook": {"output": "mine.yml", "list": ["empty.list"]},
    "nothing to make a list from": {"output": "new.yml"},
    "no file": {"output": "new.yml", "compose": ["none.yml"]},
    "there is no image": {"output": "new.txt", "list": ["empty.list"]},
    "must end in": {"output": "new.json", "list": ["empty.list"]},
    "is no registry": {"output": "new.yml", "registry": ["busybox"]},
}


def refusals(folder: Path) -> Path:
    """A playbook in which each of these is tried."""
    (folder / "mine.yml").write_text("mirror_images: []\n", encoding="utf-8")
    (folder / "empty.list").touch()
    tasks = [
        {"name": said, "imagesync.registry.image_list": options, "ignore_errors": True}
        for said, options in REFUSED.items()
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (folder / "refusals.yml").write_text(json.dumps([play]), encoding="utf-8")
    return folder / "refusals.yml"


def test_from_files_to_a_mirror(
    source_registry: DockerRegistry, destination_registry: DockerRegistry, repo: str, tmp_path: Path
) -> None:
    """All kinds of files at once; the second run changes nothing; the role takes the list.

    And what can't be done is told in a sentence, and leaves alone what is there.
    """
    source = f"{source_registry.host}/{repo}"
    for name in ("web:1", "web:2", "web:latest", "db:7", "job:3"):
        push.push(images.image(name), f"{source}/{name}")
    web, job, old = (images.image(name).digest for name in ("web:1", "job:3", "web:2"))
    dead = f"127.0.0.1:{free_port()}/team/app:1"
    pod = {
        "kind": "Pod",
        "spec": {"containers": [{"image": f"{source}/web:1"}, {"image": f"{source}/web"}]},
        "status": {"containerStatuses": [{"image": "sha256:abc"}]},
    }
    pods = {"kind": "List", "items": [pod, {**pod, "spec": {"containers": [{"image": dead}]}}]}
    (tmp_path / "pods.json").write_text(json.dumps(pods), encoding="utf-8")
    template = f"{{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path}/ran') }}}}"
    compose = {
        "db": {"image": f"{source}/db:7"},
        "x": {"image": "${TAG}"},
        "y": {"image": template},
        "z": {"image": "x\nmirror_destination: evil.example.com"},
    }
    (tmp_path / "compose.yml").write_text(json.dumps({"services": compose}), encoding="utf-8")
    lines = (f"{source}/job@{job} # by digest", f"{source}/web:1@{old}", f"{source}/gone:1")
    (tmp_path / "images.txt").write_text("\n".join(lines), encoding="utf-8")
    mirror = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    mirror["vars_files"] = [str(tmp_path / "images.yml")]
    mirror["roles"] = [
        {"role": MIRROR, "mirror_destination": f"{destination_registry.host}/{repo}"}
    ]
    (tmp_path / "mirror.yml").write_text(json.dumps([mirror]), encoding="utf-8")
    given = {
        "from_kubernetes": "pods.json",
        "from_compose": ["comp*.yml"],
        "from_list": "images.txt",
        "output": "images.yml",
    }
    login = {"name": "unused.example.com", "username": "u", "password": "s3cret-unused"}
    run = run_playbook(
        PLAYBOOK,
        tmp_path,
        PLAYBOOK,
        str(refusals(tmp_path)),
        "mirror.yml",
        *("--diff", "-vvv", "-e", json.dumps(given)),
        environment={"IMAGESYNC_REGISTRIES": json.dumps([login])},
    )
    assert run.returncode == 0 and "s3cret-unused" not in run.output, run.output
    found, again = (one["result"] for one in run.records if one["task"] == "Write the list")
    expected = [
        f"{source}/db:7@{images.image('db:7').digest}",
        f"{source}/job@{job}",
        f"{source}/web:1@{web}",
        f"{source}/web:latest@{images.image('web:latest').digest}",
        f"{source}/web@{old}",
    ]
    assert found["changed"] and found["images"] == expected
    assert found["latest"] == [f"{source}/web:latest"]
    assert found["without_tag"] == [f"{source}/job@{job}", f"{source}/web@{old}"]
    assert found["missing"] == [f"{source}/gone:1"]
    ((unreached, why),) = found["not_reached"]
    assert unreached == dead and "refused" in why
    assert [where for where, _problem in found["unreadable"]] == [
        f"compose.yml: services.{name}.image" for name in "xyz"
    ]
    text = (tmp_path / "images.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {"mirror_images": expected}
    for left_out in (dead, f"{source}/gone:1", "${TAG}", template):
        assert re.search(rf"^#  .*{re.escape(left_out)}", text, re.MULTILINE)

    assert not again["changed"] and again["images"] == expected

    for said in REFUSED:
        refused = run.of(said)["localhost"]
        assert refused["failed"] and said in check_sentence(refused["msg"])
    assert (tmp_path / "mine.yml").read_text(encoding="utf-8") == "mirror_images: []\n"
    assert list(tmp_path.glob("new*")) == []

    root = f"{destination_registry.host}/{repo}"
    assert skopeo.raw_digest(f"{root}/{repo}/web:1") == web
    assert not (tmp_path / "ran").exists()  # nothing of what was read is a template
    for digest in (job, old):
        name = "job" if digest == job else "web"
        assert skopeo.raw_digest(f"{root}/{repo}/{name}@{digest}") == digest


def settings(host: str, **login: str) -> Any:
    registries = [{"name": host, **login}]
    given = {"registries": registries, "retries": 0, "timeout": 20, "concurrency": 4}
    return read_settings(given)


def test_a_whole_registry_with_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, with the scope of the catalog; signatures aren't images of their own."""
    monkeypatch.setattr(catalog, "_PAGE", 2)
    image = images.image("catalog")
    names = ("a", "team/b", "team/c", "team/d", "teams/e")
    with TokenServer() as server, DockerRegistry(token=server) as registry:
        for name in names:
            push.push(image, f"{registry.host}/{name}:1", auth=(USER, PASSWORD))
        signature = f"{registry.host}/team/b:{image.digest.replace(':', '-')}.sig"
        push.push(image, signature, auth=(USER, PASSWORD))
        server.token_requests.clear()
        surveyor = Surveyor(settings(registry.host, username=USER, password=PASSWORD))
        try:
            everything = surveyor.everything(registry.host)
            team = surveyor.everything(f"{registry.host}/team")
            digests = surveyor.digests([one.reference for one in team])
        finally:
            surveyor.close()
        assert [one.reference.repository for one in everything] == list(names)
        assert [str(one.reference) for one in team] == [
            f"{registry.host}/team/{name}:1" for name in "bcd"
        ]
        assert {one.digest for one in digests} == {image.digest}
        scopes = [scope for request in server.token_requests for scope in request.scopes]
        assert scopes.count("registry:catalog:*") == 1

        stranger = Surveyor(settings(registry.host))
        try:
            said = sentence_of(lambda: stranger.everything(registry.host))
        finally:
            stranger.close()
        assert registry.host in said and "write them down" in said


def test_the_section_of_the_guide() -> None:
    """Its calls are those of the playbook."""
    text = (DOCS / "build-and-discover.md").read_text(encoding="utf-8")
    section = text.partition("\n## The list from what runs\n")[2].partition("\n## ")[0]
    play = (DOCS.parent / "playbooks" / "inventory_from.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"-e ([a-z_]+)=", section))
    assert used >= {"output", "from_kubernetes", "from_compose", "from_list", "from_registry"}
    for name in used:
        assert f"{{{{ {name} " in play
    (snippet,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    plan = make_plan(
        {"mirror_destination": "registry.example.com", **yaml.safe_load(snippet)},
        {"inventory_hostname": "host", "playbook_dir": "/nowhere"},
    )
    assert len(plan["entries"]) == 2
