# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image_index: real registries, by the fewest requests, and what it refuses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop
from tests.support import artifacts, images, layouts, push, skopeo
from tests.support.asking import check_sentence, sentence_of
from tests.support.content import DOCKER_LIST, OCI_INDEX, Image
from tests.support.fixtures import MakeStrict
from tests.support.indexing import make
from tests.support.playbook import run_tasks
from tests.support.sides import Side, Sides

AMD, ARM = images.PLATFORMS
_READ = {("GET", "manifest"): 2, ("GET", "blob"): 2}


@pytest.fixture
def side(sides: Sides) -> Side:
    """One registry."""
    return sides.destination


def _push(side: Side, *platforms: str, **options: Any) -> list[Image]:
    """An image for each platform, tagged by its architecture."""
    found = []
    for platform in platforms:
        one = images.image(f"{side.repository}/{platform}", platform=platform, **options)
        found.append(side.push(one, platform.split("/")[1]))
    return found


def _document(side: Side, tag: str = "1") -> dict[str, Any]:
    with push.Repository(side.host, side.repository) as there:
        document: dict[str, Any] = there.manifest(tag).json()
    return document


def test_a_task_makes_an_index_once(side: Side) -> None:
    amd, arm = _push(side, AMD, ARM)
    task = {
        "name": "Index",
        "imagesync.registry.image_index": {
            "image": side.ref(),
            "manifests": [side.ref("amd64"), side.ref("arm64")],
            "annotations": {"org.example.stable": True},
        },
    }
    run = run_tasks([{**task, "check_mode": True}, task, task], "--diff")
    foretold, done, again = run.results
    assert [one["changed"] for one in run.results] == [True, True, False], run.output
    digest = side.digest()
    assert digest == foretold["digest"] == done["digest"] == again["digest"]
    assert (done["reason"], again["reason"]) == ("absent", "in_sync")
    assert done["id"] == side.id(digest or "") and done["image"] == side.ref()
    assert done["platforms"] == [AMD, ARM]
    assert done["manifests"] == [
        {"image": side.ref("amd64"), "platform": AMD, "digest": amd.digest},
        {"image": side.ref("arm64"), "platform": ARM, "digest": arm.digest},
    ]
    assert (
        foretold["diff"]
        == done["diff"]
        == {
            "before": f"{side.ref()} (absent)\n",
            "after": f"{side.ref()} {digest}\n{AMD} {amd.digest}\n{ARM} {arm.digest}\n"
            "org.example.stable: true\n",
        }
    )
    assert [str(one) for one in side.proxy.writes()] == [
        f"PUT /v2/{side.repository}/manifests/1 -> 201"
    ]
    document = _document(side)
    assert document["manifests"] == [amd.descriptor, arm.descriptor]
    assert document["annotations"] == {"org.example.stable": "true"}
    assert skopeo.verify_whole(f"{side.host}/{side.repository}:1") == digest


def test_as_few_requests_as_there_are_things_to_know(side: Side) -> None:
    _push(side, AMD, ARM)
    parts = [side.ref("amd64"), side.ref("arm64")]
    one_head = Counter({**_READ, ("HEAD", "manifest"): 1})
    foretold = make(side.ref(), *parts, check_mode=True)
    assert side.proxy.methods() == one_head
    side.proxy.clear()
    done = make(side.ref(), *parts)
    assert side.proxy.methods() == one_head + Counter({("PUT", "manifest"): 1})
    for result in (foretold, done):
        del result["stats"]["seconds"], result["stats"]["requests"]
    assert foretold == done
    side.proxy.clear()
    assert not make(side.ref(), *parts)["changed"]
    assert side.proxy.methods() == one_head


def test_a_moved_image_moves_the_index(side: Side) -> None:
    _amd, arm = _push(side, AMD, ARM)
    parts = [side.ref("amd64"), side.ref("arm64")]
    first = make(side.ref(), *parts)
    newer = side.push(images.image("newer", platform=AMD), "amd64")
    second = make(side.ref(), *parts)
    assert (second["changed"], second["reason"]) == (True, "digest_differs")
    assert second["previous_digest"] == first["digest"] != second["digest"] == side.digest()
    assert f"{AMD} {newer.digest}\n" in second["diff"]["after"]
    assert f"{AMD} {newer.digest}\n" not in second["diff"]["before"]
    assert f"{ARM} {arm.digest}\n" in second["diff"]["before"]
    # an image of one platform may stand under the tag, too
    side.push(arm, "1")
    assert make(side.ref(), *parts)["diff"]["before"] == f"{side.ref()} {arm.digest}\n"
    assert side.digest() == second["digest"]


def test_images_of_other_repositories_are_brought_without_their_bytes(side: Side) -> None:
    theirs = f"{side.repository}-arm64"
    (amd,) = _push(side, AMD)
    arm = side.push(images.image("other", platform=ARM, layers=2), "7", theirs)
    parts = [side.ref("amd64"), side.ref("7", theirs)]
    foretold = make(side.ref(), *parts, check_mode=True)
    assert not side.proxy.writes()
    side.proxy.clear()
    done = make(side.ref(), *parts)
    assert side.proxy.methods() == Counter(
        {
            **_READ,
            ("HEAD", "manifest"): 2,  # the tag, and whether the image is in this repository
            ("POST", "upload"): 3,
            ("PUT", "manifest"): 2,
        }
    )
    assert done["stats"]["blobs_mounted"] == foretold["stats"]["blobs_mounted"] == 3
    assert done["stats"]["bytes_uploaded"] == foretold["stats"]["bytes_uploaded"] == 0
    assert done["digest"] == foretold["digest"] == side.digest()
    assert [one["digest"] for one in done["manifests"]] == [amd.digest, arm.digest]
    skopeo.verify_whole(f"{side.host}/{side.repository}:1")
    assert not side.missing(arm)
    side.proxy.clear()
    assert not make(side.ref(), *parts)["changed"]
    assert side.proxy.methods() == Counter({**_READ, ("HEAD", "manifest"): 1})


def test_a_registry_that_lends_nothing_gets_the_bytes(make_strict: MakeStrict) -> None:
    registry = make_strict(mount=False)
    arm = images.image("lent", platform=ARM)
    registry.add("team/arm", arm, "1")
    done = make(f"{registry.host}/team/app:1", f"{registry.host}/team/arm:1")
    assert registry.tag("team/app", "1") == done["digest"]
    assert registry.manifest("team/app", arm.digest) == arm.manifest
    assert all(registry.has_blob("team/app", blob.digest) for blob in arm.all_blobs)
    assert done["stats"]["bytes_uploaded"] == arm.size
    assert (done["stats"]["blobs_copied"], done["stats"]["blobs_mounted"]) == (2, 0)


def test_an_index_that_is_given_stands_for_its_images(side: Side) -> None:
    """What BuildKit pushes for one platform: an index of the image and its attestation."""
    theirs = f"{side.repository}-build"
    built = [images.image(f"built {p}", platform=p) for p in (AMD, ARM)]
    attested = [artifacts.attestation(one) for one in built]
    for one, proof, where in zip(built, attested, (side.repository, theirs), strict=True):
        side.push(images.index([one, proof]), one.document["config"]["digest"][7:20], where)
    tags = [one.document["config"]["digest"][7:20] for one in built]
    result = make(side.ref(), side.ref(tags[0]), side.ref(tags[1], theirs))
    assert result["platforms"] == [AMD, ARM]
    assert [one["digest"] for one in result["manifests"]] == [one.digest for one in built]
    entries = [one.descriptor for pair in zip(built, attested, strict=True) for one in pair]
    assert _document(side)["manifests"] == entries
    skopeo.verify_whole(f"{side.host}/{side.repository}:1")
    assert not make(side.ref(), side.ref(tags[0]), side.ref(tags[1], theirs))["changed"]


@pytest.mark.parametrize(
    ("docker", "annotations", "expected"),
    [
        ((True, True), {}, DOCKER_LIST),
        ((True, True), {"a": "b"}, OCI_INDEX),
        ((True, False), {}, OCI_INDEX),
        ((False, False), {}, OCI_INDEX),
    ],
)
def test_types(
    side: Side, docker: tuple[bool, bool], annotations: dict[str, str], expected: str
) -> None:
    amd, arm = _push(side, AMD, docker=docker[0]) + _push(side, ARM, docker=docker[1])
    result = make(
        side.ref(),
        side.ref(amd.digest),
        f"{side.ref('arm64')}@{arm.digest}",
        annotations=annotations,
    )
    document = _document(side)
    assert result["media_type"] == document["mediaType"] == expected
    assert [m["mediaType"] for m in document["manifests"]] == [amd.media_type, arm.media_type]
    skopeo.verify_whole(f"{side.host}/{side.repository}:1")


def test_what_is_refused_leaves_the_tag(side: Side, sides: Sides) -> None:
    amd, _arm = _push(side, AMD, ARM)
    side.push(images.image("twin", platform=AMD), "twin")
    side.push(images.nested_index(), "nested")
    side.push(artifacts.artifact(), "artifact")
    side.push(amd, "1")
    both = [side.ref("amd64"), side.ref("arm64")]

    def refusal(*parts: str, image: str = side.ref()) -> str:
        return sentence_of(lambda: make(image, *parts))

    twins = refusal(*both, side.ref("twin"))
    assert "two manifests are for linux/amd64" in twins
    assert side.ref("amd64") in twins and side.ref("twin") in twins
    assert f"{side.ref('gone')} doesn't exist" in refusal(*both, side.ref("gone"))
    assert "names no platform" in refusal(*both, side.ref("artifact"))
    assert "index of indexes" in refusal(*both, side.ref("nested"))
    with pytest.raises(Exception, match=r"2 of 3 manifests can't be used:\n.*gone.*\n.*miss"):
        make(side.ref(), side.ref("gone"), *both[:1], side.ref("missing"))
    assert side.digest() == amd.digest and not side.proxy.writes()

    for watched in (side, sides.source):
        watched.proxy.clear()
    elsewhere = refusal(side.ref("amd64"), sides.source.ref("arm64"))
    assert sides.source.proxy.host in elsewhere and "mirror it there first" in elsewhere
    assert "can't be made of itself" in refusal(side.ref())
    assert "which tag" in refusal(*both, image=side.ref(""))
    assert "name a tag" in refusal(*both, image=side.ref(amd.digest))
    check_sentence(refusal())
    assert not side.proxy.requests and not sides.source.proxy.requests


def test_a_failed_write_is_told_and_leaves_the_tag(side: Side) -> None:
    (amd,) = _push(side, AMD)
    side.push(images.image("theirs", platform=ARM), "7", f"{side.repository}-arm64")
    fault = side.proxy.inject("PUT .*/manifests/sha256", "status", 403)
    text = sentence_of(
        lambda: make(side.ref(), side.ref("amd64"), side.ref("7", f"{side.repository}-arm64"))
    )
    assert fault.hits == 1 and "403" in text and text.startswith(f"{side.ref()}: ")
    assert side.tags() == ["amd64"]
    assert side.digest("amd64") == amd.digest


def test_a_task_that_is_told_to_end_writes_nothing(side: Side) -> None:
    _push(side, AMD)
    stop = Stop()
    stop.request()
    text = sentence_of(lambda: make(side.ref(), side.ref("amd64"), stop=stop))
    assert text == f"{side.ref()}: not done: the task was told to end (SIGTERM)"
    assert side.tags() == ["amd64"]


def test_in_a_layout(tmp_path: Path) -> None:
    amd, arm = (images.image(f"disk {p}", platform=p) for p in (AMD, ARM))
    folder = tmp_path / "bundle"
    layouts.write_layout(folder, {"app:1-amd64": amd, "app:1-arm64": arm})
    parts = (f"oci:{folder}:app:1-amd64", f"oci:{folder}:app:1-arm64")
    assert make(f"oci:{folder}:app:1", *parts, check_mode=True)["changed"]
    assert set(layouts.names(folder)) == {"app:1-amd64", "app:1-arm64"}
    done = make(f"oci:{folder}:app:1", *parts)
    assert layouts.names(folder)["app:1"] == done["digest"]
    assert done["id"] == f"oci:{folder}@{done['digest']}"
    layouts.check_valid(folder)
    content = json.loads(layouts.blob_file(folder, done["digest"]).read_bytes())
    assert content["manifests"] == [amd.descriptor, arm.descriptor]
    assert not make(f"oci:{folder}:app:1", *parts)["changed"]
    elsewhere = sentence_of(lambda: make(f"oci:{tmp_path}/other:app:1", *parts))
    assert "mirror it there first" in elsewhere
