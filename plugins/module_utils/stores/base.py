# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a place that holds images can do; the engine knows nothing else of it."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Callable, NamedTuple

from ..model.descriptor import Descriptor
from ..model.manifest import Manifest


class Written(enum.Enum):
    """What became of a blob that was to be at its destination."""

    COPIED = "copied"
    MOUNTED = "mounted"
    PRESENT = "present"


class Deleted(enum.Enum):
    """What became of something that was to be deleted."""

    DELETED = "deleted"
    GONE = "gone"
    UNSUPPORTED = "unsupported"


class TagPage(NamedTuple):
    """The beginning of a repository's tag list.

    ``exists`` is False where the registry says that it knows no such repository; ``complete``
    when these are all tags.
    """

    tags: frozenset[str]
    exists: bool
    complete: bool


class BlobReader(ABC):
    """The content of one blob, on its way."""

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]:
        """The content; the last piece comes only after size and digest were found right."""

    @abstractmethod
    def close(self) -> None:
        """Gives up what is held open."""


OpenBlob = Callable[[], BlobReader]


class Repository(ABC):
    """One repository of a registry, or a layout on disk.

    ``name`` is how it is written in references, ``path`` its name within its ``place``;
    repositories of the same place can take blobs from each other. A layout is a place with one
    repository; its tags are the names of its images.
    """

    name: str
    path: str
    place: str

    @abstractmethod
    def will_be_written(self) -> None:
        """Told before the first request to what isn't only read."""

    @abstractmethod
    def expect_lenders(self, paths: Iterable[str]) -> None:
        """Told before the first write: from these paths of the same place blobs will be taken."""

    def to_be_created(self) -> bool:
        """Whether the first write would create the repository, beyond what any write does."""
        return False

    @abstractmethod
    def resolve(self, pointer: str) -> Descriptor | None:
        """What a tag or digest names now; None where there is nothing."""

    @abstractmethod
    def manifest(self, pointer: str) -> Manifest:
        """The manifest that a tag or digest names; its bytes match its digest."""

    @abstractmethod
    def has_blob(self, blob: Descriptor) -> bool:
        """Whether the blob is here, with the right size."""

    def proves_blob(self, blob: Descriptor) -> bool:
        """As ``has_blob``, by its content where that can be had for nothing."""
        return self.has_blob(blob)

    @abstractmethod
    def open_blob(self, blob: Descriptor) -> BlobReader:
        """Begins to read a blob."""

    @abstractmethod
    def read_blob(self, blob: Descriptor) -> bytes:
        """The whole content of a small blob."""

    @abstractmethod
    def write_blob(self, blob: Descriptor, source: OpenBlob, lender: str | None) -> Written:
        """Makes the blob exist here.

        ``lender``: the path of a repository of the same place that has it, to mount it from.
        """

    @abstractmethod
    def write_manifest(self, manifest: Manifest, tag: str | None) -> bool:
        """Stores the manifest, under a tag or by its digest, and sees that it is there.

        Whether the place itself lists it with the referrers of its subject; else whoever writes
        it has to (distribution-spec, "Pushing Manifests with Subject").
        """

    def keep(self, manifest: Manifest) -> None:  # noqa: B027 - registries keep what they have
        """Told of a stored manifest that is to stay though no tag names it."""

    @abstractmethod
    def first_tags(self) -> TagPage:
        """What one request tells about the tags here."""

    @abstractmethod
    def tags(self, most_pages: int | None = None) -> list[str]:
        """All tags; raises InvalidContent when they take more answers than ``most_pages``."""

    @abstractmethod
    def referrers(self, digest: str) -> list[Descriptor]:
        """The manifests whose subject is ``digest``."""

    @abstractmethod
    def listed_referrers(self, digest: str) -> list[Descriptor] | None:
        """What the place itself lists as referring to ``digest``, of whatever type.

        None where it keeps no such lists, and a tag stands for them (see ``model.referrers``).
        """

    @abstractmethod
    def delete_tag(self, tag: str) -> Deleted:
        """Removes a tag and nothing else."""

    @abstractmethod
    def delete_manifest(self, digest: str) -> Deleted:
        """Removes a manifest, and with it every tag that names it."""

    def together(self) -> AbstractContextManager[None]:
        """Deletions within it may all be made at its end, which raises what then went wrong."""
        return nullcontext()

    def base(self) -> str:
        """Not "" for a delta bundle, whose images may lack blobs: what they are based on."""
        return ""

    def set_base(self, base: str) -> None:  # noqa: B027 - registries are whole
        """Makes it a delta bundle."""

    def still_wanted(self, digest: str) -> None:  # noqa: B027 - as with keep
        """Told when all tags have moved: this manifest stays, though a tag was all it had."""

    def sweep(self) -> str:
        """Told when all deletions are done, to give back what nothing uses; a warning, or "".

        Registries do so when their owners want it.
        """
        return ""

    def finish(self) -> None:  # noqa: B027 - for places that are written as a whole
        """Told when all is written; raises ImageSyncError when it isn't there to stay."""

    def close(self) -> None:  # noqa: B027 - connections are closed with the network
        """Gives up what is held open."""
