# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What newcomers are told to write, run as it stands: the README, and "Getting started"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import images, push, skopeo
from tests.support.playbook import run_playbook
from tests.support.registries import DockerRegistry

pytestmark = pytest.mark.any_core

ROOT = Path(__file__).resolve().parents[2]
HOME = "localhost:5000"
NAMES = ("library/busybox:1.36", "prometheus/prometheus:v2.54.1")


@pytest.fixture
def snippets(
    tmp_path: Path, source_registry: DockerRegistry, destination_registry: DockerRegistry, repo: str
) -> Any:
    """The YAML of a document with the registries of this test, and the place of the mirror."""
    source, home = f"{source_registry.host}/{repo}/", f"{destination_registry.host}/{repo}"
    for name in NAMES:
        push.push(images.multi_platform(name), source + name)

    def read(document: str, number: int) -> tuple[list[Any], str]:
        text = (ROOT / document).read_text(encoding="utf-8")
        found = re.findall(r"^```yaml\n(---\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
        here = [block for block in found if HOME in block]
        assert len(here) == number
        text = "\n".join(here).replace(HOME, home)
        # The role keeps the path that an image has at its source.
        of_role = "mirror_destination: "
        text = text.replace(f"{of_role}{home}\n", f"{of_role}{destination_registry.host}\n")
        for upstream in ("docker.io/", "quay.io/"):
            text = text.replace(upstream, source)
        return list(yaml.safe_load_all(text)), home

    return read


def test_getting_started(snippets: Any, tmp_path: Path) -> None:
    (inventory, deploy), home = snippets("docs/getting-started.md", 2)
    role = [{"import_playbook": "imagesync.registry.mirror"}]
    run = run_playbook([*role, *role, *deploy], tmp_path, inventory=inventory)
    assert run.returncode == 0 and "WARNING" not in run.output, run.output
    mirrored = [r for r in run.records if r["task"].endswith("Mirror the images")]
    assert [record["result"]["changed"] for record in mirrored] == [True, False]
    assert mirrored[0]["result"]["summary"].startswith("2 copied")
    check_deployed(tmp_path, home)


def test_the_two_minutes_of_the_readme(snippets: Any, tmp_path: Path) -> None:
    (mirror, deploy), home = snippets("README.md", 2)
    run = run_playbook([*mirror, *deploy], tmp_path)
    assert run.returncode == 0, run.output
    assert f"{home}/{NAMES[0]}: copied" in run.output
    check_deployed(tmp_path, home)


def check_deployed(folder: Path, home: str) -> None:
    """The Compose file has the mirror's image by its digest, which is the source's."""
    compose = yaml.safe_load((folder / "compose.yml").read_text(encoding="utf-8"))
    digest = images.multi_platform(NAMES[1]).digest
    image = compose["services"]["prometheus"]["image"]
    assert image == f"{home}/{NAMES[1].partition(':')[0]}@{digest}"
    assert skopeo.raw_digest(image) == digest
