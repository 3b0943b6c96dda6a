# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports with the time of the run in their names: ``mirror-{date}.html``, and how many stay."""

from __future__ import annotations

import os
import re
import stat
import time

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

DATE = "{date}"
#: sorts by time as text, and is a name on every file system
_FORMAT = "%Y-%m-%dT%H-%M-%SZ"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z"


def check_template(path: str) -> str:
    """The path itself; raises InvalidInput where a date stands in a wrong place."""
    folder, name = os.path.split(path)
    if DATE in folder or name.count(DATE) > 1:
        raise InvalidInput(f"mirror_report_file {path}: {DATE} may stand once, in the file's name")
    return path


def read_keep(value: object, path: str) -> int:
    """``mirror_report_keep``; raises InvalidInput."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InvalidInput(f"mirror_report_keep must be a whole number from 1 on, not {value!r}")
    if DATE not in os.path.basename(path):
        raise InvalidInput(
            f"mirror_report_keep needs a mirror_report_file with {DATE} in its name, as in "
            f"reports/mirror-{DATE}.html"
        )
    return number


def dated(template: str, when: float) -> str:
    """The name of a run's report; ``when``: seconds since 1970."""
    return template.replace(DATE, time.strftime(_FORMAT, time.gmtime(when)))


def earlier(template: str) -> list[str]:
    """The reports of this name that are there, newest first; of a name without a date, none.

    Only plain files: a link may lead to what isn't ours.
    """
    folder, name = os.path.split(template)
    if DATE not in name:
        return []
    before, _date, after = name.partition(DATE)
    pattern = re.compile(f"{re.escape(before)}{_DATE}{re.escape(after)}")
    try:
        names = [one for one in os.listdir(folder) if pattern.fullmatch(one)]
    except OSError:
        return []
    paths = (os.path.join(folder, one) for one in sorted(names, reverse=True))
    return [path for path in paths if _is_plain(path)]


def forget(template: str, keep: int, written: str) -> None:
    """Removes all but the ``keep`` newest, never the one just written; raises OSError."""
    if not keep:
        return
    # one with a later date, from a clock that was wrong, doesn't push out what is new
    others = [path for path in earlier(template) if path != written]
    for path in others[keep - 1 :]:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue


def _is_plain(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
