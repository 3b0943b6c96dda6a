# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks stand on: the same bytes everywhere, registries filled, latency added."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time

import pytest

from ansible_collections.imagesync.registry.benchmarks import faults
from ansible_collections.imagesync.registry.benchmarks.latency import LIMIT
from ansible_collections.imagesync.registry.benchmarks.measure import front
from ansible_collections.imagesync.registry.benchmarks.storage import store
from ansible_collections.imagesync.registry.benchmarks.workloads import (
    BIG,
    KIB,
    MANY_SMALL,
    MIB,
    MULTIARCH,
    Layer,
    Workload,
    in_sync,
)
from tests.support import push, skopeo
from tests.support.fixtures import MakeRegistry
from tests.support.registries import DockerRegistry

#: what the first image was when it was measured; another digest makes figures hard to compare
DIGESTS = {
    "many-small": "sha256:0e0ce26cfd6ef95419a425008d1c938a6ee98a1dac3d05094e3fe631f766be2d",
    "multiarch": "sha256:bb46e722e72737a1590e080b27a8bd747485980f4d0c434df456aaa8a5340371",
}


@pytest.mark.parametrize("workload", [MANY_SMALL, MULTIARCH], ids=lambda w: w.name)
def test_a_workload_is_the_same_everywhere(workload: Workload) -> None:
    assert workload.tagged(0).image.digest == DIGESTS[workload.name]


@pytest.mark.parametrize("workload", [MANY_SMALL, MULTIARCH, BIG], ids=lambda w: w.name)
def test_what_was_stored_is_whole(make_registry: MakeRegistry, workload: Workload) -> None:
    small = dataclasses.replace(workload.part(10), base_size=3000, own_size=70 * KIB)
    images = small.all()
    with make_registry() as registry:
        store(registry.storage, images)
        for image in images[:3]:
            reference = f"{registry.host}/{image.repository}:{image.tag}"
            assert skopeo.verify_whole(reference) == image.image.digest


def test_a_tag_moves(make_registry: MakeRegistry) -> None:
    workload = dataclasses.replace(MULTIARCH.part(10), base_size=KIB, own_size=KIB)
    before, after = workload.tagged(0), workload.tagged(0, version=1)
    shared = {blob.digest for blob in before.content} & {blob.digest for blob in after.content}
    registry = make_registry()

    for image in (before, after):
        store(registry.storage, [image])
        host, name = registry.host, image.repository
        assert push.digest_of(host, name, image.tag) == image.image.digest

    assert before.image.digest != after.image.digest
    assert len(shared) == len(workload.platforms)  # the base layer of each
    assert push.tags(host, name) == [before.tag]


def test_many_tags_name_one_image(make_registry: MakeRegistry) -> None:
    images = in_sync(250)
    registry = make_registry()
    store(registry.storage, images)
    counts = [len(push.tags(registry.host, f"bench/r00{number}")) for number in range(3)]
    assert counts == [100, 100, 50]


def test_a_large_layer_is_never_whole_in_memory() -> None:
    layer = Layer("large", 8 * MIB)
    pieces = [len(piece) for piece in layer.pieces()]
    assert max(pieces) < MIB and sum(pieces) == layer.descriptor["size"]


def test_latency_is_added_and_nothing_lost(make_registry: MakeRegistry) -> None:
    (image,) = dataclasses.replace(BIG, own_size=3 * MIB).all()
    registry = make_registry()
    store(registry.storage, [image])
    with front(registry, 100) as host, push.Repository(host, image.repository) as repository:
        times = [time.monotonic()]
        for _unused in range(3):
            repository.manifest(image.tag)
            times.append(time.monotonic())
        opened, *others = [after - before for before, after in itertools.pairwise(times)]
        assert 0.2 <= opened < 2 and all(0.1 <= one < 1 for one in others)
        found = repository.verify_whole(image.tag)
    assert {blob.digest for blob in image.content} < set(found)


def test_a_slow_reader_gets_all_in_the_end(make_registry: MakeRegistry) -> None:
    """More than the forwarder keeps: it has to stop reading, and to go on."""
    (image,) = dataclasses.replace(BIG, own=1, own_size=LIMIT + 32 * MIB).all()
    layer = image.content[-1]
    registry = make_registry()
    store(registry.storage, [image])
    received = hashlib.sha256()
    with front(registry, 1) as host, push.Repository(host, image.repository) as repository:
        answer = repository.call("GET", f"blobs/{layer.digest}", (200,), stream=True)
        time.sleep(1)
        for piece in answer.iter_content(MIB):
            received.update(piece)
    assert f"sha256:{received.hexdigest()}" == layer.digest


def test_faults_are_judged_by_what_is_there(
    source_registry: DockerRegistry, destination_registry: DockerRegistry, repo: str
) -> None:
    field = faults.Field(source_registry, destination_registry)
    cases = {case.what: case for case in faults.CASES}
    outcomes = [
        field.outcome(cases[what], tool)
        for tool in (faults.Ours(), faults.Skopeo())
        for what in ("a corrupt byte in a manifest", "a corrupt byte in a blob, once")
    ]
    assert outcomes == [faults.ARRIVED, faults.ARRIVED, faults.WRONG, faults.REFUSED]
    ref = f"{destination_registry.host}/{repo}:1"
    push.push(faults.IMAGE, ref)
    host, _slash, name = ref.removesuffix(":1").partition("/")
    assert faults.judged(1, host, name, faults.IMAGE, faults.OLD).startswith(faults.ARRIVED)
    push.delete_blob(host, name, faults.LAYER.digest)
    assert faults.judged(0, host, name, faults.IMAGE, faults.OLD) == faults.PART
