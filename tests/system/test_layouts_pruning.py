# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pruning leaves in layouts and archives, where one entry of the index may be for several."""

from __future__ import annotations

import errno
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sync import image_sync
from ansible_collections.imagesync.registry.plugins.module_utils.stores import archive_writing
from ansible_collections.imagesync.registry.plugins.module_utils.stores.layout import (
    LayoutRepository,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop
from ansible_collections.imagesync.registry.plugins.module_utils.sync.transfer import Transfer
from tests.support import artifacts, images, layouts
from tests.support import sync as support
from tests.support.content import Image
from tests.support.layouts import blob_file, names, stored, write_layout
from tests.support.sync import sync

ONE, TWO, THREE = (images.image(f"pruning {n}") for n in (1, 2, 3))


class Bundle:
    """A layout to read from, one to write to, and a lock."""

    def __init__(self, folder: Path) -> None:
        self.source = write_layout(folder / "source", {"x:1": ONE, "x:2": TWO, "x:3": THREE})
        self.folder, self.lock = folder / "bundle", folder / "lock.json"
        self.name = f"oci:{self.folder}"

    def entry(self, tag: str, source: str = "", place: str = "") -> dict[str, str]:
        source = f"oci:{self.source}:x:{source or tag}"
        return {"source": source, "destination": f"{place or self.name}:x:{tag}"}

    def by_digest(self, image: Image) -> dict[str, str]:
        return {"source": f"oci:{self.source}@{image.digest}", "destination": self.name}

    def sync(self, *entries: dict[str, Any], **options: Any) -> dict[str, Any]:
        return sync(images=list(entries), lock_file=str(self.lock), **options)

    def locked(self) -> set[str]:
        """Without the name of the layout."""
        found = json.loads(self.lock.read_text())["images"]
        return {key.removeprefix(self.name) for key in found}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


def _pruned(result: dict[str, Any]) -> list[str]:
    assert not result.get("failed"), result["msg"]
    return [gone["destination"].rpartition("bundle")[2] for gone in result["pruned"]]


@pytest.mark.parametrize("how", ["declared", "prune_protect"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_stays_by_its_digest_outlives_its_tag(
    bundle: Bundle, how: str, elsewhere: bool
) -> None:
    """Also in a place where the call has no other image."""
    other = bundle.entry("2", place=f"oci:{bundle.folder}2" if elsewhere else "")
    bundle.sync(bundle.entry("1"), bundle.by_digest(ONE), other)
    option = f"{bundle.name}@{ONE.digest}" if how == "declared" else "@sha256"
    assert _pruned(bundle.sync(other, prune="lock", **{how: [option]})) == [":x:1"]
    assert layouts.parts(ONE) <= stored(bundle.folder)
    assert f"@{ONE.digest}" in bundle.locked()


def test_what_is_read_by_its_digest_outlives_its_tag(bundle: Bundle) -> None:
    index = images.multi_platform()
    write_layout(bundle.folder, {"x:whole": index})
    entry: dict[str, Any] = {
        "source": f"{bundle.name}@{index.digest}",
        "destination": f"{bundle.name}:x:part",
        "platforms": ["linux/amd64"],
    }
    for pruned in ([":x:whole"], []):
        result = sync(images=[entry], prune="repository", integrity="blobs")
        assert _pruned(result) == pruned and result["changed"] is bool(pruned)
    assert names(bundle.folder).keys() == {"x:part"}


def test_what_is_left_behind_and_locked_by_its_digest_is_one(bundle: Bundle) -> None:
    bundle.sync(bundle.entry("t", "1"), bundle.by_digest(ONE))
    result = bundle.sync(bundle.entry("t", "2"), prune="lock", prune_limit=1)
    assert _pruned(result) == [f"@{ONE.digest}"] and bundle.locked() == {":x:t"}


def test_what_a_tag_comes_back_to_is_in_use(bundle: Bundle) -> None:
    """A moved tag's old digest was locked, as that run couldn't prune."""
    bundle.sync(bundle.entry("t", "1"))
    failed = bundle.sync(bundle.entry("t", "2"), bundle.entry("none"), prune="lock")
    assert failed["failed"] and bundle.locked() == {":x:t", f"@{ONE.digest}"}
    back = bundle.sync(bundle.entry("t", "1"), prune="lock")
    assert _pruned(back) == [f"@{TWO.digest}"] and back["warnings"] == []
    again = bundle.sync(bundle.entry("t", "1"), prune="lock")
    assert not again["changed"] and bundle.locked() == {":x:t", f"@{ONE.digest}"}
    on = bundle.sync(bundle.entry("t", "3"), prune="lock")
    assert _pruned(on) == [f"@{ONE.digest}"] and bundle.locked() == {":x:t"}
    assert stored(bundle.folder) == layouts.parts(THREE)


def test_signatures_of_what_is_not_whole_stay(bundle: Bundle) -> None:
    """As somebody may copy an index without all of its images."""
    index = images.multi_platform()
    child = index.children[0]
    signed = [one.digest.replace(":", "-") + ".sig" for one in (child, TWO, THREE)]
    signatures = {tag: artifacts.artifact(tag) for tag in signed}
    write_layout(bundle.source, {"x:1": index})
    write_layout(bundle.folder, {"x:1": index, "x:kept": TWO, **signatures})
    for image in (child, TWO):
        blob_file(bundle.folder, image.blobs[-1].digest).unlink()
    result = sync(images=[bundle.entry("1")], prune="repository", prune_protect=["kept"])
    assert _pruned(result) == [f":{signed[2]}"]
    assert names(bundle.folder).keys() == {"x:1", "x:kept", *signed[:2]}


def test_what_could_not_be_deleted_stays_locked(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive is written at the end; in the other place it was deleted before."""
    archive = f"oci-archive:{bundle.folder}.tar"
    entries = [bundle.entry(tag, place=place) for place in (archive, "") for tag in ("1", "2")]
    bundle.sync(*entries)
    before = bundle.locked()

    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archive_writing.ArchiveWriter, "_replace", full)
        result = bundle.sync(entries[0], entries[2], prune="lock")
    assert result["msg"].startswith("pruning failed: ") and "No space left" in result["msg"]
    assert [gone["destination"] for gone in result["pruned"]] == [f"{bundle.name}:x:2"]
    assert bundle.locked() == before - {":x:2"}
    assert _pruned(bundle.sync(entries[0], entries[2], prune="lock")) == [".tar:x:2"]


def test_what_gets_another_tag_while_it_is_deleted_stays(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [bundle.entry("1"), bundle.entry("2")]
    bundle.sync(*entries)
    delete = LayoutRepository.delete_manifest

    def at_last(self: LayoutRepository, digest: str) -> Any:
        monkeypatch.setattr(LayoutRepository, "delete_manifest", delete)
        assert sync(images=[bundle.entry("other", "2")])["changed"]
        return delete(self, digest)

    monkeypatch.setattr(LayoutRepository, "delete_manifest", at_last)
    assert _pruned(bundle.sync(entries[0], prune="lock")) == [":x:2"]
    assert names(bundle.folder) == {"x:1": ONE.digest, "x:other": TWO.digest}
    assert stored(bundle.folder) == layouts.parts(ONE, TWO)


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
@pytest.mark.parametrize("how", ["failed", "ended"])
def test_an_image_without_a_tag_outlives_its_tag_in_a_run_that_goes_wrong(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, kind: str, how: str
) -> None:
    """The tag has moved by then, and the place is written with what is in the index."""
    place = f"{kind}:{bundle.folder}"
    bare: dict[str, str] = {**bundle.by_digest(ONE), "destination": place}
    bundle.sync(bundle.entry("t", "1", place=place), bare)
    if how == "failed":
        bare["source"] = bare["source"].replace("/source@", "/nowhere@")
        bare["referrers"] = "always"
    stop = Stop()
    transfer = Transfer.run

    def ended(self: Transfer, changes: Any) -> Any:
        found = transfer(self, changes)
        if how == "ended":
            stop.request()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Transfer, "run", ended)
        patch.setattr(support, "image_sync", partial(image_sync, stop=stop))
        result = bundle.sync(bundle.entry("t", "2", place=place), bare)
    assert bool(result.get("failed")) is (how == "failed")
    assert result["images"][0]["reason"] == "digest_differs"
    other = bundle.entry("o", "3", place=place)
    bundle.sync(other)
    bundle.sync({"destination": f"{place}:x:o", "state": "absent"})  # and takes what is unused
    again = sync(images=[{**bundle.by_digest(ONE), "destination": place}])
    assert not again["changed"]
