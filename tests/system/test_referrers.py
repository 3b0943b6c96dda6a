# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``referrers``: what is attached to images comes along, and nothing that is there gets lost."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import artifacts, images, push
from tests.support.content import OCI_CONFIG, Blob, Image, to_json
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeStrict
from tests.support.playbook import run_tasks
from tests.support.sides import IN_SYNC, Side, Sides
from tests.support.signatures import (
    SIGNATURE,
    Story,
    as_tag,
    cosign_manifest,
    entries,
    found_at,
    put_list,
    put_referrers,
    signed,
    tag_of,
)
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import blobs, foretold_then_done, sync

pytestmark = pytest.mark.any_core

KINDS = ("api", "tags")
MakeSides = Callable[[str, str], Sides]


@pytest.fixture
def between(sides: Sides, make_strict: MakeStrict, make_proxy: MakeProxy) -> MakeSides:
    """Two registries: "api" lists referrers itself, in pages; for "tags" clients do."""

    def modern(side: Side, **rules: Any) -> Side:
        one = make_strict(referrers_page=2, relative_location=True, **rules)
        return Side(make_proxy(one.url), one.host, side.repository)

    def make(source: str, destination: str) -> Sides:
        return Sides(
            modern(sides.source, page_size=5) if source == "api" else sides.source,
            modern(sides.destination) if destination == "api" else sides.destination,
        )

    return make


PAIRS = list(itertools.product(KINDS, KINDS))
pairs = pytest.mark.parametrize(("origin", "target"), PAIRS)
both_kinds = pytest.mark.parametrize("target", KINDS)


def _sbom(subject: Image, seed: str = "sbom") -> Image:
    return artifacts.artifact(seed, subject=subject)


def _refer(side: Side, subject: Image, *referrers: Image, api: bool = False) -> None:
    put_referrers(side, {subject.digest: list(referrers)}, api)


# what comes along


@pairs
def test_everything_comes_along_and_can_be_found(
    between: MakeSides, origin: str, target: str
) -> None:
    sides = between(origin, target)
    story = Story("story")
    story.put(sides.source, origin == "api")

    first = sides.run()

    assert (first["changed"], first["reason"]) == (True, "absent")
    assert story.is_at(sides.destination)
    assert "warnings" not in first["images"][0]
    everything = [story.image, *story.parts()]
    unique = {b.digest: len(b.data) for image in everything for b in image.all_blobs}
    assert blobs(first)[0] == len(unique)
    assert first["bytes_copied"] == sum(unique.values())
    # the tag is the last thing that anybody sees
    assert sides.destination.written()[-1] == "1"
    lists = {as_tag(subject) for subject in story.referrers}
    expected = {"1", *story.tagged, *(lists if target == "tags" else ())}
    assert set(sides.destination.tags()) == expected
    # each thing once
    manifests = {m.digest for image in everything for m in image.walk()}
    assert len(sides.destination.written()) == len(manifests) + len(expected - {*story.tagged, "1"})

    for wanted in ("with_image", "always"):
        second = sides.run(referrers=wanted)
        assert (second["changed"], second["reason"]) == (False, "in_sync")
        assert not sides.writes()


@pairs
def test_what_appears_later_is_found_by_always_and_nothing_else_is_copied(
    between: MakeSides, origin: str, target: str
) -> None:
    sides = between(origin, target)
    api = origin == "api"
    image = sides.source.push(images.multi_platform("later"))
    child = image.children[0]
    old, new = _sbom(image, "old"), _sbom(image, "new")
    _refer(sides.source, image, old, api=api)
    sides.source.push(signed(child), tag_of(child, ".sig"))
    assert sides.run()["reason"] == "absent"
    _refer(sides.source, image, old, new, api=api)
    attested = sides.source.push(signed(new, suffix=".att"), tag_of(new, ".att"))
    more = sides.source.push(signed(child, ("alice", "bob")), tag_of(child, ".sig"))

    sides.clear()
    assert sync(**sides.options())["reason"] == "in_sync"
    assert sides.asked() == IN_SYNC
    result = sides.run(referrers="always")

    assert (result["changed"], result["reason"]) == (True, "referrers_missing")
    assert result["digest"] == result["previous_digest"] == image.digest
    assert result["diff"] == {
        "before": f"{result['id']} (referrers missing)\n",
        "after": f"{result['id']}\n",
    }
    lists = [as_tag(image.digest)] if target == "tags" else []
    wanted = [new.digest, tag_of(new, ".att"), tag_of(child, ".sig"), *lists]
    assert sorted(sides.destination.written()) == sorted(wanted)
    assert found_at(sides.destination, image.digest) == entries([old, new])
    assert sides.destination.has_whole(new, new.digest)
    assert sides.destination.has_whole(attested, tag_of(new, ".att"))
    assert sides.destination.has_whole(more, tag_of(child, ".sig"))
    again = sides.run(referrers="always")
    assert (again["changed"], again["reason"]) == (False, "in_sync")


def test_never_asks_nothing_and_brings_nothing(sides: Sides) -> None:
    story = Story("never")
    story.put(sides.source, False)
    assert sides.run(referrers="never")["changed"]
    assert sides.destination.tags() == ["1"]
    assert sides.source.proxy.count(kind="referrers") == sides.source.proxy.count(kind="tags") == 0
    # it can be said for one image
    entry = {"source": sides.source.ref(), "destination": sides.destination.ref("2")}
    sync(images=[{**entry, "referrers": "with_image"}], referrers="never")
    assert story.is_at(sides.destination)


@both_kinds
def test_staged_with_all_that_is_attached(between: MakeSides, target: str) -> None:
    sides = between("tags", target)
    story = Story("staged")
    story.put(sides.source, False)
    assert sides.run(state="staged")["reason"] == "staged"
    assert "1" not in sides.destination.tags()
    late = sides.source.push(signed(story.image, ("late",), ".sbom"), tag_of(story.image, ".sbom"))
    assert sides.run(state="staged")["changed"] is False
    result = sides.run(state="staged", referrers="always")
    assert (result["changed"], result["reason"]) == (True, "referrers_missing")
    assert result["id"] == sides.destination.id(story.image.digest)
    assert sides.destination.has_whole(late, tag_of(story.image, ".sbom"))
    assert not sides.run(state="staged", referrers="always")["changed"]

    assert sides.run()["reason"] == "absent"
    assert sides.destination.written() == ["1"]
    assert story.is_at(sides.destination)


@both_kinds
def test_images_that_share_a_digest_share_what_is_attached(between: MakeSides, target: str) -> None:
    sides = between("tags", target)
    story = Story("shared")
    for tag in ("1", "2"):
        story.put(sides.source, False, tag)
    sides.source.push(story.image.children[0], "child")
    entries = [sides.options(tag) for tag in ("1", "child", "2")]
    result = foretold_then_done(sides.source.proxy, sides.destination.proxy, images=entries)
    assert [image["reason"] for image in result["images"]] == ["absent"] * 3
    assert story.is_at(sides.destination)
    written = Counter(sides.destination.written())
    # the child is written under its tag too
    assert {pointer for pointer, times in written.items() if times > 1} <= {story.image.digest}
    assert sides.source.proxy.count(kind="referrers") == 1


def test_several_sources_of_one_image(sides: Sides, strict: StrictRegistry) -> None:
    image, tag = images.image("two sources"), tag_of(images.image("two sources"), ".sig")
    other = Side(strict, strict.host, "other/app")
    sides.source.push(image)
    other.push(image)
    sides.source.push(signed(image, ("alice",)), tag)
    other.push(signed(image, ("bob",)), tag)
    one, two = _sbom(image, "one"), _sbom(image, "two")
    _refer(sides.source, image, one)
    _refer(other, image, one, two, api=True)
    pulled = [sides.source.ref(), other.ref()]
    sync(
        images=[
            {"source": source, "destination": sides.destination.ref(str(number))}
            for number, source in enumerate(pulled)
        ]
    )
    assert found_at(sides.destination, image.digest) == entries([one, two])
    assert sorted(_signers(sides.destination, tag)) == ["alice", "bob"]


def test_within_a_registry(sides: Sides) -> None:
    story = Story("promoted")
    story.put(sides.source, False)
    place = sides.source
    options = {"source": place.ref(), "destination": place.ref("", f"{place.repository}/prod")}
    result = foretold_then_done(place.proxy, **options)
    assert blobs(result)[0] == 0 < blobs(result)[1]
    assert story.is_at(Side(place.proxy, place.host, f"{place.repository}/prod"))
    # what is in one repository is there already
    place.proxy.clear()
    assert sync(source=place.ref(), destination=place.ref("2"), referrers="always")["changed"]
    assert place.written() == ["2"]
    assert place.proxy.count(kind="tags") == place.proxy.count(kind="referrers") == 0


# what it costs


def test_many_unsigned_images_cost_a_list_of_each_repository_and_one_question(
    sides: Sides,
) -> None:
    entries = []
    for name in "abcde":
        for tag in "123456":
            where = f"{sides.source.repository}/{name}"
            sides.source.push(images.multi_platform(f"{name}{tag}"), tag, where)
            entries.append(
                {
                    "source": sides.source.ref(tag, where),
                    "destination": sides.destination.ref(
                        "", f"{sides.destination.repository}/{{0}}/{name}"
                    ),
                }
            )
    asked = []
    for wanted in ("never", "with_image"):
        sides.clear()
        mine = [{k: v.replace("{0}", wanted[:4]) for k, v in entry.items()} for entry in entries]
        assert sync(images=mine, referrers=wanted)["changed"]
        asked.append(sides.asked())
    (source, _destination), (more, _same) = asked
    assert more - source == Counter({("GET", "tags"): 5, ("GET", "referrers"): 1})
    # what is mounted from the first copies isn't sent again
    assert _same.total() <= _destination.total()
    assert not {("GET", "referrers"), ("GET", "tags")} & (_same - _destination).keys()

    sides.clear()
    sync(images=entries_in(entries, "with"), referrers="with_image")
    heads = Counter({("HEAD", "manifest"): len(entries)})
    assert sides.asked() == (heads, heads)
    sides.clear()
    sync(images=entries_in(entries, "with"), referrers="always")
    source, destination = sides.asked()
    # and each index is read
    reads = Counter({("GET", "tags"): 5, ("GET", "referrers"): 1, ("GET", "manifest"): 30})
    assert (source, destination) == (heads + reads, heads)


def entries_in(entries: list[dict[str, str]], where: str) -> list[dict[str, str]]:
    return [{k: v.replace("{0}", where) for k, v in entry.items()} for entry in entries]


def test_a_registry_with_the_api_is_asked_once_for_each_digest(between: MakeSides) -> None:
    sides = between("api", "tags")
    index = images.multi_platform("asked")
    sides.source.push(index)
    sides.source.push(index.children[0], "child")
    sync(images=[sides.options("1"), sides.options("child")])
    asked = sides.source.proxy.select("GET", "referrers")
    assert sorted(r.reference for r in asked) == sorted(m.digest for m in index.walk())
    assert sides.source.proxy.count("GET", "tags") == 1
    assert not {("GET", "referrers")} & sides.destination.proxy.methods().keys()


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500])
def test_where_tags_are_not_listed_each_is_asked_for(
    sides: Sides, quick: None, status: int
) -> None:
    story = Story("unlisted")
    story.put(sides.source, False)
    sides.source.proxy.inject("GET .*/tags/list", "status", status, times=ALWAYS)
    sides.run(retries=1)
    assert story.is_at(sides.destination)
    assert sides.source.proxy.count("GET", "referrers") == 1


def test_a_source_that_is_gone_meanwhile_fails_its_images_alone(
    between: MakeSides, sides: Sides, quick: None
) -> None:
    gone = between("api", "tags")
    for side in (sides.source, gone.source):
        side.push(images.image("unreachable"))
    gone.source.proxy.inject("GET .*/(tags|referrers)/", "rst_before", times=ALWAYS)
    entries = [sides.options(), {**gone.options(), "destination": sides.destination.ref("gone")}]
    result = sync(images=entries, retries=1)
    assert [image["reason"] for image in result["images"]] == ["absent", "failed"]
    assert gone.source.proxy.host in result["images"][1]["msg"]
    assert sides.destination.tags() == ["1"]


def test_a_list_that_lacks_the_images_tag_proves_nothing(sides: Sides) -> None:
    story = Story("stale")
    story.put(sides.source, False)
    body = b'{"name": "x", "tags": ["other"]}'
    headers = {"Content-Type": "application/json"}
    sides.source.proxy.inject(
        "GET .*/tags/list", "status", 200, times=ALWAYS, body=body, headers=headers
    )
    sides.run()
    assert story.is_at(sides.destination)


def test_a_list_that_is_too_long_is_not_read_to_its_end(
    make_strict: MakeStrict, sides: Sides
) -> None:
    registry = make_strict(page_size=1, referrers_api=False)
    source = Side(registry, registry.host, "team/app")
    image = source.push(images.image("long"), "tag")
    source.push(signed(image), tag_of(image, ".sig"))
    for number in range(30):
        registry.set_tag("team/app", f"t{number}", image.digest)
    sync(source=source.ref("tag"), destination=sides.destination.ref("1"))
    assert registry.count("GET", "tags") == 4
    assert sides.destination.has_whole(signed(image), tag_of(image, ".sig"))


# what fails


REFUSED = {
    "the referrers API": ("GET .*/referrers/", [429, 401, 403, 500, 503]),
    "the list": ("GET .*/manifests/{list}", [500, 503]),
    "a referrer": ("GET .*/manifests/{sbom}", [403, 500]),
    "a signature": ("GET .*/manifests/{sig}", [403, 500, 503]),
    "a blob": ("GET .*/blobs/{blob}", [404, 500]),
}


@pytest.mark.parametrize(
    ("what", "status"), [(what, s) for what, (_p, found) in REFUSED.items() for s in found]
)
def test_a_failure_is_no_absence_and_leaves_the_tag(
    sides: Sides, quick: None, what: str, status: int
) -> None:
    old = sides.destination.push(images.image("old"))
    image = sides.source.push(images.image("new"))
    sbom, signature = _sbom(image), signed(image)
    _refer(sides.source, image, sbom)
    sides.source.push(signature, tag_of(image, ".sig"))
    pattern = REFUSED[what][0].format(
        list=f"{as_tag(image.digest)}$",
        sbom=sbom.digest,
        sig=tag_of(image, ".sig"),
        blob=sbom.blobs[1].digest,
    )
    fault = sides.source.proxy.inject(pattern, "status", status, times=ALWAYS)
    if what == "a blob":  # check mode doesn't read blobs
        result = sync(**sides.options(retries=1))
    else:
        result = sides.run(retries=1)
        assert not sides.writes()
    assert result["failed"] and not result["changed"] and fault.hits
    assert str(status) in result["msg"] and sides.source.proxy.host in result["msg"]
    assert sides.destination.digest() == old.digest
    sides.heal()
    assert sides.run()["reason"] == "digest_differs"
    assert found_at(sides.destination, image.digest) == entries([sbom])
    assert sides.destination.has_whole(signature, tag_of(image, ".sig"))


def test_a_signature_that_is_asked_for_without_a_list_must_be_answered(
    sides: Sides, quick: None
) -> None:
    image = sides.source.push(images.image("unknown"))
    sides.source.proxy.inject("GET .*/tags/list", "status", 403, times=ALWAYS)
    sides.source.proxy.inject(r"HEAD .*\.sig", "status", 503, times=ALWAYS)
    assert "503" in sides.run(retries=1)["msg"]
    assert sides.destination.digest() is None
    sides.source.proxy.heal()
    sides.source.proxy.inject(r"HEAD .*\.sig", "status", 503)
    assert sides.run(retries=1)["digest"] == image.digest


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_registries_say_in_many_ways_that_they_have_no_api(between: MakeSides, status: int) -> None:
    sides = between("api", "tags")
    image = sides.source.push(images.image("no api"))
    sbom = _sbom(image)
    _refer(sides.source, image, sbom)
    fault = sides.source.proxy.inject("GET .*/referrers/", "status", status, times=ALWAYS)
    sync(**sides.options())
    assert fault.hits == 1
    assert found_at(sides.destination, image.digest) == entries([sbom])


def test_a_registry_that_does_not_know_one_digest_is_asked_about_others(
    between: MakeSides,
) -> None:
    sides = between("api", "tags")
    story = Story("unknown")
    story.put(sides.source, True)
    body = b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
    child = story.image.children[0]
    sides.source.proxy.inject(
        f"GET .*/referrers/{child.digest}", "status", 404, times=ALWAYS, body=body
    )
    sides.run()
    assert story.is_at(sides.destination)


def test_a_page_that_fails_or_is_no_list_is_a_failure(between: MakeSides, quick: None) -> None:
    sides = between("api", "tags")
    image = sides.source.push(images.image("paged"))
    _refer(sides.source, image, *(_sbom(image, str(n)) for n in range(5)), api=True)
    # the second page
    fault = sides.source.proxy.inject("GET .*/referrers/.*from=", "status", 404, times=ALWAYS)
    assert "404" in sides.run()["msg"] and fault.hits
    sides.heal()
    page = {"Content-Type": "text/html"}
    sides.source.proxy.inject(
        "GET .*/referrers/", "status", 200, times=ALWAYS, headers=page, body=b"<html></html>"
    )
    assert sides.run()["failed"]
    assert sides.destination.tags() == []
    sides.heal()
    sides.source.proxy.inject("GET .*/referrers/", "status", 500)
    assert sides.run(retries=1)["changed"]
    assert len(found_at(sides.destination, image.digest)) == 5


@pytest.mark.parametrize("where", ["source", "destination"])
def test_a_tag_of_a_list_that_names_an_image(sides: Sides, where: str) -> None:
    image = sides.source.push(images.image("subject"))
    if where == "destination":
        _refer(sides.source, image, _sbom(image))
    tag = as_tag(image.digest)
    there = getattr(sides, where).push(images.image("not a list"), tag)
    result = sides.run()
    assert result["failed"] and tag in result["msg"] and "list of referrers" in result["msg"]
    assert sides.destination.digest() is None
    assert getattr(sides, where).digest(tag) == there.digest


def test_a_signature_that_is_an_index_is_left_alone(sides: Sides) -> None:
    image = sides.source.push(images.image("subject"))
    tag = tag_of(image, ".sig")
    sides.source.push(signed(image), tag)
    there = sides.destination.push(images.multi_platform("odd"), tag)
    result = sides.run()
    assert result["failed"] and tag in result["msg"]
    assert sides.destination.tags() == [tag] and sides.destination.digest(tag) == there.digest


def test_what_is_listed_and_not_there_is_told(sides: Sides) -> None:
    image = sides.source.push(images.image("gone"))
    gone, kept = _sbom(image, "gone"), _sbom(image, "kept")
    stranger = _sbom(gone, "stranger")
    part = images.image("part")
    broken = images.index([part], subject=image)
    sides.source.push(broken, "broken")
    for one in (gone, kept, stranger):
        sides.source.push(one, None)
    put_list(sides.source, image.digest, [gone, kept, stranger, broken])
    for lost in (gone, part):
        push.delete_manifest(sides.source.host, sides.source.repository, lost.digest)
    result = sides.run()
    assert (result["changed"], result["reason"]) == (True, "absent")
    warnings = "\n".join(result["images"][0]["warnings"])
    assert f"{gone.digest} is listed as attached to it, but isn't there" in warnings
    assert f"{stranger.digest} is listed as attached to it, but doesn't refer to it" in warnings
    assert f"lacks its part {part.digest}" in warnings
    assert len(result["images"][0]["warnings"]) == 3
    assert found_at(sides.destination, image.digest) == entries([kept])


def test_a_type_that_cannot_be_copied_is_told(make_strict: MakeStrict, sides: Sides) -> None:
    registry = make_strict()
    source = Side(registry, registry.host, "team/app")
    image = source.push(images.image("odd"), "1")
    kind = "application/vnd.oci.artifact.manifest.v1+json"
    subject = {k: image.descriptor[k] for k in ("mediaType", "digest", "size")}
    raw = to_json({"schemaVersion": 2, "mediaType": kind, "subject": subject})
    digest = registry.put_raw("team/app", "", raw, kind)
    result = sync(source=source.ref(), destination=sides.destination.ref("1"))
    (warning,) = result["images"][0]["warnings"]
    assert digest in warning and kind in warning and not result.get("failed")


# what is at the destination stays


def _signers(side: Side, tag: str) -> list[str]:
    """Who signed what a tag names, by the annotations."""
    with push.Repository(side.host, side.repository) as there:
        there.verify_whole(tag)
        document = there.manifest(tag).json()
        config = there.call("GET", f"blobs/{document['config']['digest']}", (200,)).json()
    layers = document["layers"]
    # the config lists them as cosign does
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in layers]
    assert len(config["history"]) == len(layers)
    names = {
        next(b for b in signed(images.image("x"), (who,)).blobs[1:]).extra["annotations"][
            SIGNATURE
        ]: who
        for who in ("alice", "bob", "carol", "mallory")
    }
    return [names[layer["annotations"][SIGNATURE]] for layer in layers]


@both_kinds
@pytest.mark.parametrize("suffix", [".sig", ".att"])
def test_signatures_of_both_sides_are_kept(between: MakeSides, target: str, suffix: str) -> None:
    sides = between("tags", target)
    image = sides.source.push(images.image("cosigned"))
    tag = tag_of(image, suffix)
    theirs = sides.source.push(signed(image, ("alice", "bob"), suffix), tag)
    # somebody may have attested the signature itself
    note = _sbom(theirs, "of the signature")
    _refer(sides.source, theirs, note)
    sides.destination.push(signed(image, ("mallory", "alice"), suffix), tag)

    result = sides.run()

    assert result["reason"] == "absent"
    assert _signers(sides.destination, tag) == ["mallory", "alice", "bob"]
    merged = sides.destination.digest(tag)
    assert merged not in (theirs.digest, None)
    assert sides.destination.digest(theirs.digest) == theirs.digest
    assert found_at(sides.destination, theirs.digest) == entries([note])
    assert sides.run(referrers="always")["reason"] == "in_sync"
    assert sides.destination.digest(tag) == merged

    sides.source.push(signed(image, ("alice", "bob", "carol"), suffix), tag)
    assert sides.run(referrers="always")["reason"] == "referrers_missing"
    assert _signers(sides.destination, tag) == ["mallory", "alice", "bob", "carol"]
    assert sides.run(referrers="always")["changed"] is False


@pytest.mark.parametrize(
    ("here", "there", "changed"),
    [
        ("alice", "alice bob", False),
        ("alice bob", "alice", True),
        ("alice bob", "bob alice", False),
        ("alice bob", "alice bob", False),
    ],
)
def test_what_one_side_has_all_of_is_taken_as_it_is(
    sides: Sides, here: str, there: str, changed: bool
) -> None:
    image, tag = images.image("signed"), tag_of(images.image("signed"), ".sig")
    for side in (sides.source, sides.destination):
        side.push(image)
    new = sides.source.push(signed(image, here.split()), tag)
    old = sides.destination.push(signed(image, there.split()), tag)
    result = sides.run(referrers="always")
    assert result["changed"] is changed
    assert sides.destination.digest(tag) == (new if changed else old).digest


def test_an_sbom_is_replaced(sides: Sides) -> None:
    image, tag = images.image("described"), tag_of(images.image("described"), ".sbom")
    sides.destination.push(signed(image, ("old",), ".sbom"), tag)
    sides.source.push(image)
    new = sides.source.push(signed(image, ("new",), ".sbom"), tag)
    assert sides.run()["changed"]
    assert sides.destination.has_whole(new, tag)


def test_a_config_that_lists_no_layers_stays(sides: Sides) -> None:
    image, tag = images.image("odd config"), tag_of(images.image("odd config"), ".sig")
    config = Blob(b"[]", OCI_CONFIG)
    layers = {who: signed(image, (who,)).blobs[1] for who in ("alice", "mallory")}
    sides.source.push(image)
    sides.source.push(cosign_manifest(config, [layers["alice"]]), tag)
    sides.destination.push(cosign_manifest(config, [layers["mallory"]]), tag)
    sides.run()
    wanted = cosign_manifest(config, [layers["mallory"], layers["alice"]])
    assert sides.destination.has_whole(wanted, tag)


def test_a_list_keeps_what_only_the_destination_has(sides: Sides) -> None:
    image = sides.source.push(images.image("listed"))
    own, both, new = (_sbom(image, name) for name in ("own", "both", "new"))
    _refer(sides.destination, image, own, both)
    _refer(sides.source, image, both, new)
    assert sides.run()["changed"]
    assert found_at(sides.destination, image.digest) == entries([own, both, new])
    listed = sides.destination.digest(as_tag(image.digest))
    _refer(sides.source, image, both)
    assert sides.run(referrers="always")["reason"] == "in_sync"
    assert sides.destination.digest(as_tag(image.digest)) == listed


def test_lost_updates_of_a_list_are_repaired(sides: Sides) -> None:
    image = sides.source.push(images.image("raced"))
    ours, theirs = _sbom(image, "ours"), _sbom(image, "theirs")
    _refer(sides.source, image, ours)
    tag = as_tag(image.digest)
    fault = sides.destination.proxy.inject(
        f"HEAD .*/manifests/{tag}",
        "pass",
        times=2,
        call=lambda: _refer(sides.destination, image, theirs),
    )
    assert sync(**sides.options())["changed"]
    assert fault.hits == 2
    assert found_at(sides.destination, image.digest) == entries([theirs, ours])


def test_a_list_that_others_never_leave_alone(sides: Sides) -> None:
    image = sides.source.push(images.image("fought over"))
    _refer(sides.source, image, _sbom(image, "ours"))
    fault = sides.destination.proxy.inject(
        f"HEAD .*/manifests/{as_tag(image.digest)}",
        "pass",
        times=ALWAYS,
        call=lambda: _refer(sides.destination, image, _sbom(image, "theirs")),
    )
    result = sync(**sides.options())
    assert result["failed"] and "changed by others" in result["msg"]
    assert 1 < fault.hits < 10
    assert sides.destination.digest() is None


def test_a_signature_made_there_during_the_copy(sides: Sides) -> None:
    image, tag = images.image("signed"), tag_of(images.image("signed"), ".sig")
    sides.source.push(image)
    sides.source.push(signed(image), tag)
    meanwhile = signed(image, ("mallory",))
    sides.source.proxy.inject(
        f"GET .*/blobs/{signed(image).blobs[1].digest}",
        "pass",
        call=lambda: sides.destination.push(meanwhile, tag),
    )
    assert sync(**sides.options())["changed"]
    assert _signers(sides.destination, tag) == ["mallory", "alice"]


def test_what_a_list_names_may_be_gone(sides: Sides) -> None:
    """As after a garbage collection that deletes what has no tag."""
    image = sides.source.push(images.image("collected"))
    referrers = [_sbom(image, str(number)) for number in range(3)]
    _refer(sides.source, image, *referrers)
    sides.run()
    push.delete_manifest(sides.destination.host, sides.destination.repository, referrers[1].digest)
    result = sides.run(referrers="always")
    assert (result["changed"], result["reason"]) == (True, "referrers_missing")
    assert sides.destination.written() == [referrers[1].digest]
    assert sides.run(referrers="always")["changed"] is False


def test_an_api_that_does_not_say_so_gets_a_list_too(make_strict: MakeStrict, sides: Sides) -> None:
    registry = make_strict(subject_header=False)
    destination = Side(registry, registry.host, "team/app")
    image = sides.source.push(images.image("silent"))
    sbom = _sbom(image)
    _refer(sides.source, image, sbom)
    options = {"source": sides.source.ref(), "destination": destination.ref("1")}
    assert foretold_then_done(sides.source.proxy, registry, **options)["changed"]
    assert as_tag(image.digest) in registry.tags("team/app")
    assert found_at(destination, image.digest) == entries([sbom])
    assert not foretold_then_done(registry, **options, referrers="always")["changed"]


# what has no end


def test_tags_that_name_what_they_sign(sides: Sides) -> None:
    one, two = images.image("one"), images.multi_platform("two")
    sides.source.push(one)
    sides.source.push(two, "2")
    sides.source.push(one, tag_of(one, ".sig"))
    sides.source.push(two, tag_of(one, ".att"))
    sides.source.push(one, tag_of(two, ".sig"))
    sides.source.push(two, tag_of(two.children[0], ".sig"))
    result = foretold_then_done(
        sides.source.proxy,
        sides.destination.proxy,
        images=[sides.options("1"), sides.options("2")],
    )
    assert [image["reason"] for image in result["images"]] == ["absent", "absent"]
    assert set(sides.destination.tags()) == set(sides.source.tags())
    assert sides.run(referrers="always")["changed"] is False


def test_limits(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.imagesync.registry.plugins.module_utils.sync.referrers"
    image = sides.source.push(images.image("deep"))
    subject = image
    for number in range(4):
        attached = _sbom(subject, str(number))
        _refer(sides.source, subject, attached)
        subject = attached
    monkeypatch.setattr(f"{module}._MOST_LEVELS", 3)
    assert "nested deeper than 3" in sides.run()["msg"]
    monkeypatch.setattr(f"{module}._MOST_LEVELS", 8)
    monkeypatch.setattr(f"{module}._MOST_MANIFESTS", 3)
    assert "more than 3 manifests" in sides.run()["msg"]
    assert sides.destination.tags() == []
    monkeypatch.setattr(f"{module}._MOST_MANIFESTS", 4)
    assert sides.run()["changed"]


# as users run it


def test_a_playbook(sides: Sides) -> None:
    story = Story("played")
    story.put(sides.source, False)
    task = {
        "name": "Mirror",
        "imagesync.registry.image_sync": {**sides.options(), "referrers": "always"},
    }
    checked = run_tasks([task], "--check", "--diff")
    assert checked[0]["changed"] and not sides.writes()
    run = run_tasks([task, task])
    assert [result["changed"] for result in run.results] == [True, False]
    assert story.is_at(sides.destination)
    sides.source.push(signed(story.image, ("carol",)), tag_of(story.image, ".sig"))
    checked, run = run_tasks([task], "--check", "--diff"), run_tasks([task], "--diff")
    for result in (checked[0], run[0]):
        assert (result["changed"], result["reason"]) == (True, "referrers_missing")
    assert checked[0]["diff"] == run[0]["diff"]
    assert _signers(sides.destination, tag_of(story.image, ".sig")) == ["alice", "bob", "carol"]


@pairs
def test_some_platforms_come_with_their_own(between: MakeSides, origin: str, target: str) -> None:
    sides = between(origin, target)
    platforms = ("linux/amd64", "linux/arm64", "linux/s390x")
    index = sides.source.push(images.multi_platform("some", platforms=platforms))
    sides.source.push(signed(index), tag_of(index, ".sig"))
    for child in index.children:
        sides.source.push(signed(child), tag_of(child, ".sig"))
        _refer(sides.source, child, _sbom(child), api=origin == "api")
    options = {"platforms": ["linux/amd64", "linux/s390x"]}
    result = sides.run(**options)
    assert result["reason"] == "absent"
    # what is said of the whole index isn't said of these
    (warning,) = result["images"][0]["warnings"]
    assert (
        f"@{index.digest}: what is attached to the whole image, such as signatures, stays"
        in warning
    )
    first, dropped, last = index.children
    for child in (first, last):
        assert found_at(sides.destination, child.digest) == entries([_sbom(child)])
        assert sides.destination.has_whole(signed(child), tag_of(child, ".sig"))
    assert not {tag_of(index, ".sig"), tag_of(dropped, ".sig")} & set(sides.destination.tags())
    assert sides.run(**options, referrers="always")["reason"] == "in_sync"
    sides.source.push(signed(last, ("alice", "bob")), tag_of(last, ".sig"))
    assert sides.run(**options, referrers="always")["reason"] == "referrers_missing"
    assert _signers(sides.destination, tag_of(last, ".sig")) == ["alice", "bob"]


@pytest.mark.parametrize("origin", KINDS)
def test_a_warning_only_where_something_stays_behind(between: MakeSides, origin: str) -> None:
    sides = between(origin, "tags")
    unsigned = sides.source.push(images.multi_platform("unsigned"), "unsigned")
    sides.source.push(signed(unsigned.children[0]), tag_of(unsigned.children[0], ".sig"))
    whole = sides.source.push(images.multi_platform("whole"), "whole")
    _refer(sides.source, whole, _sbom(whole), api=origin == "api")

    def warned(tag: str, **options: Any) -> bool:
        return "warnings" in sides.run(tag, **options)["images"][0]

    assert not warned("unsigned", platforms=["amd64"])
    # all that the index has is the index itself
    assert not warned("whole", platforms=["amd64", "arm64"])
    assert not warned("whole", platforms=["amd64"], referrers="never")
    sides.destination.push(whole, "whole")
    assert warned("whole", platforms=["amd64"])
    # nobody looked
    assert not warned("whole", platforms=["amd64"])
    assert warned("whole", platforms=["amd64"], referrers="always")
