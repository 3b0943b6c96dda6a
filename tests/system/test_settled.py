# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``settled``: what one call has staged, the next one tags, and asks nobody about the rest."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from tests.support import images, push
from tests.support.sides import Sides
from tests.support.sync import sync

FIELDS = ("reason", "digest", "source_digest", "previous_digest", "media_type", "platforms")


def _again(result: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The entry of the next call for an image of this one, as the role writes it."""
    return {
        "source": result["source"],
        "destination": result["destination"],
        "referrers": "never",
        "settled": {key: result[key] for key in FIELDS if result.get(key)},
        **more,
    }


def _stage(sides: Sides, **more: Any) -> dict[str, Any]:
    (staged,) = sync(**sides.options(state="staged", **more))["images"]
    sides.clear()
    return dict(staged)


@pytest.mark.parametrize("platforms", [[], ["linux/amd64", "linux/arm64"]])
def test_the_tag_names_what_was_staged(sides: Sides, platforms: list[str]) -> None:
    """Also an index of some platforms, which no source has."""
    old = sides.destination.push(images.image("old"))
    sides.source.push(images.multi_platform("tested"))
    staged = _stage(sides, platforms=platforms)
    assert staged["reason"] == "staged"
    sides.source.push(images.image("not tested"))
    lock: dict[str, Any] = {"version": 1, "images": {}}
    result = sync(images=[_again(staged)], lock=lock)
    (tagged,) = result["images"]
    assert (tagged["reason"], tagged["changed"]) == ("digest_differs", True)
    assert tagged["digest"] == staged["digest"] == sides.destination.digest()
    assert tagged["previous_digest"] == old.digest
    assert sides.source.log() == []
    assert dict(sides.destination.proxy.methods()) == {
        ("HEAD", "manifest"): 1,
        ("GET", "manifest"): 1,
        ("PUT", "manifest"): 1,
    }
    assert result["stats"]["bytes_uploaded"] == 0
    (locked,) = result["lock"]["images"].values()
    assert locked["source"] == sides.source.ref()
    assert locked["source_digest"] == staged["source_digest"]
    assert locked["digest"] == staged["digest"] and locked["platforms"] == staged["platforms"]


def test_what_was_staged_may_be_gone(sides: Sides) -> None:
    old = sides.destination.push(images.image("old"))
    sides.source.push(images.image("tested"))
    staged = _stage(sides)
    push.delete_manifest(sides.destination.host, sides.destination.repository, staged["digest"])
    result = sync(images=[_again(staged)])
    assert result["failed"] and "was staged and isn't there any more" in result["msg"]
    assert sides.destination.digest() == old.digest and sides.source.log() == []
    assert sides.writes() == []


def test_nobody_is_asked_about_the_rest(sides: Sides) -> None:
    """Pruning sees all images of the run, and the lock learns of them."""
    for tag in ("gone", "same", "moved"):
        sides.source.push(images.image(f"old {tag}"), tag)
    root = sides.destination.ref("")
    entries = [
        {"source": sides.source.ref(tag), "destination": root} for tag in ("gone", "same", "moved")
    ]
    lock = sync(images=entries, lock={"version": 1, "images": {}})["lock"]
    sides.source.push(images.image("new moved"), "moved")
    first = sync(images=entries[1:], lock=lock)
    sides.clear()
    same, moved = (_again(image) for image in first["images"])
    result = sync(images=[same, moved], lock=lock, prune="lock")
    assert [image["reason"] for image in result["images"]] == ["in_sync", "digest_differs"]
    assert result["lock"]["images"].keys() == first["lock"]["images"].keys() - {f"{root}:gone"}
    assert {gone["digest"] for gone in result["pruned"]} == {
        images.image("old gone").digest,
        images.image("old moved").digest,
    }
    assert sides.source.log() == [] and sides.destination.tags() == ["moved", "same"]


def test_a_staged_image_that_is_repaired_isn_t_locked(sides: Sides) -> None:
    old = sides.destination.push(images.image("old"))
    index = sides.source.push(images.multi_platform("staged"))
    _stage(sides)
    child = index.children[0].digest
    push.delete_manifest(sides.destination.host, sides.destination.repository, child)
    lock: dict[str, Any] = {"version": 1, "images": {}}
    result = sync(**sides.options(state="staged", integrity="manifests", lock=lock))
    assert result["reason"] == "incomplete" and sides.destination.digest() == old.digest
    assert result["lock"]["images"] == {}


@pytest.mark.parametrize(
    "settled", [{}, {"reason": "staged"}, {"reason": "in_sync", "digest": "sha256:nothing"}]
)
def test_half_of_it_is_refused(settled: dict[str, Any]) -> None:
    image = {"source": "a.invalid/a:1", "destination": "b.invalid/a:1", "settled": settled}
    with pytest.raises(InvalidInput):
        sync(images=[image])
