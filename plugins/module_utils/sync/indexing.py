# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making an index of images that are there: ``image_index``.

An index may only name what is in its own repository. Images of other repositories of the same
registry are brought there first, by the same steps as in a transfer: their blobs are mounted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, InvalidInput, NotFound
from ..model.index import Part, make_index, part_of, parts_of, with_platform
from ..model.manifest import Manifest
from ..model.reference import DOCKER_ARCHIVE, Reference
from ..stores.base import Repository, Written
from ..stores.places import Places
from ..transport.client import Network
from ..transport.settings import Settings
from .declared import Declared
from .image import Image
from .reading import config_of
from .stop import Stop
from .transfer import Transfer
from .workers import Workers

#: more than there are platforms
_MOST_MANIFESTS = 1000


class Order(NamedTuple):
    """The index that is wanted, and what it is made of."""

    image: Reference
    manifests: tuple[Reference, ...]
    annotations: Mapping[str, str]


class _Found(NamedTuple):
    """A part of the index, and where it is. ``manifest``: where it had to be read."""

    source: Reference
    repository: Repository
    part: Part
    manifest: Manifest | None


def check_order(order: Order) -> None:
    """Raises InvalidInput for what no registry has to be asked about."""
    image = order.image
    if image.transport == DOCKER_ARCHIVE:
        raise InvalidInput(f"{image}: archives of Docker can only be read, not written")
    if image.digest:
        raise InvalidInput(f"{image}: an index gets its digest from what is in it; name a tag")
    if not image.tag:
        raise InvalidInput(f"{image}: which tag is the index to have? as in {image}:1.0")
    if not order.manifests:
        raise InvalidInput(f"{image}: manifests is empty; an index is made of one image at least")
    if len(order.manifests) > _MOST_MANIFESTS:
        raise InvalidInput(f"{image}: manifests has more than {_MOST_MANIFESTS} entries")
    for one in order.manifests:
        if _place(one) != _place(image):
            raise InvalidInput(
                f"{one} isn't on {_place(image)}, where the index is to be, and an index can only "
                "name what is on its own registry: mirror it there first, with image_sync"
            )
        if one == image:
            raise InvalidInput(f"{image} can't be made of itself")


def _place(reference: Reference) -> str:
    return reference.name if reference.transport else reference.registry


def assemble(
    order: Order, settings: Settings, check_mode: bool, stop: Stop, diff: bool = False
) -> dict[str, Any]:
    """The fields of the result. Raises ImageSyncError; then the tag is as it was.

    ``order`` has passed ``check_order``. ``diff``: whether to read what the tag named before, to
    show it.
    """
    call = _Call(order, settings, check_mode, stop)
    try:
        return call.run(diff)
    except Cancelled:
        raise ImageSyncError(f"{order.image}: not done: {stop.why or 'the run ended'}") from None
    except ImageSyncError as error:
        error.args = (call.scrub(f"{order.image}: {error}"),)
        raise
    finally:
        call.close()


class _Call:
    def __init__(self, order: Order, settings: Settings, check_mode: bool, stop: Stop) -> None:
        self._began = time.monotonic()
        self._order, self._check_mode = order, check_mode
        self._network = Network(settings)
        self.scrub: Callable[[str], str] = self._network.scrub
        stop.watch(self._network.pace)
        self._workers = Workers(settings.concurrency, lambda: stop.requested)
        self._places = Places(self._network)
        self._repository = self._places.repository(order.image, write=not check_mode)
        self._transfer = Transfer(self._workers, check_mode, self._failed)
        self._errors: list[ImageSyncError] = []

    def close(self) -> None:
        """Ends what is left of it."""
        self._network.pace.cancel()
        self._workers.close()
        self._places.close()
        self._network.close()

    def run(self, diff: bool) -> dict[str, Any]:
        """See ``assemble``."""
        found = self._look()
        parts = [(str(one.source), one.part) for one in found]
        index = make_index(parts, self._order.annotations)
        tag = self._order.image.tag or ""
        previous = self._repository.resolve(tag)
        changed = previous is None or previous.digest != index.digest
        shown = self._diff(index, previous) if diff and changed else {}
        if changed:
            self._bring(found)
        if changed and not self._check_mode:
            self._repository.write_manifest(index, tag)
            for _place_of_it, error in self._places.finish():
                raise error
        reason = "absent" if previous is None else "digest_differs"
        return {
            "changed": changed,
            "reason": reason if changed else "in_sync",
            "image": str(self._order.image),
            "id": self._order.image.at(index.digest),
            "digest": index.digest,
            **({"previous_digest": previous.digest} if previous else {}),
            "media_type": index.media_type,
            "platforms": index.platforms(),
            "manifests": [
                {"image": str(one.source), "platform": one.part.platform, "digest": one.part.digest}
                for one in found
                if not one.part.about
            ],
            "stats": self._stats(),
            "credentials": dict(sorted(self._network.keychain.kinds.items())),
            "rate_limits": self._network.quotas.told(),
            "diff": shown,
            "warnings": self._network.warnings(),
        }

    # what the index is made of

    def _look(self) -> list[_Found]:
        """Reads all manifests and configs, side by side; everything that is wrong is told."""
        for reference in self._order.manifests:
            self._places.repository(reference)  # known ahead, they may share their tokens
        read = self._workers.map(self._read, self._order.manifests)
        errors = [one for one in read if isinstance(one, ImageSyncError)]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            lines = [f"{len(errors)} of {len(read)} manifests can't be used:", *map(str, errors)]
            raise InvalidInput("\n".join(lines))
        return [found for one in read if isinstance(one, list) for found in one]

    def _read(self, reference: Reference) -> list[_Found] | ImageSyncError:
        repository = self._places.repository(reference)
        try:
            top = repository.manifest(reference.pointer)
            if top.is_index:
                return self._images_of(reference, repository, top)
            part = part_of(top, config_of(repository, top))
            return [_Found(reference, repository, part, top)]
        except Cancelled:
            raise
        except NotFound:
            return NotFound(f"{reference} doesn't exist", 404)
        except ImageSyncError as error:
            error.args = (f"{reference}: {error}",)
            return error

    def _images_of(
        self, reference: Reference, repository: Repository, index: Manifest
    ) -> list[_Found]:
        """The images of an index that was given, as BuildKit writes one for each platform too."""
        found = []
        for part, child, entry in parts_of(index):
            manifest = None
            if part is None:
                manifest = repository.manifest(child.digest)
                part = with_platform(entry, config_of(repository, manifest))
            found.append(_Found(reference, repository, part, manifest))
        if not any(not one.part.about for one in found):
            raise InvalidContent("it is an index without an image")
        return found

    # bringing what is in other repositories

    def _bring(self, found: list[_Found]) -> None:
        """Makes every part be in the index's own repository."""
        others = {one.part.digest: one for one in found if one.repository is not self._repository}
        images = self._workers.map(self._lacking, others.values())
        if not any(images):
            return
        self._transfer.run([image for image in images if image])
        if self._network.pace.cancelled:
            raise Cancelled("the run is ending")
        if self._errors:
            raise self._errors[0]

    def _lacking(self, one: _Found) -> Image | None:
        """A part that isn't in the index's repository, with what is to be brought for it."""
        digest = one.part.digest
        if self._repository.resolve(digest):
            return None
        source = one.source._replace(tag=None, digest=digest)
        place = self._order.image._replace(tag=None, digest=digest)
        declared = Declared("", source, place, "present", "replace", False, "never")
        image = Image(declared, self._repository, one.repository)
        image.top = one.manifest or one.repository.manifest(digest)
        image.tree = {digest: image.top}
        return image

    def _failed(self, _image: Image, error: ImageSyncError) -> None:
        """Its message names the place."""
        self._errors.append(error)

    # the result

    def _diff(self, index: Manifest, previous: Descriptor | None) -> dict[str, str]:
        """The digest of each platform before and after."""
        name = str(self._order.image)
        before = f"{name} (absent)\n"
        if previous is not None:
            old = self._repository.manifest(previous.digest)
            before = _shown(name, old)
        return {"before": before, "after": _shown(name, index)}

    def _stats(self) -> dict[str, Any]:
        network, totals = self._network, self._transfer.totals
        downloaded, uploaded = network.bytes_downloaded, network.bytes_uploaded
        if self._check_mode:  # beside what it had to read itself
            downloaded += totals.bytes_downloaded
            uploaded = totals.bytes_uploaded
        return {
            "seconds": round(time.monotonic() - self._began, 3),
            "bytes_downloaded": downloaded,
            "bytes_uploaded": uploaded,
            "blobs_copied": totals.counts[Written.COPIED],
            "blobs_mounted": totals.counts[Written.MOUNTED],
            "blobs_present": totals.counts[Written.PRESENT],
            "requests": dict(sorted(network.requests.items())),
            "retries": network.retrier.count,
        }


def _shown(name: str, manifest: Manifest) -> str:
    """An image in a diff."""
    lines = [f"{name} {manifest.digest}"]
    lines += [f"{child.platform} {child.digest}" for child in manifest.children if child.platform]
    lines += [f"{key}: {value}" for key, value in sorted(manifest.annotations.items())]
    return "".join(f"{line}\n" for line in lines if manifest.is_index or line == lines[0])
