# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image_build and those who write Containerfiles, contexts and base images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
)
from tests.support import images, layouts
from tests.support.building import add_programs, build, files, layers
from tests.support.content import OCI_CONFIG, OCI_MANIFEST, Blob, Image, to_json
from tests.support.layers import diff_id
from tests.support.sides import Sides


def with_config(image: Image, config: bytes) -> Image:
    """The image with another config."""
    blob = Blob(config, OCI_CONFIG)
    manifest = to_json({**image.document, "config": blob.descriptor})
    return Image(manifest, OCI_MANIFEST, (blob, *image.blobs[1:]), platform=image.platform)


def changed(image: Image, **changes: Any) -> Image:
    """The image with other fields in its config."""
    return with_config(image, to_json({**json.loads(image.blobs[0].data), **changes}))


def refusal(sides: Sides, **options: Any) -> str:
    """The sentence of a build that fails."""
    with pytest.raises(ImageSyncError) as caught:
        build(sides.destination.ref(), **options)
    assert not sides.destination.digest()
    return str(caught.value)


def test_a_base_reaches_no_folder_of_the_host(sides: Sides, context: Path, tmp_path: Path) -> None:
    layouts.write_layout(tmp_path / "of-others", {"secret": images.image("secret")})
    trigger = f"COPY --from=oci:{tmp_path}/of-others:secret /data /stolen"
    sides.source.push(changed(images.image("base"), config={"OnBuild": [trigger]}))
    text = f"FROM {sides.source.ref()}\nCOPY hello /\n"
    said = refusal(sides, containerfile=text, context=str(context))
    assert "/of-others" in said and "exit status" in said


def test_no_other_image_stands_for_a_layer_of_the_root(sides: Sides, context: Path) -> None:
    """One that only a file is taken from says that its layer is that of the root."""
    root = sides.source.push(images.image("root"))
    rootfs = {"type": "layers", "diff_ids": [diff_id(root.blobs[1])]}
    sides.source.push(changed(images.image("liar"), rootfs=rootfs), tag="liar")
    ref = sides.source.ref()
    text = f"FROM {ref}\nCOPY --from={sides.source.ref('liar')} /data /other\n"
    build(sides.destination.ref(), containerfile=text, context=str(context))
    assert layers(sides.destination)[0] == root.blobs[1].digest


@pytest.mark.parametrize("config", [b"[" * 200_000 + b"]" * 200_000, b"[]", b'{"rootfs": [1]}'])
def test_a_base_with_a_config_that_is_none(sides: Sides, context: Path, config: bytes) -> None:
    base = images.multi_platform("base")
    sides.source.push(images.index([with_config(base.children[0], config)]))
    text = f"FROM {sides.source.ref()}\nCOPY hello /\n"
    said = refusal(sides, containerfile=text, platforms=["linux/amd64"], context=str(context))
    assert len(said) < 5000


def test_who_writes_the_containerfile_gives_no_label(sides: Sides, context: Path) -> None:
    label = f"org.imagesync.inputs=sha256:{'1' * 64}"
    text = f"FROM scratch\nCOPY hello /\nLABEL {label}\n"
    options: dict[str, Any] = {"containerfile": text, "context": str(context)}
    assert build(sides.destination.ref(), **options)["changed"]
    assert not build(sides.destination.ref(), **options)["changed"]


def test_lines_of_a_here_document_are_no_instructions(
    sides: Sides, context: Path, tmp_path: Path
) -> None:
    layouts.write_layout(tmp_path / "of-others", {"secret": images.image("secret")})
    text = f"FROM scratch\nCOPY <<x /y\nFROM oci:{tmp_path}/of-others:secret\nx\n"
    try:
        build(sides.destination.ref(), containerfile=text, context=str(context))
    except ImageSyncError as error:
        assert "a Containerfile with here-documents (<<) takes 1.33" in str(error)
    else:
        assert list(files(sides.destination)) == ["y"]


def test_links_lead_nowhere(sides: Sides, context: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("canary", encoding="utf-8")
    (context / "link").symlink_to(tmp_path / "outside")
    (context / "above").symlink_to("..")
    for source in ("link", "above/outside", "../outside", "/../../outside"):
        text = f"FROM scratch\nCOPY {source} /x\n"
        assert "exit status" in refusal(sides, containerfile=text, context=str(context))
    text = "FROM scratch\nCOPY . /\n"
    build(sides.destination.ref(), containerfile=text, context=str(context))
    found = files(sides.destination)
    assert (found["link"], found["above"]) == (b"", b"") and b"canary" not in b"".join(
        found.values()
    )


def test_values_that_look_like_something_else(sides: Sides, context: Path) -> None:
    add_programs(context / "root", "sh", "env", "cat")
    text = (
        "FROM scratch\nARG WORD\nARG HTTPS_PROXY\nCOPY root /\n"
        "RUN cat /proc/[0-9]*/cmdline > /seen; env > /env\n"
    )
    given = {"WORD": "one\nFROM two\n--three", "HTTPS_PROXY": "http://u:canary@proxy"}
    build(sides.destination.ref(), containerfile=text, context=str(context), build_args=given)
    found = files(sides.destination)
    assert b"WORD=one\nFROM two\n--three\n" in found["env"]
    assert b"HTTPS_PROXY=http://u:canary@proxy" in found["env"]
    assert b"buildah" in found["seen"] and b"canary" not in found["seen"]
