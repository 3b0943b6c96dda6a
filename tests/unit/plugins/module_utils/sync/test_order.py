# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.sync import order
from ansible_collections.imagesync.registry.plugins.module_utils.sync.image import Image
from ansible_collections.imagesync.registry.plugins.module_utils.sync.order import in_order

PLACE = "r.example"


def make(
    path: str,
    blobs: Iterable[str] = (),
    *,
    digest: str = "",
    size: int = 1,
    changed: bool = False,
    children: Mapping[str, Sequence[str]] | None = None,
    place: str = PLACE,
    source: str = "source.example",
    kept: Iterable[str] = (),
    whole: bool = False,
) -> Image:
    """As much of an image as the order looks at; each blob has ``size`` bytes."""
    repository: Any = SimpleNamespace(place=place, path=path, name=f"{place}/{path}")
    declared: Any = SimpleNamespace(destination=path, name="", source=source)
    found = Image(declared, repository, SimpleNamespace(place=source))  # type: ignore[arg-type]
    own = digest or f"manifest of {path}: {sorted(blobs)}"
    manifests = {own: list(blobs), **(children or {})}
    tree: dict[str, Any] = {
        name: SimpleNamespace(
            digest=name, blobs=tuple(SimpleNamespace(digest=b, size=size) for b in names)
        )
        for name, names in manifests.items()
    }
    found.tree = tree
    found.top = tree[own]
    found.previous = SimpleNamespace() if changed else None  # type: ignore[assignment]
    found.kept.update(kept)
    found.whole = whole
    return found


def needs(image: Image) -> set[str]:
    return {blob.digest for manifest in image.tree.values() for blob in manifest.blobs}


def waiting_depth(images: Sequence[Image]) -> int:
    """How many manifests have to be stored one after the other, as the transfer plans it.

    A blob goes to the first repository that needs it; others mount it after that one's manifest.
    """
    home: dict[str, str] = {}
    commit: dict[str, int] = {}
    steps: dict[tuple[str, str], int] = {}
    deepest = 0
    for image in images:
        path = image.repository.path
        brought = []
        for blob in needs(image):
            if blob not in home:
                home[blob] = path
                brought.append(blob)
                steps[path, blob] = 0
            steps.setdefault((path, blob), commit.get(blob, 0))
        depth = 1 + max((steps[path, blob] for blob in needs(image)), default=0)
        commit.update(dict.fromkeys(brought, depth))
        deepest = max(deepest, depth)
    return deepest


def users_of(images: Iterable[Image]) -> dict[str, set[str]]:
    users: dict[str, set[str]] = {}
    for image in images:
        for blob in needs(image):
            users.setdefault(blob, set()).add(image.repository.path)
    return users


IMAGES = st.lists(
    st.builds(
        make,
        st.sampled_from("abcdef"),
        st.sets(st.sampled_from("0123456789"), max_size=4),
        size=st.integers(0, 3),
        changed=st.booleans(),
    ),
    max_size=12,
)


@given(IMAGES)
def test_nothing_is_lost_or_doubled(images: list[Image]) -> None:
    assert sorted(map(id, in_order(images))) == sorted(map(id, images))


@given(IMAGES)
def test_the_leaders_have_all_that_several_repositories_lack(images: list[Image]) -> None:
    leaders = order._leaders(images, set())
    shared = {blob for blob, paths in users_of(images).items() if len(paths) > 1}
    covered = [needs(leader) & shared for leader in leaders]
    assert set().union(*covered) == shared
    # none of them is in vain
    before: set[str] = set()
    for blobs in covered:
        assert blobs - before
        before |= blobs
    found = in_order(images)
    assert [id(image) for image in found[: len(leaders)]] == [id(leader) for leader in leaders]


@given(IMAGES)
def test_nobody_waits_long_for_others(images: list[Image]) -> None:
    """Each leader that waits for another brings less than that one."""
    shared = {blob for blob, paths in users_of(images).items() if len(paths) > 1}
    most = max((len(needs(image) & shared) for image in images), default=0)
    assert waiting_depth(in_order(images)) <= most + 1


@settings(max_examples=30)
@given(st.integers(3, 60), st.data())
def test_a_chain_of_images_is_no_chain_of_waits(count: int, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    chain = [make(f"r{n}", [f"{n}", f"{n + 1}"], size=sizes[n]) for n in range(count)]
    assert waiting_depth(chain) == count  # taken as they come
    assert waiting_depth(in_order(chain)) <= 3
    shuffled = data.draw(st.permutations(chain))
    assert waiting_depth(in_order(shuffled)) <= 3


def test_a_common_base_is_brought_by_one() -> None:
    images = [make(f"r{n}", ["base", "lib", f"own{n}"], size=n) for n in range(10)]
    assert order._leaders(images, set()) == [images[9]]
    assert waiting_depth(in_order(images)) == 2


def test_who_has_most_of_what_is_shared_leads() -> None:
    small = make("a", ["base", "lib", "tool"], size=1)
    large = [make("b", ["base", "x"], size=100), make("c", ["lib", "tool"], size=100)]
    assert in_order([*large, small])[0] is small


def test_what_a_place_holds_needs_no_leader() -> None:
    images = [make("a", ["base"], size=1), make("b", ["base"], size=2)]
    assert order._leaders(images, {(PLACE, "base")}) == []
    assert order._leaders(images, {("other.example", "base")}) == [images[1]]
    assert in_order(images, [(PLACE, "base")]) == [images[1], images[0]]


@pytest.mark.parametrize(
    "other",
    [
        make("b", ["base"], place="other.example"),
        make("b", ["base"], source=PLACE),  # it mounts from its source
        make("b", ["base"], kept=["base"]),
        make("b", ["base"], whole=True),
        make("a", ["base", "x"]),  # the same repository
    ],
    ids=["another place", "from there", "kept", "whole", "same repository"],
)
def test_what_one_repository_alone_lacks_needs_no_leader(other: Image) -> None:
    assert order._leaders([make("a", ["base"]), other], set()) == []


def test_missing_before_changed_and_the_largest_first() -> None:
    images = {
        "changed, large": make("a", ["1"], size=900, changed=True),
        "missing, small": make("b", ["2"], size=1),
        "changed, small": make("c", ["3"], size=2, changed=True),
        "missing, large": make("d", ["4"], size=50),
        "missing, empty": make("e", []),
    }
    names = {id(image): name for name, image in images.items()}
    assert [names[id(image)] for image in in_order(images.values())] == [
        "missing, large",
        "missing, small",
        "missing, empty",
        "changed, large",
        "changed, small",
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12))
def test_without_shared_blobs_the_key_is_all(given_images: list[tuple[bool, int]]) -> None:
    images = [
        make(f"r{n}", [f"own{n}"], size=size, changed=changed)
        for n, (changed, size) in enumerate(given_images)
    ]
    found = [
        (image.previous is not None, -image.size(), images.index(image))
        for image in in_order(images)
    ]
    assert found == sorted(found)


def test_a_missing_leader_before_a_changed_one() -> None:
    changed = make("a", ["base"], size=9, changed=True)
    missing = make("b", ["base"], size=1)
    assert in_order([changed, missing]) == [missing, changed]


# an index and its children


@pytest.mark.parametrize("child_size", [1, 100])
@pytest.mark.parametrize("changed", [False, True])
def test_an_index_comes_before_a_child_that_is_declared_too(child_size: int, changed: bool) -> None:
    child = make("a", ["x"], digest="child", size=child_size)
    index = make("a", digest="index", children={"child": ["x"], "other": ["y"]}, changed=changed)
    between = make("b", ["z"], size=50)
    for given_images in ([child, between, index], [index, between, child]):
        found = in_order(given_images)
        assert found.index(index) < found.index(child)
        assert len(found) == 3


def test_of_nested_indexes_the_outer_one_comes_first() -> None:
    child = make("a", ["x"], digest="child", size=100)
    inner = make("a", digest="inner", children={"child": ["x"]}, size=10)
    outer = make("a", digest="outer", children={"inner": [], "child": ["x"], "more": ["y"]})
    assert in_order([child, inner, outer])[0] is outer


def test_the_same_digest_elsewhere_is_no_child() -> None:
    child = make("a", ["x"], digest="child", size=100)
    index = make("b", digest="index", children={"child": ["y"], "other": ["z"]})
    assert in_order([child, index]) == [child, index]


def test_two_tags_of_an_index_are_both_kept() -> None:
    twins = [make("a", digest="index", children={"child": ["x"]}) for _unused in range(2)]
    assert sorted(map(id, in_order(twins))) == sorted(map(id, twins))


def test_an_index_that_a_leader_belongs_to_leads() -> None:
    """The child leads because it is missing; its index has to come before it."""
    child = make("a", ["base"], digest="child", size=5)
    index = make("a", digest="index", children={"child": ["base"], "o": ["y"]}, changed=True)
    follower = make("b", ["base", "own"], size=1)
    found = in_order([follower, child, index])
    assert found.index(index) < found.index(child)
    assert waiting_depth(found) == 2
