# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two real registries on this machine, for as long as the demo runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import requests

from ansible_collections.imagesync.registry.tests.support.processes import free_port
from ansible_collections.imagesync.registry.tests.support.registries import DockerRegistry
from ansible_collections.imagesync.registry.tests.support.waiting import wait_until

ENGINES = ("docker", "podman")
ENGINE_IMAGE = "docker.io/library/registry:2"


class NoRegistry(Exception):
    """No registry can be had here; the message says what to install."""


@contextmanager
def two_registries() -> Iterator[tuple[str, str]]:
    """Where the two listen, as host:port. They are stopped at the end, whatever happens."""
    with ExitStack() as stack:
        yield stack.enter_context(_registry()), stack.enter_context(_registry())


@contextmanager
def _registry() -> Iterator[str]:
    if shutil.which("docker-registry"):
        with DockerRegistry() as registry:
            yield f"localhost:{registry.port}"
        return
    engine, container, port = _start_container()
    try:
        address = f"localhost:{port}"
        wait_until(lambda: _answers(address), f"the registry in container {container}", 30)
        yield address
    finally:
        subprocess.run(
            [engine, "rm", "--force", "--volumes", container], capture_output=True, check=False
        )


def _start_container() -> tuple[str, str, int]:
    """The engine, the container's id, and the port of this machine that leads to it."""
    reasons = []
    for engine in filter(shutil.which, ENGINES):
        port = free_port()
        command = [engine, "run", "--rm", "--detach", f"--publish=127.0.0.1:{port}:5000"]
        done = subprocess.run([*command, ENGINE_IMAGE], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return engine, done.stdout.strip(), port
        reasons.append(f"\n{engine}: {done.stderr.strip()}")
    raise NoRegistry(
        "The demo needs a registry to show anything. Please install docker-registry (the package "
        "of Debian and Ubuntu has that name), or start Docker or Podman." + "".join(reasons)
    )


def _answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/v2/", timeout=1).ok
    except requests.RequestException:
        return False
