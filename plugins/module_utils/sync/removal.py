# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``state: absent``: a tag goes, and its manifest unless something else uses it.

Deleting a manifest by its digest takes down every tag that names it, and docker-registry 2.8
deletes only so. Therefore all tags and indexes of the repository are looked at before.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Callable

from ..model.descriptor import Descriptor
from ..model.digest import as_tag
from ..model.errors import ImageSyncError, InvalidContent, RegistryError
from ..model.manifest import INDEXES
from ..stores.base import Deleted, Repository
from .image import Image
from .usage import Usage
from .workers import Workers

#: tags of what belongs to an image: OCI's tag schema, and cosign's (SIGNATURE_SPEC.md)
_ATTACHED = ("", ".sig", ".att", ".sbom")


class Removal:
    """Removes images, repository by repository."""

    def __init__(
        self,
        workers: Workers,
        check_mode: bool,
        failed: Callable[[Image, ImageSyncError], None],
    ) -> None:
        """In check mode all is looked at and nothing deleted."""
        self._workers = workers
        self._check_mode = check_mode
        self._failed = failed

    def run(self, images: list[Image]) -> None:
        """Removes all of them; each one's outcome tells how that ended."""
        found = self._workers.map(self._look, images)
        groups = defaultdict(list)
        for image, there in zip(images, found):
            if there:
                groups[image.repository.name].append(image)
        for group in groups.values():
            self._remove_group(group)

    def _look(self, image: Image) -> bool:
        """Whether there is something to remove."""
        place = image.declared.destination
        try:
            found = image.repository.resolve(place.tag or place.pointer)
        except ImageSyncError as error:
            self._failed(image, error)
            return False
        if found is None:
            image.outcome.reason = "in_sync"
            return False
        image.found(found)
        if place.digest and place.digest != found.digest:
            image.outcome.reason = "in_sync"
            image.outcome.previous_digest = ""
            image.outcome.warnings.append(
                f"{place.name}:{place.tag} names {found.digest}, not the digest that is to be "
                "absent; it was left alone"
            )
            return False
        return True

    def _remove_group(self, images: list[Image]) -> None:
        repository = images[0].repository
        try:
            usage: Usage | None = Usage(repository, self._workers)
            trouble = None
        except (RegistryError, InvalidContent) as error:
            usage, trouble = None, error
        except ImageSyncError as error:
            for image in images:
                self._failed(image, error)
            return
        going = {image.declared.destination.tag for image in images}
        for image in sorted(images, key=_order):
            try:
                if usage is None:
                    self._remove_tag_only(image, trouble)
                else:
                    _Remover(repository, usage, going, self._check_mode).remove(image)
            except ImageSyncError as error:
                self._failed(image, error)

    def _remove_tag_only(self, image: Image, trouble: ImageSyncError | None) -> None:
        """The tags can't be listed, so nobody knows what else uses the manifest."""
        tag = image.declared.destination.tag
        done = Deleted.DELETED if self._check_mode else Deleted.UNSUPPORTED
        if tag and not self._check_mode:
            done = image.repository.delete_tag(tag)
        if not tag or done is Deleted.UNSUPPORTED:
            raise RegistryError(
                "it can only be deleted by digest, and what else uses that digest can't be "
                f"found out: {trouble}"
            )
        _removed(image)
        image.outcome.warnings.append(f"the tag was removed and its manifest kept: {trouble}")


class _Remover:
    """Removes single images of one repository, of which all uses are known."""

    def __init__(
        self, repository: Repository, usage: Usage, going: set[str | None], check_mode: bool
    ) -> None:
        self._repository, self._usage = repository, usage
        self._going, self._check_mode = going, check_mode

    def remove(self, image: Image) -> None:
        """Removes one image; raises ImageSyncError, with nothing lost, when it can't."""
        tag, digest = image.declared.destination.tag, image.outcome.previous_digest
        holders = [t for t in self._usage.holding(digest) if t != tag]
        others = [t for t in self._usage.naming(digest) if t not in self._going]
        if tag is None:
            self._refuse(others, holders, "it is deleted by digest")
        if self._check_mode:
            self._foresee(image, others, holders)
            return
        if tag in self._usage.tags:
            # the tag first: if that is denied, nothing has been lost yet
            if self._repository.delete_tag(tag) is Deleted.UNSUPPORTED:
                self._refuse(others, holders, "this registry deletes by digest only")
            else:
                self._usage.forget_tag(tag)
                others = self._usage.naming(digest)
        if not others and not holders:
            self._delete_attached(digest, set())
            self._repository.delete_manifest(digest)
            self._usage.forget(digest)
        _removed(image)

    def _foresee(self, image: Image, others: list[str], holders: list[str]) -> None:
        """No request that only reads tells whether a registry deletes by tag."""
        _removed(image)
        if others or holders:
            image.outcome.warnings.append(
                f"{image.declared.destination}: its digest is also used by "
                f"{', '.join((others + holders)[:20])}: a registry that deletes by digest only, "
                "as docker-registry 2.8 does, will refuse this"
            )

    def _refuse(self, others: list[str], holders: list[str], why: str) -> None:
        if others:
            raise RegistryError(
                f"{why}, which would take other tags of the same digest down with it: "
                f"{', '.join(others[:20])}; remove those too, or move them first"
            )
        if holders:
            raise RegistryError(
                f"{why}, and the image is part of the index under {', '.join(holders[:20])}"
            )

    def _delete_attached(self, digest: str, seen: set[str]) -> None:
        """Referrers, and theirs, and cosign's tags: they mean nothing without the image."""
        seen.add(digest)
        for referrer in self._repository.referrers(digest):
            holders = [t for t in self._usage.holding(referrer.digest) if t != as_tag(digest)]
            if referrer.digest in seen or self._usage.naming(referrer.digest) or holders:
                continue  # used elsewhere, it keeps what is attached to it
            self._delete_attached(referrer.digest, seen)
            self._repository.delete_manifest(referrer.digest)
        for suffix in _ATTACHED:
            attached = as_tag(digest) + suffix
            found = self._usage.tags.get(attached)
            if found:
                self._delete_tag(attached, found)

    def _delete_tag(self, tag: str, found: Descriptor) -> None:
        deleted = self._repository.delete_tag(tag)
        alone = self._usage.naming(found.digest) == [tag]
        if alone and not self._usage.holding(found.digest):
            self._repository.delete_manifest(found.digest)
        elif deleted is Deleted.UNSUPPORTED:
            return  # somebody gave it another tag: it isn't ours alone
        self._usage.forget_tag(tag)


def _order(image: Image) -> tuple[bool, bool]:
    """Tags before bare digests, and indexes first: what they keep alive can go in the same call."""
    is_index = image.previous is not None and image.previous.media_type in INDEXES
    return image.declared.destination.tag is None, not is_index


def _removed(image: Image) -> None:
    image.outcome.reason, image.outcome.changed = "removed", True
