# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call from its beginning to its end."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, NothingLeft
from ..model.manifest import Manifest
from ..model.sizes import format_span
from ..stores.base import Written
from ..stores.places import Places
from ..transport.client import Network
from ..transport.retry import Pace
from ..transport.settings import Settings
from .attached import Attachments
from .declared import Declared
from .image import Image
from .integrity import Integrity
from .limits import NO_LIMITS, Limits, TooMuch
from .outcome import Report
from .removal import Removal
from .survey import Survey
from .transfer import Totals, Transfer
from .usage import Wanted
from .workers import Workers


class Stop:
    """Ends a call from outside, once: what is done stays done and is reported."""

    def __init__(self) -> None:
        self.requested = False
        self.why = ""
        self._pace: Pace | None = None

    def watch(self, pace: Pace) -> None:
        """The call whose waits and requests are to end."""
        self._pace = pace
        if self.requested:
            pace.cancel()

    def request(self, why: str = "the task was told to end (SIGTERM)") -> None:
        """From a thread of its own: a signal may come while the main thread holds a lock."""
        self.why = self.why or why
        self.requested = True
        if self._pace:
            self._pace.cancel()


def sync(
    declared: list[Declared],
    settings: Settings,
    check_mode: bool = False,
    fail_fast: bool = False,
    stop: Stop | None = None,
    limits: Limits = NO_LIMITS,
) -> Report:
    """Makes every declared image so, or in check mode tells what that would take.

    A failed image doesn't stop the others, unless ``fail_fast``; failures are in the report.
    """
    call = _Call(declared, settings, check_mode, fail_fast, stop or Stop(), limits)
    try:
        call.run()
    finally:
        call.close()
    return call.report()


class _Call:
    def __init__(
        self,
        declared: list[Declared],
        settings: Settings,
        check_mode: bool,
        fail_fast: bool,
        stop: Stop,
        limits: Limits,
    ) -> None:
        self._began = time.monotonic()
        self._network = Network(settings)
        self._stop = stop
        stop.watch(self._network.pace)
        self._workers = Workers(settings.concurrency, lambda: stop.requested)
        self._check_mode, self._fail_fast = check_mode, fail_fast
        self._lock = threading.Lock()
        self._limits = limits
        self._timer = _deadline(limits.deadline, stop)
        self._ended = ""
        self._totals = Totals()
        places = Places(self._network)
        self._images = [
            Image(
                d,
                places.repository(d.destination, write=not check_mode),
                places.repository(d.source) if d.source else None,
            )
            for d in declared
        ]

    def run(self) -> None:
        wanted = [i for i in self._images if i.declared.state != "absent"]
        unwanted = [i for i in self._images if i.declared.state == "absent"]
        try:
            Survey(self._workers, self._failed).run(wanted)
            Integrity(self._workers, self._failed).run(wanted)
            changes = Attachments(self._workers, self._failed).run(wanted)
            # the transfer lets go of them
            manifests = {id(i): tuple(i.tree.values()) for i in changes if unwanted}
            if not self._network.pace.cancelled:
                transfer = Transfer(
                    self._workers, self._check_mode, self._failed, self._limits.max_bytes
                )
                self._totals = transfer.totals
                transfer.run(changes)
            if unwanted and not self._network.pace.cancelled:
                # last, so that a digest that a tag has just left counts as free
                users = _users(wanted, manifests)
                Removal(self._workers, self._check_mode, self._failed, users).run(unwanted)
        except TooMuch as error:
            self._ended = str(error)
        except Cancelled:
            pass

    def _failed(self, image: Image, error: ImageSyncError) -> None:
        with self._lock:
            if isinstance(error, Cancelled) or not image.open:
                return
            message = self._network.scrub(str(error))
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
        self._network.close()

    def report(self) -> Report:
        ended = self._ended or self._stop.why or "another image failed, and fail_fast is set"
        for image in self._images:
            if image.open:
                image.give_up(ended)
        return Report(
            [image.outcome for image in self._images],
            self._stats(),
            dict(sorted(self._network.keychain.kinds.items())),
            self._network.quotas.told(),
            [self._network.scrub(warning) for warning in self._warnings()],
        )

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
        return self._network.settings.warnings() + own


def _deadline(seconds: float | None, stop: Stop) -> threading.Timer | None:
    """Ends the call when the time is up."""
    if seconds is None:
        return None
    why = f"the deadline of {format_span(seconds)} was reached"
    timer = threading.Timer(seconds, stop.request, (why,))
    timer.daemon = True
    timer.start()
    return timer


def _users(
    wanted: list[Image], manifests: dict[int, tuple[Manifest, ...]]
) -> dict[str, list[Wanted]]:
    """Of each repository: what the call wants there, and has or in check mode would have."""
    found: dict[str, list[Wanted]] = {}
    for image in wanted:
        outcome = image.outcome
        if outcome.digest and not outcome.failed:
            top = Descriptor(outcome.media_type, outcome.digest, 0)
            user = Wanted(image.tag, top, manifests.get(id(image), ()))
            found.setdefault(image.repository.name, []).append(user)
    return found
