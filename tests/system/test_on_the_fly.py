# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook on_the_fly: a cluster's API, real registries at both ends, and what stays secret."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import format_date
from tests.support import images, skopeo
from tests.support.certificates import Certificates
from tests.support.kubernetes import SECRET, TOKEN, KubernetesApi, pod
from tests.support.playbook import Run, collections_path, run_playbook
from tests.support.role import inventory
from tests.support.sides import Side, Sides

PLAYBOOK = "imagesync.registry.on_the_fly"
MIRROR = "Mirror what is missing"
FAIL = "Fail where they could not be looked at"
LOUD = ("-vvvvv", "--diff")


@pytest.fixture
def cluster(certificates: Certificates) -> Iterator[KubernetesApi]:
    """A cluster with nothing in it yet."""
    with KubernetesApi(certificates, {}) as api:
        yield api
        assert not api.errors


def variables(cluster: KubernetesApi, certificates: Certificates, mirror: Side) -> dict[str, Any]:
    """What an operator says, without the prefix ``mirror_``."""
    return {
        "destination": f"{mirror.proxy.host}/{mirror.repository}",
        "path": "{registry}/{repository}",
        "namespaces": ["shop"],
        "cluster_url": cluster.url,
        "cluster_token": TOKEN,
        "cluster_ca_path": str(certificates.ca),
        "retries": 3,
    }


def run(folder: Path, given: Mapping[str, Any], *arguments: str, **environment: str) -> Run:
    """Runs the playbook on one host."""
    return run_playbook(
        PLAYBOOK, folder, *arguments, inventory=inventory(given), environment=environment
    )


def entries(of_run: Run) -> dict[str, str]:
    """What became of each destination."""
    found = of_run.of(MIRROR)["site"]
    return {image["destination"]: image["reason"] for image in found["images"]}


def test_what_pods_lack_is_there_afterwards(
    tmp_path: Path, certificates: Certificates, cluster: KubernetesApi, sides: Sides
) -> None:
    upstream, mirror = sides.source, sides.destination
    under = f"{upstream.proxy.host.replace(':', '_')}/{upstream.repository}"
    home = f"{mirror.proxy.host}/{mirror.repository}/{under}"
    path = f"{mirror.repository}/{under}"
    new, pinned = images.multi_platform("new"), images.multi_platform("pinned")
    upstream.push(new, "1")
    upstream.push(pinned, "2")
    upstream.push(images.image("moved"), "3")
    upstream.push(images.image("young", created=format_date(time.time() - 3600)), "4")
    upstream.push(pinned, "1", f"{upstream.repository}/gated")
    (tmp_path / "gate.yml").write_text("- ansible.builtin.fail:\n", encoding="utf-8")
    kept = mirror.push(images.image("kept"), "3", path)
    template = f"{{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path}/ran') }}}}"
    cluster.pods = cluster.placed(
        {
            "shop": [
                pod("ended", f"{home}:never", phase="Failed"),
                pod("init", f"{home}:1", kind="initContainers"),
                pod("again", f"{home}:1", "quay.io/else/where:1", "busybox"),
                pod("debug", f"{home}:2@{pinned.digest}", kind="ephemeralContainers"),
                pod("gone", f"{home}:gone", reason="ErrImagePull"),
                pod("refused", f"{home}:3"),
                pod("young", f"{home}:4"),
                pod("held", f"{home}/gated:1", f"{home}/gated:1@{pinned.digest}"),
                pod("runs", f"{home}:runs", reason=""),
                pod("evil", f"{mirror.proxy.host}/{mirror.repository}/10.0.0.1/internal/data:1"),
                pod(template, template, f"{home}/{template}:1", "--check", "../x", "oci:/etc"),
                pod("elsewhere", f"{mirror.proxy.host}/private/data:1"),
            ],
            "other": [pod("other", f"{home}:other")],
        }
    )
    cluster.page_size = 6
    place = upstream.ref("1", f"{upstream.repository}/gated")
    gated = {"source": place, "gate_tasks": str(tmp_path / "gate.yml")}
    given = {
        **variables(cluster, certificates, mirror),
        "allowed": [upstream.proxy.host],
        "platforms": ["linux/amd64"],
        "min_age": "3d",
        # what is declared with a gate of its own isn't let in without
        "images": [{"source": upstream.ref("1"), "name": "app"}, gated],
    }
    seen: list[str] = []
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(seen, stop), daemon=True)
    watcher.start()
    foretold = run(tmp_path, given, "--check", *LOUD)
    assert not mirror.proxy.writes() and not upstream.proxy.writes()
    done = run(tmp_path, given, *LOUD)
    stop.set()
    watcher.join()
    expected = {
        f"{home}:1": "absent",
        f"{home}@{pinned.digest}": "absent",
        f"{home}:gone": "failed",
        f"{home}:3": "immutable",
        f"{home}:4": "too_young",
    }
    assert entries(done) == entries(foretold) == expected, done.output
    # one platform of what has a tag; what pods pull by its digest is whole
    assert mirror.digest("1", path) == new.children[0].digest
    assert mirror.digest(pinned.digest, path) == pinned.digest
    skopeo.verify_whole(f"{mirror.host}/{path}@{pinned.digest}")
    assert mirror.digest("3", path) == kept.digest
    assert not [r for r in upstream.proxy.requests if r.reference == "3"]
    assert sorted(mirror.tags(path)) == ["1", "3"]
    assert mirror.tags(f"{path}/gated") == [] and done.of("Tell what is left to the role")
    # one that upstream doesn't have is told, and asked for once in each of both runs
    assert done.returncode == foretold.returncode == 2
    assert f"{home}:gone: the source" in done.of(MIRROR)["site"]["msg"]
    assert len([r for r in upstream.proxy.requests if r.reference == "gone"]) == 2
    assert "10.0.0.1/internal/data isn't allowed" in " ".join(done.output.split())

    assert not (tmp_path / "ran").exists()  # nothing of what pods hold is a template

    # the cluster was asked page by page, for the namespace alone, as often as it had to be
    asked = [request.path for request in cluster.requests]
    assert asked == ["/api/v1/namespaces/shop/pods"] * 4
    assert [("continue" in r.params) for r in cluster.requests] == [False, True] * 2
    # nobody sees the token, or what pods hold
    for secret in (TOKEN, TOKEN.partition(".")[0], SECRET):
        assert secret not in done.output and secret not in foretold.output
        assert not [line for line in seen if secret in line]
        for proxy in (upstream.proxy, mirror.proxy):
            assert not proxy.saw(secret)
    assert any("ansible-playbook" in line for line in seen)


def _watch(seen: list[str], stop: threading.Event) -> None:
    """Command lines, as anybody on this machine can see them."""
    while not stop.is_set():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue  # it has ended
            if "ansible" in line.lower() and line not in seen[-200:]:
                seen.append(line)
        stop.wait(0.1)


_REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    # what to say: the changed variable, the task that refuses, its words
    "nobody": ({"namespaces": []}, "Check whose pods are looked at", "as a list of namespaces"),
    "outside": ({"namespaces": ["../secrets"]}, "Check whose pods are looked at", "or ['*'] for"),
    "nothing": ({"allowed": []}, "Check what may be taken", "which registries may be asked"),
    "empty": ({"allowed": None}, "Check what may be taken", "which registries may be asked"),
    "gated": (
        {"gate_tasks": "gate.yml"},
        "Check that nothing is let in that is to",
        "runs no gates",
    ),
    "plain": ({"cluster_url": "http://127.0.0.1"}, "Check how the API is", "mirror_cluster_url"),
    "lines": ({"cluster_token": f"{TOKEN}\nX: 1"}, "Check how the API is", "mirror_cluster_token"),
    # what a cluster answers
    "token": ({"cluster_token": f"{TOKEN}x"}, FAIL, "Unauthorized (check mirror_cluster_token)"),
    "closed": ({"namespaces": ["closed"]}, FAIL, 'cannot list resource "pods" in API group ""'),
    "stranger": ({"cluster_ca_path": "OTHER"}, FAIL, "certificate verify failed"),
    "expired": ({"namespaces": ["big"]}, FAIL, "too old (they have changed meanwhile: run it"),
    # what can't be told
    "unclear": ({"path": "{repository}", "namespaces": ["big"]}, "Add what they lack", "ambiguous"),
}


def test_refusals_and_failures_say_why_and_show_no_secret(
    tmp_path: Path, certificates: Certificates, cluster: KubernetesApi, sides: Sides
) -> None:
    mirror = sides.destination
    image = f"{mirror.proxy.host}/{mirror.repository}/quay.io/a/b:1"
    cluster.pods = cluster.placed({"big": [pod("one", image), pod("two", image)]})
    cluster.forbidden, cluster.page_size, cluster.expired = {"closed"}, 1, True
    own = {**variables(cluster, certificates, mirror), "allowed": ["*"]}
    hosts = {
        name: {
            f"mirror_{key}": str(certificates.other_ca) if value == "OTHER" else value
            for key, value in changes.items()
        }
        for name, (changes, _task, _words) in _REFUSED.items()
    }
    done = run_playbook(
        PLAYBOOK, tmp_path, "-vvvvv", "--forks=12", inventory=inventory(own, *hosts, **hosts)
    )
    for name, (_changes, task, words) in _REFUSED.items():
        (last,) = [r for r in done.records if r["host"] == name and r["status"] == "failed"]
        assert last["task"].startswith(task), (name, last)
        assert words in last["result"]["msg"], (name, last)
    assert done.of(MIRROR) == {}
    assert TOKEN not in done.output and SECRET not in done.output
    assert not mirror.proxy.requests


_COLLECTION = {
    "filter/k8s.py": """
class FilterModule:
    def filters(self):
        return {"k8s_config_resource_name": str}
""",
    "modules/k8s_info.py": """
import json, ssl, urllib.parse, urllib.request
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(
    {
        "kind": {"required": True},
        "namespace": {},
        "field_selectors": {"type": "list", "elements": "str", "default": []},
        "host": {},
        "api_key": {"no_log": True},
        "ca_cert": {"type": "path"},
    },
    supports_check_mode=True,
)
given = module.params
assert given["kind"] == "Pod"
if given["namespace"] == "nolib":
    module.fail_json(msg="Failed to import the required Python library (kubernetes) on a node")
path = f"/namespaces/{given['namespace']}/pods" if given["namespace"] else "/pods"
query = urllib.parse.urlencode({"fieldSelector": ",".join(given["field_selectors"])})
request = urllib.request.Request(
    f"{given['host']}/api/v1{path}?{query}",
    headers={"Authorization": f"Bearer {given['api_key']}", "User-Agent": "kubernetes.core"},
)
try:
    context = ssl.create_default_context(cafile=given["ca_cert"])
    with urllib.request.urlopen(request, context=context) as answer:
        items = json.load(answer)["items"]
except OSError as error:
    module.fail_json(msg=f"Failed to get the pods: {error}\\nOriginal traceback: \\n  File x\\n y")
module.exit_json(resources=items, api_found=True)
""",
}


def test_the_collection_for_kubernetes_is_used_where_it_is(
    tmp_path: Path, certificates: Certificates, cluster: KubernetesApi, sides: Sides
) -> None:
    """With one that takes and gives what kubernetes.core.k8s_info 6.6 does."""
    for name, text in _COLLECTION.items():
        file = tmp_path / "more" / "ansible_collections" / "kubernetes" / "core" / "plugins" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    upstream, mirror = sides.source, sides.destination
    new = upstream.push(images.image("new"), "1")
    home = f"{mirror.proxy.host}/{mirror.repository}/all/{upstream.repository}"
    told = f"{mirror.proxy.host}/{mirror.repository}/{upstream.proxy.host.replace(':', '_')}"
    cluster.pods = cluster.placed(
        {
            "told": [pod("a", f"{told}/{upstream.repository}:1")],
            "shop": [pod("a", f"{home}:1")],
            "nolib": [pod("a", f"{home}:1")],
            "ended": [pod("b", f"{home}:never", phase="Succeeded")],
        }
    )
    cluster.forbidden = {"closed"}
    own = {
        **variables(cluster, certificates, mirror),
        "path": "all/{repository}",
        "upstreams": {"all": upstream.proxy.host},
    }
    hosts = {
        "shop": {"mirror_namespaces": ["shop", "ended"]},
        "nolib": {"mirror_namespaces": ["nolib"]},
        "closed": {"mirror_namespaces": ["closed"]},
        # where nobody says what is allowed, mirror_path says where it is from
        "told": {
            "mirror_namespaces": ["told"],
            "mirror_path": "{registry}/{repository}",
            "mirror_upstreams": {},
        },
    }
    path = f"{collections_path()}:{tmp_path / 'more'}"
    done = run_playbook(
        PLAYBOOK,
        tmp_path,
        "-vvvvv",
        inventory=inventory(own, *hosts, **hosts),
        environment={"ANSIBLE_COLLECTIONS_PATH": path},
    )
    (closed,) = [r for r in done.records if r["status"] == "failed"]
    assert closed["host"] == "closed" and closed["task"].startswith(FAIL)
    assert closed["result"]["msg"] == (
        "The pods of the namespace closed can't be listed by kubernetes.core.k8s_info: "
        "Failed to get the pods: HTTP Error 403: Forbidden"
    )
    assert {r["destination"] for r in done.of(MIRROR)["shop"]["images"]} == {f"{home}:1"}
    assert {r["destination"] for r in done.of(MIRROR)["nolib"]["images"]} == {f"{home}:1"}
    assert mirror.digest("1", f"{mirror.repository}/all/{upstream.repository}") == new.digest
    (entry,) = done.of(MIRROR)["told"]["images"]
    assert (entry["destination"], entry["digest"]) == (
        f"{told}/{upstream.repository}:1",
        new.digest,
    )
    said = {r["host"] for r in done.records if r["task"].endswith("Tell who decides what is taken")}
    assert said == {"told"}
    agents = {
        (request.path.split("/")[-2], request.header("User-Agent") == "kubernetes.core")
        for request in cluster.requests
    }
    assert agents == {
        *((name, True) for name in ("shop", "ended", "closed", "told")),
        ("nolib", False),
    }
    assert TOKEN not in done.output and SECRET not in done.output
