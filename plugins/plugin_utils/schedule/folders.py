# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which folders a run writes to, as the inventory says; a service may write to no others."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable
from typing import Any

from .units import check_path

#: variables of the role whose files a run writes, and the one that may name a bundle
FILES = ("mirror_lock_file", "mirror_report_file", "mirror_metrics_file")
BUNDLE = "mirror_destination"
NAMED = (*FILES, BUNDLE)


def written_to(
    named: Iterable[tuple[str, Any]], begin: str, home: str, known: Iterable[str]
) -> list[str]:
    """The folders of these files and bundles that aren't in those that are known, each once.

    ``named``: variables and their values. ``begin``: where relative paths begin; with "" nobody
    knows them. Raises InvalidInput for what can't be written down.
    """
    found, all_known = [], list(known)
    for name, value in named:
        folder = _folder(name, str(value or ""), begin, home)
        # all of the file system would be no limit any more
        if not folder or folder == "/" or any(_within(folder, one) for one in all_known):
            continue
        check_path(name, folder)
        all_known.append(folder)
        found.append(folder)
    return found


def _folder(name: str, value: str, begin: str, home: str) -> str:
    """An absolute path, or "" where there is none."""
    whole = False
    if name == BUNDLE:
        bundle = re.match(r"(oci|oci-archive):([^:]+)", value)
        if not bundle:
            return ""
        whole, value = bundle[1] == "oci", bundle[2]
    if re.match(r"~(/|$)", value):
        value = home + value[1:]
    if not value or not os.path.isabs(os.path.join(begin, value)):
        return ""
    path = os.path.normpath(os.path.join(begin, value))
    return path if whole else os.path.dirname(path)


def _within(folder: str, other: str) -> bool:
    return folder == os.path.normpath(other) or folder.startswith(os.path.normpath(other) + "/")
