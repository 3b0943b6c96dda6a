# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``signed_by``: what isn't signed as declared is neither copied nor taken as in sync.

Which signatures are valid is for the unit tests (sync/test_signatures.py); here is what follows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync import run
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import read_image
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import Settings
from tests.support import cosign, images
from tests.support.asking import ask, check_sentence, refusal
from tests.support.content import Image
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeStrict
from tests.support.sides import IN_SYNC, Side, Sides
from tests.support.signatures import as_tag, entries, found_at, put_referrers
from tests.support.signing import sign
from tests.support.sync import sync

ALICE, BOB, CAROL = cosign.make_key(), cosign.make_key("ed25519"), cosign.make_key("rsa")
BY_ALICE = {"signed_by": [ALICE.public]}
KINDS = ("api", "tags")
MakeSides = Callable[[str, str], Sides]


@pytest.fixture
def between(sides: Sides, make_strict: MakeStrict, make_proxy: MakeProxy) -> MakeSides:
    """Two registries: "api" lists referrers itself; for "tags" clients do."""

    def modern(side: Side) -> Side:
        one = make_strict(referrers_page=2)
        return Side(make_proxy(one.url), one.host, side.repository)

    def make(source: str, destination: str) -> Sides:
        return Sides(
            modern(sides.source) if source == "api" else sides.source,
            modern(sides.destination) if destination == "api" else sides.destination,
        )

    return make


def _sign(side: Side, image: Image, *keys: cosign.Key) -> Image:
    """As cosign does, by its tag."""
    return side.push(cosign.signed(image, *keys), cosign.tag_of(image))


def _refused(sides: Sides, tag: str = "1", **options: Any) -> str:
    """The message of an image that isn't taken; nothing was written."""
    before = sides.destination.digest(tag)
    result = sides.run(tag, **{**BY_ALICE, **options})
    assert result["failed"] and result["reason"] == "failed" and not result["changed"]
    assert not {"signed_by", "id", "digest"} & result["images"][0].keys()
    assert not sides.writes()
    assert sides.destination.digest(tag) == before
    return check_sentence(result["images"][0]["msg"], 1000)


def test_only_what_is_signed_is_taken(sides: Sides) -> None:
    image = sides.source.push(images.multi_platform("wanted"))
    said = _refused(sides)
    assert f"{sides.source.ref('')}@{image.digest} isn't signed by a key of signed_by" in said
    assert ALICE.fingerprint in said
    assert f"there is no tag {cosign.tag_of(image)}; no sigstore bundle refers to it" in said

    _sign(sides.source, image, BOB)
    assert "signature 1 under" in _refused(sides)
    _sign(sides.source, image, BOB, ALICE)
    result = sides.run(**BY_ALICE)
    assert (result["changed"], result["reason"]) == (True, "absent")
    assert result["signed_by"] == result["images"][0]["signed_by"] == [ALICE.fingerprint]
    assert sides.destination.has_whole(image)

    # in sync: it costs the signatures and what they are over, and without the option nothing
    again = sides.run(signed_by=[CAROL.public, ALICE.public, BOB.public])
    assert (again["changed"], again["reason"]) == (False, "in_sync")
    assert again["signed_by"] == [ALICE.fingerprint, BOB.fingerprint]
    sides.clear()
    assert sync(**sides.options(), **BY_ALICE)["reason"] == "in_sync"
    assert sides.asked()[1] == IN_SYNC[1]
    assert sides.asked()[0] == {("HEAD", "manifest"): 1, ("GET", "manifest"): 1, ("GET", "blob"): 1}
    sides.clear()
    assert "signed_by" not in sync(**sides.options())
    assert sides.asked() == IN_SYNC

    # what isn't signed any more fails, and its tag stays
    _sign(sides.source, image, BOB)
    assert "isn't signed" in _refused(sides)
    assert sides.destination.has_whole(image)


def test_a_moved_tag_that_nobody_signed(sides: Sides) -> None:
    old = sides.source.push(images.image("old"))
    _sign(sides.source, old, ALICE)
    sides.run(**BY_ALICE)
    new = sides.source.push(images.image("new"))
    # what is said of another image doesn't count
    sides.source.push(cosign.signed(old, ALICE), cosign.tag_of(new))
    assert f"it is over another digest ({old.digest})" in _refused(sides)
    assert sides.destination.digest() == old.digest


def test_one_image_fails_and_the_others_go_on(sides: Sides) -> None:
    for tag in ("good", "bad", "free"):
        sides.source.push(images.image(tag), tag)
    _sign(sides.source, images.image("good"), ALICE)
    entries = [sides.options(tag) for tag in ("good", "bad", "free")]
    entries[2]["signed_by"] = []
    result = sync(images=entries, **BY_ALICE)
    assert [one["reason"] for one in result["images"]] == ["absent", "failed", "absent"]
    assert [one.get("signed_by") for one in result["images"]] == [[ALICE.fingerprint], None, None]
    assert sides.destination.tags() == sorted(["good", "free", cosign.tag_of(images.image("good"))])


def test_tags_of_one_image_are_checked_once(sides: Sides) -> None:
    image = images.image("many tags")
    for number in range(5):
        sides.source.push(image, f"1.{number}")
        sides.destination.push(image, f"1.{number}")
    _sign(sides.source, image, ALICE)
    options = sides.options("")
    sides.clear()
    result = sync(**options, tags=[f"1.{number}" for number in range(5)], **BY_ALICE)
    assert {one["reason"] for one in result["images"]} == {"in_sync"}
    assert all(one["signed_by"] == [ALICE.fingerprint] for one in result["images"])
    assert sides.asked()[0] == {("HEAD", "manifest"): 5, ("GET", "manifest"): 1, ("GET", "blob"): 1}


# what else an image may be settled as


def test_no_way_leads_around_it(sides: Sides, tmp_path: Path) -> None:
    image = sides.source.push(images.image("settled"))
    other = sides.destination.push(images.image("other"))
    lock = tmp_path / "lock.json"
    sync(**sides.options(), lock_file=str(lock), destination_tag="locked")
    locked = {"lock_file": str(lock), "lock_mode": "frozen", "destination_tag": "locked"}
    ways: list[tuple[str, dict[str, Any]]] = [
        ("kept", {"existing": "keep"}),
        ("in_sync", locked),
        ("staged", {"state": "staged"}),
    ]
    for _reason, options in ways:
        result = sync(**sides.options(), **options, **BY_ALICE)
        assert result["failed"] and "isn't signed by a key" in result["msg"], options
        assert result["images"][0]["reason"] == "failed"
    _sign(sides.source, image, ALICE)
    for reason, options in ways:
        result = sync(**sides.options(), **options, **BY_ALICE)
        assert result["reason"] == reason
        # nobody has signed what was there, and is kept
        assert result.get("signed_by") == (None if reason == "kept" else [ALICE.fingerprint])
    assert sides.destination.digest() == other.digest
    assert lock.read_text(encoding="utf-8").count(image.digest) == 2


def test_of_an_immutable_tag_what_is_there_has_to_be_signed(sides: Sides) -> None:
    index = images.multi_platform("immutable")
    for side in (sides.source, sides.destination):
        side.push(index)
    moved = sides.source.push(images.image("moved all the same"))
    options = {**sides.options(), "immutable_tags": [r"\d+"], **BY_ALICE}
    assert "isn't signed" in sync(**options)["msg"]
    _sign(sides.source, index, ALICE)
    sides.clear()
    result = sync(**options)
    assert (result["reason"], result["signed_by"]) == ("immutable", [ALICE.fingerprint])
    assert "source_digest" not in result
    assert sides.asked()[0] == {("GET", "manifest"): 1, ("GET", "blob"): 1}
    # one platform of it, which the index that the tag names vouches for, or nobody
    child = sides.destination.push(index.children[0])
    _sign(sides.source, moved, ALICE)
    assert "isn't signed" in sync(**options, platforms=["amd64"])["msg"]
    sides.source.push(index)
    result = sync(**options, platforms=["amd64"])
    assert (result["reason"], result["digest"]) == ("immutable", child.digest)
    assert result["signed_by"] == [ALICE.fingerprint]


def test_of_an_immutable_tag_a_frozen_lock_says_whose_part_it_is(
    sides: Sides, tmp_path: Path
) -> None:
    """Without resolving a tag at the source."""
    index = sides.source.push(images.multi_platform("immutable and frozen"))
    _sign(sides.source, index, ALICE)
    lock = {"lock_file": str(tmp_path / "lock.json")}
    options = {**sides.options(), **lock, **BY_ALICE, "platforms": ["amd64"]}
    taken = sync(**options)["digest"]
    sides.source.push(images.image("moved since then"))
    sides.clear()
    frozen = {"lock_mode": "frozen", "immutable_tags": [".*"]}
    result = sync(**options, **frozen)
    assert (result["reason"], result["digest"]) == ("immutable", taken)
    assert result["signed_by"] == [ALICE.fingerprint]
    assert "1" not in {request.reference for request in sides.source.proxy.requests}


# parts of an image


def test_an_index_speaks_for_its_parts_and_a_part_for_itself(sides: Sides) -> None:
    index = sides.source.push(images.multi_platform("parts", platforms=images.PLATFORMS))
    first, second = index.children[:2]
    one = {"platforms": [images.PLATFORMS[0]]}
    assert index.digest in _refused(sides, **one)
    _sign(sides.source, second, ALICE)
    _refused(sides, **one)
    _sign(sides.source, first, ALICE)
    # of the whole image that says nothing
    _refused(sides)
    other = sides.destination.push(images.image("kept"), "kept")
    kept = {**sides.options(), "destination_tag": "kept", "existing": "keep"}
    result = sync(**kept, **one, **BY_ALICE)
    assert (result["reason"], result["digest"]) == ("kept", other.digest)
    result = sides.run(**one, **BY_ALICE)
    assert (result["digest"], result["signed_by"]) == (first.digest, [ALICE.fingerprint])
    _sign(sides.source, first, BOB)
    _refused(sides, **one)
    _sign(sides.source, index, ALICE)
    assert sides.run(**one, **BY_ALICE)["signed_by"] == [ALICE.fingerprint]
    assert sides.run(**BY_ALICE)["signed_by"] == [ALICE.fingerprint]


def test_several_platforms_and_a_lock(sides: Sides, tmp_path: Path) -> None:
    """An index of some platforms is made here; what is signed is the one it was made of."""
    platforms = ("linux/amd64", "linux/arm64", "linux/s390x")
    index = sides.source.push(images.multi_platform("some", platforms=platforms))
    lock = tmp_path / "lock.json"
    options = {"platforms": list(platforms[:2]), "lock_file": str(lock)}
    made = sides.run(**options)["digest"]
    for mode in ("update", "frozen"):
        _refused(sides, **options, lock_mode=mode)
    _sign(sides.source, index, ALICE)
    for mode in ("update", "frozen"):
        result = sides.run(**options, lock_mode=mode, **BY_ALICE)
        assert (result["reason"], result["digest"]) == ("in_sync", made)
        assert result["signed_by"] == [ALICE.fingerprint]
    # a lock that calls something else a part of the signed index is no proof
    forged = sides.source.push(images.image("forged"), None)
    sides.destination.push(forged)
    lock.write_text(lock.read_text(encoding="utf-8").replace(made, forged.digest), "utf-8")
    assert forged.digest == sides.destination.digest()
    _refused(sides, **options, lock_mode="frozen")


# what can't be known


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settled", [False, True])
def test_what_cannot_be_read_is_a_failure(
    between: MakeSides, quick: None, kind: str, settled: bool
) -> None:
    sides = between(kind, "tags")
    image = sides.source.push(images.image("failing"))
    bundle = cosign.bundled(image, ALICE)
    put_referrers(sides.source, {image.digest: [bundle]}, kind == "api")
    if settled:
        sides.destination.push(image)
    listing = f"referrers/{image.digest}" if kind == "api" else f"{as_tag(image.digest)}$"
    for path in (listing, f"manifests/{bundle.digest}", f"blobs/{bundle.blobs[1].digest}"):
        fault = sides.source.proxy.inject(f"GET .*/{path}", "status", 503, times=ALWAYS)
        said = _refused(sides, retries=1)
        assert f"the signatures of {image.digest} can't be read" in said and "503" in said
        assert fault.hits > 2
        sides.heal()
    # a bundle is proof enough, whatever may be under the tag
    tag = f"GET .*/manifests/{cosign.tag_of(image)}"
    fault = sides.source.proxy.inject(tag, "status", 503, times=ALWAYS)
    result = sync(**sides.options(), **BY_ALICE, retries=1, referrers="never")
    assert result["signed_by"] == [ALICE.fingerprint] and fault.hits


def test_a_call_that_ends_meanwhile_claims_nothing(sides: Sides) -> None:
    """What was found in sync, and not yet found signed, isn't reported as fine."""
    image = sides.source.push(images.image("ended"))
    sides.destination.push(image)
    _sign(sides.source, image, ALICE)
    stop = Stop()
    fault = sides.source.proxy.inject(f"GET .*/{cosign.tag_of(image)}", "pass", call=stop.request)
    declared = read_image({**sides.options(), **BY_ALICE})
    report = run.sync(declared, Settings(), stop=stop)
    assert fault.hits == 1
    (outcome,) = report.images
    assert (outcome.reason, outcome.signed_by, outcome.digest) == ("not_done", [], "")


def test_keys_come_before_requests(sides: Sides, tmp_path: Path) -> None:
    """A mistake in them is told before anything is asked, and never shows them."""
    for key, words in (
        (str(tmp_path / "missing.pub"), "No such file"),
        (ALICE.pem(), "holds a private key"),
        ("", "an empty entry"),
    ):
        with pytest.raises(InvalidInput) as caught:
            sync(images=[{**sides.options(), "signed_by": [BOB.public, key]}])
        assert words in check_sentence(str(caught.value))
        assert words in refusal(sides.source.ref(), signed_by=[key]) or not key
    assert not sides.source.proxy.requests and not sides.destination.proxy.requests


# image_info


def test_what_image_info_says(between: MakeSides) -> None:
    sides = between("api", "tags")
    image = sides.source.push(images.multi_platform("told"))
    keys = [key.public for key in (BOB, ALICE, CAROL)]

    def verified(tag: str = "1") -> Any:
        (found,) = ask(sides.source.ref(tag), signed_by=keys)["images"]
        return found.get("verified")

    assert verified() == []
    _sign(sides.source, image, ALICE)
    put_referrers(sides.source, {image.digest: [cosign.bundled(image, BOB)]}, True)
    assert verified() == [BOB.fingerprint, ALICE.fingerprint]
    assert verified(image.children[0].digest) == []
    assert verified("missing") is None
    assert "verified" not in ask(sides.source.ref())["images"][0]
    for path in (".*sig$", ".*/referrers/"):
        # of one key it is known; whether the other has signed isn't
        fault = sides.source.proxy.inject(f"GET {path}", "status", 403, times=ALWAYS)
        assert "can't be read" in refusal(sides.source.ref(), signed_by=keys)
        assert fault.hits
        sides.source.proxy.heal()


# the whole way


@pytest.mark.parametrize(("origin", "target"), list(itertools.product(KINDS, KINDS)))
def test_signed_images_go_from_registry_to_registry(
    between: MakeSides, origin: str, target: str
) -> None:
    """Whatever the registries can do, all of it is found afterwards in either way."""
    sides = between(origin, target)
    image = sides.source.push(images.multi_platform("the whole way"))
    subjects = [image, *image.children]
    referrers = {s.digest: [cosign.bundled(s, BOB), cosign.bundled(s, CAROL)] for s in subjects}
    put_referrers(sides.source, referrers, origin == "api")
    tagged = {s.digest: _sign(sides.source, s, ALICE) for s in subjects}
    keys = (ALICE, BOB, CAROL)
    wanted = [key.fingerprint for key in keys]

    result = sides.run(signed_by=[key.public for key in keys])
    assert (result["reason"], result["signed_by"]) == ("absent", wanted)
    for subject in subjects:
        there = sides.destination
        assert found_at(there, subject.digest) == entries(referrers[subject.digest])
        for alone in keys:
            (found,) = ask(there.ref(subject.digest), signed_by=[alone.public])["images"]
            assert found["verified"] == [alone.fingerprint]
        assert there.has_whole(tagged[subject.digest], cosign.tag_of(subject))

    # the mirror signs what it took in, the source's makers add a key: nothing is lost
    mirror, dora = cosign.make_key(), cosign.make_key()
    assert sign(sides.destination.ref(), mirror.pem())["changed"]
    assert sign(sides.destination.ref(), mirror.pem(), format="referrer")["changed"]
    sign(sides.source.ref(), dora.pem())
    again = sides.run(referrers="always", signed_by=[dora.public])
    assert (again["changed"], again["reason"]) == (True, "referrers_missing")
    everybody = [ALICE, mirror, dora]
    (found,) = ask(
        sides.destination.ref(), signed_by=[key.public for key in (*everybody, BOB, CAROL)]
    )["images"]
    assert found["verified"] == [key.fingerprint for key in (*everybody, BOB, CAROL)]
    assert len(found_at(sides.destination, image.digest)) == 3
    assert sides.run(referrers="always", signed_by=[dora.public])["reason"] == "in_sync"

    # and back again, by the mirror's word alone
    home = Side(sides.source.proxy, sides.source.host, f"{sides.source.repository}/back")
    back = Sides(sides.destination, home)
    assert back.run(signed_by=[mirror.public])["signed_by"] == [mirror.fingerprint]
    (found,) = ask(back.destination.ref(), signed_by=[dora.public, mirror.public])["images"]
    assert found["verified"] == [dora.fingerprint, mirror.fingerprint]
