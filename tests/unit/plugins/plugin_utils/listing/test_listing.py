# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images files name, and the list that is made of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.census import Census, _split
from ansible_collections.imagesync.registry.plugins.plugin_utils.listing import reading, writing
from ansible_collections.imagesync.registry.plugins.plugin_utils.listing.reading import Named
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.gather import (
    read_images_file,
)

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
APP = "quay.io/team/app"


def census(text: str, digest: str = "", problem: str = "") -> Census:
    return Census(parse_reference(text), digest, problem)


def found(path: Path, text: str, *keys: str) -> list[tuple[str, str]]:
    path.write_text(text, encoding="utf-8")
    images = reading.in_data(path, list(keys))
    return [(one.where, str(one.reference) if one.reference else one.problem) for one in images]


def test_what_pods_are_made_of_counts_and_their_state_does_not(tmp_path: Path) -> None:
    pod = {
        "kind": "Pod",
        "metadata": {"annotations": {"image": None}},
        "spec": {
            "initContainers": [{"image": "busybox"}],
            "containers": [{"image": f"{APP}:1", "name": "app"}],
            "ephemeralContainers": [{"image": f"{APP}@{A}"}],
        },
        "status": {"containerStatuses": [{"image": "sha256:1234", "imageID": f"x@{A}"}]},
    }
    pods = {"kind": "List", "apiVersion": "v1", "items": [pod]}
    expected = [
        ("pods.json: items[0].spec.initContainers[0].image", "docker.io/library/busybox:latest"),
        ("pods.json: items[0].spec.containers[0].image", f"{APP}:1"),
        ("pods.json: items[0].spec.ephemeralContainers[0].image", f"{APP}@{A}"),
    ]
    path = tmp_path / "pods.json"
    assert found(path, json.dumps(pods)) == expected
    text = (
        f"--- \n{yaml.safe_dump(pods, sort_keys=False)}\n---\n---\nkind: X\nspec: {{base: 'a:1'}}\n"
    )
    assert [image for _where, image in found(path, text, "base")] == [
        *(image for _where, image in expected),
        "docker.io/library/a:1",
    ]


def test_compose_with_tags_of_its_own_and_variables(tmp_path: Path) -> None:
    text = (
        "services:\n  a:\n    image: nginx:1.27\n    ports: !override ['1:1']\n"
        "    env: !reset null\n    more: !override {x: 1}\n"
        "  b: {image: '${REGISTRY}/app:1', status: {image: 'redis:7'}}\n  c: {build: .}\n"
    )
    (first, second, third) = found(tmp_path / "compose.yml", text)
    assert first == ("compose.yml: services.a.image", "docker.io/library/nginx:1.27")
    assert second[0] == "compose.yml: services.b.image" and "${REGISTRY}/app:1" in second[1]
    assert third[1] == "docker.io/library/redis:7"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [\n", "neither YAML nor JSON: line 2"),
        ("{a: 1, b", "neither YAML nor JSON"),
        ("just text", "not in text"),
        ("[" * 5000, "nested more than"),
        ("a: &a [*a]\nimage: {x: *a}\nb: &b {c: *b}", "nested more than"),
    ],
)
def test_what_is_no_data_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        found(tmp_path / "file", text)
    assert str(tmp_path / "file") in str(caught.value)


def test_files_are_named_or_matched(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yml", "c.txt"):
        (tmp_path / name).touch()
    names = [path.name for path in reading.paths_of(["*.yml", "a.yml"], tmp_path, "from_x")]
    assert names == ["a.yml", "b.yml"]
    for pattern in ("d.yml", "*.json", "."):
        with pytest.raises(InvalidInput, match="from_x"):
            reading.paths_of([pattern], tmp_path, "from_x")


def test_plain_lists(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("busybox # ours\n\nNot/A:ref\n", encoding="utf-8")
    first, second = reading.in_list(tmp_path / "list")
    assert str(first.reference) == "docker.io/library/busybox:latest"
    assert second.reference is None and second.where == "list, line 3" and second.problem


def test_each_image_is_there_once_and_nothing_is_lost() -> None:
    named = [
        Named("", parse_reference(f"{APP}:1")),
        Named("", parse_reference(f"{APP}:1")),
        Named("x.yml: image", None, "no\nreference"),
    ]
    assert [str(one) for one in writing.wanted(named)] == [f"{APP}:1"]
    result = writing.listed(
        named,
        [
            census(f"{APP}:2@{B}", B),  # pinned to one, while the tag names another
            census(f"{APP}:2", A),
            census(f"{APP}:2@{C}", C),
            census(f"{APP}@{A}", A),  # has a tag in the list already
            census(f"{APP}:3@{B}", B),
            census(f"{APP}:latest", A),
            census(f"{APP}:gone"),
            census(f"{APP}:9", problem="no answer\nfrom quay.io"),
        ],
    )
    assert result == writing.Listed(
        images=(f"{APP}:2@{A}", f"{APP}:3@{B}", f"{APP}:latest@{A}", f"{APP}@{C}"),
        latest=(f"{APP}:latest",),
        without_tag=(f"{APP}@{C}",),
        missing=(f"{APP}:gone",),
        not_reached=((f"{APP}:9", "no answer from quay.io"),),
        unreadable=(("x.yml: image", "no reference"),),
    )


FULL = writing.Listed(
    (f"[::1]:5000/a:1@{A}", f"{APP}:1@{A}"),
    (),
    (),
    (f"{APP}:2",),
    ((f"{APP}:3", "connection refused"),),
    (("a.yml: image", "odd"),),
)
EMPTY = writing.Listed((), (), (), (f"{APP}:2",), (), ())


@pytest.mark.parametrize("result", [FULL, EMPTY])
def test_both_forms_have_the_same_images(tmp_path: Path, result: writing.Listed) -> None:
    text = writing.rendered(result, Path("list.txt"), "")
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    assert [one.value for one in read_images_file(tmp_path / "list.txt")] == list(result.images)
    inventory = writing.rendered(result, Path("x.yml"), "mirror_images_cluster")
    assert yaml.safe_load(inventory) == {"mirror_images_cluster": list(result.images)}
    for form in (text, inventory):
        assert form.startswith(writing.MARK) and f"#   {APP}:2\n" in form
        assert "refused" not in form
    assert (f"#   {APP}:3\n" in text) is (result is FULL)


@given(st.text())
def test_no_comment_is_anything_else(text: str) -> None:
    odd = EMPTY._replace(unreadable=((writing._line(text), ""),))
    form = writing.rendered(odd, Path("x.yml"), "mirror_images")
    assert yaml.safe_load(form) == {"mirror_images": []}
    assert form.splitlines()[-1].startswith("#")


def test_what_is_not_ours_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    assert writing.current(path, False) is None
    path.write_text("mirror_images: []\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="wasn't written by this playbook"):
        writing.current(path, False)
    assert writing.current(path, True) == "mirror_images: []\n"
    path.write_text(f"{writing.MARK}\n", encoding="utf-8")
    assert writing.current(path, False) == f"{writing.MARK}\n"
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidInput):
        writing.current(path, False)


@pytest.mark.parametrize("name", ["images.json", "images", "images.md"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"must end in \.yml"):
        writing.check_ending(Path(name))


def test_a_variable_that_nobody_reads_is_refused() -> None:
    with pytest.raises(InvalidInput, match="none that the role mirror reads"):
        writing.rendered(EMPTY, Path("x.yml"), "images")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("r.example.com", ("r.example.com", "")),
        ("docker://localhost:5000/team/", ("localhost:5000", "team")),
        ("index.docker.io/library", ("docker.io", "library")),
    ],
)
def test_places_on_registries(place: str, expected: Any) -> None:
    assert _split(place) == expected


@pytest.mark.parametrize("place", ["busybox", "", "r.example.com/a:1", "oci:/srv", "r.example/A"])
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(InvalidInput, match="is no registry"):
        _split(place)


def _nested(first: str, rest: str) -> str:
    """Eight lines, each with ten times what the one before it has."""
    rows = [f"- &a0 {first}"]
    rows += [f"- &a{n} {rest % ', '.join([f'*a{n - 1}'] * 10)}" for n in range(1, 9)]
    return "\n".join(rows)


@pytest.mark.parametrize(
    "text",
    [
        _nested("[{image: example.com/x:1}]", "[%s]"),
        _nested("{kind: List, items: [{image: example.com/x:1}]}", "{kind: List, items: [%s]}"),
    ],
)
def test_what_is_repeated_very_often_is_read_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "all.yml").write_text(text, encoding="utf-8")
    (found,) = reading.in_data(tmp_path / "all.yml", [])
    assert str(found.reference) == "example.com/x:1"


@pytest.mark.parametrize(
    "text",
    [
        "- " * 100_000 + "x",
        "[" * 100_000,
        "&a [*a, *a, *a, *a, *a, *a, *a, *a]",
        "&a {kind: List, items: [*a, *a, *a, *a]}",
        '{"items": ' * 5000 + "1" + "}" * 5000,
    ],
)
def test_what_is_too_deep_or_in_itself_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "all.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"all\.yml.*nested more than 100 levels"):
        reading.in_data(tmp_path / "all.yml", [])


@pytest.mark.parametrize("ending", ["yml", "txt"])
@pytest.mark.parametrize("place", ["r.example/team/a:1", "r.example/team", "r.example"])
def test_what_is_in_the_list_is_not_lost_to_an_outage(
    tmp_path: Path, place: str, ending: str
) -> None:
    """Neither an image nor a whole registry that doesn't answer takes anything out."""
    path = tmp_path / f"images.{ending}"
    image = f"r.example/team/a:1@sha256:{'a' * 64}"
    nothing = writing.Listed((), (), (), (), (), ())
    before = writing.rendered(nothing._replace(images=(image,)), path, "mirror_images")
    down = nothing._replace(not_reached=((place, "refused"),))
    with pytest.raises(InvalidInput, match=re.escape(f"{image} is in {path}")):
        writing.check_kept(before, down, path)
    writing.check_kept(None, down, path)
    writing.check_kept(before, nothing._replace(missing=(place,)), path)
    for other in ("r.example/team/a:11", "r.example/te", "r.example.org"):
        writing.check_kept(before, nothing._replace(not_reached=((other, "refused"),)), path)
    # what was left out before stays left out
    writing.check_kept(writing.rendered(down, path, "mirror_images"), down, path)
