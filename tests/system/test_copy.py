# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of content is copied whole and byte for byte."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from tests.support import artifacts, images, push, skopeo
from tests.support.content import DOCKER_FOREIGN_LAYER, OCI_LAYER, Blob, Image
from tests.support.fixtures import MakeProxy, MakeRegistry
from tests.support.layers import layer
from tests.support.playbook import run_tasks
from tests.support.sides import IN_SYNC, Side, Sides
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import blobs, sync

_FOREIGN = layer("f", media_type=DOCKER_FOREIGN_LAYER, extra={"urls": ["https://example.com/f"]})
KINDS = {
    "OCI image": images.image("kind", layers=3),
    "Docker image": images.image("kind", docker=True),
    "OCI index": images.multi_platform("kind", shared_layer=True),
    "manifest list": images.multi_platform("kind", docker=True),
    "nested index": images.nested_index("kind"),
    "index with attestations": artifacts.attested_index("kind"),
    "zstd layer": images.zstd_image("kind"),
    "inline data": images.inline_image("kind"),
    "no layers": images.image_without_layers("kind"),
    "empty layer": images.image_with_empty_layer("kind"),
    "artifact": artifacts.artifact("kind"),
    "artifact without content": artifacts.artifact("kind", blobs=[]),
    "artifact with subject": artifacts.artifact("kind", subject=images.image("kind")),
    "image with subject": images.image("kind", subject=images.image("other")),
    "same layer twice": images.image("kind", layers=[layer("kind/twice")] * 2),
}
FOREIGN = {
    "foreign layer": images.foreign_image("kind"),
    "foreign OCI layer": images.foreign_image("kind", docker=False),
    "foreign layer that is stored": images.image("kind", docker=True, layers=[_FOREIGN]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_copied_whole(sides: Sides, kind: str) -> None:
    _copy_and_look(sides, KINDS[kind])
    ref = f"{sides.destination.host}/{sides.destination.repository}:1"
    # skopeo can't copy an index within an index; it can read it
    judge = skopeo.raw_digest if kind == "nested index" else skopeo.verify_whole
    assert judge(ref) == KINDS[kind].digest


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_layers_are_copied_where_they_are_and_else_left_where_they_are(
    make_registry: MakeRegistry, make_proxy: MakeProxy, repo: str, kind: str
) -> None:
    allowed = [r"^https://example\.com/"]
    registries = [make_registry(foreign_urls=allowed) for _unused in range(2)]
    sides = Sides(*(Side(make_proxy(one.url), one.host, repo) for one in registries))
    _copy_and_look(sides, FOREIGN[kind])
    ref = f"{sides.destination.host}/{sides.destination.repository}:1"
    assert skopeo.raw_digest(ref) == FOREIGN[kind].digest


def _copy_and_look(sides: Sides, wanted: Image) -> None:
    sides.source.push(wanted)

    first = sides.run()

    assert (first["changed"], first["reason"]) == (True, "absent")
    assert first["digest"] == first["source_digest"] == wanted.digest
    assert first["id"] == sides.destination.id(wanted.digest)
    assert first["media_type"] == wanted.media_type
    assert blobs(first) == (len(wanted.all_blobs), 0, 0)
    assert first["bytes_copied"] == wanted.size == sides.destination.proxy.bytes_up()
    assert sides.destination.has_whole(wanted)

    sides.clear()
    second = sync(**sides.options())
    assert (second["changed"], second["reason"]) == (False, "in_sync")
    assert sides.asked() == IN_SYNC


def test_platforms_of_an_index_are_named(sides: Sides) -> None:
    sides.source.push(artifacts.attested_index("named"))
    assert sides.run()["platforms"] == ["linux/amd64", "linux/arm64/v8"]


def test_a_registry_that_refuses_foreign_urls_says_so(
    sides: Sides, make_registry: MakeRegistry
) -> None:
    allowing = make_registry(foreign_urls=[r"^https://example\.com/"])
    push.push(images.foreign_image("refused"), f"{allowing.host}/foreign:1")
    result = sync(source=f"{allowing.host}/foreign:1", destination=sides.destination.ref())
    assert result["failed"] and sides.destination.proxy.host in result["msg"]
    assert "MANIFEST_BLOB_UNKNOWN" in result["msg"]
    assert sides.destination.tags() == []


def test_schema_1_is_refused_in_words(sides: Sides, strict: StrictRegistry) -> None:
    old = artifacts.schema1()
    strict.put_raw("library/old", "1", old.manifest, old.media_type)
    source = f"{strict.host}/library/old:1"
    bulk = [
        {"source": source, "destination": sides.destination.ref("new")},
        {"source": source, "destination": sides.destination.ref("there")},
    ]
    before = sides.destination.push(images.image("there"), "there")
    result = sync(images=bulk)
    for image in result["images"]:
        assert image["failed"] and "Docker schema 1" in image["msg"] and source[:-2] in image["msg"]
    assert sides.writes() == []
    assert sides.destination.digest("there") == before.digest


def test_inline_content_is_not_read_from_the_source(sides: Sides) -> None:
    wanted = sides.source.push(images.inline_image("unread"))
    result = sync(**sides.options())
    assert sides.destination.has_whole(wanted)
    assert sides.source.proxy.count(kind="blob") == 0
    assert result["stats"]["bytes_downloaded"] == 0
    assert result["stats"]["bytes_uploaded"] == wanted.size


def test_content_that_contradicts_its_descriptor_is_refused(sides: Sides) -> None:
    good = images.inline_image("contradiction")
    document = good.document
    document["config"]["data"] = "e30="
    bad = dataclasses.replace(good, manifest=json.dumps(document).encode())
    sides.source.push(bad)
    result = sync(**sides.options())
    assert result["failed"] and "data that doesn't match its digest" in result["msg"]
    assert sides.writes() == []


STREAMING = """
import json, os, resource, sys, threading
from tests.support.sync import sync

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

small, large, destination = sys.argv[1:]
sync(source=small, destination=destination)
before = peak()
result = sync(source=large, destination=destination)
failed = sync(source=large + "-missing", destination=destination)
names = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{fd}") or os.path.islink(f"/proc/self/fd/{fd}")]
print(json.dumps({
    "grown": peak() - before,
    "threads": threading.active_count(),
    "sockets": [name for name in names if name.startswith("socket:")],
    "result": result,
    "failed": failed["failed"],
}))
"""


def test_a_large_layer_streams_and_nothing_is_left_open(sides: Sides) -> None:
    size = 64 << 20
    large = images.image("large", layers=[Blob(bytes(size), OCI_LAYER)])
    sides.source.push(images.image("small"), "small")
    sides.source.push(large, "large")
    source = f"{sides.source.host}/{sides.source.repository}"
    destination = f"{sides.destination.host}/{sides.destination.repository}"
    arguments = [f"{source}:small", f"{source}:large", destination]
    finished = subprocess.run(
        [sys.executable, "-c", STREAMING, *arguments], check=True, capture_output=True, timeout=60
    )
    seen = json.loads(finished.stdout)
    assert seen["result"]["bytes_copied"] == large.size > size
    assert seen["grown"] < size // 4
    assert seen["failed"] and seen["threads"] == 1
    assert seen["sockets"] == []
    assert sides.destination.digest("large") == large.digest
    assert sides.destination.missing(large) == []


def test_a_playbook_copies_and_then_has_nothing_to_do(sides: Sides) -> None:
    wanted = sides.source.push(images.multi_platform("played"))
    task = {"name": "Copy", "imagesync.registry.image_sync": sides.options()}
    run = run_tasks([task, task])
    assert run.returncode == 0, run.output
    assert [result["changed"] for result in run.results] == [True, False]
    assert [result["reason"] for result in run.results] == ["absent", "in_sync"]
    assert run[0]["digest"] == run[0]["images"][0]["digest"] == wanted.digest
    assert "diff" not in run[0]
    assert sides.destination.has_whole(wanted, judge=True)
