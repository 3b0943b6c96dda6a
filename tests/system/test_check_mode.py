# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode through Ansible: not one write, and exactly what the run then does.

Most other tests foretell their run as well, see ``foretold_then_done``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support import artifacts, images
from tests.support.content import Image
from tests.support.playbook import run_tasks
from tests.support.sides import Sides
from tests.support.sync import FORETOLD


def rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table that is the diff of many images."""
    return [tuple(line.split()) for line in result["diff"]["prepared"].splitlines()]


def _scenes(sides: Sides) -> tuple[dict[str, dict[str, Any]], dict[str, Image]]:
    """One entry for each kind of change and of none; and the images."""
    source, destination = sides.source, sides.destination
    old, new = images.image("old", layers=2), None
    new = images.image("new", layers=[*old.blobs[1:], *images.image("new", size=5000).blobs[1:]])
    index = artifacts.attested_index("index")
    for tag, there in {"same": old, "moved": old, "kept": old, "fixed": old, "gone": old}.items():
        destination.push(there, tag)
    destination.push(old, "gone-too")
    source.push(old, "same")
    for tag in ("moved", "kept", "fixed"):
        source.push(new, tag)
    for tag in ("absent", "staged"):
        source.push(index if tag == "absent" else images.image("staged", layers=3), tag)
    entries: dict[str, dict[str, Any]] = {
        tag: {"source": source.ref(tag), "destination": destination.ref("")}
        for tag in ("same", "moved", "kept", "fixed", "absent", "staged")
    }
    entries["kept"]["existing"] = "keep"
    entries["fixed"]["immutable_tags"] = ["fix.*"]
    entries["staged"]["state"] = "staged"
    entries["mounted"] = {
        "source": source.ref("absent"),
        "destination": destination.ref("", f"{destination.repository}/other"),
    }
    entries["never"] = {"destination": destination.ref("never"), "state": "absent"}
    return entries, {"old": old, "new": new, "index": index}


def test_check_mode_says_what_the_run_does(sides: Sides) -> None:
    entries, found = _scenes(sides)
    task = {"name": "Mirror", "imagesync.registry.image_sync": {"images": list(entries.values())}}

    checking = run_tasks([task, task], "--check", "--diff")
    assert sides.writes() == []
    assert sides.destination.proxy.requests
    run = run_tasks([task, task], "--diff")

    foretold, done, again = checking[0], run[0], run[1]
    assert not done["failed"], done.get("msg")
    assert [image["reason"] for image in done["images"]] == [
        "in_sync",
        "digest_differs",
        "kept",
        "immutable",
        "absent",
        "staged",
        "absent",
        "in_sync",
    ]
    for before, after in zip(foretold["images"], done["images"], strict=True):
        assert {k: before.get(k) for k in FORETOLD} == {k: after.get(k) for k in FORETOLD}
    numbers = [name for name in done["stats"] if name.startswith(("bytes", "blobs"))]
    assert len(numbers) == 5
    assert {n: foretold["stats"][n] for n in numbers} == {n: done["stats"][n] for n in numbers}
    assert done["stats"]["bytes_uploaded"] == sides.destination.proxy.bytes_up() > 0
    assert checking[1]["changed"] and foretold["changed"] and not again["changed"]

    ref, old, new = sides.destination.ref, found["old"].digest, found["new"].digest
    index, staged = found["index"].digest, images.image("staged", layers=3).digest
    mounted = ref("absent", f"{sides.destination.repository}/other")
    where = sides.destination.id(staged)
    assert foretold["diff"] == done["diff"]
    assert rows(done) == [
        ("image", "before", "after"),
        (ref("moved"), old[:19], new[:19]),
        (ref("absent"), "(absent)", index[:19]),
        (where.replace(staged, staged[:19]), "(absent)", "(staged)"),
        (mounted, "(absent)", index[:19]),
    ]
    assert again["diff"] == {"before": "", "after": ""}


def test_check_mode_says_what_removal_takes(sides: Sides) -> None:
    destination = sides.destination
    one, two = images.image("one"), images.image("two")
    for tag, there in {"a": one, "b": one, "c": two}.items():
        destination.push(there, tag)
    entries = [{"destination": destination.ref(tag), "state": "absent"} for tag in "abcd"]
    task = {"name": "Remove", "imagesync.registry.image_sync": {"images": entries}}

    checking = run_tasks([task], "--check", "--diff")
    assert sides.writes() == []
    assert destination.tags() == ["a", "b", "c"]
    run = run_tasks([task], "--diff")

    assert [image["reason"] for image in run[0]["images"]] == [*["removed"] * 3, "in_sync"]
    for before, after in zip(checking[0]["images"], run[0]["images"], strict=True):
        assert before == after
    assert checking[0]["diff"] == run[0]["diff"]
    assert rows(run[0])[1:] == [
        (destination.ref(tag), there.digest[:19], "(absent)")
        for tag, there in (("a", one), ("b", one), ("c", two))
    ]
    for line in run[0]["diff"]["prepared"].splitlines():
        assert line in run.output and line in checking.output
    assert destination.tags() == []


def test_check_mode_fails_where_the_run_would(sides: Sides) -> None:
    sides.destination.push(images.image("there"), "there")
    sides.source.push(images.image("other"), "there")
    entries = [
        {"source": sides.source.ref("missing"), "destination": sides.destination.ref("")},
        {
            "source": sides.source.ref("there"),
            "destination": sides.destination.ref(""),
            "existing": "fail",
        },
    ]
    task = {"name": "Mirror", "imagesync.registry.image_sync": {"images": entries}}
    checking, run = run_tasks([task], "--check"), run_tasks([task])
    assert checking[0]["failed"] and run[0]["failed"]
    assert checking[0]["msg"] == run[0]["msg"]
    assert checking[0]["images"] == run[0]["images"]
    assert sides.writes() == []
