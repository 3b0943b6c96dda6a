# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import (
    Lock,
    Locked,
    is_for,
    parse_lock,
    read_lock,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import (
    parse_platform,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, B

C = "sha256:" + "c" * 64
ENTRY = {
    "source": "docker.io/library/a:1",
    "source_digest": A,
    "digest": B,
    "media_type": "application/vnd.oci.image.index.v1+json",
    "platforms": ["linux/amd64"],
}


def _document(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "images": {"r.example/a:1": {**ENTRY, **changes}}}


def test_a_lock_is_sorted_and_ends_with_a_newline() -> None:
    lock = parse_lock({}, "it")
    for name in ("b:2", "a:1", "b:10"):
        lock.images[f"r.example/{name}"] = Locked("docker.io/library/a:1", A, B, "", ())
    text = lock.text()
    assert (
        text.endswith("}\n")
        and text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    )
    assert text.index("a:1") < text.index("b:10") < text.index("b:2")
    assert lock.text_before() == ""


@given(
    st.dictionaries(
        st.from_regex(r"r\.example/[a-z]{1,8}:[a-z0-9]{1,8}", fullmatch=True),
        st.builds(
            Locked,
            st.sampled_from(["docker.io/library/a:1", f"q.example/b@{A}", f"q.example/b:x@{B}"]),
            st.sampled_from([A, B]),
            st.sampled_from([A, B]),
            st.text(max_size=5),
            st.lists(st.sampled_from(["linux/amd64", "linux/arm64/v8"]), max_size=2).map(tuple),
        ),
    )
)
def test_what_is_written_is_read(images: dict[str, Locked]) -> None:
    lock = read_lock(Lock(images).text().encode(), "it")
    assert lock.images == images and not lock.changed
    assert lock.text() == lock.text_before() or not images
    lock.images["r.example/new:1"] = Locked("docker.io/library/a:1", A, A, "")
    assert lock.changed


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        "",
        {"version": 1},
        {"version": "1", "images": {}},
        {"version": 1.5, "images": {}},
        {"version": 1, "images": []},
        {"version": 1, "images": {}, "more": 1},
        {"version": 1, "images": {"r.example/a:1": []}},
        {"version": 1, "images": {"r.example/a": ENTRY}},
        {"version": 1, "images": {"a:1": ENTRY}},
        {"version": 1, "images": {1: ENTRY}},
        _document(source="busybox:1"),
        _document(source=None),
        _document(digest="sha256:1"),
        _document(source_digest=None),
        _document(platforms="linux/amd64"),
        _document(platforms=[1]),
        _document(media_type=None),
        _document(media_type="\ud800"),
        _document(platforms=["linux/\udfff"]),
        _document(extra=1),
        {
            "version": 1,
            "images": {"r.example/a:1": {k: v for k, v in ENTRY.items() if k != "digest"}},
        },
    ],
)
def test_what_is_no_lock(document: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^the lock is no lock of this .*left alone$"):
        parse_lock(document, "the lock")


@pytest.mark.parametrize(
    ("locked", "wanted", "partly", "same"),
    [
        (["linux/amd64"], ["amd64"], False, True),
        (["linux/arm64/v8"], ["linux/arm64"], False, True),
        (["linux/amd64", "linux/arm64"], ["arm64", "amd64"], False, True),
        (["linux/amd64", "linux/arm64"], ["amd64"], False, False),
        (["linux/amd64"], ["amd64", "arm64"], False, False),
        (["linux/amd64"], ["amd64", "arm64"], True, True),
        (["linux/amd64", "linux/s390x"], ["amd64", "arm64"], True, False),
        ([], ["amd64"], True, False),
        (["nonsense//"], ["amd64"], False, False),
    ],
)
def test_for_which_platforms(
    locked: list[str], wanted: list[str], partly: bool, same: bool
) -> None:
    entry = Locked("a", A, B, "", tuple(locked))
    assert is_for(entry, [parse_platform(text) for text in wanted], partly) is same


_STATES = st.dictionaries(
    st.sampled_from(["r.example/a:1", "r.example/b:1", "r.example/c:1"]),
    st.sampled_from([Locked("docker.io/library/a:1", d, d, "", ()) for d in (A, B, C)]),
)


@given(_STATES, _STATES, _STATES)
def test_changes_are_made_in_what_others_have_left(
    before: dict[str, Locked], ours: dict[str, Locked], theirs: dict[str, Locked]
) -> None:
    lock = Lock(before)
    lock.images = dict(ours)
    disputed = lock.rebase(Lock(theirs))
    assert lock.before == theirs
    for key in {*before, *ours, *theirs}:
        old, own, other, now = (d.get(key) for d in (before, ours, theirs, lock.images))
        assert now == (other if own == old or (own is None and other != old) else own)
        both = old != own != other != old
        assert (key in disputed.ours) == (both and own is not None)
        assert (key in disputed.theirs) == (both and own is None)
        assert now is not None or other is None or (own is None and other == old)  # nobody's loss
