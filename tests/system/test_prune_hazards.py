# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which pruning, the lock and selection could go wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sync import image_sync
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.stores.registry import (
    RegistryRepository,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync import removal, usage
from ansible_collections.imagesync.registry.plugins.module_utils.sync.prune import Pruning
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop
from tests.support import artifacts, images, push
from tests.support.fixtures import MakeStrict
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import _VALIDATOR, sync

Pair = tuple[StrictRegistry, StrictRegistry]

HEX = "ab12" * 16


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "images.lock.json"


@pytest.fixture
def pair(make_strict: MakeStrict) -> Pair:
    return make_strict(), make_strict()


def _entries(pair: Pair, *tags: str) -> list[dict[str, Any]]:
    """Entries for images of these tags, which the source has from now on."""
    source, destination = pair
    for tag in tags:
        if tag not in _tags(source):
            source.add("a", images.image(tag), tag)
    return [
        {"source": f"{source.host}/a:{tag}", "destination": f"{destination.host}/a:{tag}"}
        for tag in tags
    ]


def _tags(registry: StrictRegistry, repository: str = "a") -> dict[str, str]:
    with registry.store.lock:
        return dict(registry.store.stock(repository).tags)


def _prune(lock: Path, entries: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    """A call with ``prune``, of which check mode foretells what goes."""
    options = {"images": entries, "lock_file": str(lock), "prune": "lock", **options}
    foretold = sync(check_mode=True, **options)
    done = sync(**options)
    for key in ("pruned", "changed", "lock"):
        assert foretold[key] == done[key], key
    return done


def test_a_destination_that_loses_its_digest_is_the_same_tag(pair: Pair, lock: Path) -> None:
    entry = _entries(pair, "1")[0]
    digest = _tags(pair[0])["1"]
    _prune(lock, [{**entry, "destination": f"{entry['destination']}@{digest}"}])
    assert _prune(lock, [entry])["pruned"] == []
    assert _tags(pair[1]) == {"1": digest}
    assert list(json.loads(lock.read_text())["images"]) == [entry["destination"]]
    assert not _prune(lock, [entry])["changed"]


def test_what_such_a_destination_named_before_goes(pair: Pair, lock: Path) -> None:
    entry = _entries(pair, "1")[0]
    digest = _tags(pair[0])["1"]
    _prune(lock, [{**entry, "destination": f"{entry['destination']}@{digest}"}])
    moved = pair[0].add("a", images.image("moved"), "1")
    assert [gone["digest"] for gone in _prune(lock, [entry])["pruned"]] == [digest]
    assert _tags(pair[1]) == {"1": moved}
    assert not _prune(lock, [entry])["changed"]


@pytest.mark.parametrize("prune", ["repository", "lock"])
@pytest.mark.parametrize("tag_delete", [True, False])
@pytest.mark.parametrize("platforms", [[], ["linux/amd64"]])
def test_a_source_of_the_call_is_never_pruned(
    make_strict: MakeStrict, lock: Path, prune: str, tag_delete: bool, platforms: list[str]
) -> None:
    """A tag is promoted within its repository."""
    source, place = make_strict(), make_strict(tag_delete=tag_delete)
    digest = source.add("a", images.multi_platform(), "1")
    sync(source=f"{source.host}/a:1", destination=f"{place.host}/a:candidate", lock_file=str(lock))
    promoted = {
        "source": f"{place.host}/a:candidate",
        "destination": f"{place.host}/a:stable",
        "platforms": platforms,
    }
    assert _prune(lock, [promoted], prune=prune)["pruned"] == []
    assert _tags(place)["candidate"] == digest
    assert not _prune(lock, [promoted], prune=prune)["changed"]


def test_sources_by_pattern_and_by_digest_are_never_pruned(pair: Pair, lock: Path) -> None:
    entries = _entries(pair, "1.0", "1.1")
    sync(images=entries, lock_file=str(lock))
    place = f"{pair[1].host}/a"
    pattern = {
        "source": place,
        "destination": place,
        "filter": {"semver": "1"},
        "destination_tag": "x-{tag}",
    }
    _prune(lock, [pattern], prune="repository")
    assert set(_tags(pair[1])) == {"1.0", "1.1", "x-1.0", "x-1.1"}
    digest = _tags(pair[1])["1.0"]
    by_digest = {"source": f"{place}@{digest}", "destination": f"{pair[1].host}/b:1"}
    _prune(lock, [by_digest], prune_limit=100)
    assert push.digest_of(pair[1].host, "a", digest) == digest


def test_a_tag_that_somebody_moves_meanwhile_is_kept(
    pair: Pair, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = _entries(pair, "1", "2", "3")
    sync(images=entries, lock_file=str(lock))
    original = usage.Usage

    def moved(*args: Any) -> usage.Usage:
        pair[1].add("a", images.image("foreign"), "2")
        return original(*args)

    monkeypatch.setattr(removal, "Usage", moved)
    result = sync(images=entries[:1], lock_file=str(lock), prune="lock")
    assert [gone["destination"] for gone in result["pruned"]] == [entries[2]["destination"]]
    assert "names another digest than a moment ago" in str(result["warnings"])
    assert set(_tags(pair[1])) == {"1", "2"}


@pytest.mark.parametrize("how", ["declared", "protected", "neither"])
def test_signatures_that_are_protected_stay(pair: Pair, lock: Path, how: str) -> None:
    entries = _entries(pair, "1", "2")
    signature = f"sha256-{_tags(pair[0])['2'].partition(':')[2]}.sig"
    pair[0].add("a", artifacts.artifact("signature"), signature)
    sync(images=entries, lock_file=str(lock))
    options: dict[str, Any] = {
        "declared": {"declared": [f"{pair[1].host}/a:{signature}"]},
        "protected": {"prune_protect": [r"\.sig$"]},
        "neither": {},
    }[how]
    assert len(_prune(lock, entries[:1], **options)["pruned"]) == 1
    assert (signature in _tags(pair[1])) is (how != "neither")


def test_what_was_attached_to_images_that_are_gone(pair: Pair, lock: Path) -> None:
    """Signatures of what is there stay, also without a tag, and of what comes in this call."""
    entries = _entries(pair, "1", "2")
    sync(images=entries[:1])
    destination = pair[1]
    index, coming = images.multi_platform(), _tags(pair[0])["2"]
    destination.add("a", index)
    there = [_tags(destination)["1"], index.digest, index.children[0].digest, coming]
    names = [digest.replace(":", "-") + ".sig" for digest in there]
    orphans = [f"sha256-{HEX}", f"sha256-{HEX}.att"]
    for name in names + orphans:
        destination.add("a", artifacts.artifact(name), name)
    result = _prune(lock, entries, prune="repository", referrers="never")
    assert [gone["destination"] for gone in result["pruned"]] == [
        f"{destination.host}/a:{name}" for name in orphans
    ]
    assert set(_tags(destination)) == {"1", "2", *names}


def test_parts_of_an_index_that_stays_by_its_digest(pair: Pair, lock: Path) -> None:
    """No tag shows that it is there: only the lock does."""
    index = images.multi_platform()
    digest = pair[0].add("a", index, "index")
    pair[0].set_tag("a", "child", index.children[0].digest)
    whole = {"source": f"{pair[0].host}/a@{digest}", "destination": f"{pair[1].host}/a"}
    entries = _entries(pair, "child", "1")
    sync(images=[whole, *entries], lock_file=str(lock))
    _prune(lock, entries[1:], prune_protect=[f"@{digest}"])
    assert set(_tags(pair[1])) == {"1"}
    push.verify_whole(f"{pair[1].host}/a@{digest}")


def test_nothing_is_pruned_where_not_all_can_be_looked_at(
    pair: Pair, make_strict: MakeStrict, lock: Path
) -> None:
    """Else ``prune_limit`` would count too few."""
    entries = _entries(pair, "1", "2")
    other = make_strict()
    entries.append({**entries[0], "destination": f"{other.host}/a:1"})
    sync(images=entries, lock_file=str(lock))
    other.rules.auth = ("user", "password")
    other.expected.add("UNAUTHORIZED")
    result = _prune(lock, entries[:1], prune_limit=1, retries=0)
    assert result["failed"] and result["pruned"] == [] and "nothing was pruned" in result["msg"]
    assert set(_tags(pair[1])) == {"1", "2"}


@pytest.mark.parametrize("deletions", [0, 1, 4])
def test_a_run_that_ends_while_it_prunes_says_so(
    pair: Pair, lock: Path, monkeypatch: pytest.MonkeyPatch, deletions: int
) -> None:
    entries = _entries(pair, "1", "2", "3", "4")
    sync(images=entries, lock_file=str(lock))
    stop, delete, calls = Stop(), RegistryRepository._delete, []

    def counted(self: RegistryRepository, *args: Any) -> Any:
        calls.append(args)
        if len(calls) > deletions:
            stop.request()
        return delete(self, *args)

    monkeypatch.setattr(RegistryRepository, "_delete", counted)
    given = {"images": entries[:1], "lock_file": str(lock), "prune": "lock"}
    result = image_sync(_VALIDATOR.validate(given).validated_parameters, False, stop)
    assert result["failed"] and "pruning was not done for" in result["msg"]
    assert "SIGTERM" in result["msg"]
    left = set(_tags(pair[1]))
    assert len(result["pruned"]) == 4 - len(left)
    assert result["changed"] is (len(left) < 4)
    assert len(json.loads(lock.read_text())["images"]) == len(left)


def test_a_run_that_ends_before_it_prunes_says_so(
    pair: Pair, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = _entries(pair, "1", "2")
    sync(images=entries, lock_file=str(lock))
    stop, other_tags = Stop(), Pruning._other_tags

    def stopped(self: Pruning, *args: Any) -> Any:
        stop.request()
        return other_tags(self, *args)

    monkeypatch.setattr(Pruning, "_other_tags", stopped)
    given = {"images": entries[:1], "prune": "repository"}
    result = image_sync(_VALIDATOR.validate(given).validated_parameters, False, stop)
    assert result["failed"] and "pruning was not done" in result["msg"]
    assert set(_tags(pair[1])) == {"1", "2"}


def test_a_wildcard_beyond_what_a_number_can_be(pair: Pair) -> None:
    with pytest.raises(InvalidInput, match="is not a tag"):
        sync(source=f"{pair[0].host}/a", destination=f"{pair[1].host}/a", tags=["9" * 5000 + ".x"])


def test_a_secret_inside_the_lock(pair: Pair) -> None:
    digest = images.image().digest
    locked = {
        "source": "docker.io/library/a:1",
        "source_digest": digest,
        "digest": digest,
        "media_type": "",
        "platforms": [],
    }
    document = {"version": 1, "images": {"registry.example.com/hunter2hunter/a:1": locked}}
    login = {"name": "registry.example.com", "username": "user", "password": "hunter2hunter"}
    with pytest.raises(InvalidInput, match="also occurs inside an image reference"):
        sync(images=_entries(pair, "1"), lock=document, registries=[login])


def test_a_lock_with_two_digests_for_a_place(pair: Pair) -> None:
    entries = _entries(pair, "1", "2")
    document = sync(images=entries, lock={})["lock"]
    first, second = document["images"].values()
    place = f"{pair[1].host}/a@{first['digest']}"
    wrong = {"version": 1, "images": {place: second}}
    with pytest.raises(InvalidInput, match="has another digest"):
        sync(images=entries[1:], lock=wrong, prune="lock")
    assert len(_tags(pair[1])) == 2


def test_a_lock_that_is_no_file(pair: Pair, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="isn't a file"):
        sync(images=_entries(pair, "1"), lock_file=str(tmp_path / "pipe"))


def test_repositories_with_similar_names_stay(pair: Pair, lock: Path) -> None:
    names = ("team/app/sub", "team/app2", "team", "team/ap")
    for name in ("team/app", *names):
        pair[1].add(name, images.image(name), "old")
    entry = {**_entries(pair, "1")[0], "destination": f"{pair[1].host}/team/app:1"}
    assert len(_prune(lock, [entry], prune="repository")["pruned"]) == 1
    assert {name: list(_tags(pair[1], name)) for name in names} == {name: ["old"] for name in names}
