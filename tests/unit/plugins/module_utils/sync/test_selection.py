# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.version import (
    Version,
    newest_first,
    parse_version,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.selection import (
    MAX_TAGS,
    Filter,
    Selection,
    read_filter,
    read_selection,
)

HEX = "ab12" * 16


def selection(tags: list[str] | None = None, **filters: Any) -> Selection:
    found = read_selection(tags, filters or None)
    assert found
    return found


def select(listed: str, tags: list[str] | None = None, **filters: Any) -> str:
    return " ".join(selection(tags, **filters or {"max_tags": 0}).select(listed.split()))


#: what a repository like nginx has
NGINX = (
    "latest stable mainline alpine 1 1.26 1.26.2 1.26.3 1.27 1.27.3 1.27.4 1.28.0-rc1 1.28.0-rc2 "
    "1.27.4-alpine 1.27-alpine 1.27.3-alpine 1.27.4-alpine3.20 1.27.4-alpine3.20-perl v1.25.1 "
    f"sha256-{HEX} sha256-{HEX}.sig sha256-{HEX}.att sha256-{HEX}.sbom"
)

SELECTIONS: list[tuple[dict[str, Any], str]] = [
    # a range: plain versions, no prereleases
    ({"semver": ">=1.26 <2"}, "1.27.4 1.27.3 1.27 1.26.3 1.26.2 1.26"),
    ({"semver": "^1.27"}, "1.27.4 1.27.3 1.27"),
    ({"semver": "1.25.x"}, "v1.25.1"),
    ({"semver": "1.26.2"}, "1.26.2"),
    ({"semver": "<1.26"}, "v1.25.1 1"),
    # prereleases
    ({"semver": ">=1.27.4", "prereleases": True}, "1.28.0-rc2 1.28.0-rc1 1.27.4"),
    ({"semver": ">=1.28.0-rc2"}, "1.28.0-rc2"),
    ({"semver": ">=1.27.4 <1.28", "prereleases": True}, "1.27.4"),
    ({"semver": ">=1.28 <2.0.0", "prereleases": True}, "1.28.0-rc2 1.28.0-rc1"),
    # variants
    ({"semver": "1.27.x", "variants": ["alpine"]}, "1.27.4-alpine 1.27.3-alpine 1.27-alpine"),
    (
        {"semver": ">=1.27.4", "variants": ["", "alpine.*"]},
        "1.27.4 1.27.4-alpine 1.27.4-alpine3.20 1.27.4-alpine3.20-perl",
    ),
    ({"semver": ">=1.27.4", "variants": [""]}, "1.27.4"),
    ({"variants": [r"alpine[\d.]+"]}, "1.27.4-alpine3.20"),
    ({"variants": ["alpine"], "newest": 1}, "1.27.4-alpine 1.27-alpine"),
    # newest, of each variant
    ({"newest": 1}, "1.27.4 1.27 1"),
    ({"newest": 2}, "1.27.4 1.27.3 1.27 1"),
    ({"newest": 3}, "1.27.4 1.27.3 1.27 1.26.3 1.26 1"),
    ({"newest": 100}, "1.27.4 1.27.3 1.27 1.26.3 1.26.2 1.26 v1.25.1 1"),
    ({"newest": 1, "prereleases": True}, "1.28.0-rc2"),
    (
        {"newest": 1, "variants": ["", "alpine"], "semver": ">=1.26"},
        "1.27.4 1.27.4-alpine 1.27 1.27-alpine",
    ),
    ({"newest": 1, "exclude": [r"\d+(\.\d+)?"]}, "1.27.4"),
    ({"newest": 2, "include": [r"1\.26.*"]}, "1.26.3 1.26.2 1.26"),
    # regexes on the whole tag take any tag
    ({"include": ["1.26"]}, "1.26"),
    ({"include": ["latest|stable"]}, "latest stable"),
    ({"include": ["a|stabl"], "allow_empty": True}, ""),
    ({"include": [".*-rc.*", "mainline"]}, "1.28.0-rc2 1.28.0-rc1 mainline"),
    ({"include": [".*alpine"]}, "1.27.4-alpine 1.27.3-alpine 1.27-alpine alpine"),
    ({"include": ["sha256.*", "stable"]}, "stable"),
    ({"exclude": [r".*\d.*"]}, "alpine latest mainline stable"),
    ({"include": ["[a-z]+"], "exclude": ["stable", "main"]}, "alpine latest mainline"),
    ({"semver": "1.27.x", "exclude": ["1.27"]}, "1.27.4 1.27.3"),
    ({"semver": "1.27.x", "include": [r"\d+\.\d+\.\d+"]}, "1.27.4 1.27.3"),
    # empty lists are the same as none
    ({"semver": "1.27.4", "include": [], "exclude": [], "variants": []}, "1.27.4"),
]


@pytest.mark.parametrize(("filters", "expected"), SELECTIONS)
def test_filters(filters: dict[str, Any], expected: str) -> None:
    assert select(NGINX, **filters) == expected


def test_without_conditions_all_but_digest_tags() -> None:
    found = select(NGINX, max_tags=0).split()
    assert found == newest_first(tag for tag in NGINX.split() if not tag.startswith("sha256-"))
    assert read_selection(None, {}) == Selection((), (), Filter(), True)


@pytest.mark.parametrize(
    ("tags", "filters", "expected"),
    [
        (["1.26.x"], {}, "1.26.3 1.26.2 1.26"),
        (["1.x.3"], {}, "1.27.3 1.26.3"),
        (["v1.x.x"], {}, "v1.25.1"),
        (["1.26.x", "1.27.x"], {}, "1.27.4 1.27.3 1.27 1.26.3 1.26.2 1.26"),
        (["1.27.x", "1.x"], {"newest": 1}, "1.27.4 1.27 1"),
        (["1.28.x"], {"prereleases": True}, "1.28.0-rc2 1.28.0-rc1"),
        (["1.27.x"], {"variants": ["alpine"]}, "1.27.4-alpine 1.27.3-alpine 1.27-alpine"),
        (["1.x"], {"semver": ">=1.27.4"}, "1.27.4"),
        (["1.x"], {"include": [r".*\.3"]}, "1.27.3 1.26.3"),
        # tags given by name are beside all that
        (["stable", "1.27.x"], {"newest": 1}, "1.27.4 1.27 stable"),
        (["0.1", "1.27.x"], {"newest": 1}, "1.27.4 1.27 0.1"),
        (["1.27.3", "1.27.x"], {"newest": 1}, "1.27.4 1.27.3 1.27"),
        (["1.27.4", "1.27.x"], {"newest": 1}, "1.27.4 1.27"),
        (["missing", "1.28.0-rc1", "1.26"], {"semver": "^9"}, "1.28.0-rc1 1.26 missing"),
        (["latest", f"sha256-{HEX}.sig"], {}, f"latest sha256-{HEX}.sig"),
    ],
)
def test_tags(tags: list[str], filters: dict[str, Any], expected: str) -> None:
    assert select(NGINX, tags, **filters) == expected


@pytest.mark.parametrize(
    ("tags", "needed"),
    [
        (["1.27", "latest", "v1", "x86", "x", "1.27.x-alpine"], False),
        (["1.27", "1.28.x"], True),
        (None, True),
    ],
)
def test_whether_the_list_is_needed(tags: list[str] | None, needed: bool) -> None:
    assert selection(tags, newest=1).needs_list is needed


@pytest.mark.parametrize(
    "tag", [f"sha256-{HEX}", f"sha256-{HEX}.sig", f"sha512-{HEX}", "sha256-1.x"]
)
def test_tags_that_stand_for_a_digest(tag: str) -> None:
    for filters in ({"include": [".*"]}, {"max_tags": 0}, {"exclude": ["x"]}):
        assert select(f"{tag} a", **filters) == "a"


@pytest.mark.parametrize("tag", ["sha256", "sha256-", "sha-ab12", "sha256-xyz", "my-sha256-ab"])
def test_tags_that_only_look_so(tag: str) -> None:
    assert select(f"{tag} a", include=["sha.*", "my.*"]) == tag


# newest


@pytest.mark.parametrize(
    ("listed", "newest", "expected"),
    [
        ("1.27.3 1.27 1.26.2 1.26", 1, "1.27.3 1.27"),
        ("1.27.3 1.27.2 1.27 1.26.2 1.26 1", 3, "1.27.3 1.27.2 1.27 1.26.2 1.26 1"),
        ("1.28 1.27.3 1.27", 2, "1.28 1.27.3 1.27"),  # 1.28 is the only name of its version
        ("v1.2.3 1.2.3 1.2.2", 1, "1.2.3 v1.2.3"),  # two names of one version
        ("1.2.0 1.2 1.1", 1, "1.2.0 1.2"),
        ("2.0.0 1.9.9-alpine 1.9.8-alpine 1.9.9", 1, "2.0.0"),
        ("3 2.9 2 1", 2, "3 2.9 2"),
        ("1.10.0 1.9.0 1.2.0", 2, "1.10.0 1.9.0"),
    ],
)
def test_newest(listed: str, newest: int, expected: str) -> None:
    assert select(listed, newest=newest) == expected


def test_newest_of_thousands() -> None:
    """What was taken isn't gone through again for each tag: that took a minute."""
    listed = [f"1.{minor}.{patch}" for minor in range(100) for patch in range(100)]
    chosen = selection(newest=8000, max_tags=0)
    started = time.process_time()
    assert len(chosen.select(listed)) == 8000
    assert time.process_time() - started < 2


# errors of what is there


@pytest.mark.parametrize(
    ("tags", "filters", "reason"),
    [
        (None, {"semver": "^9"}, "none of the 19 tags matches semver '\\^9'"),
        (None, {"include": ["x"]}, r"none of the 19 tags matches include \['x'\]"),
        (None, {"semver": "^1.28"}, "none of the 19 tags"),
        (["9.x"], {}, "no tag matches 9.x"),
        (["1.27.x", "9.x"], {}, "no tag matches 9.x"),
        (["1.27.x"], {"semver": "^2"}, "none of the 19 tags matches tags 1.27.x; semver"),
        (["latest", "9.x"], {}, "no tag matches 9.x"),
    ],
)
def test_nothing_matches(tags: list[str] | None, filters: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        select(NGINX, tags, **filters)
    found = select(NGINX, tags, allow_empty=True, **filters)
    there = {"latest": "latest", "1.27.x": "1.27.4 1.27.3 1.27"}
    assert found == ("" if filters or not tags else there.get(tags[0], ""))


def test_too_many() -> None:
    listed = " ".join(f"1.0.{number}" for number in range(MAX_TAGS + 1))
    with pytest.raises(InvalidInput, match=r"201 tags match semver '1\.x', and max_tags is 200"):
        select(listed, semver="1.x")
    with pytest.raises(InvalidInput, match="201 tags match the filter, and max_tags is 200"):
        select(listed, prereleases=False)
    with pytest.raises(InvalidInput, match=r"201 tags match tags 1\.0\.x, and max_tags is 200"):
        selection(["1.0.x"]).select(listed.split())
    several: list[dict[str, Any]] = [{"max_tags": 0}, {"max_tags": 201}, {"newest": 200}]
    for filters in several:
        assert len(select(listed, semver="1.x", **filters).split()) >= 200
    assert len(selection(listed.split()).select(())) == 201  # given by name


# errors before the first request


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"semver": "latest"}, "filter.semver: 'latest' is no version range"),
        ({"semver": ""}, "filter.semver: "),
        ({"semver": True}, "filter.semver must be text"),
        ({"semver": [">=1"]}, "filter.semver must be text"),
        ({"include": ["("]}, r"filter.include: '\(' is no valid regex"),
        ({"include": ["ok", "*"]}, "filter.include: '\\*' is no valid regex"),
        ({"include": "v.*"}, "filter.include must be a list of regexes, not 'v"),
        ({"include": [1]}, "filter.include must be a list of regexes"),
        ({"include": ["x" * 1001]}, "filter.include: 'x+'... has more than 1000 characters"),
        ({"exclude": ["[a"]}, "filter.exclude: "),
        ({"exclude": ["a{99999999999999999999}"]}, "filter.exclude: "),
        ({"variants": ["(?P<n>"]}, "filter.variants: "),
        ({"newest": 0}, "filter.newest must be a number from 1 on, not '0'"),
        ({"newest": -1}, "filter.newest"),
        ({"newest": True}, "filter.newest"),
        ({"newest": "3"}, "filter.newest"),
        ({"max_tags": -1}, "filter.max_tags must be a number from 0 on"),
        ({"prereleases": "yes"}, "filter.prereleases must be true or false"),
        ({"allow_empty": 1}, "filter.allow_empty must be true or false"),
        ({"semvr": ">=1"}, "filter.semvr is no filter; there are: semver, include"),
        ([], "filter must be a mapping"),
        ("newest", "filter must be a mapping, not 'newest'"),
    ],
)
def test_filters_that_are_refused(filters: Any, reason: str) -> None:
    for tags in (None, ["latest"]):
        with pytest.raises(InvalidInput, match=reason):
            read_selection(tags, filters)


def test_names_of_options_of_the_lookup() -> None:
    with pytest.raises(InvalidInput, match=r"^newest must be"):
        read_filter({"newest": 0}, "")
    with pytest.raises(InvalidInput, match=r"^semver: "):
        read_filter({"semver": "x1"}, "")


@pytest.mark.parametrize(
    "tag", ["", " ", "a b", "1.2.*", "-1", ".x", "x" * 129, "v1.(2|3)", ">=1.2", "app:1"]
)
def test_tags_that_are_refused(tag: str) -> None:
    with pytest.raises(InvalidInput, match=r"^tags: .* is not a tag .*wildcards are written as"):
        read_selection(["latest", tag], None)


def test_no_tags() -> None:
    assert read_selection(None, None) is None
    with pytest.raises(InvalidInput, match=r"tags is empty, .* without filter.allow_empty"):
        read_selection([], None)
    found = read_selection([], {"allow_empty": True, "semver": "^1"})
    assert found and not found.needs_list
    assert found.select(["1.2"]) == []


# laws

TAGS = st.sampled_from(
    [f"{v}{a}.{b}{s}" for v in ("", "v") for a in (0, 1, 2) for b in (0, 1, 2) for s in ("", "-x")]
    + [f"1.{b}.{c}{s}" for b in (0, 1) for c in (0, 1, 2) for s in ("", "-rc1", "-rc2", "-x")]
    + ["0", "1", "2", "latest", "edge", f"sha256-{HEX}", f"sha256-{HEX}.sig"]
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "semver": st.sampled_from(["^1", ">=1.1", "1.0.x || 2", "!=1.1", ">=1.1.1-rc1", "<2"]),
        "include": st.just([".*1.*"]),
        "exclude": st.just([".*2"]),
        "prereleases": st.booleans(),
        "variants": st.sampled_from([[""], ["x"], ["", "x"], [".*"]]),
        "newest": st.integers(1, 4),
    },
)
NAMED = st.one_of(
    st.none(), st.lists(st.sampled_from(["1.x", "v1.x", "1.0.x", "2", "e"]), min_size=1)
)
LISTS = st.lists(TAGS, max_size=20)


@given(LISTS, NAMED, FILTERS)
def test_it_is_the_same_for_what_it_selected(
    listed: list[str], tags: list[str] | None, filters: dict[str, Any]
) -> None:
    """In any order of the list, and once more on its own result."""
    chosen = selection(tags, allow_empty=True, **filters)
    found = chosen.select(listed)
    assert found == newest_first(found)
    assert found == chosen.select(sorted(listed)) == chosen.select(reversed(listed))
    assert set(found) <= {*listed, *chosen.literals}
    assert found == chosen.select(found)
    assert not [tag for tag in found if tag.startswith("sha256-")]


def begins(one: Version, other: Version) -> bool:
    """Whether it is a shorter or another name for the other one."""
    length = len(one.numbers)
    if other.numbers[:length] != one.numbers:
        return False
    if one.prerelease == other.prerelease:
        return True
    shared = other.prerelease[: len(one.prerelease)]
    return bool(one.prerelease) and length < len(other.numbers) and shared == one.prerelease


@given(LISTS, FILTERS, st.integers(1, 4))
def test_more_of_the_newest_is_more(
    listed: list[str], filters: dict[str, Any], newest: int
) -> None:
    """Of each variant, those that are counted are the first ones."""
    without = {key: value for key, value in filters.items() if key != "newest"}
    without.setdefault("semver", "*")
    everything = selection(allow_empty=True, **without).select(listed)
    found = selection(allow_empty=True, **without, newest=newest).select(listed)
    more = selection(allow_empty=True, **without, newest=newest + 1).select(listed)
    assert set(found) <= set(more) <= set(everything)
    versions = [version for version in map(parse_version, everything) if version]
    for variant in {version.variant for version in versions}:
        own = [version for version in versions if version.variant == variant]
        counted = [v for i, v in enumerate(own) if not any(begins(v, o) for o in own[:i])]
        names = [version.tag for version in counted]
        assert [tag for tag in names if tag in found][:newest] == names[:newest]
        taken = [version for version in own if version.tag in found]
        alone = [v for i, v in enumerate(taken) if not any(begins(v, o) for o in taken[:i])]
        assert len(alone) == min(newest, len(counted))


@given(LISTS, FILTERS)
def test_what_no_version_selection_takes(listed: list[str], filters: dict[str, Any]) -> None:
    filters = {key: value for key, value in filters.items() if key != "variants"}
    if "semver" not in filters:
        filters.setdefault("newest", 3)
    named = "rc" in filters.get("semver", "") or filters.get("prereleases")
    for tag in selection(allow_empty=True, **filters).select(listed):
        version = parse_version(tag)
        assert version and not version.variant
        assert named or not version.prerelease
