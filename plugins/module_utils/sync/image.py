# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One declared image on its way through a call."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from ..model.config import ImageConfig
from ..model.descriptor import Descriptor
from ..model.errors import ImageSyncError, WrittenOtherwise
from ..model.lock import Locked
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..stores.base import Repository
from .declared import Declared
from .outcome import Outcome


class Proof(NamedTuple):
    """What was found out at the destination for ``integrity``, as digests.

    ``there`` was found and ``lacking`` wasn't, though it was to be expected. ``lenders``: for
    blobs that aren't there, the path of a repository of the same place that has them.
    ``incomplete``: apart from that, the image is at its place.
    """

    there: AbstractSet[str] = frozenset()
    lacking: AbstractSet[str] = frozenset()
    lenders: Mapping[str, str] = {}
    incomplete: bool = False


_NOTHING_PROVEN = Proof()


class Tagged(NamedTuple):
    """What one of cosign's tags names at the source; whether something is attached to it."""

    manifest: Manifest
    is_subject: bool


class Attached(NamedTuple):
    """What is attached to an image at its source and lacking at the destination.

    ``referrers``: by the digest of their subject. ``tags``: cosign's. ``settled``: reason, digest
    and type of an image that lacks nothing else; empty for others.
    """

    referrers: dict[str, list[Manifest]]
    tags: dict[str, Tagged]
    settled: tuple[str, str, str]

    def manifests(self) -> list[Manifest]:
        """All of them."""
        own = [manifest for found in self.referrers.values() for manifest in found]
        return own + [tagged.manifest for tagged in self.tags.values()]


class Image:
    """The declaration, the repositories it speaks of, and what is found out and done.

    ``tree``: the manifests to be written, by digest. ``kept``: digests of blobs and manifests
    that the destination repository is known to hold, because a manifest there names them.
    ``whole``: the manifest itself is there, so that only the tag is missing. ``counted``: blobs
    that the outcome has counted. ``believed``: children that the old index names too. ``seen``:
    children that were met, each once. ``proof``: see there. ``made``: an index of some platforms,
    which the source doesn't have. ``locked``: what the lock has of it; ``frozen``: that decides.
    ``config``: the digest and content of the one that was read.
    ``base``: what the far side of a delta bundle has, ``left_out``: blobs that it therefore lacks.
    """

    __slots__ = (
        "attached",
        "base",
        "believed",
        "config",
        "counted",
        "declared",
        "frozen",
        "kept",
        "left_out",
        "locked",
        "made",
        "outcome",
        "previous",
        "proof",
        "repository",
        "seen",
        "source",
        "top",
        "tree",
        "tree_bytes",
        "whole",
    )

    def __init__(self, declared: Declared, repository: Repository, source: Repository | None):
        self.declared = declared
        self.repository = repository
        self.source = source
        self.outcome = Outcome(
            str(declared.destination),
            declared.name,
            str(declared.source) if declared.source else "",
        )
        self.previous: Descriptor | None = None
        self.top: Manifest | None = None
        self.made: Manifest | None = None
        self.locked: Locked | None = None
        self.frozen = False
        self.attached: Attached | None = None
        self.base: tuple[Locked, ...] = ()
        self.left_out: set[str] = set()
        self.tree: dict[str, Manifest] = {}
        self.kept: set[str] = set()
        self.whole = False
        self.believed: set[str] = set()
        self.seen: set[str] = set()
        self.tree_bytes = 0
        self.counted: set[str] = set()
        self.proof = _NOTHING_PROVEN
        self.config: tuple[str, ImageConfig] | None = None

    @property
    def tag(self) -> str | None:
        """The tag to be written; None for an image kept by digest and for a staged one."""
        return None if self.declared.state == "staged" else self.declared.destination.tag

    def move(self, destination: Reference) -> None:
        """The destination is another one than it seemed."""
        self.declared = self.declared._replace(destination=destination)
        self.outcome.destination = str(destination)

    def found(self, descriptor: Descriptor) -> None:
        """The destination tag (or digest) names something now."""
        self.previous = descriptor
        self.outcome.previous_digest = descriptor.digest

    def wants(self, digest: str) -> None:
        """The source names ``digest``."""
        self.outcome.source_digest = digest

    def settle(self, reason: str, digest: str, media_type: str, changed: bool = False) -> None:
        """The image is at its place with ``digest``."""
        outcome = self.outcome
        outcome.reason, outcome.digest, outcome.changed = reason, digest, changed
        outcome.id = self.declared.destination.at(digest)
        outcome.media_type = media_type

    def reopen(self) -> tuple[str, str, str]:
        """Whether the image is at its place is to be proven; what it was settled with."""
        outcome = self.outcome
        settled = outcome.reason, outcome.digest, outcome.media_type
        outcome.reason = outcome.digest = outcome.media_type = outcome.id = ""
        return settled

    def fail(self, error: ImageSyncError, message: str) -> None:
        """The image can't be brought to its place; ``message`` says it fit to be shown."""
        self.outcome.fail(message)
        # what was said to be written counts, unless all there is to see is as it was
        seen = ("", self.outcome.previous_digest)
        self.outcome.changed = isinstance(error, WrittenOtherwise) and error.now not in seen

    def give_up(self, why: str) -> None:
        """The call ended, or couldn't go on, before the image was brought to its place."""
        self.outcome.reason, self.outcome.msg = "not_done", f"not done: {why}"

    @property
    def open(self) -> bool:
        """Whether nothing is decided yet."""
        return not self.outcome.reason

    def size(self) -> int:
        """Bytes of all its blobs that may have to move."""
        return sum(blob.size for manifest in self.tree.values() for blob in manifest.blobs)


def to_be_proven(image: Image) -> bool:
    """What is in sync or staged by its digest, or is to be written beside what is there."""
    if image.declared.integrity == "tag":
        return False
    if image.open:
        return image.top is not None
    # one that a delta bundle leaves out has no id
    return image.outcome.reason in ("in_sync", "staged") and bool(image.outcome.id)
