# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags selected from a source's list: what becomes of them, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors import image_sync
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.limits import Limits
from tests.support import images, push
from tests.support.content import Image
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeStrict
from tests.support.playbook import run_tasks
from tests.support.sides import Sides
from tests.support.sync import foretold_then_done, sync

HEX = "ab12" * 16
TAGS = (
    "1.25.0 1.26.0 1.26.1 1.26 1.27.0 1.27.1 1.27 1 v1.28.0 1.28.1-rc1 2.0.0-rc1 1.27.1-alpine "
    f"1.27.0-alpine latest edge sha256-{HEX} sha256-{HEX}.sig"
).split()
LISTS = Counter({("GET", "tags"): 1})
Entry = dict[str, Any]


def _image(tag: str) -> Image:
    return images.image(f"selected {tag}", layers=1)


def _heads(count: int) -> Counter[tuple[str, str]]:
    return Counter({("HEAD", "manifest"): count})


@pytest.fixture
def tagged(sides: Sides) -> Sides:
    """A source with many tags, each an image of its own."""
    with push.Repository(sides.source.host, sides.source.repository) as there:
        for tag in TAGS:
            there.put(_image(tag), tag)
    return sides


def _entry(sides: Sides, **more: Any) -> Entry:
    return {"source": sides.source.ref(""), "destination": sides.destination.ref(""), **more}


def _selected(sides: Sides, result: dict[str, Any]) -> list[str]:
    """The tags of the result, which are the same at both sides."""
    found = [image["source"].removeprefix(sides.source.ref("")[:-1]) for image in result["images"]]
    tags = [image["destination"].rpartition(":")[2] for image in result["images"]]
    assert [one.rpartition(":")[2] for one in found] == tags
    return tags


SELECTIONS: dict[str, tuple[Entry, str]] = {
    "range": ({"filter": {"semver": ">=1.26 <2"}}, "v1.28.0 1.27.1 1.27.0 1.27 1.26.1 1.26.0 1.26"),
    "prereleases": (
        {"filter": {"semver": ">=1.28 <2", "prereleases": True}},
        "1.28.1-rc1 v1.28.0",
    ),
    "newest": ({"filter": {"newest": 2}}, "v1.28.0 1.27.1 1.27 1"),
    "variants": (
        {"filter": {"semver": "1.27.x", "variants": ["", "alpine"], "newest": 1}},
        "1.27.1 1.27.1-alpine 1.27",
    ),
    "regexes": (
        {"filter": {"include": ["[a-z]+", ".*-rc1"], "exclude": ["edge"]}},
        "2.0.0-rc1 1.28.1-rc1 latest",
    ),
    "wildcards": ({"tags": ["1.26.x", "v1.x.0"]}, "v1.28.0 1.26.1 1.26.0 1.26"),
    "names and wildcards": (
        {"tags": ["latest", "1.27.x"], "filter": {"newest": 1}},
        "1.27.1 1.27 latest",
    ),
    "names": ({"tags": ["latest", "1.26.0", "1.27.1-alpine"]}, "1.27.1-alpine 1.26.0 latest"),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_what_is_selected_is_copied(tagged: Sides, name: str) -> None:
    """Newest first; check mode tells it all; the second run costs a list and two HEADs each."""
    options, expected = SELECTIONS[name]
    given = _entry(tagged, **options)
    result = foretold_then_done(tagged.source.proxy, tagged.destination.proxy, **given)
    assert _selected(tagged, result) == expected.split()
    assert sorted(tagged.destination.tags()) == sorted(expected.split())
    for tag in expected.split():
        assert tagged.destination.has_whole(_image(tag), tag)
    assert [image["digest"] for image in result["images"]] == [
        _image(tag).digest for tag in expected.split()
    ]
    assert "digest" not in result

    tagged.clear()
    again = sync(**given)
    assert not again["changed"] and _selected(tagged, again) == expected.split()
    count = len(expected.split())
    lists = Counter() if name == "names" else LISTS
    assert tagged.asked() == (_heads(count) + lists, _heads(count))


def test_without_conditions_everything_but_digest_tags(tagged: Sides) -> None:
    result = sync(**_entry(tagged, filter={}))
    assert sorted(_selected(tagged, result)) == sorted(t for t in TAGS if "sha256" not in t)


def test_one_selected_tag_is_at_the_top_too(tagged: Sides) -> None:
    result = sync(**_entry(tagged, filter={"semver": "1.26.1"}))
    assert result["digest"] == _image("1.26.1").digest
    assert result["destination"] == tagged.destination.ref("1.26.1")


def test_a_list_is_read_once_however_many_entries(tagged: Sides) -> None:
    elsewhere = f"{tagged.destination.repository}/else"
    entries = [
        _entry(tagged, name="a", filter={"semver": "^1.27", "newest": 1}),
        _entry(tagged, name="b", tags=["1.26.x"]),
        _entry(
            tagged,
            name="c",
            filter={"include": ["latest"]},
            destination=tagged.destination.ref("", elsewhere),
        ),
        {"name": "d", **_entry(tagged, source=tagged.source.ref("edge"))},
    ]
    result = sync(images=entries, referrers="never")
    assert [image["name"] for image in result["images"]] == ["a", "b", "b", "b", "c", "d"]
    assert _selected(tagged, result) == ["v1.28.0", "1.26.1", "1.26.0", "1.26", "latest", "edge"]
    assert tagged.source.proxy.count("GET", "tags") == 1
    tagged.clear()
    sync(images=entries)
    assert tagged.asked() == (_heads(6) + LISTS, _heads(6))


def test_entries_fall_back_to_the_call(tagged: Sides) -> None:
    other = f"{tagged.destination.repository}/other"
    entries = [
        _entry(tagged),
        _entry(tagged, tags=["1.26.0"], destination=tagged.destination.ref("", other)),
    ]
    result = sync(images=entries, filter={"semver": "1.27.x"}, destination_tag="v-{tag}")
    assert [image["destination"] for image in result["images"]] == [
        *(tagged.destination.ref(f"v-{tag}") for tag in ("1.27.1", "1.27.0", "1.27")),
        tagged.destination.ref("v-1.26.0", other),
    ]


def test_immutable_tags_are_matched_by_each_tag(tagged: Sides) -> None:
    given = _entry(tagged, tags=["1.27.x", "latest"], immutable_tags=[r"\d+\.\d+\.\d+"])
    sync(**given)
    tagged.clear()
    result = sync(**given)
    assert [image["reason"] for image in result["images"]] == [
        *("immutable", "immutable", "in_sync", "in_sync")
    ]
    assert tagged.asked() == (_heads(2) + LISTS, _heads(4))


def test_tags_that_entries_share_are_one(tagged: Sides) -> None:
    entries = [
        _entry(tagged, filter={"semver": "1.27.x"}),
        _entry(tagged, tags=["1.27.1", "1.x.1"]),
        _entry(tagged, source=tagged.source.ref("1.27.0")),
    ]
    result = sync(images=entries)
    assert _selected(tagged, result) == ["1.27.1", "1.27.0", "1.27", "1.26.1"]


def test_tags_that_entries_with_names_share_are_the_first_ones(tagged: Sides) -> None:
    entries = [
        _entry(tagged, name="newest", filter={"newest": 1}),
        _entry(tagged, name="old", filter={"semver": "1.27.x || 1.0.0"}),
        _entry(tagged, name="whole", filter={"semver": "1.0.0"}),
    ]
    result = sync(images=entries)
    assert [image["name"] for image in result["images"]] == [*["newest"] * 2, *["old"] * 3]
    assert _selected(tagged, result) == ["v1.28.0", "1", "1.27.1", "1.27.0", "1.27"]
    entries[2]["existing"] = "keep"
    with pytest.raises(InvalidInput, match="is declared twice with different options"):
        sync(images=entries)


# what can't be


def test_two_sources_for_one_tag(tagged: Sides) -> None:
    """It shows when the lists are known, and comes before the first write."""
    other = f"{tagged.source.repository}/other"
    tagged.source.push(_image("1.27.1"), "1.27.1", other)
    entries = [
        _entry(tagged, filter={"semver": "^1"}),
        _entry(tagged, source=tagged.source.ref("", other), filter={"semver": "^1"}),
    ]
    for check_mode in (True, False):
        with pytest.raises(InvalidInput) as caught:
            sync(check_mode, images=entries)
        for reference in (
            tagged.destination.ref("1.27.1"),
            tagged.source.ref("1.27.1"),
            tagged.source.ref("1.27.1", other),
        ):
            assert reference in str(caught.value)
    assert tagged.writes() == [] and tagged.destination.proxy.requests == []


def test_one_tag_for_two_selected_ones(tagged: Sides) -> None:
    with pytest.raises(InvalidInput, match="two different images are declared for"):
        sync(**_entry(tagged, filter={"semver": "1.27.x"}, destination_tag="stable"))
    result = sync(**_entry(tagged, filter={"semver": "1.26.1"}, destination_tag="stable"))
    assert result["destination"] == tagged.destination.ref("stable")


ERRORS: dict[str, tuple[Entry, str]] = {
    "semver": ({"filter": {"semver": ">=a"}}, "filter.semver: '>=a' is no version range"),
    "include": ({"filter": {"include": ["("]}}, "filter.include"),
    "exclude": ({"filter": {"exclude": ["*"]}}, "filter.exclude"),
    "variants": ({"filter": {"variants": ["["]}}, "filter.variants"),
    "newest": ({"filter": {"newest": 0}}, "filter.newest"),
    "max_tags": ({"filter": {"max_tags": -1}}, "filter.max_tags"),
    "no tags": ({"tags": []}, "tags is empty"),
    "no tag": ({"tags": ["1.*"]}, "'1.*' is not a tag"),
    "source with a tag": ({"tags": ["1"], "source": "S:1"}, "has a tag or a digest"),
    "destination with a tag": ({"filter": {}, "destination": "D:1"}, "has a tag or a digest"),
    "itself": ({"filter": {}, "source": "D"}, "are the same"),
    "template": ({"filter": {}, "destination_tag": "{tag"}, "only {tag} may stand in braces"),
    "absent": ({"filter": {}, "state": "absent"}, "only tags that are given by name"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_errors_come_before_the_first_request(sides: Sides, error: str) -> None:
    options, said = ERRORS[error]
    places = {"S": sides.source.ref("")[:-1], "D": sides.destination.ref("")}
    values = {
        key: places[value[0]] + value[1:] if key in ("source", "destination") else value
        for key, value in options.items()
    }
    with pytest.raises(InvalidInput) as caught:
        sync(images=[_entry(sides, name="mine", **{**values})])
    assert said in str(caught.value) and "images[0] (mine): " in str(caught.value)
    assert sides.source.proxy.requests + sides.destination.proxy.requests == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filter": {"semvr": "^1"}}, "filter.semvr"),
        ({"filter": "x"}, "filter"),
        ({"filter": {"newest": "many"}}, "newest"),
        ({"images": [{"filter": {"latest": 1}}]}, "latest"),
    ],
)
def test_ansible_refuses_what_is_no_filter(options: Entry, said: str) -> None:
    given = options if "images" in options else {"source": "a", "destination": "b", **options}
    with pytest.raises(ValueError, match=said):
        sync(**given)


def _failures(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(image.get("name", ""), image["msg"]) for image in result["images"] if image["failed"]]


def test_an_entry_that_matches_nothing_fails_by_itself(tagged: Sides) -> None:
    entries = [
        _entry(tagged, name="a", filter={"semver": "^9"}),
        _entry(tagged, name="b", tags=["1.26.0", "9.x"]),
        _entry(tagged, name="c", filter={"semver": "1.x", "max_tags": 2}),
        _entry(tagged, name="d", filter={"semver": "^9", "allow_empty": True}),
        _entry(tagged, name="e", filter={"semver": "1.25.x"}),
    ]
    result = foretold_then_done(tagged.source.proxy, tagged.destination.proxy, images=entries)
    assert result["failed"] and result["changed"]
    assert [image["name"] for image in result["images"]] == ["a", "b", "b", "c", "e"]
    where = tagged.source.ref("")
    assert _failures(result) == [
        ("a", f"{where}: none of the 15 tags matches semver '^9'"),
        ("b", f"{where}: no tag matches 9.x"),
        ("c", f"{where}: 9 tags match semver '1.x', and max_tags is 2"),
    ]
    first = result["images"][0]
    assert (first["source"], first["destination"]) == (where, tagged.destination.ref(""))
    assert result["msg"].splitlines()[0] == "3 of 5 images failed:"
    assert sorted(tagged.destination.tags()) == ["1.25.0", "1.26.0"]


def test_nothing_selected_is_no_image(tagged: Sides) -> None:
    result = sync(**_entry(tagged, filter={"semver": "^9", "allow_empty": True}))
    assert (result["images"], result["changed"]) == ([], False) and "failed" not in result
    result = sync(**_entry(tagged, tags=[], filter={"allow_empty": True}))
    assert result["images"] == [] and "failed" not in result


def test_a_repository_that_is_not_there_fails_even_if_nothing_may_match(sides: Sides) -> None:
    result = sync(**_entry(sides, filter={"allow_empty": True}))
    assert (
        result["failed"] and f"the repository {sides.source.ref('')} doesn't exist" in result["msg"]
    )
    assert sides.destination.proxy.requests == []


def test_a_tag_by_name_that_is_missing_fails_alone(tagged: Sides) -> None:
    result = sync(**_entry(tagged, tags=["1.26.0", "9.9.9", "1.25.x"]))
    assert [image["failed"] for image in result["images"]] == [True, False, False]
    assert f"the source {tagged.source.ref('9.9.9')} doesn't exist" in result["msg"]
    assert sorted(tagged.destination.tags()) == ["1.25.0", "1.26.0"]


def test_a_list_that_cannot_be_read_fails_its_entries(tagged: Sides) -> None:
    fault = tagged.source.proxy.inject("GET .*/tags/list", "status", 403, times=ALWAYS)
    other = f"{tagged.destination.repository}/other"
    entries = [
        _entry(tagged, name="a", filter={"newest": 1}),
        _entry(tagged, name="b", tags=["1.x"]),
        _entry(tagged, name="c", tags=["1.26.0"], destination=tagged.destination.ref("", other)),
    ]
    result = sync(images=entries, referrers="never")
    assert [name for name, _msg in _failures(result)] == ["a", "b"]
    assert all("403" in msg for _name, msg in _failures(result))
    assert fault.hits == 1
    assert result["images"][2]["reason"] == "absent"

    tagged.heal()
    tagged.source.proxy.inject("GET .*/tags/list", "status", 403, times=ALWAYS)
    result = sync(images=entries, referrers="never", fail_fast=True)
    # both know why, and nothing else is begun
    assert [image["reason"] for image in result["images"]] == ["failed", "failed", "not_done"]
    assert tagged.writes() == [] and tagged.destination.proxy.requests == []


def test_a_limit_that_is_used_up_is_no_failure_of_the_entry(tagged: Sides) -> None:
    """Once the registry has said so, nothing is asked, and what was declared is not done."""
    none_left = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"}
    tagged.source.proxy.inject("GET .*/tags/list", "set_header", headers=none_left, times=ALWAYS)
    other = tagged.source.ref("", f"{tagged.source.repository}/other")
    entries = [
        _entry(tagged, name="a", filter={"semver": "^9"}),
        _entry(tagged, name="b", source=other, filter={"newest": 1}),
    ]
    result = sync(images=entries, concurrency=1, retries=0)
    assert [image["reason"] for image in result["images"]] == ["failed", "not_done"]
    assert result["images"][1]["destination"] == tagged.destination.ref("")
    assert tagged.source.proxy.count() == 1


def test_a_deadline_during_the_list(tagged: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_sync, "_limits", lambda _parameters: Limits(None, 0.5))
    tagged.source.proxy.inject("GET .*/tags/list", "status", 503, headers={"Retry-After": "60"})
    entries = [_entry(tagged, name="a", filter={"newest": 1}), _entry(tagged, name="b", tags=["1"])]
    result = sync(images=entries, concurrency=1)
    assert [image["reason"] for image in result["images"]] == ["not_done", "not_done"]
    assert result["msg"].startswith("2 of 2 were not done: the deadline of")
    assert tagged.writes() == []


def test_a_selected_tag_with_a_secret_in_it(tagged: Sides) -> None:
    """Ansible would mask it in the result; it shows only when the list is known."""
    registries = [{"name": tagged.source.proxy.host, "username": "u", "password": "27.1-alp"}]
    given = _entry(tagged, filter={"include": [".*alpine"]}, registries=registries)
    with pytest.raises(InvalidInput, match="a password or token in registries also occurs"):
        sync(**given)
    assert tagged.writes() == []


# removal


def test_tags_that_are_removed_by_name(tagged: Sides) -> None:
    sync(**_entry(tagged, tags=["1.26.x", "latest"], destination_tag="m-{tag}"))
    assert len(tagged.destination.tags()) == 4
    gone = {"state": "absent", "tags": ["1.26", "1.26.0", "9"], "destination_tag": "m-{tag}"}
    for given in (_entry(tagged, **gone), {"destination": tagged.destination.ref(""), **gone}):
        result = foretold_then_done(tagged.destination.proxy, **given)
        assert _tags(result) == ["m-9", "m-1.26.0", "m-1.26"]
        assert sorted(tagged.destination.tags()) == ["m-1.26.1", "m-latest"]
    assert [image["reason"] for image in result["images"]] == ["in_sync"] * 3


def _tags(result: dict[str, Any]) -> list[str]:
    return [image["destination"].rpartition(":")[2] for image in result["images"]]


# long lists


@pytest.fixture(params=[{"page_size": 7}, {"page_size": 100, "paging": "last"}, {}])
def paged(request: pytest.FixtureRequest, make_strict: MakeStrict) -> Iterator[tuple[str, Any]]:
    """A registry with 250 versions of one image, which pages in some way."""
    registry = make_strict(**request.param)
    digest = registry.add("team/app", images.image("paged", layers=1), "0.1")
    for number in range(250):
        registry.set_tag("team/app", f"1.{number}.0", digest)
    yield f"{registry.host}/team/app", registry


def test_lists_are_read_to_their_end(paged: tuple[str, Any], sides: Sides) -> None:
    source, registry = paged
    given = {"source": source, "destination": sides.destination.ref(""), "referrers": "never"}
    result = sync(**given, filter={"newest": 3})
    assert _tags(result) == ["1.249.0", "1.248.0", "1.247.0"]
    size = registry.rules.page_size or 100
    assert registry.count("GET", "tags") == -(-251 // size)
    too_many = sync(**given, filter={"semver": "^1"})
    assert too_many["msg"].endswith("250 tags match semver '^1', and max_tags is 200")


# with Ansible


def test_in_a_playbook(tagged: Sides) -> None:
    other = tagged.destination.ref("", f"{tagged.destination.repository}/other")
    one = _entry(tagged, filter={"semver": 1.26, "newest": 1})
    entries = [_entry(tagged, name="web", tags=["1.27.x"]), {**one, "destination": other}]
    tasks = [
        {"name": "One", "imagesync.registry.image_sync": one},
        {"name": "Many", "imagesync.registry.image_sync": {"images": entries}},
        {"name": "Key", "imagesync.registry.image_sync": {**one, "filter": {"semvr": "1"}}},
        {"name": "Type", "imagesync.registry.image_sync": {**one, "filter": {"include": ["("]}}},
        {
            "name": "Braces",
            "imagesync.registry.image_sync": {**one, "destination_tag": {"tag": None}},
        },
    ]
    checked = run_tasks(tasks[:2], "--check", "--diff")
    assert [result["changed"] for result in checked.results] == [True, True]
    assert tagged.destination.tags() == []
    run = run_tasks(tasks)
    assert [result["failed"] for result in run.results] == [False, False, *[True] * 3]
    assert _tags(run[0]) == ["1.26.1", "1.26"]
    assert [(i.get("name"), i["reason"]) for i in run[1]["images"]] == [
        *[("web", "absent")] * 3,
        *[(None, "absent")] * 2,
    ]
    assert "filter.semvr" in run[2]["msg"] or "semvr" in run[2]["msg"]
    assert "filter.include: '(' is no valid regex" in run[3]["msg"]
    assert "in quotes" in run[4]["msg"]
    assert "Traceback" not in run.output
