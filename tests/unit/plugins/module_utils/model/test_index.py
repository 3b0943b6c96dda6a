# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making indexes: types, platforms, what is refused, and the same bytes every time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.config import parse_config
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
    InvalidContent,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.index import (
    Part,
    make_index,
    part_of,
    parts_of,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
)
from ansible_collections.imagesync.registry.tests.unit.support import descriptor

_ABOUT = "vnd.docker.reference.digest"


def _image(seed: str, media_type: str = OCI_MANIFEST) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(seed.encode()),
        "layers": [],
    }
    return Manifest(json.dumps(document).encode(), media_type)


def _part(seed: str, media_type: str = OCI_MANIFEST, **config: Any) -> Part:
    written = {"os": "linux", "architecture": "amd64", **config}
    written = {key.replace("_", "."): value for key, value in written.items()}
    return part_of(_image(seed, media_type), parse_config(json.dumps(written).encode()))


def _entry(seed: str, platform: Any = None, **more: Any) -> dict[str, Any]:
    manifest = _image(seed)
    found = {
        "mediaType": OCI_MANIFEST,
        "digest": manifest.digest,
        "size": len(manifest.raw),
        **more,
    }
    return found if platform is None else {**found, "platform": platform}


def _index(*entries: dict[str, Any]) -> Manifest:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    return Manifest(json.dumps(document).encode(), OCI_INDEX)


def test_the_bytes_of_an_index() -> None:
    arm = _part("arm", architecture="arm64", variant="v8")
    windows = _part("windows", os="windows", os_version="10.0.1", os_features=["win32k"])
    index = make_index([("a", arm), ("w", windows)], {"z": "1", "a": "2"})
    assert json.loads(index.raw) == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            _entry("arm", {"architecture": "arm64", "os": "linux", "variant": "v8"}),
            _entry(
                "windows",
                {
                    "architecture": "amd64",
                    "os": "windows",
                    "os.version": "10.0.1",
                    "os.features": ["win32k"],
                },
            ),
        ],
        "annotations": {"a": "2", "z": "1"},
    }
    assert windows.platform == "windows/amd64/10.0.1"
    again = make_index([("b", arm), ("c", windows)], {"a": "2", "z": "1"})
    assert again.raw == index.raw and again.digest == index.digest
    assert make_index([("w", windows), ("a", arm)], {}).digest != index.digest


@pytest.mark.parametrize(
    ("types", "annotations", "expected"),
    [
        ([DOCKER_MANIFEST, DOCKER_MANIFEST], {}, DOCKER_LIST),
        ([DOCKER_MANIFEST, DOCKER_MANIFEST], {"a": "b"}, OCI_INDEX),
        ([DOCKER_MANIFEST, OCI_MANIFEST], {}, OCI_INDEX),
        ([OCI_MANIFEST, OCI_MANIFEST], {}, OCI_INDEX),
    ],
)
def test_types(types: list[str], annotations: dict[str, str], expected: str) -> None:
    parts = [
        (kind, _part(f"{n}", kind, architecture=("amd64", "arm64")[n]))
        for n, kind in enumerate(types)
    ]
    index = make_index(parts, annotations)
    assert index.media_type == json.loads(index.raw)["mediaType"] == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"variant": "v1"}, {}),
        ({"architecture": "arm64"}, {"architecture": "arm64", "variant": "v8"}),
        ({"os": "windows", "os_version": "1"}, {"os": "windows", "os_version": "1"}),
        ({"os_features": ["a", "b"]}, {"os_features": ["b", "a"]}),
    ],
)
def test_two_of_one_platform(one: dict[str, Any], other: dict[str, Any]) -> None:
    parts = [("reg/a:1", _part("1", **one)), ("reg/a:2", _part("2", **other))]
    with pytest.raises(InvalidInput, match=r"reg/a:1 \(sha256:.* and reg/a:2 \(sha256:"):
        make_index(parts, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"architecture": "arm64"}),
        ({"variant": "v2"}, {}),
        ({"os": "windows", "os_version": "1"}, {"os": "windows", "os_version": "2"}),
        ({"os_features": ["a"]}, {}),
    ],
)
def test_different_platforms(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert len(make_index([("1", _part("1", **one)), ("2", _part("2", **other))], {}).children) == 2


def test_the_same_image_twice() -> None:
    part, again = _part("same"), _part("same")
    with pytest.raises(InvalidInput, match="two manifests are for linux/amd64"):
        make_index([("a", part), ("b", again)], {})


@pytest.mark.parametrize("config", [b"{}", b"no json", b'{"os": "linux"}', b'{"os": 1}'])
def test_a_config_without_a_platform(config: bytes) -> None:
    with pytest.raises(InvalidContent, match="names no platform"):
        part_of(_image("x"), parse_config(config))


def test_the_images_of_an_index() -> None:
    amd = _entry("amd", {"os": "linux", "architecture": "amd64"}, annotations={"kept": "yes"})
    bare = _entry("bare")
    unknown = {"os": "unknown", "architecture": "unknown"}
    proof = _entry("proof", unknown, annotations={_ABOUT: amd["digest"]})
    found = parts_of(_index(amd, bare, proof))
    assert [part for part, _child, _whole in found] == [
        Part(amd),
        None,
        Part(proof, amd["digest"]),
    ]
    assert [entry for _part, _child, entry in found] == [amd, bare, proof]
    # an attestation is no platform of its own
    index = make_index([("x", part) for part, *_rest in found if part], {})
    assert index.platforms() == ["linux/amd64"] and len(index.children) == 2


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (_entry("x", mediaType=OCI_INDEX), "index of indexes"),
        (_entry("x", mediaType="application/json"), "something else than images"),
        (_entry("x", {"os": "unknown", "architecture": "unknown"}), "for no platform"),
        (
            _entry(
                "x",
                {"os": "unknown", "architecture": "unknown"},
                annotations={_ABOUT: "sha256:" + "0" * 64},
            ),
            "about none of its images",
        ),
    ],
)
def test_indexes_that_are_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ImageSyncError, match=words):
        parts_of(_index(_entry("amd", {"os": "linux", "architecture": "amd64"}), entry))


@pytest.mark.parametrize(
    "more", [{"os.version": [1]}, {"os.features": {"a": 1}}, {"os.features": [None]}, {"x": "y"}]
)
def test_odd_platforms_of_others(more: dict[str, Any]) -> None:
    entry = _entry("odd", {"os": "linux", "architecture": "amd64", **more})
    ((part, _child, _entry_of_it),) = parts_of(_index(entry))
    assert part is not None and part.platform.startswith("linux/amd64")
    assert json.loads(make_index([("odd", part)], {}).raw)["manifests"] == [entry]


def test_an_index_has_a_size() -> None:
    entry = _entry(
        "big", {"os": "linux", "architecture": "amd64"}, annotations={"a": "x" * (5 << 20)}
    )
    with pytest.raises(InvalidInput, match="4 MiB"):
        make_index([("big", Part(entry))], {})
