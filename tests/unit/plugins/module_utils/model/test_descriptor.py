# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import (
    parse_descriptor,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidContent
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import Platform
from ansible_collections.imagesync.registry.tests.unit.support import A, descriptor

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
CONTENT = b"some content"


def inline(content: bytes = CONTENT) -> str:
    return base64.b64encode(content).decode()


def test_what_a_descriptor_says() -> None:
    found = parse_descriptor(
        descriptor(
            CONTENT,
            artifactType="application/x",
            platform={"os": "linux", "architecture": "arm64", "variant": "v8"},
            annotations={"Digest": "any", "mediatype": "case"},
        ),
        "layers[0]",
    )
    assert found.digest == digest_of(CONTENT)
    assert found.size == len(CONTENT)
    assert found.media_type == "application/vnd.oci.image.layer.v1.tar"
    assert found.platform == Platform("linux", "arm64", "v8")
    assert found.artifact_type == "application/x"
    assert found.data is None
    assert not found.foreign


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "is not a descriptor"),
        (None, "is not a descriptor"),
        ({"size": 1}, "no valid digest"),
        ({"digest": 5, "size": 1}, "no valid digest"),
        ({"digest": "sha256:../../etc/passwd", "size": 1}, "no valid digest"),
        ({"digest": A.upper(), "size": 1}, "no valid digest"),
        ({"digest": A}, "no valid size"),
        ({"digest": A, "size": -1}, "no valid size"),
        ({"digest": A, "size": 1.0}, "no valid size"),
        ({"digest": A, "size": True}, "no valid size"),
        ({"digest": A, "size": "1"}, "no valid size"),
        ({"digest": A, "size": None}, "no valid size"),
        ({"digest": A, "size": 1, "mediaType": 7}, "no valid mediaType"),
        ({"digest": A, "Size": 1}, "must be 'size'"),
        ({"digest": A, "size": 1, "Digest": A}, "must be 'digest'"),
        ({"digest": A, "size": 1, "platform": "linux"}, "platform that is not an object"),
        ({"digest": A, "size": 1, "platform": {"OS": "linux"}}, "must be 'os'"),
        ({"digest": A, "size": 1, "platform": {"os": 1}}, "parts are not short texts"),
    ],
)
def test_what_is_no_descriptor(value: Any, reason: str) -> None:
    with pytest.raises(InvalidContent) as caught:
        parse_descriptor(value, "layers[3]")
    assert str(caught.value).startswith("layers[3] ")
    assert reason in str(caught.value)


def test_inline_data_that_matches() -> None:
    assert parse_descriptor(descriptor(CONTENT, data=inline()), "it").data == CONTENT
    assert parse_descriptor(descriptor(b"", data=""), "it").data == b""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (inline(b"other  conten"), "doesn't match"),
        (inline(CONTENT[:-1]), "doesn't match"),
        (inline(b"SOME content"), "doesn't match"),
        ("", "doesn't match"),
        ("not base64!", "not base64"),
        (inline() + "\n", "not base64"),
        (5, "not base64"),
        (["a"], "not base64"),
    ],
)
def test_inline_data_that_does_not_match(data: Any, reason: str) -> None:
    with pytest.raises(InvalidContent, match=reason):
        parse_descriptor(descriptor(CONTENT, data=data), "it")


@pytest.mark.parametrize(
    ("media_type", "urls", "foreign"),
    [
        (FOREIGN, ["https://example.com/x"], True),
        (NONDISTRIBUTABLE, ["https://example.com/x"], True),
        (FOREIGN, [], False),
        (FOREIGN, None, False),
        ("application/vnd.oci.image.layer.v1.tar", ["https://example.com/x"], False),
    ],
)
def test_foreign_layers(media_type: str, urls: Any, foreign: bool) -> None:
    found = parse_descriptor(descriptor(mediaType=media_type, urls=urls), "it")
    assert found.foreign is foreign
