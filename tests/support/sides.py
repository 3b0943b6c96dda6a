# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source and a destination: real registries, each behind a proxy that counts. Fixtures."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport import retry

from . import push, skopeo
from .content import Image
from .images import image
from .proxy import RecordingProxy
from .records import Request
from .registries import DockerRegistry
from .sync import foretold_then_done
from .waiting import wait_until


@dataclass
class Side:
    """One side of a copy. The code under test goes through the proxy; tests look directly.

    ``repository`` is a name that no other test uses.
    """

    proxy: Any
    host: str
    repository: str

    def ref(self, tag: str = "1", repository: str | None = None) -> str:
        """A reference through the proxy, by tag or digest; "" for neither."""
        joint = "@" if tag.startswith("sha256:") else ":" if tag else ""
        return f"{self.proxy.host}/{repository or self.repository}{joint}{tag}"

    def id(self, digest: str) -> str:
        """What a result calls the image."""
        return f"{self.proxy.host}/{self.repository}@{digest}"

    def push(self, image: Image, tag: str | None = "1", repository: str | None = None) -> Image:
        """Puts an image there behind the proxy's back."""
        with push.Repository(self.host, repository or self.repository) as there:
            there.put(image, tag)
        return image

    def digest(self, tag: str = "1", repository: str | None = None) -> str | None:
        """What is there, by its bytes."""
        return push.digest_of(self.host, repository or self.repository, tag)

    def tags(self, repository: str | None = None) -> list[str]:
        """The tags that are there."""
        return push.tags(self.host, repository or self.repository)

    def missing(self, image: Image, repository: str | None = None) -> list[str]:
        """The digests of the image's blobs that aren't there."""
        with push.Repository(self.host, repository or self.repository) as there:
            return [b.digest for b in image.all_blobs if not there.has_blob(b.digest)]

    def has_whole(
        self, image: Image, tag: str = "1", repository: str | None = None, judge: bool = False
    ) -> bool:
        """Whether the tag names exactly this image, every byte of it; ``judge`` asks skopeo too."""
        ref = f"{self.host}/{repository or self.repository}"
        found = push.verify_whole(f"{ref}{'@' if tag.startswith('sha256:') else ':'}{tag}")
        wanted = {manifest.digest: len(manifest.manifest) for manifest in image.walk()}
        wanted.update({b.digest: len(b.data) for b in image.all_blobs if "urls" not in b.extra})
        if judge:
            assert skopeo.raw_digest(f"{ref}:{tag}") == image.digest
        missing = self.missing(image, repository)
        return self.digest(tag, repository) == image.digest and found == wanted and not missing

    def written(self, kind: str = "manifest") -> list[str]:
        """What was put there through the proxy, in its order."""
        puts = self.proxy.select("PUT", kind)
        if kind == "upload":
            return [request.params["digest"] for request in puts]
        return [request.reference for request in puts]

    def log(self) -> list[str]:
        """The requests as lines, for comparing and for messages."""
        return [str(request) for request in self.proxy.requests]


@dataclass
class Sides:
    """Both sides of a copy."""

    source: Side
    destination: Side

    def clear(self) -> None:
        """Forgets what the proxies saw."""
        for side in (self.source, self.destination):
            proxy = side.proxy
            wait_until(lambda: not proxy._busy, "the last request to end")  # noqa: B023
            side.proxy.clear()

    def heal(self) -> None:
        """Ends all faults, and forgets."""
        self.clear()
        for side in (self.source, self.destination):
            side.proxy.heal()

    def asked(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """What both proxies saw, counted by method and kind."""
        return self.source.proxy.methods(), self.destination.proxy.methods()

    def run(self, tag: str = "1", **more: Any) -> dict[str, Any]:
        """Copies a tag from one side to the other; check mode must have foretold the result."""
        watched = (self.source.proxy, self.destination.proxy)
        return foretold_then_done(*watched, **self.options(tag, **more))

    def writes(self) -> list[Request]:
        """All requests that write, at either side."""
        return [*self.source.proxy.writes(), *self.destination.proxy.writes()]

    def options(self, tag: str = "1", **more: Any) -> dict[str, Any]:
        """Options that copy a tag from one side to the other."""
        return {"source": self.source.ref(tag), "destination": self.destination.ref(""), **more}


IN_SYNC = (Counter({("HEAD", "manifest"): 1}), Counter({("HEAD", "manifest"): 1}))


@pytest.fixture
def sides(
    source_registry: DockerRegistry,
    destination_registry: DockerRegistry,
    source: RecordingProxy,
    destination: RecordingProxy,
    repo: str,
) -> Iterator[Sides]:
    """Two registries, each behind a new proxy; no thread of ours may be left afterwards."""
    yield Sides(
        Side(source, source_registry.host, f"{repo}/source"),
        Side(destination, destination_registry.host, f"{repo}/mirror"),
    )
    assert not [thread for thread in threading.enumerate() if thread.name == "imagesync"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait for next to nothing."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.001)


@pytest.fixture
def copied(sides: Sides) -> Image:
    """An image that is at both sides as tag 1; nothing of that is in the logs."""
    found = image(sides.source.repository, layers=2)
    sides.source.push(found)
    sides.destination.push(found)
    return found
