# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call from its beginning to its end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidInput, NothingLeft
from ..model.manifest import Manifest
from ..model.reference import Reference, parse_reference
from ..stores.base import Repository, Written
from ..stores.places import Places
from ..transport.client import Network
from ..transport.settings import Settings
from .backup import check_backups
from .declared import Declared, Entry, Everything, Several
from .deltas import Baseline, BaseMissing, Deltas
from .expand import Expansion
from .image import Image
from .limits import NO_LIMITS, Limits, TooMuch
from .locking import NO_LOCK, Locking
from .outcome import Report
from .progress import COMPARE, COPY, LIST, REMOVE, State, reported
from .pruned import NO_PRUNING, Pruned, PruneOptions
from .resuming import settle_again
from .steps import Steps, read_public_keys
from .stop import Stop, end_after
from .survey import Survey
from .totals import Totals
from .untagged import keep_untagged
from .workers import Workers

if TYPE_CHECKING:
    from .prune import Pruning
    from .usage import Wanted


def sync(
    declared: list[Entry],
    settings: Settings,
    check_mode: bool = False,
    fail_fast: bool = False,
    stop: Stop | None = None,
    limits: Limits = NO_LIMITS,
    locking: Locking = NO_LOCK,
    prune: PruneOptions = NO_PRUNING,
    baseline: Baseline | None = None,
    progress_file: str | None = None,
) -> Report:
    """Makes every declared image so, or in check mode tells what that would take.

    A failed image doesn't stop the others, unless ``fail_fast``; failures are in the report.
    """
    call = _Call(
        declared,
        settings,
        check_mode,
        fail_fast,
        stop or Stop(),
        limits,
        locking,
        prune,
        baseline,
    )
    try:
        with reported(progress_file, call.state, call.scrub):
            call.run()
    finally:
        call.close()
    return call.report()


class _Call:
    def __init__(
        self,
        declared: list[Entry],
        settings: Settings,
        check_mode: bool,
        fail_fast: bool,
        stop: Stop,
        limits: Limits,
        locking: Locking,
        prune: PruneOptions,
        baseline: Baseline | None,
    ) -> None:
        self._began = time.monotonic()
        self._keys = read_public_keys(key for entry in declared for key in _signed_by(entry))
        self._network = Network(settings)
        #: makes a text fit to be shown
        self.scrub = self._network.scrub
        self._stop = stop
        stop.watch(self._network.pace)
        self._workers = Workers(settings.concurrency, lambda: stop.requested)
        self._check_mode, self._fail_fast = check_mode, fail_fast
        self._lock = threading.Lock()
        self._limits, self._locking, self._prune = limits, locking, prune
        self._baseline = baseline
        self._pruned = Pruned([], [], [])
        self._takes_everything = [entry for entry in declared if isinstance(entry, Everything)]
        self._prune_open = prune.mode != "none"
        self._timer: threading.Timer | None = None
        self._ended = ""
        self._stage = LIST
        self._totals = Totals()
        self._places = Places(self._network)
        self._expansion = Expansion(
            declared, self._opened, settings, locking.tags if locking.frozen else None
        )
        self._images = self._expansion.images

    def _opened(self, declared: Declared) -> Image:
        return Image(
            declared,
            self._places.repository(declared.destination, write=not self._check_mode),
            self._places.source(declared.source) if declared.source else None,
        )

    def run(self) -> None:
        self._timer = end_after(self._limits.deadline, self._stop)
        try:
            self._images = self._expansion.run(self._workers, self._failed)
            if self._network.pace.cancelled:
                return
            deltas = Deltas(self._workers, self._failed, self._baseline)
            steps = Steps(self._workers, self._failed)
            fresh, wanted, unwanted = self._images, list[Image](), list[Image]()
            while fresh:
                unwanted += [i for i in fresh if i.open and i.declared.state == "absent"]
                wanted += self._compare(fresh, deltas, steps)
                fresh = self._refilled()
            deltas.leave_out(wanted)
            steps.prove(wanted)
            steps.find_attached(wanted)
            changes = [i for i in wanted if i.open and (i.top or i.attached)]
            deltas.check(wanted, not self._check_mode)
            # the transfer lets go of them
            removes = unwanted or self._prune.mode != "none"
            manifests = {id(i): tuple(i.tree.values()) for i in changes if removes}
            if not self._network.pace.cancelled:
                self._stage = COPY
                self._transfer(changes)
            if removes and not self._network.pace.cancelled:
                self._stage = REMOVE
                # last, so that a digest that a tag has just left counts as free
                self._remove(unwanted, wanted, manifests)
        except (TooMuch, BaseMissing) as error:
            self._ended = str(error)
        except Cancelled:
            pass
        if not self._check_mode and not self._ended:
            self._round_off()
            self._finish()

    def _compare(self, images: list[Image], deltas: Deltas, steps: Steps) -> list[Image]:
        """Decides each image, or finds out what it lacks; returns all but those to be removed."""
        check_backups((i.declared for i in self._images), self._prune.declared)
        self._look_into_lock(images)
        self._stage = COMPARE
        wanted = [i for i in images if i.open and i.declared.state != "absent"]
        deltas.prepare(wanted)
        Survey(self._workers, self._failed).run([i for i in wanted if i.open])
        steps.verify(wanted, self._keys)
        steps.keep_young_ones_back(wanted)
        return wanted

    def _refilled(self) -> list[Image]:
        """The images that come in place of those that are too young."""
        known = {id(image) for image in self._images}
        if self._network.pace.cancelled:
            return []
        self._images = self._expansion.refill() or self._images
        return [image for image in self._images if id(image) not in known]

    def _transfer(self, changes: list[Image]) -> None:
        if not changes:
            return
        from .transfer import Transfer  # see steps.py

        transfer = Transfer(self._workers, self._check_mode, self._failed, self._limits.max_bytes)
        self._totals = transfer.totals
        transfer.run(changes)

    def _remove(
        self,
        unwanted: list[Image],
        wanted: list[Image],
        manifests: dict[int, tuple[Manifest, ...]],
    ) -> None:
        from .removal import Removal  # see steps.py

        users = _users(wanted, manifests)
        Removal(self._workers, self._check_mode, self._failed, users).run(unwanted)
        self._prune_rest(users)

    def _round_off(self) -> None:
        """Also of a call that ends early: what has moved or gone may have left others behind."""
        wanted = [image for image in self._images if image.declared.state != "absent"]
        removes = self._prune.mode != "none" or len(wanted) < len(self._images)
        try:
            kept = keep_untagged(wanted, self._prune.declared, self._places)
            self._pruned.errors.extend(kept)
            failed = any(image.outcome.failed for image in self._images) or self._pruned.errors
            if removes and not failed and not self._network.pace.cancelled:
                self._pruned.warnings.extend(self._places.sweep())
        except Cancelled:
            pass

    def _finish(self) -> None:
        """Places that are written as a whole, such as archives, are written now."""
        for repository, error in self._places.finish():
            self._not_pruned(repository, error)
            for image in self._images:
                outcome = image.outcome
                if image.repository is repository and outcome.changed and not outcome.failed:
                    outcome.changed = False
                    outcome.fail(self._network.scrub(str(error)))

    def _not_pruned(self, repository: Repository, error: ImageSyncError) -> None:
        """What was to be deleted there is there as before, and locked."""
        pruned = [(one, parse_reference(one["destination"])) for one in self._pruned.deleted]
        left = [one for one, place in pruned if self._places.repository(place) is repository]
        if left:
            self._pruned.deleted[:] = [one for one in self._pruned.deleted if one not in left]
            self._pruned.errors.append(f"pruning failed: {error}")
            self._locking.restore(one["destination"] for one in left)

    def state(self) -> State:
        """How far the call is, asked while it runs."""
        totals = self._totals
        planned = totals.bytes_planned - totals.bytes_spared
        # what had to be sent again isn't more of what was to be sent
        sent = totals.bytes_uploaded if self._check_mode else self._network.bytes_uploaded
        return State(self._stage, self._images, min(sent, planned), planned)

    def _look_into_lock(self, images: list[Image]) -> None:
        for image in images:
            settle_again(image)
            try:
                if image.open:
                    self._locking.prepare(image)
            except InvalidInput as error:
                self._failed(image, error)

    def _prune_rest(self, users: dict[str, list[Wanted]]) -> None:
        if self._prune.mode == "none":
            return
        if any(image.open or not image.outcome.settled for image in self._images):
            self._prune_open = False
            self._pruned.warnings.append("nothing was pruned, as not all images are at their place")
            return
        sources = [entry.base.source for entry in self._takes_everything]
        if any(source and self._places.repository(source).base() for source in sources):
            self._prune_open = False
            self._pruned.warnings.append(
                "nothing was pruned, as a delta bundle doesn't tell what isn't wanted any more"
            )
            return
        try:
            declared = self._prune.declared + self._locking.others()
            self._pruned = self._pruning(declared).run(self._images, users)
        except Cancelled:
            raise
        except ImageSyncError as error:
            self._pruned.errors.append(f"pruning failed: {error}")
        self._prune_open = self._pruned.left > 0

    def _pruning(self, declared: tuple[Reference, ...]) -> Pruning:
        from .prune import Pruning  # see steps.py

        options, lock = self._prune._replace(declared=declared), self._locking.lock
        return Pruning(options, lock, self._places, self._workers, self._check_mode)

    def _save_lock(self) -> None:
        self._locking.learn(self._images)
        if self._prune.mode == "lock":
            self._pruning(self._prune.declared).remember(self._images, self._pruned.decided)
        try:
            if not self._check_mode:
                self._pruned.warnings.extend(self._locking.save())
        except InvalidInput as error:
            self._pruned.errors.append(str(error))

    def _failed(self, image: Image, error: ImageSyncError) -> None:
        with self._lock:
            if isinstance(error, Cancelled) or not image.open:
                return
            message = self.scrub(str(error))
            if isinstance(error, NothingLeft):
                image.give_up(message)
                return
            image.fail(error, message)
        if self._fail_fast:
            self._network.pace.cancel()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._network.pace.cancel()
        self._workers.close()
        if self._workers.ended:  # else one may still be at work there
            self._places.close()
        self._network.close()

    def report(self) -> Report:
        ended = self._ended or self._stop.why or "another image failed, and fail_fast is set"
        for image in self._images:
            if image.open:
                image.give_up(ended)
        if self._prune_open and all(image.outcome.settled for image in self._images):
            self._pruned.errors.append(f"pruning was not done{self._rest()}: {ended}")
        self._save_lock()
        scrub = self.scrub
        return Report(
            [image.outcome for image in self._images],
            self._stats(),
            dict(sorted(self._network.keychain.kinds.items())),
            self._network.quotas.told(),
            [scrub(warning) for warning in self._warnings()],
            self._pruned.deleted,
            [scrub(error) for error in self._pruned.errors],
            self._locking.lock,
            self._check_mode,
        )

    def _rest(self) -> str:
        left = self._pruned.left
        return f" for {left} {'image' if left == 1 else 'images'}" if left else ""

    def _stats(self) -> dict[str, Any]:
        network, counts = self._network, self._totals.counts
        downloaded, uploaded = network.bytes_downloaded, network.bytes_uploaded
        if self._check_mode:  # beside what it had to read itself
            downloaded += self._totals.bytes_downloaded
            uploaded = self._totals.bytes_uploaded
        return {
            "seconds": round(time.monotonic() - self._began, 3),
            "bytes_downloaded": downloaded,
            "bytes_uploaded": uploaded,
            "blobs_copied": counts[Written.COPIED],
            "blobs_mounted": counts[Written.MOUNTED],
            "blobs_present": counts[Written.PRESENT],
            "requests": dict(sorted(network.requests.items())),
            "retries": network.retrier.count,
        }

    def _warnings(self) -> list[str]:
        own = [warning for image in self._images for warning in image.outcome.warnings]
        return self._network.warnings() + own + self._pruned.warnings


def _signed_by(entry: Entry) -> tuple[str, ...]:
    return (entry.base if isinstance(entry, Several) else entry).signed_by


def _users(
    wanted: list[Image], manifests: dict[int, tuple[Manifest, ...]]
) -> dict[str, list[Wanted]]:
    """Of each repository: what the call wants there, and has or in check mode would have."""
    from .usage import Wanted  # see steps.py

    found: dict[str, list[Wanted]] = {}
    for image in wanted:
        outcome = image.outcome
        if outcome.digest and not outcome.failed:
            top = Descriptor(outcome.media_type, outcome.digest, 0)
            user = Wanted(image.tag, top, manifests.get(id(image), ()))
            users = found.setdefault(image.repository.name, [])
            users.append(user)
            if outcome.backup and image.previous and image.declared.backup:
                users.append(Wanted(image.declared.backup.tag, image.previous, ()))
    return found
