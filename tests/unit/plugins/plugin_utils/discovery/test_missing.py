# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images pods lack, where these are from, and what those who write pods can't do."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.discovery.missing import (
    missing_images,
)

D1 = "sha256:" + "1" * 64
MIRROR = "registry.example.com/mirror"
FULL = "{registry}/{repository}"


def pod(*images: Any, kind: str = "containers", reason: Any = "ErrImagePull") -> dict[str, Any]:
    """A pod as the API gives it, whose containers of this kind wait for these images."""
    statuses = {"containers": "containerStatuses"}.get(kind, f"{kind[:-1]}Statuses")
    names = [f"c{number}" for number in range(len(images))]
    return {
        "metadata": {"name": "web-7d9c", "namespace": "shop"},
        "spec": {kind: [{"name": n, "image": i} for n, i in zip(names, images, strict=True)]},
        "status": {
            "phase": "Pending",
            statuses: [
                {
                    "name": name,
                    "image": image,
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"waiting": {"reason": reason, "message": "Back-off pulling image"}},
                }
                for name, image in zip(names, images, strict=True)
            ],
        },
    }


def found(pods: Any, path: str = FULL, upstreams: Any = None, allowed: Any = None) -> list[str]:
    """The entries, as text."""
    entries = missing_images(pods, MIRROR, path, upstreams, allowed).entries
    assert all(entry.keys() == {"source", "destination"} for entry in entries)
    return [f"{entry['source']} -> {entry['destination']}" for entry in entries]


BUSYBOX = f"docker.io/library/busybox:1 -> {MIRROR}/docker.io/library/busybox:1"


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_every_kind_of_container(kind: str, reason: str) -> None:
    one = pod(f"{MIRROR}/docker.io/library/busybox:1", kind=kind, reason=reason)
    assert found([one]) == [BUSYBOX]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda one: [one],
        lambda one: one,
        lambda one: {"resources": [one], "api_found": True, "changed": False},
        lambda one: {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [one]},
        lambda one: {"items": [{**one, "kind": "Pod"}]},
        lambda one: {"results": [{"resources": [one], "item": "shop"}, {"resources": []}]},
        lambda one: {"status": 200, "json": {"items": [one]}},
        lambda one: [{"items": [one]}, {"items": None}],
    ],
)
def test_every_form_of_pods(wrap: Any) -> None:
    assert found(wrap(pod(f"{MIRROR}/docker.io/library/busybox:1"))) == [BUSYBOX]


@pytest.mark.parametrize(
    ("written", "source", "destination"),
    [
        ("quay.io/a/b:1.2", "quay.io/a/b:1.2", ":1.2"),
        ("quay.io/a/b", "quay.io/a/b:latest", ":latest"),
        (f"quay.io/a/b@{D1}", f"quay.io/a/b@{D1}", f"@{D1}"),
        # a tag beside a digest isn't moved for a pod
        (f"quay.io/a/b:1.2@{D1}", f"quay.io/a/b@{D1}", f"@{D1}"),
        ("quay.io_8443/a/b:1", "quay.io:8443/a/b:1", ":1"),
        ("docker.io/grafana/grafana:11", "docker.io/grafana/grafana:11", ":11"),
    ],
)
def test_every_form_of_references(written: str, source: str, destination: str) -> None:
    name = written.partition("@")[0]
    name = name[: name.rfind(":")] if ":" in name.rpartition("/")[2] else name
    expected = f"{source} -> {MIRROR}/{name}{destination}"
    assert found([pod(f"{MIRROR}/{written}")]) == [expected]


def test_a_mirror_with_a_port_and_without_a_path() -> None:
    image = "localhost:5000/docker.io/library/busybox:1"
    entries = missing_images([pod(image, "localhost:5001/docker.io/a/b:1")], "localhost:5000", FULL)
    assert entries.entries == [{"source": "docker.io/library/busybox:1", "destination": image}]
    assert not entries.left_out


def test_each_once_in_their_order() -> None:
    b, a = f"{MIRROR}/quay.io/b/b:1", f"{MIRROR}/quay.io/a/a:1"
    pods = [
        pod(b, a),
        pod(a, kind="initContainers"),
        pod(f"{b}@{D1}", f"{MIRROR}/quay.io/b/b@{D1}"),
    ]
    expected = [f"quay.io/b/b:1 -> {b}", f"quay.io/a/a:1 -> {a}"]
    assert found(pods) == [*expected, f"quay.io/b/b@{D1} -> {MIRROR}/quay.io/b/b@{D1}"]


def test_what_is_pulled_is_what_the_specification_says() -> None:
    """The status calls the image as the container runtime does."""
    one = pod(f"{MIRROR}/docker.io/library/busybox:1")
    status = one["status"]["containerStatuses"][0]
    status["image"] = "docker.io/library/other:1"
    assert found([one]) == [BUSYBOX]
    one = pod("busybox")
    one["status"]["containerStatuses"][0]["image"] = f"{MIRROR}/docker.io/library/busybox:1"
    assert found([one]) == []
    # a container that was taken out of the specification
    one = pod(f"{MIRROR}/docker.io/library/busybox:1")
    one["spec"] = {}
    assert found([one]) == [BUSYBOX]


def test_images_that_are_mounted() -> None:
    one = pod("quay.io/else/where:1")
    one["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    one["spec"]["volumes"] = [
        {"name": "data", "image": {"reference": f"{MIRROR}/docker.io/library/busybox:1"}},
        {"name": "unused", "image": {"reference": f"{MIRROR}/docker.io/library/unused:1"}},
        {"name": "data", "emptyDir": {}},
    ]
    assert found([one]) == [BUSYBOX]


def test_containers_that_do_something_else() -> None:
    image = f"{MIRROR}/docker.io/library/busybox:1"
    for state in (
        {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        {"terminated": {"reason": "ErrImagePull", "exitCode": 1}},
        {"waiting": {"reason": "ContainerCreating"}},
        {"waiting": {"reason": "ErrImageNeverPull"}},
        {"waiting": {}},
        {},
    ):
        one = pod(image)
        one["status"]["containerStatuses"][0]["state"] = state
        assert found([one]) == []
    one = pod(image)
    del one["status"]
    assert found([one]) == []
    assert found([{**pod(image), "kind": "Job"}]) == []


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "docker.io/library/busybox:1",
        "mirror/docker.io/library/busybox:1",
        "registry.example.com/docker.io/library/busybox:1",
        "registry.example.com/mirror",
        "registry.example.com/mirror:1",
        "registry.example.com/mirrors/docker.io/library/busybox:1",
        "registry.example.com/mirror-of/docker.io/library/busybox:1",
        "registry.example.com.evil/mirror/docker.io/library/busybox:1",
        "registry.example.com:443/mirror/docker.io/library/busybox:1",
        "registry.example.com@evil/mirror/docker.io/library/busybox:1",
        "evil.example.com/registry.example.com/mirror/docker.io/library/busybox:1",
        f"{MIRROR}/../docker.io/library/busybox:1",
        f"{MIRROR}/./docker.io/library/busybox:1",
        f"{MIRROR}//docker.io/library/busybox:1",
        f"{MIRROR}/docker.io/library/busy%2fbox:1",
        f"{MIRROR}/docker.io/library/busybox:1\n",
        f"{MIRROR}/docker.io/library/busybox:1 {MIRROR}/docker.io/library/other:1",
        f"https://{MIRROR}/docker.io/library/busybox:1",
        f"oci:/srv/{MIRROR}/docker.io/library/busybox:1",
        f"{MIRROR}/docker.io/library/busybox@sha256:short",
        f"{MIRROR}/docker.io/library/{{{{ lookup('env', 'HOME') }}}}:1",
        f"{MIRROR}/docker.io/{'a/' * 600}b:1",
        "",
    ],
)
def test_what_is_not_under_the_mirror(image: str) -> None:
    result = missing_images(
        [pod(image, kind=k) for k in ("containers", "initContainers")], MIRROR, FULL
    )
    if image.endswith("\n"):  # space around a reference is none of it
        assert [entry["destination"] for entry in result.entries] == [image.strip()]
    else:
        assert result == ([], {})


@pytest.mark.parametrize(
    "one",
    [
        {"spec": None, "status": None},
        {"spec": [], "status": {"containerStatuses": {}}},
        {"spec": "x", "status": {"containerStatuses": [None, 1, "x", [], {}]}},
        {"spec": {"containers": 7}, "status": {"containerStatuses": [{"name": {}, "state": []}]}},
        {"spec": {}, "status": {"containerStatuses": [{"state": {"waiting": {"reason": []}}}]}},
        pod(None),
        pod(1.2),
        pod({"a": "b"}),
        pod([MIRROR]),
        pod(f"{MIRROR}/quay.io/a:1", reason={"ErrImagePull": 1}),
        pod("x" * 1_000_000),
        {**pod("x"), "spec": {"containers": [{"name": "c0", "image": 1, "volumeMounts": 1}]}},
    ],
)
def test_odd_pods_stop_no_other(one: Any) -> None:
    good = pod(f"{MIRROR}/docker.io/library/busybox:1")
    assert found({"items": [one, good]}) == [BUSYBOX]


@pytest.mark.parametrize(
    "pods", [None, "kubectl get pods", 7, ["a"], {"failed": True}, [[[[[[[[{}]]]]]]]], {1: 2}]
)
def test_what_is_no_pods(pods: Any) -> None:
    with pytest.raises(InvalidInput, match="pods"):
        found(pods)


def test_very_many_pods() -> None:
    began = time.monotonic()
    pods = [pod(f"{MIRROR}/quay.io/{'a-' * 100}b/c{number % 1000}:1") for number in range(5000)]
    assert len(found(pods)) == 1000
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("path", "upstreams", "written", "source"),
    [
        ("{repository}", {"": "docker.io"}, "grafana/grafana", "docker.io/grafana/grafana"),
        ("{repository}", {"library": "docker.io"}, "library/a", "docker.io/library/a"),
        ("{repository}", {"/prometheus/": "quay.io"}, "prometheus/a", "quay.io/prometheus/a"),
        (
            "{repository}",
            {"": "docker.io", "a": "quay.io", "a/b": "ghcr.io"},
            "a/b/c",
            "ghcr.io/a/b/c",
        ),
        (
            "{repository}",
            {"": "docker.io", "a": "quay.io", "a/b": "ghcr.io"},
            "a/bc",
            "quay.io/a/bc",
        ),
        ("{repository}", {"a": "localhost:5000"}, "a/b", "localhost:5000/a/b"),
        ("all/{repository}", {"all": "quay.io"}, "all/a/b", "quay.io/a/b"),
        ("{name}", {"": "docker.io/library"}, "busybox", "docker.io/library/busybox"),
        ("{name}", {"prom": "quay.io/team/prometheus"}, "prom", "quay.io/team/prometheus"),
        (FULL, {"quay": "quay.io"}, "quay/a/b", "quay.io/a/b"),
        (FULL, {"quay": "quay.io"}, "ghcr.io/a/b", "ghcr.io/a/b"),
        (FULL, {"quay.io": "cache.example.com/quay"}, "quay.io/a", "cache.example.com/quay/a"),
        # none
        ("{repository}", {"prom": "quay.io"}, "prometheus/a", None),
        (FULL, {"quay": "quay.io"}, "quays/a", None),
        (FULL, {"quay": "quay.io"}, "quay", None),
        (FULL, {}, "quays/a", None),
    ],
)
def test_upstreams(path: str, upstreams: Any, written: str, source: str | None) -> None:
    image = f"{MIRROR}/{written}:1"
    result = missing_images([pod(image)], MIRROR, path, upstreams)
    expected = [{"source": f"{source}:1", "destination": image}] if source else []
    assert result.entries == expected
    assert list(result.left_out) == ([] if source else [image])


def test_a_path_that_tells_nothing_is_an_error_as_soon_as_it_matters() -> None:
    assert found([pod("quay.io/a:1")], "{repository}") == []
    with pytest.raises(InvalidInput, match=r"ambiguous: mirror_path .* upstreams"):
        found([pod(f"{MIRROR}/library/busybox:1")], "{repository}")
    # what one pod wants stops no other
    pods = [pod(f"{MIRROR}/a.b-c.d-e:1"), pod(f"{MIRROR}/quay.io-a:1")]
    result = missing_images(pods, MIRROR, "{registry}-{repository}")
    assert [entry["source"] for entry in result.entries] == ["quay.io/a:1"]
    assert list(result.left_out.values()) == ["ambiguous: it may be a.b-c.d/e or a.b/c.d-e"]


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [
        (["quay.io"], ["quay.io/a/b", "quay.io/ab/c"]),
        (["quay.io/a"], ["quay.io/a/b"]),
        (["quay.io/a/b", "index.docker.io/library/"], ["quay.io/a/b", "docker.io/library/x"]),
        ("localhost:5000", ["localhost:5000/a"]),
        (["127.0.0.1"], ["127.0.0.1/a"]),
        (["registry.example.com/other"], ["registry.example.com/other/a"]),
        (["*"], ["quay.io/a/b", "quay.io/ab/c", "docker.io/library/x"]),
        (
            ["*", "metadata.google.internal"],
            [
                "quay.io/a/b",
                "quay.io/ab/c",
                "docker.io/library/x",
                "metadata.google.internal/a",
            ],
        ),
        ([], []),
    ],
)
def test_only_what_is_allowed(allowed: Any, taken: list[str]) -> None:
    asked = [
        "quay.io/a/b", "quay.io/ab/c", "docker.io/library/x", "localhost:5000/a", "localhost/a",
        "127.0.0.1/a", "127.1/a", "10.0.0.1:5000/a", "0x7f.1/a", "metadata.google.internal/a",
        "kubernetes.default.svc/a", "printer.local/a", "registry.example.com/other/a",
    ]  # fmt: skip
    pods = [pod(f"{MIRROR}/{name.replace(':', '_')}:1") for name in asked]
    result = missing_images(pods, MIRROR, FULL, {}, allowed)
    assert [entry["source"] for entry in result.entries] == [f"{name}:1" for name in taken]
    assert len(result.left_out) == len(asked) - len(taken)
    assert all("isn't allowed" in why for why in result.left_out.values())
    assert len(missing_images(pods, MIRROR, FULL).entries) == len(asked)


def test_what_upstreams_names_is_allowed() -> None:
    pods = [pod(f"{MIRROR}/quay/a:1", f"{MIRROR}/ghcr.io/a:1")]
    result = missing_images(pods, MIRROR, FULL, {"quay": "quay.io"}, [])
    assert [entry["source"] for entry in result.entries] == ["quay.io/a:1"]


def test_the_mirror_is_no_source_of_its_own() -> None:
    image = f"{MIRROR}/{MIRROR}/quay.io/a:1"
    result = missing_images([pod(image)], MIRROR, FULL)
    assert result == ([], {image: f"{MIRROR}/quay.io/a is under the mirror itself"})


@pytest.mark.parametrize(
    ("place", "more", "words"),
    [
        ("oci:/srv/bundle", {}, "must be on a registry"),
        ("mirror", {}, "names no registry"),
        (None, {}, "mirror_destination is missing"),
        (MIRROR, {"upstreams": ["docker.io"]}, "upstreams must be a mapping"),
        (MIRROR, {"upstreams": {"library": "docker"}}, "upstreams library: 'docker' names no"),
        (MIRROR, {"upstreams": {"library": None}}, "upstreams library must be text"),
        (MIRROR, {"upstreams": {"library": "docker.io/UP"}}, "must be lower case"),
        (MIRROR, {"allowed": {"docker.io": 1}}, "allowed must be a list"),
        (MIRROR, {"allowed": ["docker"]}, "allowed: 'docker' names no registry"),
        (MIRROR, {"allowed": 7}, "allowed must be a list"),
        (MIRROR, {"mirror_path": "{repo}"}, "may stand in braces"),
    ],
)
def test_options_that_are_refused(place: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        missing_images([], **{"mirror_destination": place, "mirror_path": FULL, **more})
