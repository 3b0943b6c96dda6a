# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls in processes of their own, to be killed: forked in milliseconds from one that is warm."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import Lock
from ansible_collections.imagesync.registry.plugins.module_utils.sync.lock_file import LockFile

from .sync import sync

_CONTEXT = multiprocessing.get_context("forkserver")
# what takes its time to import is there before the fork; the server ends with this process
_CONTEXT.set_forkserver_preload([__name__])


class Victim:
    """A call in a process of its own; use it as a context, and it is gone after that."""

    def __init__(self, folder: Path, work: Callable[..., Any], *arguments: Any) -> None:
        """Starts ``work``, a function of a module; temporary files go to ``folder``."""
        self._results, sender = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_run, args=(sender, str(folder), work, arguments))
        self._process.start()
        sender.close()

    def kill(self) -> None:
        """SIGKILL: returns when the process is gone. Any thread may do it."""
        assert self._process.pid
        with contextlib.suppress(ProcessLookupError):
            if not wait([self._process.sentinel], 0):
                os.kill(self._process.pid, signal.SIGKILL)
        wait([self._process.sentinel])  # join() is for one thread alone

    def result(self, timeout: float = 60.0) -> Any:
        """What the work returned; None of one that was killed."""
        try:
            found = (
                self._results.recv() if self._results.poll(timeout) else TimeoutError("it hangs")
            )
        except EOFError:
            found = None
        self._process.join(timeout)
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def status(self) -> int | None:
        """How it ended: 0, or the negative number of a signal; None while it runs."""
        return self._process.exitcode

    def __enter__(self) -> Victim:
        """Use it inside the with block."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Nothing of it is left."""
        self.kill()
        self._process.join()
        self._results.close()
        self._process.close()


def _run(sender: Any, folder: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """In the child. An error is a result too."""
    os.chdir(folder)
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    try:
        found = work(*arguments)
    except Exception as error:
        found = error
    sender.send(found)


def syncing(folder: Path, **options: Any) -> Victim:
    """A call of image_sync with these options."""
    return Victim(folder, _sync, options)


def _sync(options: dict[str, Any]) -> dict[str, Any]:
    return sync(**options)


def writing(folder: Path, path: Path, lock: Lock, lines: int) -> Victim:
    """Writes a lock file; dies at this line of code of that. Its result: the lines there were."""
    return Victim(folder, _write_until, str(path), lock, lines)


def _write_until(path: str, lock: Lock, number: int) -> int:
    seen = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.endswith(("/lock_file.py", "/alone.py", "/replacing.py")):
            return None
        seen += event == "line"
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    LockFile(path).update(lock)
    sys.settrace(None)
    return seen
