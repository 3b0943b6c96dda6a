# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host of several does, and what it has to know of the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

Plan = Mapping[str, Any]
Entries = list[dict[str, Any]]


def shared(
    plan: Plan, others: Mapping[str, Plan], hosts: list[str], stage: bool = True
) -> dict[str, Any]:
    """``images`` of this host, and the whole declaration as ``declared``.

    ``gated``: whether some have to pass a gate, for which they are staged first if ``stage``.

    ``others``: the plans of other hosts of the play, as far as they are known; ``hosts``: all of
    the play. Raises InvalidInput.
    """
    _check_locks(plan, others)
    mine = plan["entries"]
    if plan["shard"]:
        _check_lists(plan, others)
        owner = assign((entry["repository"] for entry in mine), hosts)
        mine = [entry for entry in mine if owner[entry["repository"]] == plan["host"]]
    mine = [entry for entry in mine if entry["wanted"]]
    everything = [*plan["entries"]]
    for host in sorted(others):
        everything += others[host]["entries"]
    return {
        "images": [_image(entry, stage) for entry in mine],
        "declared": _declared(mine, everything),
        "gated": any(entry.get("gates") for entry in mine),
    }


def _image(entry: Mapping[str, Any], stage: bool) -> dict[str, Any]:
    image: dict[str, Any] = entry["image"]
    return {**image, "state": "staged"} if stage and entry.get("gates") else image


def assign(repositories: Iterable[str], hosts: list[str]) -> dict[str, str]:
    """A host for each repository: evenly, and few move when a host or a repository comes or goes.

    Each repository has an order of hosts of its own, and takes the first with room left.
    """
    names = sorted(set(repositories), key=lambda name: _hash(name, ""))
    small, larger = divmod(len(names), len(hosts))
    load = dict.fromkeys(hosts, 0)
    found = {}
    for name in names:
        for host in sorted(hosts, key=lambda host: _hash(name, host)):
            if load[host] < small or (load[host] == small and larger):
                larger -= load[host] == small
                load[host] += 1
                found[name] = host
                break
    return found


def _hash(repository: str, host: str) -> bytes:
    return hashlib.sha256(f"{host}\n{repository}".encode()).digest()


def _check_locks(plan: Plan, others: Mapping[str, Plan]) -> None:
    path = plan["lock_path"]
    same = sorted(host for host, other in others.items() if path and other["lock_path"] == path)
    if same:
        raise InvalidInput(
            f"mirror_lock_file is the same file for {plan['host']} and {', '.join(same)}: {path}; "
            "put the host's name into it, as in locks/{{ inventory_hostname }}.json"
        )


def _check_lists(plan: Plan, others: Mapping[str, Plan]) -> None:
    """Images that only some hosts declare might be left to a host that doesn't know them."""
    mine = _meant(plan["entries"])
    for host, other in sorted(others.items()):
        if not other["shard"]:
            raise InvalidInput(
                f"mirror_shard is true for {plan['host']} and not for {host}, and the list is to "
                "be split over both"
            )
        differing = sorted(mine ^ _meant(other["entries"]))
        if differing:
            has, lacks = (plan["host"], host) if differing[0] in mine else (host, plan["host"])
            raise InvalidInput(
                "mirror_shard needs one list of images for all hosts of the play, and "
                f"{differing[0][0]} is declared for {has} and not for {lacks}"
            )


def _meant(entries: Entries) -> set[tuple[str, str]]:
    """What the entries stand for: destinations; for tags to be selected, how they are."""
    found = set()
    for entry in entries:
        if entry["by_pattern"]:
            image = entry["image"]
            chosen = [image.get(key) for key in ("tags", "filter", "destination_tag")]
            found.add((entry["repository"], json.dumps(chosen, sort_keys=True, default=str)))
        else:
            found.update((place, "absent" * entry["absent"]) for place in entry["places"])
    return found


def _declared(mine: Entries, everything: Entries) -> list[str]:
    """All destinations; a repository for those that only a list of tags would tell.

    An entry of this call that selects tags isn't among these: it would keep what it doesn't
    select any more.
    """
    selecting = [entry["image"] for entry in mine if entry["by_pattern"]]
    # what this call keeps itself, it has to be allowed to write
    own = {place for entry in mine for place in entry.get("backups", ())}
    found: dict[str, None] = {}
    for entry in everything:
        if entry["absent"]:
            continue
        found.update(dict.fromkeys(entry["places"]))
        backups = entry.get("backups", ())
        found.update(dict.fromkeys(place for place in backups if place not in own))
        # where the images of a whole bundle go, only its host can tell
        whole = entry.get("everything")
        if entry["by_pattern"] and not whole and entry["image"] not in selecting:
            found[entry["repository"]] = None
    return sorted(found)
