# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters in playbooks: the guide and the examples as they stand, and Ansible's values."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.support import images, push, skopeo
from tests.support.asking import check_sentence, templated
from tests.support.playbook import run_playbook
from tests.support.registries import DockerRegistry

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "deploy-by-digest.md").read_text(encoding="utf-8")
FILTERS = ("pin_images", "image_refs", "parse_reference")
PIN = "imagesync.registry.pin_images"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

DEPLOYMENT = """\
---
apiVersion: v1
kind: Namespace
---
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers:
        - {name: wait, image: "SOURCE/library/busybox:1.36"}
      containers:
        - {name: web, image: "SOURCE/library/nginx:1.27"}
      volumes:
        - {name: site, image: {reference: "SOURCE/team/site:3", pullPolicy: IfNotPresent}}
---
"""
COMPOSE = """\
services:
  web:
    image: SOURCE/library/nginx:1.27
    ports: ["8080:80"]
  cache:
    image: SOURCE/library/redis:7
"""
VALUES = """\
controller:
  image: {registry: SOURCE, repository: library/redis, tag: 7, pullPolicy: Always}
sidecar: {repository: SOURCE/library/busybox, tag: "1.36", digest: ""}
"""
IMAGES = ("library/busybox:1.36", "library/nginx:1.27", "library/redis:7", "team/site:3")


def fill(folder: Path, source: str) -> None:
    """The manifests that the guide and the examples read."""
    files = {"deployment.yml": DEPLOYMENT, "compose.yml": COMPOSE, "values.yml": VALUES}
    for name, text in files.items():
        (folder / name).write_text(text.replace("SOURCE", source), encoding="utf-8")


def shown(tasks: Any) -> Any:
    """Tasks that show what they would give to a cluster, or to a role."""
    for task in tasks:
        for module in ("kubernetes.core.k8s", "kubernetes.core.helm"):
            if module in task:
                task["ansible.builtin.debug"] = {"msg": task.pop(module)}
    return tasks


def by_digest(name: str, mirror: str) -> str:
    """The id that an image of the guide has at the mirror."""
    return f"{mirror}/{name.partition(':')[0]}@{images.multi_platform(name).digest}"


def test_the_guide(
    tmp_path: Path, source_registry: DockerRegistry, destination_registry: DockerRegistry, repo: str
) -> None:
    """From the manifests to the mirror, and from there by lock, fact and lookup to deployments."""
    source = f"{source_registry.host}/{repo}"
    for name in IMAGES:
        push.push(images.multi_platform(name), f"{source}/{name}")
    fill(tmp_path, source)
    guide = GUIDE.replace("registry.example.com/", f"{destination_registry.host}/")
    guide = guide.replace("/mirror/library", f"/mirror/{repo}/library")
    for place in ("/srv/web", "/etc/containers/systemd"):
        assert place in guide
        guide = guide.replace(place, str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    plays = [
        play
        for block in re.findall(r"^```yaml\n(---\n.*?)^```$", guide, re.DOTALL | re.MULTILINE)
        for play in yaml.safe_load(block)
    ]
    assert len(plays) == guide.count("hosts: ") == 4
    for play in plays:
        shown(play["tasks"])
    groups = {"docker_hosts": {"hosts": {"here": {}}}, "podman_hosts": {"hosts": {"here": {}}}}
    hosts = {"hosts": {"localhost": {}}, "children": groups, "vars": LOCAL}
    run = run_playbook(plays, tmp_path, inventory={"all": hosts})
    assert run.returncode == 0 and "WARNING" not in run.output, run.output

    mirror = f"{destination_registry.host}/mirror/{repo}"
    ids = {name: by_digest(name, mirror) for name in IMAGES}
    for name, image_id in ids.items():
        assert skopeo.raw_digest(image_id) == skopeo.raw_digest(f"{mirror}/{name}")
    deployment = run.of("Deploy it")["localhost"]["msg"]["definition"][1]
    pod = deployment["spec"]["template"]["spec"]
    assert pod == {
        "initContainers": [{"name": "wait", "image": ids["library/busybox:1.36"]}],
        "containers": [{"name": "web", "image": ids["library/nginx:1.27"]}],
        "volumes": [
            {
                "name": "site",
                "image": {"reference": ids["team/site:3"], "pullPolicy": "IfNotPresent"},
            }
        ],
    }
    text = (tmp_path / "out" / "compose.yml").read_text(encoding="utf-8")
    assert list(yaml.safe_load(text)["services"]["web"]) == ["image", "ports"]
    assert yaml.safe_load(text) == {
        "services": {
            "web": {"image": ids["library/nginx:1.27"], "ports": ["8080:80"]},
            "cache": {"image": ids["library/redis:7"]},
        }
    }
    values = run.of("Install the chart")["localhost"]["msg"]["release_values"]
    redis, busybox = ids["library/redis:7"], ids["library/busybox:1.36"]
    assert values == {
        "controller": {
            "image": {
                "registry": destination_registry.host,
                "repository": f"mirror/{repo}/library/redis",
                "tag": 7,
                "pullPolicy": "Always",
                "digest": redis.partition("@")[2],
            }
        },
        "sidecar": {
            "repository": busybox.partition("@")[0],
            "tag": "1.36",
            "digest": busybox.partition("@")[2],
        },
    }
    quadlet = (tmp_path / "out" / "web.container").read_text(encoding="utf-8")
    assert f"[Container]\nImage={ids['library/nginx:1.27']}\n" in quadlet


def test_the_policy_of_the_guide() -> None:
    """It lets in what is pinned, and nothing else."""
    (text,) = re.findall(r"```yaml\n +validations:.*?```", GUIDE, re.DOTALL)
    (pattern,) = re.findall(r"matches\('(.*?)'\)", text)
    good = f"registry.example.com/mirror/library/nginx@sha256:{'1' * 64}"
    assert re.search(pattern, good)
    for wrong in (
        "registry.example.com/mirror/library/nginx:1.27",
        good.replace(".example", "-example"),
        f"evil.example.com/{good}",
        f"{good}0",
        good.replace("/mirror/", "/other/"),
    ):
        assert not re.search(pattern, wrong), wrong


@pytest.fixture
def examples() -> list[dict[str, Any]]:
    """The tasks in the documentation of the filters; a role's are shown instead."""
    found = []
    for name in FILTERS:
        text = (ROOT / "plugins" / "filter" / f"{name}.py").read_text(encoding="utf-8")
        (block,) = re.findall(r'^EXAMPLES = r"""\n(.*?)^"""$', text, re.DOTALL | re.MULTILINE)
        found += shown(yaml.safe_load(block))
    for task in found:
        if task.pop("ansible.builtin.include_role", None):
            task["ansible.builtin.debug"] = {"msg": templated("mirror_images")}
    return found


def test_examples_and_values(tmp_path: Path, examples: list[dict[str, Any]]) -> None:
    """What the documentation shows, and what is particular to values in Ansible."""
    fill(tmp_path, "quay.io")
    home = "registry.example.com/mirror"
    ids = {f"quay.io/{name}": by_digest(name, home) for name in IMAGES}
    locked = {
        f"{home}/{source.partition('/')[2]}": {
            "source": source,
            "source_digest": image_id.partition("@")[2],
            "digest": image_id.partition("@")[2],
            "media_type": "application/vnd.oci.image.index.v1+json",
            "platforms": [],
        }
        for source, image_id in ids.items()
    }
    lock = json.dumps({"version": 1, "images": locked})
    (tmp_path / "mirror.lock.json").write_text(lock, encoding="utf-8")
    (tmp_path / "password").write_text("of the vault", encoding="utf-8")
    vault = VaultLib([("default", VaultSecret(b"of the vault"))])
    secret = vault.encrypt("quay.io/library/nginx:1.27").decode().replace("\n", "\n    ")
    (tmp_path / "vars.yml").write_text(
        f"of_vault:\n  image: !vault |\n    {secret}\n"
        "unsafe: {image: !unsafe '{{ 1 + 1 }}', env: !unsafe '{{ 2 + 2 }}'}\n"
        "templated: {image: 'quay.io/library/nginx:{{ version }}', env: '{{ version }}'}\n",
        encoding="utf-8",
    )
    expressions = {
        "vault": f"of_vault | {PIN}(mirror_ids, missing='error')",
        "unsafe": f"unsafe | {PIN}(mirror_ids)",
        "templated": f"templated | {PIN}(mirror_ids)",
        "input": "templated",
        "text": f"lookup('ansible.builtin.file', 'deployment.yml') | {PIN}(mirror_ids)",
        "missing": f"[templated] | {PIN}({{}}, 'error')",
        "reference": "'Nginx' | imagesync.registry.parse_reference",
        "undefined": f"{{'image': nowhere}} | {PIN}(mirror_ids)",
    }
    tasks = [
        {"name": name, "ansible.builtin.debug": {"msg": templated(text)}, "ignore_errors": True}
        for name, text in expressions.items()
    ]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"mirror_ids": ids, "project_folder": str(tmp_path / "out"), "version": "1.27"},
        "vars_files": ["vars.yml"],
        "tasks": [*examples, *tasks],
    }
    (tmp_path / "out").mkdir()
    run = run_playbook(
        [play],
        tmp_path,
        inventory={"all": {"hosts": {"localhost": LOCAL}}},
        environment={"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")},
    )
    assert run.returncode == 0 and "WARNING" not in run.output, run.output
    found = {record["task"]: record["result"].get("msg") for record in run.records}

    nginx, redis = ids["quay.io/library/nginx:1.27"], ids["quay.io/library/redis:7"]
    containers = found["Deploy what was mirrored, and nothing else"]["definition"][1]["spec"]
    assert containers["template"]["spec"]["containers"] == [{"name": "web", "image": nginx}]
    written = yaml.safe_load((tmp_path / "out" / "compose.yml").read_text(encoding="utf-8"))
    assert [service["image"] for service in written["services"].values()] == [nginx, redis]
    values = found["Install a chart with pinned images"]["release_values"]
    assert values["sidecar"]["repository"] == f"{home}/library/busybox"
    assert found["Show what a Compose file needs"] == [
        "quay.io/library/nginx:1.27",
        "quay.io/library/redis:7",
    ]
    assert found["Mirror what the manifests need"] == [
        "quay.io/library/busybox:1.36",
        "quay.io/library/nginx:1.27",
        "quay.io/team/site:3",
    ]
    assert found["Show where an image is"] == "team/app on registry.example.com:5000"
    assert found["Show the registries that a deployment needs"] == ["quay.io"]

    assert found["vault"] == {"image": nginx}
    assert found["unsafe"] == {"image": "{{ 1 + 1 }}", "env": "{{ 2 + 2 }}"}
    assert found["templated"] == {"image": nginx, "env": "1.27"}
    assert found["input"] == {"image": "quay.io/library/nginx:1.27", "env": "1.27"}
    assert "from_yaml_all" in found["text"]
    assert "[0].image: quay.io/library/nginx:1.27 is not in ids" in found["missing"]
    assert "invalid image reference 'Nginx'" in found["reference"]
    assert "'nowhere' is undefined" in found["undefined"]
    for name in ("text", "missing", "reference"):
        check_sentence(found[name], 600)
    assert "Traceback" not in run.output
