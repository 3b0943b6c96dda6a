# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for a schedule, and what is refused before."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.schedule import plan, units

HOST = {
    "me": "root",
    "uid": "0",
    "user": "mirror",
    "home": "/home/mirror",
    "units": "/etc/systemd/system",
    "state": "/var/lib",
    "machine": "host",
    "job": "yes",
    "booted": "yes",
    "ansible-playbook": "/usr/bin/ansible-playbook",
    "flock": "/usr/bin/flock",
    "timeout": "/usr/bin/timeout",
    "logger": "/usr/bin/logger",
    "crontab": "/usr/bin/crontab",
    "systemd-analyze": "/usr/bin/systemd-analyze",
    "playbook": "yes",
    "inventory": "yes",
}
GIVEN = {"mirror_schedule": "6h", "mirror_schedule_playbook": "imagesync.registry.mirror"}


def made(host: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
    variables = {**GIVEN, **{f"mirror_schedule_{name}": value for name, value in given.items()}}
    return plan.make_plan(variables, {**HOST, **(host or {})})


def service_of(found: dict[str, Any]) -> list[str]:
    return str(found["files"][0]["content"]).splitlines()


def without(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


def test_systemd_is_taken_where_it_runs_and_cron_elsewhere() -> None:
    assert (made()["systemd"], made()["cron"]) == ("present", "absent")
    elsewhere = made(without("booted"))
    assert (elsewhere["systemd"], elsewhere["cron"]) == ("", "present")
    assert made(without("booted"), backend="systemd")["systemd"] == "present"
    assert made(without("crontab"))["cron"] == made(without("job"))["cron"] == ""
    with pytest.raises(InvalidInput, match="install cron, or set mirror_schedule_backend"):
        made(without("booted", "crontab"))
    with pytest.raises(InvalidInput, match="has no crontab"):
        made(without("crontab"), backend="cron")


def test_the_other_one_goes_when_it_was_ours() -> None:
    unit = "/etc/systemd/system/imagesync-mirror.timer"
    found = made({unit: units.MARK}, backend="cron")
    assert found["systemd"] == "absent" and unit in found["leftovers"]
    assert made({unit: "[Timer]"}, backend="cron")["systemd"] == ""


def test_a_unit_of_somebody_else_is_left_alone() -> None:
    unit = "/etc/systemd/system/imagesync-mirror.service"
    with pytest.raises(InvalidInput, match="wasn't written by this role"):
        made({unit: "[Unit]"})
    rest = [
        "/var/lib/systemd/timers/stamp-imagesync-mirror.timer",
        "/home/mirror/.ansible/imagesync-mirror.lock",
    ]
    gone = made({unit: "[Unit]", **dict.fromkeys(rest, "yes")}, state="absent")
    assert gone["leftovers"] == rest
    assert made({unit: units.MARK, rest[1]: "yes"}, backend="cron")["leftovers"] == [unit]


def test_a_user_without_root_has_units_of_their_own() -> None:
    me = {"me": "mirror", "uid": "1000", "units": "/home/mirror/.config/systemd/user"}
    found = made(me)
    assert found["scope"] == "user" and found["crontab_of"] == ""
    text = service_of(found)
    assert not [line for line in text if line.startswith(("User=", "PrivateDevices", "Capab"))]
    assert {"NoNewPrivileges=true", "ProtectSystem=strict"} <= set(text)
    assert "linger" in plan.warnings(found, {**HOST, **me})[0]
    with pytest.raises(InvalidInput, match="become root"):
        made({**me, "user": "other"})


def test_root_writes_for_the_owner_of_the_project() -> None:
    text = service_of(made(inventory="/srv/mirror/hosts.yml", writable=["/srv/a b"]))
    assert {"User=mirror", "WorkingDirectory=/srv/mirror", "CapabilityBoundingSet="} <= set(text)
    assert [line for line in text if line.startswith("ReadWrite")] == [
        'ReadWritePaths="-/srv/mirror"',
        'ReadWritePaths="-/home/mirror/.ansible"',
        'ReadWritePaths="-/srv/a b"',
    ]
    assert "PrivateTmp=true" in text
    assert "CapabilityBoundingSet=" not in service_of(made({"user": "root"}))
    assert "PrivateTmp=true" not in service_of(made(inventory="/tmp/x/hosts.yml"))


@pytest.mark.parametrize(
    ("inventory", "more"),
    [("/srv/mirror/hosts.yml", ["/srv/locks"]), ("/srv/mirror/hosts", [])],
)
def test_a_run_may_write_where_the_inventory_says(inventory: str, more: list[str]) -> None:
    """Relative paths begin at the inventory, which may be a folder."""
    named = [
        ("mirror_lock_file", "../locks/a.json"),
        ("mirror_lock_file", "../locks/b.json"),
        ("mirror_report_file", "reports/{date}.html"),
        ("mirror_metrics_file", "/var/lib/node_exporter/textfile/mirror.prom"),
        ("mirror_destination", "oci:/srv/bundle:name"),
        ("mirror_destination", "oci-archive:~/out/b.tar"),
        ("mirror_destination", "registry.example.com/mirror"),
        ("mirror_report_file", "/everything.html"),
        ("mirror_metrics_file", None),
    ]
    folder = {"inventory_folder": "yes"} if inventory.endswith("hosts") else {}
    given = {**GIVEN, "mirror_schedule_inventory": inventory}
    found = service_of(plan.make_plan(given, {**HOST, **folder}, named))
    paths = [line.split('"')[1] for line in found if line.startswith("ReadWrite")]
    rest = ["/var/lib/node_exporter/textfile", "/srv/bundle", "/home/mirror/out"]
    known = ["/srv/mirror", "/home/mirror/.ansible"]
    assert paths == [f"-{path}" for path in [*known, *more, *rest]]
    # what can't be found on the host, as nobody knows where it begins, is left out
    assert plan.make_plan(GIVEN, HOST, named[:3])["files"] == made()["files"]
    with pytest.raises(InvalidInput, match="mirror_lock_file has a line break"):
        plan.make_plan(given, HOST, [("mirror_lock_file", "/srv/a\nb/lock.json")])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "a b"}, "_name"),
        ({"name": "../x"}, "_name"),
        ({"playbook": "mirror.yml"}, "absolute path"),
        ({"playbook": "--version"}, "absolute path"),
        ({"playbook": "/srv/a\nb.yml"}, "line break"),
        ({"playbook": "/srv/a\\b.yml"}, "backslashes"),
        ({"inventory": "hosts.yml"}, "absolute path"),
        ({"inventory": "/srv/b "}, "absolute path"),
        ({"directory": "srv"}, "absolute path"),
        ({"writable": ["srv"]}, "absolute path"),
        ({"arguments": ["a\nb"]}, "line break"),
        ({"environment": {"A B": "c"}}, "no name of a variable"),
        ({"environment": {"A": "b\nc"}}, "line break"),
        ({"timeout": "12"}, "_timeout"),
        ({"delay": "1 day"}, "_delay"),
    ],
)
def test_what_cannot_be_written_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        made(**given)


def test_what_is_missing_is_told() -> None:
    for name, message in (
        ("ansible-playbook", "install ansible-core"),
        ("flock", "util-linux"),
        ("home", "knows no home"),
        ("inventory", "there is no /srv/hosts"),
    ):
        with pytest.raises(InvalidInput, match=message):
            made({name: ""}, inventory="/srv/hosts")
    with pytest.raises(InvalidInput, match=r"there is no /srv/a\.yml"):
        made(without("playbook"), playbook="/srv/a.yml")
    with pytest.raises(InvalidInput, match="say how often"):
        plan.make_plan({}, HOST)
    with pytest.raises(InvalidInput, match="no schedule"):
        plan.make_plan({**GIVEN, "mirror_schedule": "never"}, {**HOST, "systemd-analyze": ""})


def test_a_project_may_come_later_where_it_is_said_who_runs_it() -> None:
    host = {**HOST, "playbook": "", "inventory": ""}
    found = made(host, playbook="/srv/a.yml", inventory="/srv/hosts", user="mirror")
    assert [text.split(" on ")[0] for text in plan.warnings(found, host)] == [
        "mirror_schedule_playbook: there is no /srv/a.yml",
        "mirror_schedule_inventory: there is no /srv/hosts",
    ]
    # who owns the playbook runs it
    found = made(without("inventory"), playbook="/srv/a.yml", inventory="/srv/hosts")
    assert len(plan.warnings(found, HOST)) == 1
    own = {**host, "uid": "1000", "me": "mirror"}
    assert len(plan.warnings(made(own, playbook="/srv/a.yml"), {**own, "lingers": "yes"})) == 1


def test_where_systemd_does_not_run_that_is_said() -> None:
    host = {**HOST, "booted": ""}
    assert "when the machine boots" in plan.warnings(made(host, backend="systemd"), host)[0]
    assert plan.warnings(made(), HOST) == []


#: everything but control characters, and bytes that no text is
WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


def _as_systemd(line: str) -> list[str]:
    """systemd.syntax(7) and systemd.service(5) for what is written here."""
    found = []
    for bare, quoted in re.findall(r'(?:^| )(?:([^ "]+)|"((?:[^"\\]|\\.)*)")(?= |$)', line):
        text = bare or re.sub(r"\\(.)", r"\1", quoted)
        found.append(text.replace("%%", "%").replace("$$", "$"))
    return found


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_any_word_comes_through_systemd(words: list[str]) -> None:
    (line,) = [
        line
        for line in service_of(made(arguments=words))
        if line.startswith("ExecStart=/usr/bin/flock ")
    ]
    found = _as_systemd(line.removeprefix("ExecStart="))
    assert found[5:] == ["/usr/bin/ansible-playbook", *words, "imagesync.registry.mirror"]


def test_any_word_comes_through_cron_and_the_shell() -> None:
    words = ["a b", "%d", "100%", "$HOME", "`id`", "it's", '"', "\\", "*", ";", "\\%", "é"]
    job = units.Job("n", ["echo", *words], "/", "/usr/bin/flock", "/lock", "", 60)
    line = units.cron_job(job, "", "")
    assert not re.search(r"(?<!\\)%", line)
    # what cron hands to sh; there, the programs before the command are played
    text = line.replace(r"\%", "%").replace("/usr/bin/flock", "show")
    show = (
        'show() { shift 4; python3 -c "import sys, json; print(json.dumps(sys.argv[2:]))" "$@"; }'
    )
    text = text.replace("env PATH=", "PATH=", 1)
    shell = subprocess.run(
        ["sh", "-c", f"{show}\n{text}"], capture_output=True, text=True, check=True
    )
    assert json.loads(shell.stdout) == words
