# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that listen on a port: started, waited for, and stopped by their id."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import socket
import subprocess
from pathlib import Path

from .waiting import wait_until


def find_program(name: str, package: str) -> str:
    """The path of a program that the tests cannot do without."""
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(
            f"the tests need '{name}', which is not installed: apt-get install {package}"
        )
    return path


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class ListeningProcess:
    """A program that listens on a loopback port and writes its output to a file."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        """Start it, and return when it listens."""
        self.command, self.port, self.log_file = command, port, log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        atexit.register(self.kill)
        try:
            wait_until(self._is_up, f"{command[0]} to listen on port {port}")
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def _is_up(self) -> bool:
        if self._process.poll() is not None:
            output = self.log_file.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.command[0]} ended at its start:\n{output}")
        return listens(self.port)

    def stop(self) -> None:
        """End it politely, by force after five seconds."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        atexit.unregister(self.kill)
