# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many images in one call: each with its own result; one bad one doesn't stop the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from tests.support import images
from tests.support.faults import ALWAYS
from tests.support.playbook import run_tasks
from tests.support.sides import IN_SYNC, Sides
from tests.support.sync import foretold_then_done, sync

pytestmark = pytest.mark.any_core

Entry = dict[str, Any]


def _entry(sides: Sides, tag: str, **more: Any) -> Entry:
    return {"source": sides.source.ref(tag), "destination": sides.destination.ref(""), **more}


def _push(sides: Sides, *tags: str) -> list[Entry]:
    """Images at the source, and the entries that copy them."""
    for tag in tags:
        sides.source.push(images.image(tag), tag)
    return [_entry(sides, tag, name=f"the {tag}") for tag in tags]


def test_each_has_its_own_result_in_the_order_declared(sides: Sides) -> None:
    entries = _push(sides, "c", "a", "b")
    sides.destination.push(images.image("a"), "a")
    result = foretold_then_done(sides.source.proxy, sides.destination.proxy, images=entries)
    assert result["changed"] and "failed" not in result and "digest" not in result
    assert [image["name"] for image in result["images"]] == ["the c", "the a", "the b"]
    assert [image["reason"] for image in result["images"]] == ["absent", "in_sync", "absent"]
    assert [image["destination"] for image in result["images"]] == [
        sides.destination.ref(tag) for tag in "cab"
    ]
    assert [image["digest"] for image in result["images"]] == [
        images.image(tag).digest for tag in "cab"
    ]
    assert result["stats"]["bytes_uploaded"] == sum(
        image["bytes_copied"] for image in result["images"]
    )
    for tag in "abc":
        assert sides.destination.has_whole(images.image(tag), tag)


def test_entries_fall_back_to_the_call(sides: Sides) -> None:
    entries = _push(sides, "a", "b")
    entries[1].update(destination_tag="own-{tag}", state="present")
    result = sync(images=entries, destination_tag="all-{tag}", state="staged")
    assert [image["reason"] for image in result["images"]] == ["staged", "absent"]
    assert [image["destination"] for image in result["images"]] == [
        sides.destination.ref("all-a"),
        sides.destination.ref("own-b"),
    ]
    assert sides.destination.tags() == ["own-b"]


def test_one_image_is_at_the_top_too(sides: Sides) -> None:
    result = sync(images=_push(sides, "a"))
    assert result["name"] == "the a"
    assert result["digest"] == result["images"][0]["digest"] == images.image("a").digest


def test_an_empty_list_is_ok(sides: Sides) -> None:
    result = sync(images=[])
    assert (result["changed"], result["images"]) == (False, [])
    assert "failed" not in result


def test_one_bad_image_does_not_stop_the_others(sides: Sides) -> None:
    entries = _push(sides, "a", "b", "c")
    entries[1:1] = [_entry(sides, "missing"), _entry(sides, "too")]
    fault = sides.destination.proxy.inject("PUT .*/manifests/b", "status", 403, times=ALWAYS)
    result = sync(images=entries)
    assert fault.hits == 1
    assert result["failed"] and result["changed"]
    reasons = [image["reason"] for image in result["images"]]
    assert reasons == ["absent", "failed", "failed", "failed", "absent"]
    head, *lines = result["msg"].splitlines()
    assert head == "3 of 5 images failed:"
    for line, image in zip(lines, result["images"][1:4], strict=True):
        assert line == f"{image['destination']}: {image['msg']}"
    assert sides.destination.tags() == ["a", "c"]

    sides.heal()
    again = sync(images=[entries[0], *entries[3:]])
    assert [image["reason"] for image in again["images"]] == ["in_sync", "absent", "in_sync"]


@pytest.mark.parametrize("where", ["survey", "transfer"])
def test_fail_fast_leaves_the_rest_not_done(sides: Sides, where: str) -> None:
    entries = _push(sides, "a", "b", "c")
    if where == "survey":
        entries.insert(0, _entry(sides, "missing"))
    else:
        entries.insert(0, _entry(sides, "bad"))
        sides.source.push(images.image("bad", layers=3), "bad")
        sides.destination.proxy.inject("PUT .*/blobs/uploads/", "status", 403, times=ALWAYS)
    result = sync(images=entries, fail_fast=True, concurrency=1)
    assert result["failed"] and not result["changed"]
    assert [i["reason"] for i in result["images"]] == ["failed", *["not_done"] * 3]
    assert "3 of 4 were not done: another image failed" in result["msg"]
    assert len(result["msg"].splitlines()) == 2
    assert sides.destination.tags() == []
    sides.heal()
    assert sync(images=entries[1:], fail_fast=True)["changed"]
    assert sides.destination.tags() == ["a", "b", "c"]


def test_equal_entries_are_one(sides: Sides) -> None:
    (entry,) = _push(sides, "a")
    same = {**entry, "source": f"docker://{entry['source']}", "destination_tag": "{tag}"}
    explicit = {**entry, "destination": sides.destination.ref("a")}
    result = sync(images=[entry, same, explicit])
    assert len(result["images"]) == 1 and result["digest"]
    sides.clear()
    sync(images=[entry, entry])
    assert sides.asked() == IN_SYNC


ERRORS: dict[str, tuple[list[Entry], list[str]]] = {
    "two sources for one tag": (
        [{"source": "S/a:1", "destination": "D/a"}, {"source": "S/b:1", "destination": "D/a"}],
        ["D/a:1", "S/a:1", "S/b:1"],
    ),
    "one by its tag, one by its template": (
        [
            {"source": "S/a:1", "destination": "D/a", "destination_tag": "x"},
            {"source": "S/b:1", "destination": "D/a:x"},
        ],
        ["D/a:x", "S/a:1", "S/b:1"],
    ),
    "present and absent": (
        [{"source": "S/a:1", "destination": "D/a"}, {"destination": "D/a:1", "state": "absent"}],
        ["D/a:1", "S/a:1", "absent"],
    ),
    "different options": (
        [
            {"source": "S/a:1", "destination": "D/a"},
            {"source": "S/a:1", "destination": "D/a", "existing": "keep"},
        ],
        ["D/a:1", "different options"],
    ),
    "source is destination": ([{"source": "S/a:1", "destination": "S/a"}], ["S/a:1", "the same"]),
    "source is destination by digest": (
        [{"source": f"S/a@sha256:{'0' * 64}", "destination": "S/a"}],
        ["S/a@sha256", "the same"],
    ),
    "bad source": (
        [{"name": "mine", "source": "S/A:1", "destination": "D/a"}],
        ["mine", "'S/A:1'"],
    ),
    "bad destination": ([{"source": "S/a:1", "destination": "D/a:-1"}], ["'D/a:-1'"]),
    "bad digest": ([{"source": "S/a@sha256:12", "destination": "D/a"}], ["sha256:12"]),
    "with a scheme": ([{"source": "https://S/a:1", "destination": "D/a"}], ["https://"]),
    "no source": ([{"destination": "D/a:1"}], ["source is missing"]),
    "no destination": ([{"source": "S/a:1"}], ["destination is missing"]),
    "absent without a tag": ([{"destination": "D/a", "state": "absent"}], ["a tag or a digest"]),
}


def _placed(sides: Sides, value: Any) -> Any:
    """The entry with the hosts of these registries."""
    if not isinstance(value, str):
        return value
    return value.replace("S/", f"{sides.source.proxy.host}/").replace(
        "D/", f"{sides.destination.proxy.host}/"
    )


@pytest.mark.parametrize("error", ERRORS)
def test_errors_come_before_the_first_request(sides: Sides, error: str) -> None:
    entries, said = ERRORS[error]
    good = _entry(sides, "good")
    bad = [{key: _placed(sides, value) for key, value in entry.items()} for entry in entries]
    with pytest.raises(InvalidInput) as caught:
        sync(images=[good, *bad])
    for words in said:
        assert _placed(sides, words) in str(caught.value)
    assert sides.source.proxy.requests + sides.destination.proxy.requests == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"images": [], "source": "a", "destination": "b"}, "mutually exclusive"),
        ({"source": "a", "destination": "b", "state": "gone"}, "must be one of"),
        ({"source": "a", "destination": "b", "platform": []}, "platform"),
        ({"source": "a", "destinaton": "b"}, "^destinaton"),
    ],
)
def test_ansible_refuses_options_that_do_not_fit(options: Entry, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sync(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "either destination"), ({"source": "a"}, "or images"), ({"destination": ""}, "is empty")],
)
def test_a_place_is_needed(options: Entry, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        sync(**options)


def test_a_playbook_reports_every_failure(sides: Sides) -> None:
    entries = _push(sides, "a", "b")
    entries.insert(1, _entry(sides, "missing"))
    conflict = [_entry(sides, "a", destination_tag="x"), _entry(sides, "b", destination_tag="x")]
    run = run_tasks(
        [
            {"name": "Mirror", "imagesync.registry.image_sync": {"images": entries}},
            {"name": "Nothing", "imagesync.registry.image_sync": {"images": []}},
            {"name": "Conflict", "imagesync.registry.image_sync": {"images": conflict}},
            *_as_the_guide_says(entries),
            *_as_the_guide_says([entries[0], entries[2]]),
        ]
    )
    assert [result["failed"] for result in run.results[:3]] == [True, False, True]
    assert run[0]["changed"]
    assert [image["reason"] for image in run[0]["images"]] == ["absent", "failed", "absent"]
    assert run[0]["msg"].splitlines()[0] == "1 of 3 images failed:"
    assert sides.source.ref("missing") in run[0]["msg"].splitlines()[1]
    assert sides.destination.tags() == ["a", "b"]
    assert sides.destination.ref("x") in run[2]["msg"]
    assert "Traceback" not in run.output
    assert [result["failed"] for result in run.results[3:]] == [False, True, False]
    assert run[4]["msg"] == run[0]["msg"]


def _as_the_guide_says(entries: list[Entry]) -> list[dict[str, Any]]:
    """The tasks of docs/progress.md that fail with the reasons alone."""
    text = (Path(__file__).parents[2] / "docs" / "progress.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    tasks: list[dict[str, Any]] = yaml.safe_load(block)
    tasks[0]["imagesync.registry.image_sync"]["images"] = entries
    return tasks


def test_an_index_and_its_child_in_one_call(sides: Sides) -> None:
    """The same manifests and blobs under several tags: each is sent once."""
    child = images.image("child", layers=2)
    entries = []
    for tag, one in {"child": child, "again": child, "index": images.index([child])}.items():
        sides.source.push(one, tag)
        entries.append(_entry(sides, tag))
    result = foretold_then_done(sides.source.proxy, sides.destination.proxy, images=entries)
    assert [image["reason"] for image in result["images"]] == ["absent"] * 3
    assert sorted(sides.destination.written("upload")) == sorted(b.digest for b in child.blobs)
    assert result["stats"]["blobs_copied"] == len(child.blobs)
    assert sides.destination.has_whole(child, "child")
    assert sides.destination.has_whole(child, "again")
    assert sides.destination.has_whole(images.index([child]), "index")


def test_a_tag_that_is_refused_does_not_stop_the_index_with_that_image(sides: Sides) -> None:
    child = images.image("child")
    sides.source.push(child, "child")
    sides.source.push(images.index([child]), "index")
    fault = sides.destination.proxy.inject("PUT .*/manifests/child", "status", 403, times=ALWAYS)
    result = sync(images=[_entry(sides, "child"), _entry(sides, "index")])
    assert fault.hits == 1
    assert [image["failed"] for image in result["images"]] == [True, False]
    assert sides.destination.has_whole(images.index([child]), "index")


def test_a_broken_source_does_not_stop_images_that_share_its_layers(sides: Sides) -> None:
    """Two sources, one destination repository: the layer comes from where it still is."""
    shared = images.image("shared").blobs[1]
    broken = images.image("broken", layers=[shared, images.image("more").blobs[1]])
    sound = images.image("sound", layers=[shared])
    elsewhere = f"{sides.source.repository}/elsewhere"
    sides.source.push(broken, "broken")
    sides.source.push(sound, "sound", elsewhere)
    fault = sides.source.proxy.inject(
        f"GET .*{sides.source.repository}/blobs/", "status", 404, times=ALWAYS
    )
    result = sync(
        images=[
            _entry(sides, "broken"),
            {
                "source": sides.source.ref("sound", elsewhere),
                "destination": sides.destination.ref(""),
            },
        ]
    )
    assert fault.hits > 0
    assert [image["failed"] for image in result["images"]] == [True, False]
    assert sides.destination.has_whole(sound, "sound")
