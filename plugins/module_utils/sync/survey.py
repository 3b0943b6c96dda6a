# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding out what each image lacks, by the fewest requests.

The destination is asked first. Where it has the tag, one HEAD at each side tells whether there
is anything to do. Where it doesn't, the source is read at once, and one tag list of the
repository replaces the HEADs of the other tags.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Callable, NamedTuple

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, RegistryError
from ..model.manifest import DEPTH_LIMIT, Manifest
from ..stores.base import TagPage
from .deltas import settle_left_out, settle_without_source
from .image import Image
from .resuming import staged_manifest
from .wanted import read_wanted, source_of, wanted_digest
from .workers import Workers

_ASK, _READ = (1,), (2,)
_SAMPLE = 5
#: more than any real image has; what a registry sends must not fill the memory
_MOST_MANIFESTS, _MOST_BYTES = 10_000, 256 << 20


class Survey:
    """Decides each image or gathers what is to be done for it (``Image.tree``)."""

    def __init__(self, workers: Workers, failed: Callable[[Image, ImageSyncError], None]) -> None:
        """``failed`` is told of each image that can't be surveyed."""
        self._workers = workers
        self._failed = failed
        self._samples: defaultdict[str, _Sample] = defaultdict(_Sample)
        self._lock = threading.Lock()
        self._later: list[tuple[Image, Callable[[], None]]] = []

    def run(self, images: list[Image]) -> list[Image]:
        """The images for which there is something to write, in their order."""
        by_repository = defaultdict(list)
        for image in images:
            by_repository[image.repository.name].append(image)
        for group in by_repository.values():
            self._start(_ASK, group[0], lambda group=group: self._first(group))  # type: ignore[misc]
        self._workers.finish()
        # what is missing was read before what has changed: under a limit of requests it counts more
        later, self._later = self._later, []
        for image, job in later:
            self._start(_READ, image, job)
        self._workers.finish()
        return [image for image in images if image.open and image.top]

    def _start(self, rank: tuple[int, ...], image: Image, job: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                job()
            except Cancelled:
                return
            except ImageSyncError as error:
                self._failed(image, error)

        self._workers.submit(rank, guarded)

    # the destination

    def _first(self, group: list[Image]) -> None:
        """One image of a repository first: if its tag is missing, a tag list tells of the rest."""
        image, others = group[0], group[1:]
        known = _Known(None, True)
        try:
            self._ask(image)
            if image.previous is None:
                page = self._list(image) if others else None
                known = _Known(page, bool(page and page.exists))
        except Cancelled:
            return
        except ImageSyncError as error:
            self._failed(image, error)
        else:
            self._after_destination(image, known)
        for other in others:
            self._start(
                _ASK,
                other,
                lambda other=other: self._other(other, known),  # type: ignore[misc]
            )

    def _other(self, image: Image, known: _Known) -> None:
        if not (known.tags and _surely_absent(image, known.tags)):
            self._ask(image)
        self._after_destination(image, known)

    def _ask(self, image: Image) -> None:
        place = image.declared.destination
        if image.declared.platforms and place.pointer == source_of(image)[0].digest:
            # some platforms of an image without a tag are kept by a digest of their own
            image.move(place._replace(digest=wanted_digest(image)))
        place = image.declared.destination
        found = image.repository.resolve(place.tag or place.pointer)
        if found:
            image.found(found)

    def _list(self, image: Image) -> TagPage | None:
        """A refusal is no failure: then each tag is asked for."""
        try:
            return image.repository.first_tags()
        except (RegistryError, InvalidContent):
            return None

    def _after_destination(self, image: Image, known: _Known) -> None:
        if image.open:
            self._start(_ASK, image, lambda: self._compare(image, known))

    # the source

    def _compare(self, image: Image, known: _Known) -> None:
        declared, previous = image.declared, image.previous
        if previous and declared.immutable:
            image.settle("immutable", previous.digest, previous.media_type)
            return
        if settle_without_source(image):
            return
        digest = wanted_digest(image)
        if settle_left_out(image, digest):
            return
        if declared.destination.digest and declared.destination.digest != digest:
            raise ImageSyncError(
                f"{declared.source} has the digest {digest}, the destination is declared with "
                f"{declared.destination.digest}"
            )
        if previous and previous.digest == digest:
            image.settle("in_sync", digest, previous.media_type)
            image.top = None
            return
        if previous and declared.existing != "replace":
            self._keep(image, previous)
            return
        if declared.settled:
            image.top, image.whole = staged_manifest(image, digest), True
        else:
            self._look_by_digest(image, digest, known)
        if not image.open:
            return
        if previous:
            with self._lock:
                self._later.append((image, lambda: self._read_tree(image, digest)))
        else:
            self._read_tree(image, digest)

    def _keep(self, image: Image, previous: Descriptor) -> None:
        if image.declared.existing == "fail":
            raise ImageSyncError(
                f"the tag exists with another digest ({previous.digest}) than the source's "
                f"({image.outcome.source_digest}), and existing is fail"
            )
        image.settle("kept", previous.digest, previous.media_type)

    def _look_by_digest(self, image: Image, digest: str, known: _Known) -> None:
        """Whether the manifest is there already, staged or under another tag."""
        if not image.declared.destination.tag:
            return  # asked for by digest before
        staged = image.declared.state == "staged"
        if not known.used and not staged:
            with self._lock:
                sample = self._samples[image.repository.place]
            there = sample.ask(lambda: image.repository.resolve(digest))
        else:
            there = image.repository.resolve(digest)
        image.whole = there is not None
        if there and staged:
            image.settle("staged", digest, there.media_type)

    # what is to be written

    def _read_tree(self, image: Image, digest: str) -> None:
        if image.top is None:
            image.top = read_wanted(image, digest)
        image.tree[digest] = image.top
        if image.whole:
            return
        if image.previous:
            self._learn(image, image.previous.digest)
        self._descend(image, image.top, 1)

    def _descend(self, image: Image, index: Manifest, depth: int) -> None:
        """Reads the children of an index, each in a job of its own."""
        if index.children and depth > DEPTH_LIMIT:
            raise InvalidContent(f"indexes are nested deeper than {DEPTH_LIMIT} levels")
        for child in index.children:
            with self._lock:
                if child.digest in image.seen:
                    continue
                image.seen.add(child.digest)
            self._start(
                _READ,
                image,
                lambda child=child: self._child(image, child, depth),  # type: ignore[misc]
            )

    def _child(self, image: Image, child: Descriptor, depth: int) -> None:
        if child.digest in image.believed and image.repository.resolve(child.digest):
            with self._lock:
                image.kept.add(child.digest)
            return
        _reference, source = source_of(image)
        manifest = source.manifest(child.digest)
        if child.size != len(manifest.raw):
            raise InvalidContent(
                f"manifest {child.digest} has {len(manifest.raw)} bytes, "
                f"its index says {child.size}"
            )
        with self._lock:
            image.tree[child.digest] = manifest
            image.tree_bytes += child.size
        if len(image.seen) > _MOST_MANIFESTS or image.tree_bytes > _MOST_BYTES:
            raise InvalidContent(
                f"the image has more than {_MOST_MANIFESTS} manifests, or more than "
                f"{_MOST_BYTES >> 20} MiB of them"
            )
        self._descend(image, manifest, depth + 1)

    def _learn(self, image: Image, digest: str, children: bool = True) -> None:
        """What the old manifest at the destination names is there; it's no loss if it's not."""
        try:
            manifest = image.repository.manifest(digest)
        except (RegistryError, InvalidContent):
            return
        wanted = {child.digest for child in image.top.children} if image.top else set()
        found = [child.digest for child in manifest.children]
        with self._lock:
            image.kept.update(blob.digest for blob in manifest.blobs)
            image.believed.update(wanted.intersection(found))
        for child in found if children else ():
            if child not in wanted:
                self._start(
                    _READ,
                    image,
                    lambda child=child: self._learn(image, child, False),  # type: ignore[misc]
                )


class _Known(NamedTuple):
    """What the first look at a repository told: its tags, and whether it surely holds images."""

    tags: TagPage | None
    used: bool


class _Sample:
    """A few images that speak for all in the repositories of a place that seem to be new.

    They are new, or staged. Where the first few aren't there, the others aren't asked for: to
    write again what is there costs a little and does no harm.
    """

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._asked = self._missing = 0
        self._hit = False

    def ask(self, resolve: Callable[[], Descriptor | None]) -> Descriptor | None:
        """What ``resolve`` finds; None unasked where the first few were missing."""
        with self._state:
            self._asked += 1
            if self._asked > _SAMPLE:
                while not self._hit and self._missing < _SAMPLE:
                    self._state.wait()
                if not self._hit:
                    return None
        found: Descriptor | None = None
        try:
            found = resolve()
        finally:
            with self._state:
                self._hit = self._hit or found is not None
                self._missing += found is None
                self._state.notify_all()
        return found


def _surely_absent(image: Image, known: TagPage) -> bool:
    """Whether the list is enough: a tag that mustn't be overwritten is looked for all the same."""
    tag, existing = image.declared.destination.tag, image.declared.existing
    return bool(known.complete and tag and tag not in known.tags and existing == "replace")
