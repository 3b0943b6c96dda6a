# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving what is missing: a graph of small steps over all images of the call.

A blob goes once from its source to each destination place; other repositories there mount it,
as soon as a manifest that names it is stored where it went first. Every manifest waits for its
blobs and children, the tag for everything.
"""

from __future__ import annotations

import threading
from typing import Callable, NamedTuple

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, RegistryError, TagImmutable
from ..model.manifest import Manifest
from ..stores.base import Repository, Written
from .attaching import Attaching, Tools
from .backup import keep_previous
from .graph import Graph, Step
from .image import Image
from .integrity import confirm_blob, confirm_manifest
from .limits import check_bytes
from .order import in_order
from .reading import Opener
from .totals import Totals
from .workers import Workers

_MANIFEST, _MOUNT, _BLOB = 1, 2, 3
#: codes by which a registry says that something a manifest names isn't there
_INCOMPLETE = {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"}


class Home(NamedTuple):
    """Where in a place a blob is, or will be once ``commit`` is done."""

    path: str
    commit: Step | None


class Transfer:
    """Plans and runs the steps for the images that need any."""

    def __init__(
        self,
        workers: Workers,
        check_mode: bool,
        failed: Callable[[Image, ImageSyncError], None],
        max_bytes: int | None = None,
    ) -> None:
        """In check mode every step only looks. ``failed`` is told of each failed image."""
        self._graph = Graph(workers)
        self._attaching = Attaching(
            self._graph,
            check_mode,
            Tools(self._child_step, self._add_content, self._write_manifest, self._count_for),
        )
        self._workers, self._max_bytes = workers, max_bytes
        #: what is to be copied, where to, and from where
        self._planned: list[tuple[Repository, Descriptor, Repository | None]] = []
        #: of each repository: the paths of those that it mounts from
        self._lenders: dict[str, tuple[Repository, dict[str, None]]] = {}
        self._check_mode = check_mode
        self._failed = failed
        self._homes: dict[tuple[str, str], Home] = {}
        self._steps: dict[tuple[str, str], Step] = {}
        #: of each blob: the sources that images of the call know for it
        self._sources: dict[tuple[str, str], list[Repository | None]] = {}
        self._lock = threading.Lock()
        self.totals = Totals()

    def run(self, images: list[Image]) -> None:
        """Brings all images to their places; each one's outcome tells how that ended.

        Raises TooMuch, before the first write.
        """
        for image in images:
            place = image.repository.place
            for digest, path in image.proof.lenders.items():
                self._homes[place, digest] = Home(path, None)
            for digest in image.kept:
                self._homes.setdefault(
                    (image.repository.place, digest), Home(image.repository.path, None)
                )
        # image by image, so that tags appear from the start
        order = in_order(images, self._homes)
        for turn, image in enumerate(order):
            self._place(image, turn)
        if self._max_bytes is not None:
            check_bytes(self._planned, self._max_bytes, self._workers)
        self._planned.clear()
        if not self._check_mode:
            for repository, paths in self._lenders.values():
                repository.expect_lenders(paths)
        self._graph.run()

    # the plan

    def _place(self, image: Image, turn: int) -> None:
        if image.top is None and image.attached is None:
            return
        top = image.top
        last = self._graph.add((_MANIFEST,), lambda: self._finish(image))
        if top and not image.whole:
            self._add_content(image, top, last, turn)
        self._add_lacking(image, last, turn)
        # before others can need the last step: what is attached must never wait for it
        self._attaching.place(image, last, turn)
        if top and (image.tag or not image.whole):
            self._steps.setdefault((image.repository.name, top.digest), last)
        settled = self._graph.add((0,), lambda: self._settle(image, last))
        self._graph.waits(settled, last)

    def _add_content(self, image: Image, manifest: Manifest, step: Step, turn: int) -> None:
        """What ``manifest``, which ``step`` stores, needs before."""
        for child in manifest.children:
            if child.digest not in image.kept:
                self._graph.needs(step, self._child_step(image, child.digest, turn))
        for blob in manifest.unique_blobs():
            if blob.digest in image.left_out:
                continue
            # check mode asks for what is only inferred: nothing else would notice that it's gone
            known = image.proof.there if self._check_mode else image.kept
            if blob.digest in known:
                self._count_once(image, blob)
            else:
                self._graph.needs(step, self._blob_step(image, blob, step, turn))

    def _add_lacking(self, image: Image, last: Step, turn: int) -> None:
        """What manifests lack that are there: it comes before the ``last`` step."""
        there, lacking = image.proof.there, image.proof.lacking
        for manifest in [m for d, m in image.tree.items() if lacking and d in there]:
            for child in manifest.children:
                if child.digest in lacking:
                    self._graph.needs(last, self._child_step(image, child.digest, turn))
            for blob in manifest.unique_blobs():
                if blob.digest in lacking:
                    self._graph.needs(last, self._blob_step(image, blob, last, turn))
                elif blob.digest in there:
                    self._count_once(image, blob)

    def _child_step(self, image: Image, digest: str, turn: int) -> Step:
        key = (image.repository.name, digest)
        step = self._steps.get(key)
        if step is None:
            manifest = image.tree[digest]
            step = self._graph.add(
                (_MANIFEST,), lambda: self._write_manifest(image, manifest, None)
            )
            self._steps[key] = step
            self._add_content(image, manifest, step, turn)
        return step

    def _blob_step(self, image: Image, blob: Descriptor, commit: Step, turn: int) -> Step:
        repository = image.repository
        key = (repository.name, blob.digest)
        step = self._steps.get(key)
        if step is not None:
            self._count_once(image, blob)
            if image.source not in self._sources[key]:
                self._sources[key].append(image.source)
            return step
        image.counted.add(blob.digest)
        self._sources[key] = [image.source]
        home = self._home(image, blob, commit)
        lender = home.path if home.path != repository.path else None
        if lender:
            self._lenders.setdefault(repository.name, (repository, {}))[1][lender] = None
        else:
            self._planned.append((repository, blob, image.source))
            self.totals.bytes_planned += blob.size
        rank = (_MOUNT,) if lender else (_BLOB, turn, -blob.size)
        step = self._graph.add(rank, lambda: self._bring_blob(image, blob, home, lender))
        if lender and home.commit:
            self._graph.waits(step, home.commit)
        self._steps[key] = step
        return step

    def _home(self, image: Image, blob: Descriptor, commit: Step) -> Home:
        """Where the blob comes from within the destination's place; first come, first served."""
        place = image.repository.place
        if image.source is not None and image.source.place == place and not blob.foreign:
            return Home(image.source.path, None)
        return self._homes.setdefault((place, blob.digest), Home(image.repository.path, commit))

    # the steps

    def _bring_blob(self, image: Image, blob: Descriptor, home: Home, lender: str | None) -> None:
        written: Written | None = None
        try:
            written = self._copy_blob(image, blob, home, lender)
        finally:
            if lender is None and written is not Written.COPIED:
                with self._lock:
                    self.totals.bytes_spared += blob.size

    def _copy_blob(
        self, image: Image, blob: Descriptor, home: Home, lender: str | None
    ) -> Written | None:
        if blob.foreign and not (image.source and image.source.has_blob(blob)):
            return None  # it stays where its URLs say
        if home.commit and home.commit.error:
            lender = None  # it never got there
        if self._check_mode:
            written = self._foresee(image, blob, lender)
        else:
            written = self._write_blob(image, blob, lender)
            if blob.digest in image.proof.lacking:
                confirm_blob(image.repository, blob)
        self._count_for(image, blob, written)
        return written

    def _write_blob(self, image: Image, blob: Descriptor, lender: str | None) -> Written:
        """From the image's source; where that fails, from those of images that share the blob."""
        for source in self._sources[image.repository.name, blob.digest]:
            opener = Opener(source, blob)
            try:
                return image.repository.write_blob(blob, opener.open, lender)
            except Cancelled:
                raise
            except ImageSyncError as error:
                failure = error
                if not opener.failed:
                    break  # it is the destination's
        raise failure

    def _foresee(self, image: Image, blob: Descriptor, lender: str | None) -> Written:
        if lender:
            return Written.MOUNTED
        if blob.digest in image.proof.lacking:
            return Written.COPIED
        return Written.PRESENT if image.repository.has_blob(blob) else Written.COPIED

    def _finish(self, image: Image) -> None:
        if image.top is None:
            return
        if self._check_mode and image.repository.to_be_created():
            image.outcome.warnings.append(
                f"the repository {image.repository.name} doesn't exist; it would be created"
            )
        # a tag that names it already isn't written again: some registries refuse that
        tag = None if image.proof.incomplete else image.tag
        if tag:
            keep_previous(image, None if self._check_mode else self._attaching.store)
        if tag or image.top.digest not in image.proof.there:
            self._write_manifest(image, image.top, tag)
            if not tag and not image.tag and not self._check_mode:
                image.repository.keep(image.top)

    def _write_manifest(self, image: Image, manifest: Manifest, tag: str | None) -> None:
        if self._check_mode:
            return
        try:
            self._attaching.store(image.repository, manifest, tag)
        except TagImmutable:
            raise
        except RegistryError as error:
            # some registries have another word for it; then look where something was inferred
            outcome = image.outcome
            inferred = image.kept or outcome.blobs_present or outcome.blobs_mounted
            guessed = error.status in (400, 404, 422) and inferred
            if not _INCOMPLETE.intersection(error.codes) and not guessed:
                raise
            self._repair(image, manifest)
            self._attaching.store(image.repository, manifest, tag)
        if manifest.digest in image.proof.lacking:
            confirm_manifest(image.repository, manifest)

    def _repair(self, image: Image, manifest: Manifest) -> None:
        """Something that was taken as present isn't: everything is looked at again."""
        for child in manifest.children:
            if image.repository.resolve(child.digest) is None and image.source:
                found = image.tree.get(child.digest) or image.source.manifest(child.digest)
                self._repair(image, found)
                image.repository.write_manifest(found, None)
        for blob in manifest.unique_blobs():
            if blob.foreign and not (image.source and image.source.has_blob(blob)):
                continue
            written = image.repository.write_blob(blob, Opener(image.source, blob).open, None)
            if written is not Written.PRESENT:
                self._count_for(image, blob, written)
                self._count_as_absent(image, blob)

    def _settle(self, image: Image, last: Step) -> None:
        """The outcome, when the last step of the image is over."""
        if isinstance(last.error, Cancelled):
            return
        if last.error is not None:
            self._failed(image, last.error)
        elif image.top is not None:
            reason = "digest_differs" if image.previous else "absent"
            if image.declared.state == "staged":
                reason = "staged"
            if image.proof.incomplete:
                reason = "incomplete"
            image.settle(reason, image.top.digest, image.top.media_type, changed=True)
            image.outcome.platforms = image.top.platforms() or image.outcome.platforms
        elif image.attached is not None:
            _reason, digest, media_type = image.attached.settled
            image.settle("referrers_missing", digest, media_type, changed=True)
        image.tree = {}
        image.top = image.attached = None

    # counting

    def _count_for(self, image: Image, blob: Descriptor, written: Written) -> None:
        outcome = image.outcome
        with self._lock:
            if written is Written.COPIED:
                outcome.blobs_copied += 1
                outcome.bytes_copied += blob.size
            elif written is Written.MOUNTED:
                outcome.blobs_mounted += 1
            else:
                outcome.blobs_present += 1
            self.totals.counts[written] += 1
            if written is Written.COPIED:
                self.totals.bytes_uploaded += blob.size
                self.totals.bytes_downloaded += 0 if blob.data is not None else blob.size

    def _count_as_absent(self, image: Image, blob: Descriptor) -> None:
        """It was counted as present because an old manifest names it."""
        with self._lock:
            if blob.digest in image.kept:
                image.kept.discard(blob.digest)
                image.outcome.blobs_present -= 1
                self.totals.counts[Written.PRESENT] -= 1

    def _count_once(self, image: Image, blob: Descriptor) -> None:
        """A blob that is there, or that another image of the call brings, for the image's sake."""
        if blob.digest not in image.counted:
            image.counted.add(blob.digest)
            image.outcome.blobs_present += 1
            self.totals.counts[Written.PRESENT] += 1
