# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.names import misspelt
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan

HOME = "registry.example.com/mirror"
BUSYBOX = "docker.io/library/busybox:1.36"


def plan(folder: Path = Path("/nowhere"), **variables: Any) -> dict[str, Any]:
    """The plan of a host; the variables are written without their prefix."""
    given = {f"mirror_{name}": value for name, value in variables.items()}
    given.setdefault("mirror_destination", HOME)
    facts = {"inventory_hostname": "host", "playbook_dir": str(folder)}
    return make_plan(given, facts)


def destinations(found: dict[str, Any]) -> list[str]:
    return [entry["image"]["destination"] for entry in found["entries"]]


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        (None, "busybox", f"{HOME}/library/busybox"),
        ("{repository}", "quay.io/a/b/c:1", f"{HOME}/a/b/c"),
        ("{name}", "quay.io/a/b/c:1", f"{HOME}/c"),
        ("{registry}/{repository}", "busybox:1", f"{HOME}/docker.io/library/busybox"),
        ("{registry}/{name}", "localhost:5000/a/b:1", f"{HOME}/localhost_5000/b"),
        ("third-party/{name}", "index.docker.io/a/b", f"{HOME}/third-party/b"),
    ],
)
def test_a_destination_is_made_of_the_source(path: Any, source: str, expected: str) -> None:
    assert destinations(plan(images=[source], path=path)) == [expected]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("team/app", f"{HOME}/team/app"),
        ("app:9", f"{HOME}/app:9"),
        ("other.example.com/app", "other.example.com/app"),
        ("localhost:5000/app:9", "localhost:5000/app:9"),
        ("docker://other.example.com/app", "docker://other.example.com/app"),
    ],
)
def test_an_entry_s_own_destination_wins(own: str, expected: str) -> None:
    assert destinations(plan(images=[{"source": BUSYBOX, "destination": own}])) == [expected]


@pytest.mark.parametrize(
    "root", ["registry.example.com", "localhost", "h:5000/", "docker://a.example.com/b"]
)
def test_a_destination_may_be_a_registry_alone(root: str) -> None:
    (found,) = destinations(plan(images=["busybox:1"], destination=root))
    assert found == f"{root.removeprefix('docker://').rstrip('/')}/library/busybox"


def test_lists_are_added_by_name(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text(
        "\ufeff# what we run\nredis:7  # cache\r\n\n  busybox:1\n", encoding="utf-8"
    )
    found = plan(
        tmp_path,
        images_b=["b:1"],
        images_file="images.txt",
        images=["a:1", "a:1"],
        images_a=["c:1", {"source": "a:1"}],
    )
    assert [entry["image"]["source"] for entry in found["entries"]] == [
        *("a:1", "c:1", "b:1", "redis:7", "busybox:1")
    ]


def test_an_empty_list_is_fine() -> None:
    assert plan(images=[])["entries"] == []


def test_destinations_may_all_be_the_entries_own() -> None:
    image = {"source": BUSYBOX, "destination": "other.example.com/app"}
    assert destinations(plan(images=[image], destination=None)) == ["other.example.com/app"]


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        ([], ["base", "busybox:1.35", "quay.io/a/web:2"]),
        (["base"], ["busybox:1.35", "quay.io/a/web:2"]),
        (["busybox:1.35"], ["base", "quay.io/a/web:2"]),
        (["docker.io/library/busybox:1.35"], ["base", "quay.io/a/web:2"]),
        (["busybox"], ["quay.io/a/web:2"]),
        ([r"quay\.io/.*"], ["base", "busybox:1.35"]),
        (["b.*"], ["quay.io/a/web:2"]),
        ([".*/web"], ["base", "busybox:1.35"]),
        (["web"], ["base", "busybox:1.35", "quay.io/a/web:2"]),
        ([".*:latest"], ["base", "busybox:1.35", "quay.io/a/web:2"]),
        ([r"^quay\.io/"], ["base", "busybox:1.35"]),
        ([r":1\.35$", "^bas"], ["quay.io/a/web:2"]),
        (["^base$", "^io/", "a/$"], ["busybox:1.35", "quay.io/a/web:2"]),
    ],
)
def test_exclude(excluded: list[str], left: list[str]) -> None:
    images = [{"name": "base", "source": "busybox:1.36"}, "busybox:1.35", "quay.io/a/web:2"]
    found = plan(images=images, exclude=excluded)["entries"]
    assert [e["image"].get("name") or e["image"]["source"] for e in found] == left


@pytest.mark.parametrize("selected", [{"tags": ["1.x"]}, {"filter": {"newest": 1}}])
def test_an_entry_that_selects_tags_isn_t_latest(selected: dict[str, Any]) -> None:
    images = [{"source": "web", **selected}, "app"]
    for excluded in (".*:latest", "docker.io/library/web:latest"):
        assert plan(images=images, exclude=[excluded])["entries"][0]["image"]["source"] == "web"
    assert len(plan(images=images, exclude=[".*:latest"])["entries"]) == 1
    assert plan(images=images, exclude=["web", "app"])["entries"] == []
    found = plan(images=images, only=["docker.io/library/web"])["entries"]
    assert [entry["wanted"] for entry in found] == [True, False]


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        ("docker.io/library/web:1.0", [["1.x", "2.0"]]),
        ("web:3", [["1.x", "1.0", "2.0"]]),
        (r".*:[12]\..*", [["1.x"]]),
        (".*/web", []),
    ],
)
def test_tags_given_by_name_are_excluded_one_by_one(excluded: str, left: list[Any]) -> None:
    images = [{"source": "web", "tags": ["1.x", "1.0", "2.0"]}]
    found = plan(images=images, exclude=[excluded])["entries"]
    assert [entry["image"]["tags"] for entry in found] == left
    found = plan(images=[{"source": "web", "tags": ["1.0"]}], exclude=["web:1.0"])["entries"]
    assert found == []


def test_what_is_excluded_is_no_conflict() -> None:
    images = [
        {"name": "a", "source": "quay.io/x/app:1"},
        {"name": "b", "source": "ghcr.io/x/app:1"},
    ]
    assert len(plan(images=images, exclude=["b"])["entries"]) == 1


@pytest.mark.parametrize(
    "only", [["base"], ["busybox:1.36"], [BUSYBOX], "base", "base, busybox:1.36"]
)
def test_only(only: Any) -> None:
    images = [{"name": "base", "source": "busybox:1.36"}, "busybox:1.35"]
    found = plan(images=images, only=only)["entries"]
    assert [entry["wanted"] for entry in found] == [True, False]


@pytest.mark.parametrize("word", ["busybox", "busybox:latest", "docker.io/library/busybox"])
def test_only_knows_an_equal_entry_that_was_written_otherwise(word: str) -> None:
    found = plan(images=["docker.io/library/busybox:latest", "busybox", "a:1"], only=[word])
    assert [entry["wanted"] for entry in found["entries"]] == [True, False]


def test_options_are_handed_over_in_their_types() -> None:
    found = plan(
        images=[],
        platforms="linux/amd64,arm64",
        concurrency="4",
        existing="keep",
        timeout=None,
        signed_by="/etc/pki/a.pub",
    )
    assert found["options"] == {
        "platforms": ["linux/amd64", "arm64"],
        "concurrency": 4,
        "existing": "keep",
        "signed_by": ["/etc/pki/a.pub"],
    }


def test_entries_have_keys_of_their_own() -> None:
    """Nobody reads them here: they are on another host."""
    entries = [{"source": "a:1", "signed_by": ["/own.pub"]}, {"source": "b:1", "signed_by": []}]
    found = plan(images=[*entries, "c:1"], signed_by=["/etc/pki/a.pub"])
    assert [entry["image"].get("signed_by") for entry in found["entries"]] == [
        ["/own.pub"],
        [],
        None,
    ]
    with pytest.raises(InvalidInput, match="mirror_signed_by: signed_by holds a private key"):
        plan(images=["c:1"], signed_by=["-----BEGIN PRIVATE KEY-----"])


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"images": "busybox"}, ["mirror_images must be a list", "text ('busybox')"]),
        ({"images_x": {"source": "a"}}, ["mirror_images_x must be a list", "a mapping"]),
        ({"images": None}, ["mirror_images must be a list", "empty"]),
        ({}, ["no images are declared", "mirror_images"]),
        ({"images": [7]}, ["mirror_images[0]: an image is written as text", "a number (7)"]),
        ({"images": [["a"]]}, ["mirror_images[0]: an image is written as text", "a list"]),
        (
            {"images": [{"source": "a", "desination": "b"}]},
            ["(a): there is no key 'desination'", "did you mean destination?"],
        ),
        ({"images": [{"busybox": 1.36}]}, ["mirror_images[0]", "without a space after its colon"]),
        ({"images": [{"name": "x"}]}, ["mirror_images[0] (x): it has neither a source"]),
        ({"images": ["a:1", {"filter": {}}]}, ["mirror_images[1]: it has", "without a dash"]),
        (
            {"images": [{"source": "a", "newest": 3}]},
            ["mirror_images[0] (a): there is no key 'newest'; it belongs into filter"],
        ),
        (
            {"images": ["Busybox:1"]},
            ["mirror_images[0] (Busybox:1): invalid image reference", "lower case"],
        ),
        (
            {"images": ["a:1", "https://x/y"]},
            ["mirror_images[1] (https://x/y)", "without a scheme"],
        ),
        (
            {"images": [{"source": "a", "tags": ["1.x", 1.3]}]},
            ["(a): tags[1] must be text", "a number (1.3)", "quotes"],
        ),
        (
            {"images": [{"source": "a", "filter": {"newst": 1}}]},
            ["(a): filter: there is no 'newst'; did you mean newest?"],
        ),
        ({"images": [{"source": "a", "filter": {"semver": ">=one"}}]}, ["(a): filter.semver"]),
        ({"images": [{"source": "a", "filter": [1]}]}, ["mirror_images[0] (a): ", "filter"]),
        ({"images": [{"source": "a:1", "tags": ["1"]}]}, ["(a:1): source", "has a tag"]),
        (
            {"images": [{"source": "a:1", "destination_tag": {"tag": None}}]},
            ["destination_tag is a mapping", "'{tag}'"],
        ),
        ({"images": [{"source": {"tag": None}}]}, ["source is a mapping", "quotes"]),
        (
            {"images": [{"source": "a:1", "existing": "never"}]},
            ["(a:1): value of existing must be one of"],
        ),
        (
            {"images": [{"source": "a:1", "platforms": ["a/b/c/d"]}]},
            ["mirror_images[0] (a:1)", "a/b/c/d"],
        ),
        ({"images": [{"source": "a:1", "immutable_tags": ["("]}]}, ["(a:1): ", "immutable_tags"]),
        (
            {"images": ["a:1"], "destination": None},
            ["mirror_images[0] (a:1): there is no mirror_destination"],
        ),
        (
            {"images": [{"source": "a:1", "destination": "x"}], "destination": None},
            ["'x' names no registry"],
        ),
        (
            {"images": ["a:1"], "destination": "mirror"},
            ["mirror_destination 'mirror' names no registry"],
        ),
        (
            {"images": ["a:1"], "destination": "h.example.com/Mirror"},
            ["mirror_destination 'h.example.com/Mirror'", "lower case"],
        ),
        (
            {"images": ["a:1"], "destination": {"x": None}},
            ["mirror_destination is a mapping", "quotes"],
        ),
        ({"images": [f"{HOME}/a:1"], "path": "{name}"}, ["source and destination are the same"]),
        (
            {"images": ["a:1"], "path": {"repository": None}},
            ["mirror_path is a mapping", "mirror_path: '{repository}'"],
        ),
        (
            {"images": ["a:1"], "path": "{tag}"},
            ["mirror_path '{tag}': only {registry}, {repository} and {name}"],
        ),
        ({"images": ["a:1"], "path": "{name"}, ["mirror_path '{name': only"]),
        ({"images": ["a:1"], "path": ""}, ["mirror_path is empty"]),
        (
            {"images": ["a:1"], "destination_tag": {"tag": None}},
            ["mirror_destination_tag is a mapping", "'{tag}'"],
        ),
        ({"images": ["a:1"], "destination_tag": "{x}"}, ["mirror_destination_tag: ", "{tag}"]),
        ({"images": ["a:1"], "platforms": ["x/y/z/a"]}, ["mirror_platforms: "]),
        ({"images": ["a:1"], "platforms": {"linux": 1}}, ["mirror_platforms must be a list"]),
        ({"images": ["a:1"], "immutable_tags": ["("]}, ["mirror_immutable_tags: "]),
        ({"images": ["a:1"], "concurrency": "many"}, ["mirror_concurrency: "]),
        (
            {"images": ["a:1"], "existing": "never"},
            ["mirror_existing: value of existing must be one of"],
        ),
        ({"images": ["a:1"], "shard": "perhaps"}, ["mirror_shard must be true or false"]),
        (
            {"images": [{"name": "web", "source": "a:1"}], "only": ["wb"]},
            ["mirror_only: no image is named 'wb'", "did you mean web?"],
        ),
        ({"images": ["a:1"], "only": {"a": 1}}, ["mirror_only must be a list"]),
        ({"images": ["a:1"], "exclude": "a"}, ["mirror_exclude must be a list"]),
        ({"images": ["a:1"], "exclude": ["a", "("]}, ["mirror_exclude[1] '(' is no valid regex"]),
        (
            {"images": ["a:1"], "report_file": "report.txt"},
            ["mirror_report_file", ".json, .md or .html"],
        ),
        ({"images_file": ["a.txt"]}, ["mirror_images_file must be text, not a list"]),
        ({"images_file": "none.txt"}, ["mirror_images_file /nowhere/none.txt: No such file"]),
        ({"images": ["a:1"], "prune": "lock"}, ["mirror_prune: lock needs a mirror_lock_file"]),
        (
            {"images": ["a:1"], "lock_mode": "frozen"},
            ["mirror_lock_mode: frozen needs a mirror_lock_file"],
        ),
        (
            {"images": ["quay.io/a/b:1"], "images_x": ["ghcr.io/a/b:1"]},
            [
                "mirror_images[0] (quay.io/a/b:1) and mirror_images_x[0] (ghcr.io/a/b:1)",
                f"one destination, {HOME}/a/b:1",
            ],
        ),
        (
            {"images": ["a:1"], "images_x": [{"source": "a:1", "existing": "keep"}]},
            ["mirror_images[0] (a:1) and mirror_images_x[0] (a:1)", "differ in existing"],
        ),
        (
            {"images": ["quay.io/a/b:1", {"source": "ghcr.io/a/b", "tags": ["2", "1"]}]},
            ["are different images for one destination"],
        ),
    ],
)
def test_what_is_wrong_is_told(variables: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InvalidInput) as raised:
        plan(**variables)
    for word in words:
        assert word in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_mistake_in_many_entries_is_told_of_a_few() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(images=[f"a:{tag}" for tag in range(60)], destination=None)
    lines = str(caught.value).splitlines()
    assert len(lines) == 6 and "mirror_images[4] (a:4): there is no" in lines[4]
    assert lines[5].startswith("55 more entries: there is no mirror_destination")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a:1\nb:1 c:1\n", "line 2: one reference a line"),
        (b"a:1\n\nB:1\n", "images.txt, line 3 (B:1): invalid image reference"),
        (b"\xff\xfe", "is no text in UTF-8"),
    ],
)
def test_the_file_s_errors_have_the_line(tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "images.txt").write_bytes(text)
    with pytest.raises(InvalidInput, match=r"mirror_images_file .*images\.txt") as raised:
        plan(tmp_path, images_file="images.txt")
    assert words in str(raised.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as raised:
        plan(images=[{"sorce": "a"}, "B:1"], images_x=7, shard="x")
    assert len(str(raised.value).splitlines()) == 4


def test_equal_patterns_are_one_and_different_ones_are_two() -> None:
    image = {"source": "a", "filter": {"newest": 2}}
    found = plan(images=[image, dict(image), {"source": "a", "tags": ["1.x"]}])
    assert [entry["by_pattern"] for entry in found["entries"]] == [True, True]
    assert found["entries"][0]["places"] == []


def test_a_lock_that_is_none_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"mirror_lock_file .*lock\.json"):
        plan(tmp_path, images=[], lock_file="lock.json")
    assert (tmp_path / "lock.json").read_text(encoding="utf-8") == "{"


def test_a_missing_lock_is_an_empty_one(tmp_path: Path) -> None:
    found = plan(tmp_path, images=[], lock_file="locks/new.json")
    assert found["lock"] == {"version": 1, "images": {}}
    assert found["lock_path"] == str(tmp_path.resolve() / "locks/new.json")


def test_misspelt_variables_are_noticed() -> None:
    names = [
        "mirror_platform",
        "mirror_images_mine",
        "mirror_only",
        "mirror__plan",
        "mirror_ids",
        "other",
    ]
    assert misspelt(names) == [
        "the variable mirror_platform isn't read by the role; is mirror_platforms meant?"
    ]


def test_a_forgotten_prefix_is_noticed_where_no_images_are_declared() -> None:
    said = "the variable images isn't read by the role; is mirror_images meant?"
    assert misspelt(["images", "other", "mirror_destination"]) == [said]
    # of a host without images these are anybody's
    assert misspelt(["destination", "only", "path", "source", "shard"]) == []
    assert misspelt(["images", "mirror_images_mine"]) == misspelt(["images", "mirror_source"]) == []


DIGEST = "sha256:" + "a" * 64
BUNDLE = "oci:/srv/bundle"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("busybox:1.36", f"{BUNDLE}:docker.io/library/busybox:1.36"),
        ("busybox", f"{BUNDLE}:docker.io/library/busybox:latest"),
        (f"quay.io/a/b@{DIGEST}", f"{BUNDLE}:quay.io/a/b@{DIGEST}"),
        (f"quay.io/a/b:1@{DIGEST}", f"{BUNDLE}:quay.io/a/b:1"),
        ("localhost:5000/b:1", f"{BUNDLE}:localhost:5000/b:1"),
        ({"source": "quay.io/a/b", "tags": ["1.x"]}, f"{BUNDLE}:quay.io/a/b"),
        ({"source": "quay.io/a/b:1", "destination": "own/name:2"}, f"{BUNDLE}:quay.io/a/b:1"),
        (
            {"source": "quay.io/a/b", "tags": ["1.x"], "destination": "own"},
            f"{BUNDLE}:quay.io/a/b",
        ),
        ({"source": "oci:/other:b:1", "destination": "own/name:2"}, f"{BUNDLE}:own/name:2"),
        ({"source": "quay.io/a/b:1", "destination": "oci:/other:x"}, "oci:/other:x"),
    ],
)
def test_in_a_bundle_images_have_their_source_s_name(entry: Any, expected: str) -> None:
    found = plan(images=[entry], destination=f"{BUNDLE}/", path="{name}")
    assert destinations(found) == [expected]
    assert all(place.startswith("oci:/") for place in found["entries"][0]["places"])


def test_an_image_for_several_paths_is_one_in_a_bundle() -> None:
    one = {"name": "one", "source": "quay.io/a/b:1", "destination": "one/b"}
    two = {"name": "two", "source": "quay.io/a/b:1", "destination": "two/b"}
    found = plan(images=[one, two], destination=BUNDLE)
    assert destinations(found) == [f"{BUNDLE}:quay.io/a/b:1"]
    assert len(plan(images=[one, two])["entries"]) == 2
    # by whichever of its names
    (only,) = plan(images=[one, two], destination=BUNDLE, only=["two"])["entries"]
    assert only["wanted"] and only["image"]["name"] == "one"
    selected = [{**each, "source": "quay.io/a/b", "tags": ["1.x"]} for each in (one, two)]
    assert destinations(plan(images=selected, destination=BUNDLE)) == [f"{BUNDLE}:quay.io/a/b"]
    with pytest.raises(
        InvalidInput, match=r"\(one\) and .*\(two\) both .*, and differ in platforms"
    ):
        plan(images=[one, {**two, "platforms": ["linux/amd64"]}], destination=BUNDLE)


def test_selected_tags_have_full_names_in_a_bundle() -> None:
    entry = {"source": "quay.io/a/b", "tags": ["1.0", "2.0"]}
    (found,) = plan(images=[entry], destination=BUNDLE, destination_tag="x-{tag}")["entries"]
    assert found["places"] == [f"{BUNDLE}:quay.io/a/b:2.0", f"{BUNDLE}:quay.io/a/b:1.0"]
    assert found["repository"] == f"{BUNDLE}:quay.io/a/b"


def test_images_are_taken_from_a_bundle() -> None:
    entries = ["busybox:1.36", {"source": "quay.io/a/b", "tags": ["1.x"]}, "quay.io/c/d:1"]
    found = plan(images=entries, source=BUNDLE, exclude=["quay.io/c/d:1"], only=["busybox:1.36"])
    assert [entry["image"]["source"] for entry in found["entries"]] == [
        f"{BUNDLE}:docker.io/library/busybox:1.36",
        f"{BUNDLE}:quay.io/a/b",
    ]
    assert destinations(found) == [f"{HOME}/library/busybox", f"{HOME}/a/b"]
    assert found["entries"][0]["places"] == [f"{HOME}/library/busybox:1.36"]
    assert [entry["wanted"] for entry in found["entries"]] == [True, False]


@pytest.mark.parametrize("root", [HOME, "localhost:5000/"])
def test_without_a_list_all_of_a_bundle_is_taken(root: str) -> None:
    found = plan(source="oci-archive:/srv/b.tar", destination=root, path="{registry}/{name}")
    (entry,) = found["entries"]
    assert entry["image"] == {
        "source": "oci-archive:/srv/b.tar",
        "destination": root,
        "destination_path": "{registry}/{name}",
    }
    assert (entry["everything"], entry["by_pattern"], entry["places"]) == (True, True, [])
    assert plan(source=BUNDLE, images=[])["entries"] == []


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"source": "busybox:1"}, "mirror_source 'busybox:1' must be a bundle as a whole"),
        ({"source": f"{BUNDLE}:x:1"}, "must be a bundle as a whole"),
        ({"source": "oci:srv"}, "must be absolute"),
        ({"destination": f"{BUNDLE}:x:1", "images": ["a"]}, "must be a bundle as a whole"),
        ({"destination": "oci:srv", "images": ["a"]}, "must be absolute"),
        ({"source": BUNDLE, "only": ["a"]}, "mirror_only needs the images by name"),
        ({"source": BUNDLE, "exclude": ["a"]}, "mirror_exclude needs the images by name"),
        ({"baseline_lock_file": "x", "images": ["a"]}, "is for bundles as mirror_destination"),
        (
            {"baseline_lock_file": "none.json", "images": ["a"], "destination": BUNDLE},
            "mirror_baseline_lock_file /nowhere/none.json doesn't exist",
        ),
    ],
)
def test_what_is_wrong_about_bundles(variables: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        plan(**variables)


def test_a_baseline_is_read_on_the_controller(tmp_path: Path) -> None:
    (tmp_path / "far.json").write_text('{"version": 1, "images": {}}')
    found = plan(tmp_path, images=["a"], destination=BUNDLE, baseline_lock_file="far.json")
    assert found["baseline"] == {"version": 1, "images": {}}
    assert plan(images=["a"])["baseline"] is None


def test_ages_and_backups() -> None:
    images = [BUSYBOX, {"source": "quay.io/a:1", "min_age": 0, "backup_tag": "old"}]
    found = plan(images=images, min_age="3d", backup_tag="{tag}-previous")
    assert found["options"] == {"min_age": "3d", "backup_tag": "{tag}-previous"}
    assert found["entries"][1]["image"]["min_age"] == "0"
    assert [entry["backups"] for entry in found["entries"]] == [
        [f"{HOME}/library/busybox:1.36-previous"],
        [f"{HOME}/a:old"],
    ]
    assert plan(images=[BUSYBOX], min_age=0)["options"] == {"min_age": "0"}
    assert plan(images=[BUSYBOX], backup_tag=1)["options"] == {"backup_tag": "1"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"min_age": "soon"}, "mirror_min_age: 'soon' is no age"),
        ({"images": [{"source": "a", "min_age": "3"}]}, "min_age: '3' is no age"),
        ({"backup_tag": {"tag": None}}, "mirror_backup_tag is a mapping"),
        ({"images": ["a:1", "a:1-x"], "backup_tag": "{tag}-x"}, "another image is declared"),
        ({"images": ["a:1", "a:2"], "backup_tag": "x"}, "put {tag} into backup_tag"),
        ({"report_keep": 0, "report_file": "r-{date}.md"}, "mirror_report_keep must be"),
        ({"report_keep": 3}, "mirror_report_keep needs a mirror_report_file"),
        ({"report_file": "{date}/r.md"}, "may stand once, in the file's name"),
        ({"metrics_file": ["m.prom"]}, "mirror_metrics_file must be text"),
    ],
)
def test_what_is_wrong_with_them(variables: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(**{"images": [BUSYBOX], **variables})
    assert words in str(caught.value)


def test_files_of_a_run() -> None:
    found = plan(
        Path("/play"),
        images=[BUSYBOX],
        report_file="r-{date}.md",
        report_keep="20",
        metrics_file="m.prom",
    )
    assert found["report_path"] == "/play/r-{date}.md" and found["report_keep"] == 20
    # for one run without a report
    assert plan(images=["a:1"], report_file="", report_keep=20)["report_keep"] == 0
    assert found["metrics_path"] == "/play/m.prom"
    assert plan(images=[BUSYBOX])["metrics_path"] == ""


LOGIN = "me:s3cret@r.example.com/app:1"


@pytest.mark.parametrize(
    "variables",
    [
        {"images": LOGIN},
        {"images": [LOGIN]},
        {"images": [{"source": f"docker://{LOGIN}", "platform": "x"}]},
        {"images": [{"source": "a:1", "destination": f"https://{LOGIN}"}], "destination": None},
        {"images": [{LOGIN: None}]},
        {"images": [LOGIN, "a:1"], "only": [LOGIN]},
        {"images": ["a:1"], "exclude": [f"{LOGIN}("]},
        {"images": ["a:1"], "destination": LOGIN},
        {"images": ["a:1"], "destination": "https://me:s3cret@localhost"},
        {"source": LOGIN},
    ],
)
def test_a_login_in_a_reference_is_in_no_message(variables: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(**variables)
    said = str(caught.value)
    assert "s3cret" not in said and "...@" in said, said
