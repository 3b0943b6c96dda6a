# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository to read from, whose content may come from mirrors of its registry.

Only what is asked for by digest does: it is checked, so a mirror can hold it back and nothing
else. What a tag names is for the registry itself to say, and so are lists and referrers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple, TypeVar

from ..model.descriptor import Descriptor
from ..model.digest import is_digest
from ..model.errors import (
    AccessDenied,
    AuthenticationFailed,
    Cancelled,
    ConnectionFailed,
    ImageSyncError,
    NotFound,
)
from ..model.manifest import Manifest
from ..transport.client import Network
from ..transport.retry import Retrier
from .base import BlobReader, Deleted, OpenBlob, Repository, TagPage, Written
from .registry import RegistryRepository

T = TypeVar("T")


class Mirror(NamedTuple):
    """One place to look for content first. ``name``: as the user wrote it."""

    name: str
    registry: str
    repository: RegistryRepository


class Mirrors:
    """What was learned about mirrors in a call, for all repositories together."""

    def __init__(self, network: Network) -> None:
        self._network = network
        # a mirror gets one try: there are others to ask
        self._retrier = Retrier(0, network.pace)
        #: what broke off goes on there if it can at once
        self.going_on = Retrier(min(1, network.settings.retries), network.pace)
        self._left: set[tuple[str, str]] = set()
        self._told: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def usable(self, mirror: Mirror) -> bool:
        """Whether it is worth a request, for this repository."""
        left, name = self._left, mirror.name
        return (name, "") not in left and (name, mirror.repository.path) not in left

    def ask(self, mirror: Mirror, read: Callable[[RegistryRepository], T]) -> T | None:
        """What a mirror gives; None where it fails, which is remembered and told."""
        try:
            return self._retrier.run(mirror.repository.place, lambda _: read(mirror.repository))
        except Cancelled:
            raise
        except ImageSyncError as error:
            self.failed(mirror, error)
            return None

    def failed(self, mirror: Mirror, error: ImageSyncError) -> None:
        """It isn't asked again, where the failure says that this would be in vain."""
        told = f"the mirror {mirror.name} of {mirror.registry}"
        if isinstance(error, NotFound):
            told += " lacks some of what is wanted, which comes from elsewhere"
        elif isinstance(error, (AccessDenied, AuthenticationFailed)):
            told += " refuses some of what is wanted, which comes from elsewhere"
            self._leave(mirror.name, mirror.repository.path)
        else:
            told += " isn't used any more in this run"
            self._leave(mirror.name, "")
        with self._lock:
            first = (mirror.name, mirror.registry) not in self._told
            self._told.add((mirror.name, mirror.registry))
        if first:
            self._network.warn(f"{told}: {error}")

    def _leave(self, name: str, path: str) -> None:
        with self._lock:
            self._left.add((name, path))


class MirroredRepository(Repository):
    """See Repository. ``mirrors``: in the order in which they are asked."""

    def __init__(
        self, upstream: RegistryRepository, mirrors: Iterable[Mirror], known: Mirrors
    ) -> None:
        self._upstream, self._mirrors, self._known = upstream, tuple(mirrors), known
        self.name, self.path, self.place = upstream.name, upstream.path, upstream.place

    def _usable(self) -> Iterator[Mirror]:
        return (mirror for mirror in self._mirrors if self._known.usable(mirror))

    def _begin(self, blob: Descriptor) -> Callable[[RegistryRepository], BlobReader]:
        return lambda repository: repository.begin_blob(blob, self._known.going_on)

    # what may come from a mirror

    def manifest(self, pointer: str) -> Manifest:
        """See Repository. A tag is resolved by HEAD, which counts against no pull limit."""
        digest, media_type = pointer, ""
        if not is_digest(pointer):
            if not any(self._usable()):
                return self._upstream.manifest(pointer)
            found = self._upstream.resolve(pointer)
            if found is None:
                raise NotFound(
                    f"{self.place}: {self.path}:{pointer} doesn't exist", 404, host=self.place
                )
            digest, media_type = found.digest, found.media_type

        def read(repository: RegistryRepository) -> Manifest:
            # the digest says nothing of what a mirror calls it
            return Manifest(repository.read(digest).raw, media_type, digest)

        for mirror in self._usable():
            manifest = self._known.ask(mirror, read)
            if manifest is not None:
                return manifest
        return self._upstream.manifest(digest)

    def open_blob(self, blob: Descriptor) -> BlobReader:
        """See Repository."""
        for mirror in self._usable():
            reader = self._known.ask(mirror, self._begin(blob))
            if reader is not None:
                return _MirroredBlob(reader, mirror, self._known)
        return self._upstream.open_blob(blob)

    def read_blob(self, blob: Descriptor) -> bytes:
        """See Repository."""

        def read(repository: RegistryRepository) -> bytes:
            reader = self._begin(blob)(repository)
            try:
                return b"".join(reader)
            finally:
                reader.close()

        for mirror in self._usable():
            content = self._known.ask(mirror, read)
            if content is not None:
                return content
        return self._upstream.read_blob(blob)

    # what the registry itself says

    def will_be_written(self) -> None:
        """See Repository."""
        self._upstream.will_be_written()

    def expect_lenders(self, paths: Iterable[str]) -> None:
        """See Repository."""
        self._upstream.expect_lenders(paths)

    def resolve(self, pointer: str) -> Descriptor | None:
        """See Repository."""
        return self._upstream.resolve(pointer)

    def has_blob(self, blob: Descriptor) -> bool:
        """See Repository."""
        return self._upstream.has_blob(blob)

    def write_blob(self, blob: Descriptor, source: OpenBlob, lender: str | None) -> Written:
        """See Repository."""
        return self._upstream.write_blob(blob, source, lender)

    def write_manifest(self, manifest: Manifest, tag: str | None) -> bool:
        """See Repository."""
        return self._upstream.write_manifest(manifest, tag)

    def first_tags(self) -> TagPage:
        """See Repository."""
        return self._upstream.first_tags()

    def tags(self, most_pages: int | None = None) -> list[str]:
        """See Repository."""
        return self._upstream.tags(most_pages)

    def referrers(self, digest: str) -> list[Descriptor]:
        """See Repository."""
        return self._upstream.referrers(digest)

    def listed_referrers(self, digest: str) -> list[Descriptor] | None:
        """See Repository."""
        return self._upstream.listed_referrers(digest)

    def delete_tag(self, tag: str) -> Deleted:
        """See Repository."""
        return self._upstream.delete_tag(tag)

    def delete_manifest(self, digest: str) -> Deleted:
        """See Repository."""
        return self._upstream.delete_manifest(digest)


class _MirroredBlob(BlobReader):
    """A blob on its way from a mirror, which isn't asked again when that fails."""

    def __init__(self, reader: BlobReader, mirror: Mirror, known: Mirrors) -> None:
        self._reader, self._mirror, self._known = reader, mirror, known

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._reader
        except Cancelled:
            raise
        except ImageSyncError as error:
            self._known.failed(self._mirror, error)
            # whoever reads begins anew, at once and elsewhere: that is no try which counts
            raise ConnectionFailed(f"{error} (from a mirror)", stale=True) from None

    def close(self) -> None:
        """See BlobReader."""
        self._reader.close()
