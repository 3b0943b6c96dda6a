# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of what isn't an image: artifacts, referrers, attestations, schema 1."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .content import DOCKER_SCHEMA1, OCI_EMPTY, OCI_MANIFEST, Blob, Image, sha256, to_json
from .images import PLATFORMS, image, index

EMPTY = Blob(b"{}", OCI_EMPTY)
UNKNOWN = {"architecture": "unknown", "os": "unknown"}


def artifact(
    seed: str = "artifact",
    *,
    artifact_type: str = "application/vnd.example.sbom.v1",
    subject: Image | None = None,
    blobs: Sequence[Blob] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Image:
    """An artifact with the empty config; with a subject it is a referrer."""
    if blobs is None:
        blobs = [Blob(f"content of {seed}".encode(), "text/plain")]
    layers = [blob.descriptor for blob in blobs] or [EMPTY.descriptor]
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": EMPTY.descriptor,
        "layers": layers,
    }
    if subject:
        whole = subject.descriptor
        document["subject"] = {key: whole[key] for key in ("mediaType", "size", "digest")}
    if annotations:
        document["annotations"] = dict(annotations)
    return Image(to_json(document), OCI_MANIFEST, (EMPTY, *blobs))


def fallback_tag(subject: Image, suffix: str = "") -> str:
    """The tag by which referrers (or, with `.sig` and the like, cosign's) are found."""
    return subject.digest.replace(":", "-") + suffix


def referrers_index(referrers: Sequence[Image]) -> Image:
    """The index that stands at the fallback tag where there is no referrers API."""
    found = []
    for referrer in referrers:
        document = referrer.document
        kind = document.get("artifactType") or document["config"]["mediaType"]
        descriptor = {**referrer.descriptor, "artifactType": kind}
        descriptor["annotations"] = document.get("annotations", {})
        found.append(descriptor)
    outer = index(referrers)
    manifest = to_json({**outer.document, "manifests": found})
    return Image(manifest, outer.media_type, children=tuple(referrers))


def attestation(subject: Image) -> Image:
    """BuildKit's provenance of an image, as the child of an index that it is."""
    statement = to_json({"_type": "https://in-toto.io/Statement/v0.1", "subject": subject.digest})
    blob = Blob(statement, "application/vnd.in-toto+json")
    inner = image(f"attestation of {subject.digest}", platform="unknown/unknown", layers=[blob])
    annotations = {
        "vnd.docker.reference.digest": subject.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    }
    return Image(inner.manifest, inner.media_type, inner.blobs, (), UNKNOWN, annotations)


def attested_index(seed: str = "attested", platforms: Sequence[str] = PLATFORMS) -> Image:
    """An index as BuildKit writes it: images, then an attestation of each."""
    images = [image(f"{seed}/{platform}", platform=platform) for platform in platforms]
    return index([*images, *(attestation(child) for child in images)])


def schema1(name: str = "library/old", tag: str = "1") -> Image:
    """A Docker schema 1 manifest in its signed form; `digest` is of all its bytes."""
    layer = Blob(b"an old layer", "application/octet-stream")
    history = {"v1Compatibility": json.dumps({"id": "0" * 64, "architecture": "amd64"})}
    payload = {
        "schemaVersion": 1,
        "name": name,
        "tag": tag,
        "architecture": "amd64",
        "fsLayers": [{"blobSum": layer.digest}],
        "history": [history],
    }
    signed = _sign(json.dumps(payload, indent=3).encode())
    return Image(signed, DOCKER_SCHEMA1, (layer,))


def _sign(payload: bytes) -> bytes:
    """The payload with a libtrust signature before its closing brace."""
    key = ec.derive_private_key(int(sha256(payload)[7:], 16) >> 1, ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    jwk = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64(numbers.x.to_bytes(32, "big")),
        "y": _base64(numbers.y.to_bytes(32, "big")),
    }
    head = payload[: payload.rindex(b"\n}")]
    protected = {"formatLength": len(head), "formatTail": _base64(b"\n}")}
    signed = f"{_base64(to_json(protected))}.{_base64(payload)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = {
        "header": {"jwk": jwk, "alg": "ES256"},
        "signature": _base64(r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        "protected": _base64(to_json(protected)),
    }
    return head + b',\n   "signatures": ' + to_json([signature]) + b"\n}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
