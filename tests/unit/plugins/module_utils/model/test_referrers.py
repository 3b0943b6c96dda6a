# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    InvalidContent,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    DOCKER_LIST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.referrers import (
    check_list,
    entry_of,
    merge_lists,
)
from ansible_collections.imagesync.registry.tests.unit.support import descriptor

CONFIG = descriptor(b"{}", mediaType="application/vnd.oci.empty.v1+json")


def manifest(media_type: str = OCI_MANIFEST, **fields: Any) -> Manifest:
    parts: Any = {"config": CONFIG, "layers": []}
    if media_type != OCI_MANIFEST:
        parts = {"manifests": []}
    document = {"schemaVersion": 2, "mediaType": media_type, **parts, **fields}
    return Manifest(json.dumps(document).encode(), media_type)


def numbered(number: int) -> Manifest:
    return manifest(annotations={"number": str(number)})


def listing(*referrers: Manifest, **fields: Any) -> Manifest:
    return manifest(OCI_INDEX, manifests=[entry_of(r) for r in referrers], **fields)


def listed(index: Manifest | None) -> list[str]:
    assert index is not None
    return [child.digest for child in index.children]


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"artifactType": "a/b"}, {"artifactType": "a/b"}),
        # an image without a type of its own has that of its config
        ({}, {"artifactType": CONFIG["mediaType"]}),
        ({"artifactType": ""}, {"artifactType": CONFIG["mediaType"]}),
        ({"artifactType": "a/b", "annotations": {}}, {"artifactType": "a/b"}),
        (
            {"artifactType": "a/b", "annotations": {"k": "v"}},
            {"artifactType": "a/b", "annotations": {"k": "v"}},
        ),
    ],
)
def test_entries(fields: dict[str, Any], more: dict[str, Any]) -> None:
    found = manifest(**fields)
    common = {"mediaType": OCI_MANIFEST, "digest": found.digest, "size": len(found.raw)}
    assert entry_of(found) == {**common, **more}


def test_the_entry_of_an_index_has_no_type_of_a_config() -> None:
    assert "artifactType" not in entry_of(manifest(OCI_INDEX))
    assert entry_of(manifest(OCI_INDEX, artifactType="a/b"))["artifactType"] == "a/b"


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_LIST])
def test_what_is_no_image_index_is_no_list(media_type: str) -> None:
    other = manifest(media_type)
    with pytest.raises(InvalidContent, match=r"list of referrers .* but is "):
        check_list(other)
    with pytest.raises(InvalidContent, match="list of referrers"):
        merge_lists(other, [numbered(1)])


def test_a_new_list() -> None:
    first = numbered(1)
    found = merge_lists(None, [first])
    assert found is not None
    assert json.loads(found.raw) == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [entry_of(first)],
    }
    assert merge_lists(None, []) is None


def test_nothing_of_an_old_list_is_changed() -> None:
    odd = {**entry_of(numbered(1)), "artifactType": "other", "x-unknown": [1, {"a": None}]}
    document = {"manifests": [odd], "annotations": {"a": "b"}, "schemaVersion": 2, "x": 1}
    old = Manifest(json.dumps(document).encode(), OCI_INDEX)
    assert merge_lists(old, [numbered(1)]) is None
    found = merge_lists(old, [numbered(1), numbered(2)])
    assert found is not None
    new = json.loads(found.raw)
    assert new["manifests"][0] == odd and len(new["manifests"]) == 2
    assert {**new, "manifests": None} == {**document, "manifests": None}


def test_a_list_without_entries_may_say_null() -> None:
    assert listed(merge_lists(manifest(OCI_INDEX, manifests=None), [numbered(1)]))


NUMBERS = st.lists(st.integers(0, 12), max_size=8)


@given(NUMBERS, NUMBERS, st.randoms())
def test_merging(old: list[int], new: list[int], random: Any) -> None:
    there = listing(*(numbered(n) for n in dict.fromkeys(old))) if old else None
    added = [numbered(n) for n in new]
    merged = merge_lists(there, added)
    before = listed(there) if there else []
    wanted = {m.digest for m in added} - set(before)
    if not wanted:
        assert merged is None
        return
    # a union, what was there first and as it was; each once
    after = listed(merged)
    assert after[: len(before)] == before
    assert after[len(before) :] == sorted(wanted)
    # the same bytes in whatever order they come
    random.shuffle(added)
    again = merge_lists(there, added)
    assert merged is not None and again is not None and again.raw == merged.raw
    assert merge_lists(merged, added) is None
