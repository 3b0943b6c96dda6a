# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image_sign: what others make of its signatures, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import artifacts, cosign, images, push, skopeo
from tests.support.asking import ask, check_sentence, sentence_of
from tests.support.content import Image
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeStrict
from tests.support.playbook import run_tasks
from tests.support.sides import Side, Sides
from tests.support.signatures import as_tag, entries, found_at, put_referrers
from tests.support.signing import sign

ALICE, BOB = cosign.make_key(), cosign.make_key("rsa")
PASSPHRASE = "canary-of-the-key-7391"


def _verified(side: Side, *keys: cosign.Key, tag: str = "1") -> list[str]:
    (found,) = ask(side.ref(tag), signed_by=[key.public for key in keys])["images"]
    verified: list[str] = found["verified"]
    return verified


@pytest.fixture
def side(sides: Sides) -> Side:
    """One registry."""
    return sides.destination


@pytest.fixture
def modern(make_strict: MakeStrict, make_proxy: MakeProxy) -> Side:
    """One that lists referrers itself."""
    registry = make_strict()
    return Side(make_proxy(registry.url), registry.host, "team/app")


def _signatures(side: Side, image: Image, *keys: cosign.Key) -> list[dict[str, Any]]:
    """What is under cosign's tag, each signature by the key of its turn."""
    with push.Repository(side.host, side.repository) as there:
        layers = there.manifest(cosign.tag_of(image)).json()["layers"]
        assert len(layers) == len(keys)
        return [
            cosign.read_payload(
                there.blob(layer["digest"]), layer["annotations"][cosign.SIGNATURE], key
            )
            for layer, key in zip(layers, keys, strict=True)
        ]


def test_a_signature_under_the_tag_of_cosign(side: Side) -> None:
    image = side.push(images.multi_platform("signed"))
    foretold = sign(side.ref(), ALICE.pem(), check_mode=True)
    assert foretold["changed"] and "signature_digest" not in foretold
    assert not side.proxy.writes()
    result = sign(side.ref(), ALICE.pem())
    assert (result["changed"], result["digest"]) == (True, image.digest)
    assert (result["image"], result["id"]) == (side.ref(), side.id(image.digest))
    assert result["fingerprint"] == ALICE.fingerprint
    assert result["signature_tag"] == cosign.tag_of(image)
    assert result["signature_digest"] == side.digest(cosign.tag_of(image))
    assert {k: v for k, v in foretold.items() if k != "requests"}.items() <= result.items()
    expected = {
        "critical": {
            "identity": {"docker-reference": side.ref("")},
            "image": {"docker-manifest-digest": image.digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    assert _signatures(side, image, ALICE) == [expected]

    again = sign(side.ref(), ALICE.pem())
    assert not again["changed"]
    assert again["signature_digest"] == result["signature_digest"]
    sign(side.ref(), BOB.pem())
    assert _signatures(side, image, ALICE, BOB) == [expected, expected]
    assert side.digest() == image.digest
    # its config lists the signatures as cosign's does, and skopeo can read all of it
    with push.Repository(side.host, side.repository) as there:
        document = there.manifest(cosign.tag_of(image)).json()
        config = json.loads(there.blob(document["config"]["digest"]))
    layers = [layer["digest"] for layer in document["layers"]]
    assert config["rootfs"]["diff_ids"] == layers and len(config["history"]) == 2
    skopeo.verify_whole(f"{side.host}/{side.repository}:{cosign.tag_of(image)}")


def test_nothing_is_written_where_it_is_signed_or_only_looked_at(side: Side) -> None:
    image = side.push(images.image("signed by cosign"))
    side.push(cosign.signed(image, ALICE), cosign.tag_of(image))
    for check_mode in (True, False):
        assert not sign(side.ref(), ALICE.pem(), check_mode)["changed"]
    assert sign(side.ref(), BOB.pem(), check_mode=True)["changed"]
    assert not side.proxy.writes()


@pytest.mark.parametrize("kind", cosign.KINDS)
@pytest.mark.parametrize("form", ["tag", "referrer"])
def test_every_kind_of_key_in_both_formats(side: Side, kind: str, form: str) -> None:
    key = cosign.make_key(kind)
    image = side.push(images.image("any key"))
    result = sign(side.ref(), key.pem(PASSPHRASE), private_key_passphrase=PASSPHRASE, format=form)
    assert _verified(side, BOB, key) == [key.fingerprint]
    assert not sign(side.ref(), key.pem(), format=form)["changed"]
    with push.Repository(side.host, side.repository) as there:
        document = there.manifest(result["signature_digest"]).json()
        content = there.blob(document["layers"][0]["digest"])
    if form == "referrer":
        assert cosign.read_bundle(content, key)["subject"] == [
            {"digest": {"sha256": image.digest[7:]}}
        ]
    else:
        written = document["layers"][0]["annotations"][cosign.SIGNATURE]
        critical = cosign.read_payload(content, written, key)["critical"]
        assert critical["image"] == {"docker-manifest-digest": image.digest}
        assert critical["identity"] == {"docker-reference": side.ref("")}


@pytest.mark.parametrize("registry", ["side", "modern"])
def test_a_bundle_is_found_both_ways(registry: str, request: pytest.FixtureRequest) -> None:
    place: Side = request.getfixturevalue(registry)
    image = place.push(images.multi_platform("bundled"))
    sbom = artifacts.artifact("sbom", subject=image)
    put_referrers(place, {image.digest: [sbom]}, registry == "modern")
    result = sign(place.ref(), ALICE.pem(), format="referrer", annotations={"build": 7, "ok": True})
    with push.Repository(place.host, place.repository) as there:
        raw = there.manifest(result["signature_digest"]).content
    written = Image(raw, sbom.media_type)
    # nothing that was attached before is lost
    assert found_at(place, image.digest) == entries([sbom, written])
    assert written.document["artifactType"] == cosign.BUNDLE
    assert written.document["subject"] == {
        key: image.descriptor[key] for key in ("mediaType", "digest", "size")
    }
    # the list is for those who don't ask the registry itself
    assert (as_tag(image.digest) in place.tags()) == (registry == "side")
    assert not sign(place.ref(), ALICE.pem(), format="referrer")["changed"]
    assert not sign(place.ref(), ALICE.pem(), format="referrer", annotations={"ok": True})[
        "changed"
    ]
    assert sign(place.ref(), ALICE.pem(), format="referrer", annotations={"ok": "no"})["changed"]
    assert sign(place.ref(), ALICE.pem())["changed"]  # in the other format it isn't signed


def test_annotations_are_signed(side: Side) -> None:
    image = side.push(images.image("annotated"))
    assert sign(side.ref(), ALICE.pem(), annotations={"a": "1", "b": 2})["changed"]
    assert not sign(side.ref(), ALICE.pem(), annotations={"b": "2"})["changed"]
    assert not sign(side.ref(), ALICE.pem())["changed"]
    assert sign(side.ref(), ALICE.pem(), annotations={"a": "2"})["changed"]
    optional = [payload["optional"] for payload in _signatures(side, image, ALICE, ALICE)]
    assert optional == [{"a": "1", "b": "2"}, {"a": "2"}]


def test_a_signature_that_others_undo_is_made_again(side: Side) -> None:
    image = side.push(images.image("raced"))
    tag = cosign.tag_of(image)
    theirs = cosign.signed(image, BOB)
    fault = side.proxy.inject(
        f"GET .*/manifests/{tag}", "pass", skip=2, call=lambda: side.push(theirs, tag)
    )
    assert sign(side.ref(), ALICE.pem())["changed"]
    assert fault.hits == 1
    assert _verified(side, ALICE, BOB) == [ALICE.fingerprint, BOB.fingerprint]


def test_others_who_never_leave_it_alone(side: Side) -> None:
    image = side.push(images.image("fought over"))
    tag = cosign.tag_of(image)
    fault = side.proxy.inject(
        f"GET .*/manifests/{tag}",
        "pass",
        times=ALWAYS,
        call=lambda: side.push(cosign.signed(image, BOB), tag),
    )
    said = sentence_of(lambda: sign(side.ref(), ALICE.pem()))
    assert "being changed by others" in said and fault.hits > 3


def test_what_cannot_be_signed(side: Side, quick: None) -> None:
    image = side.push(images.image("not to be signed"))
    key = ALICE.pem(PASSPHRASE)
    for options, words in (
        ({"image": side.ref("none")}, "isn't there, so that it can't be signed"),
        ({"private_key_passphrase": "wrong-one"}, "its passphrase is another one"),
        ({"private_key_passphrase": "beef"}, "may occur inside a digest"),
        ({"private_key": ALICE.public}, "no private key"),
        ({"private_key": ""}, "no private key"),
        ({"annotations": {"a": ["b"]}}, "annotations: the value of a must be text"),
    ):
        given = {"image": side.ref(), "private_key": key, "private_key_passphrase": PASSPHRASE}
        said = sentence_of(lambda given={**given, **options}: sign(**given))  # type: ignore[misc]
        assert words in said and PASSPHRASE not in said
    # an image under cosign's tag, or in the place of a list, is somebody else's
    side.push(images.multi_platform("not a signature"), cosign.tag_of(image))
    side.push(images.image("not a list"), as_tag(image.digest))
    for form in ("tag", "referrer"):
        said = sentence_of(lambda form=form: sign(side.ref(), ALICE.pem(), format=form))  # type: ignore[misc]
        assert as_tag(image.digest) in said
    fault = side.proxy.inject("GET .*/manifests/.*sig", "status", 500, times=ALWAYS)
    assert "500" in sentence_of(lambda: sign(side.ref(), BOB.pem()))
    assert fault.hits and not side.proxy.writes()


def test_a_playbook(sides: Sides, tmp_path: Path) -> None:
    """Signing and checking as users do it, and no word of the key anywhere."""
    image = sides.source.push(images.multi_platform("played"))
    path = tmp_path / "mirror.key"
    path.write_text(ALICE.pem(PASSPHRASE), encoding="ascii")
    given = {
        "image": sides.source.ref(),
        "private_key_path": str(path),
        "private_key_passphrase": PASSPHRASE,
        "annotations": {"run": 1},
    }
    task = {"name": "Sign", "imagesync.registry.image_sign": given}
    copying = {**sides.options(), "signed_by": [ALICE.write(tmp_path)]}
    content = {"private_key_content": BOB.pem(), "image": sides.source.ref(), "format": "referrer"}
    wrong = {**sides.options(), "images": [{**sides.options(), "signed_by": [BOB.pem()]}]}
    del wrong["source"], wrong["destination"]
    run = run_tasks(
        [
            {**task, "check_mode": True},
            task,
            task,
            {"name": "By content", "imagesync.registry.image_sign": content},
            {"name": "Mirror", "imagesync.registry.image_sync": copying},
            {"name": "A private key", "imagesync.registry.image_sync": wrong},
            {
                "name": "Look",
                "imagesync.registry.image_info": {
                    "images": [sides.destination.ref()],
                    "signed_by": [BOB.public, ALICE.public],
                },
            },
        ],
        "-vvv",
    )
    assert [r["changed"] for r in run.results[:4]] == [True, True, False, True], run.output
    assert run[4]["signed_by"] == [ALICE.fingerprint]
    assert run[4]["images"][0]["signed_by"] == [ALICE.fingerprint]
    assert sides.destination.has_whole(image)
    assert run[5]["failed"] and "holds a private key" in check_sentence(run[5]["msg"])
    assert run.last["images"][0]["verified"] == [BOB.fingerprint, ALICE.fingerprint]
    secrets = [PASSPHRASE, *path.read_text().splitlines()[1:-1], *BOB.pem().splitlines()[1:-1]]
    assert not [secret for secret in secrets if secret in run.output]
    assert not [secret for secret in secrets if secret in json.dumps(run.results)]
