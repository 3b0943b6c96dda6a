# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as its users get it: the tarball, installed where there is nothing else of it.

`make test` says by variables where the tarball and the programs are. Nothing else of them, and of
nothing in this process, reaches what is started: not a path to the checkout, and no home.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.registries import DockerRegistry


def _given(name: str) -> Path:
    path = os.environ.get(name)
    if not path:
        pytest.fail(f"{name} isn't set: these tests are a stage of `make test`")
    return Path(path)


def checkout() -> Path:
    """What the tarball was made of: this checkout, or the work tree of a release."""
    return Path(os.environ.get("IMAGESYNC_CHECKOUT") or Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class Installed:
    """A place with ansible-core and requests, where the tarball was installed."""

    bin: Path
    folder: Path

    @property
    def collections(self) -> Path:
        """Where it was installed to."""
        return self.folder / "collections"

    @property
    def environment(self) -> Mapping[str, str]:
        """All that its programs get to know."""
        return {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(self.folder / "home/.ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join([str(self.bin), "/usr/bin", "/bin"]),
        }

    def run(self, program: str, *arguments: str | Path, cwd: Path | None = None) -> str:
        """What one of its programs prints; a test fails that it fails."""
        done = subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            cwd=cwd or self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{program} {arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def tarball() -> Path:
    """What `ansible-galaxy collection build` made of the checkout."""
    return _given("IMAGESYNC_TARBALL")


@pytest.fixture(scope="session")
def tools() -> Path:
    """Where ansible-builder is."""
    return _given("IMAGESYNC_TOOLS_BIN")


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The tarball, installed as the README says."""
    place = Installed(_given("IMAGESYNC_INSTALLED_BIN"), tmp_path_factory.mktemp("installed"))
    (place.folder / "home").mkdir()
    place.run("ansible-galaxy", "collection", "install", tarball)
    return place


@pytest.fixture
def docker_registry() -> Iterator[DockerRegistry]:
    """A real registry."""
    with DockerRegistry() as registry:
        yield registry
