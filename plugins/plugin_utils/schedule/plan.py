# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the variables and what the host is like to what is to be written there.

Everything is checked here, before the first task that writes.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

from .expressions import check_calendar, read_schedule
from .folders import written_to
from .units import MARK, Job, check_path, check_text, cron_job, service, timer

Values = dict[str, Any]
PREFIX = "mirror_schedule"
_UNITS = {"m": 60, "h": 3600, "d": 86400}


def read_host(output: str) -> dict[str, str]:
    """What ``files/look_at_host`` of the role printed: ``name=value``, one a line."""
    pairs = (line.partition("=") for line in output.splitlines())
    return {name: value for name, equals, value in pairs if equals}


def make_plan(
    variables: Mapping[str, Any],
    host: Mapping[str, str],
    named: Iterable[tuple[str, Any]] = (),
) -> Values:
    """What the tasks are to do; ``variables``: those of ``mirror_schedule*`` that are given.

    ``named``: variables of the role that say where a run writes to, and their values.
    ``systemd`` and ``cron`` are ``present``, ``absent`` or "" (nothing can be there).
    """
    given = {name[len(PREFIX) + 1 :]: value for name, value in variables.items()}
    name = str(given.get("name") or "imagesync-mirror")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise InvalidInput(f"{PREFIX}_name may have letters, digits, - and _: '{name}'")
    if not host.get("home", "").startswith("/"):
        raise InvalidInput(f"{PREFIX}_user: the host knows no home of '{host.get('user')}'")
    absent = given.get("state") == "absent"
    common = _common(name, host, not absent)
    if absent:
        return {**common, "systemd": "absent", "cron": _cron_absent(host), "calendar": ""}
    backend = _backend(given, host)
    foreign = [path for path in common["units"] if host.get(path, MARK) != MARK]
    _check_user(host)
    schedule = read_schedule(given.get(""))
    job = _job(name, given, host, named)
    if backend == "systemd" and foreign:
        raise InvalidInput(
            f"{foreign[0]} is there and wasn't written by this role; give another {PREFIX}_name"
        )
    home_made = not host.get("ansible_home")
    found = {**common, "home_made": home_made, "missing": _missing(given, host)}
    if backend == "cron":
        fields = schedule.cron(f"{name} {host.get('machine')}")
        text = cron_job(job, host.get("timeout", ""), host.get("logger", ""))
        return {
            **found,
            "systemd": "absent" if common["installed"] else "",
            "cron": "present",
            "calendar": "",
            "fields": list(fields),
            "job": text,
        }
    if schedule.calendar and not host.get("systemd-analyze"):
        check_calendar(schedule.calendar)
    delay = _seconds("delay", given["delay"]) if given.get("delay") else schedule.delay()
    files = {
        common["units"][0]: service(job),
        common["units"][1]: timer(schedule, delay),
    }
    return {
        **found,
        "systemd": "present",
        "cron": _cron_absent(host),
        "calendar": schedule.calendar if host.get("systemd-analyze") else "",
        "files": [{"path": path, "content": content} for path, content in files.items()],
    }


def warnings(plan: Values, host: Mapping[str, str]) -> list[str]:
    """What the user should know although it is no error."""
    absent = [f"{one}: runs will fail until it is" for one in plan.get("missing") or ()]
    return absent + _about_systemd(plan, host)


def _about_systemd(plan: Values, host: Mapping[str, str]) -> list[str]:
    if plan["systemd"] != "present" or host.get("other_folder"):
        return []
    if not host.get("booted"):
        return [
            f"systemd isn't running here: {plan['name']}.timer is written and enabled, and "
            "starts when the machine boots"
        ]
    if plan["scope"] == "user" and not host.get("lingers"):
        return [
            f"{plan['name']}.timer runs only while {host['user']} is logged in, until "
            f"'loginctl enable-linger {host['user']}' was run"
        ]
    return []


def _common(name: str, host: Mapping[str, str], present: bool) -> Values:
    folder, home = host["units"], host["home"]
    wants = f"{folder}/timers.target.wants"
    units = [f"{folder}/{name}.service", f"{folder}/{name}.timer"]
    link = f"{wants}/{name}.timer"
    # what isn't ours is left alone
    ours = [path for path in units if host.get(path) == MARK]
    stamp, lock = f"{host['state']}/systemd/timers/stamp-{name}.timer", _lock(name, host)
    return {
        "name": name,
        "user": host["user"],
        "scope": "system" if host["uid"] == "0" else "user",
        # a user of the crontab is named only where it is another one
        "crontab_of": host["user"] if host["user"] != host["me"] else "",
        # what another folder holds isn't what runs here
        "running": bool(host.get("booted")) and not host.get("other_folder"),
        "installed": bool(ours),
        "wants": wants,
        "link": link,
        "units": units,
        # the lock stays with the job of cron
        "leftovers": [
            path
            for path in [*([link, *ours] if ours else []), stamp, lock]
            if host.get(path) and not (path == lock and present)
        ],
        "ansible_home": f"{home}/.ansible",
        "home_made": False,
        "analyze": host.get("systemd-analyze", ""),
    }


def _lock(name: str, host: Mapping[str, str]) -> str:
    return f"{host['home']}/.ansible/{name}.lock"


def _cron_absent(host: Mapping[str, str]) -> str:
    return "absent" if host.get("crontab") and host.get("job") else ""


def _backend(given: Mapping[str, Any], host: Mapping[str, str]) -> str:
    wanted = str(given.get("backend") or "")
    if not wanted:
        wanted = "systemd" if host.get("booted") else "cron" if host.get("crontab") else ""
    if not wanted:
        raise InvalidInput(
            "this host runs neither systemd nor has it crontab: install cron, or set "
            f"{PREFIX}_backend to systemd to have the units there for when it boots"
        )
    if wanted == "cron" and not host.get("crontab"):
        raise InvalidInput(f"{PREFIX}_backend is cron, and the host has no crontab: install cron")
    return wanted


def _check_user(host: Mapping[str, str]) -> None:
    if host["uid"] != "0" and host["user"] != host["me"]:
        raise InvalidInput(
            f"{PREFIX}_user is {host['user']} and the task runs as {host['me']}: become root to "
            "write another user's schedule"
        )


def _job(
    name: str,
    given: Mapping[str, Any],
    host: Mapping[str, str],
    named: Iterable[tuple[str, Any]],
) -> Job:
    playbook, inventory = _project(given, host)
    program = str(given.get("command") or host.get("ansible-playbook") or "")
    if not program:
        raise InvalidInput(
            f"ansible-playbook wasn't found on the host: install ansible-core there, or set "
            f"{PREFIX}_command to where it is"
        )
    if not host.get("flock"):
        raise InvalidInput("flock wasn't found on the host: install util-linux")
    directory = str(given.get("directory") or "")
    if not directory:
        paths = [path for path in (playbook, inventory) if path.startswith("/")]
        directory = os.path.dirname(paths[0]) if paths else host["home"]
    writable = [directory, f"{host['home']}/.ansible", *map(str, given.get("writable") or [])]
    arguments = [str(word) for word in given.get("arguments") or []]
    environment = {str(k): str(v) for k, v in (given.get("environment") or {}).items()}
    for path in (program, directory, *writable):
        check_path(f"{PREFIX}_command, _directory or _writable", path)
    writable += written_to(named, _begin(playbook, inventory, host), host["home"], writable)
    for word in (*arguments, *environment.values()):
        check_text(f"{PREFIX}_arguments or _environment", word)
    for variable in environment:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            raise InvalidInput(f"{PREFIX}_environment: no name of a variable: '{variable}'")
    return Job(
        name=name,
        command=[program, *(["-i", inventory] if inventory else []), *arguments, playbook],
        directory=directory,
        flock=host["flock"],
        lock=_lock(name, host),
        user=host["user"] if host["uid"] == "0" else "",
        seconds=_seconds("timeout", given.get("timeout") or "12h"),
        writable=list(dict.fromkeys(writable)),
        environment=environment,
    )


def _begin(playbook: str, inventory: str, host: Mapping[str, str]) -> str:
    """Where relative paths begin in a run: at the playbook, or at the inventory (mirror/files)."""
    if playbook.startswith("/"):
        return os.path.dirname(playbook)
    return inventory if host.get("inventory_folder") else os.path.dirname(inventory)


def _project(given: Mapping[str, Any], host: Mapping[str, str]) -> tuple[str, str]:
    """The playbook, by its path or its name in a collection, and the inventory."""
    playbook = str(given.get("playbook") or "")
    inventory = str(given.get("inventory") or "")
    if re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){2,}", playbook):
        if playbook.endswith((".yml", ".yaml")):
            check_path(f"{PREFIX}_playbook", playbook)
    else:
        check_path(f"{PREFIX}_playbook", playbook)
    if inventory:
        check_path(f"{PREFIX}_inventory", inventory)
    missing = _missing(given, host)
    # whose owner it is that runs it: look_at_host
    owned = f"{PREFIX}_{'playbook' if playbook.startswith('/') else 'inventory'}:"
    unknown = next((one for one in missing if one.startswith(owned)), "")
    if unknown and host["uid"] == "0" and not given.get("user"):
        raise InvalidInput(
            f"{unknown}, and its owner would run it; put it there first, or set {PREFIX}_user"
        )
    return playbook, inventory


def _missing(given: Mapping[str, Any], host: Mapping[str, str]) -> list[str]:
    """What of the project isn't there yet."""
    paths = {name: str(given.get(name) or "") for name in ("playbook", "inventory")}
    return [
        f"{PREFIX}_{name}: there is no {path} on the host"
        for name, path in paths.items()
        if path.startswith("/") and not host.get(name)
    ]


def _seconds(name: str, text: object) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", str(text))
    if not found:
        raise InvalidInput(f"{PREFIX}_{name} is like 30m, 12h or 1d: '{text}'")
    return int(found.group(1)) * _UNITS[found.group(2)]
