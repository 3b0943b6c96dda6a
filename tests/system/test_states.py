# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""staged, existing, immutable_tags, destination_tag, and references by digest."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from tests.support import images, push
from tests.support.content import Image
from tests.support.playbook import run_tasks
from tests.support.sides import IN_SYNC, Sides
from tests.support.sync import sync

# staged


@pytest.mark.parametrize("before", ["nothing", "an older image"])
def test_staged_puts_all_there_and_present_moves_only_the_tag(sides: Sides, before: str) -> None:
    old = sides.destination.push(images.image("old")) if before != "nothing" else None
    wanted = sides.source.push(images.multi_platform("staged"))

    staged = sides.run(state="staged")

    assert (staged["changed"], staged["reason"]) == (True, "staged")
    assert staged["id"] == sides.destination.id(wanted.digest)
    assert sides.destination.digest("1") == (old.digest if old else None)
    assert sides.destination.tags() == (["1"] if old else [])
    assert "1" not in sides.destination.written()
    assert sides.destination.has_whole(wanted, wanted.digest)

    sides.clear()
    again = sides.run(state="staged")
    assert (again["changed"], again["reason"]) == (False, "staged")
    assert again["digest"] == wanted.digest
    assert sides.writes() == []

    sides.clear()
    present = sides.run()
    assert (present["changed"], present["digest"]) == (True, wanted.digest)
    assert present["reason"] == ("digest_differs" if old else "absent")
    assert [str(write) for write in sides.writes()] == [
        f"PUT /v2/{sides.destination.repository}/manifests/1 -> 201"
    ]
    assert sides.source.proxy.count("GET", "blob") == 0
    assert sides.destination.has_whole(wanted, judge=True)


def test_staged_in_sync_is_not_staged_again(sides: Sides, copied: Image) -> None:
    result = sides.run(state="staged")
    assert (result["changed"], result["reason"]) == (False, "in_sync")
    assert result["digest"] == copied.digest
    assert sides.asked() == IN_SYNC


def test_several_are_staged_in_one_call(sides: Sides) -> None:
    wanted = {tag: sides.source.push(images.image(tag), tag) for tag in ("a", "b", "c")}
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")}
        for tag in wanted
    ]
    first = sync(images=entries, state="staged")
    assert [image["reason"] for image in first["images"]] == ["staged"] * 3
    assert sides.destination.tags() == []
    for one in wanted.values():
        assert sides.destination.has_whole(one, one.digest)

    sides.clear()
    assert not sync(images=entries, state="staged")["changed"]
    assert sides.writes() == []
    assert sync(images=entries)["changed"]
    assert sorted(sides.destination.written()) == ["a", "b", "c"]
    assert len(sides.writes()) == 3


def test_a_playbook_stages_tests_and_moves(sides: Sides) -> None:
    wanted = sides.source.push(images.image("played"))
    copy = {"name": "Copy", "imagesync.registry.image_sync": sides.options()}
    stage = {
        "name": "Stage",
        "imagesync.registry.image_sync": sides.options(state="staged"),
        "register": "staged",
    }
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ staged.id }}"}}
    run = run_tasks([stage, show, copy], "--diff")
    where = sides.destination.id(wanted.digest)
    assert run[0]["diff"] == {"before": f"{where} (absent)\n", "after": f"{where} (staged)\n"}
    assert run[1]["msg"] == where
    assert (run[2]["reason"], run[2]["digest"]) == ("absent", wanted.digest)


# existing


def test_existing_keep_and_fail_leave_the_tag(sides: Sides) -> None:
    old = sides.destination.push(images.image("old"))
    new = sides.source.push(images.image("new"))

    kept = sides.run(existing="keep")
    assert (kept["changed"], kept["reason"]) == (False, "kept")
    assert (kept["digest"], kept["source_digest"]) == (old.digest, new.digest)
    assert sides.asked() == IN_SYNC

    sides.clear()
    failed = sides.run(existing="fail")
    assert failed["failed"] and old.digest in failed["msg"] and new.digest in failed["msg"]
    assert sides.asked() == IN_SYNC
    assert sides.destination.digest() == old.digest

    assert sides.run(existing="replace")["reason"] == "digest_differs"
    assert sides.destination.digest() == new.digest


@pytest.mark.parametrize("existing", ["keep", "fail"])
def test_existing_is_about_other_digests(sides: Sides, existing: str) -> None:
    wanted = sides.source.push(images.image("first"))
    assert sides.run(existing=existing)["reason"] == "absent"
    assert sides.destination.has_whole(wanted)
    assert sides.run(existing=existing)["reason"] == "in_sync"


# immutable_tags


def test_an_immutable_tag_that_exists_asks_the_source_nothing(sides: Sides) -> None:
    there = sides.destination.push(images.image("there"), "1.2.3")
    options = sides.options("1.2.3", immutable_tags=[r"\d+\.\d+\.\d+"])
    result = sync(**options)
    assert (result["changed"], result["reason"]) == (False, "immutable")
    assert result["digest"] == there.digest and "source_digest" not in result
    assert sides.source.proxy.requests == []
    assert sides.destination.proxy.methods() == IN_SYNC[1]


@pytest.mark.parametrize("pattern", [r"\d+", "1", r"2\.", "1.2.3.4"])
def test_immutable_tags_match_the_whole_source_tag(sides: Sides, pattern: str) -> None:
    sides.destination.push(images.image("there"), "1.2.3")
    sides.source.push(images.image("newer"), "1.2.3")
    assert sides.run("1.2.3", immutable_tags=[pattern])["reason"] == "digest_differs"


def test_an_immutable_tag_that_is_missing_is_copied(sides: Sides) -> None:
    wanted = sides.source.push(images.image("missing"), "1.2.3")
    assert sides.run("1.2.3", immutable_tags=[".*"])["reason"] == "absent"
    assert sides.destination.has_whole(wanted, "1.2.3")


def test_a_bad_pattern_is_an_error_before_the_first_request(sides: Sides) -> None:
    with pytest.raises(InvalidInput, match=r"immutable_tags.*'\('"):
        sync(**sides.options(immutable_tags=["("]))
    assert sides.destination.proxy.requests == []


# destination_tag


@pytest.mark.parametrize(
    ("template", "tag"),
    [
        ("{tag}", "1.2"),
        ("v{tag}-mirror", "v1.2-mirror"),
        ("stable", "stable"),
        ("{tag}{tag}", "1.21.2"),
    ],
)
def test_destination_tag_names_the_tag(sides: Sides, template: str, tag: str) -> None:
    wanted = sides.source.push(images.image("named"), "1.2")
    result = sides.run("1.2", destination_tag=template)
    assert result["destination"] == sides.destination.ref(tag)
    assert sides.destination.tags() == [tag]
    assert sides.destination.has_whole(wanted, tag)


def test_a_tag_in_the_destination_is_what_it_is_called(sides: Sides) -> None:
    sides.source.push(images.image("named"), "1.2")
    sync(
        source=sides.source.ref("1.2"), destination=sides.destination.ref("3"), destination_tag="x"
    )
    assert sides.destination.tags() == ["3"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"tag": None}, "quotes"),
        ("{'tag': None}", "quotes"),
        ("{name}", "only {tag}"),
        ("{tag", "only {tag}"),
        ("a b", "is not a tag"),
        ("-{tag}", "is not a tag"),
    ],
)
def test_a_bad_template_is_an_error_before_the_first_request(
    sides: Sides, template: Any, said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        sync(**sides.options(destination_tag=template))
    assert said in str(caught.value)
    assert sides.destination.proxy.requests + sides.source.proxy.requests == []


def test_a_playbook_with_unquoted_braces_is_told_so(sides: Sides, copied: Image) -> None:
    entry = {**sides.options(), "destination_tag": {"tag": None}}
    bad = {"name": "Braces", "imagesync.registry.image_sync": entry}
    inside = {"name": "Braces", "imagesync.registry.image_sync": {"images": [entry]}}
    run = run_tasks([bad, inside])
    for result in run.results:
        assert result["failed"] and "destination_tag: '{tag}'" in result["msg"]
    assert sides.destination.proxy.requests == []


# references


def test_by_digest_alone_there_is_no_tag(sides: Sides) -> None:
    wanted = sides.source.push(images.multi_platform("untagged"), None)
    options = {
        "source": sides.source.ref(wanted.digest),
        "destination": sides.destination.ref(""),
    }
    result = sync(**options)
    assert (result["changed"], result["reason"]) == (True, "absent")
    assert result["destination"] == result["id"] == sides.destination.id(wanted.digest)
    assert sides.destination.tags() == []
    assert sides.destination.has_whole(wanted, wanted.digest)
    sides.clear()
    assert sync(**options)["reason"] == "in_sync"
    # the digest is known: one side is enough
    assert sides.source.proxy.requests == []
    assert sides.destination.proxy.methods() == IN_SYNC[1]


def test_by_digest_and_tag_the_digest_decides_and_the_tag_is_written(sides: Sides) -> None:
    wanted = sides.source.push(images.image("pinned"), "1.2")
    sides.source.push(images.image("moved on"), "1.2")
    source = f"{sides.source.ref('1.2')}@{wanted.digest}"
    result = sync(source=source, destination=sides.destination.ref(""))
    assert result["destination"] == sides.destination.ref("1.2")
    assert sides.destination.has_whole(wanted, "1.2")
    assert not sync(source=source, destination=sides.destination.ref(""))["changed"]


def test_by_digest_to_a_named_tag(sides: Sides) -> None:
    wanted = sides.source.push(images.image("to a tag"), None)
    sync(source=sides.source.ref(wanted.digest), destination=sides.destination.ref("stable"))
    assert sides.destination.has_whole(wanted, "stable")


def test_a_destination_with_a_digest_must_have_the_sources(sides: Sides, copied: Image) -> None:
    good = sides.destination.ref(copied.digest)
    assert sync(source=sides.source.ref(), destination=good)["reason"] == "in_sync"
    tagged = f"{sides.destination.ref('2')}@{copied.digest}"
    assert sync(source=sides.source.ref(), destination=tagged)["changed"]
    assert sides.destination.has_whole(copied, "2")

    moved = sides.source.push(images.image("moved"))
    sides.clear()
    for destination in (good, tagged):
        result = sync(source=sides.source.ref(), destination=destination)
        assert result["failed"]
        assert copied.digest in result["msg"] and moved.digest in result["msg"]
    with pytest.raises(InvalidInput, match="digests differ"):
        sync(source=sides.source.ref(moved.digest), destination=good)
    assert sides.writes() == []


def test_no_tag_means_latest_at_the_source(sides: Sides) -> None:
    wanted = sides.source.push(images.image("latest"), "latest")
    sync(source=sides.source.ref(""), destination=f"docker://{sides.destination.ref('')}")
    assert sides.destination.has_whole(wanted, "latest")


def test_a_missing_source_fails_and_leaves_the_tag(sides: Sides) -> None:
    old = sides.destination.push(images.image("old"))
    result = sides.run()
    assert result["failed"] and f"{sides.source.ref()} doesn't exist" in result["msg"]
    assert push.digest_of(sides.destination.host, sides.destination.repository, "1") == old.digest
