# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a transfer counts."""

from __future__ import annotations

from ..stores.base import Written


class Totals:
    """Blobs and bytes of the whole call.

    ``bytes_planned`` were to be copied; ``bytes_spared`` of them needn't be, or can't.
    """

    def __init__(self) -> None:
        self.bytes_planned = 0
        self.bytes_spared = 0
        self.bytes_downloaded = 0
        self.bytes_uploaded = 0
        self.counts = dict.fromkeys(Written, 0)
