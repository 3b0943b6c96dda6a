# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: what was staged is tested before its tag moves, and one that fails holds back no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan
from tests.support import cosign, images, push
from tests.support.playbook import run_playbook
from tests.support.proxy import RecordingProxy
from tests.support.role import PLAYBOOK, facts, failure, inventory, mirror

GUIDE = Path(__file__).parents[2] / "docs" / "gates.md"
KEY = cosign.make_key()
#: what the tests here refuse
POLICY = [
    {
        "name": "Policy",
        "ansible.builtin.assert": {
            "that": ["image_name != 'bad'", "'@sha256:' in image"],
            "fail_msg": "policy refuses {{ image_source }}",
        },
    }
]


def named(reference: str) -> str | None:
    """The digest that a reference leads to."""
    host, _slash, rest = reference.partition("/")
    repo, _at, digest = rest.partition("@")
    return push.digest_of(host, *((repo, digest) if digest else repo.rsplit(":", 1)))


class Mirror:
    """Two registries behind proxies, and a project folder."""

    def __init__(
        self, source: RecordingProxy, destination: RecordingProxy, repo: str, folder: Path
    ) -> None:
        self.source, self.destination, self.repo = source, destination, repo
        self.folder = folder
        self.root = f"{destination.host}/{repo}"

    def push(self, name: str, content: str) -> str:
        """Makes a tag name an image at the source, behind the proxy; returns its digest."""
        direct = "{}:{}".format(*self.source.upstream)
        push.push(images.image(content), self.ref(name).replace(self.source.host, direct))
        return images.image(content).digest

    def ref(self, name: str) -> str:
        return f"{self.source.host}/{self.repo}/{name}:1"

    def at(self, name: str) -> str:
        return f"{self.root}/{self.repo}/{name}:1"

    def digest(self, name: str) -> str | None:
        """What the tag at the destination names."""
        return named(self.at(name))

    @staticmethod
    def asked(side: RecordingProxy, part: str) -> list[str]:
        """The requests to a side that are about this."""
        return [line for line in map(str, side.requests) if part in line]

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
def at(source: RecordingProxy, destination: RecordingProxy, repo: str, tmp_path: Path) -> Mirror:
    return Mirror(source, destination, repo, tmp_path)


def reasons(run: Any) -> dict[str, str]:
    return {i["name"]: i["reason"] for i in facts(run)["mirror_result"]["images"]}


def test_one_that_fails_stays_out_and_the_others_go_in(at: Mirror) -> None:
    old = {name: at.push(name, f"old {name}") for name in ("good", "bad", "same")}
    for name in old:
        push.push(images.image(f"old {name}"), at.at(name))
    new = {name: at.push(name, f"new {name}") for name in ("good", "bad", "fresh")}
    at.gate(POLICY)
    entries = at.entries("good", "bad", "same", "fresh")
    options = {"gate_tasks": "gate.yml", "lock_file": "lock.json", "report_file": "report.md"}

    foretold = at.run(entries, "--check", **options)
    assert foretold.returncode == 0 and not at.destination.writes()
    assert not foretold.of("Policy") and "no gates; they may hold back good, bad" in foretold.output
    told = {i["name"]: i for i in facts(foretold)["mirror_result"]["images"]}
    assert {name: i.get("gate") for name, i in told.items()} == {
        **dict.fromkeys(("good", "bad", "fresh"), "not_run"),
        "same": None,
    }
    assert told["good"]["reason"] == "digest_differs" and told["good"]["warnings"]

    # somebody pushes between staging and tagging: that is tested by nobody, and not let in
    pushed = at.destination.inject(
        f"PUT .*/fresh/manifests/{new['fresh']}", "pass", call=lambda: at.push("fresh", "untested")
    )
    run = at.run(entries, **options)
    assert run.returncode != 0 and "rescued=1" in run.output and pushed.hits == 1
    _check_requests(at, new)
    assert reasons(run) == {
        "good": "digest_differs",
        "bad": "gate_failed",
        "same": "in_sync",
        "fresh": "absent",
    }
    assert at.digest("good") == new["good"] and at.digest("bad") == old["bad"]
    assert at.digest("fresh") == new["fresh"] != named(at.ref("fresh"))
    assert named(f"{at.at('bad')[:-2]}@{new['bad']}") == new["bad"]
    (line,) = failure(run).splitlines()[1:]
    assert line.startswith(f"{at.at('bad')}: its gate failed at 'Policy': policy refuses ")
    result = facts(run)["mirror_result"]
    assert "1 of 4 images failed" in result["msg"] and "1 failed at the gate" in result["summary"]
    assert set(facts(run)["mirror_changed"]) == {"good", "fresh"}
    assert set(facts(run)["mirror_ids_by_name"]) == {"good", "same", "fresh"}
    lock = json.loads((at.folder / "lock.json").read_text(encoding="utf-8"))["images"]
    assert at.at("bad") not in lock
    assert lock[at.at("good")]["digest"] == new["good"] == lock[at.at("good")]["source_digest"]
    assert lock[at.at("good")]["source"] == at.ref("good")
    assert "policy refuses" in (at.folder / "report.md").read_text(encoding="utf-8")

    at.gate([{"name": "Policy", "ansible.builtin.debug": {"msg": "{{ image_entry }}"}}])
    again = at.run(at.entries("good", "bad", "same"), **options)
    assert again.returncode == 0 and list(again.of("Policy")) == ["site"]
    assert reasons(again)["bad"] == "digest_differs" and at.digest("bad") == new["bad"]
    assert [str(write) for write in at.destination.writes()] == [
        f"PUT /v2/{at.repo}/{at.repo}/bad/manifests/1 -> 201"
    ]


def _check_requests(at: Mirror, new: dict[str, str]) -> None:
    """What is in sync costs a HEAD at each side, what passed three requests and no source."""
    place, asked = f"/v2/{at.repo}/{at.repo}", at.asked(at.destination, "/same/")
    assert asked == [f"HEAD {place}/same/manifests/1 -> 200"]
    assert len(at.asked(at.source, "/same/")) == 1
    for name, before in (("good", 200), ("fresh", 404)):
        staged, *tagged = at.asked(at.destination, f"/{name}/manifests/")[-4:]
        assert tagged == [
            f"HEAD {place}/{name}/manifests/1 -> {before}",
            f"GET {place}/{name}/manifests/{new[name]} -> 200",
            f"PUT {place}/{name}/manifests/1 -> 201",
        ]
        assert staged.startswith(f"PUT {place}/{name}/manifests/{new[name]} -> 201")
    assert len(at.asked(at.source, "/fresh/manifests/1")) == 1


def _guide(folder: Path) -> str:
    """Writes the guide's gates as the files that it names; returns its variables."""
    text = GUIDE.read_text(encoding="utf-8")
    variables, *gates = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    names = re.findall(r"`(gates/\w+\.yml)`[.:,]", text)
    (folder / "gates").mkdir()
    for name, gate in zip(names, gates, strict=True):
        (folder / name).write_text(gate, encoding="utf-8")
    return str(variables)


def test_the_gates_of_the_guide(at: Mirror) -> None:
    """With a file for each image, and one of them begun by the scaffold."""
    _guide(at.folder)
    scanner = at.folder / "scanner"
    scanner.write_text(
        '#!/bin/sh\ncase "$4" in */holes@*) echo CVE-1 >&2; exit 1;; esac\n', "utf-8"
    )
    scanner.chmod(0o755)
    label = {"org.opencontainers.image.vendor": "us"}
    for name in ("good", "plain", "unsigned", "holes"):
        image = images.image(name, labels=label if name != "plain" else {})
        push.push(image, at.ref(name))
        if name != "unsigned":
            push.push(cosign.signed(image, KEY), f"{at.ref(name)[:-1]}{cosign.tag_of(image)}")
    for name in ("plain", "unsigned", "holes"):
        at.gate(
            [{"ansible.builtin.include_tasks": "../../gates/scan.yml"}], f"images/{name}/gate.yml"
        )
        (at.folder / f"images/{name}.yml").write_text(at.ref(name), encoding="utf-8")
    said = {"name": "good", "source": at.ref("good"), "dir": str(at.folder / "images")}
    arguments = [word for key, value in said.items() for word in ("-e", f"{key}={value}")]
    hosts = inventory(
        {
            "destination": at.root,
            "images_dir": "images",
            "gate_tasks": ["gates/policy.yml", "gates/signed.yml"],
        }
    )
    hosts["all"]["vars"].update(signers=[KEY.public], scanner=str(scanner))
    arguments += ["-i", str(at.folder / "hosts.yml")]
    (at.folder / "hosts.yml").write_text(json.dumps(hosts), encoding="utf-8")
    run = run_playbook("imagesync.registry.scaffold", at.folder, PLAYBOOK, *arguments)
    assert run.of("Write the file and a gate")["localhost"]["written"] == [
        str(at.folder / "images" / path) for path in ("good.yml", "good/gate.yml")
    ]
    told = {
        i["name"]: i
        for i in run.of("Set the facts")["site"]["ansible_facts"]["mirror_result"]["images"]
    }
    assert told["good"]["reason"] == "absent", run.output
    assert "no label org.opencontainers.image.vendor" in told["plain"]["msg"]
    assert "0 of 1 keys have signed it" in told["unsigned"]["msg"]
    assert "exit code 1) CVE-1" in told["holes"]["msg"]
    assert {name: named(at.at(name)) is not None for name in told} == {
        **dict.fromkeys(told, False),
        "good": True,
    }


def test_the_variables_of_the_guide(tmp_path: Path) -> None:
    variables = yaml.safe_load(_guide(tmp_path))
    (tmp_path / "gates/app.yml").write_text("- ansible.builtin.meta: noop\n", encoding="utf-8")
    facts_of = {"inventory_hostname": "host", "playbook_dir": str(tmp_path)}
    plan = make_plan(variables, facts_of)
    assert [[Path(gate).name for gate in entry["gates"]] for entry in plan["entries"]] == [
        ["policy.yml"],
        ["policy.yml", "app.yml"],
    ]
