# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs as cosign does, by plain calls of cryptography; knows nothing of the code under test.

The layouts are those of cosign's SIGNATURE_SPEC.md and BUNDLE_SPEC.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from .content import OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST, Blob, Image, to_json

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
PREDICATE = "https://sigstore.dev/cosign/sign/v1"
CURVES: dict[str, Any] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
KINDS = (*CURVES, "rsa", "ed25519")
_HASHES: dict[str, Any] = {"p384": hashes.SHA384, "p521": hashes.SHA512}


@dataclass(frozen=True)
class Key:
    """A key pair of one of the ``KINDS``."""

    kind: str
    private: Any

    @property
    def public(self) -> str:
        """Its public half, as PEM."""
        return self._public(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """How results call it."""
        der = self._public(serialization.Encoding.DER)
        return "sha256:" + hashlib.sha256(der).hexdigest()

    def _public(self, encoding: Any) -> bytes:
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        found: bytes = self.private.public_key().public_bytes(encoding, kind)
        return found

    def pem(self, passphrase: str | None = None, traditional: bool = False) -> str:
        """Its private half, as PKCS #8, or in its older form (SEC 1, PKCS #1)."""
        form = serialization.PrivateFormat
        sealed: Any = serialization.NoEncryption()
        if passphrase:
            sealed = serialization.BestAvailableEncryption(passphrase.encode())
        kind = form.TraditionalOpenSSL if traditional else form.PKCS8
        found: bytes = self.private.private_bytes(serialization.Encoding.PEM, kind, sealed)
        return found.decode()

    def write(self, directory: Path, name: str = "cosign.pub") -> str:
        """The path of its public half, in a file."""
        path = directory / name
        path.write_text(self.public, encoding="ascii")
        return str(path)

    def sign(self, message: bytes, sha256: bool = True) -> bytes:
        """A signature, with SHA-256 or with what sigstore takes for the curve."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(message)
        algorithm = hashes.SHA256() if sha256 else _HASHES.get(self.kind, hashes.SHA256)()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(message, padding.PKCS1v15(), algorithm)
        found: bytes = self.private.sign(message, ec.ECDSA(algorithm))
        return found

    def check(self, signature: bytes, message: bytes, sha256: bool) -> None:
        """An error unless the signature is by this key, over this message."""
        public = self.private.public_key()
        algorithm = hashes.SHA256() if sha256 else _HASHES.get(self.kind, hashes.SHA256)()
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, message)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, message, padding.PKCS1v15(), algorithm)
        else:
            public.verify(signature, message, ec.ECDSA(algorithm))


def make_key(kind: str = "p256") -> Key:
    """A new key pair."""
    if kind == "rsa":
        return Key(kind, rsa.generate_private_key(65537, 2048))
    if kind == "ed25519":
        return Key(kind, ed25519.Ed25519PrivateKey.generate())
    return Key(kind, ec.generate_private_key(CURVES[kind]()))


# cosign's tag


def payload_of(digest: str, **optional: str) -> bytes:
    """What is signed of an image."""
    document = {
        "critical": {
            "identity": {"docker-reference": "registry.example/team/app"},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": optional or None,
    }
    return to_json(document)


def layer_of(payload: bytes, signature: bytes, media_type: str = SIMPLE_SIGNING) -> Blob:
    """A payload with its signature."""
    written = base64.b64encode(signature).decode()
    return Blob(payload, media_type, {"annotations": {SIGNATURE: written}})


def signature_layer(digest: str, key: Key, **optional: str) -> Blob:
    """A layer of a ``.sig`` manifest."""
    payload = payload_of(digest, **optional)
    return layer_of(payload, key.sign(payload))


def tagged(*layers: Blob) -> Image:
    """What the tag names: a layer for each signature."""
    config = {
        "architecture": "",
        "created": "0001-01-01T00:00:00Z",
        "history": [{"created": "0001-01-01T00:00:00Z"} for _layer in layers],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "config": {},
    }
    blob = Blob(to_json(config), OCI_CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": blob.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }
    return Image(to_json(document), OCI_MANIFEST, (blob, *layers))


def signed(subject: Image, *keys: Key) -> Image:
    """What the tag names, with a signature by each key."""
    return tagged(*(signature_layer(subject.digest, key) for key in keys))


def tag_of(subject: Image) -> str:
    """The tag of its signatures."""
    return subject.digest.replace(":", "-") + ".sig"


# bundles


def statement_of(digest: str, predicate: str = PREDICATE, **annotations: str) -> bytes:
    """The in-toto statement of a signature."""
    subject: dict[str, Any] = {"digest": {"sha256": digest.partition(":")[2]}}
    if annotations:
        subject["annotations"] = annotations
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": predicate,
        "predicate": {},
    }
    return to_json(document)


def envelope_of(payload: bytes, signature: bytes, kind: str = IN_TOTO) -> dict[str, Any]:
    """A DSSE envelope."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }


def encoded(payload: bytes, kind: str = IN_TOTO) -> bytes:
    """What is signed of an envelope (DSSE, PAE)."""
    return f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload


def bundle_of(digest: str, key: Key, **changes: Any) -> dict[str, Any]:
    """A bundle as cosign 3 writes it for a key pair; ``changes`` are those of its statement."""
    payload = statement_of(digest, **changes)
    hint = base64.b64encode(bytes.fromhex(key.fingerprint[7:])).decode()
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": hint}},
        "dsseEnvelope": envelope_of(payload, key.sign(encoded(payload), sha256=False)),
    }


def referrer(subject: Image, bundle: Mapping[str, Any], kind: str = BUNDLE) -> Image:
    """The manifest that brings a bundle."""
    empty, layer = Blob(b"{}", OCI_EMPTY), Blob(json.dumps(bundle).encode(), kind)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": empty.descriptor,
        "layers": [layer.descriptor],
        "subject": {key: subject.descriptor[key] for key in ("mediaType", "digest", "size")},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": PREDICATE,
        },
    }
    return Image(to_json(document), OCI_MANIFEST, (empty, layer))


def bundled(subject: Image, key: Key, **changes: Any) -> Image:
    """A referrer that says that the key signs the image."""
    return referrer(subject, bundle_of(subject.digest, key, **changes))


# reading what others have signed


def read_payload(payload: bytes, written: str, key: Key) -> dict[str, Any]:
    """What is signed; an error unless the signature is valid."""
    key.check(base64.b64decode(written), payload, sha256=True)
    found: dict[str, Any] = json.loads(payload)
    return found


def read_bundle(raw: bytes, key: Key) -> dict[str, Any]:
    """The statement in a bundle; an error unless it is one for this key, rightly signed."""
    bundle = json.loads(raw)
    hint = base64.b64decode(bundle["verificationMaterial"]["publicKey"]["hint"]).hex()
    assert (bundle["mediaType"], hint) == (BUNDLE, key.fingerprint[7:])
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    (signature,) = envelope["signatures"]
    message = encoded(payload, envelope["payloadType"])
    key.check(base64.b64decode(signature["sig"]), message, sha256=True)
    statement: dict[str, Any] = json.loads(payload)
    assert statement["predicateType"] == PREDICATE
    return statement
