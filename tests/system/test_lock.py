# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: what it says, what it spares, and what it takes."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.locking import Locking
from ansible_collections.imagesync.registry.plugins.module_utils.sync.removal import Removal
from tests.support import images, push
from tests.support.artifacts import attested_index
from tests.support.faults import ALWAYS
from tests.support.playbook import run_module
from tests.support.sides import Sides
from tests.support.sync import foretold_then_done, sync

PLATFORMS = ("linux/amd64", "linux/arm64/v8", "linux/s390x")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "images.lock.json"


def _entry(sides: Sides, tag: str = "1", **more: Any) -> dict[str, Any]:
    return {"source": sides.source.ref(tag), "destination": sides.destination.ref(tag), **more}


def _run(sides: Sides, lock: Path, *entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    """With all that check mode must foretell, the lock among it."""
    before = lock.read_bytes() if lock.exists() else None
    watched = (sides.source.proxy, sides.destination.proxy)
    options = {"lock_file": str(lock), "images": list(entries), "referrers": "never", **options}
    foretold = sync(check_mode=True, **options)
    assert (lock.read_bytes() if lock.exists() else None) == before
    done = foretold_then_done(*watched, **options)
    for key in ("lock", "pruned", "diff", "changed"):
        assert foretold[key] == done[key], key
    return done


def _locked(lock: Path) -> dict[str, Any]:
    document = json.loads(lock.read_text())
    assert document["version"] == 1
    images: dict[str, Any] = document["images"]
    return images


def test_a_lock_says_what_is_where_and_from_where(sides: Sides, lock: Path) -> None:
    index = sides.source.push(images.multi_platform(), "1")
    result = _run(sides, lock, _entry(sides))
    wanted = {
        "source": sides.source.ref(),
        "source_digest": index.digest,
        "digest": index.digest,
        "media_type": index.media_type,
        "platforms": result["platforms"],
    }
    assert _locked(lock) == {sides.destination.ref(): wanted}
    assert wanted["platforms"]
    text = lock.read_text()
    document = {"version": 1, "images": {sides.destination.ref(): wanted}}
    assert text == json.dumps(document, indent=2, sort_keys=True) + "\n"
    assert result["lock"] == document
    assert result["diff"][1]["after"] == text

    stamp = os.stat(lock)
    again = _run(sides, lock, _entry(sides))
    assert not again["changed"]
    assert os.stat(lock).st_mtime_ns == stamp.st_mtime_ns
    assert sides.asked() == (Counter({("HEAD", "manifest"): 1}),) * 2


def test_a_lock_alone_makes_a_change(sides: Sides, lock: Path) -> None:
    sides.source.push(images.image(), "1")
    sync(images=[_entry(sides)])
    result = _run(sides, lock, _entry(sides))
    assert result["changed"] and result["reason"] == "in_sync"
    assert list(_locked(lock)) == [sides.destination.ref()]


def test_failed_and_staged_images_keep_what_was_there(sides: Sides, lock: Path) -> None:
    for tag in ("1", "2"):
        sides.source.push(images.image(tag), tag)
    _run(sides, lock, _entry(sides), _entry(sides, "2"))
    old = _locked(lock)
    sides.source.push(images.image("moved"), "1")
    entries = [_entry(sides, state="staged"), _entry(sides, "2"), _entry(sides, "missing")]
    result = sync(images=entries, lock_file=str(lock))
    assert result["failed"]
    assert _locked(lock) == old


def test_an_entry_goes_with_its_image(sides: Sides, lock: Path) -> None:
    sides.source.push(images.image(), "1")
    _run(sides, lock, _entry(sides))
    _run(sides, lock, {"destination": sides.destination.ref(), "state": "absent"})
    assert _locked(lock) == {}


def test_what_is_no_longer_declared_stays(sides: Sides, lock: Path) -> None:
    for tag in ("1", "2"):
        sides.source.push(images.image(tag), tag)
    _run(sides, lock, _entry(sides), _entry(sides, "2"))
    assert not _run(sides, lock, _entry(sides, "2"))["changed"]
    assert len(_locked(lock)) == 2


def test_a_subset_in_sync_costs_heads_only(sides: Sides, lock: Path) -> None:
    sides.source.push(attested_index("three", PLATFORMS), "1")
    entries = [
        _entry(sides, platforms=["linux/amd64", "linux/arm64"]),
        {**_entry(sides, platforms=["s390x"]), "destination": sides.destination.ref("one")},
    ]
    _run(sides, lock, *entries)
    assert not _run(sides, lock, *entries)["changed"]
    assert sides.asked() == (Counter({("HEAD", "manifest"): 2}),) * 2
    # other platforms are another image
    entries[1]["platforms"] = ["amd64"]
    changed = _run(sides, lock, *entries)
    assert [image["reason"] for image in changed["images"]] == ["in_sync", "digest_differs"]
    new = sides.source.push(attested_index("moved", PLATFORMS), "1")
    moved = _run(sides, lock, *entries)
    assert {image["source_digest"] for image in moved["images"]} == {new.digest}
    assert not _run(sides, lock, *entries)["changed"]


@pytest.mark.parametrize("platforms", [[], ["linux/amd64"], ["linux/amd64", "linux/s390x"]])
def test_frozen_asks_no_tag_and_brings_what_was_locked(
    sides: Sides, lock: Path, platforms: list[str]
) -> None:
    sides.source.push(attested_index("three", PLATFORMS), "1")
    entry = _entry(sides, platforms=platforms)
    locked = _run(sides, lock, entry)["digest"]
    sides.source.push(attested_index("moved", PLATFORMS), "1")
    before = lock.read_bytes()
    in_sync = _run(sides, lock, entry, lock_mode="frozen")
    assert (in_sync["changed"], in_sync["digest"]) == (False, locked)
    assert sides.asked() == (Counter(), Counter({("HEAD", "manifest"): 1}))
    # elsewhere there is nothing yet, so it is brought
    document = json.loads(before)
    other = sides.destination.ref("frozen")
    document["images"] = {other: document["images"][sides.destination.ref()]}
    result = foretold_then_done(
        sides.source.proxy,
        sides.destination.proxy,
        images=[{**entry, "destination": other}],
        lock=document,
        lock_mode="frozen",
    )
    assert result["digest"] == locked
    push.verify_whole(other)
    assert "1" not in {r.reference for r in sides.source.proxy.requests if r.kind == "manifest"}
    assert not sides.source.proxy.count("GET", "tags")
    assert lock.read_bytes() == before


def test_frozen_refuses_what_isnt_locked(sides: Sides, lock: Path) -> None:
    for tag in ("1", "2"):
        sides.source.push(images.image(tag), tag)
    _run(sides, lock, _entry(sides))
    sides.clear()
    result = sync(
        images=[_entry(sides), _entry(sides, "2")], lock_file=str(lock), lock_mode="frozen"
    )
    assert [image["reason"] for image in result["images"]] == ["in_sync", "failed"]
    assert "isn't in the lock" in result["msg"]
    assert not sides.source.proxy.requests and not sides.destination.proxy.writes()
    # nor from another source
    other = {"source": sides.source.ref("2"), "destination": sides.destination.ref("1")}
    result = sync(images=[other], lock_file=str(lock), lock_mode="frozen")
    assert f"it is there from {sides.source.ref()}" in result["msg"]
    # nor for other platforms
    result = sync(
        images=[_entry(sides, platforms=["amd64"])], lock_file=str(lock), lock_mode="frozen"
    )
    assert "other platforms are declared" in result["msg"]


def test_frozen_patterns_stand_for_what_is_locked(sides: Sides, lock: Path) -> None:
    for tag in ("1.0.0", "1.1.0", "2.0.0"):
        sides.source.push(images.image(tag), tag)
    entry: dict[str, Any] = {
        "source": sides.source.ref(""),
        "destination": sides.destination.ref(""),
        "tags": ["1.x.x"],
        "destination_tag": "v{tag}",
    }
    _run(sides, lock, entry)
    assert len(_locked(lock)) == 2
    sides.source.push(images.image("new"), "1.2.0")
    result = _run(sides, lock, entry, lock_mode="frozen")
    assert [image["destination"] for image in result["images"]] == [
        sides.destination.ref("v1.1.0"),
        sides.destination.ref("v1.0.0"),
    ]
    assert not sides.source.proxy.requests
    entry["tags"] = ["3.x.x"]
    result = sync(images=[entry], lock_file=str(lock), lock_mode="frozen")
    assert result["failed"]
    entry["source"] = sides.source.ref("", f"{sides.source.repository}/other")
    result = sync(images=[entry], lock_file=str(lock), lock_mode="frozen")
    assert "nothing of" in result["msg"] and "is locked" in result["msg"]
    entry["filter"] = {"allow_empty": True}
    result = sync(images=[entry], lock_file=str(lock), lock_mode="frozen")
    assert result["images"] == [] and not result.get("failed")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"version": 2, "images": {}}', "version is 2"),
        ('{"version": true, "images": {}}', "version is True"),
        ('{"version": 1}', "other keys"),
        ('{"version": 1, "images": {}, "serial": 4}', "other keys"),
        ('{"version": 1, "images": {"r.example/a:1": {}}}', "other keys"),
        ('{"terraform_version": "1.9", "serial": 1}', "version is None"),
    ],
)
def test_a_corrupt_or_foreign_lock_is_left_alone(
    sides: Sides, lock: Path, content: str, said: str
) -> None:
    lock.write_text(content)
    result = run_module("image_sync", lock_file=str(lock), images=[_entry(sides)])
    assert result["failed"] and said in result["msg"] and "left alone" in result["msg"]
    assert lock.read_text() == content
    assert not sides.destination.proxy.requests and not sides.source.proxy.requests


def test_a_lock_where_nothing_can_be_written(sides: Sides, tmp_path: Path) -> None:
    for path, said in ((tmp_path / "no/such/lock", "doesn't exist"), (tmp_path, "lock_file")):
        with pytest.raises(InvalidInput, match=said):
            sync(images=[_entry(sides)], lock_file=str(path))
    assert not sides.source.proxy.requests


def test_a_link_to_a_lock_stays_a_link(sides: Sides, lock: Path, tmp_path: Path) -> None:
    sides.source.push(images.image(), "1")
    real = tmp_path / "real.json"
    real.write_text('{"version": 1, "images": {}}')
    real.chmod(0o640)
    lock.symlink_to(real)
    _run(sides, lock, _entry(sides))
    assert lock.is_symlink() and real.stat().st_mode & 0o777 == 0o640
    assert len(_locked(real)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images.lock.json", "real.json"]


@pytest.mark.parametrize(
    "options",
    [
        {"prune": "lock"},
        {"lock_mode": "frozen"},
        {"lock": {}, "lock_mode": "frozen", "prune": "lock"},
        {"lock": {}, "prune": "lock", "prune_limit": -1},
        {"lock": {}, "prune": "lock", "prune_protect": ["("]},
        {"lock": {}, "prune": "lock", "declared": ["A B"]},
    ],
)
def test_what_makes_no_sense_is_refused(sides: Sides, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        sync(images=[_entry(sides)], **options)
    assert not sides.source.proxy.requests


def test_a_cut_off_run_locks_what_is_done(sides: Sides, lock: Path) -> None:
    for tag in ("1", "2"):
        sides.source.push(images.image(tag), tag)
    fault = sides.destination.proxy.inject("PUT .*/manifests/2$", "status", 403, times=ALWAYS)
    result = sync(images=[_entry(sides), _entry(sides, "2")], lock_file=str(lock), retries=0)
    assert fault.hits and result["failed"]
    assert list(_locked(lock)) == [sides.destination.ref()]


def _meanwhile(monkeypatch: pytest.MonkeyPatch, owner: type, step: str, done: Any) -> None:
    """``done`` is called once, when a run has come to a step."""
    own = getattr(owner, step)

    def at_last(self: Any, *args: Any) -> Any:
        monkeypatch.setattr(owner, step, own)
        done()
        return own(self, *args)

    monkeypatch.setattr(owner, step, at_last)


def test_two_runs_at_once_lose_nothing_of_each_other(
    sides: Sides, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tag in ("1", "2", "3"):
        sides.source.push(images.image(tag), tag)
    sync(images=[_entry(sides)], lock_file=str(lock))
    new = sides.source.push(images.image("moved"), "1")
    _meanwhile(
        monkeypatch,
        Locking,
        "save",
        lambda: sync(images=[_entry(sides), _entry(sides, "2")], lock_file=str(lock)),
    )
    result = sync(images=[_entry(sides), _entry(sides, "3")], lock_file=str(lock))
    assert [*_locked(lock)] == [sides.destination.ref(tag) for tag in ("1", "2", "3")]
    assert _locked(lock)[sides.destination.ref()]["digest"] == new.digest
    assert result["lock"]["images"] == _locked(lock)
    assert result["warnings"] == [] and result["diff"][1]["after"] == lock.read_text()
    assert sorted(os.listdir(lock.parent)) == [lock.name]


def test_what_another_run_locks_meanwhile_is_not_pruned(
    sides: Sides, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what it has locked without a tag, which nothing else would keep."""
    old = sides.source.push(images.image("old"), "1")
    sides.source.push(images.image("2"), "2")
    sync(images=[_entry(sides), _entry(sides, "2")], lock_file=str(lock))
    new = sides.source.push(images.image("new"), "1")
    by_digest = {"source": sides.source.ref(old.digest), "destination": sides.destination.ref("")}
    _meanwhile(
        monkeypatch,
        Removal,
        "run",
        lambda: sync(images=[by_digest], lock_file=str(lock)),
    )
    result = sync(images=[_entry(sides)], lock_file=str(lock), prune="lock")
    assert [gone["destination"] for gone in result["pruned"]] == [sides.destination.ref("2")]
    assert set(_locked(lock)) == {sides.destination.ref(), sides.destination.ref(old.digest)}
    assert sides.destination.digest(old.digest) == old.digest
    assert sides.destination.digest() == new.digest


def test_a_lock_that_is_damaged_meanwhile(
    sides: Sides, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tag in ("1", "2"):
        sides.source.push(images.image(tag), tag)
    sync(images=[_entry(sides, "2")], lock_file=str(lock))
    _meanwhile(monkeypatch, Removal, "run", lambda: lock.write_text("<<<<<<< HEAD"))
    result = sync(images=[_entry(sides)], lock_file=str(lock), prune="lock")
    assert result["failed"] and "at their places nevertheless" in result["msg"]
    assert "pruning failed" in result["msg"] and result["pruned"] == []
    assert lock.read_text() == "<<<<<<< HEAD"
    assert sides.destination.tags() == ["1", "2"]
    # its own change is no change of the lock
    sync(images=[_entry(sides)], lock={})
    lock.unlink()
    _meanwhile(monkeypatch, Locking, "save", lambda: lock.write_text("{"))
    assert not sync(images=[_entry(sides)], lock_file=str(lock))["changed"]
