# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``client``: skopeo, told by the files that it writes, pulls from the mirror."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.imagesync.registry.plugins.plugin_utils.client.formats import planned
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.names import KNOWN
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.node import PATHS, read_node
from tests.support import images, push, skopeo
from tests.support.asking import check_sentence
from tests.support.playbook import Run, run_playbook
from tests.support.proxy import RecordingProxy

ROLE = "imagesync.registry.client"
DOCS = Path(__file__).parents[2] / "docs"
NOWHERE = "registry.invalid"
#: answers as systemctl does for a service that runs
SYSTEMCTL = """#!/bin/sh
echo "$*" >> {log}
case "$1" in
  show) printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\n' ;;
esac
"""


def role(name: str, **variables: Any) -> dict[str, Any]:
    """A task that uses it."""
    return {"name": name, "ansible.builtin.include_role": {"name": ROLE}, "vars": variables}


def play(*tasks: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"name": "Test", "hosts": "all", "gather_facts": False, "tasks": tasks, **keywords}


def places(folder: Path) -> dict[str, str]:
    """As below /etc, for one host."""
    return {
        "client_registries_conf_dir": f"{folder}/.config/containers/registries.conf.d",
        "client_podman_certs_dir": f"{folder}/containers/certs.d",
        "client_containerd_certs_dir": f"{folder}/containerd/certs.d",
        "client_containerd_config": f"{folder}/containerd/config.toml",
        "client_docker_config": f"{folder}/docker/daemon.json",
        "client_docker_certs_dir": f"{folder}/docker/certs.d",
    }


def nodes(folder: Path, **hosts: dict[str, Any]) -> dict[str, Any]:
    """An inventory."""
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    found = {name: {**places(folder / name), **given} for name, given in hosts.items()}
    return {"all": {"hosts": found, "vars": common}}


def written(folder: Path) -> dict[str, bytes]:
    """All files of all nodes."""
    names = ("inventory.yml", "playbook.yml", "systemctl", "systemctl.log")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in names
    }


def changes(run: Run, task: str) -> dict[str, list[bool]]:
    """For each host whether this task changed anything, each time."""
    found: dict[str, list[bool]] = {}
    for one in run.records:
        if one["task"].endswith(task):
            found.setdefault(one["host"], []).append(bool(one["result"]["changed"]))
    return found


def test_pulls_of_upstream_names_go_to_the_mirror(
    source: RecordingProxy, destination: RecordingProxy, repo: str, tmp_path: Path
) -> None:
    """With and without a way back, by registry and by repository, and when upstream is down."""
    mirrored, fresh = images.image("mirrored"), images.image("fresh")
    upstream, mirror = f"{source.host}/{repo}", f"{destination.host}/{repo}"
    push.push(mirrored, f"{mirror}/{source.host.replace(':', '_')}/{repo}/app:1")
    push.push(mirrored, f"{mirror}/app:1")
    push.push(mirrored, f"{mirror}/own/place:1")
    for tag in ("1", "2"):
        push.push(fresh, f"{upstream}/app:{tag}")
    own = {"source": f"{upstream}/b:1", "destination": "own/place"}
    each = {
        "client_runtimes": ["podman", "containerd"],
        "mirror_destination": mirror,
        "mirror_path": "{registry}/{repository}",
        "mirror_images": [f"{upstream}/app:1", own],
    }
    down = {**each, "client_runtimes": "cri-o", "mirror_path": "{name}"}
    down["mirror_images"] = [f"{NOWHERE}/team/app:1"]
    hosts = nodes(
        tmp_path,
        dry={**down},
        both={**each},
        only={**each, "client_fallback": False},
        down=down,
        gone={**each},
    )
    use, dry = role("Use"), {"check_mode": True, "diff": True}
    plays = [
        play(role("Look"), hosts="dry", **dry),
        play(use, hosts="both:only:down:gone"),
        play(role("Again"), hosts="both"),
        play(role("Absent", client_state="absent"), hosts="gone"),
    ]
    run = run_playbook(plays, tmp_path, inventory=hosts)
    assert run.returncode == 0, run.output
    assert 'prefix = "registry.invalid/team/app"' in run.output
    assert {name.partition("/")[0] for name in written(tmp_path)} == {"both", "only", "down"}
    assert changes(run, "Tell Podman and CRI-O") == {
        "dry": [True],
        "both": [True, False],
        "only": [True],
        "down": [True],
        "gone": [True, True],
    }
    assert changes(run, "Tell containerd") == {
        "both": [True, False],
        "only": [True],
        "gone": [True, True],
    }

    source.clear()
    destination.clear()
    for host, name in (("both", "app:1"), ("both", "b:1"), ("only", "app:1"), ("only", "b:1")):
        assert skopeo.pulled(tmp_path / host, f"{upstream}/{name}") == mirrored.digest
    assert source.requests == [] and destination.requests
    assert skopeo.pulled(tmp_path / "down", f"{NOWHERE}/team/app:1") == mirrored.digest
    assert skopeo.pulled(tmp_path / "both", f"{upstream}/app:2") == fresh.digest
    source.clear()
    assert "is blocked in" in skopeo.pulled(tmp_path / "only", f"{upstream}/app:2")
    assert source.requests == []
    for host in ("both", "only"):
        path = tmp_path / host / "containerd" / "certs.d" / source.host / "hosts.toml"
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        url = f"http://{mirror.replace('/', '/v2/', 1)}/{source.host.replace(':', '_')}"
        assert (found["server"] == url) is (host == "only")
        assert host == "only" or list(found["host"]) == [url]


def test_docker_is_told_and_reloaded(tmp_path: Path) -> None:
    """Beside what else its file says; and one host's mistakes leave that host alone."""
    given = {
        "client_runtimes": ["docker", "podman"],
        "mirror_destination": "mirror.example.com",
        "mirror_images": ["busybox:1.36"],
        "imagesync_registries": [{"name": "mirror.example.com", "password": "{{ not_here }}"}],
    }
    hosts = nodes(tmp_path, good=given, wrong={**given, "mirror_path": "{registry}/{repository}"})
    config = tmp_path / "good" / "docker" / "daemon.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"mtu": 1400}', encoding="utf-8")
    theirs = tmp_path / "good" / ".config/containers/registries.conf.d" / "imagesync.conf"
    theirs.parent.mkdir(parents=True)
    log = tmp_path / "systemctl.log"
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(log=log), encoding="utf-8")
    (tmp_path / "systemctl").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = run_playbook([play(role("Use"))], tmp_path, inventory=hosts, environment=path)

    assert json.loads(config.read_text(encoding="utf-8")) == {
        "mtu": 1400,
        "registry-mirrors": ["https://mirror.example.com"],
    }
    asked = log.read_text(encoding="utf-8").splitlines()
    assert asked.count("reload docker") == asked.count("reload crio") == 1
    said = run.of("Tell Podman and CRI-O")["wrong"]
    assert said["failed"] and "below mirror.example.com/docker.io" in said["msg"]
    check_sentence(said["msg"], 400)
    assert not (tmp_path / "wrong").exists() and "Traceback" not in run.output


def test_the_guide_is_taken(tmp_path: Path) -> None:
    """Its variables together are a plan."""
    text = (DOCS / "clients.md").read_text(encoding="utf-8")
    variables, plays = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    (used,) = plays[0]["roles"]
    assert used.pop("role") == ROLE
    (tmp_path / "files").mkdir()
    (tmp_path / used["client_ca_file"]).write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="utf-8"
    )
    node = read_node({**variables, **used}, {"playbook_dir": str(tmp_path)}, [])
    conf = planned(node)["podman"]["arguments"]["files"][1]["content"]
    assert 'location = "registry.example.com/mirror/docker.io"' in conf
    assert "asks `registry.example.com/mirror/docker.io/library/busybox:1.36`" in text
    spec = DOCS.parent / "roles" / "client" / "meta" / "argument_specs.yml"
    options = yaml.safe_load(spec.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    assert {name for name in options if name.startswith("client_")} == set(KNOWN)
    assert set(re.findall(r"client_[a-z_]+", text)) <= set(KNOWN)
    defaults = yaml.safe_load((spec.parents[1] / "defaults/main.yml").read_text(encoding="utf-8"))
    assert {f"client_{name}": path for name, path in PATHS.items()}.items() <= defaults.items()
    assert defaults == {n: o["default"] for n, o in options.items() if "default" in o}
