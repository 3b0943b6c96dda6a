# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live progress: lines on a terminal while the module runs, and none elsewhere."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import images
from tests.support.playbook import Run, run_playbook
from tests.support.role import facts, inventory, mirror
from tests.support.sides import Sides

#: a copy takes some seconds, so that there is something to see
SIZE, LIMIT = 1_300_000, "500K"
#: those on which the same task runs at the same time
HOSTS = ("plain", "remote", "handed", "foretold", "silent", "unwanted", "astray", "later")
#: in place of ssh: the last argument is the command
STAND_IN = """#!/bin/sh
for command; do :; done
printf '%s\\n' "$command" >> "{log}"
exec /bin/sh -c "$command"
"""
#: in place of sudo: it asks for a password each time, as the second command at once must bear
SUDO = """#!/bin/sh
while :; do
  case $1 in
    -p) printf %s "$2" >&2; read -r word; [ "$word" = sesame ] || exit 1; shift 2 ;;
    -u) user=$2; shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
printf 'as %s: %s\\n' "$user" "$*" >> "{log}"
exec "$@"
"""


def shown(run: Run, host: str) -> list[tuple[float, str]]:
    """The lines about a host, without its label, and when they came."""
    label = re.compile(rf"\[{re.escape(host)}\] (?:\(item=one\) )?(.+)")
    return [(when, m[1]) for when, line in run.lines if (m := label.fullmatch(line))]


def ended(run: Run, host: str) -> float:
    """When its result was printed."""
    return next(
        when for when, line in run.lines if re.match(rf"(changed|ok): \[{re.escape(host)}\]", line)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the files of the modules are; none may be left."""
    path = tmp_path / "temporary"
    path.mkdir()
    yield path
    assert list(path.iterdir()) == []


def play(sides: Sides, folder: Path, tmp_path: Path) -> Run:
    """A slow copy on each of the hosts, in a loop, on a terminal."""
    ssh, sudo, log = tmp_path / "ssh", tmp_path / "sudo", tmp_path / "commands"
    for program, text in ((ssh, STAND_IN), (sudo, SUDO)):
        program.write_text(text.format(log=log), encoding="utf-8")
        program.chmod(0o700)
    for host in HOSTS:
        sides.source.push(images.image(f"{sides.source.repository} {host}", size=SIZE), host)
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_system_tmpdirs": [str(folder)],
    }
    own: dict[str, dict[str, Any]] = {
        "remote": {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(ssh),
            "ansible_pipelining": True,
            "ansible_become": True,
            "ansible_become_user": "somebody",
            "ansible_become_exe": str(sudo),
            "ansible_become_password": "sesame",
        },
        "handed": {"ansible_connection": "none", "elsewhere": "remote"},
        "foretold": {"foretell": True},
        "silent": {"hide": True},
        "unwanted": {"progress": "never"},
        "astray": {"ansible_system_tmpdirs": [str(tmp_path / "nowhere")]},
        "later": {"background": 60},
    }
    task = {
        "name": "Mirror",
        "imagesync.registry.image_sync": {
            "source": sides.source.ref("{{ inventory_hostname }}"),
            "destination": sides.destination.ref(""),
            "bandwidth_limit": LIMIT,
            "progress": "{{ progress | default(omit) }}",
        },
        "loop": ["one"],
        "delegate_to": "{{ elsewhere | default(inventory_hostname) }}",
        "check_mode": "{{ foretell | default(false) }}",
        "no_log": "{{ hide | default(false) }}",
        "async": "{{ background | default(0) }}",
        "poll": 1,
    }
    return run_playbook(
        [{"name": "Test", "hosts": "all", "gather_facts": False, "tasks": [task]}],
        tmp_path,
        "--forks",
        str(len(HOSTS)),
        inventory={"all": {"hosts": {h: own.get(h, {}) for h in HOSTS}, "vars": common}},
        terminal=True,
    )


def test_lines_come_while_the_module_runs(sides: Sides, folder: Path, tmp_path: Path) -> None:
    # what is only looked at has to be slow in another way
    waiting = sides.source.proxy.inject("GET .*/manifests/foretold", "delay", 3)
    run = play(sides, folder, tmp_path)
    assert run.returncode == 0 and run.output.count("changed=1") == len(HOSTS), run.output
    assert "WARNING" not in run.output and "ERROR" not in run.output

    for host in ("plain", "remote", "handed -> remote"):
        lines = shown(run, host)
        first, *_more = lines
        assert re.match(r"0 of 1 image, [\d.]+ \w+ of 1\.[23] MiB", first[1]), lines
        assert ended(run, host) - first[0] > 0.5
        assert "copied" in lines[-1][1] and sides.destination.ref(host.split()[0]) in lines[-1][1]
        times = [when for when, _line in lines[:-1]]
        assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(times))
        assert any("[" + host + "] (item=one) " in line for _when, line in run.lines)
    commands = (tmp_path / "commands").read_text(encoding="utf-8")
    assert len(set(re.findall(rf"as somebody: .*tail -c \+1 {folder}/(\S+)", commands))) == 2

    assert waiting.hits == 1 and shown(run, "foretold")
    assert set(sides.destination.tags()) == set(HOSTS) - {"foretold"}
    for host in ("silent", "unwanted", "astray", "later"):
        assert shown(run, host) == []
    assert sides.destination.ref("silent") not in run.output


def test_the_role_is_told_and_a_pipe_gets_no_lines(
    sides: Sides, folder: Path, tmp_path: Path
) -> None:
    """Unless it is asked for; and of many images with a failed one."""
    for tag in ("1", "2"):
        sides.source.push(images.image(f"{sides.source.repository} {tag}", size=SIZE // 2), tag)
    entries = [{"source": sides.source.ref(tag), "destination": f"site:{tag}"} for tag in "123"]
    others = [{"source": sides.source.ref("1"), "destination": "other:1"}]
    hosts = inventory(
        {"destination": sides.destination.ref(""), "bandwidth_limit": LIMIT},
        "site",
        "other",
        site={"mirror_images": entries, "mirror_progress": "always"},
        other={"mirror_images": others},
    )
    hosts["all"]["vars"]["ansible_system_tmpdirs"] = [str(folder)]
    run = mirror(tmp_path, hosts)
    lines = [line for line in run.output.splitlines() if line.startswith("[")]
    lines = [line for line in lines if not line.startswith("[ERROR]")]
    assert lines and all(line.startswith("[site] ") for line in lines), run.output
    assert any(re.search(r"\b1 of 3 images.*; failed \S+/site:3", line) for line in lines)
    assert lines[-1].startswith("[site] 1 failed, 2 copied, 1.2 MiB moved in ")
    summary = facts(run)["mirror_result"]["summary"]
    assert lines[-1].startswith(f"[site] {summary}")
    assert facts(run, "other")["mirror_result"]["summary"].startswith("1 copied, 635.")
