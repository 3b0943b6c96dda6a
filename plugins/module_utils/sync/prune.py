# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``prune``: what is at the destinations and isn't declared any more goes.

With a lock, what it says we put there; without one, every other tag of the repositories that the
call writes to. All of it is looked at before the first deletion.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, NotFound
from ..model.lock import Lock, Locked
from ..model.reference import Reference, parse_reference
from ..stores.base import Repository
from ..stores.places import Places
from .declared import Declared
from .image import Image
from .pruned import Pruned, PruneOptions
from .removal import Removal
from .untagged import keep_by_digest
from .usage import Wanted
from .workers import Workers

#: how the removal ends of what needs no further thought
_DECIDED = ("removed", "in_sync", "kept")
#: tags of what belongs to another image: OCI's tag schema, and cosign's
_ATTACHED = re.compile(r"sha(?:256|384|512)-[0-9a-f]{64,128}(?:\.[a-z]+)?")
#: those that tell the whole digest
_OF_DIGEST = re.compile(r"sha256-([0-9a-f]{64})(?:\.[a-z]+)?")


class Pruning:
    """Finds and deletes what isn't declared; for calls in which everything else went well."""

    def __init__(
        self,
        options: PruneOptions,
        lock: Lock | None,
        places: Places,
        workers: Workers,
        check_mode: bool,
    ) -> None:
        """``lock`` forgets what is deleted, and what is gone or not ours any more."""
        self._options, self._lock, self._places = options, lock, places
        self._declared = [places.real(one) for one in options.declared]
        self._workers, self._check_mode = workers, check_mode
        self._warnings: list[str] = []
        self._errors: list[str] = []
        self._left: list[Image] = []
        #: what the call reads from: names and tags
        self._sources: set[tuple[str, str | None]] = set()
        #: where it keeps what its tags named before
        self._backups: set[tuple[str, str | None]] = set()

    def run(self, images: list[Image], users: Mapping[str, list[Wanted]]) -> Pruned:
        """``images``: those of the call; ``users``: what they use in each repository."""
        self._note_uses(images)
        if self._options.mode == "lock":
            # what a tag has left behind may be locked by its digest, too
            places = dict.fromkeys([*self._undeclared_in_lock(images), *self._left_behind(images)])
            candidates = [self._unwanted(place) for place in places]
        else:
            candidates = self._other_tags(images, users)
        staying = self._staying(images, candidates)
        removal = Removal(
            self._workers,
            self._check_mode,
            self._note,
            self._with_digests(users, images, staying),
            self._is_kept,
        )
        there = removal.look(candidates)
        if self._errors or self._left:
            self._errors += ["nothing was pruned"] if self._errors else []
            return Pruned([], self._warnings, self._errors, len(self._left))
        going = [image for image in there if self._is_ours(image)]
        if len(going) > self._options.limit:
            names = [str(image.declared.destination) for image in going[:20]]
            names += ["..."] if len(going) > len(names) else []
            count = f"{len(going)} {'image' if len(going) == 1 else 'images'}"
            self._errors.append(
                f"{count} would be pruned, and prune_limit is {self._options.limit}: "
                f"nothing was deleted. Raise it if they may go: {', '.join(names)}"
            )
            return Pruned([], self._warnings, self._errors)
        removal.remove(going)
        deleted = self._conclude(candidates)
        if not self._check_mode:
            with contextlib.suppress(Cancelled):  # then nothing is swept
                self._errors += keep_by_digest(staying, self._places)
        decided = {i.outcome.destination for i in candidates if i.outcome.reason in _DECIDED}
        return Pruned(deleted, self._warnings, self._errors, len(self._left), frozenset(decided))

    def remember(self, images: list[Image], decided: Collection[str]) -> None:
        """Locks by their digests what moved tags have left behind and wasn't ``decided`` on.

        The next run has nothing else that tells: the tags' own entries are about what they name
        now. To that run it is what isn't declared any more.
        """
        if self._lock is None or self._options.mode != "lock":
            return
        self._note_uses(images)
        held = {
            (parse_reference(key).name, locked.digest) for key, locked in self._lock.images.items()
        }
        for place, old in self._left_behind(images).items():
            if str(place) not in decided and (place.name, old.digest) not in held:
                source = parse_reference(old.source)._replace(tag=None, digest=old.source_digest)
                self._lock.images[str(place)] = old._replace(source=str(source))

    def _note_uses(self, images: list[Image]) -> None:
        real = self._places.real
        sources = [image.declared.source for image in images]
        self._sources = {(real(one).name, one.tag) for one in sources if one and one.tag}
        backups = [image.declared.backup for image in images]
        self._backups = {(real(one).name, one.tag) for one in backups if one}

    # what may go

    def _undeclared_in_lock(self, images: list[Image]) -> list[Reference]:
        known = {image.outcome.destination for image in images}
        places = {image.declared.place for image in images}
        in_use = {(image.declared.destination.name, image.outcome.digest) for image in images}
        on_disk = {
            (self._places.real(image.declared.destination).name, image.declared.place[1]): image
            for image in images
            if image.declared.destination.transport
        }
        found = []
        for key, locked in list(self._lock.images.items() if self._lock else ()):
            place = parse_reference(key)
            if key in known or self._is_kept(place):
                continue
            if (place.name, place.tag or place.digest) in places:
                # the same tag, written with another digest or without: that alone may go
                self._forget(key)
                place = place._replace(tag=None, digest=locked.digest)
            there = on_disk.get((self._places.real(place).name, place.tag or place.digest or ""))
            if there:
                self._keep_alias(place, f"{there.outcome.destination} is the same place, and")
            if there or self._is_alias(place, places):
                continue
            if not place.tag and (place.name, place.digest) in in_use:
                continue  # a tag has come back to it
            found.append(place)
        return found

    def _is_alias(self, place: Reference, wanted: Iterable[tuple[str, str]]) -> bool:
        """Whether it is, by another name of its registry, what the call wants."""
        pointer = place.tag or place.digest or ""
        for name, other in () if place.transport else wanted:
            registry, _slash, repository = name.partition("/")
            same = (repository, other) == (place.repository, pointer)
            if same and self._places.may_be_one(place.registry, registry):
                self._keep_alias(place, f"{registry} may be the same registry, and {name}")
                return True
        return False

    def _keep_alias(self, place: Reference, why: str) -> None:
        self._warnings.append(f"{place} isn't declared any more and was kept: {why} is declared")
        self._forget(str(place))

    def _left_behind(self, images: list[Image]) -> dict[Reference, Locked]:
        """The digests that moved tags named before, where it was we who put them there."""
        before = self._lock.before if self._lock else {}
        found = {}
        for image in images:
            outcome = image.outcome
            old = before.get(outcome.destination)
            if outcome.backup:
                continue
            if outcome.reason == "digest_differs" and old and old.digest == outcome.previous_digest:
                place = image.declared.destination._replace(tag=None, digest=old.digest)
                if not self._is_kept(place) and not self._is_kept(image.declared.destination, True):
                    found[place] = old
        return found

    def _other_tags(self, images: list[Image], users: Mapping[str, list[Wanted]]) -> list[Image]:
        wanted = {(i.declared.destination.name, i.declared.destination.tag) for i in images}
        repositories = {i.repository.name: i for i in images if i.declared.state != "absent"}
        found = []
        for name, image in sorted(repositories.items()):
            tags = sorted(image.repository.tags())
            orphans = self._orphans(image.repository, tags, users.get(name, ()))
            for tag in tags:
                place = image.declared.destination._replace(tag=tag, digest=None)
                attached = _ATTACHED.fullmatch(tag) and tag not in orphans
                known = (name, tag) in wanted or attached
                if not known and not self._is_kept(place):
                    found.append(self._unwanted(place))
        return found

    def _orphans(
        self, repository: Repository, tags: Iterable[str], users: Iterable[Wanted]
    ) -> set[str]:
        """Tags of what belonged to images that aren't there any more, by their digest neither."""
        of: dict[str, list[str]] = {}
        for tag in tags:
            found = _OF_DIGEST.fullmatch(tag)
            if found:
                of.setdefault(f"sha256:{found.group(1)}", []).append(tag)
        for user in users:  # in check mode they may not be there yet
            of.pop(user.top.digest, None)
            for manifest in user.manifests:
                of.pop(manifest.digest, None)
        there = self._workers.map(lambda digest: _is_there(repository, digest), of)
        return {tag for own, found in zip(of.values(), there) if not found for tag in own}

    def _is_kept(self, place: Reference, protected_only: bool = False) -> bool:
        """Whether it is declared elsewhere, protected, a backup, or what the call reads from."""
        real = self._places.real(place)
        names = {str(place), str(real)}
        if any(pattern.search(name) for pattern in self._options.protect for name in names):
            return True
        if protected_only:
            return False
        return (real.name, place.tag) in self._sources | self._backups or any(
            other.covers(real) for other in self._declared
        )

    def _unwanted(self, place: Reference) -> Image:
        declared = Declared("", None, place, "absent", "replace", False)
        return Image(declared, self._places.repository(place, write=not self._check_mode), None)

    # what goes

    def _is_ours(self, image: Image) -> bool:
        locked = self._lock.images.get(image.outcome.destination) if self._lock else None
        if self._options.mode != "lock" or image.declared.destination.tag is None:
            return True
        if locked and locked.digest == image.outcome.previous_digest:
            return True
        self._warnings.append(
            f"{image.outcome.destination} isn't declared any more and was kept: it names "
            f"{image.outcome.previous_digest}, which isn't what the lock says was put there"
        )
        self._forget(image.outcome.destination)
        return False

    def _conclude(self, candidates: list[Image]) -> list[dict[str, str]]:
        deleted = []
        for image in candidates:
            outcome = image.outcome
            self._warnings += outcome.warnings
            if outcome.reason == "removed":
                deleted.append(
                    {"destination": outcome.destination, "digest": outcome.previous_digest}
                )
            if outcome.reason in ("removed", "in_sync"):
                self._forget(outcome.destination)
        return deleted

    def _forget(self, destination: str) -> None:
        if self._lock:
            self._lock.images.pop(destination, None)

    def _note(self, image: Image, error: ImageSyncError) -> None:
        image.outcome.fail(str(error))
        if isinstance(error, Cancelled):
            self._left.append(image)
            return
        self._errors.append(f"pruning {image.outcome.destination}: {error}")

    def _staying(self, images: list[Image], candidates: list[Image]) -> list[Reference]:
        """What stays by its digest: declared elsewhere so, locked so, or read so by this call."""
        going = {image.outcome.destination for image in candidates}
        locked = [parse_reference(key) for key in self._lock.images] if self._lock else []
        staying = {other for other in locked if not other.tag and str(other) not in going}
        staying.update(other for other in self._options.declared if other.digest)
        sources = [image.declared.source for image in images]
        staying.update(one._replace(tag=None) for one in sources if one and one.digest)
        return sorted(staying, key=str)

    def _with_digests(
        self, users: Mapping[str, list[Wanted]], images: list[Image], staying: Iterable[Reference]
    ) -> dict[str, list[Wanted]]:
        """With what stays by its digest, and what was read: no tag would show it."""
        read = {(i.declared.source, i.outcome.source_digest) for i in images}
        found = {name: list(wanted) for name, wanted in users.items()}
        for other, digest in [*((one, one.digest) for one in staying), *read]:
            if other and digest:
                wanted = Wanted(None, Descriptor("", digest, 0), ())
                name = self._places.repository(other).name if other.transport else other.name
                found.setdefault(name, []).append(wanted)
        return found


def _is_there(repository: Repository, digest: str) -> bool:
    """Also what isn't whole, as a layout may have it: it isn't gone."""
    if repository.resolve(digest):
        return True
    try:
        repository.manifest(digest)
    except NotFound:
        return False
    except InvalidContent:
        pass
    return True
