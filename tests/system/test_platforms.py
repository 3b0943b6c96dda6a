# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option ``platforms``: some platforms of an image."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from tests.support import images, push, skopeo
from tests.support.artifacts import attested_index
from tests.support.content import Image
from tests.support.playbook import run_module
from tests.support.sides import Sides
from tests.support.sync import foretold_then_done, sync

THREE = ("linux/amd64", "linux/arm64/v8", "linux/s390x")


def _copy(sides: Sides, *platforms: str, **options: Any) -> dict[str, Any]:
    options.setdefault("source", sides.source.ref())
    options.setdefault("destination", sides.destination.ref())
    options.setdefault("referrers", "never")
    watched = (sides.source.proxy, sides.destination.proxy)
    return foretold_then_done(*watched, platforms=list(platforms), **options)


def _index(sides: Sides) -> Image:
    return sides.source.push(attested_index("three", THREE))


def _platforms(raw: bytes) -> list[str]:
    entries = json.loads(raw)["manifests"]
    return ["/".join(entry["platform"].values()) for entry in entries]


@pytest.mark.parametrize("written", ["linux/arm64", "aarch64", "linux/arm64/v8", "LINUX/ARM64"])
def test_one_platform_is_its_own_manifest(sides: Sides, written: str) -> None:
    index = _index(sides)
    child = index.children[1]
    result = _copy(sides, written)
    assert result["changed"] and result["reason"] == "absent"
    assert (result["digest"], result["source_digest"]) == (child.digest, index.digest)
    assert result["platforms"] == ["linux/arm64/v8"]
    assert sides.destination.has_whole(child)
    # and nothing of the others
    sent = set(sides.destination.written("upload"))
    assert sent == {blob.digest for blob in child.all_blobs}

    sides.clear()
    again = sync(
        source=sides.source.ref(),
        destination=sides.destination.ref(),
        platforms=[written],
        referrers="never",
    )
    assert (again["changed"], again["reason"]) == (False, "in_sync")
    assert [str(r).split()[0] for r in sides.source.proxy.requests] == ["GET"]
    assert [str(r).split()[0] for r in sides.destination.proxy.requests] == ["HEAD"]


def test_several_platforms_are_an_index_of_just_these(sides: Sides) -> None:
    index = _index(sides)
    result = _copy(sides, "amd64", "linux/s390x")
    raw = skopeo.raw_manifest(sides.destination.ref("1"))
    assert _platforms(raw) == ["linux/amd64", "linux/s390x", "unknown/unknown", "unknown/unknown"]
    entries = {entry["digest"]: entry for entry in json.loads(index.manifest)["manifests"]}
    assert all(entries[entry["digest"]] == entry for entry in json.loads(raw)["manifests"])
    assert result["platforms"] == ["linux/amd64", "linux/s390x"]
    push.verify_whole(sides.destination.ref("1"))
    assert not _copy(sides, "linux/s390x", "x86_64")["changed"]  # whatever the order


def test_the_same_bytes_in_another_place(sides: Sides) -> None:
    _index(sides)
    here = _copy(sides, "amd64", "arm64")
    there = _copy(sides, "arm64", "amd64", destination=sides.destination.ref("other"))
    assert here["digest"] == there["digest"]


def test_all_platforms_are_the_index_itself(sides: Sides) -> None:
    index = _index(sides)
    result = _copy(sides, *THREE)
    assert result["digest"] == result["source_digest"] == index.digest
    assert sides.destination.has_whole(index)


def test_a_playbook_that_asks_for_what_is_missing_is_told_what_there_is(sides: Sides) -> None:
    index = _index(sides)
    options = {
        "source": sides.source.ref(),
        "destination": sides.destination.ref(),
        "platforms": ["linux/amd64", "linux/riscv64", "windows/amd64"],
    }
    result = run_module("image_sync", **options)
    assert result["failed"]
    assert "it has no linux/riscv64, windows/amd64; it has: " + ", ".join(THREE) in result["msg"]
    assert sides.destination.proxy.writes() == []
    # those that it has
    result = run_module("image_sync", **options, platforms_missing="skip")
    assert result["digest"] == index.children[0].digest
    assert result["platforms"] == ["linux/amd64"]


def test_an_image_that_has_none_of_them_always_fails(sides: Sides) -> None:
    _index(sides)
    result = _copy(sides, "linux/riscv64", platforms_missing="skip")
    assert result["failed"] and "it has: linux/amd64" in result["msg"]


def test_an_image_for_one_platform_passes_as_it_is(sides: Sides) -> None:
    one = sides.source.push(images.image("alone", platform="linux/arm64"))
    assert _copy(sides, "linux/arm64/v8")["digest"] == one.digest
    assert not _copy(sides, "arm64")["changed"]
    result = _copy(sides, "linux/amd64", "arm64", platforms_missing="skip")
    assert (result["digest"], result["changed"]) == (one.digest, False)
    wrong = _copy(sides, "linux/amd64")
    assert wrong["failed"] and "it has no linux/amd64; it has: linux/arm64" in wrong["msg"]


def test_a_source_by_digest_is_kept_by_the_digest_of_the_platform(sides: Sides) -> None:
    index = _index(sides)
    options = {
        "source": sides.source.ref(index.digest),
        "destination": sides.destination.ref(""),
    }
    child = index.children[0]
    result = _copy(sides, "amd64", **options)
    assert result["digest"] == child.digest
    assert result["destination"].endswith(f"@{child.digest}")
    assert sides.destination.digest(child.digest) == child.digest
    assert not _copy(sides, "amd64", **options)["changed"]


def test_a_moved_tag_of_a_subset_keeps_what_it_has(sides: Sides) -> None:
    _index(sides)
    first = _copy(sides, "amd64", "arm64")
    new = attested_index("moved", THREE)
    sides.source.push(new)
    result = _copy(sides, "amd64", "arm64")
    assert result["reason"] == "digest_differs"
    assert result["previous_digest"] == first["digest"]
    assert result["source_digest"] == new.digest
    push.verify_whole(sides.destination.ref("1"))


def test_staged_and_then_tagged(sides: Sides) -> None:
    _index(sides)
    staged = _copy(sides, "amd64", "arm64", state="staged")
    assert (staged["reason"], staged["changed"]) == ("staged", True)
    sides.clear()
    result = _copy(sides, "amd64", "arm64")
    assert result["digest"] == staged["digest"]
    writes = [(r.method, r.kind) for r in sides.destination.proxy.writes()]
    assert writes == [("PUT", "manifest")]


@pytest.mark.parametrize("platform", ["", "linux/", "a b", "linux/amd64/v1/x"])
def test_what_is_no_platform_is_refused_before_the_first_request(
    sides: Sides, platform: str
) -> None:
    with pytest.raises(InvalidInput, match="not a platform"):
        sync(source="a:1", destination=sides.destination.ref(), platforms=[platform])
    assert sides.destination.proxy.requests == []
