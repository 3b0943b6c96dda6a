# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the strict registry holds, in memory."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .content import OCI_EMPTY, Image, sha256


@dataclass(frozen=True)
class Stored:
    """A manifest's bytes with the type under which they came."""

    data: bytes
    media_type: str

    @property
    def document(self) -> dict[str, Any]:
        """The manifest, parsed."""
        document: dict[str, Any] = json.loads(self.data)
        return document


@dataclass
class Stock:
    """One repository's content."""

    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, Stored] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Session:
    """An upload that has begun."""

    repo: str
    data: bytearray = field(default_factory=bytearray)


def digest_as(reference: str, data: bytes) -> str:
    """The digest of the data by the algorithm of this one."""
    algorithm = reference.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def named_blobs(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The descriptors of the blobs that a registry must hold for this manifest."""
    config = [document["config"]] if "config" in document else []
    for descriptor in config + document.get("layers", []):
        kind = descriptor.get("mediaType", "")
        if not descriptor.get("urls") and "foreign" not in kind and "nondistrib" not in kind:
            yield descriptor


def artifact_type(document: dict[str, Any]) -> str:
    """What the referrers API calls it."""
    config = document.get("config", {}).get("mediaType", "")
    return document.get("artifactType") or ("" if config == OCI_EMPTY else config)


class Store:
    """All repositories; guarded by one lock, which the caller takes."""

    def __init__(self) -> None:
        """Begin empty."""
        self.lock = threading.RLock()
        self.data: dict[str, bytes] = {}
        self.stocks: dict[str, Stock] = {}
        self.sessions: dict[str, Session] = {}

    def stock(self, repo: str) -> Stock:
        """A repository, made when it isn't there."""
        return self.stocks.setdefault(repo, Stock())

    def add_blob(self, repo: str, data: bytes, digest: str = "") -> str:
        """Hold a blob."""
        digest = digest or sha256(data)
        self.data[digest] = data
        self.stock(repo).blobs.add(digest)
        return digest

    def add_manifest(self, repo: str, data: bytes, media_type: str, reference: str) -> str:
        """Hold a manifest, under a tag too if the reference is one."""
        digest = digest_as(reference, data) if ":" in reference else sha256(data)
        self.stock(repo).manifests[digest] = Stored(data, media_type)
        if reference and ":" not in reference:
            self.stock(repo).tags[reference] = digest
        return digest

    def add(self, repo: str, image: Image, tag: str) -> str:
        """Hold an image whole."""
        for blob in image.all_blobs:
            self.add_blob(repo, blob.data)
        for manifest in image.walk():
            name = tag if manifest is image else ""
            self.add_manifest(repo, manifest.manifest, manifest.media_type, name)
        return image.digest

    def resolve(self, repo: str, reference: str) -> str | None:
        """The digest that a tag or digest stands for, None when it isn't there."""
        stock = self.stocks.get(repo)
        if stock is None:
            return None
        digest = reference if ":" in reference else stock.tags.get(reference, "")
        return digest if digest in stock.manifests else None

    def has_blob(self, repo: str, digest: str) -> bool:
        """Whether the repository has this blob."""
        return repo in self.stocks and digest in self.stocks[repo].blobs

    def uses_blob(self, repo: str, digest: str) -> bool:
        """Whether a manifest of the repository names this blob."""
        manifests = self.stocks[repo].manifests.values() if repo in self.stocks else ()
        return any(
            digest == blob["digest"]
            for stored in manifests
            for blob in named_blobs(stored.document)
        )

    def referrers(self, repo: str, digest: str) -> list[dict[str, Any]]:
        """Descriptors of the manifests whose subject this is."""
        found = []
        stock = self.stocks.get(repo, Stock())
        for own, stored in sorted(stock.manifests.items()):
            document = stored.document
            if document.get("subject", {}).get("digest") != digest:
                continue
            descriptor = {
                "mediaType": stored.media_type,
                "digest": own,
                "size": len(stored.data),
                "artifactType": artifact_type(document),
            }
            if document.get("annotations"):
                descriptor["annotations"] = document["annotations"]
            found.append(descriptor)
        return found

    def remove(self, repo: str, digest: str) -> None:
        """Drop a manifest with its tags, or a blob."""
        stock = self.stock(repo)
        stock.manifests.pop(digest, None)
        stock.blobs.discard(digest)
        stock.tags = {tag: named for tag, named in stock.tags.items() if named != digest}

    def open_session(self, session: Session) -> str:
        """Give an upload a new name, the only one under which it is found."""
        name = uuid.uuid4().hex
        self.sessions[name] = session
        return name
