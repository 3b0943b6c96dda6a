# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entry point ``schedule``: what it writes is read by systemd, and run as it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.schedule.expressions import (
    check_calendar,
    read_schedule,
)
from tests.support import images, playbook, push, role
from tests.support.processes import find_program
from tests.support.proxy import RecordingProxy
from tests.support.units import read_by_systemd

#: everything that a unit or a crontab would take for something else
ODD = "a b%h $x it's"
#: stands in for crontab: the table is a file, and no cron of this machine learns of it
CRONTAB = """#!/bin/sh
case $1 in
  -l) cat "$TABLE" 2>/dev/null || { echo "no crontab" >&2; exit 1; } ;;
  -r) rm "$TABLE" ;;
  *) cat "$1" > "$TABLE"; cat "$1" >> "$TABLE.all" ;;
esac
"""
#: stands in for ansible-playbook
SHOW = '#!/bin/sh\nprintf "%s\\n" "$PWD" "$ODD" "$@"\n'
LOGGER = '#!/bin/sh\ncat > "$LOGGED"\n'


class Host:
    """A project with an odd name, and a home, in which nothing of this machine is."""

    def __init__(self, folder: Path, mirrored: dict[str, Any]) -> None:
        self.folder, self.project, self.home = folder, folder / ODD, folder / "home"
        self.units, self.programs = folder / "units", folder / "bin"
        self.table, self.logged = folder / "crontab", folder / "logged"
        for made in (self.project, self.home, self.programs):
            made.mkdir()
        self.inventory = self.project / "hosts.yml"
        self.inventory.write_text(json.dumps(role.inventory(mirrored)), encoding="utf-8")
        settings = f"[defaults]\ncollections_path={playbook.collections_path()}\n"
        (self.project / "ansible.cfg").write_text(settings, encoding="utf-8")
        for name, text in (("crontab", CRONTAB), ("logger", LOGGER), ("show", SHOW)):
            (self.programs / name).write_text(text, encoding="utf-8")
            (self.programs / name).chmod(0o755)
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "TABLE": str(self.table),
            "LOGGED": str(self.logged),
            "ANSIBLE_PIPELINING": "1",
        }

    def schedule(self, *steps: dict[str, Any]) -> playbook.Run:
        """Runs the entry point once for each of these sets of variables; "check" is check mode."""
        common = {
            "mirror_schedule_inventory": str(self.inventory),
            "mirror_schedule_unit_dir": str(self.units),
        }
        include = {"name": "imagesync.registry.mirror", "tasks_from": "schedule"}
        tasks = [
            {
                "vars": {**common, **{f"mirror_schedule{key}": v for key, v in step.items()}},
                "check_mode": step.pop("check", False),
                "block": [{"name": f"Step {number}", "ansible.builtin.include_role": include}],
                "rescue": [{"name": "Refused", "ansible.builtin.debug": {"msg": "refused"}}],
            }
            for number, step in enumerate(steps)
        ]
        play = {"name": "Test", "hosts": "all", "gather_facts": False, "tasks": tasks}
        hosts = role.inventory({})
        return playbook.run_playbook(
            [play],
            self.folder,
            inventory=hosts,
            environment=self.environment,
        )

    def files(self) -> set[str]:
        """All that is there but Ansible's own."""
        found = {p.relative_to(self.folder) for p in self.folder.rglob("*") if not p.is_dir()}
        return {str(path) for path in found if "tmp" not in path.parts}


@pytest.fixture
def host(source: RecordingProxy, destination: RecordingProxy, repo: str, tmp_path: Path) -> Host:
    """It is to mirror one image."""
    push.push(images.image("scheduled"), f"{source.host}/{repo}/app:1")
    mirrored = {
        "destination": f"{destination.host}/{repo}",
        "path": "{name}",
        "images": [f"{source.host}/{repo}/app:1"],
    }
    return Host(tmp_path, mirrored)


def changed(run: playbook.Run, name: str) -> list[bool]:
    """Whether each run of a task has changed anything."""
    return [r["result"].get("changed", False) for r in run.records if r["task"].endswith(name)]


def test_the_service_mirrors_and_keeps_others_out(
    host: Host, destination: RecordingProxy, repo: str
) -> None:
    before = host.files()
    wanted = {"": "6h", "_backend": "systemd", "_environment": {"ODD": f'"{ODD}"'}}
    bad = [{**wanted, "": expression} for expression in ("0 3 * * *", "2020-01-01")]
    run = host.schedule(*bad, {**wanted, "check": True}, wanted, wanted)
    unreadable, past = (r["result"]["msg"] for r in run.records if r["status"] == "failed")
    assert "'0 3 * * *' is no schedule: Failed to parse" in unreadable and "give 15m" in unreadable
    assert "it never comes" in past
    # check mode has told of all this, and made none of it; bad ones didn't come so far
    assert changed(run, "Make the folder of the units") == [True, True, False]
    assert changed(run, "Write the service and its timer") == [True, True, False]
    assert changed(run, "Enable the timer") == [True, True, False]
    assert "cron" not in "".join(host.files() - before)
    link = host.units / "timers.target.wants/imagesync-mirror.timer"
    assert link.resolve() == host.units / "imagesync-mirror.timer"
    words, directory, variables = read_by_systemd(host.units, "imagesync-mirror")
    assert directory == str(host.project) and variables["ODD"] == f'"{ODD}"'
    assert words[-3:] == ["-i", str(host.inventory), "imagesync.registry.mirror"]
    # nothing else than what systemd would give it
    environment = {**variables, "HOME": str(host.home), "PATH": "/usr/bin:/bin"}
    options: dict[str, Any] = {"cwd": directory, "env": environment, "text": True}
    lock = words[4]
    with subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE, stdout=-1) as other:
        assert other.stdin and other.stdout
        other.stdin.write(b"locked\n")
        other.stdin.flush()
        assert other.stdout.readline() == b"locked\n"
        refused = subprocess.run(words, capture_output=True, check=False, **options)
        assert (refused.returncode, refused.stdout) == (75, "")
        other.stdin.close()
    done = subprocess.run(words, capture_output=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    found = push.digest_of(destination.host, f"{repo}/app", "1")
    assert found == images.image("scheduled").digest
    gone = host.schedule({"_state": "absent"}, {"_state": "absent"})
    assert changed(gone, "Remove what was written") == [True], gone.output
    assert gone.output.count("changed=1 ") == 1
    assert host.files() - {"inventory.yml", "playbook.yml"} == before


def test_the_job_of_cron_runs_what_the_service_would(host: Host) -> None:
    host.table.write_text("0 1 * * * somebody's own\n", encoding="utf-8")
    wanted = {
        "": "Mon..Fri 03:30",
        "_backend": "cron",
        "_command": str(host.programs / "show"),
        "_environment": {"ODD": ODD},
    }
    run = host.schedule(wanted, wanted, {"": "1d", "_backend": "systemd"})
    # systemd has it at the end
    assert changed(run, "See to cron's job") == [True, False, True], run.output
    assert host.table.read_text(encoding="utf-8") == "0 1 * * * somebody's own\n"
    history = host.table.with_name("crontab.all").read_text(encoding="utf-8")
    _own, comment, line, *_later = history.splitlines()
    assert comment == "#Ansible: imagesync-mirror (imagesync.registry)"
    minute, hour, day, month, weekdays, job = line.split(" ", 5)
    assert (minute, hour, day, month, weekdays) == ("30", "3", "*", "*", "1,2,3,4,5")
    # crontab(5): the command ends at a % without a backslash
    assert not re.search(r"(?<!\\)%", job)
    environment = {"HOME": str(host.home), "PATH": "/usr/bin:/bin", "LOGGED": str(host.logged)}
    command = ["/bin/sh", "-c", job.replace("\\%", "%")]
    subprocess.run(command, cwd=host.home, env=environment, check=True)
    shown = host.logged.read_text(encoding="utf-8").splitlines()
    expected = [str(host.project), ODD, "-i", str(host.inventory), "imagesync.registry.mirror"]
    assert shown == expected


#: ours must take no more than systemd does, and translate only that
EXPRESSIONS = """daily|hourly|weekly|monthly|Mon..Fri 03:30|03:30:00|*:0/15|00/6:05|8..18/2:00|
Mon,Wed 3:0|*-*-1,15 04:00|*-1/3-1 4:00|12-24 00:00|Sat|2030-1-1|Sunday 5:00|mon *-*-* *:*|
24:00|3:60|*-13-1|*-*-32 00:00|Mon..|Sun..Mon 1:00|Foo 3:00|5..1:00|00/0:00|3:00 Mon|*|
1-2-3-4 0:0|1:2:3:4|*/2:00|03|::|6h30m|1y|0m|15s"""


def test_systemd_agrees() -> None:
    program = find_program("systemd-analyze", "systemd")
    taken = []
    for text in filter(None, EXPRESSIONS.replace("\n", "").split("|")):
        done = subprocess.run([program, "calendar", text], capture_output=True, check=False)
        try:
            check_calendar(read_schedule(text).calendar or "daily")
            taken.append(text)
        except InvalidInput:
            continue
        assert done.returncode == 0, text
    assert len(taken) == 17
    for minutes in ("1m", "15m", "1h", "6h", "12h", "1d", "1w"):
        ((_key, expression), *_rest) = read_schedule(minutes).timer()
        assert subprocess.run([program, "calendar", expression], capture_output=True, check=True)
