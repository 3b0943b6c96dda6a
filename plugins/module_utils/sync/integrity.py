# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``integrity``: whether what the survey took as being there is whole.

A tag that names the right digest doesn't prove that the registry still holds what is below it:
garbage collections and cleanups delete the children of tagged indexes. So what is below is looked
for, level by level over all images, each thing once. Of what is missing the transfer is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Callable

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, NotFound, RegistryError
from ..model.manifest import DEPTH_LIMIT, IMAGES, Manifest
from ..stores.base import Repository
from .asking import Answers, Question, fetch, has, look, prove, read
from .image import Image, Proof, to_be_proven
from .workers import Workers

#: images whose manifests are kept in memory at a time, unless one repository has more
_BATCH = 500
#: of one image; no real one has more
_MOST_MANIFESTS, _MOST_BYTES = 10_000, 256 << 20
#: reason, digest and media type
Settled = tuple[str, str, str]


class Integrity:
    """Proves images as deep as they are declared, and has what they lack brought."""

    def __init__(self, workers: Workers, failed: Callable[[Image, ImageSyncError], None]) -> None:
        """``failed`` is told of each image that can't be proven or repaired."""
        self._workers = workers
        self._failed = failed
        #: what was asked of sources
        self._sources = Answers(workers)
        #: of each place: a repository that was found to hold a blob, by the blob's digest
        self._holders: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def run(self, images: list[Image]) -> list[Image]:
        """After the survey: the images for which there is something to write, in their order."""
        unproven = [image for image in images if to_be_proven(image)]
        settled = {id(image): image.reopen() for image in unproven if not image.open}
        lacking: list[_Walk] = []
        for batch in _batches(unproven):
            lacking += self._prove(self._begun(batch, settled))
        self._ask_sources(lacking)
        for walk in lacking:
            if walk.image.open:
                walk.finish(self._holders[walk.image.repository.place])
        return [image for image in images if image.open and image.top]

    def _begun(self, batch: list[Image], settled: dict[int, Settled]) -> list[_Walk]:
        walks = []
        for image in batch:
            try:
                walks.append(_Walk(image, settled.get(id(image))))
            except ImageSyncError as error:
                self._failed(image, error)
        return walks

    def _prove(self, walks: list[_Walk]) -> list[_Walk]:
        """Those that lack something; the others are finished."""
        here = Answers(self._workers)
        for _level in range(DEPTH_LIMIT + 1):
            walks = self._descend(walks, here)
        here.ask(walk.look_for(blob) for walk in walks for blob in walk.blobs.values())
        lacking = []
        for walk in walks:
            try:
                walk.check_depth()
                walk.sort_blobs(here)
            except ImageSyncError as error:
                self._failed(walk.image, error)
                continue
            holders = self._holders[walk.image.repository.place]
            for blob in walk.blobs.values():
                if blob.digest in walk.there:
                    holders.setdefault(blob.digest, walk.image.repository.path)
            if walk.lacking:
                lacking.append(walk)
            else:
                walk.finish(holders)
        return lacking

    def _descend(self, walks: list[_Walk], here: Answers) -> list[_Walk]:
        """One level down; the walks that go on."""
        here.ask(walk.look_at(thing) for walk in walks for thing in walk.level)
        missing = [
            Question(fetch, walk.source, thing)
            for walk in walks
            for thing in walk.level
            if here.was_not_found(walk.look_at(thing))
        ]
        self._sources.ask(missing)
        going_on = []
        for walk in walks:
            try:
                walk.step(here, self._sources)
                going_on.append(walk)
            except ImageSyncError as error:
                self._failed(walk.image, error)
        return going_on

    def _ask_sources(self, walks: list[_Walk]) -> None:
        """Whether the sources have the blobs that are missing and that nobody else there has."""
        for walk in walks:
            holders = self._holders[walk.image.repository.place]
            walk.wanted = [blob for blob in walk.gaps if blob.foreign or blob.digest not in holders]
        self._sources.ask(
            Question(has, walk.source, blob)
            for walk in walks
            for blob in walk.wanted
            if blob.data is None
        )
        for walk in walks:
            try:
                walk.check_sources(self._sources)
            except ImageSyncError as error:
                self._failed(walk.image, error)


class _Walk:
    """One image on the way down.

    ``level``: the manifests to be looked at next. ``blobs``: those to be looked for. ``tree``: all
    manifests that were read. ``there`` and ``lacking``: digests of what was found and what wasn't,
    ``gaps`` the blobs among the latter, ``wanted`` those that only the source can give.
    """

    def __init__(self, image: Image, settled: Settled | None) -> None:
        """``settled``: what the survey had settled the image with."""
        self.image = image
        self.level: list[Descriptor] = []
        self.blobs: dict[str, Descriptor] = {}
        self.tree: dict[str, Manifest] = {}
        self.there: set[str] = set()
        self.lacking: set[str] = set()
        self.gaps: list[Descriptor] = []
        self.wanted: list[Descriptor] = []
        self._seen: set[str] = set()
        self._bytes = 0
        self._deep = image.declared.integrity == "blobs"
        self._settled = settled
        if settled:
            _reason, digest, media_type = settled
            self._go_to(Descriptor(media_type, digest, 0))
        elif image.whole and image.top:
            self._take(image.top, True)
        else:
            self._begin_below()

    @property
    def source(self) -> Repository:
        """The image's source; only absent images have none, and those aren't proven."""
        return self.image.source or self.image.repository

    def _begin_below(self) -> None:
        """An image that is to be written: what an old manifest made the survey believe."""
        kept = self.image.kept
        for manifest in self.image.tree.values():
            for child in manifest.children:
                if child.digest in kept:
                    self._go_to(child)
            if self._deep:
                self.blobs.update({b.digest: b for b in manifest.blobs if b.digest in kept})

    def _go_to(self, thing: Descriptor, asked: bool = True) -> None:
        """``asked``: the survey found it by a HEAD, so that only what is below is unknown."""
        if thing.digest in self._seen:
            return
        self._seen.add(thing.digest)
        self._bytes += thing.size
        if len(self._seen) > _MOST_MANIFESTS or self._bytes > _MOST_BYTES:
            raise InvalidContent(
                f"the image has more than {_MOST_MANIFESTS} manifests, or more than "
                f"{_MOST_BYTES >> 20} MiB of them"
            )
        if asked and not self._reads(thing):
            self.there.add(thing.digest)
        else:
            self.level.append(thing)

    def _reads(self, thing: Descriptor) -> bool:
        """Whether something has to be found below it."""
        return self._deep or thing.media_type not in IMAGES

    def look_at(self, thing: Descriptor) -> Question:
        """How to find a manifest of the level."""
        return Question(read if self._reads(thing) else look, self.image.repository, thing)

    def look_for(self, blob: Descriptor) -> Question:
        """How to find a blob."""
        return Question(prove, self.image.repository, blob)

    def step(self, here: Answers, sources: Answers) -> None:
        """The level was asked for; what is below becomes the next one."""
        level, self.level = self.level, []
        for thing in level:
            found = here.of(self.look_at(thing))
            if isinstance(found, Manifest):
                self._take(found, True)
            elif found:
                self.there.add(thing.digest)
            else:
                self._take(self._fetched(thing, sources), False)

    def _fetched(self, thing: Descriptor, sources: Answers) -> Manifest:
        made = self.image.made
        if made and made.digest == thing.digest:
            return made
        try:
            manifest: Manifest = sources.of(Question(fetch, self.source, thing))
        except NotFound as error:
            raise NotFound(
                f"the destination lacks manifest {thing.digest}, and so does the source ({error})",
                404,
            ) from None
        if thing.size not in (0, len(manifest.raw)):
            raise InvalidContent(
                f"manifest {thing.digest} has {len(manifest.raw)} bytes, its index says "
                f"{thing.size}"
            )
        return manifest

    def _take(self, manifest: Manifest, there: bool) -> None:
        """A missing one's blobs aren't looked for: the transfer does, as for any that it writes."""
        self.tree[manifest.digest] = manifest
        (self.there if there else self.lacking).add(manifest.digest)
        if there and self._deep:
            self.blobs.update({blob.digest: blob for blob in manifest.blobs})
        for child in manifest.children:
            self._go_to(child, False)

    def check_depth(self) -> None:
        """Raises InvalidContent where there is no end."""
        if self.level:
            raise InvalidContent(f"indexes are nested deeper than {DEPTH_LIMIT} levels")

    def sort_blobs(self, here: Answers) -> None:
        """The blobs were asked for."""
        for blob in self.blobs.values():
            if here.of(self.look_for(blob)):
                self.there.add(blob.digest)
            elif blob.digest not in self.image.left_out:
                self.gaps.append(blob)
                self.lacking.add(blob.digest)

    def check_sources(self, sources: Answers) -> None:
        """Raises NotFound for a blob that nobody has; a foreign one stays where its URLs say."""
        for blob in self.wanted:
            if blob.data is not None or sources.of(Question(has, self.source, blob)):
                continue
            if not blob.foreign:
                raise NotFound(
                    f"the destination lacks blob {blob.digest}, and so does the source "
                    f"{self.source.name}",
                    404,
                )
            self.lacking.discard(blob.digest)

    def finish(self, holders: dict[str, str]) -> None:
        """Settles the image again, or tells the transfer what it lacks."""
        image, settled = self.image, self._settled
        if settled and not self.lacking:
            image.settle(*settled)
            top = self.tree.get(image.outcome.digest)
            image.outcome.platforms = top.platforms() if top else []
            return
        lenders = {}
        if self.lacking:
            image.tree.update(self.tree)
            blobs = {blob.digest for manifest in self.tree.values() for blob in manifest.blobs}
            own = image.repository.path
            lenders = {d: holders[d] for d in blobs - self.there if holders.get(d, own) != own}
        image.kept = (image.kept | self.there) - self.lacking
        image.proof = Proof(self.there, self.lacking, lenders, bool(settled))
        if settled:
            image.top, image.whole = self.tree[settled[1]], settled[1] in self.there


def _batches(images: list[Image]) -> Iterator[list[Image]]:
    """All of a repository together: what it answers is known for as long as a batch is."""
    groups = defaultdict(list)
    for image in images:
        groups[image.repository.name].append(image)
    batch: list[Image] = []
    for group in groups.values():
        batch += group
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def confirm_manifest(repository: Repository, manifest: Manifest) -> None:
    """After a repair, as a registry may take what it believes to have without storing it."""
    try:
        repository.manifest(manifest.digest)
    except Cancelled:
        return  # it is written
    except (NotFound, InvalidContent) as error:
        raise _not_repaired(repository, f"manifest {manifest.digest}") from error


def confirm_blob(repository: Repository, blob: Descriptor) -> None:
    """See ``confirm_manifest``."""
    try:
        found = repository.has_blob(blob)
    except Cancelled:
        return
    if not found:
        raise _not_repaired(repository, f"blob {blob.digest}")


def _not_repaired(repository: Repository, what: str) -> RegistryError:
    return RegistryError(
        f"{what} was sent to {repository.name} again, and still isn't there whole: the registry "
        "believes to have it; its storage is damaged, or its cache is older than its last garbage "
        "collection, then it has to be restarted"
    )
