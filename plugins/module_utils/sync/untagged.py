# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images without a tag, on disk.

In a layout such an image may be there by an entry that it shares with a tag. When that tag moves
or goes, the image needs one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..model.errors import DiskError, InvalidContent
from ..model.reference import Reference
from ..stores.places import Places
from .image import Image


def keep_untagged(images: list[Image], declared: Iterable[Reference], places: Places) -> list[str]:
    """Keeps what ``images``, and others (``declared``), name by digest; returns what failed."""
    found = [
        image.declared.destination._replace(tag=None, digest=_digest(image))
        for image in images
        if image.tag is None
    ]
    found += [one for one in declared if not one.tag]
    found += [source for image in images if (source := image.declared.source)]
    used = {image.repository for image in images}
    on_disk = [one for one in found if one.transport and one.digest]
    return keep_by_digest((one for one in on_disk if places.repository(one) in used), places)


def _digest(image: Image) -> str:
    """One that failed, or was not done, stays as it was."""
    outcome = image.outcome
    before = outcome.previous_digest or image.declared.destination.digest or ""
    return outcome.digest if outcome.settled else before


def keep_by_digest(references: Iterable[Reference], places: Places) -> list[str]:
    """Keeps what is there by these digests; returns what failed."""
    errors = []
    for reference in references:
        try:
            if reference.transport and reference.digest:
                places.repository(reference).still_wanted(reference.digest)
        except (DiskError, InvalidContent) as error:
            errors.append(f"{reference}: {error}")
    return errors
