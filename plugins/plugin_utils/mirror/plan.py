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
from ansible_collections.imagesync.registry.plugins.module_utils.sync.backup import check_backups

from . import choosing, entries, names, report_dates
from .files import base_folder, full_path, load_lock
from .gates import GateFiles, Load, load_yaml
from .images_dir import all_written
from .options import read_options
from .places import Place, read_bundle, read_place
from .reports import check_ending
from .values import kind, text


def make_plan(
    variables: Mapping[str, Any], facts: Mapping[str, Any], load: Load = load_yaml
) -> dict[str, Any]:
    """Plain values for the steps that follow; raises InvalidInput with a line per problem.

    ``variables``: the role's, templated and plain. ``facts``: what Ansible says of the host.
    ``load``: reads a file of YAML.
    """
    problems: list[str] = []
    folder = base_folder(facts)
    where = _place(variables, problems)
    source = _source(variables.get("mirror_source"), problems)
    options = read_options(variables, problems)
    items = entries.normalise(all_written(variables, folder, load, problems), problems)
    _check_everything(items, variables, problems)
    items = choosing.without(items, variables.get("mirror_exclude"), problems)
    asked = variables.get(names.ASKED)
    if asked:
        items, asked = choosing.asked_for(items, asked, problems)
    if where:
        items = entries.place(items, where, options, problems)
        choosing.check_nothing_replaced(items, asked or "", problems)
        items = entries.each_once(items, problems, named=not where.is_bundle)
    wanted = choosing.only(items, variables.get("mirror_only"), problems)
    if asked:
        wanted = [item.label == asked for item in items]
    items = entries.take_from(source, items)
    files = GateFiles(folder, load, Path(str(facts.get("playbook_dir") or folder)))
    gates = _gates(items, variables.get("mirror_gate_tasks"), files, problems)
    plan = {
        "host": str(facts["inventory_hostname"]),
        "destination": where.root if where else "",
        "source": source,
        "baseline": _baseline(variables, where, folder, problems),
        "entries": [_entry(*each) for each in zip(items, wanted, gates, strict=True)],
        "options": options,
        "shard": _shard(variables.get("mirror_shard"), problems),
        "report_path": _report(variables.get("mirror_report_file"), folder, problems),
        "report_keep": _report_keep(variables, problems),
        "metrics_path": _metrics(variables.get("mirror_metrics_file"), folder, problems),
        **_lock(variables.get("mirror_lock_file"), folder, problems),
    }
    _check_together(options, plan["lock_path"], problems)
    _check_backups(items, problems)
    pruning = options.get("prune", "none") != "none"
    if pruning and any(gates) and any(item.is_everything for item in items):
        problems.append("mirror_prune with gates needs the images by name: list them")
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


def _check_backups(items: list[entries.Item], problems: list[str]) -> None:
    try:
        check_backups(one for item in items for one in item.places())
    except InvalidInput as error:
        problems.append(str(error))


def _place(variables: Mapping[str, Any], problems: list[str]) -> Place | None:
    try:
        return read_place(variables.get("mirror_destination"), variables.get("mirror_path"))
    except InvalidInput as error:
        problems.append(str(error))
        return None


def _source(value: Any, problems: list[str]) -> str:
    try:
        return read_bundle(value, "mirror_source") if value else ""
    except InvalidInput as error:
        problems.append(str(error))
        return ""


def _check_everything(
    items: list[entries.Item], variables: Mapping[str, Any], problems: list[str]
) -> None:
    """What is in a bundle is known on its host only."""
    for name in ("mirror_exclude", "mirror_only"):
        if variables.get(name) and any(item.is_everything for item in items):
            problems.append(f"{name} needs the images by name: list them in mirror_images")


def _baseline(
    variables: Mapping[str, Any], where: Place | None, folder: Path, problems: list[str]
) -> Any:
    name = "mirror_baseline_lock_file"
    value = variables.get(name)
    if not value:
        return None
    try:
        if where and not where.is_bundle:
            raise InvalidInput(f"{name} is for bundles as mirror_destination, as oci:/srv/bundle")
        return load_lock(full_path(folder, text(value, name)), name, True).document()
    except InvalidInput as error:
        problems.append(str(error))
        return None


def _gates(
    items: list[entries.Item], common: Any, files: GateFiles, problems: list[str]
) -> list[list[str]]:
    """For each entry the files of its gate: those of all, then its own."""
    first, found = [], []
    try:
        first = files.paths(common, "mirror_gate_tasks")
    except InvalidInput as error:
        problems.append(str(error))
    for item in items:
        own: list[str] = []
        try:
            own = files.paths(item.gate_tasks, f"{item.label}: gate_tasks")
            if item.gate:
                files.check(item.gate, item.gate)
                own.append(item.gate)
        except InvalidInput as error:
            problems.append(str(error))
        # nothing is let in by an entry that moves no tag
        found.append([*first, *own] if item.state == "present" else [])
    return found


def _entry(item: entries.Item, wanted: bool, gates: list[str]) -> dict[str, Any]:
    return {
        "gates": gates,
        "gate_tasks": item.gate_tasks,
        "image": item.image,
        "repository": item.repository,
        "places": [str(one.destination) for one in item.places()],
        "backups": [str(one.backup) for one in item.places() if one.backup],
        "by_pattern": item.by_pattern,
        "everything": item.is_everything,
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
        return report_dates.check_template(check_ending(path)) if path else ""
    except InvalidInput as error:
        problems.append(str(error))
        return ""


def _report_keep(variables: Mapping[str, Any], problems: list[str]) -> int:
    value = variables.get("mirror_report_keep")
    # an empty name turns reports off for a run
    if value is None or variables.get("mirror_report_file") == "":
        return 0
    try:
        return report_dates.read_keep(value, str(variables.get("mirror_report_file") or ""))
    except InvalidInput as error:
        problems.append(str(error))
        return 0


def _metrics(value: Any, folder: Path, problems: list[str]) -> str:
    try:
        return full_path(folder, text(value, "mirror_metrics_file") if value else "")
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
