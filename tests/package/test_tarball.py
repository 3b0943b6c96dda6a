# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the tarball."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import checkout

ROOT = checkout()

#: a third above what it has had first; who comes here may raise it, knowing why
MOST_BYTES = 700_000

#: folders of which everything that the repository has is published
WHOLE = (
    "changelogs",
    "docs",
    "examples",
    "extensions",
    "LICENSES",
    "meta",
    "playbooks",
    "plugins",
    "roles",
)
FILES = {
    ".ansible-lint",  # with these two Galaxy's importer does what we do
    ".yamllint",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "COPYING",
    "MAINTAINERS",
    "README.md",
    "REUSE.toml",
    "SECURITY.md",
    "tests/config.yml",
    "tests/sanity/ignore-2.19.txt",
    "tests/sanity/ignore-2.20.txt",
    "tests/sanity/ignore-2.21.txt",
}
# Written by antsibull-changelog; they aren't there before the first release.
CHANGELOGS = {"CHANGELOG.md", "CHANGELOG.rst"}


@pytest.fixture(scope="module")
def names(tarball: Path) -> set[str]:
    """The files in it."""
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if member.isfile()}


def _published() -> set[str]:
    """The files of the repository that users are to get."""
    command = ["git", "ls-files", "-z", "--cached"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = set(listed.split("\0"))
    assert there >= FILES
    return {n for n in there if n.startswith(tuple(f"{w}/" for w in WHOLE))} | (
        there & (FILES | CHANGELOGS)
    )


def test_it_has_what_users_need_and_nothing_else(names: set[str]) -> None:
    """The stage had put there what editors, tests and tools leave behind."""
    assert names == _published() | {"MANIFEST.json", "FILES.json"}


def test_it_is_small(tarball: Path) -> None:
    """It is downloaded often."""
    assert 100_000 < tarball.stat().st_size < MOST_BYTES


def test_it_says_what_it_is(tarball: Path) -> None:
    """What Galaxy shows is what galaxy.yml says, and no more is needed than Ansible."""
    with tarfile.open(tarball) as archive:
        manifest = archive.extractfile("MANIFEST.json")
        assert manifest is not None
        info: dict[str, Any] = json.load(manifest)["collection_info"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert tarball.name == f"imagesync-registry-{galaxy['version']}.tar.gz"
    for key in ("namespace", "name", "version", "license", "repository", "issues", "homepage"):
        assert info[key] == galaxy[key]
    assert info["dependencies"] == {}


def test_every_module_is_in_the_action_group() -> None:
    """So that `module_defaults` sets the logins of all of them."""
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("[!_]*.py")}
    with_registries = {
        name
        for name in modules
        if "imagesync.registry._connection" in (ROOT / f"plugins/modules/{name}.py").read_text()
    }
    assert {"image_sync", "image_info"} <= with_registries
    assert set(runtime["action_groups"]["registry"]) == with_registries


#: of the certified collections' template, and of that of the community
HEADINGS = (
    ("Description",),
    ("Code of Conduct",),
    ("Communication",),
    ("Requirements",),
    ("Tested with Ansible",),
    ("External requirements",),
    ("Installation",),
    ("Included content",),
    ("Using this collection",),
    ("Use Cases",),
    ("Testing",),
    ("Contributing",),
    ("Support",),
    ("Release Notes and Roadmap", "Release notes"),
    ("Related Information", "More information"),
    ("License Information", "Licensing"),
)


def test_the_readme_has_the_headings_of_both_templates() -> None:
    """Where both ask for the same under two names, one will do."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = {heading.lower() for heading in re.findall(r"^##+ (.*)$", text, re.MULTILINE)}
    missing = [some for some in HEADINGS if not {one.lower() for one in some} & found]
    assert missing == []


def test_links_of_the_readme_lead_somewhere(names: set[str]) -> None:
    """Those within the repository, also for who has the tarball alone."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blob = re.escape("https://github.com/imagesync/ansible-registry/blob/main/")
    links = re.findall(rf"\]\((?:{blob})?(?!https?:|#)([^)#]+)(?:#[^)]*)?\)", text)
    assert len(links) > 10
    folders = {str(parent) for name in names for parent in Path(name).parents}
    there = names | folders | CHANGELOGS
    assert [link for link in links if link.rstrip("/") not in there] == []
