# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the role ``mirror`` for hosts of an inventory that is made for a test."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .playbook import Run, run_playbook

PLAYBOOK = "imagesync.registry.mirror"
#: the last tasks of the role
MIRROR = "Mirror the images"
FAIL = "Fail for the images that failed"
_FACTS = ("mirror_result", "mirror_ids", "mirror_ids_by_name", "mirror_changed")
#: the role, and then its facts, also when it failed
_PLAY = {
    "name": "Test",
    "hosts": "all",
    "gather_facts": False,
    "tasks": [
        {
            "name": "Mirror",
            "block": [{"name": "Role", "ansible.builtin.include_role": {"name": PLAYBOOK}}],
            "always": [
                {
                    "name": "Facts",
                    "ansible.builtin.debug": {
                        "msg": {fact: f"{{{{ {fact} | default('unset') }}}}" for fact in _FACTS}
                    },
                }
            ],
        }
    ],
}


def inventory(variables: Mapping[str, Any], *hosts: str, **of_hosts: Any) -> dict[str, Any]:
    """Local hosts (``site`` if none is named) with variables for all, and some of their own."""
    names = hosts or ("site",)
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    return {
        "all": {
            "hosts": {name: of_hosts.get(name, {}) for name in names},
            "vars": {**common, **{f"mirror_{name}": value for name, value in variables.items()}},
        }
    }


def mirror(folder: Path, hosts: Mapping[str, Any], *arguments: str, **play: Any) -> Run:
    """Runs the role on these hosts; ``play``: more keywords of the play."""
    return run_playbook([{**_PLAY, **play}], folder, *arguments, inventory=hosts)


def facts(run: Run, host: str = "site") -> dict[str, Any]:
    """The role's facts after its run."""
    found: dict[str, Any] = run.of("Facts")[host]["msg"]
    return found


def refused(run: Run, host: str = "site") -> str:
    """What the role says of its variables; nothing may have been asked."""
    assert run.returncode != 0 and not run.of(MIRROR), run.output
    for task in ("Read and check what is declared", "Find what this host does of it"):
        found = run.of(task).get(host, {})
        if found.get("failed"):
            return str(found["msg"])
    raise AssertionError(run.output)


def failure(run: Run, host: str = "site") -> str:
    """The message that the role ends with, "" for none."""
    found = run.of(FAIL).get(host)
    return str(found["msg"]) if found else ""
