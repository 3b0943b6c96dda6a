# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is measured: this collection, the other tools, and what an Ansible user has without it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sync import (
    ARGUMENT_SPEC,
)

from .workloads import Tagged

MODULE = "ansible_collections.imagesync.registry.plugins.modules.image_sync"
SKOPEO_COPY = (
    "skopeo",
    "--insecure-policy",
    "copy",
    "--all",
    "--preserve-digests",
    "--src-tls-verify=false",
    "--dest-tls-verify=false",
)

# Old versions of these tools send 10 requests a second at most, unless they are told otherwise.
REGCLIENT = {"tls": "disabled", "reqPerSec": 10_000}


@dataclass(frozen=True)
class Job:
    """Images to be mirrored from one host to another; `folder` is for the files of the tool."""

    folder: Path
    source: str
    destination: str
    images: Sequence[Tagged]

    def pairs(self) -> list[tuple[str, str]]:
        """The reference of each image at both sides."""
        names = [f"{image.repository}:{image.tag}" for image in self.images]
        return [(f"{self.source}/{name}", f"{self.destination}/{name}") for name in names]

    def by_turns(self) -> list[tuple[str, str]]:
        """The same, each repository's first image first.

        Two uploads of a blob to one repository at a time can make docker-registry 2.8 deny that it
        has the blob, so tools that copy image by image had better not be in one repository.
        """
        order = sorted(range(len(self.images)), key=lambda n: self.images[n].tag)
        pairs = self.pairs()
        return [pairs[number] for number in order]

    def write(self, name: str, content: Any) -> str:
        """Write a file, as JSON (which is YAML) unless it is text; its path."""
        path = self.folder / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def play(self, task: dict[str, Any]) -> list[str]:
        """Write a playbook with this task; the command that runs it."""
        play = {
            "name": "Mirror",
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [{"name": "Mirror the images", **task}],
        }
        return ["ansible-playbook", "-i", "localhost,", self.write("play.yml", [play])]


class Tool:
    """One way to mirror images; `key` names it on the command line and in the results."""

    key = ""
    title = ""
    program = ""  # what has to be installed
    ours = False

    @property
    def found(self) -> bool:
        """Whether it can be run here."""
        return shutil.which(self.program) is not None

    def command(self, job: Job) -> list[str]:
        """Write the files that it needs, and return the command that mirrors all images."""
        raise NotImplementedError

    def environment(self, _job: Job) -> dict[str, str]:
        """What it needs in its environment."""
        return {}


class Playbook(Tool):
    """The module as a user runs it."""

    key, title = "playbook", "image_sync, `ansible-playbook`"
    program, ours = "ansible-playbook", True

    def command(self, job: Job) -> list[str]:
        """One task for all images."""
        return job.play({"imagesync.registry.image_sync": module_options(job)})


class Module(Tool):
    """The process of the module alone, with its arguments in a file as when Ansible debugs."""

    key, title = "module", "image_sync, the module's process"
    program, ours = sys.executable, True

    def command(self, job: Job) -> list[str]:
        """One process for all images."""
        arguments = job.write("args.json", {"ANSIBLE_MODULE_ARGS": module_options(job)})
        return [sys.executable, "-m", MODULE, arguments]


class Loop(Tool):
    """A tool that copies one image a call, some calls at a time."""

    def __init__(self, at_once: int) -> None:
        """Run so many at once."""
        self.at_once = at_once
        self.key = f"{self.key}-{at_once}"
        self.title += f", {at_once} at once" if at_once > 1 else ", one after the other"

    def command(self, job: Job) -> list[str]:
        """Give the references to one call after the other."""
        pairs = job.write("pairs", "".join(f"{self.pair(*pair)}\n" for pair in job.by_turns()))
        return ["xargs", "-a", pairs, "-n", "2", "-P", str(self.at_once), *self.copy()]

    def pair(self, source: str, destination: str) -> str:
        """The two last arguments of a call."""
        return f"{source} {destination}"

    def copy(self) -> Sequence[str]:
        """A call without them."""
        raise NotImplementedError


class SkopeoCopy(Loop):
    """`skopeo copy` for each image."""

    key, title, program = "skopeo-copy", "skopeo copy", "skopeo"

    def pair(self, source: str, destination: str) -> str:
        """It names registries by a scheme."""
        return f"docker://{source} docker://{destination}"

    def copy(self) -> Sequence[str]:
        """All platforms, as they are."""
        return SKOPEO_COPY


class SkopeoSync(Tool):
    """`skopeo sync` with a file that names all tags."""

    key, title, program = "skopeo-sync", "skopeo sync", "skopeo"

    def command(self, job: Job) -> list[str]:
        """All tags of all repositories."""
        images: dict[str, list[str]] = {}
        for image in job.images:
            images.setdefault(image.repository, []).append(image.tag)
        (folder,) = {repository.rpartition("/")[0] for repository in images}
        wanted = job.write("sync.yml", {job.source: {"tls-verify": False, "images": images}})
        options = ("--all", "--preserve-digests", "--src", "yaml", "--dest", "docker")
        where = (wanted, f"{job.destination}/{folder}")
        return ["skopeo", "--insecure-policy", "sync", *options, "--dest-tls-verify=false", *where]


class CraneCopy(Loop):
    """`crane copy` for each image."""

    key, title, program = "crane", "crane copy", "crane"

    def copy(self) -> Sequence[str]:
        """It knows by itself that registries of this machine speak plain HTTP."""
        return ("crane", "copy")


class RegctlCopy(Loop):
    """`regctl image copy` for each image."""

    key, title, program = "regctl", "regctl image copy", "regctl"

    def copy(self) -> Sequence[str]:
        """How to reach the hosts is in its configuration."""
        return ("regctl", "image", "copy")

    def environment(self, job: Job) -> dict[str, str]:
        """Where its configuration is."""
        hosts = (job.source, job.destination)
        plain = {host: {"hostname": host, **REGCLIENT} for host in hosts}
        return {"REGCTL_CONFIG": job.write("regctl.json", {"hosts": plain})}


class Regsync(Tool):
    """`regsync once` with a file that names all images."""

    program = "regsync"

    def __init__(self, at_once: int) -> None:
        """Copy so many images at once, with as many requests to a host."""
        self.at_once = at_once
        self.key, self.title = f"regsync-{at_once}", f"regsync, {at_once} at once"

    def command(self, job: Job) -> list[str]:
        """One process for all images."""
        plain = {**REGCLIENT, "reqConcurrent": self.at_once}
        document = {
            "version": 1,
            "creds": [{"registry": host, **plain} for host in (job.source, job.destination)],
            "defaults": {"parallel": self.at_once},
            "sync": [{"source": s, "target": t, "type": "image"} for s, t in job.by_turns()],
        }
        return ["regsync", "once", "-v", "warn", "-c", job.write("regsync.yml", document)]


class AnsibleLoop(Tool):
    """What an Ansible user has without this collection: a loop over a command."""

    key, title, program = "ansible-loop", "Ansible, `loop` over `skopeo copy`", "skopeo"

    def command(self, job: Job) -> list[str]:
        """One task, with an item for each image."""
        words = [*SKOPEO_COPY, "docker://{{ item.source }}", "docker://{{ item.destination }}"]
        items = [{"source": source, "destination": target} for source, target in job.pairs()]
        return job.play({"ansible.builtin.command": {"argv": words}, "loop": items})


class AnsibleAlone(Tool):
    """A playbook that does nothing: what Ansible's own start takes."""

    key, title, program = "ansible", "Ansible alone, `ping`", "ansible-playbook"

    def command(self, job: Job) -> list[str]:
        """One task without images."""
        return job.play({"ansible.builtin.ping": {}})


TOOLS: tuple[Tool, ...] = (
    Playbook(),
    Module(),
    SkopeoSync(),
    SkopeoCopy(1),
    SkopeoCopy(4),
    CraneCopy(4),
    CraneCopy(16),
    RegctlCopy(4),
    RegctlCopy(16),
    Regsync(4),
    Regsync(16),
    AnsibleLoop(),
)


def module_options(job: Job) -> dict[str, Any]:
    """The options of image_sync for these images, which have no referrers to look for."""
    pairs = job.pairs()
    options: dict[str, Any] = {
        "images": [{"source": source, "destination": target} for source, target in pairs]
    }
    if "referrers" in ARGUMENT_SPEC:
        options["referrers"] = "never"
    return options
