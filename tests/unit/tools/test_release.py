# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When `make release` refuses, and that a refusal or a failure changes nothing."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))

import release
from stages import Stage, StageFailed

SUMMARY = {"0.2.0.yml": "---\nrelease_summary: Much.\n"}
GOOD = release.State(released=["0.1.0"], tags={"0.1.0": False}, fragments=SUMMARY)


def _state(**changes: Any) -> release.State:
    return dataclasses.replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("version", "changes", "said"),
    [
        ("0.2.0", {}, []),
        ("0.1.1", {}, []),
        ("1.0.0-rc.1", {}, []),
        ("0.1.0", {"released": [], "tags": {}}, []),
        ("0.3.0", {"branch": "stable-0"}, []),
        ("", {}, ["'' is no version"]),
        ("v0.2.0", {}, ["is no version"]),
        ("0.2", {}, ["is no version"]),
        ("0.02.0", {}, ["is no version"]),
        ("0.2.0-rc1", {}, ["is no version"]),
        ("0.2.0 ", {}, ["is no version"]),
        ("0.2.0", {"changed": ["README.md"]}, ["aren't committed: README.md"]),
        ("0.2.0", {"changed": list("abcdef")}, ["aren't committed: a, b, c, d, e, ..."]),
        ("0.2.0", {"branch": "topic"}, ["topic is checked out"]),
        ("0.2.0", {"branch": ""}, ["no branch is checked out"]),
        ("0.0.9", {}, ["older than 0.1.0"]),
        ("0.1.0-rc.1", {}, ["older than 0.1.0"]),
        ("0.1.0", {}, ["released already: it has a tag"]),
        ("0.1.0", {"tags": {"0.1.0": True}}, ["released already: it has a tag"]),
        ("0.1.0", {"tags": {}}, ["the changelog has 0.1.0 already"]),
        ("0.2.0", {"fragments": {}}, ["changelogs/fragments is empty"]),
        ("0.2.0", {"fragments": {"a.yml": "bugfixes: [x]"}}, ["changelogs/fragments/0.2.0.yml"]),
        ("0.2.0", {"since": {"0.2.0": "a", "0.3.0": "plugins/b.py"}}, ["plugins/b.py says"]),
        (
            "0.2.0",
            {"changed": ["a"], "branch": "b", "fragments": {}},
            ["committed", "b is", "empty"],
        ),
    ],
)
def test_what_is_refused(version: str, changes: dict[str, Any], said: list[str]) -> None:
    """All that is wrong is told at once."""
    found = release.refusals(_state(**changes), version)
    assert len(found) == len(said), found
    for text, part in zip(found, said):
        assert part in text


def test_what_is_made_is_only_built_again() -> None:
    """At its own commit, with its tag or (interrupted) before it, on whatever is checked out."""
    made = _state(subject="Release 0.1.0", fragments={}, branch="")
    for tags in ({"0.1.0": True}, {}):
        assert release.made_already(dataclasses.replace(made, tags=tags), "0.1.0")
        assert release.refusals(dataclasses.replace(made, tags=tags), "0.1.0") == []
    assert release.refusals(dataclasses.replace(made, tags={"0.1.0": False}), "0.1.0")
    assert release.refusals(dataclasses.replace(made, changed=["a"], tags={"0.1.0": True}), "0.1.0")
    assert not release.made_already(_state(), "0.1.0")


def test_versions_are_in_their_order() -> None:
    """A prerelease comes before what it leads to."""
    order = ["0.9.0", "0.10.0-alpha.1", "0.10.0-beta.2", "0.10.0-rc.2", "0.10.0-rc.10", "0.10.0"]
    assert sorted(reversed(order), key=release.key) == order


@pytest.mark.parametrize(
    ("current", "since", "version"),
    [
        ("0.2.0", {}, "0.2.0"),
        ("0.1.0", {}, "0.2.0"),
        ("0.1.0", {"0.4.0": "plugins/a.py", "historical": "plugins/b.py"}, "0.4.0"),
    ],
)
def test_what_comes_next(current: str, since: dict[str, str], version: str) -> None:
    """What galaxy.yml says, unless that is there already."""
    assert release.next_version(_state(since=since), current) == version


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of little, with a release behind it."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.com")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "of a hook, and nowhere"))
    root = tmp_path / "checkout"
    files = {
        "galaxy.yml": "version: 0.1.0\n",
        "changelogs/changelog.yaml": "---\nancestor: null\nreleases:\n  0.1.0:\n    changes: {}\n",
        "changelogs/fragments/0.2.0.yml": SUMMARY["0.2.0.yml"],
        "plugins/modules/a.py": 'DOCUMENTATION = """\nversion_added: "0.2.0"\n"""\n',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    release.git(root, "init", "--quiet", "--initial-branch=main")
    release.git(root, "add", "--all")
    release.git(root, "commit", "--quiet", "--message", "Release 0.1.0")
    release.git(root, "tag", "0.1.0")
    (root / "new").touch()
    release.git(root, "add", "new")
    release.git(root, "commit", "--quiet", "--message", "More")
    return root


def test_what_a_repository_says(repository: Path) -> None:
    """Read from Git and the files, whatever Git's variables say of other repositories."""
    (repository / "a change").touch()
    assert release.read_state(repository) == release.State(
        branch="main",
        changed=['"a change"'],
        released=["0.1.0"],
        tags={"0.1.0": False},
        fragments=SUMMARY,
        since={"0.2.0": "plugins/modules/a.py"},
        subject="More",
    )


class _Made(release.Release):
    """One whose tools aren't started; make test-matrix starts them."""

    def commit(self, stage: Stage) -> None:
        """Make a commit as the real one does."""
        (self.tree / "CHANGELOG.md").touch()
        release.git(self.tree, "add", "--all")
        release.git(self.tree, "commit", "--quiet", "--message", release.subject(self.version))

    def package(self, stage: Stage) -> None:
        """Fail where the test wants it to."""
        if not self.output.exists():
            raise StageFailed("the importer found something")


def _made(root: Path, tmp_path: Path) -> _Made:
    (tmp_path / "output").mkdir(exist_ok=True)
    made = _Made(root, "0.2.0", None, tmp_path / "workshop", tmp_path / "output")  # type: ignore[arg-type]
    made.prepare(Stage("release", "", print))
    return made


def test_a_failure_changes_nothing_and_is_in_nobodys_way(repository: Path, tmp_path: Path) -> None:
    """What it leaves below .build is taken away by the next try."""
    failing = _Made(repository, "0.2.0", None, tmp_path / "workshop", tmp_path / "no")  # type: ignore[arg-type]
    before = release.read_state(repository)
    with pytest.raises(StageFailed, match="importer"):
        failing.prepare(Stage("release", "", print))
    assert release.read_state(repository) == before
    _made(repository, tmp_path).finish(Stage("tag", "", print))
    assert release.read_state(repository).tags["0.2.0"]


def test_the_end_moves_the_branch_and_sets_the_tag(repository: Path, tmp_path: Path) -> None:
    """And nothing stays of the work tree; the same once more changes nothing."""
    made = _made(repository, tmp_path)
    assert release.read_state(repository).subject == "More"
    made.finish(Stage("tag", "", print))
    state = release.read_state(repository)
    assert (state.subject, state.branch, state.changed) == ("Release 0.2.0", "main", [])
    assert state.tags == {"0.1.0": False, "0.2.0": True}
    assert release.git(repository, "cat-file", "-t", "0.2.0").strip() == "tag"
    assert not made.tree.exists()
    assert release.git(repository, "worktree", "list").count("\n") == 1
    assert "git push --atomic origin main 0.2.0" in made.next_steps()


def test_a_commit_in_the_meantime_is_left_alone(repository: Path, tmp_path: Path) -> None:
    """The release would not have it, so there is none."""
    made = _made(repository, tmp_path)
    release.git(repository, "commit", "--quiet", "--allow-empty", "--message", "In between")
    with pytest.raises(StageFailed, match="merge"):
        made.finish(Stage("tag", "", print))
    state = release.read_state(repository)
    assert (state.subject, state.tags) == ("In between", {"0.1.0": False})
    assert not made.tree.exists()


def test_a_refusal_makes_nothing(repository: Path, tmp_path: Path) -> None:
    """Not even a work tree."""
    made = release.Release(repository, "0.1.0", None, tmp_path / "w", tmp_path / "o")  # type: ignore[arg-type]
    with pytest.raises(StageFailed, match="released already"):
        made.prepare(Stage("release", "", print))
    assert not made.tree.exists()
