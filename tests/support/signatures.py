# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people attach to images, laid out as cosign and OCI do; nothing here is really signed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urljoin

from . import artifacts, push
from .content import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Blob, Image, to_json
from .images import PLATFORMS, image, index, multi_platform
from .sides import Side

SIGNATURE = "dev.cosignproject.cosign/signature"
LAYERS = {
    ".sig": "application/vnd.dev.cosign.simplesigning.v1+json",
    ".att": "application/vnd.dsse.envelope.v1+json",
    ".sbom": "application/vnd.cyclonedx+json",
}
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
NEVER = "0001-01-01T00:00:00Z"


def signed(subject: Image, signers: Sequence[str] = ("alice",), suffix: str = ".sig") -> Image:
    """What a tag of cosign's names: a layer for each signer, listed again in the config.

    Signatures of one image have the same payload; only their annotations differ.
    """
    layers = [_layer(subject, signer, suffix) for signer in signers]
    config: dict[str, Any] = {
        "architecture": "",
        "created": NEVER,
        "history": [{"created": NEVER} for _unused in layers],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "config": {},
    }
    return cosign_manifest(Blob(to_json(config), OCI_CONFIG), layers)


def cosign_manifest(config: Blob, layers: Sequence[Blob]) -> Image:
    """A manifest of these, as cosign writes it."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }
    return Image(to_json(document), OCI_MANIFEST, (config, *layers))


def _layer(subject: Image, signer: str, suffix: str) -> Blob:
    payload: dict[str, Any] = {
        "critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": subject.digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    if suffix != ".sig":
        payload["by"] = signer
    signature = base64.b64encode(f"{signer} signs".encode()).decode()
    return Blob(to_json(payload), LAYERS[suffix], {"annotations": {SIGNATURE: signature}})


def tag_of(subject: Image, suffix: str) -> str:
    """Where cosign looks for it."""
    return artifacts.fallback_tag(subject, suffix)


class Story:
    """A signed index, and everything that can be attached to it, at whatever depth.

    ``referrers``: by the digest of their subject. ``tagged``: cosign's tags.
    """

    def __init__(self, seed: str) -> None:
        """Make all of it; other seeds have nothing in common."""
        self.image = multi_platform(seed, platforms=PLATFORMS)
        self.referrers: dict[str, list[Image]] = {}
        self.tagged: dict[str, Image] = {}
        child = self.image.children[1]
        self.tag(self.image, ".sig", signed(self.image, ("alice", "bob")))
        self.tag(self.image, ".att", signed(self.image, suffix=".att"))
        self.tag(child, ".sig", signed(child))
        self.tag(child, ".sbom", signed(child, suffix=".sbom"))
        bundle = self.refer(self.image, f"{seed}/bundle", BUNDLE)
        for number in range(3):
            self.refer(self.image, f"{seed}/report {number}", "text/x-report")
        self.refer(child, f"{seed}/sbom of a child", "application/spdx+json")
        # a signature may be attested, in either way, and that again
        attested = self.refer(bundle, f"{seed}/attestation", "application/in-toto+json")
        self.tag(attested, ".sig", signed(attested))
        own = self.tagged[tag_of(child, ".sig")]
        self.tag(own, ".att", signed(own, suffix=".att"))
        self.refer(own, f"{seed}/note", "text/x-note")
        # a referrer may be an index, and may have no type but that of its config
        parts = [image(f"{seed}/part {number}") for number in range(2)]
        self.add(self.image, index(parts, subject=self.image))
        self.add(self.image, image(f"{seed}/untyped", subject=self.image))

    def tag(self, subject: Image, suffix: str, found: Image) -> Image:
        """Attach it by a tag."""
        self.tagged[tag_of(subject, suffix)] = found
        return found

    def refer(self, subject: Image, seed: str, kind: str) -> Image:
        """Attach an artifact by its subject."""
        annotations = {"org.example.seed": seed}
        made = artifacts.artifact(
            seed, artifact_type=kind, subject=subject, annotations=annotations
        )
        return self.add(subject, made)

    def add(self, subject: Image, referrer: Image) -> Image:
        """Attach it by its subject."""
        self.referrers.setdefault(subject.digest, []).append(referrer)
        return referrer

    def parts(self) -> list[Image]:
        """All that is attached."""
        return [*self.tagged.values(), *(r for found in self.referrers.values() for r in found)]

    def put(self, side: Side, api: bool, tag: str | None = "1") -> None:
        """Puts all of it there; without the API the lists too that clients have to keep."""
        side.push(self.image, tag)
        put_referrers(side, self.referrers, api)
        for name, found in self.tagged.items():
            side.push(found, name)

    def is_at(self, side: Side) -> bool:
        """Whether the image and all that is attached to it can be found and read there."""
        if not all(side.has_whole(found, tag) for tag, found in self.tagged.items()):
            return False
        for subject, referrers in self.referrers.items():
            if found_at(side, subject) != entries(referrers):
                return False
            if not all(side.has_whole(referrer, referrer.digest) for referrer in referrers):
                return False
        return side.has_whole(self.image)


def put_referrers(side: Side, referrers: dict[str, list[Image]], api: bool) -> None:
    """Puts these there, by the digest of their subject, findable."""
    for subject, found in referrers.items():
        for referrer in found:
            side.push(referrer, None)
        if not api:
            put_list(side, subject, found)


def put_list(side: Side, subject: str, referrers: Iterable[Image]) -> bytes:
    """Puts the list there that clients keep, and gives its bytes."""
    listed = [{"digest": digest, **entry} for digest, entry in entries(referrers).items()]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    with push.Repository(side.host, side.repository) as there:
        there.put_manifest(as_tag(subject), to_json(document), OCI_INDEX)
    return to_json(document)


def as_tag(digest: str) -> str:
    """The tag that stands for a digest."""
    return digest.replace(":", "-")


def entries(referrers: Iterable[Image]) -> dict[str, dict[str, Any]]:
    """How referrers must be listed, whoever does that."""
    found = {}
    for referrer in referrers:
        document = referrer.document
        kind = document.get("artifactType") or document.get("config", {}).get("mediaType")
        wanted = {"mediaType": referrer.media_type, "size": len(referrer.manifest)}
        wanted |= {"artifactType": kind} if kind else {}
        if document.get("annotations"):
            wanted["annotations"] = document["annotations"]
        found[referrer.digest] = wanted
    return found


def found_at(side: Side, subject: str) -> dict[str, dict[str, Any]]:
    """The list of referrers as any client finds it: by the API, else by the tag."""
    with push.Repository(side.host, side.repository) as there:
        answer = there.call("GET", f"referrers/{subject}", (200, 404))
        if answer.status_code == 404:
            answer = there.manifest(as_tag(subject))
            if answer.status_code == 404:
                return {}
        listed = answer.json()["manifests"]
        while "next" in answer.links:
            answer = there.call("GET", urljoin(answer.url, answer.links["next"]["url"]), (200,))
            listed += answer.json()["manifests"]
    found = {one.pop("digest"): one for one in listed}
    assert len(found) == len(listed), "something is listed twice"
    for one in found.values():
        if not one.get("artifactType"):
            one.pop("artifactType", None)
        if not one.get("annotations"):
            one.pop("annotations", None)
    return found


def digests(*found: Image) -> set[str]:
    """Their digests."""
    return {one.digest for one in found}
