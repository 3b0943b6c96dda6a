# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""min_age: what was built a moment ago isn't taken yet, and nothing else changes by that."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import format_date
from tests.support import images, layouts, push
from tests.support.content import Image
from tests.support.sides import IN_SYNC, Sides
from tests.support.sync import sync

DAY = 86_400
OLD = format_date(time.time() - 30 * DAY)
YOUNG = format_date(time.time() - DAY)


def _moved(
    sides: Sides, created: str | None, tag: str = "1", **options: Any
) -> tuple[Image, Image]:
    """An image that the destination has, and the one that the source has moved its tag to."""
    old = images.image(f"{tag}/old", created=YOUNG)
    new = images.image(f"{tag}/new", created=created, **options)
    sides.destination.push(old, tag)
    sides.source.push(new, tag)
    return old, new


def test_the_old_one_stays_until_the_new_one_is_old_enough(sides: Sides) -> None:
    old, new = _moved(sides, YOUNG)
    result = sides.run(min_age="3d")
    assert (result["changed"], result["reason"]) == (False, "too_young")
    assert result["id"] == sides.destination.id(old.digest) and not sides.writes()
    assert "1 too young" in result["summary"] and f"built at {YOUNG}" in result["images"][0]["msg"]
    assert result["source_digest"] == new.digest and sides.destination.digest() == old.digest
    # beside what any moved image costs, one GET of the config and no other blob
    assert sides.source.proxy.count("GET", "blob") == 1

    sides.clear()
    staged = sides.run(min_age="3d", state="staged")
    assert staged["reason"] == "too_young" and not sides.writes()

    taken = sides.run(min_age="12h")
    assert (taken["changed"], taken["digest"]) == (True, new.digest)
    # the config once to judge it, and then as it is copied
    assert sides.source.proxy.count("GET", "blob") == 1 + 2
    assert sides.destination.has_whole(new, judge=True)

    sides.clear()
    again = sides.run(min_age="3d")
    assert again["reason"] == "in_sync" and sides.asked() == IN_SYNC


def test_several_platforms_and_undated_images(sides: Sides) -> None:
    parts = [
        images.image("amd64", created=OLD),
        images.image("arm64", platform="linux/arm64/v8", created=YOUNG),
        images.image("s390x", platform="linux/s390x", created="1970-01-01T00:00:00Z"),
    ]
    sides.source.push(images.index(parts))
    assert sides.run(min_age="3d")["reason"] == "too_young"
    assert sides.destination.digest() is None
    one = sides.run(min_age="3d", platforms=["amd64"])
    assert (one["reason"], one["digest"]) == ("absent", parts[0].digest)
    undated = sides.run(min_age="1h")
    assert undated["failed"] and "set min_age to 0" in undated["msg"]
    assert "1970-01-01T00:00:00Z" in undated["msg"]
    assert sides.destination.digest() == parts[0].digest
    assert sides.run(min_age="0")["changed"]


def test_one_image_is_read_once_for_platforms_and_age(sides: Sides) -> None:
    sides.source.push(images.image("single", created=YOUNG))
    assert sides.run(min_age="3d", platforms=["amd64"])["reason"] == "too_young"
    assert sides.source.proxy.count("GET", "blob") == 1


def test_entries_the_lock_and_pruning(sides: Sides, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    base = {"source": sides.source.ref(""), "destination": sides.destination.ref("")}
    common: dict[str, Any] = {"lock_file": str(lock), "prune": "lock", "min_age": "3d"}
    for tag in ("1.0", "1.1", "1.2"):
        sides.source.push(images.image(tag, created=OLD), tag)
    newest = {**base, "filter": {"newest": 2}}
    assert sync(images=[newest], **common)["changed"]
    locked = json.loads(lock.read_text())["images"]
    assert len(locked) == 2

    # a newer version is selected, and pushes nothing out yet; a moved one keeps its place
    new = sides.source.push(images.image("1.3", created=YOUNG), "1.3")
    sides.source.push(images.image("1.2/moved", created=YOUNG), "1.2")
    result = sync(images=[newest], **common)
    assert [one["reason"] for one in result["images"]] == ["too_young", "too_young", "in_sync"]
    assert not result["changed"] and result["pruned"] == []
    assert sides.destination.tags() == ["1.1", "1.2"]
    assert sides.destination.digest("1.2") == images.image("1.2", created=OLD).digest
    assert json.loads(lock.read_text())["images"] == locked

    own = sync(images=[{**newest, "min_age": "0"}], **common)
    assert [one["reason"] for one in own["images"]] == ["absent", "digest_differs"]
    assert {one["digest"] for one in own["pruned"]} == {
        images.image(tag, created=OLD).digest for tag in ("1.1", "1.2")
    }
    assert sides.destination.digest("1.3") == new.digest

    # with a lock of somebody else it holds, too
    push.delete_manifest(sides.destination.host, sides.destination.repository, new.digest)
    frozen = sync(images=[newest], lock_file=str(lock), lock_mode="frozen", min_age="3d")
    assert [one["reason"] for one in frozen["images"]] == ["too_young", "in_sync"]


def test_older_versions_come_in_place_of_too_young_ones(sides: Sides, tmp_path: Path) -> None:
    """Also where the next ones are too young as well; tags given by name aren't counted."""
    for tag, created in {"1.1": OLD, "1.2": OLD, "1.3": YOUNG, "1.4": YOUNG}.items():
        sides.source.push(images.image(tag, created=created), tag)
    sides.source.push(images.image("1.2-alpine", created=OLD), "1.2-alpine")
    chosen = {"newest": 1, "variants": ["", "alpine"]}
    result = sides.run("", tags=["1.3", "1.x"], filter=chosen, min_age="3d")
    became = [(i["destination"].rpartition(":")[2], i["reason"]) for i in result["images"]]
    assert became == [
        ("1.4", "too_young"),
        ("1.3", "too_young"),
        ("1.2", "absent"),
        ("1.2-alpine", "absent"),
    ]
    assert sides.destination.tags() == ["1.2", "1.2-alpine"]

    # names on disk end with the tag
    dates = {"1.2": OLD, "1.10": YOUNG}
    named = {f"docker.io/a:{tag}": images.image(tag, created=date) for tag, date in dates.items()}
    bundle = f"oci:{layouts.write_layout(tmp_path / 'bundle', named)}:docker.io/a"
    there = sides.destination.ref("", f"{sides.destination.repository}/a")
    result = sync(source=bundle, destination=there, filter={"newest": 1}, min_age="3d")
    assert [one["reason"] for one in result["images"]] == ["too_young", "absent"]

    # also where another entry gives the young one by its tag
    one = {"source": f"{bundle}:1.10", "destination": f"oci:{tmp_path}/b:docker.io/a:1.10"}
    newest = {"source": bundle, "destination": f"oci:{tmp_path}/b:docker.io/a"}
    result = sync(images=[one, {**newest, "filter": {"newest": 1}}], min_age="3d")
    assert [one["reason"] for one in result["images"]] == ["too_young", "absent"]

    none = sides.run("", filter={"semver": ">1.2", "newest": 1}, min_age="3d")
    assert [one["reason"] for one in none["images"]] == ["too_young", "too_young"]
    assert not none["changed"] and not none.get("failed")


def test_bundles(sides: Sides, tmp_path: Path) -> None:
    sides.source.push(images.image("old", created=OLD), "1")
    sides.source.push(images.image("young", created=YOUNG), "2")
    bundle = f"oci:{tmp_path}/bundle"
    into = {"source": sides.source.ref(""), "destination": bundle, "tags": ["1", "2"]}
    result = sync(**into, min_age="3d")
    assert [one["reason"] for one in result["images"]] == ["too_young", "absent"]
    assert list(layouts.names(tmp_path / "bundle")) == ["1"]
    assert sync(**into)["changed"]
    out = sync(source=bundle, destination=sides.destination.ref("").rstrip(":"), min_age="3d")
    assert sorted(one["reason"] for one in out["images"]) == ["absent", "too_young"]
    assert sides.destination.tags() == ["1"]


def test_the_date_is_read_from_mirrors_of_the_source(sides: Sides) -> None:
    young = sides.source.push(images.image("mirrored", created=YOUNG))
    copies = f"{sides.destination.repository}/copies"
    sides.destination.push(young, None, f"{copies}/{sides.source.repository}")
    mirrors = [f"{sides.destination.proxy.host}/{copies}"]
    registries = [{"name": sides.source.proxy.host, "mirrors": mirrors}]
    result = sides.run(min_age="3d", registries=registries)
    assert result["reason"] == "too_young"
    assert sides.source.proxy.count("GET", "blob") == 0
    assert sides.destination.proxy.count("GET", "blob") == 1
