# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image_build when something goes wrong: what is said, and what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors import image_build
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
)
from tests.support import images
from tests.support.building import add_programs, build, files
from tests.support.fixtures import MakeStrict
from tests.support.playbook import run_tasks
from tests.support.registries import MakeRegistry
from tests.support.sides import Side, Sides
from tests.support.waiting import wait_until

pytestmark = pytest.mark.any_core

BUILD = "imagesync.registry.image_build"
#: shows all processes that it sees, as anybody on the host could; some end meanwhile
SPY = "RUN cat /proc/[0-9]*/cmdline > /seen || :"
USER, PASSWORD, VALUE = "keeper", "canary-of-a-login", "canary-of-an-argument"


def refusal(side: Side, **options: Any) -> str:
    """The sentence of a build that fails; the tag is as it was."""
    before = side.digest()
    with pytest.raises(ImageSyncError) as caught:
        build(side.ref(), **options)
    assert side.digest() == before
    return str(caught.value)


def test_no_secret_is_seen(make_strict: MakeStrict, context: Path) -> None:
    """Neither the login nor a build argument is in the list of processes; through Ansible."""
    add_programs(context / "root", "sh", "cat")
    # docker-registry takes a tenth of a second to check a password
    registry = make_strict(auth=(USER, PASSWORD))
    text = f"FROM scratch\nARG WORD\nCOPY root /\n{SPY}\n"
    login = {"name": registry.host, "username": USER, "password": PASSWORD}
    task = {
        "image": f"{registry.host}/team/app:1",
        "containerfile": text,
        "context": str(context),
        "build_args": {"WORD": VALUE},
        "registries": [login],
    }
    then = {**task, "containerfile": f"FROM {task['image']}\nCOPY hello /\n"}
    then["image"] = f"{registry.host}/team/next:1"
    environment = {"TMPDIR": os.environ["TMPDIR"]}
    tasks = [{BUILD: task, "check_mode": True}, {BUILD: task}, {BUILD: then}]
    run = run_tasks(tasks, "--diff", "-vvv", environment=environment)
    assert [result["changed"] for result in run.results] == [True] * 3, run.output
    assert [result.get("digest", "") != "" for result in run.results] == [False, True, True]
    assert PASSWORD not in run.output
    assert f"+{registry.host}/team/app:1 built from sha256:" in run.output
    seen = files(Side(None, registry.host, "team/app"), auth=(USER, PASSWORD))["seen"]
    assert b"buildah" in seen and b"--build-arg\0WORD\0" in seen
    assert not [word for word in (PASSWORD, VALUE) if word.encode() in seen]


def test_a_failed_build_leaves_the_tag(sides: Sides, context: Path) -> None:
    side = sides.destination
    old = side.push(images.image("old"))
    add_programs(context / "root", "sh", "ls")
    text = "FROM scratch\nCOPY root /\nRUN echo I was here; ls /nowhere\n"
    said = refusal(side, containerfile=text, context=str(context))
    assert "the build for linux/" in said and "exit status" in said
    assert "I was here" in said and "cannot access '/nowhere'" in said
    assert os.environ["TMPDIR"] not in said
    assert side.digest() == old.digest and not sides.writes()


def test_what_a_build_needs(
    sides: Sides, context: Path, monkeypatch: pytest.MonkeyPatch, make_registry: MakeRegistry
) -> None:
    side, ref = sides.destination, sides.source.ref()
    missing = refusal(side, containerfile=f"FROM {ref}\n")
    assert missing.startswith(f"{side.ref()}: {ref}, which the Containerfile names, isn't there")
    sides.source.push(images.image("base", platform="linux/s390x"))
    other = refusal(side, containerfile=f"FROM {ref}\n", platforms=["linux/ppc64le"])
    assert "linux/ppc64le" in other and "linux/s390x" in other
    (context / "tool").write_bytes(b"\x7fELF of another machine")
    (context / "tool").chmod(0o755)
    text = f'FROM {ref}\nCOPY tool /\nRUN ["/tool"]\n'
    foreign = refusal(side, containerfile=text, context=str(context), platforms=["linux/s390x"])
    assert "for linux/s390x it needs an emulator" in foreign
    sides.source.push(images.image("arm", platform="linux/arm64/v8"), "arm")
    pinned = f"FROM --platform=linux/arm64 {sides.source.ref('arm')}\nLABEL a=b\n"
    assert "set platforms to linux/arm64" in refusal(
        side, containerfile=pinned, platforms=["linux/amd64"]
    )
    bad = refusal(side, containerfile="FROM scratch\nCOPI a b\n", context=str(context))
    assert "COPI" in bad
    readonly = make_registry(readonly=True)
    with pytest.raises(ImageSyncError) as caught:
        build(f"{readonly.host}/team/app:1", containerfile="FROM scratch\nLABEL a=b\n")
    refused = str(caught.value)
    assert refused.startswith(f"{readonly.host}/team/app:1: ") and "imagesync-build" not in refused
    assert "405" in refused
    monkeypatch.setenv("PATH", str(context))
    assert "buildah isn't on the PATH" in refusal(side, containerfile="FROM scratch\n")


def test_it_ends_with_all_its_processes(sides: Sides, context: Path) -> None:
    side = sides.destination
    old = side.push(images.image("old"))
    add_programs(context / "root", "sh", "sleep", "setsid")
    seconds = f"600.{os.getpid()}"
    # one of them in a session of its own, so that no signal to a group reaches it
    text = f"FROM scratch\nCOPY root /\nRUN setsid sleep {seconds} & sleep {seconds}\n"
    arguments = {"image": side.ref(), "containerfile": text, "context": str(context)}
    module = "ansible_collections.imagesync.registry.plugins.modules.image_build"
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdin
    given = {**arguments, "_ansible_remote_tmp": "/tmp"}
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
    process.stdin.close()
    process.stdin = None
    wait_until(lambda: len(sleepers(seconds)) == 2, "both to sleep", 30)
    process.send_signal(signal.SIGTERM)
    output, _errors = process.communicate(timeout=30)
    assert not sleepers(seconds)
    result = json.loads(output)
    assert process.returncode == 1 and result["failed"]
    assert "not done: the task was told to end (SIGTERM)" in result["msg"]
    assert side.digest() == old.digest and not sides.writes()


def test_a_deadline(sides: Sides, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_programs(context / "root", "sleep")
    monkeypatch.setattr(image_build, "_MINUTE", 1.5)
    text = f'FROM scratch\nCOPY root /\nRUN ["/bin/sleep", "601.{os.getpid()}"]\n'
    said = refusal(sides.destination, containerfile=text, context=str(context), deadline=1)
    assert "not done: the deadline of 2 seconds was reached" in said
    assert not sleepers(f"601.{os.getpid()}")


def sleepers(seconds: str) -> list[str]:
    """The processes that sleep for so long."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if words[0].endswith(b"sleep") and seconds.encode() in words:
            found.append(path.parent.name)
    return found


def test_memory_is_limited_or_the_task_fails(sides: Sides, context: Path) -> None:
    add_programs(context / "root", "sh", "dd")
    text = "FROM scratch\nCOPY root /\nRUN dd if=/dev/zero of=/dev/null bs=300M count=1\n"
    said = refusal(
        sides.destination, containerfile=text, context=str(context), memory="150M", cpus=1.5
    )
    may = groups_may_be_made()
    wanted = "more memory than the option memory allows" if may else "can't be limited here"
    assert wanted in said


def groups_may_be_made() -> bool:
    """Whether this machine lets us make control groups."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    root = Path("/sys/fs/cgroup", "" if unified else "memory")
    probe = root / f"imagesync-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    offered = (root / "cgroup.subtree_control").read_text() if unified else "memory cpu"
    return "memory" in offered and "cpu" in offered
