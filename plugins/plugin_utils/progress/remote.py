# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of a running module on another host, read over a connection of Ansible's.

The connection of the task is in use by the task. It and its become plugin keep what they are
waiting for in themselves, so that another thread needs copies of both.
"""

from __future__ import annotations

import copy
import secrets
import shlex
from typing import Any

from .tail import PIECE

#: those that start a process of their own for each command; others may not bear a second one
_CONNECTIONS = ("local", "ssh")


class RemoteFile:
    """A file on the task's host, that the module makes and removes."""

    def __init__(self, action: Any) -> None:
        """``action``: the action plugin, before it uses its connection."""
        self._action = copy.copy(action)
        self._action._connection = copy.copy(action._connection)
        self._action._connection.become = copy.copy(action._connection.become)
        folder = _folder(action._connection._shell.get_option("system_tmpdirs"))
        # nobody can be there before us, and the module makes a new file or none
        self.path = f"{folder}/.image_sync-{secrets.token_hex(16)}"

    def read(self, offset: int) -> str:
        """What is there from this byte on, as far as one look goes; "" where there is no file."""
        path = shlex.quote(self.path)
        return self._run(f"tail -c +{offset + 1} {path} 2>/dev/null | head -c {PIECE}")

    def remove(self) -> None:
        """For a module that was killed before it could."""
        self._run(f"rm -f {shlex.quote(self.path)}")

    def _run(self, command: str) -> str:
        return str(self._action._low_level_execute_command(command)["stdout"])


def can_read_along(connection: Any) -> bool:
    """Whether a second command may run beside the first, and is one for a POSIX shell."""
    family = getattr(getattr(connection, "_shell", None), "SHELL_FAMILY", "")
    return getattr(connection, "transport", "") in _CONNECTIONS and family == "sh"


def _folder(offered: Any) -> str:
    """Where everybody can write: /tmp, unless it isn't among what is ``offered``."""
    folders = [str(folder) for folder in offered or ()]
    return "/tmp" if "/tmp" in folders or not folders else folders[0]
