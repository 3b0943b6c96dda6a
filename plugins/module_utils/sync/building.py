# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building an image with buildah and bringing it to its place, for ``image_build``.

Everything but the steps of the Containerfile is ours: images that are built on are fetched by the
digest that was hashed, and the result is pushed as any other image, its tag last.
"""

from __future__ import annotations

import platform as machine
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..model.errors import Cancelled, ImageSyncError, InvalidInput
from ..model.manifest import Manifest
from ..model.platforms import Platform, parse_platform
from ..model.reference import parse_reference
from ..stores.build_context import BuildContext
from ..stores.build_folder import BuildFolder
from ..stores.places import Places
from ..transport.buildah import Buildah
from ..transport.client import Network
from ..transport.settings import Settings
from .build_inputs import (
    BuildOrder,
    Inputs,
    Present,
    inputs_digest,
    look_at,
    read_plans,
    resolve_bases,
)
from .build_steps import CONTEXT, BuildSteps, Manner
from .declared import read_images
from .outcome import Report
from .reading import Opener
from .run import sync
from .stop import Stop, end_after

#: what Python calls processors, and images do
_MACHINES = {
    "i386": "386",
    "i686": "386",
    "armv6l": "arm/v6",
    "armv7l": "arm/v7",
    "armv8l": "arm/v7",
    "loongarch64": "loong64",
}


def host_platform() -> Platform:
    """That of this machine."""
    name = machine.machine().lower()
    return parse_platform(f"linux/{_MACHINES.get(name, name)}")


def build(
    order: BuildOrder, manner: Manner, settings: Settings, check_mode: bool, stop: Stop
) -> dict[str, Any]:
    """The fields of the result. Raises ImageSyncError; then the tag is as it was."""
    job = _Job(order, manner, settings, stop)
    timer = end_after(manner.deadline, stop)
    try:
        return job.run(check_mode)
    except Cancelled:
        raise Cancelled(f"{order.image}: not done: {stop.why or 'the run is ending'}") from None
    except ImageSyncError as error:
        error.args = (job.network.scrub(f"{order.image}: {error}"),)
        raise
    finally:
        if timer:
            timer.cancel()
        job.close()


class _Job:
    def __init__(self, order: BuildOrder, manner: Manner, settings: Settings, stop: Stop) -> None:
        self._began = time.monotonic()
        self._order, self._manner = order, manner
        self._settings, self._stop = settings, stop
        self.network = Network(settings)
        stop.watch(self.network.pace)
        self._places = Places(self.network)
        self._context: BuildContext | None = None
        self._fetched: Report | None = None
        self._pushed: Report | None = None
        self._warnings: list[str] = []
        self._totals: Counter[str] = Counter()

    def close(self) -> None:
        self.network.pace.cancel()
        self._places.close()
        self.network.close()

    def _check(self) -> None:
        if self._stop.requested:
            raise Cancelled("the run is ending")

    def run(self, check_mode: bool) -> dict[str, Any]:
        inputs = self._inputs()
        image = self._order.image
        present = look_at(self._places.repository(image, write=False), image)
        reason = self._reason(inputs, present)
        manifest = present.manifest if present else None
        changed = reason != "in_sync"
        if changed:
            buildah = Buildah(lambda: self._stop.requested)
            if any(plan.has_heredocs for plan in inputs.plans.values()):
                buildah.check_heredocs()
            manifest = None if check_mode else self._build(buildah, inputs)
        return self._result(inputs, present, reason, manifest)

    def _inputs(self) -> Inputs:
        host = host_platform()
        order = self._order = self._order._replace(platforms=self._order.platforms or (host,))
        if order.context is not None:
            self._context = BuildContext(order.context, order.file, self._check)
        text, plans = read_plans(order, self._context, host)
        bases = resolve_bases(plans, self._places)
        context = self._context.digest() if self._context else ""
        return Inputs(plans, bases, context, inputs_digest(order, text, bases, context))

    def _reason(self, inputs: Inputs, present: Present | None) -> str:
        if present is None:
            return "absent"
        if present.inputs != inputs.digest:
            return "inputs_differ"
        return "forced" if self._manner.force else "in_sync"

    # building

    def _build(self, buildah: Buildah, inputs: Inputs) -> Manifest:
        with BuildFolder() as folder:
            steps = BuildSteps(self._order, self._manner, inputs, folder, self._check)
            self._fetched = self._copy(steps.to_fetch())
            copied = self._copy_context(folder)
            if copied != inputs.context:
                raise InvalidInput("files in the context were changed meanwhile; build again")
            top = steps.run(buildah)
            self._borrow(steps)
            result = {"source": steps.source, "destination": str(self._order.image)}
            self._pushed = self._copy([result])
        self._warnings += folder.warnings
        return top

    def _borrow(self, steps: BuildSteps) -> None:
        """Layers that the registry has in the repositories of bases are mounted from there."""
        image = self._order.image
        place, lenders = self._places.repository(image), []
        for reference, blob in steps.borrowed():
            if reference.registry == image.registry and reference.name != image.name:
                lenders.append((reference.repository, blob))
        if not lenders or image.transport:
            return
        self._stop.watch(self.network.pace)
        place.will_be_written()
        place.expect_lenders(path for path, _blob in lenders)
        built = self._places.repository(parse_reference(steps.source))
        for path, blob in lenders:
            self._check()
            done = place.write_blob(blob, Opener(built, blob).open, path)
            self._totals[f"blobs_{done.value}"] += 1

    def _copy_context(self, folder: BuildFolder) -> str:
        """The digest of what was copied; an empty folder where there is no context."""
        if self._context is not None:
            return self._context.copy(folder.at(CONTEXT))
        folder.make(CONTEXT)
        return ""

    def _copy(self, images: Iterable[Mapping[str, Any]]) -> Report | None:
        """Has images brought to their places by the engine; raises where one isn't."""
        entries = read_images(images, {"referrers": "never"})
        if not entries:
            return None
        report = sync(entries, self._settings, stop=self._stop)
        for outcome in report.images:
            if not outcome.settled:
                self._check()
                # the message about the image that is built begins with its name anyway
                pushed = outcome.destination == str(self._order.image)
                raise ImageSyncError(outcome.msg if pushed else f"{outcome.source}: {outcome.msg}")
        return report

    # the result

    def _result(
        self, inputs: Inputs, present: Present | None, reason: str, manifest: Manifest | None
    ) -> dict[str, Any]:
        image = self._order.image
        result: dict[str, Any] = {
            "changed": reason != "in_sync",
            "image": str(image),
            "reason": reason,
            "inputs_digest": inputs.digest,
            "platforms": [str(platform) for platform in self._order.platforms],
            "bases": {str(name): digest for name, digest in inputs.bases.items()},
            "stats": self._stats(),
            "credentials": self._credentials(),
            "warnings": self._all_warnings(),
            "diff": _diff(str(image), inputs, present, reason),
        }
        if present is not None:
            result["previous_digest"] = present.manifest.digest
        if manifest is not None:
            result.update(
                id=image.at(manifest.digest),
                digest=manifest.digest,
                media_type=manifest.media_type,
            )
        return result

    @property
    def _reports(self) -> list[Report]:
        return [report for report in (self._fetched, self._pushed) if report]

    def _stats(self) -> dict[str, Any]:
        """What went to and from registries; the ways to and from this disk don't count."""
        network, fetched, pushed = self.network, self._fetched, self._pushed
        total, requests = Counter(self._totals), Counter(network.requests)
        total["bytes_downloaded"] = network.bytes_downloaded
        total["bytes_uploaded"] = network.bytes_uploaded
        total["retries"] = network.retrier.count
        for report in self._reports:
            requests.update(report.stats["requests"])
            total["retries"] += report.stats["retries"]
        if fetched:
            total["bytes_downloaded"] += fetched.stats["bytes_downloaded"]
        if pushed:
            for name in ("bytes_uploaded", "blobs_copied", "blobs_mounted", "blobs_present"):
                total[name] += pushed.stats[name]
        names = ("bytes_downloaded", "bytes_uploaded", "blobs_copied", "blobs_mounted")
        return {
            "seconds": round(time.monotonic() - self._began, 3),
            **{name: total[name] for name in (*names, "blobs_present", "retries")},
            "requests": dict(sorted(requests.items())),
        }

    def _credentials(self) -> dict[str, str]:
        found = dict(self.network.keychain.kinds)
        for report in self._reports:
            found.update(report.credentials)
        return dict(sorted(found.items()))

    def _all_warnings(self) -> list[str]:
        told = [*self.network.warnings(), *self._warnings]
        told += [warning for report in self._reports for warning in report.warnings]
        return list(dict.fromkeys(told))


def _diff(image: str, inputs: Inputs, present: Present | None, reason: str) -> dict[str, str]:
    """What an image is built from, before and after, for ``--diff``."""
    after = f"{image} built from {inputs.digest}\n"
    before = f"{image} (absent)\n"
    if present is not None:
        before = f"{image} built from {present.inputs or '(unknown)'}\n"
    return {"before": after if reason == "in_sync" else before, "after": after}
