# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a program on a terminal, and notes when it printed what."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

#: seconds
_LONGEST = 300.0
_COLUMNS = 200


def run_on_terminal(
    command: Sequence[str], env: Mapping[str, str], cwd: Path | None
) -> tuple[int, list[tuple[float, str]]]:
    """The exit status, and each line with the seconds since the start."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, _COLUMNS, 0, 0))
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=env, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    lines, rest = [], b""
    try:
        while time.monotonic() - began < _LONGEST:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # Linux says EIO when nobody has the other end
                piece = b""
            if not piece:
                break
            *whole, rest = (rest + piece).split(b"\n")
            when = time.monotonic() - began
            lines += [(when, line.decode(errors="replace").rstrip("\r")) for line in whole]
        return process.wait(5), lines
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
