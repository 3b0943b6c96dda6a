# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As few requests and bytes as the protocol allows: exact numbers, the same on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support import images, push
from tests.support.content import Blob, Image
from tests.support.layers import layer
from tests.support.playbook import run_tasks
from tests.support.sides import Side, Sides
from tests.support.sync import foretold_then_done, sync

pytestmark = pytest.mark.any_core

REPOSITORIES, TAGS = 10, 20
HEADS = Counter({("HEAD", "manifest"): REPOSITORIES * TAGS})


def _mirror(side: Side, number: int) -> str:
    return f"{side.repository}/r{number}"


def test_200_tags_in_sync_cost_400_heads_and_nothing_else(sides: Sides) -> None:
    there = images.image("in sync", layers=0)
    tags = [f"t{number}" for number in range(TAGS)]
    for side in (sides.source, sides.destination):
        for number in range(REPOSITORIES):
            with push.Repository(side.host, _mirror(side, number)) as repository:
                repository.put(there, tags[0])
                for tag in tags[1:]:
                    repository.put_manifest(tag, there.manifest, there.media_type)
    entries = [
        {
            "source": sides.source.ref(tag, _mirror(sides.source, number)),
            "destination": sides.destination.ref("", _mirror(sides.destination, number)),
        }
        for number in range(REPOSITORIES)
        for tag in tags
    ]
    task = {"name": "Mirror", "imagesync.registry.image_sync": {"images": entries}}

    run = run_tasks([task])

    assert not run.last["failed"] and not run.last["changed"], run.output
    assert len(run.last["images"]) == REPOSITORIES * TAGS
    assert {image["reason"] for image in run.last["images"]} == {"in_sync"}
    assert sides.asked() == (HEADS, HEADS)
    requests = {side.proxy.host: REPOSITORIES * TAGS for side in (sides.source, sides.destination)}
    assert run.last["stats"]["requests"] == requests


def _several_repositories() -> dict[tuple[str, str], Image]:
    """Six repositories with two tags each; all share a base, the tags of one share another."""
    base = [layer("base/0"), layer("base/1")]
    found = {}
    for name in "abcdef":
        common = layer(f"common/{name}")
        for tag in ("1", "2"):
            own = layer(f"own/{name}/{tag}")
            found[name, tag] = images.image(f"{name}{tag}", layers=[*base, common, own])
    return found


def _one_repository() -> dict[tuple[str, str], Image]:
    """Eight tags of one repository, each with one layer more than the one before."""
    layers: list[Blob] = []
    found = {}
    for number in range(8):
        layers.append(layer(f"grown/{number}"))
        found["grown", f"v{number}"] = images.image(f"grown {number}", layers=list(layers))
    return found


def _indexes() -> dict[tuple[str, str], Image]:
    """Three repositories with an index each; its platforms share a layer, and so do all three."""
    shared = layer("everywhere")
    found = {}
    for name in "xyz":
        common = layer(f"all of {name}")
        children = [
            images.image(f"{name}/{p}", platform=p, layers=[shared, common, layer(f"{name}/{p}")])
            for p in images.PLATFORMS
        ]
        found[name, "1"] = images.index(children)
    return found


#: and what the destination is asked before: HEADs of manifests, and tag lists
WORKLOADS = {
    # of each repository one tag and the tag list; five digests for all, as no repository exists
    "repositories with a common base": (_several_repositories, 6 + 5, 6),
    "tags of one repository": (_one_repository, 1 + 5, 1),
    # a list isn't worth it for one tag: its HEAD, and the digest's
    "indexes": (_indexes, 2 * 3, 0),
}


def _entries(sides: Sides, workload: Mapping[tuple[str, str], Image]) -> list[dict[str, Any]]:
    for (name, tag), one in workload.items():
        sides.source.push(one, tag, f"{sides.source.repository}/{name}")
    return [
        {
            "source": sides.source.ref(tag, f"{sides.source.repository}/{name}"),
            "destination": sides.destination.ref("", f"{sides.destination.repository}/{name}"),
        }
        for name, tag in workload
    ]


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_cold_copy_sends_each_unique_blob_once(sides: Sides, name: str) -> None:
    builder, heads, lists = WORKLOADS[name]
    workload = builder()
    entries = _entries(sides, workload)
    # what each repository needs, and how many of these are mounted from another one
    needs: dict[str, set[str]] = {}
    manifests: dict[str, set[str]] = {}
    for (repository, _tag), one in workload.items():
        needs.setdefault(repository, set()).update(blob.digest for blob in one.all_blobs)
        manifests.setdefault(repository, set()).update(m.digest for m in one.walk())
    unique = {blob.digest: len(blob.data) for one in workload.values() for blob in one.all_blobs}
    steps = sum(len(blobs) for blobs in needs.values())

    watched = (sides.source.proxy, sides.destination.proxy)
    result = foretold_then_done(*watched, images=entries, referrers="never")

    assert sorted(sides.destination.written("upload")) == sorted(unique)
    reads = [request.reference for request in sides.source.proxy.select("GET", "blob")]
    assert sorted(reads) == sorted(unique)
    stats = result["stats"]
    assert stats["bytes_uploaded"] == stats["bytes_downloaded"] == sum(unique.values())
    assert stats["blobs_copied"] == len(unique)
    assert stats["blobs_mounted"] == steps - len(unique)
    for (repository, tag), one in workload.items():
        there = f"{sides.destination.repository}/{repository}"
        assert sides.destination.has_whole(one, tag, there)

    # one read of each manifest; a POST for each blob that a repository needs; one write of each
    written = sum(len(digests) for digests in manifests.values())
    asked = {
        ("HEAD", "manifest"): heads,
        ("GET", "tags"): lists,
        ("POST", "upload"): steps,
        ("PUT", "upload"): len(unique),
        ("PUT", "manifest"): written,
    }
    assert sides.asked() == (
        Counter({("GET", "manifest"): written, ("GET", "blob"): len(unique)}),
        Counter({key: number for key, number in asked.items() if number}),
    )

    sides.clear()
    sync(images=entries)
    one_each = Counter({("HEAD", "manifest"): len(entries)})
    assert sides.asked() == (one_each, one_each)
