# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the Pythons of this machine, and says which core of Ansible each one runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TARGETS = ("3.9", "3.10")
CONTROLLERS = ("3.11", "3.12", "3.13", "3.14")
OLDEST = TARGETS[0]
CORES = ("2.19", "2.20", "2.21")

# A link, a pyenv shim or an environment's Python: what counts is the interpreter behind it.
PROBE = """
import importlib.util, json, sys
json.dump({
    "version": "%d.%d" % sys.version_info[:2],
    "path": getattr(sys, "_base_executable", None) or sys.executable,
    "pip": importlib.util.find_spec("ensurepip") is not None,
}, sys.stdout)
"""


@dataclass(frozen=True)
class Python:
    """An interpreter that was found, and the ansible-core it is to run (none on a mere target)."""

    version: str
    path: str
    brings_pip: bool
    core: str = ""

    @property
    def number(self) -> tuple[int, ...]:
        """The version, to compare it."""
        return tuple(int(part) for part in self.version.split("."))


def find_pythons() -> list[Python]:
    """Find the newest and all other supported Pythons, oldest first, each with its core."""
    found: dict[str, Python] = {}
    for path in _candidates():
        python = _probe(path)
        if python is None or python.version not in TARGETS + CONTROLLERS:
            continue
        known = found.get(python.version)
        if known is None or (python.brings_pip and not known.brings_pip):
            found[python.version] = python
    return assign_cores(sorted(found.values(), key=lambda python: python.number))


def assign_cores(pythons: list[Python]) -> list[Python]:
    """Spread the supported cores over the Pythons, the newest core on the newest Python."""
    assigned = []
    for python in pythons:
        if python.version in TARGETS:
            core = ""
        elif python.version == "3.11":
            core = "2.19"
        else:
            core = "2.21" if python is pythons[-1] else "2.20"
        assigned.append(Python(python.version, python.path, python.brings_pip, core))
    return assigned


def pyenv_root() -> Path:
    """Where pyenv keeps its interpreters, if there is pyenv."""
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def _candidates() -> Iterator[str]:
    names = [f"python{version}" for version in TARGETS + CONTROLLERS]
    yield sys.executable
    for name in names:
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            path = Path(folder, name)
            if folder and os.access(path, os.X_OK):
                yield str(path)
    # The shims on PATH run only the versions that are selected; the others are here.
    for name in names:
        yield from map(str, sorted(pyenv_root().glob(f"versions/*/bin/{name}")))


def _probe(path: str) -> Python | None:
    try:
        done = subprocess.run(
            [path, "-I", "-c", PROBE], capture_output=True, text=True, timeout=30, check=True
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a broken shim or installation is as good as none
    return Python(answer["version"], answer["path"], answer["pip"])
