# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image_build, with real buildah: what it builds, when, and what it leaves alone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.imagesync.registry.plugins.modules.image_build import EXAMPLES
from tests.support import images, skopeo
from tests.support.asking import ask
from tests.support.building import build, check, files, layers
from tests.support.sides import Sides

LABEL = "org.imagesync.inputs"
MODULE = "imagesync.registry.image_build"
ROOT = Path(__file__).parents[2]


def test_it_builds_once_and_again_when_the_base_moves(sides: Sides, context: Path) -> None:
    base = sides.source.push(images.multi_platform("base"))
    side = sides.destination
    options: dict[str, Any] = {
        "containerfile": f"FROM {sides.source.ref()}\nCOPY hello /hello\n",
        "context": str(context),
        "labels": {"team": "platform"},
    }
    foretold = build(side.ref(), check_mode=True, **options)
    assert (foretold["changed"], foretold["reason"]) == (True, "absent")
    assert "digest" not in foretold and not sides.writes()
    done = build(side.ref(), **options)
    assert skopeo.verify_whole(f"{side.host}/{side.repository}:1") == done["digest"]
    assert (done["changed"], done["id"]) == (True, side.id(done["digest"]))
    assert done["inputs_digest"] == foretold["inputs_digest"]
    assert done["bases"] == {sides.source.ref(): base.digest}
    assert files(side)["hello"] == b"hello\n"
    (told,) = ask(side.ref())["images"]
    assert told["labels"][LABEL] == done["inputs_digest"] and told["labels"]["team"] == "platform"
    raw = json.loads(skopeo.raw_manifest(f"{side.host}/{side.repository}:1"))
    # the layers of the base are those that it has, byte by byte
    own = base.children[0].blobs[1:]
    assert [layer["digest"] for layer in raw["layers"][:-1]] == [blob.digest for blob in own]
    assert raw["annotations"]["org.opencontainers.image.base.digest"] == base.digest

    sides.clear()
    again = build(side.ref(), **options)
    assert (again["changed"], again["reason"], again["digest"]) == (
        False,
        "in_sync",
        done["digest"],
    )
    asked = sides.asked()
    assert asked[0] == {("HEAD", "manifest"): 1}
    assert asked[1] == {("GET", "manifest"): 1, ("GET", "blob"): 1}

    moved = sides.source.push(images.multi_platform("moved"))
    assert build(side.ref(), check_mode=True, **options)["reason"] == "inputs_differ"
    anew = build(side.ref(), **options)
    assert (anew["reason"], anew["previous_digest"]) == ("inputs_differ", done["digest"])
    assert anew["bases"] == {sides.source.ref(): moved.digest}
    assert anew["digest"] != done["digest"] == side.digest(done["digest"])


def test_what_counts_of_a_context(sides: Sides, context: Path) -> None:
    side = sides.destination
    (context / "Containerfile").write_text("FROM scratch\nCOPY . /\n", encoding="utf-8")
    (context / ".dockerignore").write_text("*.log\nsecret\n!secret/kept\n", encoding="utf-8")
    (context / "secret").mkdir()
    for name in ("a.log", "secret/key", "secret/kept", "tool"):
        (context / name).write_text(name, encoding="utf-8")
    (context / "tool").chmod(0o755)
    (context / "link").symlink_to("tool")
    first = build(side.ref(), context=str(context), timestamp=0)
    found = files(side)
    wanted = {"Containerfile", ".dockerignore", "hello", "link", "secret/kept", "tool"}
    assert {name for name in found if not name.endswith("/")} - {"secret"} == wanted
    (context / "a.log").write_text("more", encoding="utf-8")
    os.utime(context / "hello", (1, 1))
    assert not build(side.ref(), context=str(context), timestamp=0)["changed"]
    forced = build(side.ref(), context=str(context), timestamp=0, force=True)
    assert (forced["reason"], forced["changed"]) == ("forced", True)
    assert forced["digest"] == first["digest"]  # the same bytes from the same files
    (context / "tool").chmod(0o700)
    assert build(side.ref(), True, context=str(context), timestamp=0)["reason"] == "inputs_differ"


def test_several_platforms_are_an_index(sides: Sides, context: Path) -> None:
    base = sides.source.push(images.multi_platform("base"))
    side = sides.destination
    ref = sides.source.ref()
    text = f"""\
        FROM --platform=$BUILDPLATFORM {ref} AS tools
        COPY hello /tool
        FROM {ref}
        ARG TARGETARCH
        ARG GREETING
        COPY --from=tools /tool /tool-$TARGETARCH-$GREETING
        COPY --from={ref} /data /copied
        """
    options: dict[str, Any] = {
        "containerfile": text,
        "context": str(context),
        "platforms": ["amd64", "linux/arm64"],
        "build_args": {"GREETING": "hi"},
    }
    done = build(side.ref(), **options)
    assert skopeo.verify_whole(f"{side.host}/{side.repository}:1") == done["digest"]
    (told,) = ask(side.ref())["images"]
    assert [one["platform"] for one in told["platforms"]] == ["linux/amd64", "linux/arm64/v8"]
    assert told["annotations"][LABEL] == told["labels"][LABEL] == done["inputs_digest"]
    for one, child in zip(told["platforms"], base.children, strict=True):
        found = files(side, one["digest"])
        architecture = one["platform"].split("/")[1]
        assert found[f"tool-{architecture}-hi"] == b"hello\n"
        assert found["data"] == found["copied"]
        assert child.blobs[1].digest in layers(side, one["digest"])
    assert not build(side.ref(), **options)["changed"]
    assert build(side.ref(), True, **{**options, "build_args": {"GREETING": "ho"}})["changed"]


def test_layers_of_a_base_are_mounted(sides: Sides, context: Path) -> None:
    """Also those of an image in Docker's format."""
    side = sides.destination
    base = side.push(images.image("base", docker=True, layers=2), repository=f"{side.repository}/b")
    text = f"FROM {side.ref(repository=f'{side.repository}/b')}\nCOPY hello /hello\n"
    done = build(side.ref(), containerfile=text, context=str(context))
    assert skopeo.verify_whole(f"{side.host}/{side.repository}:1") == done["digest"]
    own = [blob.digest for blob in base.blobs[1:]]
    assert layers(side)[:2] == own
    stats = done["stats"]
    assert (stats["blobs_mounted"], stats["blobs_copied"]) == (2, 2)
    assert stats["bytes_downloaded"] >= sum(len(blob.data) for blob in base.blobs)
    assert 0 < stats["bytes_uploaded"] < 2000
    assert not set(own) & set(side.written("upload"))


def test_a_stage_that_is_not_needed_is_not_asked_for(sides: Sides, context: Path) -> None:
    side = sides.destination
    (context / "Dockerfile").write_text(
        "ARG BASE=nowhere.invalid/app:1\nFROM $BASE AS other\nFROM scratch AS Wanted\n"
        "COPY hello /\nFROM other\n",
        encoding="utf-8",
    )
    for target in ("wanted", "1"):  # which buildah itself doesn't know
        done = build(side.ref(), context=str(context), target=target)
        assert done["bases"] == {} and list(files(side)) == ["hello"]


def test_the_guide_and_the_examples_are_taken() -> None:
    """By the specification of the module."""
    guide = (ROOT / "docs" / "build-and-discover.md").read_text(encoding="utf-8")
    texts = [*re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL), EXAMPLES]
    tasks = [task for text in texts for task in _tasks(yaml.safe_load(text)) if MODULE in task]
    assert len(tasks) >= 3
    for task in tasks:
        check(task[MODULE])


def _tasks(document: Any) -> list[dict[str, Any]]:
    """Those of a playbook or list of tasks; a page may hold other YAML too."""
    found = document if isinstance(document, list) else []
    return [task for one in found for task in one.get("tasks", [one])]
