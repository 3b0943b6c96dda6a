# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small registry client on plain requests, independent of the code under test."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from .content import ALL_MANIFESTS, Blob, Image, sha256
from .servers import LocalServer

ACCEPT = ", ".join(ALL_MANIFESTS)
Auth = tuple[str, str]


class _Registry(requests.auth.AuthBase):
    """Basic credentials, or the bearer token that a challenge leads to."""

    def __init__(self, session: requests.Session, repo: str, auth: Auth | None) -> None:
        self.session, self.repo, self.auth = session, repo, auth
        pair = base64.b64encode(":".join(auth).encode()).decode() if auth else ""
        self.header = f"Basic {pair}" if pair else ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.header:
            request.headers["Authorization"] = self.header
        return request

    def learn(self, challenge: str) -> bool:
        """Get a token where the challenge says; False when there is none to get."""
        scheme, _unused, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            return False
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        params = {
            "service": fields.get("service", ""),
            "scope": f"repository:{self.repo}:pull,push,delete",
        }
        answer = self.session.get(fields["realm"], params=params, auth=self.auth, timeout=30)
        answer.raise_for_status()
        self.header = f"Bearer {answer.json()['token']}"
        return True


class Repository:
    """One repository of a registry; every answer that isn't expected is an error."""

    def __init__(
        self,
        host: str,
        name: str,
        auth: Auth | None = None,
        verify: Path | None = None,
        cert: tuple[Path, Path] | None = None,
    ) -> None:
        """Speak HTTPS when `verify` names a CA, else plain HTTP."""
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept-Encoding"] = "identity"
        if verify:
            self.session.verify = str(verify)
        if cert:
            self.session.cert = (str(cert[0]), str(cert[1]))
        self.base = f"{'https' if verify else 'http'}://{host}/v2/{name}"
        self._auth = _Registry(self.session, name, auth)

    def __enter__(self) -> Repository:
        """Use it inside the with block."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close its connections."""
        self.session.close()

    def call(
        self, method: str, path: str, expected: tuple[int, ...], **options: Any
    ) -> requests.Response:
        """One request, repeated with a token when one is asked for."""
        url = urljoin(self.base + "/", path)
        for attempt in (1, 2):
            answer = self.session.request(method, url, auth=self._auth, timeout=60, **options)
            challenge = answer.headers.get("WWW-Authenticate", "")
            if answer.status_code != 401 or attempt == 2 or not self._auth.learn(challenge):
                break
        if answer.status_code not in expected:
            raise RuntimeError(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
        return answer

    def manifest(self, reference: str) -> requests.Response:
        """A manifest, or its absence (404)."""
        headers = {"Accept": ACCEPT}
        return self.call("GET", f"manifests/{reference}", (200, 404), headers=headers)

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        """Write a manifest by tag or digest."""
        headers = {"Content-Type": media_type}
        self.call("PUT", f"manifests/{reference}", (201,), data=data, headers=headers)

    def put_blob(self, blob: Blob) -> None:
        """Write a blob unless it is there."""
        if self.has_blob(blob.digest):
            return
        begun = self.call("POST", "blobs/uploads/", (202,))
        location = urljoin(begun.url, begun.headers["Location"])
        location += f"{'&' if '?' in location else '?'}digest={blob.digest}"
        headers = {"Content-Type": "application/octet-stream"}
        self.call("PUT", location, (201,), data=blob.data, headers=headers)

    def has_blob(self, digest: str) -> bool:
        """Whether the repository says that it has this blob."""
        return self.call("HEAD", f"blobs/{digest}", (200, 404)).status_code == 200

    def blob(self, digest: str) -> bytes:
        """The content of a blob."""
        return self.call("GET", f"blobs/{digest}", (200,)).content

    def put(self, image: Image, reference: str | None = None) -> None:
        """Write an image with all that belongs to it, the tag last."""
        for blob in image.all_blobs:
            self.put_blob(blob)
        for manifest in image.walk():
            named = reference if manifest is image and reference else manifest.digest
            self.put_manifest(named, manifest.manifest, manifest.media_type)

    def tags(self) -> list[str]:
        """All tags, sorted; none where the repository doesn't exist."""
        answer = self.call("GET", "tags/list", (200, 404))
        return sorted(answer.json()["tags"] or []) if answer.status_code == 200 else []

    def verify_whole(self, reference: str) -> dict[str, int]:
        """Read everything under a reference and check it; digests and sizes."""
        answer = self.call("GET", f"manifests/{reference}", (200,), headers={"Accept": ACCEPT})
        digest = sha256(answer.content)
        if reference.startswith("sha256:") and digest != reference:
            raise AssertionError(f"{reference} holds {digest}")
        found = {digest: len(answer.content)}
        document = answer.json()
        for child in document.get("manifests", []):
            found.update(self.verify_whole(child["digest"]))
        config = [document["config"]] if "config" in document else []
        for descriptor in config + document.get("layers", []):
            if not descriptor.get("urls"):
                found.update(self._verify_blob(descriptor))
        return found

    def _verify_blob(self, descriptor: dict[str, Any]) -> dict[str, int]:
        data = self.blob(descriptor["digest"])
        if (sha256(data), len(data)) != (descriptor["digest"], descriptor["size"]):
            raise AssertionError(f"{descriptor['digest']} holds {sha256(data)}, {len(data)} bytes")
        return {descriptor["digest"]: len(data)}


def split(ref: str) -> tuple[str, str, str | None]:
    """`host/repo:tag` or `host/repo@digest` as its three parts."""
    host, _unused, rest = ref.partition("/")
    repo, at, digest = rest.partition("@")
    name, _unused, tag = repo.partition(":")
    return host, name, digest if at else tag or None


def push(image: Image, ref: str, **access: Any) -> str:
    """Write an image to `host/repo:tag` (or `host/repo`, by digest); its digest."""
    host, name, reference = split(ref)
    with Repository(host, name, **access) as repository:
        repository.put(image, reference)
    return image.digest


def digest_of(host: str, repo: str, reference: str, **access: Any) -> str | None:
    """The digest that is there by its bytes, None when nothing is."""
    data = manifest_bytes(host, repo, reference, **access)
    return None if data is None else sha256(data)


def manifest_bytes(host: str, repo: str, reference: str, **access: Any) -> bytes | None:
    """The manifest that is there, None when nothing is."""
    with Repository(host, repo, **access) as repository:
        answer = repository.manifest(reference)
        return answer.content if answer.status_code == 200 else None


def has_blob(host: str, repo: str, digest: str, **access: Any) -> bool:
    """Whether the repository says that it has this blob."""
    with Repository(host, repo, **access) as repository:
        return repository.has_blob(digest)


def tags(host: str, repo: str, **access: Any) -> list[str]:
    """All tags of a repository, sorted."""
    with Repository(host, repo, **access) as repository:
        return repository.tags()


def delete_manifest(host: str, repo: str, reference: str, **access: Any) -> None:
    """Delete a manifest by digest (docker-registry: with all of its tags), or a tag."""
    with Repository(host, repo, **access) as repository:
        repository.call("DELETE", f"manifests/{reference}", (202,))


def delete_blob(host: str, repo: str, digest: str, **access: Any) -> None:
    """Delete a blob of a repository."""
    with Repository(host, repo, **access) as repository:
        repository.call("DELETE", f"blobs/{digest}", (202,))


def verify_whole(ref: str, **access: Any) -> dict[str, int]:
    """Read and check all that a reference names (nested indexes and artifacts too)."""
    host, name, reference = split(ref)
    with Repository(host, name, **access) as repository:
        return repository.verify_whole(reference or "latest")


def ask(server: LocalServer, method: str, path: str, **options: Any) -> requests.Response:
    """One bare request under /v2/: no redirect is followed, no status is an error."""
    url = f"{server.url}/v2/{path}"
    return requests.request(method, url, timeout=10, allow_redirects=False, **options)
