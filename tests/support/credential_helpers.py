# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credential helpers: programs as ``docker-credential-pass`` is one, good ones and bad ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Helper:
    """A program ``docker-credential-NAME`` on a PATH of its own, which notes how it is called."""

    def __init__(self, folder: Path, name: str, body: str) -> None:
        """``body``: what it does, as a shell script; the registry is in ``$server`` there."""
        self.name = name
        self._log = folder / f"{name}.log"
        self.path = folder / f"docker-credential-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["#!/bin/sh", "server=$(cat)", f'echo "$*|$server" >> {self._log}', body]
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """``arguments|what it read`` of each call."""
        if not self._log.exists():
            return []
        return self._log.read_text(encoding="utf-8").splitlines()

    @property
    def environment(self) -> dict[str, str]:
        """The PATH with its folder in front."""
        return {"PATH": f"{self.path.parent}{os.pathsep}{os.environ['PATH']}"}


def gives(username: str, secret: str, **more: Any) -> str:
    """The body of a helper that has a login, in which no single quote may be."""
    login = {"ServerURL": "ignored", "Username": username, "Secret": secret, **more}
    return f"printf '%s' '{json.dumps(login)}'"


#: says that it has none, as docker-credential-helpers does
HAS_NONE = "echo credentials not found in native keychain; exit 1"
