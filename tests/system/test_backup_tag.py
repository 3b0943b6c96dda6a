# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_tag: what a moved tag named before is kept, and brought back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from tests.support import images, layouts, skopeo
from tests.support.content import Image, sha256
from tests.support.playbook import run_tasks
from tests.support.proxy import RecordingProxy
from tests.support.sides import Sides
from tests.support.sync import sync

BACKUP = {"backup_tag": "{tag}-previous"}


@pytest.fixture
def moved(sides: Sides) -> tuple[Image, Image]:
    """An index that the destination has as tag 1, and the image to which the source's tag moved."""
    old, new = images.multi_platform("old"), images.image("new")
    sides.destination.push(old)
    sides.source.push(new)
    return old, new


def test_through_ansible_and_back(sides: Sides, moved: tuple[Image, Image]) -> None:
    """The way back of the guide: source and destination swapped, without backup_tag."""
    old, new = moved
    module = "imagesync.registry.image_sync"
    forth = {"name": "Forth", module: {**sides.options(), **BACKUP}}
    ends = {"source": sides.destination.ref("1-previous"), "destination": sides.destination.ref()}
    back = {"name": "Back", module: ends}
    first, second = run_tasks([forth, back], "--diff").results
    assert first["changed"] and first["backup"] == sides.destination.ref("1-previous")
    assert second["changed"] and second["digest"] == old.digest and "backup" not in second
    assert second["stats"]["blobs_copied"] == second["stats"]["blobs_mounted"] == 0
    assert sides.destination.has_whole(old, judge=True)
    assert sides.destination.has_whole(old, "1-previous", judge=True)
    assert first["digest"] == new.digest


def test_one_manifest_before_the_tag_and_no_bytes(sides: Sides, moved: tuple[Image, Image]) -> None:
    old, new = moved
    result = sides.run(**BACKUP)
    assert result["backup"] == sides.destination.ref("1-previous")
    assert result["diff"]["after"].count(old.digest) == 1  # that of the backup
    puts = sides.destination.written()
    assert puts[-2:] == ["1-previous", "1"] and len(puts) == 2
    assert result["stats"]["blobs_copied"] == 2  # those of the new image alone
    assert sides.destination.has_whole(old, "1-previous", judge=True)
    assert sides.destination.has_whole(new, judge=True)
    ref = f"{sides.destination.host}/{sides.destination.repository}:1-previous"
    assert skopeo.raw_digest(ref) == old.digest

    sides.clear()
    again = sides.run(**BACKUP)
    assert not again["changed"] and "backup" not in again and sides.writes() == []

    # the next move takes the place of the backup, once: there is none of the backup itself
    newest = sides.source.push(images.image("newest"))
    assert sides.run(**BACKUP)["digest"] == newest.digest
    assert sides.destination.digest("1-previous") == new.digest
    assert sides.destination.tags() == ["1", "1-previous"]


def test_nothing_is_kept_where_no_tag_moves(sides: Sides) -> None:
    sides.source.push(images.image("new"), "1")
    sides.source.push(images.image("other"), "2")
    sides.destination.push(images.image("own"), "2")
    base = {"destination": sides.destination.ref(""), **BACKUP}
    for more, tag in (
        ({}, "1"),  # new
        ({"existing": "keep"}, "2"),
        ({"immutable_tags": [".*"]}, "2"),
        ({"state": "staged"}, "2"),
        ({"min_age": "3650d"}, "2"),
    ):
        result = sides.run(tag, **{**base, **more})
        assert "backup" not in result, more
    assert sides.destination.tags() == ["1", "2"]


def test_a_backup_that_fails_leaves_the_tag(
    sides: Sides, moved: tuple[Image, Image], destination: RecordingProxy
) -> None:
    old, _new = moved
    fault = destination.inject("PUT .*/manifests/1-previous", "status", 403)
    result = sync(**sides.options(), **BACKUP)
    assert fault.hits == 1 and result["failed"] and "backup" not in result
    assert "couldn't be kept as" in result["msg"] and "its tag wasn't moved" in result["msg"]
    assert sides.destination.digest() == old.digest and sides.destination.tags() == ["1"]


def test_no_backup_where_another_image_is(sides: Sides) -> None:
    for tag in ("1.0", "1.0-previous"):
        sides.source.push(images.image(tag), tag)
    base = {"source": sides.source.ref(""), "destination": sides.destination.ref("")}
    with pytest.raises(InvalidInput, match="another image is declared"):
        sync(**base, **BACKUP, tags=["1.0", "1.0-previous"])
    with pytest.raises(InvalidInput, match="another image is declared"):
        elsewhere = sides.destination.ref("1.0-previous")
        sync(**base, **BACKUP, tags=["1.0"], declared=[elsewhere])
    assert not sides.source.proxy.requests
    # what a filter selects is known later, and still before the first write
    with pytest.raises(InvalidInput, match="another image is declared"):
        sync(**base, **BACKUP, filter={"include": [".*"]})
    assert sides.writes() == [] and sides.destination.tags() == []


@pytest.mark.parametrize("mode", ["lock", "repository"])
def test_pruning_leaves_the_backup(sides: Sides, tmp_path: Path, mode: str) -> None:
    lock = tmp_path / "lock.json"
    options: dict[str, Any] = {**BACKUP, "lock_file": str(lock), "prune": mode}
    old = sides.source.push(images.image("old"))
    sides.source.push(images.image("gone"), "2")
    if mode == "lock":  # a tag of this name was declared once
        sync(**sides.options("2", lock_file=str(lock), destination_tag="1-previous"))
    sync(**sides.options(), lock_file=str(lock))
    new = sides.source.push(images.image("new"))
    result = sides.run(**options)
    assert result["pruned"] == [] and result["backup"]
    assert sides.destination.digest("1-previous") == old.digest
    assert sides.destination.tags() == ["1", "1-previous"]
    locked = json.loads(lock.read_text())["images"]
    assert locked[sides.destination.ref()]["digest"] == new.digest

    # also in runs that don't move it; and it goes when nobody asks for it any more
    assert sides.run(**options)["pruned"] == []
    without = sides.run(**{**options, "backup_tag": ""})
    if mode == "repository":
        assert [one["digest"] for one in without["pruned"]] == [old.digest]
        assert sides.destination.tags() == ["1"]


def test_a_layout_as_destination(sides: Sides, tmp_path: Path) -> None:
    place = {"destination": f"oci:{tmp_path}/bundle:example.com/app:1", **BACKUP}
    for name in ("old", "new"):
        sides.source.push(images.image(name))
        result = sync(source=sides.source.ref(), **place)
    assert result["backup"] == f"oci:{tmp_path}/bundle:example.com/app:1-previous"
    names = layouts.names(tmp_path / "bundle")
    assert sorted(names) == ["example.com/app:1", "example.com/app:1-previous"]
    layouts.check_valid(tmp_path / "bundle")
    kept = skopeo.run("inspect", "--raw", str(result["backup"]))
    assert sha256(kept) == names["example.com/app:1-previous"] == images.image("old").digest
