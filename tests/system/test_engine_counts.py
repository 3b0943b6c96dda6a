# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the workloads of the benchmarks cost at most, in requests and bytes: issue 3's table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.imagesync.registry.benchmarks.storage import store
from ansible_collections.imagesync.registry.benchmarks.workloads import (
    BIG,
    MANY_SMALL,
    MIB,
    MULTIARCH,
    Tagged,
    Workload,
)
from tests.support import push
from tests.support.fixtures import MakeProxy, MakeRegistry
from tests.support.proxy import RecordingProxy
from tests.support.registries import DockerRegistry
from tests.support.sync import ARGUMENT_SPEC, foretold_then_done, sync

#: large enough to be asked for before it is sent; what is asked doesn't depend on more
BIG_ENOUGH = dataclasses.replace(BIG, own_size=2 * MIB)
NEVER = {"referrers": "never"} if "referrers" in ARGUMENT_SPEC else {}


class Mirror:
    """A workload at a source, and an empty destination; both counted, both for one test alone."""

    def __init__(self, make_registry: MakeRegistry, make_proxy: MakeProxy) -> None:
        self.registries: tuple[DockerRegistry, ...] = (make_registry(), make_registry())
        self.source, self.destination = (make_proxy(one.url) for one in self.registries)
        self.images: list[Tagged] = []

    @property
    def proxies(self) -> tuple[RecordingProxy, RecordingProxy]:
        return self.source, self.destination

    @property
    def options(self) -> dict[str, Any]:
        names = [f"{image.repository}:{image.tag}" for image in self.images]
        pairs = [(f"{self.source.host}/{n}", f"{self.destination.host}/{n}") for n in names]
        return {"images": [{"source": s, "destination": d} for s, d in pairs], **NEVER}

    def put(self, images: list[Tagged]) -> None:
        self.images = images
        store(self.registries[0].storage, images)

    def move(self, workload: Workload) -> None:
        self.put([workload.tagged(0, version=1), *self.images[1:]])

    def run(self) -> dict[str, Any]:
        """Foretold by check mode first; what is counted is the run alone."""
        result = foretold_then_done(*self.proxies, **self.options)
        assert not result.get("failed"), result
        for proxy in self.proxies:
            proxy.settle()
        return result

    def requests(self) -> int:
        return sum(len(proxy.requests) for proxy in self.proxies)

    def assert_whole(self, *images: Tagged) -> None:
        """All tags name their images, and these images are there to their last byte."""
        host = self.registries[1].host
        for image in self.images:
            assert push.digest_of(host, image.repository, image.tag) == image.image.digest
        for image in images:
            wanted = {manifest.digest for manifest in image.image.walk()}
            wanted |= {blob.digest for blob in image.content}
            assert set(push.verify_whole(f"{host}/{image.repository}:{image.tag}")) == wanted


@pytest.fixture
def mirror(make_registry: MakeRegistry, make_proxy: MakeProxy) -> Iterator[Mirror]:
    """Nobody else's images and requests are there."""
    yield Mirror(make_registry, make_proxy)


#: requests at both sides together, and MiB of blobs written
COLD = {
    "many-small": (MANY_SMALL, 1900, 47.4),
    "multiarch": (MULTIARCH, 410, 44.4),
    "big": (BIG_ENOUGH, 19, 8.1),
}


@pytest.mark.parametrize("name", COLD)
def test_a_cold_copy_costs_at_most(mirror: Mirror, name: str) -> None:
    workload, requests, written = COLD[name]
    mirror.put(workload.all())
    unique = {blob.digest for image in mirror.images for blob in image.content}

    result = mirror.run()

    mirror.assert_whole(mirror.images[0], mirror.images[-1])
    puts = [request.params["digest"] for request in mirror.destination.select("PUT", "upload")]
    assert sorted(puts) == sorted(unique)
    assert mirror.destination.bytes_up() <= written * MIB
    assert mirror.source.bytes_down() <= written * MIB
    assert mirror.requests() <= requests
    assert sum(result["stats"]["requests"].values()) == mirror.requests()


@pytest.mark.parametrize("workload", [MANY_SMALL, MULTIARCH, BIG_ENOUGH], ids=lambda w: w.name)
def test_nothing_to_do_costs_two_heads_a_tag(mirror: Mirror, workload: Workload) -> None:
    mirror.put(workload.all())
    store(mirror.registries[1].storage, mirror.images)

    assert not sync(**mirror.options)["changed"]

    for proxy in mirror.proxies:
        proxy.settle()
        heads = [(request.method, request.kind) for request in proxy.requests]
        assert heads == [("HEAD", "manifest")] * len(mirror.images)


@pytest.mark.parametrize(
    ("workload", "requests"), [(MANY_SMALL, 410), (MULTIARCH, 62)], ids=["many-small", "multiarch"]
)
def test_one_tag_moved_costs_at_most(mirror: Mirror, workload: Workload, requests: int) -> None:
    mirror.put(workload.all())
    store(mirror.registries[1].storage, mirror.images)
    mirror.move(workload)

    mirror.run()

    mirror.assert_whole(mirror.images[0])
    assert mirror.requests() <= requests
    own = len(workload.platforms) * (workload.own + 1)
    assert len(mirror.destination.select("PUT", "upload")) == own
