# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``state: absent``: the tag goes, and what nothing else uses; never anything besides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import artifacts, images
from tests.support.content import Image
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeRegistry, MakeStrict
from tests.support.playbook import run_tasks
from tests.support.proxy import RecordingProxy
from tests.support.sides import Side, Sides
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import foretold_then_done, sync

pytestmark = pytest.mark.any_core

COSIGN = (".sig", ".att", ".sbom")


@pytest.fixture
def side(sides: Sides) -> Side:
    """A repository of docker-registry, which deletes by digest only."""
    return sides.destination


@pytest.fixture
def modern(strict: StrictRegistry, repo: str) -> Side:
    """A repository of a registry that deletes by tag and has a referrers API."""
    return Side(strict, strict.host, repo)


def _remove(side: Side, *references: str, check: bool = True, **options: Any) -> dict[str, Any]:
    """Removes these tags or digests; check mode must have foretold that."""
    entries = [{"destination": side.ref(reference)} for reference in references]
    wanted = {"state": "absent", "images": entries, **options}
    if not check:
        side.proxy.clear()
        return sync(**wanted)
    return foretold_then_done(side.proxy, **wanted)


def _there(side: Side, *found: Image) -> list[bool]:
    return [side.digest(one.digest) == one.digest for one in found]


def _deleted(side: Side) -> list[str]:
    """What DELETE requests had an effect on."""
    return [r.reference for r in side.proxy.select("DELETE") if r.status < 300]


# what goes


@pytest.mark.parametrize("kind", ["image", "index"])
def test_a_tag_goes_with_its_manifest(side: Side, kind: str) -> None:
    old = side.push(images.image("old") if kind == "image" else images.multi_platform("old"))
    other = side.push(images.image("other"), "other")
    result = _remove(side, "1")
    assert (result["changed"], result["reason"]) == (True, "removed")
    assert result["previous_digest"] == old.digest
    assert "digest" not in result and "id" not in result
    assert side.tags() == ["other"]
    assert _there(side, old, other) == [False, True]
    assert side.has_whole(other, "other")


@pytest.mark.parametrize("pointer", ["1", "gone/too:1", "sha256:" + "0" * 64])
def test_already_gone_is_ok(side: Side, pointer: str) -> None:
    side.push(images.image("there"), "there")
    tag = pointer.rpartition("/")[2]
    repository = "gone/too" if "/" in pointer else None
    destination = side.ref(tag.removeprefix("too:"), repository)
    result = sync(destination=destination, state="absent")
    assert (result["changed"], result["reason"]) == (False, "in_sync")
    assert side.proxy.methods() == {("HEAD", "manifest"): 1}


def test_absent_needs_no_source_and_ignores_one(side: Side) -> None:
    side.push(images.image("old"))
    # an entry that differs only in the source, which says nothing here, is the same entry
    entries = [
        {"source": "nowhere.invalid/x:1", "destination": side.ref()},
        {"destination": side.ref()},
    ]
    result = sync(images=entries, state="absent")
    assert result["reason"] == "removed"
    assert side.tags() == []


def test_a_playbook_removes_and_shows_it(side: Side) -> None:
    old = side.push(images.image("played"))
    task = {
        "name": "Remove",
        "imagesync.registry.image_sync": {"destination": side.ref(), "state": "absent"},
    }
    checking = run_tasks([task], "--check", "--diff")
    assert side.proxy.writes() == []
    assert side.tags() == ["1"]
    run = run_tasks([task, task], "--diff")
    expected = {"before": f"{side.ref()} {old.digest}\n", "after": f"{side.ref()} (absent)\n"}
    assert checking[0]["diff"] == run[0]["diff"] == expected
    assert [result["reason"] for result in run.results] == ["removed", "in_sync"]
    assert [result["changed"] for result in run.results] == [True, False]
    assert side.tags() == []


# what stays: a registry that deletes by digest only


def test_a_shared_digest_fails_naming_the_tags(side: Side) -> None:
    shared = side.push(images.image("shared"), "a")
    for tag in ("b", "c"):
        side.push(shared, tag)
    result = _remove(side, "a", check=False)
    assert result["failed"] and not result["changed"]
    assert "b, c" in result["msg"] and side.proxy.host in result["msg"] + side.ref("a")
    assert _deleted(side) == []
    assert side.tags() == ["a", "b", "c"]
    # check mode can't know whether tags can be deleted, and says so
    foretold = sync(check_mode=True, destination=side.ref("a"), state="absent")
    assert foretold["reason"] == "removed"
    assert "b, c" in foretold["warnings"][0] and "digest only" in foretold["warnings"][0]


def test_all_tags_of_a_digest_go_in_one_call(side: Side) -> None:
    shared = side.push(images.image("shared"), "a")
    side.push(shared, "b")
    kept = side.push(images.image("kept"), "c")
    result = _remove(side, "a", "b")
    assert [image["reason"] for image in result["images"]] == ["removed", "removed"]
    assert side.tags() == ["c"]
    assert _there(side, shared, kept) == [False, True]


@pytest.mark.parametrize("depth", ["index", "nested index"])
def test_a_child_of_an_index_fails_naming_the_index(side: Side, depth: str) -> None:
    outer = images.nested_index("outer") if depth != "index" else images.multi_platform("outer")
    child = next(found for found in outer.walk() if not found.children)
    if depth != "index":
        child = outer.children[1].children[1]
    side.push(outer, "outer")
    side.push(child, "child")
    result = _remove(side, "child", check=False)
    assert result["failed"] and "the index under outer" in result["msg"]
    assert _deleted(side) == []
    assert side.tags() == ["child", "outer"]
    assert side.has_whole(outer, "outer")

    together = _remove(side, "child", "outer")
    assert [image["reason"] for image in together["images"]] == ["removed", "removed"]
    assert side.tags() == []
    assert _there(side, child, outer) == [False, False]


def test_a_tag_that_has_just_moved_no_longer_counts(sides: Sides) -> None:
    """In one call: the tag goes on to a newer image, and the older one's other tag is removed."""
    old = sides.destination.push(images.image("old"))
    sides.destination.push(old, "previous")
    new = sides.source.push(images.image("new"))
    result = sync(
        images=[
            {"destination": sides.destination.ref("previous"), "state": "absent"},
            sides.options(),
        ]
    )
    assert [image["reason"] for image in result["images"]] == ["removed", "digest_differs"]
    assert sides.destination.tags() == ["1"]
    assert _there(sides.destination, old, new) == [False, True]


# what stays: a registry that deletes by tag


def test_only_the_tag_goes_when_another_has_the_digest(modern: Side) -> None:
    shared = modern.push(images.image("shared"), "a")
    modern.push(shared, "b")
    result = _remove(modern, "a")
    assert (result["changed"], result["reason"]) == (True, "removed")
    assert _deleted(modern) == ["a"]
    assert modern.tags() == ["b"]
    assert modern.has_whole(shared, "b")


@pytest.mark.parametrize("nested", [False, True])
def test_the_manifest_is_kept_while_an_index_names_it(modern: Side, nested: bool) -> None:
    outer = images.nested_index("outer") if nested else images.multi_platform("outer")
    child = outer.children[1].children[0] if nested else outer.children[0]
    modern.push(outer, "outer")
    modern.push(child, "child")
    assert _remove(modern, "child")["reason"] == "removed"
    assert _deleted(modern) == ["child"]
    assert modern.has_whole(outer, "outer")
    assert _remove(modern, "outer")["reason"] == "removed"
    assert _deleted(modern) == ["outer", outer.digest]


def test_a_registry_that_wants_untagged_manifests_is_given_them(make_strict: MakeStrict) -> None:
    gcr = make_strict(delete_untagged_only=True)
    old = images.image("old")
    gcr.add("team/app", old, "1")
    assert sync(destination=f"{gcr.host}/team/app:1", state="absent")["reason"] == "removed"
    assert gcr.tags("team/app") == [] and gcr.manifest("team/app", old.digest) is None


@pytest.mark.parametrize(
    "rules", [{"page_size": 2}, {"paging": "last", "page_size": 100}, {"max_n": 100}]
)
def test_all_pages_of_the_tag_list_are_read(make_strict: MakeStrict, rules: dict[str, Any]) -> None:
    """The one tag that shares the digest is on the last page."""
    paged = make_strict(tag_delete=False, **rules)
    shared = images.image("shared", layers=0)
    paged.add("app", shared, "a")
    other = paged.add("app", images.image("other", layers=0))
    for number in range(130 if rules.get("paging") == "last" else 5):
        paged.set_tag("app", f"t{number:03}", other)
    paged.set_tag("app", "z", shared.digest)
    result = sync(destination=f"{paged.host}/app:a", state="absent")
    assert result["failed"] and ": z;" in result["msg"]
    assert paged.tag("app", "a") == paged.tag("app", "z") == shared.digest


# by digest


def test_by_digest_fails_while_a_tag_names_it(side: Side) -> None:
    tagged = side.push(images.image("tagged"))
    result = _remove(side, tagged.digest)
    assert result["failed"] and ": 1;" in result["msg"]
    assert side.proxy.writes() == []
    assert side.has_whole(tagged)
    assert _remove(side, tagged.digest, "1")["changed"]
    assert _there(side, tagged) == [False]


def test_by_digest_fails_while_an_index_names_it(side: Side) -> None:
    outer = side.push(images.multi_platform("outer"), "outer")
    result = _remove(side, outer.children[0].digest)
    assert result["failed"] and "the index under outer" in result["msg"]
    assert side.proxy.writes() == []
    assert side.has_whole(outer, "outer")


def test_by_digest_what_nothing_names_goes(side: Side) -> None:
    untagged = side.push(images.image("untagged"), None)
    assert _remove(side, untagged.digest)["reason"] == "removed"
    assert _there(side, untagged) == [False]
    assert not _remove(side, untagged.digest)["changed"]


def test_a_tag_with_another_digest_is_not_what_is_to_go(side: Side) -> None:
    there = side.push(images.image("there"))
    other = images.image("other").digest
    result = sync(destination=f"{side.ref()}@{other}", state="absent")
    assert (result["changed"], result["reason"]) == (False, "in_sync")
    assert any(there.digest in warning for warning in result["warnings"])
    assert side.has_whole(there)
    assert sync(destination=f"{side.ref()}@{there.digest}", state="absent")["changed"]
    assert side.tags() == []


# what belongs to the image


def _attach(side: Side, subject: Image, fallback: bool) -> tuple[list[Image], dict[str, Image]]:
    """A referrer, a referrer of that, and cosign's tags."""
    sbom = side.push(artifacts.artifact("sbom", subject=subject), None)
    signature = side.push(artifacts.artifact("signature of sbom", subject=sbom), None)
    tagged = {
        artifacts.fallback_tag(subject, suffix): artifacts.artifact(subject.digest + suffix)
        for suffix in COSIGN
    }
    # one manifest under two of the tags: neither keeps the other
    tagged[artifacts.fallback_tag(subject, ".sbom")] = tagged[
        artifacts.fallback_tag(subject, ".att")
    ]
    if fallback:
        tagged[artifacts.fallback_tag(subject)] = artifacts.referrers_index([sbom])
        tagged[artifacts.fallback_tag(sbom)] = artifacts.referrers_index([signature])
    for tag, found in tagged.items():
        side.push(found, tag)
    return [sbom, signature], tagged


@pytest.mark.parametrize("registry", ["side", "modern"])
def test_referrers_and_cosign_tags_go_along(registry: str, request: pytest.FixtureRequest) -> None:
    place: Side = request.getfixturevalue(registry)
    old = place.push(images.image("signed"))
    neighbour = place.push(images.image("neighbour"), "neighbour")
    fallback = registry == "side"
    referrers, _tags = _attach(place, old, fallback)
    others, others_tags = _attach(place, neighbour, fallback)
    result = _remove(place, "1")
    assert result["reason"] == "removed"
    assert place.tags() == sorted(["neighbour", *others_tags])
    assert _there(place, old, *referrers) == [False, False, False]
    assert _there(place, neighbour, *others) == [True, True, True]


@pytest.mark.parametrize("registry", ["side", "modern"])
@pytest.mark.parametrize("by", ["tag", "index"])
def test_a_referrer_that_is_used_elsewhere_stays_with_its_own(
    registry: str, by: str, request: pytest.FixtureRequest
) -> None:
    place: Side = request.getfixturevalue(registry)
    old = place.push(images.image("signed"))
    named = artifacts.artifact("named", subject=old)
    place.push(named if by == "tag" else images.index([named]), "my-sbom")
    unnamed = place.push(artifacts.artifact("unnamed", subject=old), None)
    signature = place.push(artifacts.artifact("signature", subject=named), None)
    lists: list[str] = []
    if registry == "side":
        place.push(artifacts.referrers_index([named, unnamed]), artifacts.fallback_tag(old))
        lists = [artifacts.fallback_tag(named)]
        place.push(artifacts.referrers_index([signature]), lists[0])
    assert _remove(place, "1")["reason"] == "removed"
    assert _there(place, old, unnamed, named, signature) == [False, False, True, True]
    assert place.tags() == sorted(["my-sbom", *lists])


def test_attachments_stay_while_the_manifest_does(modern: Side) -> None:
    old = modern.push(images.image("signed"), "a")
    modern.push(old, "b")
    referrers, tagged = _attach(modern, old, False)
    _remove(modern, "a")
    assert _there(modern, old, *referrers) == [True, True, True]
    assert set(tagged) | {"b"} == set(modern.tags())


# what can't be done


@pytest.mark.parametrize(
    "mode", [{"delete": False}, {"readonly": True}], ids=["deletion disabled", "read-only"]
)
def test_a_registry_that_does_not_delete_says_so_and_loses_nothing(
    make_registry: MakeRegistry, make_proxy: MakeProxy, mode: dict[str, Any]
) -> None:
    registry = make_registry()
    side = Side(make_proxy(registry.url), registry.host, "team/app")
    old = side.push(images.image("signed"))
    referrers, tagged = _attach(side, old, True)
    registry.restart(**mode)
    result = sync(destination=side.ref(), state="absent")
    assert result["failed"] and not result["changed"]
    assert side.proxy.host in result["msg"] and "doesn't allow deletion" in result["msg"]
    assert _deleted(side) == []
    assert side.tags() == sorted(["1", *tagged])
    assert _there(side, old, *referrers) == [True, True, True]


def test_a_read_only_registry_refuses_copies_in_words(
    sides: Sides, make_registry: MakeRegistry
) -> None:
    registry = make_registry(readonly=True)
    sides.source.push(images.image("unwanted"))
    result = sync(source=sides.source.ref(), destination=f"{registry.host}/app")
    assert result["failed"] and registry.host in result["msg"]
    assert "opening an upload to app failed with 405" in result["msg"]
    assert "it is read-only" in result["msg"]


def test_a_refused_deletion_loses_nothing(side: Side) -> None:
    old = side.push(images.image("refused"))
    fault = side.proxy.inject("DELETE ", "status", 403, times=ALWAYS)
    result = _remove(side, "1", check=False)
    assert fault.hits > 0
    assert result["failed"] and "403" in result["msg"]
    assert side.has_whole(old)


@pytest.mark.parametrize("registry", ["side", "modern"])
def test_without_a_tag_list_nothing_is_deleted_by_digest(
    registry: str, request: pytest.FixtureRequest, make_proxy: MakeProxy
) -> None:
    place: Side = request.getfixturevalue(registry)
    old = place.push(images.image("unlisted"))
    proxy = place.proxy if registry == "side" else make_proxy(place.proxy.url)
    fault = proxy.inject("GET .*/tags/list", "status", 403, times=ALWAYS)
    result = sync(destination=f"{proxy.host}/{place.repository}:1", state="absent")
    assert fault.hits == 1
    if registry == "side":
        assert result["failed"] and "can't be found out" in result["msg"]
        assert place.has_whole(old)
    else:
        assert result["reason"] == "removed" and result["warnings"]
        assert place.tags() == [] and _there(place, old) == [True]


def test_one_that_fails_does_not_stop_the_others(side: Side) -> None:
    shared = side.push(images.image("shared"), "a")
    side.push(shared, "b")
    side.push(images.image("alone"), "c")
    result = _remove(side, "a", "c", "d", check=False)
    assert [i["reason"] for i in result["images"]] == ["failed", "removed", "in_sync"]
    assert result["msg"].splitlines()[0] == "1 of 3 images failed:"
    assert side.tags() == ["a", "b"]


# what can't be trusted, or is refused halfway


@pytest.fixture
def watched(make_strict: MakeStrict, make_proxy: MakeProxy, repo: str) -> Side:
    """The registry of `modern`, behind a proxy."""
    registry = make_strict()
    return Side(make_proxy(registry.url), registry.host, repo)


def _list(*tags: Any) -> dict[str, Any]:
    """A fault: this tag list in place of the registry's."""
    return {"body": json.dumps({"name": "x", "tags": list(tags)}).encode(), "times": ALWAYS}


@pytest.mark.parametrize("registry", ["side", "watched"])
@pytest.mark.parametrize(("status", "tags"), [(404, []), (200, []), (200, ["b"]), (200, ["c"])])
def test_a_list_that_lacks_the_tag_is_not_trusted(
    registry: str, status: int, tags: list[str], request: pytest.FixtureRequest
) -> None:
    place: Side = request.getfixturevalue(registry)
    shared = place.push(images.image("unlisted"), "a")
    place.push(shared, "b")
    place.push(images.image("other"), "c")
    place.proxy.inject("GET .*/tags/list", "status", status, **_list(*tags))
    result = _remove(place, "a", check=False)
    if registry == "side":
        assert result["failed"] and "can't be found out" in result["msg"]
        assert _deleted(place) == []
        assert place.tags() == ["a", "b", "c"]
    else:
        assert result["reason"] == "removed" and "manifest kept" in result["warnings"][0]
        assert _deleted(place) == ["a"]
        assert place.tags() == ["b", "c"]


def test_by_digest_needs_a_list_that_exists(watched: Side) -> None:
    untagged = watched.push(images.image("untagged"), None)
    watched.proxy.inject("GET .*/tags/list", "status", 404, times=ALWAYS)
    result = _remove(watched, untagged.digest)
    assert result["failed"] and "can't be found out" in result["msg"]
    assert _there(watched, untagged) == [True]


@pytest.mark.parametrize("odd", [None, "not a tag"])
def test_odd_entries_do_not_end_the_list(make_strict: MakeStrict, odd: Any) -> None:
    registry = make_strict(tag_delete=False, paging="last")
    shared = images.image("shared", layers=0)
    registry.add("app", shared, "a")
    for number in range(98):
        registry.set_tag("app", f"t{number:03}", shared.digest)
    registry.set_tag("app", "z", shared.digest)
    listed = ["a", odd, *(f"t{number:03}" for number in range(98))]
    with RecordingProxy(registry.url) as proxy:
        body = json.dumps({"tags": listed}).encode()
        proxy.inject("GET .*/tags/list.n=100$", "status", 200, body=body, times=ALWAYS)
        gone = [{"destination": f"{proxy.host}/app:{tag}"} for tag in listed if tag and tag != odd]
        result = sync(images=gone, state="absent")
    assert result["failed"] and ": z;" in result["msg"]
    assert registry.tag("app", "z") == shared.digest


@pytest.mark.parametrize("registry", ["side", "watched"])
@pytest.mark.parametrize("state", ["staged", "by digest", "child"])
def test_what_the_same_call_declares_is_kept(
    registry: str, state: str, sides: Sides, request: pytest.FixtureRequest
) -> None:
    place: Side = request.getfixturevalue(registry)
    outer = sides.source.push(images.multi_platform("declared"))
    old = outer.children[0] if state == "child" else outer
    place.push(old, "old")
    target = place.ref(outer.digest) if state == "by digest" else place.ref("new")
    declared = {
        "source": f"{sides.source.proxy.host}/{sides.source.repository}@{outer.digest}",
        "destination": target,
        "state": "present" if state == "by digest" else "staged",
    }
    absent = {"destination": place.ref("old"), "state": "absent"}
    foretold = sync(images=[declared, absent], check_mode=True)
    assert any("declared in this call" in text for text in foretold["warnings"])
    result = sync(images=[declared, absent])
    assert _deleted(place) == (["old"] if registry == "watched" else [])
    assert _there(place, outer, *outer.children) == [True, True, True]
    if registry == "side":
        assert result["failed"] and "declared in this call" in result["msg"]
    else:
        assert result["images"][1]["reason"] == "removed" and place.tags() == []


@pytest.mark.parametrize("kind", ["", "application/json", "application/octet-stream"])
@pytest.mark.parametrize("nested", [False, True])
def test_an_index_under_a_generic_type_is_one(side: Side, kind: str, nested: bool) -> None:
    outer = images.nested_index("hidden") if nested else images.multi_platform("hidden")
    child = outer.children[1].children[0] if nested else outer.children[0]
    side.push(outer, "outer")
    side.push(child, "child")
    headers = {"Content-Type": kind}
    side.proxy.inject("HEAD .*/manifests/outer", "set_header", headers=headers, times=ALWAYS)
    result = _remove(side, "child", check=False)
    assert result["failed"] and "the index under outer" in result["msg"]
    assert side.has_whole(outer, "outer")
    together = _remove(side, "child", "outer")
    assert [image["reason"] for image in together["images"]] == ["removed", "removed"]


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
def test_an_index_may_call_its_indexes_anything(
    make_strict: MakeStrict, make_proxy: MakeProxy, kind: str
) -> None:
    registry = make_strict(tag_delete=False)
    inner = images.multi_platform("inner")
    registry.add("app", inner)
    registry.add("app", inner.children[0], "child")
    entry = {**inner.descriptor, "mediaType": kind}
    document = {"schemaVersion": 2, "mediaType": inner.media_type, "manifests": [entry]}
    registry.put_raw("app", "outer", json.dumps(document).encode(), inner.media_type)
    result = sync(destination=f"{registry.host}/app:child", state="absent")
    assert result["failed"] and "the index under outer" in result["msg"]
    assert registry.manifest("app", inner.children[0].digest)


@pytest.mark.parametrize("registry", ["side", "watched"])
def test_what_must_be_read_is_read_before_the_first_deletion(
    registry: str, request: pytest.FixtureRequest
) -> None:
    place: Side = request.getfixturevalue(registry)
    old = place.push(images.image("unread"))
    place.proxy.inject("GET .*/referrers/", "status", 403, times=ALWAYS)
    result = _remove(place, "1")
    assert result["failed"] and not result["changed"]
    assert place.proxy.select("DELETE") == []
    assert place.has_whole(old)


@pytest.mark.parametrize("what", ["manifest", "referrer"])
@pytest.mark.parametrize("registry", ["side", "watched"])
def test_what_is_refused_after_the_tag_is_gone_is_told(
    registry: str, what: str, request: pytest.FixtureRequest
) -> None:
    place: Side = request.getfixturevalue(registry)
    old = place.push(images.image("halfway"))
    referrers, tags = _attach(place, old, registry == "side")
    refused = old if what == "manifest" else referrers[0]
    place.proxy.inject(f"DELETE .*{refused.digest}", "status", 403, times=ALWAYS)
    result = _remove(place, "1", check=False)
    if (registry, what) == ("side", "manifest"):
        assert result["failed"] and not result["changed"] and _deleted(place) == []
        assert place.tags() == sorted(["1", *tags])
        return
    assert (result["reason"], result["changed"]) == ("removed", True)
    warning = next(text for text in result["warnings"] if refused.digest in text)
    assert "403" in warning
    assert "1" not in place.tags()
    assert _there(place, refused) == [True]
    assert _there(place, old) == [what == "manifest"]


def test_check_mode_forgets_in_the_order_of_the_run(side: Side) -> None:
    outer = side.push(images.nested_index("outer"), "outer")
    inner = outer.children[1]
    side.push(inner, "inner")
    result = _remove(side, inner.children[0].digest, "inner", "outer")
    assert [image["reason"] for image in result["images"]] == ["removed"] * 3
    assert _there(side, outer, inner, inner.children[0]) == [False] * 3


def test_check_mode_knows_the_tags_that_will_have_moved(sides: Sides) -> None:
    old = sides.destination.push(images.image("old"))
    sides.source.push(images.image("new"))
    absent = {"destination": sides.destination.ref(old.digest), "state": "absent"}
    watched = (sides.source.proxy, sides.destination.proxy)
    result = foretold_then_done(*watched, images=[absent, sides.options()])
    assert [image["reason"] for image in result["images"]] == ["removed", "digest_differs"]


def test_each_index_is_read_once(side: Side) -> None:
    """Four levels of indexes, each naming the next three times over."""
    inner = images.multi_platform("fan")
    child = inner.children[0]
    for _level in range(3):
        inner = images.index([inner] * 3)
    side.push(inner, "outer")
    side.push(child, "child")
    result = _remove(side, "child", check=False)
    assert result["failed"] and "the index under outer" in result["msg"]
    read = [request.reference for request in side.proxy.select("GET", "manifest")]
    assert len(read) == len(set(read)) == 4
