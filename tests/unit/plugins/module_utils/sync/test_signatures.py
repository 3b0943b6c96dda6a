# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    InvalidContent,
    InvalidInput,
    NotFound,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.keys import parse_public_key
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import Manifest
from ansible_collections.imagesync.registry.plugins.module_utils.sync import signatures
from ansible_collections.imagesync.registry.plugins.module_utils.sync.signatures import (
    Signatures,
    read_keys,
)
from ansible_collections.imagesync.registry.tests.support import cosign
from ansible_collections.imagesync.registry.tests.support.content import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Blob,
    Image,
    to_json,
)

ALICE, BOB = cosign.make_key(), cosign.make_key("rsa")
PUBLIC = {key.fingerprint: parse_public_key(key.public) for key in (ALICE, BOB)}


def manifest_of(*names: str) -> Image:
    """Something to sign."""
    config = Blob(to_json({"names": names}), OCI_CONFIG)
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor}
    return Image(to_json({**document, "layers": []}), OCI_MANIFEST, (config,))


IMAGE, SIBLING = manifest_of("image"), manifest_of("sibling")


class FakeRepository:
    """As much of a Repository as this needs. ``asked``: what was read of it."""

    name = "registry.example/team/app"

    def __init__(self, api: bool = True) -> None:
        self.api = api
        self.manifests: dict[str, Image] = {}
        self.blobs: dict[str, bytes] = {}
        self.referrers: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.failing: dict[str, Exception] = {}

    def put(self, image: Image, tag: str | None = None) -> FakeRepository:
        self.manifests[tag or image.digest] = image
        self.blobs.update({blob.digest: blob.data for blob in image.blobs})
        return self

    def refer(self, referrer: Image, **changes: Any) -> FakeRepository:
        entry = {**referrer.descriptor, "artifactType": cosign.BUNDLE, **changes}
        self.referrers.append(entry)
        if not self.api:
            document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.referrers}
            self.put(Image(to_json(document), OCI_INDEX), IMAGE.digest.replace(":", "-"))
        return self.put(referrer)

    def manifest(self, pointer: str) -> Manifest:
        self._ask(pointer)
        if pointer not in self.manifests:
            raise NotFound(f"{pointer} isn't there", 404)
        found = self.manifests[pointer]
        return Manifest(found.manifest, found.media_type)

    def read_blob(self, blob: Descriptor) -> bytes:
        self._ask(blob.digest)
        if blob.digest not in self.blobs:
            raise NotFound(f"{blob.digest} isn't there", 404)
        return self.blobs[blob.digest]

    def listed_referrers(self, digest: str) -> list[Descriptor] | None:
        self._ask("referrers")
        if not self.api:
            return None
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.referrers}
        listed = Manifest(to_json(index), OCI_INDEX)
        return [*listed.children, *listed.blobs] if digest == IMAGE.digest else []

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.failing:
            raise self.failing[what]


def signers(repository: FakeRepository, *keys: cosign.Key) -> list[str]:
    """Whose signature counts."""
    public = [PUBLIC[key.fingerprint] for key in keys or (ALICE,)]
    return Signatures(repository, IMAGE.digest).signers(public)  # type: ignore[arg-type]


def with_tag(*layers: Blob) -> FakeRepository:
    return FakeRepository().put(cosign.tagged(*layers), cosign.tag_of(IMAGE))


def layer(key: cosign.Key = ALICE, subject: Image = IMAGE) -> Blob:
    return cosign.signature_layer(subject.digest, key)


def bundle(key: cosign.Key = ALICE, subject: Image = IMAGE, **changes: Any) -> Image:
    return cosign.referrer(IMAGE, cosign.bundle_of(subject.digest, key, **changes))


# what counts


@pytest.mark.parametrize("kind", cosign.KINDS)
@pytest.mark.parametrize("api", [True, False])
def test_both_layouts_with_every_kind_of_key(kind: str, api: bool) -> None:
    key = cosign.make_key(kind)
    public = [parse_public_key(key.public)]
    tagged = with_tag(layer(key))
    referring = FakeRepository(api).refer(bundle(key))
    for repository in (tagged, referring):
        found = Signatures(repository, IMAGE.digest).signers(public)  # type: ignore[arg-type]
        assert found == [key.fingerprint]


def test_several_signers_are_told_in_the_order_of_the_keys() -> None:
    other = cosign.make_key("ed25519")
    both = with_tag(layer(other), layer(BOB), layer(ALICE))
    assert signers(both, ALICE, BOB) == [ALICE.fingerprint, BOB.fingerprint]
    split = with_tag(layer(BOB)).refer(bundle(ALICE))
    assert signers(split, ALICE, BOB) == [ALICE.fingerprint, BOB.fingerprint]
    assert signers(split, ALICE) == [ALICE.fingerprint]
    assert signers(with_tag(layer(BOB)), ALICE) == []


def test_no_more_is_read_than_needed() -> None:
    repository = with_tag(layer(ALICE), layer(BOB)).refer(bundle(ALICE))
    assert signers(repository, ALICE) == [ALICE.fingerprint]
    # both signatures are of one payload
    assert repository.asked == [cosign.tag_of(IMAGE), layer().digest]
    repository.asked.clear()
    assert signers(repository, ALICE, BOB) == [ALICE.fingerprint, BOB.fingerprint]
    assert len(repository.asked) == 2


def test_gotchas_that_are_no_fault() -> None:
    payload = cosign.payload_of(IMAGE.digest)
    assert b'"optional":null' in payload
    written = base64.b64encode(ALICE.sign(payload)).decode() + "\n"
    ended = Blob(payload, cosign.SIMPLE_SIGNING, {"annotations": {cosign.SIGNATURE: written}})
    no_json = cosign.layer_of(b"\x00 no JSON", ALICE.sign(b"\x00 no JSON"))
    other_type = cosign.layer_of(payload, ALICE.sign(payload), "text/plain")
    missing = Blob(b"nobody has it", cosign.SIMPLE_SIGNING, {"annotations": {cosign.SIGNATURE: ""}})
    plain = Blob(b"x", cosign.SIMPLE_SIGNING)
    repository = with_tag(no_json, other_type, plain, missing, ended)
    del repository.blobs[missing.digest]
    assert signers(repository) == [ALICE.fingerprint]
    spaced = json.dumps(json.loads(payload), indent=3).encode()
    assert signers(with_tag(cosign.layer_of(spaced, ALICE.sign(spaced))))


def test_a_bundle_that_its_list_calls_otherwise() -> None:
    """Some clients put the type of the config into a list, or none."""
    for kind in ("application/vnd.oci.empty.v1+json", ""):
        assert signers(FakeRepository(False).refer(bundle(), artifactType=kind))
    assert not signers(FakeRepository(False).refer(bundle(), artifactType="text/spdx"))


def test_a_bundle_of_a_payload_with_other_subjects_too() -> None:
    statement = json.loads(cosign.statement_of(SIBLING.digest))
    statement["subject"] += json.loads(cosign.statement_of(IMAGE.digest))["subject"]
    payload = to_json(statement)
    found = cosign.bundle_of(IMAGE.digest, ALICE)
    signature = ALICE.sign(cosign.encoded(payload))
    found["dsseEnvelope"] = cosign.envelope_of(payload, signature)
    assert signers(FakeRepository().refer(cosign.referrer(IMAGE, found)))


# what doesn't


def changed_bytes(data: bytes) -> Iterator[bytes]:
    """The data with each of its bytes changed in turn."""
    for place in range(len(data)):
        for bit in (1, 0x20):
            yield data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]


def test_every_byte_of_a_tagged_signature_counts() -> None:
    good = layer()
    payload, written = good.data, good.extra["annotations"][cosign.SIGNATURE]
    assert signers(with_tag(good))
    count = 0
    for wrong in changed_bytes(payload):
        blob = Blob(wrong, good.media_type, good.extra)
        assert not signers(with_tag(blob)), wrong
        count += 1
    for text in changed_bytes(written.encode()):
        annotations = {cosign.SIGNATURE: text.decode("latin-1")}
        assert not signers(with_tag(Blob(payload, good.media_type, {"annotations": annotations})))
    for key in changed_bytes(cosign.SIGNATURE.encode()):
        extra = {"annotations": {key.decode(): written}}
        assert not signers(with_tag(Blob(payload, good.media_type, extra)))
    for kind in changed_bytes(good.media_type.encode()):
        assert not signers(with_tag(Blob(payload, kind.decode(), good.extra)))
    assert count == 2 * len(payload)


def test_every_byte_of_a_bundle_counts() -> None:
    """Except those of its hint, which is no more than that."""
    good = cosign.bundle_of(IMAGE.digest, ALICE)
    del good["verificationMaterial"]
    raw = json.dumps(good).encode()
    assert signers(FakeRepository().refer(referring(raw)))
    for wrong in changed_bytes(raw):
        if wrong.split() != raw.split():  # else one blank for another
            assert not signers(FakeRepository().refer(referring(wrong))), wrong
    for kind in changed_bytes(cosign.BUNDLE.encode()):
        repository = FakeRepository().refer(referring(raw, kind.decode()))
        assert not signers(repository)


def referring(raw: bytes, kind: str = cosign.BUNDLE) -> Image:
    """A referrer with these bytes as its bundle."""
    empty, blob = Blob(b"{}", "application/vnd.oci.empty.v1+json"), Blob(raw, kind)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": cosign.BUNDLE,
        "config": empty.descriptor,
        "layers": [blob.descriptor],
        "subject": IMAGE.descriptor,
    }
    return Image(to_json(document), OCI_MANIFEST, (empty, blob))


def resigned(change: Any) -> FakeRepository:
    """A payload that was changed before it was signed."""
    document = json.loads(cosign.payload_of(IMAGE.digest))
    payload = to_json(change(document) or document)
    return with_tag(cosign.layer_of(payload, ALICE.sign(payload)))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["critical"].update(type="atomic container signature"),
        lambda d: d["critical"].pop("type"),
        lambda d: d["critical"].update(image={"docker-manifest-digest": SIBLING.digest}),
        lambda d: d["critical"].update(image={"Docker-manifest-digest": IMAGE.digest}),
        lambda d: d["critical"].update(image=IMAGE.digest),
        lambda d: d["critical"].update(image={"docker-manifest-digest": [IMAGE.digest]}),
        lambda d: d.update(critical=None),
        lambda d: [d],
    ],
)
def test_what_a_key_has_signed_and_isnt_this(change: Any) -> None:
    assert resigned(lambda d: None) and signers(resigned(lambda d: None))
    assert not signers(resigned(change))


def test_a_payload_that_two_readers_understand_differently() -> None:
    payload = cosign.payload_of(IMAGE.digest)
    twice = payload.replace(b'"image":', b'"image":{"docker-manifest-digest":"x"},"image":')
    assert twice != payload
    assert not signers(with_tag(cosign.layer_of(twice, ALICE.sign(twice))))


def restated(payload: bytes, **more: Any) -> FakeRepository:
    """Another statement in a bundle, rightly signed."""
    found = cosign.bundle_of(IMAGE.digest, ALICE)
    kind = more.get("kind", cosign.IN_TOTO)
    envelope = cosign.envelope_of(payload, ALICE.sign(cosign.encoded(payload, kind)), kind)
    found["dsseEnvelope"] = {**envelope, **more.get("envelope", {})}
    found.update(more.get("bundle", {}))
    return FakeRepository().refer(cosign.referrer(IMAGE, found))


STATEMENT = cosign.statement_of(IMAGE.digest)


@pytest.mark.parametrize(
    "repository",
    [
        restated(cosign.statement_of(SIBLING.digest)),
        # what is signed is that it has no known holes, or has some
        restated(
            cosign.statement_of(IMAGE.digest, "https://cosign.sigstore.dev/attestation/vuln/v1")
        ),
        restated(STATEMENT.replace(b"Statement/v1", b"Statement/v9")),
        restated(STATEMENT.replace(b'"sha256"', b'"sha512"')),
        restated(STATEMENT.replace(b'"subject"', b'"object"')),
        restated(to_json({**json.loads(STATEMENT), "subject": [1, {"digest": 2}, None]})),
        restated(to_json({**json.loads(STATEMENT), "subject": {}})),
        restated(to_json([1])),
        restated(STATEMENT, kind="application/json"),
        restated(STATEMENT, envelope={"signatures": []}),
        restated(STATEMENT, envelope={"signatures": [1]}),
        restated(STATEMENT, envelope={"signatures": [{"sig": "AAAA"}] * 20}),
        restated(STATEMENT, envelope={"payload": None}),
        restated(
            STATEMENT, bundle={"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2"}
        ),
        restated(STATEMENT, bundle={"dsseEnvelope": None, "messageSignature": {}}),
    ],
    ids=range(15),
)
def test_bundles_that_are_no_signature_of_this(repository: FakeRepository) -> None:
    assert signers(restated(STATEMENT))
    assert not signers(repository)


def test_an_envelope_without_its_encoding() -> None:
    """A signature over the bare payload isn't one of the envelope."""
    found = cosign.bundle_of(IMAGE.digest, ALICE)
    found["dsseEnvelope"] = cosign.envelope_of(STATEMENT, ALICE.sign(STATEMENT))
    assert not signers(FakeRepository().refer(cosign.referrer(IMAGE, found)))


def test_the_signature_of_a_sibling() -> None:
    assert not signers(with_tag(layer(subject=SIBLING)))
    assert not signers(FakeRepository().refer(bundle(subject=SIBLING)))
    # listed as about this, and about the other in truth
    elsewhere = cosign.referrer(SIBLING, cosign.bundle_of(IMAGE.digest, ALICE))
    assert not signers(FakeRepository().refer(elsewhere))


def test_nobody_with_a_certificate_counts() -> None:
    """Who signed without a key of one's own isn't asked for."""
    fulcio = cosign.make_key()
    annotations = {"dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----"}
    good = layer(fulcio)
    both = {"annotations": {**good.extra["annotations"], **annotations}}
    assert not signers(with_tag(Blob(good.data, good.media_type, both)))


def test_other_things_under_the_tag_or_in_the_list() -> None:
    tag = cosign.tag_of(IMAGE)
    index = Image(to_json({"schemaVersion": 2, "manifests": []}), OCI_INDEX)
    assert not signers(FakeRepository().put(index, tag))
    assert not signers(FakeRepository().put(IMAGE, tag))
    gone = FakeRepository().refer(bundle())
    gone.manifests.clear()
    assert not signers(gone)


# what can't be read


@pytest.mark.parametrize("broken", ["tag", "payload", "referrers", "manifest", "bundle"])
def test_a_failure_is_never_no_signature(broken: str) -> None:
    """Nor is it a reason to doubt one that was found."""
    referrer = bundle()
    repository = with_tag(layer(BOB)).refer(referrer)
    places = {
        "tag": cosign.tag_of(IMAGE),
        "payload": layer().digest,
        "referrers": "referrers",
        "manifest": referrer.digest,
        "bundle": referrer.blobs[1].digest,
    }
    repository.failing[places[broken]] = RegistryError("it failed with 500", 500)
    by_tag = broken in ("tag", "payload")
    proven, lost = (ALICE, BOB) if by_tag else (BOB, ALICE)
    assert signers(repository, proven) == [proven.fingerprint]
    assert signers(repository, ALICE, BOB) == [proven.fingerprint]
    with pytest.raises(RegistryError, match=f"signatures of {IMAGE.digest} can't be read: it f"):
        signers(repository, lost)
    assert places[broken] in repository.asked


@pytest.mark.parametrize("broken", ["tag", "referrers"])
def test_an_odd_answer_is_never_no_signature(broken: str) -> None:
    place = cosign.tag_of(IMAGE) if broken == "tag" else "referrers"
    repository = FakeRepository()
    assert signers(repository) == []
    repository.failing[place] = InvalidContent("it is no manifest")
    with pytest.raises(InvalidContent, match=f"signatures of {IMAGE.digest} can't be read: it is"):
        signers(repository)
    image_as_list = FakeRepository(False).put(IMAGE, IMAGE.digest.replace(":", "-"))
    with pytest.raises(InvalidContent, match="can't be read: the tag sha256-"):
        signers(image_as_list)


@pytest.mark.parametrize("found", [[], [ALICE], [ALICE, BOB]])
def test_whether_each_key_signed_it(found: list[cosign.Key]) -> None:
    """Who asks for that isn't told of some of them, as if the others hadn't."""
    repository = with_tag(*map(layer, found))
    repository.failing["referrers"] = RegistryError("it failed with 500", 500)
    keys = [PUBLIC[key.fingerprint] for key in (ALICE, BOB)]
    looked = Signatures(repository, IMAGE.digest)  # type: ignore[arg-type]
    if len(found) == len(keys):
        assert looked.signers(keys, each=True) == [key.fingerprint for key in found]
    else:
        with pytest.raises(RegistryError, match="can't be read: it failed with 500"):
            looked.signers(keys, each=True)


def test_content_that_does_not_match_proves_nothing() -> None:
    repository = with_tag(layer())
    repository.failing[layer().digest] = InvalidContent("it has another digest", True)
    assert not signers(repository)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "_MOST_SIGNATURES", 3)
    others = [layer(BOB)] * 3
    assert signers(with_tag(*others[:2], layer()))
    tagged = with_tag(*others, layer())
    referring_too = FakeRepository()
    for number in range(4):
        key = BOB if number < 3 else ALICE
        referring_too.refer(bundle(key, annotations={"number": str(number)}))
    for repository in (tagged, referring_too):
        found = Signatures(repository, IMAGE.digest)  # type: ignore[arg-type]
        assert found.signers([PUBLIC[ALICE.fingerprint]]) == []
        assert "no more than 3" in " ".join(found.problems)
    monkeypatch.setattr(signatures, "_MOST_BYTES_IN_ALL", 2 * len(layer().data) - 1)
    other = cosign.payload_of(IMAGE.digest, by="B")
    twice = with_tag(layer(BOB), cosign.layer_of(other, ALICE.sign(other)))
    assert not signers(twice)
    assert signers(with_tag(layer(BOB), layer(BOB), layer()))  # all of one payload
    monkeypatch.setattr(signatures, "_MOST_BYTES", 100)
    large = with_tag(layer())
    assert not signers(large)
    assert layer().digest not in large.asked


def test_attestations_do_not_hide_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image may have one for each day; they say of themselves that they are none."""
    monkeypatch.setattr(signatures, "_MOST_SIGNATURES", 3)
    repository = FakeRepository()
    attestations = [attestation(number) for number in range(5)]
    for one in attestations:
        repository.refer(one)
    repository.refer(bundle())
    assert signers(repository) == [ALICE.fingerprint]
    assert not {one.blobs[1].digest for one in attestations}.intersection(repository.asked)
    monkeypatch.setattr(signatures, "_MOST_REFERRERS", 5)
    found = Signatures(repository, IMAGE.digest)  # type: ignore[arg-type]
    assert found.signers([PUBLIC[ALICE.fingerprint]]) == []
    assert "no more than 5 referrers" in " ".join(found.problems)


def attestation(number: int) -> Image:
    """A bundle of another type, as its manifest says too."""
    made = bundle(annotations={"number": str(number)})
    document = json.loads(made.manifest)
    kind = "https://cosign.sigstore.dev/attestation/vuln/v1"
    document["annotations"]["dev.sigstore.bundle.predicateType"] = kind
    return Image(to_json(document), OCI_MANIFEST, made.blobs)


# keys


def test_keys_are_read_from_files_and_from_text(tmp_path: Path) -> None:
    path = BOB.write(tmp_path)
    found = read_keys([ALICE.public, path, ALICE.public])
    assert [key.fingerprint for key in found.values()] == [ALICE.fingerprint, BOB.fingerprint]
    assert read_keys([]) == {}


def test_a_key_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ALICE.write(tmp_path, "a.pub")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_keys(["~/a.pub"])["~/a.pub"].fingerprint == ALICE.fingerprint


SECRET = base64.b64encode(b"a private key without its first line").decode()


@pytest.mark.parametrize(
    ("written", "words", "hidden"),
    [
        ("/nowhere/x.pub", r"signed_by: /nowhere/x.pub: .*No such file", ""),
        ("/", r"signed_by: /: .*Is a directory", ""),
        ("a\0b", r"signed_by: .*it is no path", ""),
        (SECRET, r"signed_by: key 1: it is no PEM text, and no file", SECRET),
        (f"x\n{SECRET}", r"signed_by: key 1: it is no PEM text", SECRET),
        ("x" * 5000, r"signed_by: key 1: it is no PEM text", "xxx"),
        (ALICE.pem(), r"signed_by: key 1: it holds a private key", "\n"),
    ],
    ids=range(7),
)
def test_keys_that_cannot_be_read(written: str, words: str, hidden: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        read_keys([written])
    assert not hidden or hidden not in str(caught.value)


def test_files_that_hold_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\x00" * 9)
    with pytest.raises(InvalidInput, match=f"signed_by: {path}: it holds no public key"):
        read_keys([str(path)])
    path.write_bytes(b"x" * 70_000)
    with pytest.raises(InvalidInput, match="too large for a key"):
        read_keys([str(path)])
