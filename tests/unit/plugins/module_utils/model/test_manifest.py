# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.config import (
    SIZE_LIMIT,
    ImageConfig,
    has_config,
    parse_config,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidContent
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MEDIA_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import Platform
from ansible_collections.imagesync.registry.plugins.module_utils.model.subset import subset
from ansible_collections.imagesync.registry.tests.unit.support import A, B, descriptor

CONFIG = descriptor(b"config", mediaType="application/vnd.oci.image.config.v1+json")
LAYER = descriptor(b"layer")
CHILD = descriptor(
    b"child", mediaType=OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"}
)
IMAGE: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [CHILD]}


def read(document: Any, media_type: str = "") -> Manifest:
    return Manifest(json.dumps(document).encode(), media_type)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_each_type(media_type: str) -> None:
    is_index = media_type in (OCI_INDEX, DOCKER_LIST)
    document = {**(INDEX if is_index else IMAGE), "mediaType": media_type}
    found = read(document, media_type)
    assert found.media_type == media_type
    assert found.is_index is is_index
    assert [d.digest for d in found.children] == ([CHILD["digest"]] if is_index else [])
    assert [d.digest for d in found.blobs] == (
        [] if is_index else [CONFIG["digest"], LAYER["digest"]]
    )
    assert (found.config is None) is is_index


@pytest.mark.parametrize(
    ("document", "header", "media_type"),
    [
        (IMAGE, "", OCI_MANIFEST),
        (IMAGE, "application/json", OCI_MANIFEST),
        (IMAGE, "text/plain; charset=utf-8", OCI_MANIFEST),
        (IMAGE, "application/octet-stream", OCI_MANIFEST),
        (INDEX, "", OCI_INDEX),
        (IMAGE, OCI_MANIFEST, OCI_MANIFEST),
        (IMAGE, f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST),
        (IMAGE, OCI_MANIFEST.upper(), OCI_MANIFEST),
        (IMAGE, DOCKER_MANIFEST, DOCKER_MANIFEST),
        (INDEX, DOCKER_LIST, DOCKER_LIST),
        ({**IMAGE, "mediaType": DOCKER_MANIFEST}, "", DOCKER_MANIFEST),
        ({**IMAGE, "mediaType": DOCKER_MANIFEST}, "application/json", DOCKER_MANIFEST),
    ],
)
def test_the_type_of_header_and_body(document: Any, header: str, media_type: str) -> None:
    assert read(document, header).media_type == media_type


REFUSED = [
    ({**IMAGE, "mediaType": DOCKER_MANIFEST}, OCI_MANIFEST, "the registry calls the manifest"),
    ({**INDEX, "mediaType": OCI_INDEX}, OCI_MANIFEST, "the registry calls the manifest"),
    ({**IMAGE, "mediaType": OCI_INDEX}, "", "doesn't fit its type"),
    ({**INDEX, "mediaType": OCI_MANIFEST}, "", "doesn't fit its type"),
    (IMAGE, OCI_INDEX, "doesn't fit its type"),
    (INDEX, DOCKER_MANIFEST, "doesn't fit its type"),
    ({**IMAGE, "manifests": []}, OCI_MANIFEST, "both layers and manifests"),
    ({**INDEX, "layers": None}, OCI_INDEX, "both layers and manifests"),
    ({**IMAGE, "mediaType": 2}, "", "mediaType is not text"),
    ({**IMAGE, "mediaType": "application/x"}, "", "'application/x' can't be copied"),
    (IMAGE, "text/html", "'text/html' can't be copied"),
    ({"schemaVersion": 2}, "", "'unknown' can't be copied"),
    ({"schemaVersion": 2, "layers": []}, OCI_MANIFEST, "no config"),
    ({**IMAGE, "config": None}, OCI_MANIFEST, "no config"),
    ({**IMAGE, "layers": {}}, "", "layers of the manifest is not a list"),
    ({**INDEX, "manifests": "x"}, "", "manifests of the manifest is not a list"),
    ({**IMAGE, "layers": [LAYER, 5]}, "", r"layers\[1\] is not a descriptor"),
    ({**IMAGE, "layers": [{**LAYER, "size": -1}]}, "", r"layers\[0\] has no valid size"),
    ({**IMAGE, "layers": [{**LAYER, "Digest": A}]}, "", "must be 'digest'"),
    ({**IMAGE, "config": {}}, "", "config has no valid digest"),
    ({**IMAGE, "subject": {}}, "", "subject has no valid digest"),
    ({**IMAGE, "Layers": []}, "", "must be 'layers'"),
    ({**IMAGE, "layer\u017f": []}, "", "must be 'layers'"),
    ({**INDEX, "MANIFESTS": []}, "", "must be 'manifests'"),
    ({**INDEX, "manifests": [CHILD] * 10_001}, "", "more than 10000 manifests"),
]


@pytest.mark.parametrize(("document", "header", "reason"), REFUSED, ids=lambda v: repr(v)[:40])
def test_what_is_refused(document: Any, header: str, reason: str) -> None:
    with pytest.raises(InvalidContent, match=reason):
        read(document, header)


@pytest.mark.parametrize(
    ("document", "header"),
    [
        ({"schemaVersion": 1, "fsLayers": [], "history": []}, ""),
        (
            {"schemaVersion": 1, "fsLayers": []},
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
        ),
        ({}, "application/vnd.docker.distribution.manifest.v1+json"),
    ],
)
def test_schema_1_is_refused_with_advice(document: Any, header: str) -> None:
    with pytest.raises(InvalidContent, match=r"Docker schema 1 manifest.*rebuild the image"):
        read(document, header)


def test_the_bytes_are_kept_and_the_digest_is_theirs() -> None:
    raw = b' {"layers" :[],\n "config": %s}\t' % json.dumps(CONFIG).encode()
    found = Manifest(raw, "")
    assert found.raw == raw
    assert found.digest == digest_of(raw)
    assert Manifest(raw, "", "sha512:").digest == digest_of(raw, "sha512:")
    assert found.descriptor()[:3] == (OCI_MANIFEST, digest_of(raw), len(raw))


def test_annotations_may_have_any_keys() -> None:
    annotations = {"Layers": "x", "MEDIATYPE": "y", "a": "1", "A": "2"}
    assert read({**IMAGE, "annotations": annotations}).annotations == annotations
    assert read({**IMAGE, "annotations": None}).annotations == {}


def test_an_index_keeps_what_is_no_manifest_like_a_layer() -> None:
    other = descriptor(b"other", mediaType="application/vnd.example+json")
    found = read({"manifests": [CHILD, other]})
    assert [d.digest for d in found.children] == [CHILD["digest"]]
    assert [d.digest for d in found.blobs] == [other["digest"]]


def test_platforms_leave_attestations_out() -> None:
    unknown = {**CHILD, "platform": {"os": "unknown", "architecture": "unknown"}}
    arm = {**CHILD, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}
    bare = {key: value for key, value in CHILD.items() if key != "platform"}
    found = read({"manifests": [CHILD, unknown, arm, bare]})
    assert found.platforms() == ["linux/amd64", "linux/arm/v7"]


def test_a_layer_used_twice_is_one_blob() -> None:
    found = read({**IMAGE, "layers": [LAYER, LAYER]})
    assert len(found.blobs) == 3
    assert [b.digest for b in found.unique_blobs()] == [CONFIG["digest"], LAYER["digest"]]


def test_foreign_layers_and_subjects() -> None:
    layer = {
        **LAYER,
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["https://example.com/layer"],
    }
    found = read({**IMAGE, "layers": [layer], "subject": CHILD, "artifactType": "application/x"})
    assert [b.foreign for b in found.blobs] == [False, True]
    assert found.subject is not None
    assert found.subject.digest == CHILD["digest"]
    assert found.artifact_type == found.descriptor().artifact_type == "application/x"


def test_no_layers_is_an_image() -> None:
    assert read({"config": CONFIG}).blobs[0].digest == CONFIG["digest"]
    assert len(read({"config": CONFIG, "layers": None}).blobs) == 1


@given(
    st.dictionaries(
        st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests", "Layers"]),
        st.none()
        | st.integers(0, 3)
        | st.text(max_size=3)
        | st.lists(st.sampled_from([LAYER, CHILD, {"digest": B}, 0]), max_size=2)
        | st.sampled_from([*MEDIA_TYPES, CONFIG]),
    ),
    st.sampled_from(["", "text/html", *MEDIA_TYPES]),
)
def test_whatever_comes_is_a_manifest_or_refused(document: Any, header: str) -> None:
    try:
        found = read(document, header)
    except InvalidContent:
        return
    assert found.media_type in MEDIA_TYPES
    assert not (found.children and found.config)


# configs


def test_what_a_config_says() -> None:
    raw = {
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Labels": {"a": "b", "n": 1}},
    }
    assert parse_config(json.dumps(raw).encode()) == ImageConfig(
        Platform("linux", "arm64", "v8"), "2026-01-02T03:04:05Z", {"a": "b", "n": "1"}
    )


def test_labels_are_texts_that_can_be_written() -> None:
    labels = b'{"a":"\\ud800","b":[[]],"c":{},"d":true,"e":null}'
    raw = b'{"created":"\\udfff","config":{"Labels":%s}}' % labels
    assert parse_config(raw) == ImageConfig(None, "?", {"a": "?", "d": "True", "e": "None"})


def test_annotations_are_texts() -> None:
    assert read({**INDEX, "annotations": {"a": "b", "c": ["d"]}}).annotations == {"a": "b"}


@pytest.mark.parametrize("about", [["x"], {"x": "y"}, 1, None])
def test_a_strange_annotation_belongs_to_no_image(about: Any) -> None:
    children = [
        descriptor(name.encode(), mediaType=OCI_MANIFEST, platform=platform(name))
        for name in ("amd64", "arm64", "s390x")
    ]
    strange = {**children[0], "digest": "sha256:" + "0" * 64, "platform": platform("unknown")}
    strange["annotations"] = {"vnd.docker.reference.digest": about}
    index = read({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*children, strange]})
    wanted = [Platform("linux", "amd64"), Platform("linux", "arm64")]
    taken = subset(index, wanted).manifest
    assert taken and [c.digest for c in taken.children] == [c["digest"] for c in children[:2]]


def platform(architecture: str) -> dict[str, str]:
    return {"os": "linux", "architecture": architecture}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"os":"linux"}',
        b'{"os":["linux"],"architecture":"amd64"}',
        b'{"config":null,"created":5}',
        b'{"config":{"Labels":[]}}',
    ],
    ids=lambda raw: repr(raw)[:20],
)
def test_a_config_that_says_nothing(raw: bytes) -> None:
    assert parse_config(raw) == ImageConfig()


@pytest.mark.parametrize(
    ("config", "has"),
    [
        (CONFIG, True),
        ({**CONFIG, "mediaType": "application/vnd.docker.container.image.v1+json"}, True),
        ({**CONFIG, "mediaType": "application/vnd.oci.empty.v1+json"}, False),
        ({**CONFIG, "size": SIZE_LIMIT}, True),
        ({**CONFIG, "size": SIZE_LIMIT + 1}, False),
    ],
)
def test_which_configs_describe_an_image(config: Any, has: bool) -> None:
    assert has_config(read({**IMAGE, "config": config})) is has
    assert not has_config(read(INDEX))
