# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import (
    Declared,
    Entry,
    Several,
    read_image,
    read_images,
    unique,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.expand import source_tags
from ansible_collections.imagesync.registry.tests.unit.support import A, B

DEFAULTS = {"state": "present", "destination_tag": "{tag}", "existing": "replace"}
SOURCE = "quay.io/app:1.2"
DESTINATION = "r.example/app"


def test_keys() -> None:
    assert one().signed_by == ()
    assert one(signed_by=["a.pub", "b.pub", "a.pub"]).signed_by == ("a.pub", "b.pub")
    own = {"source": "q/a:1", "destination": "r.example/a"}
    (entry, other) = read_images(
        [{**own, "signed_by": []}, {**own, "destination": "r.example/b"}], {"signed_by": ["a.pub"]}
    )
    assert isinstance(entry, Declared) and isinstance(other, Declared)
    assert (entry.signed_by, other.signed_by) == ((), ("a.pub",))
    for key in ("", " ", "-----BEGIN EC PRIVATE KEY-----"):
        with pytest.raises(InvalidInput, match="signed_by h") as caught:
            one(signed_by=["a.pub", key])
        assert "BEGIN" not in str(caught.value)


def one(**values: Any) -> Declared:
    (found,) = read_image({**DEFAULTS, "source": SOURCE, "destination": DESTINATION, **values})
    assert isinstance(found, Declared)
    return found


@pytest.mark.parametrize(
    ("source", "destination", "full_source", "full_destination"),
    [
        (SOURCE, DESTINATION, SOURCE, f"{DESTINATION}:1.2"),
        (SOURCE, f"{DESTINATION}:x", SOURCE, f"{DESTINATION}:x"),
        ("busybox", DESTINATION, "docker.io/library/busybox:latest", f"{DESTINATION}:latest"),
        (f"quay.io/app@{A}", DESTINATION, f"quay.io/app@{A}", f"{DESTINATION}@{A}"),
        (f"quay.io/app@{A}", f"{DESTINATION}:x", f"quay.io/app@{A}", f"{DESTINATION}:x"),
        (f"quay.io/app:1@{A}", DESTINATION, f"quay.io/app:1@{A}", f"{DESTINATION}:1"),
        (f"quay.io/app:1@{A}", f"{DESTINATION}@{A}", f"quay.io/app:1@{A}", f"{DESTINATION}@{A}"),
        (SOURCE, f"{DESTINATION}:x@{A}", SOURCE, f"{DESTINATION}:x@{A}"),
        # a tag is moved within one repository
        ("r.example/app:1", "r.example/app:2", "r.example/app:1", "r.example/app:2"),
        (f"r.example/app@{A}", "r.example/app:2", f"r.example/app@{A}", "r.example/app:2"),
    ],
)
def test_full_references(
    source: str, destination: str, full_source: str, full_destination: str
) -> None:
    found = one(source=source, destination=destination)
    assert str(found.source) == full_source
    assert str(found.destination) == full_destination


@pytest.mark.parametrize(
    ("template", "source", "tag"),
    [
        ("{tag}", SOURCE, "1.2"),
        (None, SOURCE, "1.2"),
        ("v{tag}-mirror", SOURCE, "v1.2-mirror"),
        ("{tag}-{tag}", SOURCE, "1.2-1.2"),
        ("stable", SOURCE, "stable"),
        ("stable", f"quay.io/app@{A}", "stable"),
    ],
)
def test_templates(template: str | None, source: str, tag: str) -> None:
    found = one(source=source, destination_tag=template)
    assert (found.destination.tag, found.destination.digest) == (tag, None)


def test_a_template_is_for_destinations_without_a_tag() -> None:
    assert one(destination=f"{DESTINATION}:x", destination_tag="y").destination.tag == "x"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"destination_tag": "{'tag': None}"}, "is a mapping.*in quotes"),
        ({"destination_tag": '{"tag": null}'}, "is a mapping.*in quotes"),
        ({"destination_tag": "{tag: null}"}, "is a mapping.*in quotes"),
        ({"destination_tag": "{name}"}, "only {tag} may stand in braces"),
        ({"destination_tag": "{tag"}, "only {tag} may stand in braces"),
        ({"destination_tag": "{{tag}}"}, "only {tag} may stand in braces"),
        ({"destination_tag": "{TAG}"}, "only {tag} may stand in braces"),
        ({"destination_tag": "-{tag}"}, "'-1.2' is not a tag"),
        ({"destination_tag": "a b"}, "'a b' is not a tag"),
        ({"destination_tag": "{tag}" + "x" * 128}, "is not a tag"),
        ({"destination_tag": "v{tag}", "source": f"quay.io/app@{A}"}, "needs a tag, and"),
        ({"source": None}, "source is missing"),
        ({"source": ""}, "source is missing"),
        ({"destination": None}, "destination is missing"),
        ({"destination": ""}, "destination is missing"),
        ({"source": "https://quay.io/app"}, "scheme"),
        ({"destination": "Upper"}, "lower case"),
        ({"source": f"quay.io/app@{A}", "destination": f"{DESTINATION}@{B}"}, "digests differ"),
        ({"source": "r.example/app:1", "destination": "r.example/app:1"}, "are the same"),
        ({"source": "r.example/app:1", "destination": "r.example/app"}, "are the same"),
        ({"source": "r.example/app", "destination": "r.example/app"}, "are the same"),
        ({"source": f"r.example/app@{A}", "destination": "r.example/app"}, "are the same"),
        ({"source": "busybox", "destination": "index.docker.io/busybox"}, "are the same"),
        ({"immutable_tags": ["("]}, "is no valid regex"),
        ({"immutable_tags": ["a{99999999999999999999}"]}, "is no valid regex"),
        ({"state": "absent", "source": None}, "needs a tag or a digest"),
    ],
)
def test_what_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        one(**values)


@pytest.mark.parametrize("pointer", [":1", f"@{A}", f":1@{A}"])
def test_absent(pointer: str) -> None:
    found = one(state="absent", source=None, destination=DESTINATION + pointer)
    assert (found.source, str(found.destination)) == (None, DESTINATION + pointer)


@pytest.mark.parametrize(
    ("patterns", "immutable"),
    [
        ([], False),
        (None, False),
        ([r"\d+\.\d+"], True),
        ([r"\d+"], False),  # the whole tag
        (["x", r"1\..*"], True),
        ([""], False),
    ],
)
def test_immutable_tags(patterns: Any, immutable: bool) -> None:
    assert one(immutable_tags=patterns).immutable is immutable


def test_immutable_is_about_the_sources_tag() -> None:
    assert not one(source=f"quay.io/app@{A}", immutable_tags=[".*"]).immutable
    assert one(destination=f"{DESTINATION}:x", immutable_tags=["1.2"]).immutable


# many


def many(*entries: dict[str, Any], **defaults: Any) -> list[Declared]:
    found = read_images(entries, {**DEFAULTS, **defaults})
    return [image for image in found if isinstance(image, Declared)]


def entry(**values: Any) -> dict[str, Any]:
    return {"source": SOURCE, "destination": DESTINATION, **values}


def test_nothing_declared() -> None:
    assert many() == []


def test_order_and_names_stay() -> None:
    found = many(*(entry(name=name, destination=f"r.example/{name}") for name in "cab"))
    assert [image.name for image in found] == ["c", "a", "b"]


def test_entries_fall_back_to_the_call() -> None:
    first, second = many(
        entry(),
        entry(
            destination="r.example/b",
            state="present",
            existing="fail",
            destination_tag="x",
            immutable_tags=[],
        ),
        state="staged",
        existing="keep",
        destination_tag="v{tag}",
        immutable_tags=[".*"],
    )
    assert (first.state, first.existing, first.immutable) == ("staged", "keep", True)
    assert first.destination.tag == "v1.2"
    assert (second.state, second.existing, second.immutable) == ("present", "fail", False)
    assert second.destination.tag == "x"


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"source": f"docker://{SOURCE}"},
        {"destination": f"{DESTINATION}:1.2"},
        {"state": "present"},
        {"name": None},
    ],
)
def test_equal_entries_are_one(other: dict[str, Any]) -> None:
    assert len(many(entry(), entry(**other))) == 1


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (
            {"source": "quay.io/other:1.2"},
            r"different images are declared for r\.example/app:1\.2: "
            r"from quay\.io/app:1\.2 and from quay\.io/other:1\.2",
        ),
        (
            {"source": "quay.io/app:2", "destination": f"{DESTINATION}:1.2"},
            "different images are declared",
        ),
        (
            {"source": None, "state": "absent", "destination": f"{DESTINATION}:1.2"},
            "nowhere .state: absent.",
        ),
        ({"existing": "keep"}, "declared twice with different options: existing$"),
        ({"state": "staged", "name": "x"}, "twice with different options: name, state$"),
        ({"immutable_tags": [".*"]}, "twice with different options: immutable_tags$"),
        ({"source": f"quay.io/app:1.2@{A}"}, "different images are declared"),
    ],
)
def test_two_for_one_destination(other: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        many(entry(), entry(**other))


def test_one_source_for_two_destinations() -> None:
    assert len(many(entry(), entry(destination=f"{DESTINATION}:x"), entry(destination="b"))) == 3
    digests = [entry(source=f"quay.io/app@{digest}") for digest in (A, B)]
    assert len(many(*digests)) == 2


@pytest.mark.parametrize(
    ("bad", "label"),
    [
        (entry(name="web", source="Bad"), r"images\[1\] \(web\): "),
        (entry(source="Bad"), r"images\[1\] \(r\.example/app\): "),
        ({"source": SOURCE}, r"images\[1\] \(quay\.io/app:1\.2\): destination is missing"),
        ({}, r"images\[1\] \(\): source is missing"),
    ],
)
def test_errors_name_their_entry(bad: dict[str, Any], label: str) -> None:
    with pytest.raises(InvalidInput, match=label):
        many(entry(destination="r.example/fine"), bad)


# several tags

UNTAGGED = {"source": "quay.io/app", "destination": DESTINATION}


def pairs(entries: list[Entry]) -> list[tuple[str, str]]:
    assert all(isinstance(image, Declared) for image in entries)
    return [(str(i.source), str(i.destination)) for i in entries if isinstance(i, Declared)]


def test_tags_by_name_are_images_at_once() -> None:
    found = read_image({**DEFAULTS, **UNTAGGED, "tags": ["1.2", "latest", "1.10", "1.2"]})
    tags = ["1.10", "1.2", "latest"]
    assert pairs(found) == [(f"quay.io/app:{tag}", f"{DESTINATION}:{tag}") for tag in tags]


def test_each_tag_has_the_options_of_its_entry() -> None:
    entry = {**UNTAGGED, "name": "web", "tags": ["1.2", "stable"], "existing": "keep"}
    first, second = many({**entry, "destination_tag": "v{tag}", "immutable_tags": [r"\d.*"]})
    assert (first.name, first.existing, first.immutable) == ("web", "keep", True)
    assert (second.name, second.existing, second.immutable) == ("web", "keep", False)
    assert [first.destination.tag, second.destination.tag] == ["v1.2", "vstable"]


def test_what_needs_the_list_is_known_later() -> None:
    entry = {**UNTAGGED, "name": "web", "tags": ["1.x", "stable"], "immutable_tags": ["1.3"]}
    (several,) = read_images([entry], {**DEFAULTS, "destination_tag": "v{tag}"})
    assert isinstance(several, Several)
    assert (str(several.base.source), str(several.base.destination)) == ("quay.io/app", DESTINATION)
    assert several.base.name == "web"
    assert pairs([*several.named()]) == [("quay.io/app:stable", f"{DESTINATION}:vstable")]
    found = several.select(["1.2", "1.3", "2", "stable"])
    assert [str(image.source) for image in found] == [
        f"quay.io/app:{tag}" for tag in ("1.3", "1.2", "stable")
    ]
    assert [image.immutable for image in found] == [True, False, False]


def test_tags_and_filter_of_the_call_are_for_all_entries() -> None:
    entries: list[dict[str, Any]] = [UNTAGGED, {**UNTAGGED, "destination": "b", "tags": ["9"]}]
    first, second, third = read_images(entries, {**DEFAULTS, "tags": ["1", "2"]})
    assert pairs([third]) == [("quay.io/app:9", "docker.io/library/b:9")]
    assert pairs([first, second])[0] == ("quay.io/app:2", f"{DESTINATION}:2")
    whole, ranged = read_images(
        [{**UNTAGGED, "filter": {}}, {**UNTAGGED, "destination": "b"}],
        {**DEFAULTS, "filter": {"semver": "^1"}},
    )
    assert isinstance(whole, Several) and isinstance(ranged, Several)
    assert (whole.selection.filter.semver, ranged.selection.all_tags) == (None, True)
    assert ranged.selection.filter.semver


def test_several_that_are_equal_are_one() -> None:
    entry = {**UNTAGGED, "filter": {"semver": "^1"}}
    other = {**UNTAGGED, "filter": {"semver": "^2"}}
    assert len(read_images([entry, dict(entry), other], DEFAULTS)) == 2


def test_a_tag_by_name_is_compared_before_the_list_is_read() -> None:
    several = {**UNTAGGED, "tags": ["1", "2.x"]}
    with pytest.raises(InvalidInput, match=r"images are declared for r\.example/app:1"):
        many(several, entry(source="quay.io/other:1"))
    with pytest.raises(InvalidInput, match=r"images are declared for r\.example/app:x"):
        many({**UNTAGGED, "tags": ["1", "2"], "destination_tag": "x"})
    assert len(read_images([several, entry(source="quay.io/app:1")], DEFAULTS)) == 2
    equal = [{**UNTAGGED, "tags": ["1", "2"]}, {**UNTAGGED, "tags": ["2", "3"]}]
    assert [image.destination.tag for image in many(*equal)] == ["2", "1", "3"]


def test_a_login_in_an_entry_is_not_repeated() -> None:
    with pytest.raises(InvalidInput, match=r"^images\[0\] \(\.\.\.@r\.example/app:1\): ") as caught:
        many(entry(destination="me:s3cret@r.example/app:1"))
    assert "s3cret" not in str(caught.value)


def test_unique() -> None:
    images = [one(), one(), one(source="quay.io/app:2")]
    assert unique(images) == [images[0], images[2]]
    with pytest.raises(InvalidInput, match=r"from quay\.io/app:1\.2 and from quay\.io/other"):
        unique([one(), one(source="quay.io/other:1.2")])


@pytest.mark.parametrize("source", [None, "quay.io/app"])
def test_absent_tags(source: str | None) -> None:
    found = read_image(
        {
            **UNTAGGED,
            "source": source,
            "state": "absent",
            "tags": ["1", "2"],
            "destination_tag": "v{tag}",
            "filter": {"semver": "^1"},
        }
    )
    assert pairs(found) == [("None", f"{DESTINATION}:v2"), ("None", f"{DESTINATION}:v1")]


TAGS: dict[str, Any] = {**UNTAGGED, "tags": ["1.2"]}
FILTER: dict[str, Any] = {**UNTAGGED, "filter": {"semver": "^1"}}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({**TAGS, "source": SOURCE}, "source quay.io/app:1.2 has a tag or a digest; with tags"),
        ({**FILTER, "source": SOURCE}, "source .* has a tag"),
        ({**FILTER, "source": f"quay.io/app@{A}"}, "source .* has a tag or a digest"),
        ({**TAGS, "destination": f"{DESTINATION}:1"}, "destination .* has a tag or a digest"),
        ({**FILTER, "destination": f"{DESTINATION}:1"}, "destination .* destination_tag says"),
        ({**FILTER, "destination": f"{DESTINATION}@{A}"}, "destination .* has a tag or a digest"),
        ({**TAGS, "source": None}, "source is missing"),
        ({**TAGS, "destination": ""}, "destination is missing"),
        ({**FILTER, "source": DESTINATION}, "source and destination are the same: r.example/app"),
        ({**TAGS, "source": DESTINATION}, "source and destination are the same"),
        ({**FILTER, "destination_tag": "-{tag}"}, "'-0' is not a tag"),
        ({**FILTER, "destination_tag": "{tag: null}"}, "is a mapping"),
        ({**FILTER, "destination_tag": "{name}"}, "only {tag} may"),
        ({**FILTER, "immutable_tags": ["("]}, "immutable_tags: .* is no valid regex"),
        ({**FILTER, "state": "absent"}, "state: absent removes only tags that are given by name"),
        ({**TAGS, "state": "absent", "tags": ["1.x"]}, "state: absent removes only tags"),
        ({**TAGS, "tags": []}, "tags is empty"),
        ({**TAGS, "tags": ["a b"]}, "tags: 'a b' is not a tag"),
        ({**TAGS, "filter": {"newest": 0}}, "filter.newest"),
        ({**UNTAGGED, "filter": {"semver": "x.y"}}, "filter.semver"),
    ],
)
def test_what_is_refused_of_several(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read_image({**DEFAULTS, **values})


def test_tags_within_one_repository() -> None:
    entry = {**TAGS, "source": DESTINATION, "destination_tag": "old-{tag}"}
    assert pairs([*many(entry)]) == [(f"{DESTINATION}:1.2", f"{DESTINATION}:old-1.2")]
    found = read_image({**FILTER, "source": DESTINATION, "destination_tag": "stable"})
    (several,) = found
    assert isinstance(several, Several)
    with pytest.raises(InvalidInput, match="are the same"):
        several.at("stable")


@pytest.mark.parametrize(
    ("template", "there", "expected"),
    [
        ("{tag}", ["1.0", "latest"], ["1.0", "latest"]),
        ("v{tag}-x", ["v1.0-x", "v-x", "1.0-x", "v1.0", "v1-x-x"], ["1.0", "1-x"]),
        ("{tag}_{tag}", ["1_1", "1_2", "_", "ab_ab"], ["1", "ab"]),
        ("stable", ["stable", "1"], []),
    ],
)
def test_tags_of_a_destination_tell_those_of_the_source(
    template: str, there: list[str], expected: list[str]
) -> None:
    values = {"source": "q.io/a", "destination": "r.example/a", "tags": ["1.x"]}
    (several,) = read_image({**DEFAULTS, **values, "destination_tag": template})
    assert isinstance(several, Several)
    assert source_tags(several, there) == expected
