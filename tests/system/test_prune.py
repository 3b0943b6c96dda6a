# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``prune``: what isn't declared any more goes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import artifacts, images, push
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeStrict
from tests.support.playbook import run_module
from tests.support.sides import Sides
from tests.support.sync import foretold_then_done, sync


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "images.lock.json"


def _entry(sides: Sides, tag: str, **more: Any) -> dict[str, Any]:
    return {"source": sides.source.ref(tag), "destination": sides.destination.ref(tag), **more}


def _run(sides: Sides, lock: Path, *tags: str, **options: Any) -> dict[str, Any]:
    """A call with ``prune: lock``, foretold by check mode."""
    given = {
        "lock_file": str(lock),
        "prune": "lock",
        "images": [_entry(sides, tag) for tag in tags],
        **options,
    }
    watched = (sides.source.proxy, sides.destination.proxy)
    foretold = sync(check_mode=True, **given)
    done = foretold_then_done(*watched, **given)
    for key in ("pruned", "lock", "diff", "changed"):
        assert foretold.get(key) == done.get(key), key
    return done


def _mirrored(sides: Sides, lock: Path, *tags: str) -> dict[str, str]:
    digests = {tag: sides.source.push(images.image(tag), tag).digest for tag in tags}
    _run(sides, lock, *tags)
    return digests


def _locked(lock: Path) -> list[str]:
    return list(json.loads(lock.read_text())["images"])


def test_an_image_that_leaves_the_inventory_leaves_the_registry(sides: Sides, lock: Path) -> None:
    digests = _mirrored(sides, lock, "1", "2", "3")
    result = _run(sides, lock, "2")
    assert result["changed"]
    assert result["pruned"] == [
        {"destination": sides.destination.ref(tag), "digest": digests[tag]} for tag in ("1", "3")
    ]
    assert [image["destination"] for image in result["images"]] == [sides.destination.ref("2")]
    assert sides.destination.tags() == ["2"]
    assert _locked(lock) == [sides.destination.ref("2")]
    again = _run(sides, lock, "2")
    assert (again["changed"], again["pruned"]) == (False, [])


def test_a_playbook_prunes(sides: Sides, lock: Path) -> None:
    _mirrored(sides, lock, "1", "2")
    options = {"images": [_entry(sides, "1")], "lock_file": str(lock), "prune": "lock"}
    result = run_module("image_sync", "--check", "--diff", **options)
    assert [gone["destination"] for gone in result["pruned"]] == [sides.destination.ref("2")]
    assert f"{sides.destination.ref('2')} (pruned)" in str(result["diff"])
    assert sides.destination.tags() == ["1", "2"]
    assert run_module("image_sync", **options)["changed"]
    assert sides.destination.tags() == ["1"]


def test_the_digest_that_a_moved_tag_left_behind_goes_too(sides: Sides, lock: Path) -> None:
    old = _mirrored(sides, lock, "1")["1"]
    sides.source.push(images.image("moved"), "1")
    result = _run(sides, lock, "1")
    name = sides.destination.ref("").rstrip(":")
    assert result["pruned"] == [{"destination": f"{name}@{old}", "digest": old}]
    assert sides.destination.digest(old) is None
    assert sides.destination.tags() == ["1"]


def test_what_a_moved_tag_left_behind_is_remembered(sides: Sides, lock: Path) -> None:
    """A run that doesn't come to prune locks it by its digest, and the next run takes it."""
    old = _mirrored(sides, lock, "1", "2")["1"]
    entry = json.loads(lock.read_text())["images"][sides.destination.ref()]
    second = sides.source.push(images.image("second"), "1").digest
    result = _run(sides, lock, "1", "2", "missing")
    assert result["failed"] and result["pruned"] == []
    locked = json.loads(lock.read_text())["images"]
    assert locked[sides.destination.ref(old)] == {**entry, "source": sides.source.ref(old)}
    assert locked[sides.destination.ref()]["digest"] == second and len(locked) == 3
    # it moves again, and there is more to prune than may be
    sides.source.push(images.image("third"), "1")
    result = _run(sides, lock, "1", "2", prune_limit=1)
    assert "2 images would be pruned" in result["msg"] and len(_locked(lock)) == 4
    # without pruning it stays; what is protected by its tag isn't remembered
    assert not _run(sides, lock, "1", "2", prune="none")["changed"]
    result = _run(sides, lock, "1", "2")
    assert {gone["digest"] for gone in result["pruned"]} == {old, second}
    assert _locked(lock) == [sides.destination.ref(tag) for tag in ("1", "2")]
    assert sides.destination.digest(old) is None is sides.destination.digest(second)
    third = sides.destination.digest()
    sides.source.push(images.image("fourth"), "1")
    _run(sides, lock, "1", "2", "missing", prune_protect=[":1$"])
    assert sides.destination.ref(third or "") not in _locked(lock)


def test_a_digest_that_is_used_stays(sides: Sides, lock: Path) -> None:
    """By another tag, or as a part of an index that stays."""
    index = sides.source.push(images.multi_platform(), "index")
    child = index.children[0]
    with push.Repository(sides.source.host, sides.source.repository) as repository:
        repository.put(child, "child")
    old = sides.source.push(images.image("old"), "moving")
    with push.Repository(sides.source.host, sides.source.repository) as repository:
        repository.put(old, "same")
    _run(sides, lock, "index", "child", "moving", "same")
    sides.source.push(images.image("new"), "moving")
    entries = [_entry(sides, tag) for tag in ("index", "moving", "same")]
    # check mode can't know that a registry deletes by digest only, and warns of it
    foretold = sync(check_mode=True, images=entries, lock_file=str(lock), prune="lock")
    assert "deletes by digest only" in str(foretold["warnings"])
    result = sync(images=entries, lock_file=str(lock), prune="lock")
    assert sides.destination.digest(child.digest) == child.digest
    assert sides.destination.digest(old.digest, None) == old.digest
    # docker-registry 2.8 deletes by digest only, so that the tag of the child had to stay
    assert result["pruned"] == []
    assert "was kept" in str(result)


def test_nothing_is_pruned_after_a_failure(sides: Sides, lock: Path) -> None:
    _mirrored(sides, lock, "1", "2")
    result = _run(sides, lock, "1", "missing")
    assert result["failed"] and result["pruned"] == []
    assert "nothing was pruned" in str(result["warnings"])
    assert sides.destination.tags() == ["1", "2"]
    assert len(_locked(lock)) == 2


@pytest.mark.parametrize("how", ["declared", "its repository", "protected"])
def test_what_is_declared_elsewhere_or_protected_stays(sides: Sides, lock: Path, how: str) -> None:
    _mirrored(sides, lock, "1", "2")
    options: dict[str, Any] = {
        "declared": {"declared": [sides.destination.ref("2")]},
        "its repository": {"declared": [sides.destination.ref("").rstrip(":")]},
        "protected": {"prune_protect": [".*:2"]},
    }[how]
    assert not _run(sides, lock, "1", **options)["changed"]
    assert sides.destination.tags() == ["1", "2"]
    assert len(_locked(lock)) == 2


def test_a_tag_that_names_something_else_is_not_ours(sides: Sides, lock: Path) -> None:
    _mirrored(sides, lock, "1", "2")
    foreign = push.push(images.image("foreign"), sides.destination.ref("2"))
    result = _run(sides, lock, "1")
    assert result["pruned"] == []
    assert "isn't what the lock says" in str(result["warnings"])
    assert sides.destination.digest("2") == foreign
    assert _locked(lock) == [sides.destination.ref("1")]


def test_what_is_gone_already_only_leaves_the_lock(sides: Sides, lock: Path) -> None:
    digests = _mirrored(sides, lock, "1", "2")
    push.delete_manifest(sides.destination.host, sides.destination.repository, digests["2"])
    result = _run(sides, lock, "1")
    assert (result["changed"], result["pruned"]) == (True, [])
    assert _locked(lock) == [sides.destination.ref("1")]


def test_more_than_the_limit_is_refused_before_the_first(sides: Sides, lock: Path) -> None:
    _mirrored(sides, lock, "1", "2", "3", "4")
    result = _run(sides, lock, "1", prune_limit=2)
    assert result["failed"] and result["pruned"] == []
    assert "3 images would be pruned, and prune_limit is 2: nothing was deleted" in result["msg"]
    assert sides.destination.ref("3") in result["msg"]
    assert len(sides.destination.tags()) == len(_locked(lock)) == 4
    assert len(_run(sides, lock, "1", prune_limit=3)["pruned"]) == 3


def test_a_registry_that_deletes_nothing_says_so(
    sides: Sides, lock: Path, make_strict: MakeStrict
) -> None:
    registry = make_strict(delete=False)
    registry.expected.update({"UNSUPPORTED"})
    for tag in ("1", "2"):
        sides.source.push(images.image(tag), tag)
    entries = [
        {"source": sides.source.ref(tag), "destination": f"{registry.host}/a:{tag}"}
        for tag in ("1", "2")
    ]
    options = {"lock_file": str(lock), "prune": "lock", "retries": 0}
    sync(images=entries, **options)
    result = sync(images=entries[:1], **options)
    assert result["failed"] and f"pruning {registry.host}/a:2" in result["msg"]
    assert len(_locked(lock)) == 2


def test_another_name_of_the_same_registry_is_no_other_place(sides: Sides, lock: Path) -> None:
    _mirrored(sides, lock, "1")
    alias = sides.destination.ref("1").replace("127.0.0.1:", "localhost:")
    entry = {"source": sides.source.ref("1"), "destination": alias}
    result = _run(sides, lock, images=[entry])
    assert (result["pruned"], result["reason"]) == ([], "in_sync")
    assert "may be the same registry" in str(result["warnings"])
    assert sides.destination.tags() == ["1"]
    assert _locked(lock) == [alias]


def test_a_changed_destination_is_followed(sides: Sides, lock: Path) -> None:
    _mirrored(sides, lock, "1")
    there = sides.destination.ref("one", f"{sides.destination.repository}/new")
    entry = {"source": sides.source.ref("1"), "destination": there}
    result = _run(sides, lock, images=[entry])
    assert [gone["destination"] for gone in result["pruned"]] == [sides.destination.ref("1")]
    assert _locked(lock) == [there]


def test_every_other_tag_of_the_repositories(sides: Sides) -> None:
    signed = images.image("kept")
    sides.source.push(signed, "1")
    for tag in ("old", "older"):
        push.push(images.image(tag), sides.destination.ref(tag))
    elsewhere = sides.destination.ref("1", f"{sides.destination.repository}/elsewhere")
    push.push(images.image("elsewhere"), elsewhere)
    # a signature of what stays
    name = f"sha256-{signed.digest.partition(':')[2]}.sig"
    push.push(artifacts.artifact("signature"), sides.destination.ref(name))
    options = {"images": [_entry(sides, "1")], "prune": "repository", "referrers": "never"}
    result = foretold_then_done(sides.source.proxy, sides.destination.proxy, **options)
    assert [gone["destination"] for gone in result["pruned"]] == [
        sides.destination.ref("old"),
        sides.destination.ref("older"),
    ]
    assert sorted(sides.destination.tags()) == ["1", name]
    host, _slash, repository = elsewhere.rsplit(":", 1)[0].partition("/")
    assert push.digest_of(host, repository, "1")
    assert not sync(**options)["changed"]


def test_a_failed_deletion_keeps_the_entry(sides: Sides, lock: Path) -> None:
    _mirrored(sides, lock, "1", "2")
    fault = sides.destination.proxy.inject("DELETE ", "status", 403, times=ALWAYS)
    result = sync(images=[_entry(sides, "1")], lock_file=str(lock), prune="lock", retries=0)
    assert fault.hits and result["failed"] and "pruning" in result["msg"]
    assert len(_locked(lock)) == 2
