# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role's variables are called."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: handed to image_sync as they are, under their names without the prefix
OPTIONS = (
    "state",
    "destination_tag",
    "existing",
    "immutable_tags",
    "referrers",
    "integrity",
    "platforms",
    "platforms_missing",
    "signed_by",
    "min_age",
    "backup_tag",
    "concurrency",
    "retries",
    "timeout",
    "bandwidth_limit",
    "max_bytes",
    "deadline",
    "fail_fast",
    "progress",
    "prune",
    "prune_protect",
    "prune_limit",
    "lock_mode",
)
PREFIX = "mirror_"
#: every variable whose name begins so is one more list of images
IMAGES = "mirror_images_"
#: those that the plan is made of
OWN = (
    "mirror_destination",
    "mirror_images",
    "mirror_images_file",
    "mirror_exclude",
    "mirror_path",
    "mirror_lock_file",
    "mirror_only",
    "mirror_shard",
    "mirror_report_file",
    "mirror_report_keep",
    "mirror_metrics_file",
    "mirror_source",
    "mirror_baseline_lock_file",
    "mirror_gate_tasks",
    "mirror_images_dir",
)
#: of the playbook mirror_one: the one image that somebody asks for
ASKED = "mirror__asked"
#: read by the role's tasks, for they may hold secrets
LOGINS = ("mirror_registries", "mirror_auth_file")
#: begin like lists of images, and aren't
NO_LISTS = ("mirror_images_file", "mirror_images_dir")
KNOWN = (*OWN, *LOGINS, *(PREFIX + option for option in OPTIONS))
#: what the role sets itself, and the variable of its playbook
_NOT_GIVEN = (
    "mirror_hosts",
    "mirror_result",
    "mirror_ids",
    "mirror_ids_by_name",
    "mirror_changed",
)


def is_list_of_images(name: str) -> bool:
    """Whether a variable of this name holds images."""
    return name == "mirror_images" or (name.startswith(IMAGES) and name not in NO_LISTS)


def is_read(name: str) -> bool:
    """Whether the plan needs the variable of this name."""
    return name in (*OWN, ASKED) or is_list_of_images(name) or name[len(PREFIX) :] in OPTIONS


def misspelt(names: Iterable[str]) -> list[str]:
    """A warning for each variable that nobody reads and that is almost called like one.

    Where no images are declared at all, that may be for want of the prefix.
    """
    given, found = sorted(names), []
    others = (*NO_LISTS, ASKED, "mirror_source")
    declared = any(is_list_of_images(name) or name in others for name in given)
    for name in given:
        if not declared and f"{PREFIX}{name}" in ("mirror_images", *NO_LISTS):
            found.append(f"the variable {name} isn't read by the role; is {PREFIX}{name} meant?")
        known = name in KNOWN or name in _NOT_GIVEN or is_list_of_images(name)
        if not name.startswith(PREFIX) or name.startswith("mirror__") or known:
            continue
        close = difflib.get_close_matches(name, KNOWN, 1, 0.9)
        if close:
            found.append(f"the variable {name} isn't read by the role; is {close[0]} meant?")
    return found


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean ...?`` where something is like the word, else nothing."""
    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean ...?`` where something is like the word, or else what there is."""
    names = list(known)
    meant = did_you_mean(word, names)
    if meant or not names:
        return meant
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"; there are: {', '.join(names[:20])}{more}"
