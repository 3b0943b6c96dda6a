# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image_info: what it tells of everything that registries hold."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError
from tests.support import artifacts, images
from tests.support.asking import ask, check_sentence
from tests.support.content import Image
from tests.support.playbook import run_tasks
from tests.support.strict_registry import StrictRegistry

SBOM = "application/vnd.example.sbom.v1"


def one(reference: str, **options: Any) -> dict[str, Any]:
    """What is told of a single image."""
    (found,) = ask(reference, **options)["images"]
    return found


def size(*parts: Image) -> int:
    """The bytes of all blobs, each once."""
    return sum({b.digest: len(b.data) for part in parts for b in part.all_blobs}.values())


def test_an_index(sides: Any) -> None:
    """All platforms, each with its own digest and size; a layer of both counts once."""
    annotations = {"org.opencontainers.image.title": "a title"}
    index = images.multi_platform(
        "info", shared_layer=True, annotations=annotations, labels={"version": "1.2"}
    )
    sides.source.push(index)
    amd64, arm64 = index.children
    assert size(index) < size(amd64) + size(arm64)
    assert one(sides.source.ref()) == {
        "image": sides.source.ref(),
        "exists": True,
        "id": sides.source.id(index.digest),
        "digest": index.digest,
        "media_type": index.media_type,
        "size": size(index),
        "platforms": [
            {"platform": "linux/amd64", "digest": amd64.digest, "size": size(amd64)},
            {"platform": "linux/arm64/v8", "digest": arm64.digest, "size": size(arm64)},
        ],
        "created": images.CREATED,
        "labels": {"seed": "info/linux/amd64", "version": "1.2"},
        "annotations": annotations,
    }
    assert not sides.source.proxy.writes()
    # manifests and one config, never a layer
    layers = {b.digest for i in index.children for b in i.blobs[1:]}
    assert not layers & {r.reference for r in sides.source.proxy.requests}


@pytest.mark.parametrize("docker", [False, True])
def test_a_single_image(docker: bool, sides: Any) -> None:
    """Its platform comes from its config."""
    image = images.image("info single", platform="linux/arm/v7", layers=2, docker=docker)
    sides.source.push(image)
    found = one(sides.source.ref())
    assert found["platforms"] == [
        {"platform": "linux/arm/v7", "digest": image.digest, "size": size(image)}
    ]
    assert (found["digest"], found["media_type"]) == (image.digest, image.media_type)
    assert (found["size"], found["created"]) == (size(image), images.CREATED)
    assert found["labels"] == {"seed": "info single"}
    assert found["annotations"] == {}


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_of_either_kind(docker: bool, sides: Any) -> None:
    """OCI's and Docker's."""
    index = sides.source.push(images.multi_platform(f"info {docker}", docker=docker))
    found = one(sides.source.ref())
    assert (found["digest"], found["media_type"]) == (index.digest, index.media_type)
    assert [p["platform"] for p in found["platforms"]] == list(images.PLATFORMS)


def test_a_nested_index(sides: Any) -> None:
    """The platforms of all of it."""
    index = sides.source.push(images.nested_index("info"))
    found = one(sides.source.ref())
    assert [p["platform"] for p in found["platforms"]] == [
        "linux/amd64",
        "linux/arm64/v8",
        "linux/s390x",
    ]
    assert found["size"] == size(index)


def test_an_index_with_attestations(sides: Any) -> None:
    """They aren't platforms, but their bytes count."""
    index = sides.source.push(artifacts.attested_index("info"))
    found = one(sides.source.ref())
    assert [p["platform"] for p in found["platforms"]] == list(images.PLATFORMS)
    assert found["size"] == size(index)


def test_an_artifact(sides: Any) -> None:
    """It has no platform and no labels; when it was made, its annotation says."""
    annotations = {"org.opencontainers.image.created": "2025-06-07T08:09:10Z", "a": "b"}
    artifact = sides.source.push(artifacts.artifact("info", annotations=annotations))
    found = one(sides.source.ref())
    assert (found["digest"], found["size"]) == (artifact.digest, size(artifact))
    assert (found["platforms"], found["labels"]) == ([], {})
    assert found["created"] == "2025-06-07T08:09:10Z"
    assert found["annotations"] == annotations


def test_images_with_little_in_them(sides: Any) -> None:
    """No layers, inline content, no time of making."""
    bare = images.image_without_layers("info bare", created=None)
    inline = images.inline_image("info inline")
    sides.source.push(bare, "bare")
    sides.source.push(inline, "inline")
    found = ask(sides.source.ref("bare"), sides.source.ref("inline"))["images"]
    assert found[0]["created"] == ""
    assert found[0]["size"] == size(bare)
    assert found[1]["labels"] == {"seed": "info inline"}
    # what is in the manifest isn't asked for
    assert inline.blobs[0].digest not in {r.reference for r in sides.source.proxy.requests}


def test_what_is_missing_and_what_is_there(sides: Any) -> None:
    """In the order asked, also twice, by digest and with both; a child by its digest."""
    index = sides.source.push(images.multi_platform("info order"))
    child = index.children[1]
    by_digest = sides.source.ref(index.digest)
    both = f"{sides.source.ref()}@{index.digest}"
    gone = sides.source.ref("gone")
    no_repository = sides.source.ref("1", "no/such/repository")
    no_digest = sides.source.ref("sha256:" + "0" * 64)
    asked = [gone, by_digest, no_repository, both, sides.source.ref(child.digest), no_digest]
    found = ask(*asked, sides.source.ref(), gone)["images"]
    assert [image["image"] for image in found] == [*asked, sides.source.ref(), gone]
    there = [False, True, False, True, True, False, True, False]
    assert [image["exists"] for image in found] == there
    assert found[0] == {"image": gone, "exists": False}
    assert {found[n]["digest"] for n in (1, 3, 6)} == {index.digest}
    assert found[3]["id"] == sides.source.id(index.digest)
    assert found[4]["digest"] == child.digest
    assert found[4]["platforms"][0]["platform"] == "linux/arm64/v8"


def test_short_forms_in_full(sides: Any) -> None:
    """``image`` is the reference as we read it."""
    image = sides.source.push(images.image("info short"), "latest")
    found = ask(f"docker://{sides.source.ref('')}")["images"][0]
    assert found["image"] == sides.source.ref("latest")
    assert found["digest"] == image.digest


def referrers_of(image: Image) -> list[Image]:
    """Two artifacts that refer to it."""
    return [
        artifacts.artifact("info sbom", artifact_type=SBOM, subject=image),
        artifacts.artifact("info note", artifact_type="text/x-note", subject=image),
    ]


def told(*referrers: Image) -> list[dict[str, str]]:
    """As the result has them, sorted."""
    found = [{"artifact_type": r.document["artifactType"], "digest": r.digest} for r in referrers]
    return sorted(found, key=lambda entry: entry["digest"])


def test_referrers_by_the_fallback_tag(sides: Any) -> None:
    """docker-registry has no referrers API: the tag that stands for it."""
    image = images.image("info fallback")
    referrers = referrers_of(image)
    sides.source.push(image)
    assert one(sides.source.ref(), referrers=True)["referrers"] == []
    index = artifacts.referrers_index(referrers)
    sides.source.push(index, artifacts.fallback_tag(image))
    found = one(sides.source.ref(), referrers=True)["referrers"]
    assert sorted(found, key=lambda entry: entry["digest"]) == told(*referrers)
    assert sides.source.proxy.count("GET", "referrers") == 2


def test_referrers_by_the_api() -> None:
    """Page by page; without the option they aren't asked for."""
    image = images.image("info api")
    referrers = referrers_of(image)
    with StrictRegistry(referrers_page=1) as registry:
        registry.add("team/app", image, "1")
        for referrer in referrers:
            registry.add("team/app", referrer)
        reference = f"{registry.host}/team/app:1"
        assert "referrers" not in one(reference)
        assert registry.count(kind="referrers") == 0
        found = one(reference, referrers=True)["referrers"]
        assert sorted(found, key=lambda entry: entry["digest"]) == told(*referrers)
        assert registry.count("GET", "referrers") == 2
        assert not registry.violations + registry.errors


def test_many_images_on_few_connections(sides: Any) -> None:
    """One manifest and one config each, side by side."""
    pushed = [images.image(f"info/{number}") for number in range(30)]
    for number, image in enumerate(pushed):
        sides.source.push(image, f"t{number}")
    found = ask(*[sides.source.ref(f"t{number}") for number in range(30)], concurrency=4)
    assert [image["digest"] for image in found["images"]] == [image.digest for image in pushed]
    assert found["requests"] == {sides.source.proxy.host: 60}
    assert len(sides.source.proxy.requests) == 60
    assert 1 < sides.source.proxy.peak <= 4


def test_content_that_is_wrong(sides: Any, quick: None) -> None:
    """A manifest or config that isn't what its digest says is told, not shown."""
    image = sides.source.push(images.image("info wrong"))
    config = image.blobs[0].digest
    for match in (f"manifests/{image.digest}", f"blobs/{config}"):
        fault = sides.source.proxy.inject(f"GET .*{match}", "corrupt", 30, times=-1)
        with pytest.raises(ImageSyncError) as raised:
            ask(sides.source.ref(image.digest), retries=1)
        # digests make it a long sentence
        assert sides.source.ref(image.digest) in check_sentence(str(raised.value), 600)
        assert fault.hits == 2
        sides.source.proxy.heal()
    # once is forgiven
    fault = sides.source.proxy.inject(f"GET .*blobs/{config}", "corrupt", 30)
    assert one(sides.source.ref(), retries=1)["labels"] == {"seed": "info wrong"}
    assert fault.hits == 1


def test_in_a_playbook(sides: Any) -> None:
    """Never changed, in check mode the same; an empty list is fine."""
    image = sides.source.push(images.image("info playbook"))
    task = {"imagesync.registry.image_info": {"images": [sides.source.ref()]}}
    run = run_tasks(
        [
            task,
            {**task, "check_mode": True},
            {"imagesync.registry.image_info": {"images": []}},
            {
                "imagesync.registry.image_info": {"images": sides.source.ref()},
                "name": "a single one",
            },
        ]
    )
    for number in (0, 1, 3):
        assert run[number]["changed"] is False
        assert run[number]["images"][0]["digest"] == image.digest
        assert run[number]["credentials"] == {sides.source.proxy.host: "anonymous"}
    assert (run[2]["failed"], run[2]["images"]) == (False, [])
