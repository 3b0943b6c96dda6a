# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source and destination are compared by digest, on every run, whatever they are called."""

from __future__ import annotations

import pytest

from tests.support import images, push
from tests.support.content import Image
from tests.support.faults import ALWAYS
from tests.support.playbook import run_tasks
from tests.support.proxy import RecordingProxy
from tests.support.sides import IN_SYNC, Sides
from tests.support.sync import blobs, sync

NO_DIGEST = "Docker-Content-Digest"


def test_another_source_name_with_the_same_digest_is_in_sync(sides: Sides, copied: Image) -> None:
    sides.source.push(copied, "other-name", "elsewhere/app")
    source = sides.source.ref("other-name", "elsewhere/app")
    result = sync(source=source, destination=sides.destination.ref("1"))
    assert (result["changed"], result["reason"]) == (False, "in_sync")
    assert result["digest"] == copied.digest
    assert sides.asked() == IN_SYNC


def test_a_moved_destination_tag_is_put_right(sides: Sides, copied: Image) -> None:
    stranger = sides.destination.push(images.image("somebody else's"))
    result = sides.run()
    assert (result["changed"], result["reason"]) == (True, "digest_differs")
    assert result["previous_digest"] == stranger.digest
    assert sides.destination.has_whole(copied)
    assert sides.destination.written() == ["1"]
    assert sides.destination.written("upload") == []


def test_a_deleted_destination_tag_is_put_right(sides: Sides, copied: Image) -> None:
    push.delete_manifest(sides.destination.host, sides.destination.repository, copied.digest)
    result = sides.run()
    assert (result["changed"], result["reason"]) == (True, "absent")
    assert "previous_digest" not in result
    assert sides.destination.has_whole(copied)


def test_a_moved_source_is_followed_and_only_what_is_new_moves(sides: Sides, copied: Image) -> None:
    kept = copied.blobs[1:]
    newer = images.image("newer", layers=[*kept, *images.image("newer").blobs[1:]])
    sides.source.push(newer)
    result = sides.run()
    assert (result["changed"], result["reason"]) == (True, "digest_differs")
    assert (result["previous_digest"], result["digest"]) == (copied.digest, newer.digest)
    assert blobs(result) == (2, 0, len(kept))
    assert sides.destination.has_whole(newer)
    # what the old manifest names isn't asked for again
    asked = {r.params.get("mount") or r.reference for r in sides.destination.proxy.requests}
    assert not asked & {blob.digest for blob in kept}


def test_an_index_that_moved_reads_and_writes_its_new_children_only(sides: Sides) -> None:
    same, old, new = (images.image(seed, platform="linux/arm64") for seed in ("a", "b", "c"))
    sides.source.push(images.index([same, old]))
    sync(**sides.options())
    moved = sides.source.push(images.index([same, new]))
    sides.clear()
    result = sync(**sides.options())
    assert result["reason"] == "digest_differs"
    assert sides.destination.has_whole(moved, judge=True)
    assert sides.destination.written() == [new.digest, "1"]
    read = {request.reference for request in sides.source.proxy.select("GET", "manifest")}
    assert read == {moved.digest, new.digest}


def test_the_tag_is_followed_even_if_the_manifest_was_there(sides: Sides, copied: Image) -> None:
    """A tag goes back to an older image that the destination still has: one write."""
    sides.destination.push(images.image("interlude"))
    sides.destination.push(copied, "old")
    sides.run()
    assert [str(write) for write in sides.writes()] == [
        f"PUT /v2/{sides.destination.repository}/manifests/1 -> 201"
    ]


HABITS = {
    "no digest header": ("manifests", "drop_header", NO_DIGEST),
    "405 on HEAD": ("HEAD .*/manifests/", "status", 405),
    "501 on HEAD": ("HEAD .*/manifests/", "status", 501),
}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("side", ["source", "destination"])
def test_registries_that_tell_less_are_compared_too(sides: Sides, side: str, habit: str) -> None:
    proxy = getattr(sides, side).proxy
    fault = proxy.inject(*HABITS[habit], times=ALWAYS)
    wanted = sides.source.push(images.multi_platform("terse"))

    assert sync(**sides.options())["reason"] == "absent"
    assert sides.destination.has_whole(wanted)
    again = sync(**sides.options())
    assert (again["changed"], again["reason"]) == (False, "in_sync")

    moved = sides.source.push(images.multi_platform("terse and moved"))
    assert sync(**sides.options())["reason"] == "digest_differs"
    assert sides.destination.has_whole(moved)
    assert fault.hits >= 2


@pytest.mark.parametrize("habit", ["with a digest header", "without"])
def test_a_manifest_damaged_on_its_way_is_never_published(sides: Sides, habit: str) -> None:
    """By tag nobody knows the digest: what was read is compared, or read again by digest."""
    wanted = sides.source.push(images.image("damaged"))
    inner = sides.source.proxy
    with RecordingProxy(inner.url) as outer:
        if habit == "without":
            inner.inject("manifests", "drop_header", NO_DIGEST, times=ALWAYS)
        fault = outer.inject("GET .*/manifests/1", "corrupt", 100)
        source = sides.source.ref().replace(inner.host, outer.host)
        result = sync(source=source, destination=sides.destination.ref(), retries=0)
        assert fault.hits == 1
    if habit == "without":
        # nobody told the right digest, and nothing has the wrong one
        assert result["failed"] and wanted.digest not in result["msg"]
        assert sides.writes() == []
        assert sides.destination.tags() == []
    else:
        assert sides.destination.has_whole(wanted)


def test_a_manifest_that_stays_damaged_fails(sides: Sides, copied: Image) -> None:
    sides.source.push(images.image("always damaged"))
    fault = sides.source.proxy.inject("GET .*/manifests/", "corrupt", 100, times=ALWAYS)
    result = sync(retries=0, **sides.options())
    assert fault.hits == 1
    assert result["failed"] and "digest" in result["msg"]
    assert sides.writes() == []
    assert sides.destination.has_whole(copied)


def test_a_destination_that_stores_something_else_is_noticed(sides: Sides) -> None:
    """What the tag names is confirmed: the answer to the write says so."""
    sides.source.push(images.image("stored"))
    lie = {NO_DIGEST: "sha256:" + "0" * 64}
    fault = sides.destination.proxy.inject("PUT .*/manifests/", "set_header", headers=lie)
    result = sync(**sides.options())
    assert fault.hits == 1
    assert result["failed"] and lie[NO_DIGEST] in result["msg"]


def test_a_write_whose_answer_says_nothing_is_confirmed_by_head(sides: Sides) -> None:
    wanted = sides.source.push(images.image("silent"))
    fault = sides.destination.proxy.inject("PUT .*/manifests/", "drop_header", NO_DIGEST)
    assert sync(**sides.options())["changed"]
    assert fault.hits == 1
    last = sides.destination.proxy.requests[-1]
    assert (last.method, last.kind, last.reference) == ("HEAD", "manifest", "1")
    assert sides.destination.has_whole(wanted)


def test_a_playbook_puts_right_what_somebody_changed(sides: Sides, copied: Image) -> None:
    sides.destination.push(images.image("playbook's stranger"))
    task = {"name": "Copy", "imagesync.registry.image_sync": sides.options()}
    run = run_tasks([task, task], "--diff")
    assert [result["reason"] for result in run.results] == ["digest_differs", "in_sync"]
    stranger = images.image("playbook's stranger").digest
    where = sides.destination.ref("1")
    assert run[0]["diff"] == {
        "before": f"{where} {stranger}\n",
        "after": f"{where} {copied.digest}\n",
    }
    assert f"-{where} {stranger}" in run.output and f"+{where} {copied.digest}" in run.output
    assert run[1]["diff"] == {"before": "", "after": ""}
    assert sides.destination.has_whole(copied)
