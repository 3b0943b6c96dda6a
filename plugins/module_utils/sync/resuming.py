# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going on with an image where an earlier call of the same run has left it."""

from __future__ import annotations

from ..model.errors import NotFound
from ..model.manifest import Manifest
from .image import Image
from .settled import Settled


def settle_again(image: Image) -> None:
    """An image that an earlier call has brought to its place is as that call said."""
    settled = image.declared.settled
    if settled is None or settled.staged:
        return
    if settled.digest:
        image.settle(settled.reason, settled.digest, settled.media_type)
    image.outcome.reason = settled.reason
    image.outcome.source_digest = settled.source_digest
    image.outcome.previous_digest = settled.previous_digest
    image.outcome.platforms = list(settled.platforms)


def staged_digest(image: Image, settled: Settled) -> str:
    """What the tag is to name, without asking the source."""
    image.wants(settled.source_digest)
    image.outcome.platforms = list(settled.platforms)
    return settled.digest


def staged_manifest(image: Image, digest: str) -> Manifest:
    """As it was staged; raises ImageSyncError, among them NotFound if somebody has removed it."""
    try:
        return image.repository.manifest(digest)
    except NotFound:
        raise NotFound(
            f"{image.declared.destination.at(digest)} was staged and isn't there any more, so the "
            "tag was left as it was; the next run stages it again",
            404,
        ) from None
