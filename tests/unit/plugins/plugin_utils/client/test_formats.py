# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes are told of a mirror, read by the parsers of the formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

import tomllib

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.connections import (
    public_fields,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.formats import planned
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.names import misspelt
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.node import read_node
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.toml import (
    MARK,
    pair,
    quoted,
)

HUB = ["docker.io/library/busybox:1.36"]
BOTH = [*HUB, "quay.io/team/app:1"]
EACH = "{registry}/{repository}"
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def plan(runtime: str, logins: Any = (), **variables: Any) -> dict[str, Any]:
    """For one runtime; names without a prefix are those of the role ``client``."""
    given = {"destination": "r.example.com/m", "images": BOTH, "path": EACH}
    shared = {name: variables.pop(name, value) for name, value in given.items()}
    values = {f"mirror_{name}": value for name, value in shared.items() if value is not None}
    values |= {n if n.startswith("mirror_") else f"client_{n}": v for n, v in variables.items()}
    values["client_runtimes"] = [runtime]
    facts = {"playbook_dir": variables.get("folder", "/nowhere")}
    values.pop("client_folder", None)
    return planned(read_node(values, facts, list(logins)))[
        {"cri-o": "podman"}.get(runtime, runtime)
    ]


def files(found: dict[str, Any]) -> dict[str, str]:
    texts = {one["path"]: one["content"] for one in found["arguments"]["files"]}
    assert all(text.startswith(MARK) for text in texts.values())
    return texts


def registries(**variables: Any) -> dict[str, tuple[list[str], dict[str, Any]]]:
    """For each prefix the mirrors and what else is said of it."""
    found = files(plan("podman", **variables))
    document = tomllib.loads(found.pop("/etc/containers/registries.conf.d/imagesync.conf"))
    assert not found and list(document) == ["registry"]
    return {
        one.pop("prefix"): ([m["location"] for m in one.pop("mirror", [])], one)
        for one in document["registry"]
    }


def hosts(registry: str = "docker.io", **variables: Any) -> dict[str, Any]:
    """What containerd is told of a registry."""
    found = files(plan("containerd", **variables))
    return tomllib.loads(found[f"/etc/containerd/certs.d/{registry}/hosts.toml"])


def mirrors(**variables: Any) -> list[str]:
    found: list[str] = plan("docker", **variables)["arguments"]["docker"]["mirrors"]
    return found


@given(st.text())
def test_any_text_is_what_it_was(text: str) -> None:
    assert tomllib.loads(pair("key", text)) == {"key": text}
    assert tomllib.loads(f"[host.{quoted(text)}]\nx = 1") == {"host": {text: {"x": 1}}}
    assert tomllib.loads(pair("a-list", [text, "b"])) == {"a-list": [text, "b"]}


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(InvalidInput, match="no text in UTF-8"):
        quoted("\ud800")


@pytest.mark.parametrize(
    ("path", "hub", "quay"),
    [
        (EACH, "m/docker.io", "m/quay.io"),
        ("up/{registry}/{repository}", "m/up/docker.io", "m/up/quay.io"),
        ("from-{registry}/{repository}/", "m/from-docker.io", "m/from-quay.io"),
    ],
)
def test_a_path_makes_a_prefix_of_each_registry(path: str, hub: str, quay: str) -> None:
    assert registries(path=path) == {
        "docker.io": ([f"r.example.com/{hub}"], {"location": "docker.io"}),
        "quay.io": ([f"r.example.com/{quay}"], {"location": "quay.io"}),
    }
    url = f"https://r.example.com/v2/{hub}"
    assert hosts(path=path) == {
        "server": "https://registry-1.docker.io",
        "host": {url: {"capabilities": ["pull", "resolve"], "override_path": True}},
    }
    assert hosts("quay.io", path=path)["server"] == "https://quay.io"


def test_one_registry_and_the_default_path() -> None:
    root = "r.example.com:5000"
    given: dict[str, Any] = {"destination": root, "path": None, "images": HUB}
    assert registries(**given)["docker.io"][0] == [root]
    assert hosts(**given)["host"] == {f"https://{root}": {"capabilities": ["pull", "resolve"]}}
    assert mirrors(**given) == [f"https://{root}"]
    assert plan("docker", **given)["warnings"] == plan("containerd", **given)["warnings"] == []


def test_registries_that_share_a_path_are_told_apart_by_repository() -> None:
    """Else quay.io/library/busybox would be the image of docker.io."""
    found = registries(path="{repository}")
    assert {prefix: places for prefix, (places, _more) in found.items()} == {
        "docker.io/library/busybox": ["r.example.com/m/library/busybox"],
        "quay.io/team/app": ["r.example.com/m/team/app"],
    }
    chosen = registries(path="{repository}", upstreams=["docker.io", "quay.io"])
    assert [places for places, _more in chosen.values()] == [["r.example.com/m"]] * 2
    assert "by the same path" in plan("containerd", path="{repository}")["warnings"][0]


@pytest.mark.parametrize("path", ["{name}", "{registry}-{repository}", "{repository}/x", "fixed"])
def test_a_path_that_makes_no_prefix(path: str) -> None:
    single = registries(path=path)
    assert list(single) == ["docker.io/library/busybox", "quay.io/team/app"]
    expected = {
        "{name}": "m/busybox",
        "{registry}-{repository}": "m/docker.io-library/busybox",
        "{repository}/x": "m/library/busybox/x",
        "fixed": "m/fixed",
    }
    assert single["docker.io/library/busybox"][0] == [f"r.example.com/{expected[path]}"]
    for runtime in ("containerd", "docker"):
        with pytest.raises(InvalidInput, match="registries as a whole only"):
            plan(runtime, path=path)
    with pytest.raises(InvalidInput, match="list the images in mirror_images"):
        plan("podman", path=path, images=None, upstreams=["docker.io"])


def test_destinations_of_their_own_win() -> None:
    own = [
        *HUB,
        {"source": "docker.io/team/a:1", "destination": "own/a"},
        {"source": "docker.io/team/a:2", "destination": "other.example.com/a:2"},
        {"source": "quay.io/b", "tags": ["1.x"], "destination": "r.example.com/m/b"},
        {"destination": "r.example.com/m/gone:1", "state": "absent"},
        {"source": "ghcr.io/gone:1", "state": "absent"},
        "oci:/srv/bundle:ghcr.io/x/y:1",
    ]
    found = registries(images=own)
    assert {prefix: places for prefix, (places, _more) in found.items()} == {
        "docker.io": ["r.example.com/m/docker.io"],
        "docker.io/team/a": ["r.example.com/m/own/a", "other.example.com/a"],
        "quay.io": ["r.example.com/m/quay.io"],
        "quay.io/b": ["r.example.com/m/b"],
    }
    warnings = plan("containerd", images=own)["warnings"]
    assert warnings == [
        "containerd doesn't find at the mirror what has a destination of its own: "
        "docker.io/team/a, quay.io/b"
    ]
    seen = registries(images=own, mirror="near.example.com/m")
    assert seen["quay.io/b"][0] == ["near.example.com/m/b"]


def test_only_the_mirror() -> None:
    found = registries(fallback=False, path="{name}")
    assert {prefix: more["blocked"] for prefix, (_places, more) in found.items()} == dict.fromkeys(
        ("docker.io", "docker.io/library/busybox", "quay.io", "quay.io/team/app"), True
    )
    assert found["docker.io"][0] == []
    assert hosts(fallback=False) == {
        "server": "https://r.example.com/v2/m/docker.io",
        "capabilities": ["pull", "resolve"],
        "override_path": True,
    }
    with pytest.raises(InvalidInput, match="Docker always asks"):
        plan("docker", destination="r.example.com", path=None, images=HUB, fallback=False)


def test_connections() -> None:
    """As the variables say, else the logins of registries, else loopback by plain HTTP."""
    local = {"destination": "localhost:5000"}
    assert "http://localhost:5000/v2/docker.io" in hosts(**local)["host"]
    plain = [{"name": "r.example.com", "plain_http": "yes", "password": "unseen"}]
    about = hosts(logins=plain)["host"]["http://r.example.com/v2/m/docker.io"]
    assert about == {"capabilities": ["pull", "resolve"], "override_path": True}
    assert hosts(logins=plain, plain_http=False)["host"].keys() == {
        "https://r.example.com/v2/m/docker.io"
    }
    unchecked = hosts(validate_certs=False)["host"]["https://r.example.com/v2/m/docker.io"]
    assert unchecked["skip_verify"] is True
    for variables in (local, {"logins": plain}, {"validate_certs": False}):
        text = next(iter(files(plan("podman", **variables)).values()))
        assert [one["insecure"] for one in tomllib.loads(text)["registry"][0]["mirror"]] == [True]
    assert registries(images=["localhost:5001/a:1"])["localhost:5001"][1]["insecure"] is True
    with pytest.raises(InvalidInput, match="client_plain_http must be true or false"):
        plan("podman", plain_http="perhaps")


def test_nothing_secret_is_looked_at() -> None:
    seen = []

    def template(value: Any) -> Any:
        seen.append(value)
        return value

    logins = [{"name": "r", "password": "{{ secret }}", "plain_http": True}, "odd"]
    assert public_fields(logins, template) == [{"name": "r", "plain_http": True}]
    assert seen == ["r", True]


def test_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(f"issuer: us\n{PEM}{PEM}", encoding="utf-8")
    given: dict[str, Any] = {"ca_file": "ca.pem", "folder": str(tmp_path), "images": HUB}
    given |= {"destination": "r:5000", "path": None}
    text = f"{MARK}\n{PEM}{PEM}"
    assert files(plan("cri-o", **given))["/etc/containers/certs.d/r:5000/imagesync.crt"] == text
    assert files(plan("docker", **given)) == {"/etc/docker/certs.d/r:5000/imagesync.crt": text}
    path = "/etc/containerd/certs.d/docker.io/imagesync.crt"
    assert files(plan("containerd", **given))[path] == text
    assert hosts(**given)["host"]["https://r:5000"]["ca"] == path
    only = hosts(**given, fallback=False)
    assert only["ca"] == path and only["server"] == "https://r:5000"
    assert "ca" not in hosts(**given, plain_http=True)["host"]["http://r:5000"]
    for name, content, said in (
        ("key.pem", PEM + "-----BEGIN PRIVATE KEY-----", "a private key"),
        ("none.pem", "nothing", "no certificate"),
        ("der", b"\xff\x00", "no text"),
        ("missing", None, "No such file"),
    ):
        if content is not None:
            raw = content if isinstance(content, bytes) else content.encode()
            (tmp_path / name).write_bytes(raw)
        with pytest.raises(InvalidInput, match=said):
            plan("podman", **{**given, "ca_file": name})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "those of docker.io are below r.example.com/m/docker.io"),
        ({"path": "{repository}"}, "those of docker.io are below r.example.com/m"),
        ({"images": ["quay.io/a:1"]}, "from quay.io; take docker out"),
    ],
)
def test_what_docker_cannot_be_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        plan("docker", **given)


def test_what_docker_is_told_with_a_warning() -> None:
    given = {"destination": "r.example.com", "path": "{repository}", "validate_certs": False}
    found = plan("docker", **given)
    assert found["arguments"]["docker"] == {
        "config": "/etc/docker/daemon.json",
        "mirrors": ["https://r.example.com"],
    }
    told = "\n".join(found["warnings"])
    for said in ("by the same path", "images of quay.io are still pulled", "insecure-registries"):
        assert said in told


def test_other_tags_are_told() -> None:
    image = {"source": "docker.io/a/b:1", "destination_tag": "{tag}-ours"}
    other = {"source": "docker.io/a/c:1", "destination": "a/c:stable"}
    for runtime in ("podman", "containerd"):
        told = plan(runtime, images=[image, other, *HUB])["warnings"]
        assert "docker.io/a/b:1, docker.io/a/c:1" in "\n".join(told)


def test_absent_names_what_is_to_go_and_needs_nothing_else() -> None:
    values = {"client_runtimes": "podman, containerd,docker", "client_state": "absent"}
    found = planned(read_node(values, {}, []))
    assert [one["arguments"]["files"] for one in found.values()] == [[], [], []]
    assert found["podman"]["arguments"]["owned"] == [
        "/etc/containers/registries.conf.d/imagesync.conf",
        "/etc/containers/certs.d/*/imagesync.crt",
    ]
    assert found["docker"]["arguments"]["docker"]["mirrors"] == []
    assert "containerd" not in found["containerd"]["arguments"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"destination": None}, "mirror_destination isn't set"),
        ({"destination": "oci:/srv/bundle"}, "is on a disk"),
        ({"mirror": "nowhere"}, "client_mirror 'nowhere' names no registry"),
        ({"images": None, "path": "{name}"}, "the place of an image doesn't follow"),
        ({"images": [{"sorce": "a"}]}, "mirror_images"),
        ({"images": ["r.example.com/a:1"]}, "nothing is mirrored from another registry"),
        ({"upstreams": ["docker.io/library"]}, "is no registry"),
        ({"state": "gone"}, "client_state must be one of"),
        ({"registries_conf_dir": "conf.d"}, "must be an absolute path"),
        ({"fallback": "perhaps"}, "client_fallback must be true or false"),
    ],
)
def test_what_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        plan("podman", **given)


@pytest.mark.parametrize("runtime", ["podman", "containerd"])
def test_without_images_it_is_docker_s_registry(runtime: str) -> None:
    found = plan(runtime, images=None)
    assert files(found) == files(plan(runtime, images=HUB))
    assert "so it is told of docker.io alone" in found["warnings"][0]
    assert plan(runtime, images=None, upstreams=["docker.io"])["warnings"] == []


def test_runtimes_are_checked() -> None:
    with pytest.raises(InvalidInput, match="client_runtimes isn't set"):
        read_node({}, {}, [])
    with pytest.raises(InvalidInput, match=r"'containered' is none of .*did you mean containerd"):
        read_node({"client_runtimes": ["containered"]}, {}, [])


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan("rkt", fallback=3.5, ca_file="/nowhere/ca.pem")
    assert len(str(caught.value).splitlines()) == 3


def test_misspelt_variables() -> None:
    names = ["client_runtime", "client_fallbacks", "client__podman", "client_cert", "other"]
    assert [line.split()[2] for line in misspelt(names)] == ["client_fallbacks", "client_runtime"]


def test_images_with_files_of_their_own_are_found(tmp_path: Path) -> None:
    """As those of lists: what differs between nodes and the mirror would be pulled from nowhere."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "app.yml").write_text("{source: 'quay.io/team/app:1', destination: own/app}", "utf-8")
    (folder / "lib.yml").write_text("docker.io/library/busybox:1.36", "utf-8")
    options = {"folder": str(tmp_path), "mirror_images_dir": "images", "path": "{name}"}
    assert {
        name: mirrors for name, (mirrors, _more) in registries(images=None, **options).items()
    } == {
        "docker.io/library/busybox": ["r.example.com/m/busybox"],
        "quay.io/team/app": ["r.example.com/m/own/app"],
    }
    found = registries(**{**options, "path": EACH}, images=["ghcr.io/x/y:1"])
    assert set(found) == {"docker.io", "ghcr.io", "quay.io", "quay.io/team/app"}
    with pytest.raises(InvalidInput, match=r"mirror_images_dir .*nowhere: No such file"):
        plan("podman", **{**options, "mirror_images_dir": "nowhere"})
