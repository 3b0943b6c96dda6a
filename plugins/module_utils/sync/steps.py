# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a call that few calls take, or only those that change something.

What a step is made of is imported when it is taken: Ansible packs a module into a zip file, and
Python compiles what is imported from there on each run anew (each file twice).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Callable

from ..model.errors import ImageSyncError
from .image import Image
from .workers import Workers

if TYPE_CHECKING:
    from ..model.keys import PublicKey


class Steps:
    """What comes between the survey and the transfer; ``failed`` is told of images that fail."""

    def __init__(self, workers: Workers, failed: Callable[[Image, ImageSyncError], None]) -> None:
        self._workers, self._failed = workers, failed

    def verify(self, images: list[Image], keys: dict[str, PublicKey]) -> None:
        """Images that nobody signed fail."""
        if any(image.declared.signed_by for image in images):
            from .verifying import Verification

            Verification(keys, self._workers, self._failed).run(images)

    def keep_young_ones_back(self, images: list[Image]) -> None:
        """Images that are younger than they should be are left alone."""
        if any(image.declared.min_age for image in images):
            from .ageing import Ages

            Ages(self._workers, self._failed).run(images)

    def prove(self, images: list[Image]) -> None:
        """What was taken as being there is looked for, as far as ``integrity`` says."""
        if any(image.declared.integrity != "tag" for image in images):
            from .integrity import Integrity

            Integrity(self._workers, self._failed).run(images)

    def find_attached(self, images: list[Image]) -> None:
        """Images learn what is attached to them and has to be written."""
        asking = (image.declared.referrers for image in images if image.open)
        settled = (image.declared.referrers == "always" for image in images)
        if any(referrers != "never" for referrers in asking) or any(settled):
            from .attached import Attachments

            Attachments(self._workers, self._failed).run(images)


def read_public_keys(written: Iterable[str]) -> dict[str, PublicKey]:
    """See ``signatures.read_keys``."""
    given = list(written)
    if not given:
        return {}
    from .signatures import read_keys

    return read_keys(given)
