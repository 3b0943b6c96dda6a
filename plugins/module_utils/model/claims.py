# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a signature says, and whether it is true: cosign's two formats, checked and made.

- Simple signing (cosign, specs/SIGNATURE_SPEC.md): the payload is a layer of its own, the signature
  an annotation of that layer.
- A sigstore bundle v0.3 (cosign, specs/BUNDLE_SPEC.md): an in-toto statement in a DSSE envelope
  (secure-systems-lab/dsse, protocol.md).

Both say that a key signs a digest. A payload is read when its signature was found right.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple

from .descriptor import Descriptor
from .digest import algorithm_of, is_digest
from .errors import InvalidContent
from .keys import PublicKey
from .manifest import Manifest
from .private_keys import SigningKey
from .strict_json import parse_object, to_json

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
#: cosign, pkg/types/predicate.go: an attestation with another one is about something else
SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
#: annotation of the manifest with a bundle, which tells that type
PREDICATE = "dev.sigstore.bundle.predicateType"
_SIMPLE_TYPE = "cosign container image signature"
_BUNDLE_TYPES = (BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
_STATEMENT = "application/vnd.in-toto+json"
_STATEMENT_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
#: of one envelope; the specification of the bundle allows one
_MOST_SIGNATURES = 16


class Claim(NamedTuple):
    """A payload that is said to be signed, and not yet believed.

    ``message``: what the signatures are over. ``read``: takes the payload and the digest that it
    should be about, gives the signer's annotations, and raises InvalidContent.
    """

    message: bytes
    signatures: tuple[bytes, ...]
    payload: bytes
    read: Callable[[bytes, str], Mapping[str, Any]]


class Confirmed(NamedTuple):
    """What was proven: these keys signed the digest, with these annotations.

    ``holder``: the digest of the manifest that the signature is in.
    """

    keys: list[PublicKey]
    annotations: Mapping[str, Any]
    holder: str = ""

    def has(self, annotations: Mapping[str, str]) -> bool:
        """Whether these are among them."""
        own = self.annotations
        return all(name in own and own[name] == value for name, value in annotations.items())


def confirm(claim: Claim, digest: str, keys: Iterable[PublicKey]) -> Confirmed:
    """Raises InvalidContent, which says why, unless one of the keys signed this digest."""
    signers = [
        key
        for key in keys
        if any(key.verifies(signature, claim.message) for signature in claim.signatures)
    ]
    if not signers:
        raise InvalidContent("it isn't valid for any of the keys")
    return Confirmed(signers, claim.read(claim.payload, digest))


# simple signing


def signature_layers(manifest: Manifest) -> list[tuple[Descriptor, str]]:
    """The payloads that a ``.sig`` manifest names, each with its signature as it is written."""
    if manifest.is_index:
        return []
    layers = parse_object(manifest.raw, "the manifest").get("layers") or []
    found = []
    for layer, blob in zip(layers, manifest.blobs[1:]):
        annotations = layer.get("annotations")
        written = annotations.get(SIGNATURE) if isinstance(annotations, dict) else None
        if blob.media_type == SIMPLE_SIGNING and isinstance(written, str):
            found.append((blob, written))
    return found


def simple_claim(payload: bytes, written: str) -> Claim:
    """The claim of such a layer; raises InvalidContent."""
    return Claim(payload, (_decoded(written, "its signature"),), payload, _read_simple)


def simple_payload(name: str, digest: str, annotations: Mapping[str, str]) -> bytes:
    """What is signed; ``name`` is the repository's, which cosign ignores and other tools check."""
    document = {
        "critical": {
            "identity": {"docker-reference": name},
            "image": {"docker-manifest-digest": digest},
            "type": _SIMPLE_TYPE,
        },
        "optional": dict(annotations) or None,
    }
    return to_json(document)


def _read_simple(payload: bytes, digest: str) -> Mapping[str, Any]:
    document = parse_object(payload, "its payload")
    critical = _object(document, "critical")
    if critical.get("type") != _SIMPLE_TYPE:
        raise InvalidContent("it isn't one of an image, by the type in its payload")
    _check_digest(_object(critical, "image").get("docker-manifest-digest"), digest)
    optional = document.get("optional")
    return optional if isinstance(optional, dict) else {}


# sigstore bundles


def bundle_layer(manifest: Manifest) -> Descriptor | None:
    """The bundle that a referrer brings; None if it brings none."""
    layers = () if manifest.is_index else manifest.blobs[1:]
    return layers[0] if len(layers) == 1 and layers[0].media_type == BUNDLE else None


def bundle_claim(raw: bytes) -> Claim:
    """The claim of a bundle; raises InvalidContent."""
    bundle = parse_object(raw, "the bundle")
    if bundle.get("mediaType") not in _BUNDLE_TYPES:
        raise InvalidContent("it isn't a bundle of version 0.3")
    envelope = _object(bundle, "dsseEnvelope")
    kind, payload = envelope.get("payloadType"), _decoded(envelope.get("payload"), "its payload")
    if kind != _STATEMENT:
        raise InvalidContent("it has no in-toto statement in its envelope")
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or not 0 < len(signatures) <= _MOST_SIGNATURES:
        raise InvalidContent("it has no signatures in its envelope, or too many")
    return Claim(
        _pre_authentication(kind, payload),
        tuple(
            _decoded(one.get("sig") if isinstance(one, dict) else None, "its signature")
            for one in signatures
        ),
        payload,
        _read_statement,
    )


def make_bundle(digest: str, annotations: Mapping[str, str], key: SigningKey) -> bytes:
    """A bundle that says that the key signs this digest, as cosign 3 makes it."""
    algorithm, _colon, encoded = digest.partition(":")
    subject: dict[str, Any] = {"digest": {algorithm: encoded}}
    if annotations:
        subject["annotations"] = dict(annotations)
    statement = {
        "_type": _STATEMENT_TYPES[0],
        "subject": [subject],
        "predicateType": SIGN_PREDICATE,
        "predicate": {},
    }
    payload = to_json(statement)
    signature = key.sign(_pre_authentication(_STATEMENT, payload))
    hint = base64.b64encode(bytes.fromhex(key.public.fingerprint.partition(":")[2])).decode()
    document = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": hint}},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _STATEMENT,
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }
    return to_json(document)


def _read_statement(payload: bytes, digest: str) -> Mapping[str, Any]:
    statement = parse_object(payload, "its statement")
    if statement.get("_type") not in _STATEMENT_TYPES:
        raise InvalidContent("it has no in-toto statement of a known version")
    if statement.get("predicateType") != SIGN_PREDICATE:
        raise InvalidContent("it is an attestation, and no signature")
    subjects = statement.get("subject")
    algorithm = algorithm_of(digest)
    named = None
    for subject in subjects if isinstance(subjects, list) else ():
        digests = subject.get("digest") if isinstance(subject, dict) else None
        encoded = digests.get(algorithm) if isinstance(digests, dict) else None
        named = f"{algorithm}:{encoded}"
        if named == digest:
            annotations = subject.get("annotations")
            return annotations if isinstance(annotations, dict) else {}
    _check_digest(named, digest)
    return {}


def _pre_authentication(kind: str, payload: bytes) -> bytes:
    """DSSE's encoding of what is signed (PAE)."""
    encoded = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(encoded), encoded, len(payload), payload)


# both


def _check_digest(named: Any, digest: str) -> None:
    if named != digest:
        told = named if isinstance(named, str) and is_digest(named) else "none that is known"
        raise InvalidContent(f"it is over another digest ({told})")


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    if not isinstance(value, dict):
        raise InvalidContent(f"it has no {key}")
    return value


def _decoded(written: Any, what: str) -> bytes:
    """From base64 in its one form: line ends are passed over, as Go does, other letters aren't."""
    text = written.replace("\r", "").replace("\n", "") if isinstance(written, str) else ""
    try:
        found = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if not found or base64.b64encode(found).decode() != text:
        raise InvalidContent(f"it has no base64 as {what}")
    return found
