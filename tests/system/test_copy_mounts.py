# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another repository of the destination registry has is mounted, where it can be."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support import artifacts, images, push
from tests.support.content import Image
from tests.support.faults import ALWAYS, Fault
from tests.support.fixtures import MakeStrict
from tests.support.playbook import run_module
from tests.support.sides import Sides
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import blobs, foretold_then_done, sync

MOUNT = r"POST .*/blobs/uploads/\?mount="


def test_a_copy_within_a_registry_mounts_everything(sides: Sides) -> None:
    side = sides.destination
    wanted = side.push(images.multi_platform("within", shared_layer=True))
    target = f"{side.repository}/copy"

    result = foretold_then_done(
        side.proxy, source=side.ref(), destination=side.ref("", repository=target)
    )

    assert blobs(result) == (0, len(wanted.all_blobs), 0)
    assert (result["bytes_copied"], side.proxy.bytes_up(), side.proxy.bytes_down()) == (0, 0, 0)
    assert side.has_whole(wanted, repository=target, judge=True)
    assert {request.kind for request in side.proxy.select("PUT")} == {"manifest"}
    mounts = [request.params for request in side.proxy.select("POST", "upload")]
    assert sorted(mount["mount"] for mount in mounts) == sorted(b.digest for b in wanted.all_blobs)
    assert {mount["from"] for mount in mounts} == {side.repository}


def test_a_playbook_copies_within_a_registry(sides: Sides) -> None:
    side = sides.destination
    wanted = side.push(images.image("within"))
    target = f"{side.repository}/played"
    result = run_module(
        "image_sync", source=side.ref(), destination=side.ref("", repository=target)
    )
    assert blobs(result) == (0, 2, 0) and result["stats"]["bytes_uploaded"] == 0
    assert side.has_whole(wanted, repository=target)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
@pytest.mark.usefixtures("quick")
def test_a_refused_mount_is_no_failure(sides: Sides, status: int) -> None:
    side = sides.destination
    wanted = side.push(images.image("refused mount", layers=2))
    target = f"{side.repository}/copy"
    fault = side.proxy.inject(MOUNT, "status", status, times=ALWAYS)
    result = sync(source=side.ref(), destination=side.ref("", repository=target))
    # what may pass is asked for a second time
    assert fault.hits == len(wanted.all_blobs) * (2 if status == 500 else 1)
    assert blobs(result) == (len(wanted.all_blobs), 0, 0)
    assert side.has_whole(wanted, repository=target)


def test_a_mount_answered_with_a_session_is_used_for_the_upload(sides: Sides) -> None:
    """202: this registry doesn't mount that, or doesn't know how."""
    side = sides.destination
    wanted = side.push(images.image("no mounts", layers=2))
    target = f"{side.repository}/copy"

    def begin() -> None:
        url = f"http://{side.host}/v2/{target}/blobs/uploads/"
        with requests.post(url, timeout=10) as answer:
            fault.headers = {"Location": answer.headers["Location"]}

    fault = side.proxy.add(Fault(MOUNT, "status", 202, times=ALWAYS, call=begin))
    result = sync(concurrency=1, source=side.ref(), destination=side.ref("", repository=target))
    assert fault.hits == side.proxy.count("POST") == len(wanted.all_blobs)
    assert blobs(result) == (len(wanted.all_blobs), 0, 0)
    assert side.has_whole(wanted, repository=target)


def test_a_blob_that_is_there_is_found_by_the_request_that_opens_the_upload(sides: Sides) -> None:
    """Left by a run that failed: nothing names it, and it isn't sent again."""
    wanted = sides.source.push(images.image("left over", layers=3))
    sides.destination.push(wanted, "only")
    left = wanted.blobs[1:]
    other = sides.source.push(images.image("another", layers=left), "2")
    result = sides.run("2")
    assert blobs(result) == (1, 0, 3)
    assert sides.destination.written("upload") == [other.blobs[0].digest]
    assert sides.destination.proxy.count("HEAD", "blob") == 0
    assert sides.destination.has_whole(other, "2")


def test_repositories_that_share_layers_get_each_once(sides: Sides) -> None:
    base = images.image("base", layers=3).blobs[1:]
    wanted = {
        name: images.image(name, layers=[*base, images.image(name).blobs[1]]) for name in "abcd"
    }
    for name, one in wanted.items():
        sides.source.push(one, repository=f"{sides.source.repository}/{name}")
    entries = [
        {
            "source": sides.source.ref(repository=f"{sides.source.repository}/{name}"),
            "destination": sides.destination.ref(
                "", repository=f"{sides.destination.repository}/{name}"
            ),
        }
        for name in wanted
    ]

    result = foretold_then_done(sides.source.proxy, sides.destination.proxy, images=entries)

    sent = sides.destination.written("upload")
    unique = {blob.digest for one in wanted.values() for blob in one.all_blobs}
    assert sorted(sent) == sorted(unique)
    read = [request.reference for request in sides.source.proxy.select("GET", "blob")]
    assert sorted(read) == sorted(unique)
    assert blobs(result["stats"]) == (len(unique), 3 * len(base), 0)
    for name, one in wanted.items():
        repository = f"{sides.destination.repository}/{name}"
        assert sides.destination.has_whole(one, repository=repository)


def test_what_was_to_lend_and_failed_is_no_obstacle(sides: Sides) -> None:
    """The repository that others were to mount from fails: they send the layer themselves."""
    shared = images.image("shared").blobs[1]
    large = images.image("large", layers=[shared, images.image("x", size=9000).blobs[1]])
    small = images.image("small", layers=[shared])
    sides.source.push(large, "large")
    sides.source.push(small, "small")
    names = {name: f"{sides.destination.repository}/{name}" for name in ("large", "small")}
    fault = sides.destination.proxy.inject(
        f"PUT .*{names['large']}/manifests/", "status", 403, times=ALWAYS
    )
    result = sync(
        images=[
            {"source": sides.source.ref(tag), "destination": sides.destination.ref("", name)}
            for tag, name in names.items()
        ]
    )
    assert fault.hits == 1
    assert [image["failed"] for image in result["images"]] == [True, False]
    assert sides.destination.has_whole(small, "small", names["small"])


# registries that mount in other ways than docker-registry


def _shared_layers() -> dict[str, Image]:
    base = images.image("base", layers=3).blobs[1:]
    return {
        name: images.image(name, layers=[*base, images.image(name).blobs[1]]) for name in "abcd"
    }


def _to_strict(sides: Sides, strict: StrictRegistry, wanted: dict[str, Image]) -> dict[str, Any]:
    for tag, one in wanted.items():
        sides.source.push(one, tag)
    entries = [
        {"source": sides.source.ref(tag), "destination": f"{strict.host}/mirror/{tag}"}
        for tag in wanted
    ]
    return foretold_then_done(sides.source.proxy, strict, images=entries)


def test_mounts_wait_for_the_manifest_that_commits_the_blob(
    sides: Sides, make_strict: MakeStrict
) -> None:
    """ECR lends only what a manifest uses: each unique blob is sent once all the same."""
    ecr = make_strict(mount_committed_only=True)
    wanted = _shared_layers()
    result = _to_strict(sides, ecr, wanted)
    sent = [put.params["digest"] for put in ecr.select("PUT", "upload")]
    unique = {blob.digest for one in wanted.values() for blob in one.all_blobs}
    assert sorted(sent) == sorted(unique)
    assert blobs(result["stats"]) == (len(unique), 9, 0)
    for name, one in wanted.items():
        assert push.verify_whole(f"{ecr.host}/mirror/{name}:{name}")
        assert ecr.tag(f"mirror/{name}", name) == one.digest


def test_without_mounts_every_repository_gets_its_own(
    sides: Sides, make_strict: MakeStrict
) -> None:
    plain = make_strict(mount=False)
    for tag, one in _shared_layers().items():
        sides.source.push(one, tag)
    result = sync(
        images=[
            {"source": sides.source.ref(tag), "destination": f"{plain.host}/mirror/{tag}"}
            for tag in "abcd"
        ]
    )
    assert blobs(result["stats"]) == (4 * 5, 0, 0)
    assert plain.count("PUT", "upload") == plain.count("POST", "upload") == 4 * 5
    for name, one in _shared_layers().items():
        assert plain.tag(f"mirror/{name}", name) == one.digest


@pytest.mark.parametrize(
    "rules",
    [
        {"relative_location": True},
        {"location_query": "_state=a%2Fb&x=%7E1+2"},
        {"digest_header": False},
        {"head_manifest": False},
        {"mount_needs_from": False},
        {"max_n": 100},
    ],
)
def test_registries_within_the_specification_are_served(
    sides: Sides, make_strict: MakeStrict, rules: dict[str, Any]
) -> None:
    registry = make_strict(**rules)
    wanted = {"a": images.nested_index("strict"), "b": artifacts.artifact("strict")}
    assert _to_strict(sides, registry, wanted)["changed"]
    for name, one in wanted.items():
        push.verify_whole(f"{registry.host}/mirror/{name}:{name}")
        assert registry.tag(f"mirror/{name}", name) == one.digest
    assert not _to_strict(sides, registry, wanted)["changed"]


def test_a_large_blob_that_is_there_is_not_sent_where_asking_finds_nothing(
    sides: Sides, make_strict: MakeStrict
) -> None:
    """Such registries answer 202 for what they have: above 2 MiB a HEAD saves the upload."""
    plain = make_strict(mount=False)
    old, large = images.image("old"), images.image("large", size=3 << 20)
    plain.add("mirror/a", old, "1")
    plain.store.add_blob("mirror/a", large.blobs[1].data)
    sides.source.push(large)
    result = sync(source=sides.source.ref(), destination=f"{plain.host}/mirror/a")
    assert plain.tag("mirror/a", "1") == large.digest
    assert blobs(result) == (1, 0, 1)
    sent = [put.params["digest"] for put in plain.select("PUT", "upload")]
    assert sent == [large.blobs[0].digest]
    # the session that the question opened isn't left behind
    assert plain.count("DELETE", "upload") == 1 and not plain.store.sessions


def test_a_registry_that_does_not_find_its_own_is_asked_by_head_from_then_on(
    sides: Sides, make_strict: MakeStrict
) -> None:
    plain = make_strict(mount=False)
    old, large, small = (
        images.image("old"),
        images.image("large", size=3 << 20),
        images.image("small"),
    )
    for name, image in {"a": large, "b": small}.items():
        plain.add(f"mirror/{name}", old, "1")
        for blob in image.blobs:
            plain.store.add_blob(f"mirror/{name}", blob.data)
        sides.source.push(image, name)
    result = sync(
        concurrency=1,
        images=[
            {"source": sides.source.ref(name), "destination": f"{plain.host}/mirror/{name}:1"}
            for name in ("a", "b")
        ],
    )
    assert [plain.tag(f"mirror/{name}", "1") for name in "ab"] == [large.digest, small.digest]
    # the large layer taught it; all that came after is found, however small
    assert [blobs(image) for image in result["images"]] == [(0, 0, 2), (0, 0, 2)]
    assert plain.select("PUT", "upload") == [] and plain.count("POST") == 1


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"create_repositories": False}, "does not exist"),
        ({"deny_push": True}, "denied"),
        ({"readonly": True}, "read-only"),
    ],
)
def test_a_registry_that_takes_nothing_says_why(
    sides: Sides, make_strict: MakeStrict, rules: dict[str, Any], said: str
) -> None:
    registry = make_strict(**rules)
    sides.source.push(images.image("unwanted"))
    result = sync(source=sides.source.ref(), destination=f"{registry.host}/app")
    assert result["failed"] and said in result["msg"] and registry.host in result["msg"]
    assert registry.tags("app") == []
