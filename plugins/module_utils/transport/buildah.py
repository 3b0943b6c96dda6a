# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running buildah: as a process of its own, without a shell, ended with all that it has started."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import IO, Callable, NamedTuple, cast

from ..model.errors import InvalidInput
from .control_groups import ControlGroup

PROGRAM = "buildah"
#: the first one that leaves out stages that aren't needed, and the oldest that is tested
_LEAST = (1, 28)
_VERSION = re.compile(r"version (\d+)\.(\d+)")
#: the first one that knows here-documents
_HEREDOCS = (1, 33)
#: as much of the output as is kept
_KEPT = 256 << 10
_PIECE = 64 << 10
#: seconds that a process has to end by itself
_GRACE = 5.0
_INTERVAL = 0.1
_OF_USERS = ("PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "LANG", "LC_ALL")
_PROXIES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"),
)
#: the variables of ours that it gets; others could be settings of buildah or of the storage
_PASSED_ON = (*_OF_USERS, *_PROXIES)
#: what means something to buildah, its libraries, and programs written in Go
_OWN_NAMES = (
    *(*_OF_USERS, "TMPDIR", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GOCOVERDIR", "GORACE"),
)
_OWN_BEGINNINGS = ("BUILDAH_", "CONTAINERS_", "_CONTAINERS_", "STORAGE_", "XDG_", "LD_")


class Finished(NamedTuple):
    """``output``: both its outputs, the end of them."""

    status: int
    output: str


class Buildah:
    """The program; ``stopping`` is asked now and then whether it is to be ended."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        """Raises InvalidInput where it is missing or too old."""
        path = shutil.which(PROGRAM)
        if path is None or not os.path.isabs(path):
            raise InvalidInput(
                f"{PROGRAM} isn't on the PATH of this host; install its package, which Debian, "
                "Ubuntu, Fedora, RHEL, SUSE and Alpine all have by this name"
            )
        self._path, self._stopping = path, stopping
        found = _VERSION.search(self.run(["--version"], "/", {}).output)
        self._version = (int(found.group(1)), int(found.group(2))) if found else None
        self._check_version(_LEAST, "this")

    def check_heredocs(self) -> None:
        """Raises InvalidInput where it would take the lines of here-documents for instructions."""
        self._check_version(_HEREDOCS, "a Containerfile with here-documents (<<)")

    def _check_version(self, least: tuple[int, int], what: str) -> None:
        if self._version and self._version < least:
            own, wanted = (".".join(map(str, version)) for version in (self._version, least))
            raise InvalidInput(f"{PROGRAM} {own} of this host is too old: {what} takes {wanted}")

    @staticmethod
    def may_be_passed(name: str) -> bool:
        """Whether a variable of this name says nothing to buildah itself."""
        return name not in _OWN_NAMES and not name.startswith(_OWN_BEGINNINGS)

    def run(
        self,
        arguments: list[str],
        folder: str,
        variables: Mapping[str, str],
        group: ControlGroup | None = None,
    ) -> Finished:
        """Runs it in ``folder``, with these variables; nothing of it is left afterwards.

        Raises InvalidInput where it can't be started, or the group's limits can't be set.
        """
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        _adopt_orphans(True)
        before = _descendants()
        try:
            # run_command is AnsibleModule's, which this floor doesn't know
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                [self._path, *arguments],
                cwd=folder,
                env={**environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "an argument can't be handed over"
            raise InvalidInput(f"{self._path} can't be started: {reason}") from None
        try:
            if group is not None:
                group.add(process.pid)
            output = self._follow(process)
        finally:
            _end(process, before)
            _adopt_orphans(False)
            cast(IO[bytes], process.stdout).close()
        # a process that can't be ended has no status
        status = -signal.SIGKILL if process.returncode is None else process.returncode
        return Finished(status, output.decode("utf-8", "replace"))

    def _follow(self, process: subprocess.Popen[bytes]) -> bytes:
        """What it writes, until it has ended or is to end."""
        kept = b""
        output = cast(IO[bytes], process.stdout).fileno()
        os.set_blocking(output, False)
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while True:
                if self._stopping():
                    return kept
                done = process.poll() is not None  # before the look: all it wrote is there then
                if selector.select(0 if done else _INTERVAL):
                    piece = os.read(output, _PIECE)
                    if not piece:
                        break
                    kept = (kept + piece)[-_KEPT:]
                elif done:
                    break
        # it may have closed its output before it has ended
        while process.poll() is None and not self._stopping():
            time.sleep(_INTERVAL)
        return kept


def _end(process: subprocess.Popen[bytes], before: set[int]) -> None:
    """Ends it, if it hasn't, and whatever it has left behind."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    until = time.monotonic() + _GRACE
    while True:
        left = _descendants() - before
        if process.returncode is not None:
            left.discard(process.pid)
        if not left or time.monotonic() > until:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        for pid in left - {process.pid}:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)


def _adopt_orphans(adopt: bool) -> None:
    """Processes whose parent ends become ours, so that they are found (prctl(2))."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(36, int(adopt), 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _descendants() -> set[int]:
    """The processes that this one, and those that it has started, have started."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    # the name, in parentheses, may have anything in it
                    parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    todo = list(children.get(os.getpid(), ()))
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, ())
    return found
