# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call from its beginning to its end."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..model.errors import Cancelled, ImageSyncError
from ..model.reference import Reference
from ..stores.base import Repository, Written
from ..stores.places import Places
from ..transport.client import Network
from ..transport.settings import Settings
from .declared import Declared
from .image import Image
from .outcome import Report
from .removal import Removal
from .survey import Survey
from .transfer import Totals, Transfer
from .workers import Workers


def sync(
    declared: list[Declared], settings: Settings, check_mode: bool = False, fail_fast: bool = False
) -> Report:
    """Makes every declared image so, or in check mode tells what that would take.

    A failed image doesn't stop the others, unless ``fail_fast``; failures are in the report.
    """
    call = _Call(declared, settings, check_mode, fail_fast)
    try:
        call.run()
    finally:
        call.close()
    return call.report()


class _Call:
    def __init__(
        self, declared: list[Declared], settings: Settings, check_mode: bool, fail_fast: bool
    ) -> None:
        self._began = time.monotonic()
        self._network = Network(settings)
        self._workers = Workers(settings.concurrency)
        self._check_mode, self._fail_fast = check_mode, fail_fast
        self._lock = threading.Lock()
        self._totals = Totals()
        places = Places(self._network)
        self._images = [
            Image(d, places.repository(d.destination), _repository(places, d.source))
            for d in declared
        ]

    def run(self) -> None:
        wanted = [i for i in self._images if i.declared.state != "absent"]
        unwanted = [i for i in self._images if i.declared.state == "absent"]
        try:
            changes = Survey(self._workers, self._failed).run(wanted)
            if not self._network.pace.cancelled:
                transfer = Transfer(self._workers, self._check_mode, self._failed)
                self._totals = transfer.totals
                transfer.run(changes)
            if unwanted and not self._network.pace.cancelled:
                # last, so that a digest that a tag has just left counts as free
                Removal(self._workers, self._check_mode, self._failed).run(unwanted)
        except Cancelled:
            pass

    def _failed(self, image: Image, error: ImageSyncError) -> None:
        with self._lock:
            if isinstance(error, Cancelled) or not image.open:
                return
            image.fail(error)
        if self._fail_fast:
            self._network.pace.cancel()

    def close(self) -> None:
        self._network.pace.cancel()
        self._workers.close()
        self._network.close()

    def report(self) -> Report:
        for image in self._images:
            if image.open:
                image.outcome.reason = "not_done"
                image.outcome.msg = "not done: another image failed before, and fail_fast is set"
        return Report(
            [image.outcome for image in self._images],
            self._stats(),
            dict(sorted(self._network.keychain.kinds.items())),
            _warnings(self._images, self._network.settings),
        )

    def _stats(self) -> dict[str, Any]:
        network, counts = self._network, self._totals.counts
        moved: Any = self._totals if self._check_mode else network
        return {
            "seconds": round(time.monotonic() - self._began, 3),
            "bytes_downloaded": moved.bytes_downloaded,
            "bytes_uploaded": moved.bytes_uploaded,
            "blobs_copied": counts[Written.COPIED],
            "blobs_mounted": counts[Written.MOUNTED],
            "blobs_present": counts[Written.PRESENT],
            "requests": dict(sorted(network.requests.items())),
            "retries": network.retrier.count,
        }


def _repository(places: Places, reference: Reference | None) -> Repository | None:
    return places.repository(reference) if reference else None


def _warnings(images: list[Image], settings: Settings) -> list[str]:
    return settings.warnings() + [warning for image in images for warning in image.outcome.warnings]
