# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the modules and lookups, run as `ansible-doc` shows them, one after the other.

Calls of the modules are made in this process, which takes no second each; Ansible does the rest.
Those of the filters are in test_filters.py; tests/unit/documents looks at those of all plugins.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from tests.support import cosign, images, layouts, push, skopeo
from tests.support.asking import ask
from tests.support.certificates import Certificates
from tests.support.content import Image
from tests.support.playbook import run_playbook
from tests.support.registries import DockerRegistry
from tests.support.signing import sign
from tests.support.sync import sync

pytestmark = pytest.mark.any_core

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SHOWN = (
    "modules/image_sync.py",
    "modules/image_sign.py",
    "modules/image_info.py",
    "lookup/image_digest.py",
    "lookup/image_tags.py",
)
NGINX = ("1.26.0", "1.26.1", "1.27", "1.27.1", "1.27.2", "1.26.1-alpine", "1.28.0-rc1")
MULTI = images.multi_platform
APP, KEY = images.image("app"), cosign.make_key()
#: at the source
UPSTREAM: dict[str, Image] = {
    "library/busybox:1.36": MULTI("busybox"),
    "library/redis:7.4": images.image("redis"),
    "prometheus/node-exporter:v1.8.2": images.image("node-exporter"),
    "example/app:2.0": APP,
    f"example/app:{cosign.tag_of(APP)}": cosign.signed(APP, KEY),
    "example/app:stable": images.image("stable"),
    "example/app:release-20261121": images.image("release"),
    "example/app:release-next": images.image("next"),
    **{f"library/nginx:{tag}": MULTI(f"nginx {tag}") for tag in NGINX},
    **{f"prometheus/prometheus:v2.5{n}": images.image(n) for n in ("3.0", "3.1", "4.0", "5.1")},
}
#: at the destination, before
THERE = {
    "app:stable": images.image("old"),
    "mirror/nginx:1.25": images.image("nginx 1.25"),
    "mirror/nginx:1.24.0": images.image("nginx 1.24"),
}


def examples(names: dict[str, str]) -> list[dict[str, Any]]:
    """All tasks, with the places and files of the test for those that they name."""
    found = []
    for path in SHOWN:
        for node in ast.parse((PLUGINS / path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
                text = ast.literal_eval(node.value)
                for name, here in names.items():
                    text = text.replace(name, here)
                found += yaml.safe_load(text)
    for task in found:
        for entry in task.get("imagesync.registry.image_sync", {}).get("registries", []):
            if "ca_path" in entry:
                entry["plain_http"] = False  # as it is on loopback here
        if "kubernetes.core.k8s" in task:
            task["ansible.builtin.debug"] = {"msg": task.pop("kubernetes.core.k8s")["definition"]}
    return found


def call_modules(
    tasks: list[dict[str, Any]], variables: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The results of the tasks that call modules, and the other tasks.

    What they register becomes a variable.
    """
    found, others = {}, []
    for task in tasks:
        (module,) = [key for key in task if "." in key]
        call = CALLS.get(module)
        if call is None or "query(" in str(task):
            others.append(task)
            continue
        result = call(**rendered(task[module], variables))
        assert not result.get("failed"), result
        found[task["name"]] = result
        if "register" in task:
            variables[task["register"]] = result
    return found, others


def rendered(value: Any, variables: dict[str, Any]) -> Any:
    """The value with its templates filled in."""
    if isinstance(value, dict):
        return {key: rendered(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [rendered(one, variables) for one in value]
    if isinstance(value, str) and "{{" in value:
        return jinja2.Template(value, undefined=jinja2.StrictUndefined).render(variables)
    return value


def _sign(private_key_path: str = "", private_key_content: str = "", **options: Any) -> Any:
    key = private_key_content or Path(private_key_path).read_text(encoding="ascii")
    return sign(private_key=key, **options)


CALLS: dict[str, Callable[..., Any]] = {
    "imagesync.registry.image_sync": sync,
    "imagesync.registry.image_info": lambda images, **options: ask(*images, **options),
    "imagesync.registry.image_sign": _sign,
}


def test_the_examples_of_modules_and_lookups(
    tmp_path: Path,
    source_registry: DockerRegistry,
    destination_registry: DockerRegistry,
    certificates: Certificates,
    repo: str,
) -> None:
    source, home = f"{source_registry.host}/{repo}", f"{destination_registry.host}/{repo}"
    for place, content in ((source, UPSTREAM), (home, THERE)):
        for name, image in content.items():
            push.push(image, f"{place}/{name}")
    KEY.write(tmp_path, "example-app.pub")
    own = cosign.make_key()
    (tmp_path / "mirror.key").write_text(own.pem("of the key"), encoding="ascii")
    (tmp_path / "deployment.yml.j2").write_text("image: {{ app_image }}\n", encoding="utf-8")
    saved = layouts.docker_archive({"rancher/pause:3.6": images.image_without_layers("pause")})
    (tmp_path / "k3s-airgap-images-amd64.tar.gz").write_bytes(saved)
    variables = {
        "mirror_password": "of nobody",
        "reader_password": "of nobody",
        "mirror_key": own.pem(),
        "mirror_key_passphrase": "of the key",
    }
    with DockerRegistry(tls=certificates) as internal:
        names = {
            "/etc/pki/internal-ca.pem": str(certificates.ca),
            "/etc/pki": str(tmp_path),
            "/srv": str(tmp_path),
            "registry.internal:5000": internal.host,
            "registry.example.com": home,
            **{f"{upstream}/": f"{source}/" for upstream in ("docker.io", "quay.io", "ghcr.io")},
        }
        tasks = examples(names)
        found, others = call_modules(tasks, variables)
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": others}
    run = run_playbook([play], tmp_path)
    assert run.returncode == 0, run.output
    found.update((record["task"], record["result"]) for record in run.records)
    assert len(found) == len({task["name"] for task in tasks}) == len(tasks)
    reasons = {
        image["destination"].removeprefix(f"{home}/"): image["reason"]
        for image in found["Mirror the three newest versions, and what is in use elsewhere"][
            "images"
        ]
    }
    # the first of them was copied by an example before
    assert reasons.pop("mirror/nginx:1.27") == "in_sync"
    assert set(reasons.values()) == {"absent"} and set(reasons) == {
        *(f"mirror/nginx:{tag}" for tag in ("1.27.2", "1.27.1", "1.26.1", "1.26.1-alpine")),
        *(f"mirror/prometheus:v2.5{n}" for n in ("3.1", "3.0", "5.1")),
        *(f"app:upstream-{tag}" for tag in ("stable", "release-20261121")),
    }
    assert skopeo.raw_digest(f"{home}/mirror/rancher/pause:3.6")
    assert skopeo.raw_digest(f"{home}/app:2.0") == APP.digest
    old = THERE["app:stable"].digest
    assert found["Deploy by digest"]["msg"] == {"image": f"{home}/app@{old}"}
    busybox = UPSTREAM["library/busybox:1.36"].digest
    assert found["Show the digest of an image"]["msg"] == busybox
    assert found["Show the newest version"]["msg"] == "1.27.2"
    removed = found["Remove what is older than 1.25, if there is anything"]["images"]
    assert [image["destination"] for image in removed] == [f"{home}/mirror/nginx:1.24.0"]
