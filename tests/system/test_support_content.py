# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kit: built content is what it says, and registries and skopeo take it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from tests.support import artifacts, content, images, push, skopeo
from tests.support.content import Image
from tests.support.layers import zstd_frame
from tests.support.registries import DockerRegistry

ORDINARY: dict[str, Callable[[], Image]] = {
    "oci": lambda: images.image(layers=3, platform="linux/arm/v7", labels={"a": "b"}),
    "docker": lambda: images.image(docker=True),
    "index": lambda: images.multi_platform(shared_layer=True),
    "list": lambda: images.multi_platform(docker=True, shared_layer=True),
    "zstd": images.zstd_image,
    "inline": images.inline_image,
    "no layers": images.image_without_layers,
    "empty layer": images.image_with_empty_layer,
    "artifact": artifacts.artifact,
    "subject": lambda: artifacts.artifact(subject=images.image()),
    "attested": artifacts.attested_index,
}
# What skopeo 1.9.3 refuses; push.verify_whole reads these.
UNUSUAL: dict[str, Callable[[], Image]] = {
    "nested": images.nested_index,
    "referrers": lambda: artifacts.referrers_index([artifacts.artifact(subject=images.image())]),
}


@pytest.mark.parametrize("name", [*ORDINARY, *UNUSUAL])
def test_content_is_the_same_every_time_and_whole(
    name: str, source_registry: DockerRegistry, repo: str
) -> None:
    build = {**ORDINARY, **UNUSUAL}[name]
    built = build()
    assert built == build()
    ref = f"{source_registry.host}/{repo}:1"
    push.push(built, ref)
    found = push.verify_whole(ref)
    assert set(found) == {i.digest for i in built.walk()} | {b.digest for b in built.all_blobs}
    if name in ORDINARY:
        assert skopeo.verify_whole(ref) == built.digest


def test_the_config_describes_the_image() -> None:
    built = images.image(platform="linux/arm/v7", labels={"a": "b"}, annotations={"c": "d"})
    config = json.loads(built.blobs[0].data)
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v7")
    assert config["config"]["Labels"] == {"seed": "image", "a": "b"}
    assert config["created"] == images.CREATED
    assert built.document["annotations"] == {"c": "d"}


def test_seeds_and_sizes_matter() -> None:
    digests = {images.image(seed, size=size).digest for seed in "ab" for size in (10, 20)}
    assert len(digests) == 4
    assert images.image(size=100_000).size > 100_000


def test_children_carry_their_platforms_and_annotations() -> None:
    built = artifacts.attested_index()
    first, _second, third, _fourth = built.document["manifests"]
    assert first["platform"] == {"os": "linux", "architecture": "amd64"}
    assert third["platform"] == {"os": "unknown", "architecture": "unknown"}
    assert third["annotations"]["vnd.docker.reference.digest"] == first["digest"]
    shared = images.multi_platform(shared_layer=True)
    assert len(shared.all_blobs) == 5


def test_what_is_named_twice_is_walked_once() -> None:
    child = images.image()
    twice = images.index([child, child])
    assert [found.digest for found in twice.walk()] == [child.digest, twice.digest]


@pytest.mark.parametrize("docker", [True, False])
def test_foreign_layers_are_not_pushed(docker: bool) -> None:
    built = images.foreign_image(docker=docker)
    foreign = built.document["layers"][0]
    assert foreign["urls"] == ["https://example.com/layer.tar.gz"]
    assert foreign["digest"] not in {blob.digest for blob in built.all_blobs}


def test_inline_data_is_the_blob() -> None:
    config = images.inline_image().document["config"]
    assert content.sha256(base64.b64decode(config["data"])) == config["digest"]


def test_schema_1_is_signed_json() -> None:
    built = artifacts.schema1("a/b", "7")
    document = built.document
    assert (document["schemaVersion"], document["name"], document["tag"]) == (1, "a/b", "7")
    protected = json.loads(base64.urlsafe_b64decode(document["signatures"][0]["protected"] + "=="))
    payload = built.manifest[: protected["formatLength"]] + b"\n}"
    assert "signatures" not in json.loads(payload)


def test_zstd_frame_has_its_parts() -> None:
    frame = zstd_frame(b"x" * 200_000)
    assert frame[:4] == b"\x28\xb5\x2f\xfd"
    assert len(frame) == 4 + 1 + 8 + 3 + 131072 + 3 + (200_000 - 131072)


def test_an_empty_reference_is_no_tag() -> None:
    assert push.split("h:5/a/b:1") == ("h:5", "a/b", "1")
    assert push.split("h:5/a/b@sha256:00") == ("h:5", "a/b", "sha256:00")
    assert push.split("h:5/a") == ("h:5", "a", None)
