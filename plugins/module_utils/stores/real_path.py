# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of files and folders, which may be several for one."""

from __future__ import annotations

import os

from ..model.reference import Reference


def real_path(reference: Reference) -> str:
    """Where a place on disk really is, whatever links lead there."""
    return os.path.realpath(os.path.expanduser(reference.repository))
