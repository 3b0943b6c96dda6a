# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits to memory and processors of a process and all that it starts: control groups of Linux.

docs.kernel.org/admin-guide/cgroup-v2.html, and cgroup-v1/{memory,index}.html. buildah limits
nothing itself where it works without a container runtime (isolation chroot).
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..model.errors import InvalidInput

_ROOT = "/sys/fs/cgroup"
#: microseconds
PERIOD = 100_000
#: seconds to wait for the last process of a group to be gone
_PATIENCE = 5.0


class Bounds(NamedTuple):
    """``memory``: bytes; ``cpus``: processors, also parts of one. None: as much as there is."""

    memory: int | None = None
    cpus: float | None = None

    @property
    def quota(self) -> int:
        """Microseconds of processor time in a ``PERIOD``."""
        return int((self.cpus or 0) * PERIOD)


class ControlGroup:
    """A group with these bounds, made at the beginning of a ``with`` block and gone after it."""

    def __init__(self, bounds: Bounds, name: str, root: str = _ROOT) -> None:
        self._folders = _folders(bounds, name, root)
        self._settings = _settings(bounds, os.path.isfile(f"{root}/cgroup.controllers"))
        self._made: list[str] = []

    def __enter__(self) -> ControlGroup:
        try:
            for controller, folder in self._folders.items():
                if folder not in self._made:
                    os.mkdir(folder)
                    self._made.append(folder)
                for name, value in self._settings.get(controller, ()):
                    _write(f"{folder}/{name}", value)
        except OSError as error:
            self.__exit__()
            raise InvalidInput(_refusal(error.strerror or "refused")) from None
        return self

    def add(self, pid: int) -> None:
        """Takes a process in, and all that it will start; raises InvalidInput."""
        try:
            for folder in self._made:
                _write(f"{folder}/cgroup.procs", str(pid))
        except ProcessLookupError:
            return  # it has ended already
        except OSError as error:
            raise InvalidInput(_refusal(error.strerror or "refused")) from None

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has ended a process of it."""
        for folder in self._made:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError), open(f"{folder}/{name}", encoding="ascii") as f:
                    if re.search(r"^oom_kill [1-9]", f.read(), re.MULTILINE):
                        return True
        return False

    def __exit__(self, *_error: object) -> None:
        until = time.monotonic() + _PATIENCE
        while self._made:
            try:
                os.rmdir(self._made[-1])
            except OSError:
                if os.path.isdir(self._made[-1]) and time.monotonic() < until:
                    time.sleep(0.02)
                    continue
            self._made.pop()


def _refusal(reason: str) -> str:
    return (
        f"memory and cpus can't be limited here ({reason}): with isolation chroot that takes root "
        "and control groups that may be written, which containers mostly don't have. Leave the "
        "limits out, or use isolation oci with crun or runc"
    )


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _settings(bounds: Bounds, unified: bool) -> dict[str, list[tuple[str, str]]]:
    """For each controller its files and what is to be in them."""
    found: dict[str, list[tuple[str, str]]] = {}
    if bounds.memory is not None:
        name = "memory.max" if unified else "memory.limit_in_bytes"
        found["memory"] = [(name, str(bounds.memory))]
    if bounds.cpus is not None and unified:
        found["cpu"] = [("cpu.max", f"{bounds.quota} {PERIOD}")]
    elif bounds.cpus is not None:
        found["cpu"] = [
            ("cpu.cfs_period_us", str(PERIOD)),
            ("cpu.cfs_quota_us", str(bounds.quota)),
        ]
    return found


def _folders(bounds: Bounds, name: str, root: str) -> dict[str, str]:
    """For each controller that is needed the folder of the group."""
    needed = [key for key, value in (("memory", bounds.memory), ("cpu", bounds.cpus)) if value]
    if os.path.isfile(f"{root}/cgroup.controllers"):
        _offer(root, needed)
        return {controller: f"{root}/{name}" for controller in needed}
    found = {}
    for controller in needed:
        own = _own_group(controller)
        mount = f"{root}/{controller}"
        # in a container, the path may be one of the host, which isn't seen here
        parent = mount + own if own and os.path.isdir(mount + own) else mount
        if not os.path.isdir(parent):
            raise InvalidInput(_refusal(f"there is no controller {controller}"))
        found[controller] = f"{parent.rstrip('/')}/{name}"
    return found


def _offer(root: str, needed: list[str]) -> None:
    """Has the groups below ``root`` have these controllers, which they have with systemd."""
    path = f"{root}/cgroup.subtree_control"
    try:
        with open(path, encoding="ascii") as file:
            there = file.read().split()
        missing = [controller for controller in needed if controller not in there]
        if missing:
            _write(path, " ".join(f"+{controller}" for controller in missing))
    except OSError as error:
        raise InvalidInput(_refusal(error.strerror or "refused")) from None


def _own_group(controller: str) -> str:
    """The path of our own group in the hierarchy of a controller."""
    with contextlib.suppress(OSError), open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _number, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return path
    return ""


@contextlib.contextmanager
def limited(bounds: Bounds, name: str) -> Iterator[ControlGroup | None]:
    """A group with these bounds; None where there are none."""
    if bounds == Bounds():
        yield None
        return
    with ControlGroup(bounds, name) as group:
        try:
            yield group
        finally:
            pass
