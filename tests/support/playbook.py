# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs tasks through the real ``ansible-playbook`` and returns what each of them gave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .terminal import run_on_terminal

_SUPPORT = Path(__file__).resolve().parent
_ROOT = _SUPPORT.parent.parent


@dataclass
class Run:
    """What a playbook did. ``output`` is all that it printed, on both streams.

    ``records``: for each result also the names of its ``task`` and ``host``, and its ``status``.
    """

    returncode: int
    output: str
    results: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    #: seconds since the start, and what was printed then; only on a terminal
    lines: list[tuple[float, str]] = field(default_factory=list)

    @property
    def last(self) -> dict[str, Any]:
        """The last task's result."""
        return self.results[-1]

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.results[number]

    def of(self, task: str) -> dict[str, dict[str, Any]]:
        """For each host the last result of the task whose name ends so."""
        return {
            r["host"]: {"failed": r["status"] != "ok", **r["result"]}
            for r in self.records
            if r["task"].endswith(task)
        }


def run_tasks(
    tasks: Sequence[Mapping[str, Any]],
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
    terminal: bool = False,
) -> Run:
    """Runs ``tasks`` on localhost, each also after a failed one.

    A result has the keys of the module's result, ``failed`` always among them. ``arguments`` go
    to ``ansible-playbook`` (``--check``, ``--diff``, ``-vvv``), which ``terminal`` puts on one.
    """
    play = {
        "name": "Test",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "ignore_errors": True,
        "vars": {"ansible_python_interpreter": python, **(variables or {})},
        "tasks": list(tasks),
    }
    with tempfile.TemporaryDirectory(prefix="imagesync-play-") as directory:
        path = Path(directory, "play.yml")
        path.write_text(json.dumps([play]), encoding="utf-8")
        command = ("-i", "localhost,", str(path), *arguments)
        return _run(command, Path(directory), None, environment or {}, terminal)


def run_playbook(
    playbook: str | Sequence[Mapping[str, Any]],
    folder: Path,
    *arguments: str,
    inventory: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    terminal: bool = False,
) -> Run:
    """Runs plays, or a playbook by its name in a collection, in ``folder``.

    ``inventory`` is written there as ``inventory.yml``; without it, the arguments name one.
    """
    command = list(arguments)
    if inventory is not None:
        path = folder / "inventory.yml"
        path.write_text(json.dumps(inventory), encoding="utf-8")
        command = ["-i", str(path), *command]
    if not isinstance(playbook, str):
        path = folder / "playbook.yml"
        path.write_text(json.dumps(list(playbook)), encoding="utf-8")
        playbook = str(path)
    with tempfile.TemporaryDirectory(prefix="imagesync-play-") as home:
        return _run([playbook, *command], Path(home), folder, environment or {}, terminal)


def _run(
    command: Sequence[str],
    home: Path,
    folder: Path | None,
    environment: Mapping[str, str],
    terminal: bool = False,
) -> Run:
    results = home / "results"
    options: dict[str, Any] = {"env": _environment(home, results, environment), "cwd": folder}
    printed: list[tuple[float, str]] = []
    if terminal:
        returncode, printed = run_on_terminal([_program(), *command], **options)
        output = "".join(f"{line}\n" for _when, line in printed)
    else:
        finished = subprocess.run(
            [_program(), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
            **options,
        )
        returncode, output = finished.returncode, finished.stdout
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    found = [json.loads(line) for line in lines]
    outcome = [{"failed": one["status"] == "failed", **one["result"]} for one in found]
    return Run(returncode, output, outcome, found, printed)


def run_module(name: str, *arguments: str, **options: Any) -> dict[str, Any]:
    """The result of one task with a module of this collection."""
    run = run_tasks([{"name": name, f"imagesync.registry.{name}": options}], *arguments)
    if not run.results:
        raise AssertionError(f"the playbook didn't get to its task:\n{run.output}")
    return run.last


def _program() -> str:
    """The ansible-playbook of the Python that runs the tests."""
    return str(Path(sys.executable).with_name("ansible-playbook"))


def _environment(home: Path, results: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The caller's, without what would bring logins or proxies of this machine into a test."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "IMAGESYNC_", "DOCKER_", "REGISTRY_", "XDG_"))
        and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_ASYNC_DIR": str(home / "async"),
        "ANSIBLE_COLLECTIONS_PATH": collections_path(),
        "ANSIBLE_CALLBACK_PLUGINS": str(_SUPPORT / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "results",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "IMAGESYNC_TEST_RESULTS": str(results),
        **more,
    }


def collections_path() -> str:
    """Where ``ansible_collections`` is: given by the test command, or above the checkout."""
    given = os.environ.get("ANSIBLE_COLLECTIONS_PATH")
    if given:
        return given
    if _ROOT.parent.parent.name == "ansible_collections":
        return str(_ROOT.parent.parent.parent)
    return str(_ROOT / ".build" / "collections")
