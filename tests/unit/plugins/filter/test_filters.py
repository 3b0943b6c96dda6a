# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import inspect
from typing import Any

import pytest
from ansible.utils.display import Display

pytest.importorskip("ansible", reason="filters run on the controller, inside Ansible")

from ansible.errors import AnsibleFilterError

from ansible_collections.imagesync.registry.plugins.filter import (
    image_refs,
    missing_images,
    parse_reference,
    pin_images,
)

yaml = pytest.importorskip("yaml", reason="the documentation is YAML, which needs PyYAML")

DOORS = {
    "pin_images": pin_images,
    "image_refs": image_refs,
    "parse_reference": parse_reference,
    "missing_images": missing_images,
}
DIGEST = "sha256:" + "1" * 64


def call(name: str, *args: Any, **options: Any) -> Any:
    """What the filter of this name gives."""
    module: Any = DOORS[name]
    return module.FilterModule().filters()[name](*args, **options)


@pytest.mark.parametrize("name", DOORS)
def test_the_documentation_has_the_parameters(name: str) -> None:
    module: Any = DOORS[name]
    document = yaml.safe_load(module.DOCUMENTATION)
    parameters = inspect.signature(getattr(module, name)).parameters
    assert document["name"] == name
    positional = document["positional"].split(", ")
    assert positional == list(document["options"])
    assert positional[1:] == list(parameters)[1:]
    given = {key: option.get("default") for key, option in document["options"].items()}
    for key, parameter in list(parameters.items())[1:]:
        default = None if parameter.default is inspect.Parameter.empty else parameter.default
        assert given[key] == (list(default) if isinstance(default, tuple) else default)


def parts(registry: str, repository: str, tag: str | None, digest: str | None) -> dict[str, Any]:
    return {
        "transport": "docker",
        "registry": registry,
        "repository": repository,
        "tag": tag,
        "digest": digest,
        "name": f"{registry}/{repository}",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("busybox", parts("docker.io", "library/busybox", "latest", None)),
        ("grafana/grafana:11.2.0", parts("docker.io", "grafana/grafana", "11.2.0", None)),
        ("docker://registry.hub.docker.com/a/b:1", parts("docker.io", "a/b", "1", None)),
        ("localhost:5000/a/b/c:1", parts("localhost:5000", "a/b/c", "1", None)),
        (f"quay.io/a/b@{DIGEST}", parts("quay.io", "a/b", None, DIGEST)),
        (f"quay.io/a/b:1@{DIGEST}", parts("quay.io", "a/b", "1", DIGEST)),
    ],
)
def test_parts(text: str, expected: dict[str, Any]) -> None:
    assert call("parse_reference", text) == expected


@pytest.mark.parametrize(
    ("text", "transport", "path", "tag", "digest"),
    [
        ("oci:/srv/bundle", "oci", "/srv/bundle", None, None),
        ("oci:/srv/bundle/:nginx:1", "oci", "/srv/bundle", "nginx:1", None),
        (f"oci:~/b@{DIGEST}", "oci", "~/b", None, DIGEST),
        (f"oci:/b:a/b:1@{DIGEST}", "oci", "/b", "a/b:1", DIGEST),
        ("oci-archive:/my files/b.tar:1", "oci-archive", "/my files/b.tar", "1", None),
        ("docker-archive:/b.tar:a/b:1", "docker-archive", "/b.tar", "a/b:1", None),
    ],
)
def test_parts_on_disk(
    text: str, transport: str, path: str, tag: str | None, digest: str | None
) -> None:
    expected = parts("", path, tag, digest)
    expected.update(transport=transport, registry=None, name=f"{transport}:{path}")
    assert call("parse_reference", text) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "oci:relative",
        "oci:/b:",
        "oci:/b:a b",
        "Nginx",
        "quay.io",
        "nginx:",
        "dir:/srv/x",
        None,
        7,
        ["a"],
    ],
)
def test_no_reference(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"image reference"):
        call("parse_reference", wrong)


def test_errors_are_those_of_filters() -> None:
    with pytest.raises(AnsibleFilterError, match="from_yaml_all"):
        call("image_refs", "image: nginx")
    with pytest.raises(AnsibleFilterError, match=r"image: docker.io/library/nginx:1 is not in ids"):
        call("pin_images", {"image": "nginx:1"}, {}, missing="error")


def test_they_pass_on_what_they_are_given() -> None:
    data, ids = {"own": "nginx:1"}, {"nginx:1": f"r.example.com/nginx@{DIGEST}"}
    assert call("pin_images", data, ids) == data
    assert call("pin_images", data, ids, keys=["own"]) == {"own": ids["nginx:1"]}
    assert call("pin_images", data, ids, "error", ["own"]) == {"own": ids["nginx:1"]}
    assert call("image_refs", data, ["own"]) == ["docker.io/library/nginx:1"]


def waiting(*images: str) -> dict[str, Any]:
    """A pod whose containers can't pull these."""
    state = {"waiting": {"reason": "ErrImagePull"}}
    return {
        "spec": {"containers": [{"name": i, "image": i} for i in images]},
        "status": {"containerStatuses": [{"name": i, "state": state} for i in images]},
    }


def test_missing_images_tells_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text: said.append(text))
    evil = [f"r.example.com/m/evil.example.com/x{number}:1" for number in range(7)]
    pod = waiting("r.example.com/m/quay.io/a/b:1", "quay.io/a/b:1", *evil)
    place = ("r.example.com/m", "{registry}/{repository}")
    assert call("missing_images", [pod], *place, {}, ["quay.io"]) == [
        {"source": "quay.io/a/b:1", "destination": "r.example.com/m/quay.io/a/b:1"}
    ]
    assert said[0] == (
        f"{evil[0]} can't be pulled, and isn't mirrored: evil.example.com/x0 isn't allowed"
    )
    assert said[5:] == ["2 more images aren't mirrored either"]
    said.clear()
    assert len(call("missing_images", [pod], *place)) == 8 and not said
    with pytest.raises(AnsibleFilterError, match="missing_images: ambiguous: mirror_path"):
        call("missing_images", [pod], "r.example.com/m")
    with pytest.raises(AnsibleFilterError, match="pods are wanted"):
        call("missing_images", None, *place)
