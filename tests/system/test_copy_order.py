# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a consumer sees changes before the last write; a failed run leaves the tag."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import images, push
from tests.support.content import Image
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeRegistry
from tests.support.sides import IN_SYNC, Side, Sides
from tests.support.sync import blobs, foretold_then_done, sync

LAYERS = 2
BLOB_PUT = "PUT .*/blobs/uploads/"
BLOB_GET = "GET .*/blobs/sha256"


def _kill(running: list[subprocess.Popen[bytes]]) -> None:
    running[0].kill()


def _old_and_new(sides: Sides) -> tuple[Image, Image]:
    """The tag names an old image at the destination, and a new index at the source."""
    old = sides.destination.push(images.image("old"))
    return old, sides.source.push(images.multi_platform("new", layers=LAYERS))


def test_blobs_then_children_then_the_tag(sides: Sides) -> None:
    wanted = sides.source.push(images.nested_index("order"))
    sync(**sides.options())
    assert sides.destination.has_whole(wanted)

    done: set[str] = set()
    by_digest = {manifest.digest: manifest for manifest in wanted.walk()}
    for request in sides.destination.proxy.select("PUT"):
        if request.kind == "upload":
            done.add(request.params["digest"])
            continue
        name = wanted.digest if request.reference == "1" else request.reference
        needed = [blob.digest for blob in by_digest[name].blobs]
        needed += [child.digest for child in by_digest[name].children]
        assert done.issuperset(needed)
        done.add(name)
    assert done == {b.digest for b in wanted.all_blobs} | set(by_digest)
    last = sides.destination.proxy.requests[-1]
    assert (last.method, last.kind, last.reference) == ("PUT", "manifest", "1")


def test_everything_is_read_by_digest_after_one_look_at_the_tag(sides: Sides) -> None:
    sides.source.push(images.nested_index("resolved"))
    sides.destination.push(images.image("resolved before"))
    sync(**sides.options())
    by_tag = [r for r in sides.source.proxy.select(kind="manifest") if r.reference == "1"]
    assert [request.method for request in by_tag] == ["HEAD"]
    assert sides.source.proxy.requests[0] is by_tag[0]


def test_a_tag_that_moves_meanwhile_is_copied_as_it_was(sides: Sides) -> None:
    """What was resolved is what is copied, whole: no mixture of two images."""
    sides.destination.push(images.image("before all"))
    wanted = sides.source.push(images.multi_platform("first"))
    later = images.multi_platform("second")
    fault = sides.source.proxy.inject(
        f"GET .*/manifests/{wanted.digest}", "pass", call=lambda: sides.source.push(later)
    )
    assert sync(**sides.options())["digest"] == wanted.digest
    assert fault.hits == 1
    assert sides.destination.has_whole(wanted)
    assert sync(**sides.options())["digest"] == later.digest
    assert sides.destination.has_whole(later)


FAILURES = {
    "blob not accepted": ("destination", BLOB_PUT, "status", 500),
    "blob refused": ("destination", BLOB_PUT, "status", 403),
    "connection lost while sending": ("destination", BLOB_PUT, "rst_body", 100),
    "no upload session": ("destination", "POST .*/blobs/uploads/", "status", 503),
    "blob not given": ("source", BLOB_GET, "status", 500),
    "blob gone": ("source", BLOB_GET, "status", 404),
    "blob damaged": ("source", BLOB_GET, "corrupt", 50),
    "blob cut": ("source", BLOB_GET, "truncate", 50),
    "blob closed early": ("source", BLOB_GET, "close_short", 50),
    "blob of another length": ("source", BLOB_GET, "wrong_length", -1),
    "child manifest refused": ("destination", "PUT .*/manifests/sha256", "status", 400),
    "child manifest gone": ("source", "GET .*/manifests/sha256", "status", 404),
    "tag refused": ("destination", "PUT .*/manifests/1", "status", 403),
    "connection lost at the tag": ("destination", "PUT .*/manifests/1", "rst_before", 0),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_run_leaves_the_tag_and_the_next_one_does_the_rest(
    sides: Sides, failure: str
) -> None:
    old, new = _old_and_new(sides)
    side, match, action, arg = FAILURES[failure]
    skip = 2 if "blob" in failure else 0
    fault = getattr(sides, side).proxy.inject(match, action, arg, times=ALWAYS, skip=skip)

    result = sync(retries=0, **sides.options())

    assert fault.hits > 0
    assert (result["failed"], result["changed"], result["reason"]) == (True, False, "failed")
    assert sides.destination.ref("1") in result["msg"]
    assert getattr(sides, side).proxy.host in result["msg"]
    assert sides.destination.digest("1") == old.digest
    # without all of its content, it isn't even tried
    assert ("1" in sides.destination.written()) == ("tag" in failure)

    sides.heal()
    missing = sides.destination.missing(new)
    result = sync(retries=0, **sides.options())
    assert result["reason"] == "digest_differs"
    assert sorted(sides.destination.written("upload")) == sorted(missing)
    assert result["blobs_copied"] == len(missing)
    assert sides.destination.has_whole(new)


PASSING = {
    "answer to a blob lost": ("destination", BLOB_PUT, "rst_after", 0),
    "500 for a blob": ("destination", BLOB_PUT, "status", 500),
    "early 503 for a blob": ("destination", BLOB_PUT, "early_status", 503),
    "sending is cut": ("destination", BLOB_PUT, "rst_body", 10),
    "blob damaged": ("source", BLOB_GET, "corrupt", 50),
    "blob cut": ("source", BLOB_GET, "truncate", 50),
    "answer to the tag lost": ("destination", "PUT .*/manifests/1", "rst_after", 0),
    "502 for the tag": ("destination", "PUT .*/manifests/1", "status", 502),
    "child manifest damaged": ("source", "GET .*/manifests/sha256", "corrupt", 50),
}


@pytest.mark.parametrize("failure", PASSING)
@pytest.mark.usefixtures("quick")
def test_what_passes_is_tried_again(sides: Sides, failure: str) -> None:
    _old, new = _old_and_new(sides)
    side, match, action, arg = PASSING[failure]
    fault = getattr(sides, side).proxy.inject(match, action, arg, times=2)
    result = sync(**sides.options())
    assert fault.hits == 2
    assert result["reason"] == "digest_differs"
    # a kept connection that breaks gets one more try that isn't counted
    assert result["stats"]["retries"] >= (0 if action.startswith("rst") else 1)
    assert result["blobs_copied"] == len(new.all_blobs)
    assert result["bytes_copied"] == new.size
    assert sides.destination.has_whole(new)
    sides.heal()
    sync(**sides.options())
    assert sides.asked() == IN_SYNC


@pytest.mark.parametrize("harm", [("corrupt", 1 << 21), ("close_short", 1 << 21), ("corrupt", -1)])
def test_a_blob_damaged_in_its_stream_never_becomes_whole(
    sides: Sides, harm: tuple[str, int]
) -> None:
    wanted = sides.source.push(images.image("stream", size=3 << 20))
    large = wanted.blobs[1]
    fault = sides.source.proxy.inject(f"GET .*/blobs/{large.digest}", *harm, times=ALWAYS)
    result = sync(retries=0, **sides.options())
    assert fault.hits == 1
    assert result["failed"] and large.digest in result["msg"]
    sides.destination.proxy.settle()
    puts = sides.destination.proxy.select("PUT")
    (request,) = (put for put in puts if put.params.get("digest") == large.digest)
    assert 0 < request.bytes_in < len(large.data)
    assert sides.destination.missing(wanted) == [large.digest]
    assert sides.destination.tags() == []


@pytest.mark.parametrize("moment", [BLOB_PUT, "PUT .*/manifests/sha256", "PUT .*/manifests/1"])
def test_a_killed_registry_keeps_its_tag(
    sides: Sides, make_registry: MakeRegistry, make_proxy: MakeProxy, moment: str
) -> None:
    registry = make_registry()
    own = Sides(sides.source, Side(make_proxy(registry.url), registry.host, "mirror/own"))
    old, new = _old_and_new(own)
    skip = 1 if moment == BLOB_PUT else 0
    fault = own.destination.proxy.inject(moment, "pass", call=registry.kill, skip=skip)
    result = sync(retries=0, **own.options())
    assert fault.hits == 1
    assert result["failed"] and not result["changed"]

    registry.restart()
    assert own.destination.digest("1") == old.digest
    own.heal()
    missing = own.destination.missing(new)
    assert sync(**own.options())["blobs_copied"] == len(missing)
    assert own.destination.has_whole(new)


@pytest.mark.parametrize("moment", [BLOB_PUT, "PUT .*/manifests/sha256"])
def test_a_killed_run_keeps_the_tag(sides: Sides, moment: str) -> None:
    old, new = _old_and_new(sides)
    code = "import sys; from tests.support.sync import sync; sync(source=sys.argv[1], "
    code += "destination=sys.argv[2])"
    places = [sides.source.ref(), sides.destination.ref("")]
    running: list[subprocess.Popen[bytes]] = []
    fault = sides.destination.proxy.inject(
        moment, "rst_before", skip=1, times=ALWAYS, call=lambda: _kill(running)
    )
    running.append(subprocess.Popen([sys.executable, "-c", code, *places]))
    assert running[0].wait(30) == -9
    assert fault.hits >= 1
    assert sides.destination.digest("1") == old.digest

    sides.heal()
    missing = sides.destination.missing(new)
    assert sync(**sides.options())["blobs_copied"] == len(missing)
    assert sides.destination.has_whole(new)


def _forget(sides: Sides, blob: str) -> None:
    """The blob is gone from the destination, behind everybody's back."""
    push.delete_blob(sides.destination.host, sides.destination.repository, blob)


def test_a_blob_that_only_seems_to_be_there_is_noticed_and_sent(sides: Sides) -> None:
    """The old manifest names it, so that nobody asks; the registry refuses the new manifest."""
    old = images.image("old", layers=2)
    sides.source.push(old)
    sync(**sides.options())
    lost, kept = old.blobs[1:]
    new = sides.source.push(images.image("new", layers=[lost, kept]))
    _forget(sides, lost.digest)
    sides.clear()

    result = foretold_then_done(sides.destination.proxy, **sides.options())

    assert result["reason"] == "digest_differs"
    statuses = [request.status for request in sides.destination.proxy.select("PUT", "manifest")]
    assert statuses == [400, 201]
    assert sorted(sides.destination.written("upload")) == sorted([lost.digest, new.blobs[0].digest])
    assert blobs(result) == (2, 0, 1)
    assert result["bytes_copied"] == len(lost.data) + len(new.blobs[0].data)
    assert sides.destination.has_whole(new)


def test_a_child_that_only_seems_to_be_there_is_noticed_and_sent(sides: Sides) -> None:
    lost, old, new = (images.image(seed, platform="linux/arm64") for seed in ("x", "y", "z"))
    sides.source.push(images.index([lost, old], docker=False))
    sync(**sides.options())
    wanted = sides.source.push(images.index([lost, new]))
    push.delete_manifest(sides.destination.host, sides.destination.repository, lost.digest)
    _forget(sides, lost.blobs[0].digest)
    sides.clear()

    result = foretold_then_done(sides.destination.proxy, **sides.options())

    assert result["reason"] == "digest_differs"
    # it is looked for: not every registry refuses an index without its children
    assert sides.destination.written().count("1") == 1
    assert lost.digest in sides.destination.written()
    assert sides.destination.has_whole(wanted)


def test_what_is_lost_at_both_sides_fails_and_leaves_the_tag(sides: Sides) -> None:
    old = images.image("gone", layers=2)
    sides.source.push(old)
    sync(**sides.options())
    lost = old.blobs[1]
    sides.source.push(images.image("gone too", layers=[lost]))
    _forget(sides, lost.digest)
    push.delete_blob(sides.source.host, sides.source.repository, lost.digest)
    result = sync(**sides.options())
    assert result["failed"] and lost.digest in result["msg"]
    assert sides.destination.digest("1") == old.digest
