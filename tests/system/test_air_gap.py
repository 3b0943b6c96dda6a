# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images carried to where there is no network: bundles, and deltas to what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.tagging import second_call
from tests.support import cosign, images, layouts, push
from tests.support.content import Image
from tests.support.fixtures import MakeRegistry
from tests.support.layouts import names, stored, write_layout
from tests.support.playbook import run_playbook
from tests.support.role import PLAYBOOK, inventory
from tests.support.sides import Side
from tests.support.signatures import Story
from tests.support.sync import sync

pytestmark = pytest.mark.any_core

BASE = "org.imagesync.bundle.base"


def generation(number: int, count: int = 4) -> dict[str, Image]:
    """Images over a common layer; with the number, the first of them have changed."""
    shared = images.layer("air gap")
    found = {}
    for n in range(count):
        state = number if n < number else 0
        layers = [shared, images.layer(f"{n}"), images.layer(f"{n} in {state}")]
        found[f"docker.io/team/app{n}:1"] = images.image(f"app {n} {state}", layers=layers)
    return found


class Gap:
    """The registry near, as a layout; bundles; and the registry far, as a layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "far.json"

    def publish(self, found: dict[str, Image]) -> None:
        write_layout(self.folder / "near", found)
        self.published = found

    def pack(self, bundle: str, delta: bool = False, **more: Any) -> dict[str, Any]:
        """Writes a bundle of all that is published."""
        entries = [
            {"source": self.near(name), "destination": f"oci:{self.folder}/{bundle}:{name}"}
            for name in self.published
        ]
        baseline = {"baseline": json.loads(self.lock.read_bytes())} if delta else {}
        return sync(images=entries, **baseline, **more)

    def near(self, name: str) -> str:
        return f"oci:{self.folder}/near:{name}"

    def unpack(self, bundle: str, **more: Any) -> dict[str, Any]:
        """Pushes all that is in a bundle."""
        options = {"lock_file": str(self.lock), **more}
        return sync(
            source=f"oci:{self.folder}/{bundle}", destination=f"oci:{self.folder}/far", **options
        )

    def digests(self) -> dict[str, str]:
        return {name: image.digest for name, image in self.published.items()}


@pytest.fixture
def gap(tmp_path: Path) -> Gap:
    """The first generation is at both sides."""
    found = Gap(tmp_path)
    found.publish(generation(0))
    assert found.pack("whole")["changed"]
    assert found.unpack("whole")["changed"]
    assert names(tmp_path / "far") == found.digests()
    return found


def test_a_delta_has_what_is_new_and_says_what_it_is(gap: Gap) -> None:
    old = gap.published
    new = generation(2)
    extra = images.multi_platform("extra")
    gap.publish({**new, "docker.io/team/extra:1": extra})

    told = gap.pack("delta", True, check_mode=True)
    packed = gap.pack("delta", True)

    folder = gap.folder / "delta"
    first, second = (f"docker.io/team/app{n}:1" for n in range(2))
    assert set(names(folder)) == {first, second, "docker.io/team/extra:1"}
    expected = {one.digest for name in (first, second) for one in new[name].walk()}
    for name in (first, second):
        expected |= {b.digest for b in new[name].blobs} - {b.digest for b in old[name].blobs}
    assert stored(folder) == expected | layouts.parts(extra)
    assert layouts.index_of(folder)["annotations"][BASE].startswith("sha256:")
    kept = [one for one in packed["images"] if not one["changed"]]
    assert [one["reason"] for one in kept] == ["in_sync"] * 2 and not any("id" in k for k in kept)
    assert told["stats"]["blobs_copied"] == packed["stats"]["blobs_copied"]
    assert not gap.pack("delta", True)["changed"]
    refused = gap.pack("delta")
    assert refused["failed"] and "is a delta bundle: without a baseline" in refused["msg"]

    told = gap.unpack("delta", check_mode=True)
    pushed = gap.unpack("delta")

    assert [one["reason"] for one in pushed["images"]].count("digest_differs") == 2
    assert told["stats"]["blobs_copied"] == pushed["stats"]["blobs_copied"]
    assert names(gap.folder / "far") == gap.digests()
    layouts.check_valid(gap.folder / "far")
    assert gap.pack("next", True)["changed"] is False
    assert names(gap.folder / "next") == {}
    assert not gap.unpack("next")["changed"]


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_integrity_mends_a_delta_and_does_not_fill_it(gap: Gap, kind: str) -> None:
    gap.publish(generation(1))
    name, new = next(iter(gap.published.items()))
    target = gap.folder / "delta"
    options: dict[str, Any] = {
        "images": [{"source": gap.near(name), "destination": f"{kind}:{target}:{name}"}],
        "baseline": json.loads(gap.lock.read_bytes()),
        "integrity": "blobs",
    }
    assert sync(**options)["blobs_copied"] == 2
    again = sync(**options)
    assert (again["changed"], again["reason"]) == (False, "in_sync")
    if kind == "oci":
        layouts.blob_file(target, new.blobs[-1].digest).write_bytes(b"x")
        assert sync(**options)["reason"] == "incomplete"
        assert stored(target) == {new.digest, new.blobs[0].digest, new.blobs[-1].digest}


def test_a_missing_base_is_told_before_anything_is_written(gap: Gap) -> None:
    gap.publish({**generation(1), "docker.io/team/extra:1": images.image("extra")})
    gap.pack("delta", True)

    result = sync(source=f"oci:{gap.folder}/delta", destination=f"oci:{gap.folder}/elsewhere")

    lacking = gap.published["docker.io/team/app0:1"].blobs[1].digest
    assert result["failed"] and not result["changed"]
    assert f"delta bundle without blob {lacking}" in result["msg"]
    assert "docker.io/team/app0:1" in result["msg"]
    assert sorted(one["reason"] for one in result["images"]) == ["failed", "not_done"]
    assert not (gap.folder / "elsewhere").exists()


def test_what_a_delta_leaves_out_is_neither_missed_nor_pruned(gap: Gap) -> None:
    gap.publish(generation(1))
    gap.pack("delta", True)
    far = f"oci:{gap.folder}/far"
    entries = [
        {"source": f"oci:{gap.folder}/delta:{name}", "destination": f"{far}:{name}"}
        for name in gap.published
    ]
    pruned = gap.unpack("delta", prune="repository")
    assert "a delta bundle doesn't tell what isn't wanted" in pruned["warnings"][0]
    assert names(gap.folder / "far") == gap.digests()
    by_name = sync(images=entries, lock_file=str(gap.lock), prune="lock")
    assert not by_name["changed"] and not by_name.get("failed")
    unsure = sync(images=entries[1:2], signed_by=[cosign.make_key().public])
    assert "whether it is signed can't be told" in unsure["msg"]
    missing = sync(
        source=f"oci:{gap.folder}/delta:docker.io/team/none:1", destination=f"{far}:none:1"
    )
    assert missing["failed"] and "doesn't exist" in missing["msg"]


def test_tags_move_in_a_delta_when_their_gates_are_passed(gap: Gap) -> None:
    old = gap.published
    gap.publish({**generation(1), "docker.io/team/extra:1": images.image("extra")})
    staged = gap.pack("delta", True, state="staged")
    assert names(gap.folder / "delta") == {}
    plan = {"entries": [], "options": {}, "lock": None, "source": ""}
    waits = [image for image in staged["images"] if image["reason"] == "staged"]
    told = {image["destination"]: "" for image in waits}
    second = second_call(plan, staged, told, "")

    moved = sync(images=second["images"], baseline=json.loads(gap.lock.read_bytes()))

    assert not moved.get("failed"), moved["msg"]
    app, extra = "docker.io/team/app0:1", "docker.io/team/extra:1"
    assert set(names(gap.folder / "delta")) == {app, extra}
    assert moved["stats"]["blobs_copied"] == 0
    assert not stored(gap.folder / "delta") & {b.digest for b in old[app].blobs}
    assert gap.unpack("delta")["changed"]
    assert names(gap.folder / "far") == gap.digests()


def test_a_pattern_stands_for_what_a_delta_leaves_out_too(gap: Gap) -> None:
    gap.publish({f"docker.io/team/app:1.{n}": images.image(f"app 1.{n}") for n in range(3)})
    gap.pack("first")
    far = f"oci:{gap.folder}/far"
    entry = {"destination": f"{far}:team/app", "destination_tag": "v{tag}", "tags": ["1.x"]}
    options: dict[str, Any] = {"lock_file": str(gap.folder / "pattern.json"), "prune": "lock"}

    def unpack(bundle: str, **more: Any) -> dict[str, Any]:
        source = f"oci:{gap.folder}/{bundle}:docker.io/team/app"
        return sync(images=[{**entry, "source": source, **more}], **options)

    assert unpack("first")["changed"]
    gap.lock = gap.folder / "pattern.json"
    gap.publish({**gap.published, "docker.io/team/app:1.3": images.image("app 1.3")})
    gap.pack("delta", True)
    assert set(names(gap.folder / "delta")) == {"docker.io/team/app:1.3"}

    found = unpack("delta")

    assert not found.get("failed"), found["msg"]
    assert [image["reason"] for image in found["images"]] == ["absent", *["in_sync"] * 3]
    assert not found["pruned"] and "team/app:v1.0" in names(gap.folder / "far")
    gap.pack("none", True)  # everything is there
    again = unpack("none", filter={"newest": 2})
    assert [image["source"][-3:] for image in again["images"]] == ["1.3", "1.2"]
    assert len(again["pruned"]) == 2 and "team/app:v1.1" not in names(gap.folder / "far")


def test_a_pattern_takes_no_backup_for_what_a_delta_leaves_out(tmp_path: Path) -> None:
    """What a moved tag named before is at the destination under a tag that the source hasn't."""
    lock = tmp_path / "lock.json"
    place: dict[str, Any] = {"destination": f"oci:{tmp_path}/far:d.io/a", "backup_tag": "{tag}-old"}
    for number, bundle in enumerate(("whole", "first", "second")):
        image = {"d.io/a:1.1": images.image(f"moved {number}")}
        write_layout(tmp_path / "source", image)
        entry = {"source": f"oci:{tmp_path}/source:d.io/a", "filter": {"include": [".*"]}}
        packed: dict[str, Any] = {"destination": f"oci:{tmp_path}/{bundle}:d.io/a", **entry}
        sync(images=[packed], baseline=json.loads(lock.read_bytes()) if number else None)
        entry["source"] = f"oci:{tmp_path}/{bundle}:d.io/a"
        result = sync(images=[{**entry, **place}], lock_file=str(lock))
        assert [image["source"] for image in result["images"]] == [f"{entry['source']}:1.1"]
    assert names(tmp_path / "far").keys() == {"d.io/a:1.1", "d.io/a:1.1-old"}


def test_a_baseline_that_the_source_has_lost_leaves_nothing_out(gap: Gap) -> None:
    old = gap.published["docker.io/team/app0:1"]
    gap.publish(generation(1))
    layouts.blob_file(gap.folder / "near", old.digest).unlink()
    gap.pack("delta", True)
    assert stored(gap.folder / "delta") == layouts.parts(gap.published["docker.io/team/app0:1"])
    wrong = sync(source=gap.near("docker.io/team/app0:1"), destination="127.0.0.1:1/x", baseline={})
    assert wrong["failed"] and "baseline is for bundles" in wrong["msg"]


# the role


def test_sixty_images_go_to_the_other_side(
    make_registry: MakeRegistry, repo: str, tmp_path: Path
) -> None:
    """A bundle, then a delta by the role; the registry it came from is gone before it arrives."""
    near, far = make_registry(), make_registry()
    shared = images.layer("sixty")
    found = {
        f"app{n}": images.multi_platform(f"sixty {n}") if n % 10 == 0 else _over(shared, n, 0)
        for n in range(60)
    }
    story = Story("sixty")
    write_layout(tmp_path / "origin", {f"quay.io/{repo}/{n}:1": one for n, one in found.items()})
    sync(source=f"oci:{tmp_path}/origin", destination=near.host)
    sources = [f"{near.host}/{repo}/{name}:1" for name in found]
    bundles = [f"oci:{tmp_path}/{name}" for name in ("whole", "delta")]
    lock = tmp_path / "far.json"

    packed = sync(images=[{"source": one, "destination": f"{bundles[0]}:{one}"} for one in sources])
    assert not packed.get("failed")
    assert len(names(tmp_path / "whole")) == 60
    pushed = sync(
        source=bundles[0],
        destination=f"{far.host}/mirror",
        destination_path="{repository}",
        lock_file=str(lock),
    )
    assert not pushed.get("failed") and pushed["stats"]["blobs_mounted"] == 53

    changed = {f"app{n}": _over(shared, n, 1) for n in range(1, 6)}
    for name, image in changed.items():
        push.push(image, f"{near.host}/{repo}/{name}:1")
    story.put(Side(None, near.host, f"{repo}/story"), False)
    declared = [*sources, f"{near.host}/{repo}/story:1"]
    plays = [
        _play({"images": declared, "destination": bundles[1], "baseline_lock_file": str(lock)}),
        {
            "name": "The network ends here",
            "hosts": "all",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.command": f"kill -KILL {near.pid}"}],
        },
        _play({"source": bundles[1], "destination": f"{far.host}/mirror", "lock_file": str(lock)}),
    ]
    run = run_playbook(plays, tmp_path, inventory=inventory({}))

    assert run.returncode == 0, run.output
    assert len(layouts.names(tmp_path / "delta")) < 25
    assert stored(tmp_path / "delta").isdisjoint({shared.digest})
    ids = run.of("Ids")["site"]["msg"]
    for name, image in {**found, **changed}.items():
        assert push.digest_of(far.host, f"mirror/{repo}/{name}", "1") == image.digest
    for name in changed:
        push.verify_whole(f"{far.host}/mirror/{repo}/{name}:1")
    assert ids[f"{near.host}/{repo}/app1:1"] == (
        f"{far.host}/mirror/{repo}/app1@{changed['app1'].digest}"
    )
    assert story.is_at(Side(None, far.host, f"mirror/{repo}/story"))
    document = json.loads(lock.read_bytes())["images"]
    assert len(document) == 61
    assert document[f"{far.host}/mirror/{repo}/app1:1"]["digest"] == changed["app1"].digest


def _over(shared: Any, number: int, state: int) -> Image:
    return images.image(
        f"sixty {number} {state}", layers=[shared, images.layer(f"{number} {state}")]
    )


def _play(variables: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "One side",
        "hosts": "all",
        "gather_facts": False,
        "vars": {f"mirror_{name}": value for name, value in variables.items()},
        "tasks": [
            {"name": "Role", "ansible.builtin.include_role": {"name": PLAYBOOK}},
            {"name": "Ids", "ansible.builtin.debug": {"msg": "{{ mirror_ids }}"}},
        ],
    }
