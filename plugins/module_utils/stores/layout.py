# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images on disk: an OCI image layout (image-spec, image-layout.md), in a folder or an archive.

A layout is one place and one repository: what is in it belongs to all of its images. The name of
an image (``org.opencontainers.image.ref.name``) is its tag.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Callable

from ..model.descriptor import Descriptor
from ..model.digest import as_tag, is_digest
from ..model.errors import InvalidContent, NotFound, RegistryError
from ..model.layout import DELTA, Entry, LayoutIndex, entry_for, shown_names
from ..model.manifest import DEPTH_LIMIT, MEDIA_TYPES, SIZE_LIMIT, Manifest
from ..model.referrers import check_list
from ..transport.client import Network
from .base import BlobReader, Deleted, OpenBlob, Repository, TagPage, Written
from .disk_blob import DiskBlob
from .files import Files
from .layout_files import INDEX, MARKER, Change, Writer, blob_path, read_index
from .subjects import Subjects

#: tags of what belongs to another image (OCI's tag schema, and cosign's) begin so
_ATTACHED = ("sha256-", "sha384-", "sha512-")


class LayoutRepository(Repository):
    """See Repository."""

    def __init__(self, name: str, files: Files, writer: Writer, network: Network) -> None:
        self.name = self.place = name
        self.path = ""
        self.files, self.writer, self._network = files, writer, network
        self._lock = threading.Lock()
        self._index: tuple[object, LayoutIndex] | None = None
        #: blobs that were found to be damaged
        self._bad: set[str] = set()
        self._subjects = Subjects(self.manifest)
        #: what it is to be based on, as a delta
        self._base = ""
        #: the entries that are to be taken out together; None where each goes at once
        self._going: set[tuple[str, tuple[str, ...]]] | None = None
        #: whether something was taken out of the index, or something else put in its place
        self.freed = False

    def will_be_written(self) -> None:
        """See Repository. Nothing is done before there is something to write."""

    def expect_lenders(self, paths: Iterable[str]) -> None:
        """See Repository. There are no others."""

    # the index

    def index(self) -> LayoutIndex | None:
        """What is in it now; None where there is no layout."""
        state = self.files.state(INDEX)
        with self._lock:
            if self._index is None or self._index[0] != state:
                found = self.writer.known(state) or read_index(self.files)
                if found is None:  # somebody else may just be making it
                    return None
                self._index = state, found
            return self._index[1]

    def _existing(self) -> LayoutIndex:
        index = self.index()
        if index is not None:
            return index
        if self.files.exists():
            docker = self.files.size("manifest.json") is not None
            hint = "; docker-archive: is for what docker save writes" if docker else ""
            raise InvalidContent(
                f"{self.files.where} is no OCI image layout: it has no file {MARKER}{hint}"
            )
        raise NotFound(f"{self.files.where} doesn't exist, or is empty", 404)

    def _entry(self, pointer: str) -> Entry | None:
        """What a name stands for; "" for the only image."""
        index = self._existing()
        try:
            return index.one(pointer) if pointer else self._only(index)
        except InvalidContent as error:
            raise InvalidContent(f"{self.files.where}: {error}") from None

    def _only(self, index: LayoutIndex) -> Entry:
        """The only image in it, whatever it is called."""
        found = {e.descriptor.digest: e for e in index.entries if self._is_image(e)}
        if len(found) == 1:
            return next(iter(found.values()))
        names = [name for e in found.values() for name in e.names[:1]]
        example = f"{self.name}:{shown_names(names[:1])}"
        raise InvalidContent(
            f"{len(found)} images are in it; name one of them"
            + (f", as in {example}. There are: {shown_names(names)}" if names else " by its digest")
            if found
            else "there is no image in it"
        )

    def _is_image(self, entry: Entry) -> bool:
        """Whether it isn't there for the sake of another one."""
        if any(name.startswith(_ATTACHED) for name in entry.names):
            return False
        return bool(entry.names) or not self._subjects.of(entry.descriptor)

    # manifests

    def resolve(self, pointer: str) -> Descriptor | None:
        """See Repository. By digest only what is whole is there: nothing else would notice."""
        if self.index() is None and not self.files.exists():
            return None
        if is_digest(pointer):
            try:
                manifest = self.manifest(pointer)
            except NotFound:
                return None
            return manifest.descriptor() if self.lacks(manifest) is None else None
        entry = self._entry(pointer)
        return entry.descriptor if entry else None

    def manifest(self, pointer: str) -> Manifest:
        """See Repository."""
        index = self._existing()
        entry = None if is_digest(pointer) else self._entry(pointer)
        if entry is None and not is_digest(pointer):
            raise NotFound(f"{self.files.where} has no image {pointer}", 404)
        digest = entry.descriptor.digest if entry else pointer
        raw = self.files.read(blob_path(digest), SIZE_LIMIT)
        if raw is None:
            raise NotFound(f"{self.files.where} has no manifest {digest}", 404)
        where = f"{self.files.where}/{blob_path(digest)}"
        try:
            found = Manifest(raw, index.types.get(digest, ""), digest)
        except InvalidContent as error:
            raise InvalidContent(f"{where}: {error}") from None
        if found.digest != digest:
            raise InvalidContent(f"{where} has the digest {found.digest}: it is damaged")
        return found

    def lacks(self, manifest: Manifest, depth: int = 0) -> str | None:
        """The digest of a part of the image that isn't here; None for one that is whole."""
        for blob in () if self.base() else manifest.unique_blobs():
            if not blob.foreign and not self.has_blob(blob):
                return blob.digest
        for child in manifest.children:
            try:
                found = None if depth > DEPTH_LIMIT else self.manifest(child.digest)
            except NotFound:
                return child.digest
            lacking = self.lacks(found, depth + 1) if found else None
            if lacking:
                return lacking
        return None

    def write_manifest(self, manifest: Manifest, tag: str | None) -> bool:
        """See Repository. As with most registries, lists of referrers are left to the writer."""
        self.writer.begin()  # before it is looked for what nothing may use as yet
        self._check_parts(manifest)
        if self.files.size(blob_path(manifest.digest)) != len(manifest.raw) or self._is_damaged(
            manifest
        ):
            self.writer.blob(manifest.digest, [manifest.raw])
        if tag:
            self._set(tag, manifest)
        return False

    def _check_parts(self, manifest: Manifest) -> None:
        """What is taken as being here must be: else it is said as a registry says it."""
        blobs = () if self.base() else manifest.unique_blobs()
        for part in (*manifest.children, *blobs):
            if not part.foreign and not self.has_blob(part):
                raise RegistryError(
                    f"{self.name}: {part.digest}, a part of {manifest.digest}, isn't there",
                    400,
                    ("MANIFEST_BLOB_UNKNOWN",),
                )

    def _is_damaged(self, manifest: Manifest) -> bool:
        return self.files.read(blob_path(manifest.digest), SIZE_LIMIT) != manifest.raw

    def keep(self, manifest: Manifest) -> None:
        """See Repository."""
        entry = entry_for(manifest.descriptor(), None)
        self._commit(lambda index: index.with_entry(entry))

    def _set(self, tag: str, manifest: Manifest) -> None:
        entry = entry_for(manifest.descriptor(), tag)

        def change(index: LayoutIndex) -> LayoutIndex:
            old = index.find(tag)
            if [one.descriptor.digest for one in old] == [manifest.digest]:
                return index
            self.freed = self.freed or bool(old)
            return index.with_entry(entry)

        self._commit(change)

    def base(self) -> str:
        """See Repository."""
        index = self.index()
        return self._base or (str(index.annotations.get(DELTA) or "") if index else "")

    def set_base(self, base: str) -> None:
        """See Repository."""
        self._base = base  # it is written with what comes next, or at the end

    def _commit(self, change: Change) -> None:
        base = self._base
        if base:
            self.writer.commit(lambda index: change(index).with_annotation(DELTA, base))
        else:
            self.writer.commit(change)

    # blobs

    def has_blob(self, blob: Descriptor) -> bool:
        """See Repository."""
        if blob.digest in self._bad:
            return False
        return self.files.size(blob_path(blob.digest)) == blob.size

    def proves_blob(self, blob: Descriptor) -> bool:
        """See Repository. Read and hashed again; a damaged one is written anew."""
        if not self.has_blob(blob):
            return False
        reader = self.open_blob(blob, False)
        try:
            for _piece in reader:
                self._network.pace.check()
        except (InvalidContent, NotFound):
            self._bad.add(blob.digest)
            return False
        finally:
            reader.close()
        return True

    def open_blob(self, blob: Descriptor, counted: bool = True) -> BlobReader:
        """See Repository. ``counted``: whether it is read in order to be sent."""
        file = self.files.open(blob_path(blob.digest))
        if file is None:
            raise NotFound(f"{self.files.where} has no blob {blob.digest}", 404)
        if file.size != blob.size:
            file.close()
            raise InvalidContent(
                f"{file.where} has {file.size} bytes, its descriptor says {blob.size}"
            )
        return DiskBlob(file, blob, self._network, counted)

    def read_blob(self, blob: Descriptor) -> bytes:
        """See Repository."""
        reader = self.open_blob(blob)
        try:
            return b"".join(reader)
        finally:
            reader.close()

    def write_blob(self, blob: Descriptor, source: OpenBlob, lender: str | None) -> Written:
        """See Repository."""
        self.writer.begin()
        if self.has_blob(blob):
            return Written.PRESENT

        def attempt(_number: int) -> Written:
            reader = source()
            try:
                self.writer.blob(blob.digest, self._counted(reader))
            finally:
                reader.close()
            self._bad.discard(blob.digest)
            return Written.COPIED

        return self._network.retrier.run(self.place, attempt)

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._network.pace.check()
            self._network.moved(uploaded=len(piece))
            yield piece

    # names

    def first_tags(self) -> TagPage:
        """See Repository. All of them, as that costs nothing."""
        index = self.index()
        names = frozenset(index.names()) if index else frozenset()
        return TagPage(names, index is not None, True)

    def tags(self, most_pages: int | None = None) -> list[str]:
        """See Repository."""
        index = self._existing() if self.files.exists() else None
        return index.names() if index else []

    # referrers

    def referrers(self, digest: str) -> list[Descriptor]:
        """See Repository."""
        listed = self.listed_referrers(digest)
        if listed is None:
            listed = self._in_list(digest)
        return [found for found in listed if found.media_type in MEDIA_TYPES]

    def listed_referrers(self, digest: str) -> list[Descriptor] | None:
        """See Repository. Those that stand in the index itself, and those in the tag's list.

        ORAS keeps them in the first, regctl in the second way.
        """
        own = self._subjects.referring(self._existing(), digest)
        if not own:
            return None
        return list({one.digest: one for one in [*self._in_list(digest), *own]}.values())

    def _in_list(self, digest: str) -> list[Descriptor]:
        """What the list under the subject's tag names."""
        try:
            found = self.manifest(as_tag(digest))
            check_list(found)
        except NotFound:
            return []
        return [*found.children, *found.blobs]

    # deletion

    def delete_tag(self, tag: str) -> Deleted:
        """See Repository."""
        return self._remove(lambda index: index.find(tag))

    def delete_manifest(self, digest: str) -> Deleted:
        """See Repository. Its blobs go with ``sweep``.

        Its tags went before: one that it has now came from somebody else meanwhile, and keeps it.
        """
        self.freed = True
        self._remove(lambda index: [one for one in index.of(digest) if not one.names])
        return Deleted.DELETED

    def _remove(self, chosen: Callable[[LayoutIndex], list[Entry]]) -> Deleted:
        """Takes out the entries as they are now: what others make of their names stays."""
        index = self.index()
        going = {entry.key for entry in chosen(index)} if index else set()
        if self._going is not None:
            going -= self._going
            self._going |= going
        elif going:
            self._commit(lambda index: index.without(going))
        self.freed = self.freed or bool(going)
        return Deleted.DELETED if going else Deleted.GONE

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """See Repository. Each change of the index is a file that has to come to the disk."""
        going = self._going = set()
        try:
            yield
        finally:
            self._going = None
        if going:
            self._commit(lambda index: index.without(going))

    def still_wanted(self, digest: str) -> None:
        """See Repository. What shared its entry with a tag that has moved gets one of its own."""
        index = self.index() if self.freed else None
        if index and digest not in index.types and self.resolve(digest):
            self.keep(self.manifest(digest))

    def sweep(self) -> str:
        """See Repository."""
        return self.writer.sweep() if self.freed else ""

    def finish(self) -> None:
        """See Repository."""
        index = self.index() if self._base else None
        if self._base and (index is None or index.annotations.get(DELTA) != self._base):
            self._commit(lambda index: index)
        self.writer.finish()

    def close(self) -> None:
        """See Repository."""
        self.writer.close()
        self.files.close()
