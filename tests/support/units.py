# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd itself reads in units that were written to some folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from .processes import find_program


def read_by_systemd(folder: Path, name: str) -> tuple[list[str], str, dict[str, str]]:
    """The command, folder and variables of a service, which has a timer; both are verified."""
    paths = [str(folder / f"{name}.{kind}") for kind in ("service", "timer")]
    command = [find_program("systemd-analyze", "systemd"), "verify", *paths]
    plain = subprocess.run(command, capture_output=True, text=True, check=True)
    assert plain.stderr == "" == plain.stdout
    loud = {**os.environ, "SYSTEMD_LOG_LEVEL": "debug"}
    told = subprocess.run(command, env=loud, capture_output=True, text=True, check=True)
    unit = told.stdout.split(f"Unit {name}.service:", 1)[1].split("-> Unit ", 1)[0]
    (line,) = re.findall(r"Command Line: (.*)", unit)
    # it shows words as a shell would take them; $$ is for when it starts them
    words = [word.replace("$$", "$") for word in shlex.split(line.replace("\\$", "$"))]
    (directory,) = re.findall(r"WorkingDirectory: (.*)", unit)
    variables = dict(v.split("=", 1) for v in re.findall(r"Environment: (.*)", unit))
    return words, directory, variables
