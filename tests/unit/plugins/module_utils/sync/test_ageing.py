# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import format_date
from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
    NotFound,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.ageing import CREATED, Ages
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import read_image
from ansible_collections.imagesync.registry.plugins.module_utils.sync.image import Image
from ansible_collections.imagesync.registry.plugins.module_utils.sync.workers import Workers
from ansible_collections.imagesync.registry.tests.unit.support import A, B

NOW = 1_795_000_000.0
CONFIG = "application/vnd.oci.image.config.v1+json"
DAY = 86_400
OLD = format_date(NOW - 30 * DAY)
YOUNG = format_date(NOW - DAY)


class Source:
    """A repository of manifests and configs, which counts what is read."""

    name = "q/app"

    def __init__(self, delta: str = "") -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, Manifest] = {}
        self.read: list[str] = []
        self._delta = delta

    def base(self) -> str:
        return self._delta

    def manifest(self, pointer: str) -> Manifest:
        self.read.append(pointer)
        return self.manifests[pointer]

    def read_blob(self, blob: Descriptor) -> bytes:
        self.read.append(blob.digest)
        if blob.digest not in self.blobs:
            raise NotFound("no blob", 404)
        return self.blobs[blob.digest]

    def image(
        self, created: Any = None, annotation: str = "", inline: bool = False, seed: str = ""
    ) -> Manifest:
        """An image with these dates; None for none."""
        document = {"os": "linux", "architecture": "amd64", "seed": seed}
        config = json.dumps(document if created is None else {**document, "created": created})
        descriptor: dict[str, Any] = {
            "mediaType": CONFIG,
            "digest": digest_of(config.encode()),
            "size": len(config),
        }
        self.blobs[descriptor["digest"]] = config.encode()
        if inline:
            descriptor["data"] = base64.b64encode(config.encode()).decode()
        return self._stored(OCI_MANIFEST, annotation, config=descriptor, layers=[])

    def index(self, *children: tuple[str, Manifest], annotation: str = "") -> Manifest:
        """Images by their platforms."""
        entries = [
            {
                "mediaType": child.media_type,
                "digest": child.digest,
                "size": len(child.raw),
                "platform": dict(zip(("os", "architecture"), platform.split("/"))),
            }
            for platform, child in children
        ]
        return self._stored(OCI_INDEX, annotation, manifests=entries)

    def _stored(self, media_type: str, annotation: str, **more: Any) -> Manifest:
        document = {"schemaVersion": 2, "mediaType": media_type, **more}
        if annotation:
            document["annotations"] = {CREATED: annotation}
        found = Manifest(json.dumps(document).encode(), media_type)
        self.manifests[found.digest] = found
        return found


@pytest.fixture
def source() -> Source:
    return Source()


def opened(
    source: Source, top: Manifest, tag: str = "1", min_age: str = "3d", previous: bool = True
) -> Image:
    """An image as the survey leaves it."""
    (declared,) = read_image(
        {"source": f"q/app:{tag}", "destination": f"r.example/app:{tag}", "min_age": min_age}
    )
    image = Image(declared, source, source)  # type: ignore[arg-type]
    image.top = top
    image.tree = {top.digest: top}
    for child in top.children:
        image.tree[child.digest] = source.manifests[child.digest]
    if previous:
        image.found(Descriptor(OCI_MANIFEST, A, 1))
    return image


def judge(*images: Image) -> list[str]:
    """What becomes of each: its reason, the words of its failure, or "" where it is taken."""
    said: dict[int, str] = {}

    def failed(image: Image, error: ImageSyncError) -> None:
        image.fail(error, str(error))
        said[id(image)] = str(error)

    workers = Workers(2)
    try:
        Ages(workers, failed, lambda: NOW).run(images)
    finally:
        workers.close()
    return [said.get(id(image), image.outcome.reason) for image in images]


def test_too_young_and_old_enough(source: Source) -> None:
    young, old = opened(source, source.image(YOUNG)), opened(source, source.image(OLD), "2")
    assert judge(young, old) == ["too_young", ""]
    assert (young.outcome.digest, young.outcome.id) == (A, f"r.example/app@{A}")
    assert young.outcome.changed is young.outcome.failed is young.open is False
    assert young.top is None and not young.tree
    assert f"built at {YOUNG}, and min_age is 3 days" in young.outcome.msg
    assert f"after {format_date(NOW + 2 * DAY)}, in 2 days" in young.outcome.msg
    assert old.top and old.open


def test_what_isn_t_there_yet_has_no_digest(source: Source) -> None:
    image = opened(source, source.image(YOUNG), previous=False)
    assert judge(image) == ["too_young"]
    assert (image.outcome.digest, image.outcome.id) == ("", "")


def test_the_border(source: Source) -> None:
    exactly, less = (source.image(format_date(NOW - 3 * DAY + n)) for n in (0, 1))
    assert judge(opened(source, exactly), opened(source, less)) == ["", "too_young"]


@pytest.mark.parametrize(
    ("config", "annotation", "expected"),
    [
        (OLD, YOUNG, "too_young"),
        (YOUNG, OLD, "too_young"),
        (None, OLD, ""),
        (None, YOUNG, "too_young"),
        ("1970-01-01T00:00:00Z", OLD, ""),
        ("1970-01-01T00:00:00Z", YOUNG, "too_young"),
        (OLD, "nonsense", ""),
        (YOUNG, "1970-01-01T00:00:00Z", "too_young"),
        (format_date(NOW + 3600), "", "too_young"),
    ],
)
def test_the_latest_date_that_can_be_true_counts(
    source: Source, config: Any, annotation: str, expected: str
) -> None:
    assert judge(opened(source, source.image(config, annotation))) == [expected]


@pytest.mark.parametrize(
    ("created", "words"),
    [
        (None, "it says nothing"),
        ("", "it says nothing"),
        (7, "it says nothing"),
        ("1970-01-01T00:00:00Z", "it says '1970-01-01T00:00:00Z'"),
        ("1980-01-01T00:00:01Z", "it says '1980"),
        ("0001-01-01T00:00:00Z", "it says '0001"),
        ("2099-01-01T00:00:00Z", "it says '2099"),
        ("yesterday", "it says 'yesterday'"),
        ("x" * 500, f"it says '{'x' * 60}', in"),
    ],
)
def test_no_date_that_can_be_true_is_a_failure(source: Source, created: Any, words: str) -> None:
    image = opened(source, source.image(created))
    (said,) = judge(image)
    assert words in said and "q/app:1" in said and "set min_age to 0" in said
    assert image.outcome.failed and not image.outcome.digest


def test_all_images_that_are_taken_need_a_date(source: Source) -> None:
    old, bare = source.image(OLD), source.image(None)
    both = source.index(("linux/amd64", old), ("linux/arm64", bare))
    assert bare.digest in judge(opened(source, both))[0]
    dated = source.index(("linux/amd64", old), ("linux/arm64", bare), annotation=OLD)
    assert judge(opened(source, dated)) == [""]


def test_the_youngest_of_an_index_counts(source: Source) -> None:
    old, young = source.image(OLD), source.image(YOUNG)
    both = source.index(("linux/amd64", old), ("linux/arm64", young))
    assert judge(opened(source, both)) == ["too_young"]
    nested = source.index(("linux/amd64", old), ("linux/arm64", both))
    assert judge(opened(source, nested)) == ["too_young"]


def test_attestations_are_no_images(source: Source) -> None:
    index = source.index(("linux/amd64", source.image(OLD)), ("unknown/unknown", source.image()))
    assert judge(opened(source, index)) == [""]


def test_an_index_without_images_is_no_way_around(source: Source) -> None:
    hidden = ("unknown/unknown", source.image(YOUNG))
    for index in (source.index(), source.index(hidden)):
        assert index.digest in judge(opened(source, index))[0]
    assert judge(opened(source, source.index(hidden, annotation=OLD))) == [""]


def test_a_date_is_told_once(source: Source) -> None:
    never = "1970-01-01T00:00:00Z"
    assert f"(it says '{never}', in" in judge(opened(source, source.image(never, never)))[0]


def test_what_the_old_index_has_is_in_use_already(source: Source) -> None:
    bare, young = source.image(None), source.image(YOUNG)
    image = opened(source, source.index(("linux/amd64", bare), ("linux/arm64", young)))
    image.kept = {bare.digest, young.digest}
    assert judge(image) == [""] and source.read == []


def test_below_what_is_there_by_its_digest_the_source_is_asked(source: Source) -> None:
    young = source.image(YOUNG)
    image = opened(source, source.index(("linux/amd64", young)))
    image.whole, image.tree = True, {}
    assert judge(image) == ["too_young"]
    assert source.read[0] == young.digest


@pytest.mark.parametrize(
    ("made", "requests"),
    [
        (lambda s: s.image(OLD), 1),
        (lambda s: s.image(OLD, inline=True), 0),
        (lambda s: s.image(OLD, YOUNG), 0),  # the annotation is enough
        (
            lambda s: s.index(("linux/amd64", s.image(OLD)), ("linux/arm", s.image(OLD, seed="b"))),
            2,
        ),
        (lambda s: s.index(("linux/amd64", s.image(YOUNG)), ("linux/arm", s.image(OLD))), 1),
    ],
)
def test_what_it_costs(source: Source, made: Callable[[Source], Manifest], requests: int) -> None:
    judge(opened(source, made(source)))
    assert len(source.read) == requests


def test_tags_of_one_digest_are_asked_about_once(source: Source) -> None:
    top = source.image(format_date(NOW - 2 * DAY))
    ages = ("1d", "3d", "12h")
    images = [opened(source, top, str(n), age) for n, age in enumerate(ages)]
    assert judge(*images) == ["", "too_young", ""]
    assert len(source.read) == 1


def test_what_is_settled_or_has_no_limit_isn_t_looked_at(source: Source) -> None:
    settled, free = opened(source, source.image(YOUNG)), opened(source, source.image(), "2", "0")
    settled.settle("in_sync", B, OCI_MANIFEST)
    assert judge(settled, free) == ["in_sync", ""] and source.read == []


@pytest.mark.parametrize(("delta", "expected"), [("base", "too_young"), ("", "no blob")])
def test_a_delta_leaves_configs_to_the_destination(delta: str, expected: str) -> None:
    bundle, there = Source(delta), Source()
    image = opened(bundle, bundle.image(YOUNG))
    there.blobs, bundle.blobs = bundle.blobs, {}
    image.repository = there  # type: ignore[assignment]
    assert judge(image) == [expected]
