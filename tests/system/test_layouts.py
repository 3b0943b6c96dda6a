# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in layouts on disk, as source and as destination of the module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import artifacts, cosign, images, layouts, skopeo
from tests.support.sides import Side, Sides
from tests.support.signatures import Story
from tests.support.signing import sign
from tests.support.sync import blobs, sync

KINDS = {
    "OCI image": images.image("disk", layers=3),
    "Docker image": images.image("disk", docker=True),
    "index": images.multi_platform("disk", shared_layer=True),
    "nested index": images.nested_index("disk"),
    "attestations": artifacts.attested_index("disk"),
    "inline data": images.inline_image("disk"),
    "empty layer": images.image_with_empty_layer("disk"),
    "artifact": artifacts.artifact("disk"),
    "foreign layer": images.foreign_image("disk", docker=False),
}


def foretold(**options: Any) -> dict[str, Any]:
    """The result of a run, after check mode has foretold it."""
    told, done = sync(check_mode=True, **options), sync(**options)
    for name in ("changed", "reason", "digest", "bytes_copied", "blobs_copied", "blobs_present"):
        assert told.get(name) == done.get(name), name
    for name in ("bytes_downloaded", "bytes_uploaded", "blobs_copied"):
        assert told["stats"][name] == done["stats"][name], name
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_to_disk_and_back(sides: Sides, tmp_path: Path, kind: str) -> None:
    wanted, folder = KINDS[kind], tmp_path / "bundle"
    foreign = kind == "foreign layer"
    if not foreign:  # plain registries refuse them
        sides.source.push(wanted)
    else:
        layouts.write_layout(tmp_path / "origin", {"1": wanted})
    source = f"oci:{tmp_path}/origin:1" if foreign else sides.source.ref()
    name = f"{folder}:docker.io/library/thing:1.2"

    first = foretold(source=source, destination=f"oci:{name}")

    assert (first["changed"], first["reason"]) == (True, "absent")
    assert first["id"] == f"oci:{folder}@{wanted.digest}"
    assert blobs(first) == (len(wanted.all_blobs), 0, 0)
    inline = kind == "inline data"
    assert first["bytes_copied"] == first["stats"]["bytes_uploaded"] == wanted.size
    assert first["stats"]["bytes_downloaded"] == (0 if inline else wanted.size)
    layouts.check_valid(folder)
    assert layouts.stored(folder) == layouts.parts(wanted)
    assert layouts.names(folder) == {"docker.io/library/thing:1.2": wanted.digest}
    again = foretold(source=source, destination=f"oci:{name}")
    assert (again["changed"], again["reason"]) == (False, "in_sync")
    assert not [host for host in again["stats"]["requests"] if "/" in host]
    if foreign:
        return

    back = foretold(source=f"oci:{name}", destination=sides.destination.ref(""))

    assert (back["changed"], back["destination"]) == (True, sides.destination.ref("1.2"))
    assert back["stats"]["bytes_uploaded"] == wanted.size
    assert sides.destination.has_whole(wanted, "1.2")


def test_skopeo_reads_what_is_written_and_what_it_writes_is_read(
    sides: Sides, tmp_path: Path
) -> None:
    wanted = images.multi_platform(sides.source.repository)
    sides.source.push(wanted)
    sync(source=sides.source.ref(), destination=f"oci:{tmp_path}/ours:a/b:1")
    skopeo.run(
        *("copy", "--all", "--preserve-digests", f"oci:{tmp_path}/ours:a/b:1"),
        f"oci:{tmp_path}/theirs",
    )
    for archive in ("", "-archive"):
        there = f"oci{archive}:{tmp_path}/theirs{archive}"
        if archive:
            skopeo.run("copy", "--all", f"oci:{tmp_path}/theirs", f"{there}:x:2")
        found = sync(source=there, destination=f"{sides.destination.ref('')}:got{archive}")
        assert found["digest"] == wanted.digest
        assert sides.destination.has_whole(wanted, f"got{archive}")


@pytest.mark.parametrize("api", [True, False], ids=["by the API", "by the tag schema"])
def test_what_is_attached_survives_the_trip(
    sides: Sides, make_strict: Any, tmp_path: Path, api: bool
) -> None:
    story = Story(sides.source.repository)
    origin, end = (make_strict(referrers_api=api) for _unused in range(2))
    there = Side(origin, origin.host, "team/app")
    story.put(there, api)
    bundle = f"oci:{tmp_path}/bundle:reg.example.com/team/app:1"

    first = sync(source=there.ref(), destination=bundle)
    second = sync(source=there.ref(), destination=bundle, referrers="always")
    back = sync(source=bundle, destination=f"{end.host}/far/app:1")

    assert (first["reason"], second["reason"], back["reason"]) == ("absent", "in_sync", "absent")
    assert story.is_at(Side(end, end.host, "far/app"))
    layouts.check_valid(tmp_path / "bundle")
    again = sync(source=bundle, destination=f"{end.host}/far/app:1", referrers="always")
    assert again["reason"] == "in_sync"


def test_many_images_share_their_blobs(sides: Sides, tmp_path: Path) -> None:
    base = images.image("base", layers=2).blobs[1:]
    found = {}
    for number in range(12):
        own = images.layer(f"own {number}")
        found[f"host/app{number}:1"] = images.image(f"app {number}", layers=[*base, own])
    layouts.write_layout(tmp_path / "a", found)
    entries = [
        {"source": f"oci:{tmp_path}/a:{name}", "destination": f"oci:{tmp_path}/b:{name}"}
        for name in found
    ]

    result = sync(images=entries)

    assert result["stats"]["blobs_copied"] == len(layouts.stored(tmp_path / "b")) - len(found)
    assert layouts.stored(tmp_path / "b") == layouts.parts(*found.values())
    assert layouts.names(tmp_path / "b") == {name: image.digest for name, image in found.items()}
    assert not sync(images=entries)["changed"]


def test_all_images_are_taken_by_their_names(sides: Sides, tmp_path: Path) -> None:
    found = {f"docker.io/library/app{n}:{n}": images.image(f"named {n}") for n in range(3)}
    layouts.write_layout(tmp_path / "a", found)
    root = f"{sides.destination.proxy.host}/{sides.destination.repository}"

    result = sync(source=f"oci:{tmp_path}/a", destination=root)

    assert [one["destination"] for one in result["images"]] == [
        f"{root}/library/app{n}:{n}" for n in range(3)
    ]
    for number, image in enumerate(found.values()):
        repository = f"{sides.destination.repository}/library/app{number}"
        assert sides.destination.has_whole(image, str(number), repository)
    kept = sync(source=f"oci:{tmp_path}/a", destination=root, destination_path="{registry}/{name}")
    assert kept["images"][0]["destination"] == f"{root}/docker.io/app0:0"
    copied = sync(source=f"oci:{tmp_path}/a", destination=f"oci:{tmp_path}/b")
    assert copied["changed"]
    assert layouts.names(tmp_path / "b") == {name: one.digest for name, one in found.items()}


def test_images_without_a_name_need_a_tag_at_the_destination(tmp_path: Path) -> None:
    layouts.write_layout(tmp_path / "one", {"": images.image("nameless")})
    layouts.write_layout(tmp_path / "none", {})
    for name, reason in {"one": "has no name", "none": "there is no image in it"}.items():
        result = sync(source=f"oci:{tmp_path}/{name}", destination=f"oci:{tmp_path}/b")
        assert result["failed"] and reason in result["msg"], result["msg"]
    assert sync(source=f"oci:{tmp_path}/one", destination=f"oci:{tmp_path}/b:1")["changed"]


def test_some_platforms_go_to_disk(tmp_path: Path) -> None:
    wanted = images.multi_platform("some", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    layouts.write_layout(tmp_path / "a", {"x:1": wanted})
    options = {"source": f"oci:{tmp_path}/a:x:1", "destination": f"oci:{tmp_path}/b:x:1"}
    for platforms in (["linux/amd64", "linux/s390x"], ["linux/arm64"]):
        first = sync(platforms=platforms, **options)
        assert first["changed"] and first["platforms"] == platforms
        layouts.check_valid(tmp_path / "b")
        assert not sync(platforms=platforms, **options)["changed"]


def test_tags_are_selected_in_a_layout(tmp_path: Path) -> None:
    found = {f"quay.io/a/b:1.{n}.0": images.image(f"selected {n}") for n in range(4)}
    layouts.write_layout(tmp_path / "a", {**found, "quay.io/a/c:9.0.0": images.image("other")})
    result = sync(
        source=f"oci:{tmp_path}/a:quay.io/a/b",
        destination=f"oci:{tmp_path}/b:quay.io/a/b",
        filter={"newest": 2},
    )
    assert [one["destination"] for one in result["images"]] == [
        f"oci:{tmp_path}/b:quay.io/a/b:1.{n}.0" for n in (3, 2)
    ]
    assert set(layouts.names(tmp_path / "b")) == {"quay.io/a/b:1.3.0", "quay.io/a/b:1.2.0"}


def test_images_without_a_tag_stay_by_their_digest(sides: Sides, tmp_path: Path) -> None:
    wanted = sides.source.push(images.image("by digest"))
    source = f"{sides.source.ref('')}@{wanted.digest}"

    plain = sync(source=source, destination=f"oci:{tmp_path}/b")
    assert plain["id"] == f"oci:{tmp_path}/b@{wanted.digest}"
    assert layouts.unnamed(tmp_path / "b") == {wanted.digest}
    staged = sync(source=sides.source.ref(), destination=f"oci:{tmp_path}/c:x:1", state="staged")
    assert (staged["reason"], layouts.unnamed(tmp_path / "c")) == ("staged", {wanted.digest})
    moved = sync(source=sides.source.ref(), destination=f"oci:{tmp_path}/c:x:1")
    assert (moved["blobs_copied"], moved["changed"]) == (0, True)
    assert layouts.names(tmp_path / "c") == {"x:1": wanted.digest}
    assert not layouts.unnamed(tmp_path / "c")
    full = f"oci:{tmp_path}/d:reg.example.com/x@{wanted.digest}"
    named = sync(source=source, destination=full)
    assert named["changed"] and not sync(source=source, destination=full)["changed"]
    name = f"reg.example.com/x@{wanted.digest}"
    assert layouts.names(tmp_path / "d") == {name: wanted.digest}


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_images_on_disk_are_signed_and_their_signatures_checked(tmp_path: Path, kind: str) -> None:
    layouts.write_layout(tmp_path / "origin", {"x:1": images.image("signed on disk")})
    key = cosign.make_key()
    place = f"{kind}:{tmp_path}/a:x:1"
    sync(source=f"oci:{tmp_path}/origin:x:1", destination=place)
    options = {"source": place, "destination": f"oci:{tmp_path}/b:x:1", "signed_by": [key.public]}
    assert "isn't signed" in sync(**options)["msg"]
    assert sign(place, key.pem(), True)["changed"] and sign(place, key.pem())["changed"]
    assert not sign(place, key.pem())["changed"]
    assert sync(**options)["changed"]
    assert len(layouts.names(tmp_path / "b")) == 2
    layouts.check_valid(tmp_path / "b")
