# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries that lie, forget, or do things in their own way."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import ask
from tests.support.content import Image, to_json
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeStrict
from tests.support.sides import Sides
from tests.support.sync import blobs, foretold_then_done, sync
from tests.support.waiting import wait_until

BLOB_PUT = "PUT .*/blobs/uploads/"
MODULE = Path(__file__).parents[2] / "plugins" / "modules" / "image_sync.py"


def _error(code: str) -> bytes:
    return to_json({"errors": [{"code": code, "message": "as it says"}]})


def test_another_image_under_the_digest_asked_for_is_refused(sides: Sides) -> None:
    """Header and body agree with each other, and not with what was asked for."""
    wanted = sides.source.push(images.image("wanted"))
    other = sides.source.push(images.image("other"), "other")
    answer = {"Docker-Content-Digest": other.digest, "Content-Type": other.media_type}
    fault = sides.source.proxy.inject(
        f"GET .*/manifests/{wanted.digest}", "status", 200, times=ALWAYS,
        headers=answer, body=other.manifest,
    )  # fmt: skip
    result = sync(
        source=sides.source.ref(wanted.digest), destination=sides.destination.ref(), retries=1
    )
    assert result["failed"] and fault.hits == 2
    assert wanted.digest in result["msg"] and other.digest in result["msg"]
    assert sides.destination.tags() == []


def test_another_digest_in_the_answer_to_a_head_is_refused(sides: Sides) -> None:
    wanted = sides.destination.push(images.image("there"))
    other = images.image("elsewhere").digest
    fault = sides.destination.proxy.inject(
        f"HEAD .*/manifests/{wanted.digest}", "set_header", times=ALWAYS,
        headers={"Docker-Content-Digest": other},
    )  # fmt: skip
    result = sync(source=sides.source.ref(wanted.digest), destination=sides.destination.ref(""))
    assert result["failed"] and fault.hits and other in result["msg"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("status", "code"), [(404, "BLOB_UPLOAD_UNKNOWN"), (400, "BLOB_UPLOAD_INVALID"), (416, "X")]
)
def test_a_lost_upload_begins_anew(sides: Sides, status: int, code: str) -> None:
    """Registries behind a balancer, or restarted ones, don't know the sessions of others."""
    wanted = sides.source.push(images.image("lost session"))
    fault = sides.destination.proxy.inject(BLOB_PUT, "status", status, body=_error(code))
    result = sync(**sides.options())
    assert fault.hits == 1 and result["reason"] == "absent"
    assert blobs(result) == (2, 0, 0)
    assert sides.destination.has_whole(wanted)


@pytest.mark.usefixtures("quick")
def test_a_mount_that_fails_once_is_tried_again(sides: Sides) -> None:
    side = sides.destination
    wanted = side.push(images.image("mounted after all"))
    target = f"{side.repository}/copy"
    fault = side.proxy.inject(r"POST .*\?mount=", "status", 503)
    result = sync(source=side.ref(), destination=side.ref("", repository=target))
    assert fault.hits == 1
    assert blobs(result) == (0, 2, 0)
    assert side.has_whole(wanted, repository=target)


@pytest.mark.usefixtures("quick")
def test_a_blob_found_after_a_failed_question_was_not_copied(sides: Sides) -> None:
    wanted = sides.source.push(images.image("found late"))
    sides.destination.push(images.image("found late"), "before")
    push.delete_manifest(sides.destination.host, sides.destination.repository, wanted.digest)
    fault = sides.destination.proxy.inject(r"POST .*\?mount=", "status", 503, times=ALWAYS)
    result = sync(**sides.options())
    assert fault.hits and blobs(result) == (0, 0, 2)
    assert result["bytes_copied"] == result["stats"]["bytes_uploaded"] == 0


@pytest.mark.parametrize("size", [2 << 20, 20 << 20])
def test_a_new_tag_does_not_bring_what_the_repository_has(
    sides: Sides, make_strict: MakeStrict, size: int
) -> None:
    """Also where the registry doesn't say so when it is asked to mount."""
    registry = make_strict(mount=False)
    old = images.image("1.0", size=size)
    registry.add("mirror/app", old, "1.0")
    new = sides.source.push(images.image("1.1", layers=[old.blobs[1]]), "1.1")
    result = foretold_then_done(
        sides.source.proxy,
        source=sides.source.ref("1.1"),
        destination=f"{registry.host}/mirror/app",
    )
    assert registry.tag("mirror/app", "1.1") == new.digest
    assert blobs(result) == (1, 0, 1)


def test_staged_images_are_found_behind_new_ones(sides: Sides) -> None:
    """What the first of many repositories lacks isn't taken as missing everywhere."""
    staged = sides.source.push(images.multi_platform("staged"), "staged")
    sides.source.push(images.image("new"), "new")
    entries = [
        {
            "source": sides.source.ref(tag),
            "destination": sides.destination.ref(name, f"{sides.destination.repository}/{tag}"),
        }
        for tag in ("new", "staged")
        for name in ("a", "b")
    ]
    sync(images=entries[2:], state="staged")
    sides.clear()
    result = sync(images=entries, concurrency=1)
    assert [image["reason"] for image in result["images"]] == ["absent"] * 4
    there = f"{sides.destination.repository}/staged"
    writes = [r for r in sides.destination.proxy.writes() if r.repo == there]
    assert [(r.method, r.kind) for r in writes] == [("PUT", "manifest")] * 2
    assert sides.destination.has_whole(staged, "b", there)


def test_images_by_digest_are_not_judged_by_the_tag_list(sides: Sides) -> None:
    first, second = (sides.source.push(images.image(seed), seed) for seed in ("first", "second"))
    entries = [
        {"source": sides.source.ref(one.digest), "destination": sides.destination.ref("")}
        for one in (first, second)
    ]
    sync(images=entries[1:])
    result = sync(images=entries)
    assert [image["reason"] for image in result["images"]] == ["absent", "in_sync"]


@pytest.mark.parametrize("existing", ["keep", "fail"])
def test_a_tag_that_the_list_lacks_is_not_overwritten(sides: Sides, existing: str) -> None:
    old = sides.destination.push(images.image("old"), "b")
    for tag in ("a", "b"):
        sides.source.push(images.image(f"new {tag}"), tag)
    fault = sides.destination.proxy.inject(
        "GET .*/tags/list", "status", 200, body=b'{"name": "x", "tags": []}', times=ALWAYS
    )
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")}
        for tag in ("a", "b")
    ]
    result = sync(images=entries, existing=existing)
    assert fault.hits
    assert result["images"][1]["reason"] == {"keep": "kept", "fail": "failed"}[existing]
    assert sides.destination.digest("b") == old.digest


def test_a_write_that_is_only_accepted_is_confirmed(sides: Sides) -> None:
    wanted = sides.source.push(images.image("accepted"))
    fault = sides.destination.proxy.inject("PUT .*/manifests/", "status_after", 202)
    result = sync(**sides.options())
    assert fault.hits == 1 and result["changed"]
    assert sides.destination.proxy.requests[-1].method == "HEAD"
    assert sides.destination.has_whole(wanted)


def test_another_word_for_what_is_missing_is_understood(sides: Sides) -> None:
    """Not every registry says MANIFEST_BLOB_UNKNOWN."""
    old = images.image("old", layers=2)
    sides.source.push(old)
    sync(**sides.options())
    new = sides.source.push(images.image("new", layers=list(old.blobs[1:])))
    push.delete_blob(sides.destination.host, sides.destination.repository, old.blobs[1].digest)
    fault = sides.destination.proxy.inject(
        "PUT .*/manifests/1", "status", 400, body=_error("MANIFEST_INVALID")
    )
    result = sync(**sides.options())
    assert fault.hits == 1 and result["reason"] == "digest_differs"
    assert sides.destination.has_whole(new)


def test_a_refused_blob_is_not_read_again_for_every_image(sides: Sides) -> None:
    """Another image's source helps where reading failed, not where writing did."""
    shared = images.image("shared").blobs[1]
    for tag in "abcd":
        sides.source.push(images.image(tag, layers=[shared]), tag)
    fault = sides.destination.proxy.inject(
        f"{BLOB_PUT}.*{shared.digest[7:]}", "status", 413, times=ALWAYS
    )
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")}
        for tag in "abcd"
    ]
    result = sync(images=entries)
    assert [image["reason"] for image in result["images"]] == ["failed"] * 4
    assert fault.hits == 1


def _index_with(children: list[dict[str, Any]], like: Image) -> Image:
    document = json.loads(like.manifest)
    document["manifests"] = children
    return dataclasses.replace(like, manifest=to_json(document))


def test_a_child_of_another_size_than_its_index_says_is_refused(sides: Sides) -> None:
    whole = images.multi_platform("size")
    children = [child.descriptor for child in whole.children]
    wrong = _index_with([{**children[0], "size": 5}, *children[1:]], whole)
    sides.source.push(wrong)
    result = sync(**sides.options())
    assert result["failed"] and "5" in result["msg"] and children[0]["digest"] in result["msg"]
    assert sides.destination.tags() == []


def test_an_index_that_names_a_child_many_times_costs_one_request(sides: Sides) -> None:
    whole = images.multi_platform("again")
    children = [child.descriptor for child in whole.children]
    sides.source.push(_index_with(children * 50, whole))
    found = ask(sides.source.ref())["images"][0]
    assert [entry["digest"] for entry in found["platforms"]] == [c["digest"] for c in children]
    assert sides.source.proxy.count("GET", "manifest") == 1 + len(children)


def test_the_words_in_a_name_do_not_explain_a_failure(sides: Sides) -> None:
    fault = sides.source.proxy.inject("/refused-timed-out/", "rst_before", times=ALWAYS)
    result = sync(
        source=f"{sides.source.proxy.host}/refused-timed-out/getaddrinfo:1",
        destination=sides.destination.ref(),
        retries=0,
    )
    assert fault.hits and "broke the connection" in result["msg"]


def test_sigterm_ends_a_call_with_what_is_done(sides: Sides) -> None:
    """What is done stays done and is told; the rest is named as not done."""
    small = sides.source.push(images.image("small"), "a")
    large = sides.source.push(images.image("large", size=1 << 20), "b")
    layer = large.blobs[1].digest
    sides.source.proxy.inject(f"GET .*/blobs/{layer}", "slow", 1000, pause=0.05)
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")} for tag in "ab"
    ]
    process = subprocess.Popen(
        [sys.executable, str(MODULE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    arguments = {"ANSIBLE_MODULE_ARGS": {"images": entries, "_ansible_remote_tmp": "/tmp"}}
    assert process.stdin
    process.stdin.write(json.dumps(arguments))
    process.stdin.close()
    process.stdin = None
    wait_until(lambda: sides.destination.tags() == ["a"], "the small image to be there")
    wait_until(lambda: sides.source.proxy.saw(layer) != [], "the large one to be on its way")
    process.send_signal(signal.SIGTERM)
    output, _errors = process.communicate(timeout=30)
    result = json.loads(output)
    assert process.returncode == 1
    assert result["failed"] and result["changed"] and "SIGTERM" in result["msg"]
    assert [image["reason"] for image in result["images"]] == ["absent", "not_done"]
    assert sides.destination.has_whole(small, "a")
    sides.heal()
    assert sync(images=entries)["images"][1]["reason"] == "absent"
