# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a release, up to the upload, as docs/releasing.md tells.

All of it is made in a work tree of its own. The branch moves and the tag comes when everything was
checked; before that, whatever fails, the checkout is as it was.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from package import build, import_tarball
from stages import Stage, StageFailed
from workspace import BUILD, NAMESPACE, Environment, copy_checkout

# Semantic versions, with the only endings that Galaxy's users know.
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(alpha|beta|rc)\.([1-9]\d*))?")
BRANCHES = re.compile(r"main|stable-\d+")
# A variable of Git's in a hook or an alias would lead it to another repository.
KEPT = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_", "GIT_SSH")

Key = tuple[int, int, int, bool, str, int]


@dataclass
class State:
    """What a repository looks like to who wants a release of it."""

    branch: str = "main"
    changed: list[str] = field(default_factory=list)
    #: those that the changelog has
    released: list[str] = field(default_factory=list)
    #: tags, and whether each is at what is checked out
    tags: dict[str, bool] = field(default_factory=dict)
    fragments: dict[str, str] = field(default_factory=dict)
    #: versions that the documentation says something is there since, with one place of each
    since: dict[str, str] = field(default_factory=dict)
    #: the first line of the last commit's message
    subject: str = ""


def key(version: str) -> Key:
    """Return what orders versions: a release comes after its own prereleases."""
    found = VERSION.fullmatch(version)
    if not found:
        raise ValueError(f"{version!r} is no version: 1.2.3, or 1.2.3-rc.1")
    major, minor, patch, ending, number = found.groups()
    return int(major), int(minor), int(patch), ending is None, ending or "", int(number or 0)


def made_already(state: State, version: str) -> bool:
    """Whether what is checked out is this release: there is only to build it again."""
    return subject(version) == state.subject and version in state.released


def subject(version: str) -> str:
    """Return the first line of the commit's message."""
    return f"Release {version}"


def refusals(state: State, version: str) -> list[str]:
    """Say all that is against it, and what to do."""
    try:
        wanted = key(version)
    except ValueError as error:
        return [f"{error}. Say which: make release VERSION=1.2.3"]
    found = []
    if state.changed:
        shown = ", ".join(state.changed[:5]) + (", ..." if len(state.changed) > 5 else "")
        found.append(f"there are changes that aren't committed: {shown}")
    if version in state.tags and not (state.tags[version] and made_already(state, version)):
        found.append(f"{version} is released already: it has a tag, and a release never changes")
    if made_already(state, version):
        return found
    return found + _against_a_new_one(state, version, wanted)


def _against_a_new_one(state: State, version: str, wanted: Key) -> list[str]:
    found = []
    if not BRANCHES.fullmatch(state.branch):
        found.append(f"{state.branch or 'no branch'} is checked out: releases are of main")
    newest = max(state.released, key=key, default="")
    if version in state.released and version not in state.tags:
        found.append(f"the changelog has {version} already")
    elif newest and version not in state.released and wanted < key(newest):
        found.append(f"{version} is older than {newest}, the last release")
    if not state.fragments:
        found.append("changelogs/fragments is empty: nothing changed that users could notice")
    elif not any(re.search(r"^release_summary:", t, re.M) for t in state.fragments.values()):
        found.append(f"no fragment has a release_summary: write changelogs/fragments/{version}.yml")
    for since, place in state.since.items():
        if VERSION.fullmatch(since) and key(since) > wanted:
            found.append(f"{place} says that something comes with {since} only")
    return found


@dataclass
class Release:
    """A release of the repository at ``root``."""

    root: Path
    version: str
    tools: Environment
    #: where the work tree is made
    workshop: Path
    #: where the tarball is put
    output: Path

    @property
    def tree(self) -> Path:
        """The work tree, where Ansible's tools look for a collection."""
        return self.workshop / NAMESPACE

    @property
    def tarball(self) -> Path:
        """What is to be uploaded."""
        return self.output / f"imagesync-registry-{self.version}.tar.gz"

    def prepare(self, stage: Stage) -> None:
        """Refuse, or make the commit and the tarball, and look at both."""
        state = read_state(self.root)
        against = refusals(state, self.version)
        if against:
            raise StageFailed("; ".join(against))
        self._remove_tree()
        git(self.root, "worktree", "add", "--quiet", "--detach", str(self.tree))
        if not made_already(state, self.version):
            self.commit(stage)
        self.package(stage)

    def package(self, stage: Stage) -> None:
        """Make the tarball of what the work tree has, and let Galaxy's importer look at it."""
        build(stage, self.tools, self.tree, self.output)
        if not self.tarball.exists():
            raise StageFailed(f"galaxy.yml doesn't say {self.version}")
        import_tarball(stage, self.tools, self.tarball)
        stage.note = self.tarball.name

    def commit(self, stage: Stage) -> None:
        """Set the version, write the changelog, and commit both in the work tree."""
        galaxy = self.tree / "galaxy.yml"
        text = galaxy.read_text(encoding="utf-8")
        changed, times = re.subn(r"^version: .*$", f"version: {self.version}", text, flags=re.M)
        if times != 1:
            raise StageFailed("galaxy.yml has no line `version:`")
        galaxy.write_text(changed, encoding="utf-8")
        environment = self.tools.variables() | {"ANSIBLE_COLLECTIONS_PATH": str(self.workshop)}
        for words in (
            ("lint",),
            ("release",),
            ("lint-changelog-yaml", "changelogs/changelog.yaml"),
        ):
            program = self.tools.bin / "antsibull-changelog"
            stage.run(program, *words, cwd=self.tree, env=environment)
        git(self.tree, "add", "--all")
        git(self.tree, "commit", "--quiet", "--message", subject(self.version))

    def finish(self, stage: Stage) -> None:
        """Move the branch to the commit, and put the tag there."""
        try:
            made = git(self.tree, "rev-parse", "HEAD").strip()
            # Fails, and changes nothing, where somebody committed in the meantime.
            git(self.root, "merge", "--quiet", "--ff-only", made)
            if self.version not in read_state(self.root).tags:
                message = f"imagesync.registry {self.version}"
                git(self.root, "tag", "--annotate", "--message", message, self.version)
        finally:
            self._remove_tree()
        stage.note = self.version

    def _remove_tree(self) -> None:
        shutil.rmtree(self.workshop, ignore_errors=True)
        git(self.root, "worktree", "prune")

    def next_steps(self) -> str:
        """Return what is left to do, which can't be taken back."""
        branch = read_state(self.root).branch or "main"
        return (
            f"{self.version} is made, and nobody else has it yet. To take it back:\n"
            f"  git tag --delete {self.version} && git reset --hard HEAD~1\n"
            "To publish it (the workflow `Release` then uploads it, once a maintainer agrees):\n"
            f"  git push --atomic origin {branch} {self.version}\n"
            "Without that workflow, after the push:\n"
            f"  ansible-galaxy collection publish {os.path.relpath(self.tarball, self.root)}"
        )


def try_release(stage: Stage, tools: Environment) -> None:
    """Make the next release of a copy of the checkout, as it would be made of this one."""
    root = copy_checkout(stage.name)
    if not any((root / "changelogs/fragments").glob("*.y*ml")):
        stage.note = "nothing to release: no fragment in changelogs/fragments"
        return
    git(root, "checkout", "--quiet", "-B", "main")
    for name in ("name", "email"):
        git(root, "config", f"user.{name}", "tests@example.com")
    git(root, "commit", "--quiet", "--message", "All of it")
    version = next_version(read_state(root), _version(root))
    summary = root / "changelogs/fragments/summary-of-a-trial.yml"
    if not any("release_summary:" in text for text in read_state(root).fragments.values()):
        summary.write_text("---\nrelease_summary: A trial.\n", encoding="utf-8")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "A summary")
    trial = Release(root, version, tools, BUILD / "release-tried", BUILD / "package-tried")
    trial.prepare(stage)
    trial.finish(stage)
    state = read_state(root)
    if not made_already(state, version) or refusals(state, version) or state.fragments:
        raise StageFailed("what was made isn't what is there")
    stage.say(trial.next_steps())


def read_state(root: Path) -> State:
    """Look at a repository."""
    changelog = (root / "changelogs/changelog.yaml").read_text(encoding="utf-8")
    head = git(root, "rev-parse", "HEAD").strip()
    tags = {}
    for tag in git(root, "tag", "--list").split():
        tags[tag] = git(root, "rev-list", "-n", "1", tag).strip() == head
    return State(
        branch=git(root, "branch", "--show-current").strip(),
        changed=[line[3:] for line in git(root, "status", "--porcelain").splitlines()],
        released=re.findall(r"^  [\"']?(\d+\.\d+\.\d+[^\s\"':]*)[\"']?:", changelog, re.M),
        tags=tags,
        fragments={
            path.name: path.read_text(encoding="utf-8")
            for path in sorted((root / "changelogs/fragments").glob("*.y*ml"))
        },
        since=_since(root),
        subject=git(root, "log", "-1", "--format=%s").strip(),
    )


def next_version(state: State, current: str) -> str:
    """Return what a release would be called that nobody has named yet."""
    if current not in state.released:
        return current
    major, minor, *_rest = key(current)
    promised = [since for since in state.since if VERSION.fullmatch(since)]
    return max([f"{major}.{minor + 1}.0", *promised], key=key)


def _version(root: Path) -> str:
    text = (root / "galaxy.yml").read_text(encoding="utf-8")
    found = re.search(r"^version: (\S+)$", text, re.M)
    if not found:
        raise StageFailed("galaxy.yml has no line `version:`")
    return found.group(1)


def _since(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in ("plugins", "roles"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".yml") and path.is_file():
                text = path.read_text(encoding="utf-8")
                for version in re.findall(r"^\s*version_added: [\"']?([\w.+-]+)", text, re.M):
                    found.setdefault(version, str(path.relative_to(root)))
    return found


def git(folder: Path, *arguments: str) -> str:
    """Run Git as the user would there, and return what it prints."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(KEPT)
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StageFailed(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
