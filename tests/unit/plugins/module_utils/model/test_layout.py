# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidContent
from ansible_collections.imagesync.registry.plugins.module_utils.model.layout import (
    REF_NAME,
    LayoutIndex,
    check_marker,
    entry_for,
    full_name,
    parse_index,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import OCI_MANIFEST


def descriptor(number: int) -> Descriptor:
    return Descriptor(OCI_MANIFEST, f"sha256:{number:064x}", 10)


def index(**names: int) -> LayoutIndex:
    return LayoutIndex([entry_for(descriptor(n), name) for name, n in names.items()])


def document(*entries: Any, **more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(entries), **more}).encode()


def test_an_index_is_the_same_in_whatever_order_it_was_made() -> None:
    a, b = index(x=1, y=2), index(y=2, x=1)
    assert a.raw() == b.raw()
    again = parse_index(a.raw(), "index.json")
    assert again.raw() == a.raw() and again.names() == ["x", "y"]


def test_names_are_found_however_they_are_written() -> None:
    containerd = {
        "mediaType": OCI_MANIFEST,
        "digest": f"sha256:{3:064x}",
        "size": 1,
        "annotations": {"io.containerd.image.name": "docker.io/library/c:3", REF_NAME: "3"},
    }
    own = {**containerd, "digest": f"sha256:{4:064x}", "annotations": {REF_NAME: "busybox:1"}}
    found = parse_index(document(containerd, own), "index.json")
    for name in ("docker.io/library/c:3", "c:3", "3"):
        assert found.one(name).descriptor.digest == f"sha256:{3:064x}"  # type: ignore[union-attr]
    assert found.one("docker.io/library/busybox:1") is found.one("busybox:1") is not None
    assert found.one("busybox:2") is None and found.one("c") is None
    assert found.names() == ["docker.io/library/c:3", "busybox:1"]


def test_what_is_known_otherwise_stays_in_the_document() -> None:
    entry = {**entry_for(descriptor(1), "x").document, "org.example.more": [1]}
    raw = document(entry, annotations={"a": "b"}, more={"x": 1})
    found = parse_index(raw, "index.json").with_entry(entry_for(descriptor(2), "y"))
    written = json.loads(found.raw())
    assert written["more"] == {"x": 1} and written["annotations"] == {"a": "b"}
    assert entry in written["manifests"]


def test_changes() -> None:
    found = index(x=1, y=2, z=1)
    assert found.with_entry(entry_for(descriptor(3), "x")).names() == ["y", "z", "x"]
    assert found.without({e.key for e in found.find("x")}).names() == ["y", "z"]
    assert found.without({e.key for e in found.of(descriptor(1).digest)}).names() == ["y"]
    # what has got another name or digest in the meantime is another entry
    assert found.without({(descriptor(1).digest, ("y",))}) is found
    assert found.with_entry(entry_for(descriptor(2), None)) is found
    unnamed = found.with_entry(entry_for(descriptor(9), None))
    assert len(unnamed.entries) == 4 and unnamed.names() == found.names()
    # it has a name from now on
    assert len(unnamed.with_entry(entry_for(descriptor(9), "new")).entries) == 4
    noted = found.with_annotation("a", "b")
    assert noted.annotations == {"a": "b"} and noted.with_annotation("a", None).raw() == found.raw()


def test_two_of_one_name() -> None:
    entries = [dict(entry_for(descriptor(n), "x").document) for n in (1, 2)]
    with pytest.raises(InvalidContent, match="2 images that are called x"):
        parse_index(document(*entries), "index.json").one("x")
    same = [dict(entry_for(descriptor(1), "x").document)] * 2
    assert parse_index(document(*same), "index.json").one("x")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"manifests": {}}',
        b'{"Manifests": []}',
        b'{"manifests": [1]}',
        document({"digest": "sha256:../x", "size": 1}),
        document({"digest": f"sha256:{1:064x}", "size": -1}),
    ],
)
def test_what_is_no_index(raw: bytes) -> None:
    with pytest.raises(InvalidContent, match="the index"):
        parse_index(raw, "the index")


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"imageLayoutVersion": "2.0.0"}', b"x"])
def test_what_is_no_marker(raw: bytes) -> None:
    with pytest.raises(InvalidContent):
        check_marker(raw, "oci-layout")
    check_marker(b'{"imageLayoutVersion": "1.0.0"}', "oci-layout")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("1.36", "1.36"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("a/b", "docker.io/a/b:latest"),
        ("quay.io/a/b:1", "quay.io/a/b:1"),
        ("Not/A:reference", "Not/A:reference"),
        ("oci:/x:1", "oci:/x:1"),
    ],
)
def test_full_names(name: str, full: str) -> None:
    assert full_name(name) == full


@pytest.mark.parametrize("part", [b"{},", b"[],", b"1,"])
def test_what_would_take_gigabytes_in_memory_is_refused(part: bytes) -> None:
    raw = b'{"schemaVersion":2,"manifests":[' + part * 5_000_000 + b"{}]}"
    with pytest.raises(InvalidContent, match="more in it than any real one"):
        parse_index(raw, "index.json")
