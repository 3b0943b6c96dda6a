# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a tool sends, counted by proxies before both registries: the same on every machine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.imagesync.registry.tests.support.proxy import RecordingProxy
from ansible_collections.imagesync.registry.tests.support.registries import DockerRegistry

from .measure import check, run
from .storage import store
from .tools import Job, Tool
from .workloads import Workload

COLD, NOTHING, MOVED = "cold", "nothing to do", "one tag moved"
PHASES = (COLD, NOTHING, MOVED)


@dataclass(frozen=True)
class Counted:
    """The requests of a run at each side, the bytes of blobs read and written, and the mounts."""

    source: int
    destination: int
    reads_only: bool
    downloaded: int
    uploaded: int
    mounts: int


def count(
    tool: Tool, workload: Workload, phases: Sequence[str], folder: Path
) -> dict[str, Counted]:
    """What the tool sends in each phase."""
    counted = {}
    images = workload.all()
    folder.mkdir(parents=True, exist_ok=True)
    with DockerRegistry() as source, DockerRegistry() as destination:
        store(source.storage, images)
        with RecordingProxy(source.url) as above, RecordingProxy(destination.url) as below:
            job = Job(folder, above.host, below.host, images)
            for phase in phases:
                if phase == MOVED:
                    images[0] = workload.tagged(0, version=1)
                    store(source.storage, images[:1])
                above.clear()
                below.clear()
                run(tool, job)
                above.settle()
                below.settle()
                counted[phase] = _counted(above, below)
                check(tool, destination.host, images)
    shutil.rmtree(folder)
    return counted


def _counted(source: RecordingProxy, destination: RecordingProxy) -> Counted:
    mounts = [request for request in destination.select("POST", "upload") if request.status == 201]
    return Counted(
        len(source.requests),
        len(destination.requests),
        all(request.method == "HEAD" for request in source.requests + destination.requests),
        source.bytes_down(),
        destination.bytes_up(),
        len(mounts),
    )
