# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout or archive that has two names: the real one, and one by a link or from the home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from tests.support import images, layouts
from tests.support.layouts import names, stored, write_archive, write_layout
from tests.support.sync import sync

ONE, TWO, THREE = (images.image(f"names {n}") for n in (1, 2, 3))


class Names:
    """A layout to read from, and one that ``real`` and ``link`` name."""

    def __init__(self, folder: Path) -> None:
        self.source = f"oci:{folder}/source"
        self.folder = folder / "real"
        self.real, self.link = f"oci:{folder}/real", f"oci:{folder}/link"
        self.lock = folder / "lock.json"
        (folder / "link").symlink_to(self.folder)
        write_layout(folder / "source", {"x:1": ONE, "x:2": TWO, "x:3": THREE})

    def entry(self, place: str, tag: int, source: int | None = None) -> dict[str, str]:
        return {"source": f"{self.source}:x:{source or tag}", "destination": f"{place}:x:{tag}"}

    def sync(self, *entries: dict[str, Any], **options: Any) -> dict[str, Any]:
        result = sync(images=list(entries), lock_file=str(self.lock), **options)
        assert not result.get("failed"), result["msg"]
        return result

    def locked(self) -> list[str]:
        return list(json.loads(self.lock.read_text())["images"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Names(tmp_path)


@pytest.mark.parametrize("other", ["{0}/link", "~/real", "{0}/real/../link", "{0}//real/."])
def test_a_source_that_is_its_destination_is_refused(place: Names, other: str) -> None:
    write_layout(place.folder, {"x:1": ONE})
    before = place.folder.stat()
    name = f"oci:{other.format(place.folder.parent)}"
    for source, destination in ((":x:1", ":x:1"), ("", "")):
        with pytest.raises(InvalidInput, match="source and destination are the same"):
            sync(images=[{"source": name + source, "destination": place.real + destination}])
    pattern: dict[str, Any] = {"source": f"{name}:a/x", "destination": f"{place.real}:a/x"}
    pattern["filter"] = {"include": ["1"]}
    with pytest.raises(InvalidInput, match="source and destination are the same"):
        sync(images=[pattern])
    assert place.folder.stat().st_mtime_ns == before.st_mtime_ns


def test_two_images_for_one_place_are_refused(place: Names) -> None:
    place.folder.mkdir()
    with pytest.raises(InvalidInput, match="two different images are declared"):
        sync(images=[place.entry(place.real, 1), place.entry(place.link, 1, source=2)])
    assert list(place.folder.iterdir()) == []
    # one that is declared twice is one
    result = place.sync(place.entry(place.link, 1), place.entry(place.real, 1))
    assert [image["destination"] for image in result["images"]] == [f"{place.link}:x:1"]
    assert names(place.folder) == {"x:1": ONE.digest}


def test_an_archive_by_a_link(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar", {"x:1": ONE})
    (tmp_path / "link.tar").symlink_to("a.tar")
    one = {"source": f"oci-archive:{tmp_path}/a.tar:x:1"}
    with pytest.raises(InvalidInput, match="the same"):
        sync(images=[{**one, "destination": f"oci-archive:{tmp_path}/link.tar:x:1"}])
    done = sync(images=[{**one, "destination": f"oci-archive:{tmp_path}/link.tar:x:2"}])
    assert done["changed"] and (tmp_path / "link.tar").is_symlink()


def test_what_is_declared_under_another_name_is_not_pruned(place: Names) -> None:
    place.sync(*(place.entry(place.real, n) for n in (1, 2, 3)))
    result = place.sync(
        place.entry(place.real, 1),
        prune="lock",
        declared=[f"{place.link}:x:2"],
        prune_protect=[f"^{place.real}:x:3"],
    )
    assert result["pruned"] == []
    # nor where all of it has another name now
    result = place.sync(place.entry(place.link, 1), place.entry(place.link, 2), prune="lock")
    assert [gone["destination"] for gone in result["pruned"]] == [f"{place.real}:x:3"]
    assert "is the same place" in str(result["warnings"])
    assert place.locked() == [f"{place.link}:x:1", f"{place.link}:x:2"]
    assert stored(place.folder) == layouts.parts(ONE, TWO)
    # nor without a lock
    sync(images=[place.entry(place.real, 1)], prune="repository", declared=[f"{place.link}:x:2"])
    assert names(place.folder).keys() == {"x:1", "x:2"}


def test_what_is_declared_by_digest_under_another_name_is_not_pruned(place: Names) -> None:
    by_digest = {"source": f"{place.source}@{THREE.digest}", "destination": place.real}
    place.sync(*(place.entry(place.real, n) for n in (1, 2)), by_digest)
    declared = [f"{place.link}@{THREE.digest}", f"{place.link}@{TWO.digest}"]
    result = place.sync(place.entry(place.real, 1), prune="lock", declared=declared)
    assert [gone["destination"] for gone in result["pruned"]] == [f"{place.real}:x:2"]
    assert set(place.locked()) == {f"{place.real}:x:1", f"{place.real}@{THREE.digest}"}
    assert {ONE.digest, THREE.digest} <= stored(place.folder)
