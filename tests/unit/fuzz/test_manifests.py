# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests, indexes and configs, and what is made of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model import cosign, referrers
from ansible_collections.imagesync.registry.plugins.module_utils.model.config import (
    ImageConfig,
    parse_config,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import (
    Descriptor,
    parse_descriptor,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import (
    digest_of,
    is_digest,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.index import (
    make_index,
    part_of,
    parts_of,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    DOCKER_MANIFEST,
    MEDIA_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import Platform
from ansible_collections.imagesync.registry.plugins.module_utils.model.strict_json import (
    parse_object,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.subset import subset
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    documents,
    fuzz,
    headers,
    survives,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, B, descriptor

LAYERS = [
    descriptor(b"one", annotations={"dev.cosignproject.cosign/signature": "MEUCIQ=="}),
    descriptor(b"two", urls=["https://example.com/"], data="dHdv"),
]
IMAGE = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "artifactType": "a/b",
    "config": descriptor(b"{}", mediaType="application/vnd.oci.image.config.v1+json"),
    "layers": LAYERS,
    "subject": descriptor(b"subject", mediaType=OCI_MANIFEST),
    "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
}
DOCKER = {**IMAGE, "mediaType": DOCKER_MANIFEST}


def child(content: bytes, architecture: str, **more: Any) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": architecture, **more}
    return descriptor(content, mediaType=OCI_MANIFEST, platform=platform)


ABOUT = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": A}
INDEX = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [
        {**child(b"a", "amd64"), "digest": A},
        {**child(b"b", "arm64", variant="v8"), "digest": B},
        child(b"c", "s390x"),
        {**child(b"d", "unknown"), "annotations": ABOUT},
    ],
    "annotations": {"a": "b"},
}
CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2026-01-01T00:00:00Z",
    "config": {"Labels": {"a": "b", "n": 1}},
    "rootfs": {"type": "layers", "diff_ids": [A, B]},
    "history": [{"created_by": "x"}, {"created_by": "y"}],
}
types = st.one_of(
    st.sampled_from(["", *MEDIA_TYPES]), headers([*MEDIA_TYPES, "application/json; charset=utf-8"])
)


@fuzz(documents(IMAGE, INDEX, CONFIG))
def test_objects(raw: bytes) -> None:
    found = survives(parse_object, raw, "it")
    if found is not None:
        again = json.dumps(found, ensure_ascii=False).encode()
        assert parse_object(again, "it") == found == json.loads(raw)


@fuzz(documents(IMAGE, DOCKER, INDEX), types)
def test_manifests(raw: bytes, media_type: str) -> None:
    found = survives(Manifest, raw, media_type)
    if found is None:
        return
    assert (found.raw, found.digest) == (raw, digest_of(raw))
    assert found.media_type in MEDIA_TYPES
    for one in (*found.blobs, *found.children, *filter(None, [found.config, found.subject])):
        assert is_digest(one.digest) and 0 <= one.size <= 2**53
        assert one.data is None or digest_of(one.data, one.digest) == one.digest
    " ".join(found.platforms()).encode()
    again = Manifest(raw, found.media_type)
    assert (again.blobs, again.children) == (found.blobs, found.children)


@fuzz(documents(*LAYERS))
def test_descriptors(raw: bytes) -> None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return
    found = survives(parse_descriptor, value, "it")
    assert found is None or isinstance(found, Descriptor)


@fuzz(documents(INDEX), st.lists(st.sampled_from(["amd64", "arm64", "s390x", "riscv64"])))
def test_subsets(raw: bytes, wanted: list[str]) -> None:
    index = survives(Manifest, raw, OCI_INDEX)
    if index is None or not index.is_index:
        return
    found = survives(subset, index, [Platform("linux", name) for name in wanted])
    if found is None:
        return
    if found.child:
        assert found.child in index.children
    else:
        assert set(found.manifest.children) <= set(index.children)
        assert set(found.platforms) <= set(found.manifest.platforms())


@fuzz(documents(INDEX), documents(IMAGE, DOCKER))
def test_lists_of_referrers(old: bytes, new: bytes) -> None:
    referrer = survives(Manifest, new, "")
    if referrer is None:
        return
    for there in (None, survives(Manifest, old, OCI_INDEX)):
        found = survives(referrers.merge_lists, there, [referrer])
        if found is not None:
            assert referrer.digest in {entry.digest for entry in found.children}
            assert survives(referrers.merge_lists, found, [referrer]) is None


@fuzz(documents(IMAGE), documents(IMAGE, DOCKER), documents(CONFIG), documents(CONFIG))
def test_cosigns_manifests(old: bytes, new: bytes, here: bytes, there: bytes) -> None:
    ours, theirs = survives(Manifest, old, ""), survives(Manifest, new, "")
    if ours is None or theirs is None:
        return
    union = survives(cosign.merged, ours, theirs, True)
    if union is None:
        return
    assert {b.digest for b in ours.blobs[1:]} <= {b.digest for b in union.blobs}
    if union is not theirs:
        full = survives(cosign.with_config, union, (ours, here), (theirs, there))
        assert full is not None and full.blobs[1:] == union.blobs[1:]


@fuzz(documents(CONFIG))
def test_configs(raw: bytes) -> None:
    found = parse_config(raw)
    assert isinstance(found, ImageConfig)
    shown = [found.created, str(found.platform), *found.labels, *found.labels.values()]
    "".join(shown).encode()


@fuzz(documents(INDEX), documents(CONFIG))
def test_indexes_of_what_is_there(raw: bytes, config: bytes) -> None:
    index = survives(Manifest, raw, OCI_INDEX)
    image = survives(
        part_of, Manifest(json.dumps(IMAGE).encode(), ""), survives(parse_config, config)
    )
    found = survives(parts_of, index) if index is not None and index.is_index else None
    parts = [("index", part) for part, _child, _entry in found or () if part]
    parts += [("image", image)] if image is not None else []
    made = survives(make_index, parts, {}) if parts else None
    if made is not None:
        assert [child.digest for child in made.children] == [part.digest for _label, part in parts]
        assert made.raw == make_index(parts, {}).raw
        assert all(part.platform for _label, part in parts if not part.about)
