# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``state: absent``: a tag goes, and its manifest unless something else uses it.

Deleting a manifest by its digest takes down every tag that names it, and docker-registry 2.8
deletes only so. Therefore all tags and indexes of the repository are looked at before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Callable, NamedTuple

from ..model.descriptor import Descriptor
from ..model.digest import as_tag, is_digest
from ..model.errors import ImageSyncError, InvalidContent, RegistryError
from ..model.reference import Reference
from ..stores.base import Deleted, Repository
from .image import Image
from .usage import Usage, Wanted
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
        wanted: Mapping[str, list[Wanted]],
        spares: Callable[[Reference], bool] | None = None,
    ) -> None:
        """In check mode all is looked at and nothing deleted.

        ``wanted``: what the call's other images made of each repository, by its name. ``spares``:
        what something else uses is kept, and no failure; so is what this is true of.
        """
        self._spares = spares
        self._wanted = wanted
        self._workers = workers
        self._check_mode = check_mode
        self._failed = failed

    def run(self, images: list[Image]) -> None:
        """Removes all of them; each one's outcome tells how that ended."""
        self.remove(self.look(images))

    def look(self, images: list[Image]) -> list[Image]:
        """Those that are there to be removed; the others' outcomes are known."""
        found = self._workers.map(self._look, images)
        return [image for image, there in zip(images, found) if there]

    def remove(self, images: list[Image]) -> None:
        """Removes what ``look`` has found."""
        groups = defaultdict(list)
        for image in images:
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
            usage = Usage(repository, self._workers, self._wanted.get(repository.name, ()))
            if self._spares:
                images = [image for image in images if not _has_moved(image, usage)]
            _check_list(usage, images)
        except (RegistryError, InvalidContent) as error:
            trouble = error
            for image in images:
                self._attempt(image, lambda image: self._remove_tag_only(image, trouble))
            return
        except ImageSyncError as error:
            for image in images:
                self._failed(image, error)
            return
        remover = _Remover(repository, usage, images, self._check_mode, self._spares)
        try:
            with repository.together():
                for image in sorted(images, key=lambda image: _order(image, usage)):
                    self._attempt(image, remover.remove)
        except ImageSyncError as error:
            for image in images:
                if image.outcome.reason == "removed":
                    image.outcome.reason, image.outcome.changed = "", False
                    self._failed(image, error)

    def _attempt(self, image: Image, remove: Callable[[Image], None]) -> None:
        try:
            remove(image)
        except ImageSyncError as error:
            self._failed(image, error)

    def _remove_tag_only(self, image: Image, trouble: ImageSyncError) -> None:
        """The tags can't be listed, or not rightly, so nobody knows what else uses the manifest."""
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


class _Uses(NamedTuple):
    """What a manifest is needed for: other tags that stay, indexes, images of the same call."""

    tags: list[str]
    holders: list[str]
    wanted: bool

    @property
    def any(self) -> bool:
        return bool(self.tags or self.holders or self.wanted)

    def refuse(self, why: str) -> None:
        """Raises RegistryError, if there is any."""
        if self.tags:
            raise RegistryError(
                f"{why}, which would take other tags of the same digest down with it: "
                f"{', '.join(self.tags[:20])}; remove those too, or move them first"
            )
        if self.holders:
            raise RegistryError(
                f"{why}, and the image is part of the index under {', '.join(self.holders[:20])}"
            )
        if self.wanted:
            raise RegistryError(
                f"{why}, and the image is, or is part of, one that is declared in this call"
            )

    def __str__(self) -> str:
        named = (self.tags + self.holders)[:20]
        return ", ".join(named) or "an image that is declared in this call"


class _Remover:
    """Removes single images of one repository, of which all uses are known.

    In check mode it does the same but for the deletions themselves.
    """

    def __init__(
        self,
        repository: Repository,
        usage: Usage,
        images: list[Image],
        check_mode: bool,
        spares: Callable[[Reference], bool] | None,
    ) -> None:
        self._repository, self._usage = repository, usage
        self._check_mode, self._spares = check_mode, spares
        self._going = {image.declared.destination.tag for image in images}

    def remove(self, image: Image) -> None:
        """Removes one image; raises ImageSyncError, with nothing lost, when it can't."""
        tag, digest = image.declared.destination.tag, image.outcome.previous_digest
        usage = self._usage
        if digest in usage.gone or (tag and tag not in usage.tags):
            _removed(image)  # it went with another image of the call
            return
        uses = self._uses(digest)
        if tag is None and uses.any and self._spares:
            image.outcome.reason = "kept"
            return
        if tag is None:
            uses.refuse("it is deleted by digest")
        # all that has to be read is read before the first deletion
        attached = [] if uses.any else self._attached(image, digest)
        untagged = False
        if tag:
            # the tag first: if that is denied, nothing has been lost yet
            untagged = self._untag(tag) is not Deleted.UNSUPPORTED
            if untagged:
                usage.forget_tag(tag)
                self._foresee(image, uses)
            elif uses.any and self._spares:
                _kept(image, f"this registry deletes by digest only, and {uses} use it")
                return
            else:
                uses.refuse("this registry deletes by digest only")
        if not uses.any and not (untagged and usage.naming(digest)):
            self._delete_all(image, [digest, *attached], untagged)
        _removed(image)

    def _uses(self, digest: str) -> _Uses:
        return _Uses(
            [tag for tag in self._usage.naming(digest) if tag not in self._going],
            self._usage.holding(digest),
            self._usage.wanted(digest),
        )

    def _foresee(self, image: Image, uses: _Uses) -> None:
        """No request that only reads tells whether a registry deletes by tag; a folder does."""
        if self._check_mode and uses.any and not image.declared.destination.transport:
            image.outcome.warnings.append(
                f"{image.declared.destination}: its digest is also used by {uses}: a registry "
                "that deletes by digest only, as docker-registry 2.8 does, will refuse this"
            )

    def _attached(self, image: Image, digest: str) -> list[str]:
        """Referrers, and theirs, and cosign's tags: they mean nothing without the image."""
        subjects: list[str] = []
        pending = [digest]
        while pending:
            subject = pending.pop(0)
            subjects.append(subject)
            for referrer in self._usage.referrers(subject):
                known = referrer.digest in subjects or referrer.digest in pending
                if not known and not self._elsewhere(referrer, subject):
                    pending.append(referrer.digest)
        tags = (as_tag(subject) + suffix for subject in subjects for suffix in _ATTACHED)
        there = self._usage.tags
        pointers = subjects[:0:-1] + [
            tag for tag in tags if tag in there and not self._usage.wanted(there[tag].digest)
        ]
        return [pointer for pointer in pointers if not self._is_spared(image, pointer)]

    def _is_spared(self, image: Image, pointer: str) -> bool:
        tag, digest = (None, pointer) if is_digest(pointer) else (pointer, None)
        place = image.declared.destination._replace(tag=tag, digest=digest)
        return bool(self._spares and self._spares(place))

    def _elsewhere(self, referrer: Descriptor, subject: str) -> bool:
        """Used by others, it stays, and keeps what is attached to it."""
        usage = self._usage
        holders = [tag for tag in usage.holding(referrer.digest) if tag != as_tag(subject)]
        return bool(holders or usage.naming(referrer.digest) or usage.wanted(referrer.digest))

    def _delete_all(self, image: Image, pointers: list[str], untagged: bool) -> None:
        """Once anything is gone, what is refused is told in a warning: the tag won't be back."""
        for number, pointer in enumerate(pointers):
            try:
                if is_digest(pointer):
                    self._delete(pointer)
                else:
                    self._delete_tag(pointer, pointers)
            except ImageSyncError as error:
                if not (untagged or number):
                    raise
                image.outcome.warnings.append(
                    f"{image.declared.destination} was removed, but kept in the registry were "
                    f"{', '.join(pointers[number:][:20])}: {error}"
                )
                return

    def _delete_tag(self, tag: str, going: list[str]) -> None:
        """A tag of something attached, and that itself unless it is used elsewhere.

        ``going``: the tags that go as well, and so don't keep it.
        """
        found = self._usage.tags.get(tag)
        if found is None:
            return
        others = [name for name in self._usage.naming(found.digest) if name != tag]
        ours = all(name in going for name in others) and not self._usage.holding(found.digest)
        untagged = self._untag(tag) is not Deleted.UNSUPPORTED
        if ours and not (untagged and others):  # else it goes with the last of its tags
            self._delete(found.digest)
        if untagged:
            self._usage.forget_tag(tag)

    def _untag(self, tag: str) -> Deleted:
        return Deleted.DELETED if self._check_mode else self._repository.delete_tag(tag)

    def _delete(self, digest: str) -> None:
        if not self._check_mode:
            self._repository.delete_manifest(digest)
        self._usage.forget(digest)


def _has_moved(image: Image, usage: Usage) -> bool:
    """Somebody gave its tag to another image in the meantime."""
    found = usage.tags.get(image.declared.destination.tag or "")
    moved = found is not None and found.digest != image.outcome.previous_digest
    if moved:
        _kept(image, "it names another digest than a moment ago")
    return moved


def _check_list(usage: Usage, images: list[Image]) -> None:
    """A list that lacks what is there may lack other tags too; raises InvalidContent."""
    for image in images:
        tag, digest = image.declared.destination.tag, image.outcome.previous_digest
        if tag and tag not in usage.tags:
            raise InvalidContent(
                f"{image.repository.name}: the tag list doesn't name {tag}, which is there, so "
                "it can't be trusted"
            )
        if tag and usage.tags[tag].digest != digest:
            raise InvalidContent(
                f"{image.repository.name}: {tag} names another digest than a moment ago"
            )


def _order(image: Image, usage: Usage) -> tuple[bool, int]:
    """Tags before bare digests, and indexes before what they keep alive: all may go in one call."""
    return image.declared.destination.tag is None, len(usage.above(image.outcome.previous_digest))


def _kept(image: Image, why: str) -> None:
    image.outcome.reason = "kept"
    image.outcome.warnings.append(f"{image.declared.destination} was kept: {why}")


def _removed(image: Image) -> None:
    image.outcome.reason, image.outcome.changed = "removed", True
