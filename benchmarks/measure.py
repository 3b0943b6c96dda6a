# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of a tool: between which registries, how long it took, and whether it did its work."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.imagesync.registry.tests.support.content import OCI_INDEX, OCI_MANIFEST
from ansible_collections.imagesync.registry.tests.support.registries import DockerRegistry

from .tools import Job, Tool
from .workloads import Tagged

HERE = Path(__file__).resolve().parent
SECONDS = 300  # what takes longer hangs
SAMPLE = 7  # every which image is looked at as a whole
SHOWN = 20  # lines of what a tool said


class RunFailed(Exception):
    """A tool ended badly or didn't do its work; the message says which and how."""


@dataclass(frozen=True)
class Taken:
    """What a run took: seconds of time and of processor, and the peak of one process in bytes."""

    seconds: float
    cpu: float
    peak: int


def run(tool: Tool, job: Job) -> Taken:
    """Run a tool, and return what it took; its output is in the file `output` of its folder."""
    result = job.folder / "taken.json"
    words = [sys.executable, "-I", "-S", str(HERE / "launch.py"), str(result), *tool.command(job)]
    environment = {
        **{name: value for name, value in os.environ.items() if not _is_proxy(name)},
        "ANSIBLE_LOCALHOST_WARNING": "0",
        **tool.environment(job),
    }
    with (job.folder / "output").open("wb") as output:
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired as error:
            raise RunFailed(f"{tool.key} did not end in {SECONDS} s") from error
        finally:
            if process.poll() is None:
                # The loops have children of their own; the group is theirs alone.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        lines = (job.folder / "output").read_text("utf-8", errors="replace").splitlines()
        bad = [line for line in lines if "error" in line.lower()] or lines[-SHOWN:]
        raise RunFailed("\n".join([f"{tool.key} ended with {code}:", *bad[:SHOWN]]))
    return Taken(**json.loads(result.read_text(encoding="utf-8")))


def check(tool: Tool, host: str, images: Sequence[Tagged]) -> None:
    """See that every tag names its image, and that a sample of the images is whole."""
    connection = http.client.HTTPConnection(host, timeout=30)
    with contextlib.closing(connection):
        for number, image in enumerate(images):
            found = _digest(connection, image.repository, "manifests", image.tag)
            if found != image.image.digest:
                where = f"{image.repository}:{image.tag}"
                raise RunFailed(f"{tool.key} left {where} at {found}, not {image.image.digest}")
            if number % SAMPLE == 0:
                _check_whole(tool, connection, image)


def _check_whole(tool: Tool, connection: http.client.HTTPConnection, image: Tagged) -> None:
    wanted = [("manifests", manifest.digest) for manifest in image.image.walk()]
    wanted += [("blobs", blob.digest) for blob in image.content]
    for kind, digest in wanted:
        if _digest(connection, image.repository, kind, digest) != digest:
            raise RunFailed(f"{tool.key} left {image.repository} without {kind} {digest}")


def _digest(connection: http.client.HTTPConnection, name: str, kind: str, reference: str) -> str:
    accept = {"Accept": f"{OCI_INDEX}, {OCI_MANIFEST}"}
    connection.request("HEAD", f"/v2/{name}/{kind}/{reference}", headers=accept)
    answer = connection.getresponse()
    answer.read()
    return answer.getheader("Docker-Content-Digest", "") if answer.status == 200 else ""


@contextlib.contextmanager
def front(registry: DockerRegistry, milliseconds: float) -> Iterator[str]:
    """The host by which to reach a registry, with so much latency added."""
    if not milliseconds:
        yield registry.host
        return
    words = [sys.executable, "-I", "-S", str(HERE / "latency.py")]
    process = subprocess.Popen(
        [*words, str(registry.port), str(milliseconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_proxy(name: str) -> bool:
    return name.lower().endswith("_proxy")
