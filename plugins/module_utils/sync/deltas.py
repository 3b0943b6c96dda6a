# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delta bundles: layouts without what the far side has, as its lock tells.

An image whose digest is locked there under the same name is left out. Of one that has changed, the
blobs of the old manifest are left out, and only the manifests are there. Whoever pushes such a
bundle needs the rest to be at the destination, which is found out before anything is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Callable

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, InvalidInput, NotFound
from ..model.lock import Lock, Locked
from ..model.manifest import DEPTH_LIMIT, Manifest
from ..model.reference import Reference, parse_reference
from ..stores.base import Repository
from .image import Image, to_be_proven
from .workers import Workers


class BaseMissing(ImageSyncError):
    """A delta bundle can't be pushed, as what it leaves out isn't there; nothing was written."""


class Baseline:
    """What the far side has, by the names that images have in bundles."""

    def __init__(self, lock: Lock) -> None:
        self.digest = lock.digest()
        self._locked: defaultdict[str, list[Locked]] = defaultdict(list)
        for locked in lock.images.values():
            self._locked[_name(parse_reference(locked.source))].append(locked)

    def of(self, image: Image) -> list[Locked]:
        """What the far side has of an image that is to be in a bundle."""
        return self._locked.get(_name(image.declared.destination), [])


def _name(reference: Reference) -> str:
    """What an image is called in a bundle: by its full source reference."""
    if reference.transport:
        return reference.tag or ""
    return str(reference._replace(digest=None) if reference.tag else reference)


class Deltas:
    """Between the survey and the transfer: what needn't be brought, and whether the rest is there.

    ``baseline``: None where whole bundles are written, or none.
    """

    def __init__(
        self,
        workers: Workers,
        failed: Callable[[Image, ImageSyncError], None],
        baseline: Baseline | None,
    ) -> None:
        self._workers, self._failed, self._baseline = workers, failed, baseline
        self._missing = False

    def prepare(self, images: list[Image]) -> None:
        """Before the survey: tells images what the far side has of them."""
        for image in images:
            place = image.declared.destination
            if self._baseline is not None:
                if not place.transport:
                    self._failed(image, _no_bundle(place))
                image.base = tuple(self._baseline.of(image))
                continue
            try:
                if place.transport and image.open and image.repository.base():
                    raise InvalidInput(
                        f"{place.name} is a delta bundle: without a baseline, write to another "
                        "place"
                    )
            except ImageSyncError as error:
                self._failed(image, error)

    def leave_out(self, images: list[Image]) -> None:
        """After the survey: tells images what the bundle needn't have."""
        if self._baseline is None:
            return
        for image in images:
            if image.base and image.previous is None and image.outcome.reason == "in_sync":
                image.outcome.id = ""  # others may have settled it again
        # of one that is in the bundle already, integrity asks which blobs are to be there
        changed = [i for i in images if (i.open and i.top) or to_be_proven(i)]
        self._workers.map(self._leave_out, changed)

    def check(self, images: list[Image], write: bool) -> None:
        """Before the transfer; raises BaseMissing. ``write``: a bundle says that it is a delta."""
        self._workers.map(self._check_base, [image for image in images if image.open])
        if self._missing:
            raise BaseMissing("a delta bundle leaves out what isn't here, so nothing was written")
        if self._baseline is not None and write:
            there = [image for image in images if not image.outcome.failed]
            for repository in {id(i.repository): i.repository for i in there}.values():
                repository.set_base(self._baseline.digest)

    def _leave_out(self, image: Image) -> None:
        for locked in image.base:
            try:
                source = image.source or image.repository
                manifest = source.manifest(locked.digest)
                image.left_out.update(b.digest for b in _blobs(source, manifest) if not b.foreign)
            except Cancelled:
                raise
            except ImageSyncError:
                continue  # the source doesn't have it any more: then all of the new one is taken

    def _check_base(self, image: Image) -> None:
        """Only of sources that are deltas: nothing else leaves blobs out."""
        source = image.source
        try:
            if source is None or not source.base():
                return
            for blob in {b.digest: b for m in image.tree.values() for b in m.blobs}.values():
                if blob.data is not None or blob.foreign or source.has_blob(blob):
                    continue
                if not image.repository.has_blob(blob):
                    self._missing = True
                    raise NotFound(
                        f"{source.name} is a delta bundle without blob {blob.digest} of "
                        f"{image.declared.source}, and {image.repository.name} doesn't have that "
                        "either: push the bundles that came before it first, or a whole one",
                        404,
                    )
                image.kept.add(blob.digest)
        except Cancelled:
            raise
        except ImageSyncError as error:
            self._failed(image, error)


def settle_left_out(image: Image, digest: str) -> bool:
    """Whether the far side has just this image, so that the bundle can do without it."""
    if image.previous is not None or not any(one.digest == digest for one in image.base):
        return False
    image.outcome.reason, image.outcome.digest = "in_sync", digest
    image.top = None
    return True


def settle_without_source(image: Image) -> bool:
    """Whether a delta bundle leaves this image out because it is where it is to be."""
    if image.previous is None or image.source is None or not image.source.base():
        return False
    source = image.declared.source
    if source is None or image.source.resolve(source.pointer) is not None:
        return False
    if image.declared.signed_by:
        raise NotFound(
            f"{source} isn't in that delta bundle, so whether it is signed can't be told; leave it "
            "out of the images, or push a whole bundle",
            404,
        )
    image.settle("in_sync", image.previous.digest, image.previous.media_type)
    return True


def _blobs(source: Repository, manifest: Manifest, depth: int = 0) -> Iterator[Descriptor]:
    """Of an image and all below it; what its source has lost of it counts for nothing."""
    yield from manifest.blobs
    if manifest.children and depth > DEPTH_LIMIT:
        raise InvalidContent(f"indexes are nested deeper than {DEPTH_LIMIT} levels")
    for child in manifest.children:
        try:
            found = source.manifest(child.digest)
        except NotFound:
            continue
        yield from _blobs(source, found, depth + 1)


def _no_bundle(place: Reference) -> InvalidInput:
    return InvalidInput(f"baseline is for bundles on disk (oci:, oci-archive:), not for {place}")
