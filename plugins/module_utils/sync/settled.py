# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an earlier call of the same run told of an image, so that nobody is asked again.

Between the two, what was staged was tested. Its tag is moved to the digest that was tested,
whatever its source names by now, and the manifest is read where it was staged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..model.digest import check_digest
from ..model.errors import InvalidInput

#: fields of an image's result that are handed over
FIELDS = ("reason", "digest", "source_digest", "previous_digest", "media_type", "platforms")
_STAGED = "staged"


class Settled(NamedTuple):
    """Fields of an image's outcome; ``reason: staged`` leaves the tag to be moved."""

    reason: str
    digest: str
    source_digest: str = ""
    previous_digest: str = ""
    media_type: str = ""
    platforms: tuple[str, ...] = ()

    @property
    def staged(self) -> bool:
        """Whether only the tag is left to be moved."""
        return self.reason == _STAGED


def read_settled(values: Mapping[str, Any] | None) -> Settled | None:
    """The option ``settled``; raises InvalidInput."""
    if values is None:
        return None
    given = {key: values[key] for key in FIELDS if values.get(key)}
    for key in ("digest", "source_digest", "previous_digest"):
        if key in given:
            check_digest(given[key])
    found = Settled(
        **{"reason": "", "digest": "", **given, "platforms": tuple(given.get("platforms", ()))}
    )
    if not found.reason or (found.staged and not (found.digest and found.source_digest)):
        raise InvalidInput("settled needs a reason, and with staged both digests")
    return found
