# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host is to do, from its variables: all of it checked before anybody is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

from . import choosing, entries
from .files import base_folder, full_path, load_lock
from .gather import gather
from .options import read_options
from .places import Place, read_place
from .reports import check_ending
from .values import kind, text


def make_plan(variables: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values for the steps that follow; raises InvalidInput with a line per problem.

    ``variables``: the role's, templated and plain. ``facts``: what Ansible says of the host.
    """
    problems: list[str] = []
    folder = base_folder(facts)
    where = _place(variables, problems)
    options = read_options(variables, problems)
    items = entries.normalise(gather(variables, folder, problems), problems)
    items = choosing.without(items, variables.get("mirror_exclude"), problems)
    if where:
        items = entries.place(items, where, options, problems)
        items = entries.each_once(items, problems)
    wanted = choosing.only(items, variables.get("mirror_only"), problems)
    plan = {
        "host": str(facts["inventory_hostname"]),
        "destination": where.root if where else "",
        "entries": [_entry(*pair) for pair in zip(items, wanted, strict=True)],
        "options": options,
        "shard": _shard(variables.get("mirror_shard"), problems),
        "report_path": _report(variables.get("mirror_report_file"), folder, problems),
        **_lock(variables.get("mirror_lock_file"), folder, problems),
    }
    _check_together(options, plan["lock_path"], problems)
    if problems:
        raise InvalidInput("\n".join(problems))
    return plan


def _check_together(options: Mapping[str, Any], lock_path: str, problems: list[str]) -> None:
    if problems:
        return
    frozen = options.get("lock_mode") == "frozen"
    if options.get("prune") == "lock" and frozen:
        problems.append("mirror_prune: lock changes the lock, and mirror_lock_mode is frozen")
    for name, needs in (
        ("mirror_prune: lock", options.get("prune") == "lock"),
        ("mirror_lock_mode: frozen", frozen),
    ):
        if needs and not lock_path:
            problems.append(f"{name} needs a mirror_lock_file")


def _place(variables: Mapping[str, Any], problems: list[str]) -> Place | None:
    try:
        return read_place(variables.get("mirror_destination"), variables.get("mirror_path"))
    except InvalidInput as error:
        problems.append(str(error))
        return None


def _entry(item: entries.Item, wanted: bool) -> dict[str, Any]:
    return {
        "image": item.image,
        "repository": item.repository,
        "places": [str(one.destination) for one in item.places()],
        "by_pattern": item.by_pattern,
        "absent": item.absent,
        "wanted": wanted,
    }


def _shard(value: Any, problems: list[str]) -> bool:
    try:
        return bool(boolean(value, strict=True)) if value is not None else False
    except TypeError:
        problems.append(f"mirror_shard must be true or false, not {kind(value)}")
        return False


def _report(value: Any, folder: Path, problems: list[str]) -> str:
    try:
        path = full_path(folder, text(value, "mirror_report_file") if value else "")
        return check_ending(path) if path else ""
    except InvalidInput as error:
        problems.append(str(error))
        return ""


def _lock(value: Any, folder: Path, problems: list[str]) -> dict[str, Any]:
    try:
        path = full_path(folder, text(value, "mirror_lock_file") if value else "")
        return {"lock_path": path, "lock": load_lock(path).document() if path else None}
    except InvalidInput as error:
        problems.append(str(error))
        return {"lock_path": "", "lock": None}
