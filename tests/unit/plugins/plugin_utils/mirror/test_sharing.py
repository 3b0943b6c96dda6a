# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.sharing import (
    assign,
    shared,
)

NAMES = st.sets(st.text("abcdef/", min_size=1), max_size=40)
HOSTS = st.lists(st.sampled_from("pqrstuvw"), min_size=1, unique=True)


def entry(name: str, tag: str = "1", **more: Any) -> dict[str, Any]:
    place = f"r.example.com/{name}"
    image = {"source": f"s.example.com/{name}:{tag}", "destination": place}
    flags = {"by_pattern": False, "absent": False, "wanted": True}
    return {"image": image, "repository": place, "places": [f"{place}:{tag}"], **flags, **more}


def plan(host: str = "a", *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"host": host, "entries": list(entries), "shard": False, "lock_path": "", **more}


@given(NAMES, HOSTS)
def test_every_repository_has_one_host_and_all_have_much_the_same(
    names: set[str], hosts: list[str]
) -> None:
    found = assign(names, hosts)
    assert set(found) == names
    load = [list(found.values()).count(host) for host in hosts]
    assert max(load) - min(load) <= 1


@given(NAMES, HOSTS, st.randoms(use_true_random=False))
def test_the_order_doesn_t_matter(names: set[str], hosts: list[str], random: Any) -> None:
    shuffled = random.sample(sorted(names), len(names))
    assert assign(shuffled, random.sample(hosts, len(hosts))) == assign(names, hosts)


def test_few_move_when_a_host_comes() -> None:
    names = [f"team/app-{number}" for number in range(300)]
    before, after = assign(names, ["a", "b", "c"]), assign(names, ["a", "b", "c", "d"])
    moved = [name for name in names if before[name] != after[name]]
    assert 75 <= len(moved) <= 130


def test_shards_are_all_of_it_once() -> None:
    entries = [entry(f"app-{n // 2}", str(n)) for n in range(20)]
    plans = {host: plan(host, *entries, shard=True) for host in "abc"}
    parts = {
        host: shared(own, {h: p for h, p in plans.items() if h != host}, list(plans))
        for host, own in plans.items()
    }
    done = [image["source"] for part in parts.values() for image in part["images"]]
    assert sorted(done) == sorted(one["image"]["source"] for one in entries)
    assert all(part["declared"] == parts["a"]["declared"] for part in parts.values())


def test_only_and_shards_are_declared_all_the_same() -> None:
    found = shared(plan("a", entry("x", wanted=False), entry("y")), {}, ["a"])
    assert [image["source"] for image in found["images"]] == ["s.example.com/y:1"]
    assert found["declared"] == ["r.example.com/x:1", "r.example.com/y:1"]


def test_what_others_declare_is_declared() -> None:
    found = shared(plan("a", entry("x")), {"b": plan("b", entry("x", "2"))}, ["a", "b"])
    assert found["declared"] == ["r.example.com/x:1", "r.example.com/x:2"]


def test_selected_tags_are_protected_where_another_call_selects_them() -> None:
    pattern = entry("x", by_pattern=True, places=[])
    assert shared(plan("a", pattern), {"b": plan("b", pattern)}, ["a", "b"])["declared"] == []
    away = {**pattern, "wanted": False}
    assert shared(plan("a", away), {}, ["a"])["declared"] == ["r.example.com/x"]


def test_what_is_to_be_absent_isn_t_declared() -> None:
    assert shared(plan("a", entry("x", absent=True)), {}, ["a"])["declared"] == []


@pytest.mark.parametrize(
    ("mine", "other", "words"),
    [
        (
            {"lock_path": "/l"},
            {"lock_path": "/l"},
            "mirror_lock_file is the same file for a and b: /l",
        ),
        ({"shard": True}, {"shard": False}, "mirror_shard is true for a and not for b"),
        (
            {"shard": True},
            {"shard": True, "entries": []},
            "r.example.com/x:1 is declared for a and not for b",
        ),
        (
            {"shard": True},
            {"shard": True, "entries": [entry("x"), entry("x", "2")]},
            "r.example.com/x:2 is declared for b and not for a",
        ),
        (
            {"shard": True},
            {"shard": True, "entries": [entry("x"), entry("x", by_pattern=True, places=[])]},
            "r.example.com/x is declared for b and not for a",
        ),
    ],
)
def test_hosts_that_don_t_fit_are_refused(mine: Any, other: Any, words: str) -> None:
    others = {"b": {**plan("b", entry("x")), **other}}
    with pytest.raises(InvalidInput) as raised:
        shared({**plan("a", entry("x")), **mine}, others, ["a", "b"])
    assert words in str(raised.value)


def test_hosts_without_a_lock_don_t_share_one() -> None:
    assert shared(plan("a", entry("x")), {"b": plan("b")}, ["a", "b"])["images"]


def test_backups_of_others_are_declared_and_own_ones_may_be_written() -> None:
    kept: dict[str, Any] = {
        name: {"backups": [f"r.example.com/{name}:1-previous"]} for name in "xyz"
    }
    mine = plan("a", entry("x", **kept["x"]), entry("y", wanted=False, **kept["y"]))
    other = {"b": plan("b", entry("z", **kept["z"]), entry("x", **kept["x"]))}
    found = shared(mine, other, ["a", "b"])["declared"]
    assert [place for place in found if "previous" in place] == [
        "r.example.com/y:1-previous",
        "r.example.com/z:1-previous",
    ]
