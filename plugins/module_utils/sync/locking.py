# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock during a call: what it says of images, and what it learns of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..model.errors import InvalidInput
from ..model.lock import Lock, Locked
from ..model.reference import Reference, parse_reference
from .declared import Everything, Several
from .image import Image

if TYPE_CHECKING:
    from .lock_file import LockFile

MODES = ("update", "frozen")
#: the image is at its place, and is what its source names
_THERE = ("absent", "digest_differs", "in_sync", "incomplete", "referrers_missing")


class Locking(NamedTuple):
    """``lock``: None where there is none. ``file``: where it is kept, if not by the caller."""

    lock: Lock | None = None
    frozen: bool = False
    file: LockFile | None = None

    def prepare(self, image: Image) -> None:
        """Tells an image what the lock has of it; raises InvalidInput in a frozen call."""
        if self.lock is None or image.declared.source is None:
            return
        locked = self.lock.images.get(image.outcome.destination)
        if locked and locked.source == image.outcome.source:
            image.locked = locked
        image.frozen = self.frozen
        if self.frozen and not image.locked and not image.declared.immutable:
            other = f" (it is there from {locked.source})" if locked else ""
            raise InvalidInput(
                f"{image.outcome.source} for {image.outcome.destination} isn't in the lock{other}, "
                "and lock_mode is frozen: run once with lock_mode: update"
            )

    def tags(self, several: Several) -> list[str]:
        """The tags of an entry's source that are locked for its destination.

        Raises InvalidInput where there is none, unless the filter allows that.
        """
        source, found = several.base.source, []
        for key, locked in (self.lock.images if self.lock else {}).items():
            place = parse_reference(locked.source)
            same = source is not None and place.name == source.name and place.tag
            tag = source.tag_of(place.tag) if same and source and place.tag else ""
            everything = isinstance(several, Everything)
            if tag and (everything or str(several.at(tag).destination) == key):
                found.append(tag)
        if not found and not several.selection.filter.allow_empty:
            raise InvalidInput(
                f"nothing of {source} is locked for {several.base.destination}, and lock_mode is "
                "frozen"
            )
        return found

    def others(self) -> tuple[Reference, ...]:
        """What another run has put into the file, or changed there, since it was read.

        Raises InvalidInput where it can't be read any more.
        """
        now = self.file.load() if self.file and self.lock else None
        if now is None or self.lock is None:
            return ()
        before = self.lock.before
        return tuple(
            parse_reference(key) for key, locked in now.images.items() if before.get(key) != locked
        )

    def save(self) -> list[str]:
        """Writes the file, if there is one and something changed; returns warnings.

        Raises InvalidInput, and then nothing has changed.
        """
        if not (self.file and self.lock and self.lock.changed):
            return []
        try:
            return self.file.update(self.lock)
        except InvalidInput:
            self.lock.images = dict(self.lock.before)
            raise

    def learn(self, images: Iterable[Image]) -> None:
        """What became of the images; a failed or staged one keeps what the lock had."""
        if self.lock is None:
            return
        for image in images:
            outcome, key = image.outcome, image.outcome.destination
            if image.declared.state == "absent":
                if outcome.reason == "removed" or (
                    outcome.reason == "in_sync" and not outcome.warnings
                ):
                    self.lock.images.pop(key, None)
            elif image.declared.state == "staged" and outcome.previous_digest != outcome.digest:
                continue  # also where it was repaired, its tag is as it was
            elif (
                outcome.reason in _THERE
                and not outcome.failed
                and outcome.source_digest
                and outcome.id
            ):
                self.lock.images[key] = self._entry(image)

    def restore(self, destinations: Iterable[str]) -> None:
        """These aren't gone after all."""
        for key in destinations if self.lock else ():
            old = self.lock.before.get(key) if self.lock else None
            if self.lock and old:
                self.lock.images[key] = old

    def _entry(self, image: Image) -> Locked:
        outcome = image.outcome
        old = self.lock.images.get(outcome.destination) if self.lock else None
        platforms = tuple(outcome.platforms)
        if not platforms and old and old.digest == outcome.digest:
            platforms = old.platforms  # an image in sync isn't read
        return Locked(
            outcome.source,
            outcome.source_digest,
            outcome.digest,
            outcome.media_type or (old.media_type if old and old.digest == outcome.digest else ""),
            platforms,
        )


NO_LOCK = Locking()
