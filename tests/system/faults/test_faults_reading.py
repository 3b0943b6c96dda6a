# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults 1 to 11: reading. The table is in tests/support/matrix.py and docs/reliability.md."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.support import images
from tests.support.content import Image, to_json
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeStrict
from tests.support.judging import Judge
from tests.support.sides import Side

SIZE = 5 << 19
LARGE = images.image("large", size=SIZE)
LAYER = LARGE.blobs[1]
LENGTH = len(LAYER.data)
LAYER_GET = f"GET .*/blobs/{LAYER.digest}"
SMALL = images.image("small")
SMALL_LAYER = SMALL.blobs[1]
SMALL_GET = f"GET .*/blobs/{SMALL_LAYER.digest}"
NO_SUCH = "sha256:" + "0" * 64


def _ranges(judge: Judge) -> list[str | None]:
    """The Range of each request for the large layer."""
    return [r.header("Range") for r in judge.source.select("GET") if LAYER.digest in r.target]


@pytest.mark.parametrize("at", [0, 1, LENGTH // 2, LENGTH - 1])
def test_fault_01_reset_in_a_blob_read(judge: Judge, at: int) -> None:
    """The rest is read, into the same upload."""
    judge.given(LARGE)
    fault = judge.source.inject(LAYER_GET, "truncate", at)
    result = judge.survives(fault, again=False)
    # how much of what was sent before a reset arrives is for the kernel to say
    first, second = _ranges(judge)
    assert first is None
    assert second is None or 0 < int(second[len("bytes=") : -1]) <= at
    assert result["stats"]["bytes_downloaded"] - judge.new.size == 0
    assert judge.sides.destination.written("upload").count(LAYER.digest) == 1
    assert judge.destination.count("POST") == len(LARGE.blobs)


def test_fault_02_clean_close_short_of_the_length(judge: Judge) -> None:
    judge.given(LARGE)
    judge.survives(judge.source.inject(LAYER_GET, "close_short", LENGTH // 2), again=False)
    assert _ranges(judge) == [None, f"bytes={LENGTH // 2}-"]
    assert judge.source.bytes_down() == LARGE.size


def test_fault_02_within_one_registry(judge: Judge, make_strict: MakeStrict) -> None:
    """One request at a time: the rest is asked for while the upload has its place."""
    judge.write_to(make_strict(mount=False))
    side = judge.sides.destination
    origin = f"{side.repository}/origin"
    side.push(LARGE, repository=origin)
    judge.sides.source = Side(judge.destination, side.host, origin)
    judge.given(LARGE)
    fault = judge.destination.inject(LAYER_GET, "close_short", LENGTH // 2)
    judge.survives(fault, again=False, concurrency=1, deadline=20)


@pytest.mark.parametrize("off", [6, -6])
def test_fault_03_another_length_than_there_is(judge: Judge, off: int) -> None:
    """Once, it passes; for ever, it is an error that names the blob and the host."""
    judge.given(SMALL)
    fault = judge.source.inject(SMALL_GET, "wrong_length", off, times=ALWAYS)
    says = (SMALL_LAYER.digest, judge.source.host, f"has {len(SMALL_LAYER.data) + off} bytes")
    judge.refuses(fault, says=says, retries=2)
    assert fault.hits == 3
    judge.given(images.image("another length", layers=[SMALL_LAYER]))
    judge.survives(judge.source.inject("GET .*/blobs/", "wrong_length", off))


def test_fault_04_another_size_than_the_descriptor_says(judge: Judge) -> None:
    document = json.loads(SMALL.manifest)
    document["layers"][0]["size"] += 1
    judge.given(dataclasses.replace(SMALL, manifest=to_json(document)))
    says = (SMALL_LAYER.digest, f"its descriptor says {len(SMALL_LAYER.data) + 1}")
    judge.refuses(says=says, mend=lambda: judge.given(SMALL, old=False), retries=1)


def test_fault_05_a_corrupt_byte_in_a_blob_once(judge: Judge) -> None:
    judge.given(LARGE)
    fault = judge.source.inject(LAYER_GET, "corrupt", LENGTH // 2)
    judge.survives(fault)
    assert fault.hits == 1


def test_fault_06_a_corrupt_byte_in_a_blob_always(judge: Judge) -> None:
    judge.given(SMALL)
    fault = judge.source.inject(SMALL_GET, "corrupt", 5, times=ALWAYS)
    says = (SMALL_LAYER.digest, judge.source.host, "has the digest sha256:", "tried 3 times")
    judge.refuses(fault, says=says, lacks=SMALL_LAYER.digest, retries=2)


def test_fault_07_a_corrupt_byte_in_a_manifest_by_tag(judge: Judge) -> None:
    """No other image is ever published; where the digest differs it is read again by digest."""
    judge.given(SMALL, old=False)
    fault = judge.source.inject("GET .*/manifests/1", "corrupt", SMALL.manifest.find(b"sha256") + 9)
    judge.survives(fault, again=False)
    assert judge.sides.destination.written() == ["1"]


def test_fault_08_other_content_by_digest(judge: Judge) -> None:
    other = images.image("other")
    judge.given(SMALL)
    fault = judge.source.inject(
        f"GET .*/manifests/{SMALL.digest}", "status", 200, times=ALWAYS,
        headers={"Content-Type": other.media_type}, body=other.manifest,
    )  # fmt: skip
    judge.refuses(fault, says=(SMALL.digest, other.digest, judge.source.host), retries=1)


@pytest.mark.parametrize("old", [True, False])
def test_fault_09_a_header_that_names_another_digest(judge: Judge, old: bool) -> None:
    """What is read has to be what was named; what was read isn't pushed."""
    judge.given(SMALL, old=old)
    named = {"Docker-Content-Digest": NO_SUCH}
    tag = judge.source.inject(".*/manifests/1", "set_header", headers=named, times=ALWAYS)
    body = judge.source.inject(
        f"GET .*/manifests/{NO_SUCH}", "status", 200, times=ALWAYS,
        headers={"Content-Type": SMALL.media_type, **named}, body=SMALL.manifest,
    )  # fmt: skip
    judge.refuses(tag, body, says=(NO_SUCH, SMALL.digest), retries=1)


@pytest.mark.parametrize("old", [True, False])
def test_fault_10_no_header_that_names_a_digest(judge: Judge, old: bool) -> None:
    judge.given(images.multi_platform("unnamed"), old=old)
    faults = [
        proxy.inject("manifests", "drop_header", "Docker-Content-Digest", times=ALWAYS)
        for proxy in (judge.source, judge.destination)
    ]
    judge.survives(*faults)


@pytest.mark.parametrize("status", [405, 501])
def test_fault_11_no_head_of_manifests(judge: Judge, make_strict: MakeStrict, status: int) -> None:
    if status == 405:
        judge.read_from(make_strict(head_manifest=False))
        judge.write_to(make_strict(head_manifest=False))
    judge.given(_index())
    faults = [
        proxy.inject("HEAD .*/manifests/", "status", 501, times=ALWAYS if status == 501 else 0)
        for proxy in (judge.source, judge.destination)
    ]
    judge.survives(*(faults if status == 501 else []), again=False)
    for proxy in (judge.source, judge.destination):
        heads = proxy.select("HEAD", "manifest")
        assert heads and {request.status for request in heads} == {status}
    assert judge.run()["reason"] == "in_sync"


def _index() -> Image:
    return images.multi_platform("no head")
