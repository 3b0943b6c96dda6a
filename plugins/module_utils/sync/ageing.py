# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``min_age``: an image that was built a moment ago isn't taken yet.

Between the survey and everything else that is asked, for images that are to be written alone, so
that images in sync cost nothing. What counts is the youngest of all dates that stand in what would
be copied: in the config of each image, and in the annotation ``org.opencontainers.image.created``
of manifests and indexes (image-spec, config.md and annotations.md). An image without any date that
can be true fails: else whoever leaves out the date would pass.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from ..model.ages import format_date, is_believable, parse_date
from ..model.config import has_config, parse_config
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, NotFound
from ..model.manifest import DEPTH_LIMIT, Manifest
from ..model.sizes import format_span
from .image import Image
from .wanted import source_of
from .workers import Workers

CREATED = "org.opencontainers.image.created"
#: of one image; no real one has more
_MOST_MANIFESTS = 10_000


class _Dates(NamedTuple):
    """``true``: those that can be, as seconds since 1970. ``others``: texts that can't."""

    true: list[float]
    others: list[str]

    def add(self, text: str, now: float) -> bool:
        """Whether the text is a date that can be true."""
        date = parse_date(text) if text else None
        if date is not None and is_believable(date, now):
            self.true.append(date)
            return True
        if text:
            self.others.append(text[:60])
        return False


class Ages:
    """Settles images that are too young, and fails those whose age can't be known."""

    def __init__(
        self,
        workers: Workers,
        failed: Callable[[Image, ImageSyncError], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock``: seconds since 1970, on the host that the call runs on."""
        self._workers, self._failed = workers, failed
        self._now = clock()

    def run(self, images: Iterable[Image]) -> None:
        """After the survey. What is at its place already isn't judged."""
        young = [i for i in images if i.declared.min_age and i.open and i.top is not None]
        groups: dict[tuple[str, str, int], list[Image]] = {}
        for image in young:
            top = image.top.digest if image.top else ""
            known = 0 if image.whole or not image.kept else id(image)
            groups.setdefault((source_of(image)[1].name, top, known), []).append(image)
        # tags that name one digest are asked about once
        self._workers.map(self._judge, groups.values())

    def _judge(self, images: list[Image]) -> None:
        try:
            youngest = self._youngest(images[0], min(i.declared.min_age for i in images))
        except Cancelled:
            raise
        except ImageSyncError as error:
            for image in images:
                self._failed(image, error)
            return
        for image in images:
            if youngest is not None and self._now - youngest < image.declared.min_age:
                self._leave(image, youngest)

    def _leave(self, image: Image, built: float) -> None:
        """The tag stays as it is, until a later run."""
        outcome, previous = image.outcome, image.previous
        image.top, image.tree = None, {}
        if previous:
            image.settle("too_young", previous.digest, previous.media_type)
        else:
            outcome.reason = "too_young"
        # what these tell is about the image that isn't taken
        outcome.platforms, outcome.signed_by = [], []
        left = built + image.declared.min_age
        outcome.msg = (
            f"too young: it was built at {format_date(built)}, and min_age is "
            f"{format_span(image.declared.min_age)}; it is taken by a run after "
            f"{format_date(left)}, in {format_span(left - self._now)}"
        )

    def _youngest(self, image: Image, limit: int) -> float | None:
        """When the youngest part was built; None if nothing is taken that isn't in use there.

        Ends early with a part that is younger than ``limit`` seconds.
        """
        if image.top is None:
            return None
        dates = _Dates([], [])
        whole = dates.add(image.top.annotations.get(CREATED, ""), self._now)
        for manifest in _parts(image, image.top):
            if dates.true and self._now - max(dates.true) < limit:
                break
            dated = dates.add(manifest.annotations.get(CREATED, ""), self._now)
            dated = dates.add(_created(image, manifest), self._now) or dated
            if not (dated or whole):
                raise _undated(image, manifest, dates.others)
        if not dates.true and not any(c.digest in image.kept for c in image.top.children):
            raise _undated(image, image.top, dates.others)
        return max(dates.true, default=None)


def _parts(image: Image, top: Manifest, depth: int = 0) -> Iterator[Manifest]:
    """The images that are taken: below an index, those that the old one at its place hasn't.

    What an index has for no platform (unknown/unknown) is about its other images, and can't run.
    """
    if not top.is_index:
        yield top
        return
    if len(top.children) > _MOST_MANIFESTS or depth > DEPTH_LIMIT:
        raise InvalidContent("the index has more images, or levels, than any real one")
    _reference, source = source_of(image)
    for child in top.children:
        about_others = child.platform and str(child.platform) == "unknown/unknown"
        if about_others or child.digest in image.kept:
            continue
        # of an image that is here by its digest already, the survey didn't read what is below
        manifest = image.tree.get(child.digest) or source.manifest(child.digest)
        yield from _parts(image, manifest, depth + 1)


def _created(image: Image, manifest: Manifest) -> str:
    """What its config says; "" where it has none that describes an image."""
    config = manifest.config
    if config is None or not has_config(manifest):
        return ""
    if image.config and image.config[0] == config.digest:
        return image.config[1].created
    if config.data is not None:
        return parse_config(config.data).created
    _reference, source = source_of(image)
    try:
        return parse_config(source.read_blob(config)).created
    except NotFound:
        # a delta bundle leaves out what the destination has
        if not source.base():
            raise
        return parse_config(image.repository.read_blob(config)).created


def _undated(image: Image, manifest: Manifest, others: list[str]) -> InvalidContent:
    said = ", ".join(map(repr, list(dict.fromkeys(others))[:3])) or "nothing"
    return InvalidContent(
        f"when {image.declared.source} was built can't be told (it says {said}, in "
        f"{manifest.digest}), so min_age can't hold. If its maker gives no true date, set min_age "
        "to 0 for this image, and signed_by or a digest instead"
    )
