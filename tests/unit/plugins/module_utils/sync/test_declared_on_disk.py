# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import (
    Declared,
    Everything,
    Several,
    read_image,
    read_images,
)

DIGEST = "sha256:" + "a" * 64
HOME = "registry.example.com/mirror"


def read(source: str, destination: str, **more: Any) -> Any:
    (found,) = read_image({"source": source, "destination": destination, **more})
    return found


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        ("quay.io/a:1", "oci:/b", "oci:/b:1"),
        ("quay.io/a:1", "oci:/b:quay.io/a:1", "oci:/b:quay.io/a:1"),
        ("quay.io/a", "oci-archive:/b.tar", "oci-archive:/b.tar:latest"),
        (f"quay.io/a@{DIGEST}", "oci:/b", f"oci:/b@{DIGEST}"),
        ("oci:/b:quay.io/a:1", HOME, f"{HOME}:1"),
        ("oci:/b:1", HOME, f"{HOME}:1"),
        (f"oci:/b:quay.io/a@{DIGEST}", HOME, f"{HOME}@{DIGEST}"),
        (f"oci:/b:quay.io/a:1@{DIGEST}", HOME, f"{HOME}:1"),
        ("oci:/b:quay.io/a:1", "oci:/c", "oci:/c:quay.io/a:1"),
        ("oci:/b", f"{HOME}:1", f"{HOME}:1"),
        ("docker-archive:/b.tar:a:1", HOME, f"{HOME}:1"),
    ],
)
def test_tags_and_names_of_destinations(source: str, destination: str, expected: str) -> None:
    found = read(source, destination)
    assert isinstance(found, Declared) and str(found.destination) == expected


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (("oci:/b:1", "oci:/b:1"), "are the same"),
        (("oci:/b", "oci:/b"), "are the same"),
        (("busybox:1", "docker-archive:/x:a:1"), "can only be read"),
        (("oci:/b:quay.io/a", HOME), "the destination has to have one"),
        (("oci:relative:1", HOME), "must be absolute"),
        (("oci:/b", "UPPER/x"), "must be lower case"),
    ],
)
def test_what_is_wrong(values: tuple[str, str], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read(*values)


NAMES = ["quay.io/a/b:1", "docker.io/library/c:2", "c:3", "plain", f"sha256-{'a' * 64}.sig"]


@pytest.mark.parametrize(
    ("destination", "path", "names", "expected"),
    [
        (HOME, None, NAMES, [f"{HOME}/a/b:1", f"{HOME}/library/c:2", f"{HOME}/library/c:3"]),
        (HOME, "{name}", NAMES[:2], [f"{HOME}/b:1", f"{HOME}/c:2"]),
        (HOME, None, NAMES[:1], [f"{HOME}:1"]),
        (HOME, None, ["quay.io/a:1", "quay.io/a:2"], [f"{HOME}:1", f"{HOME}:2"]),
        (HOME, "{registry}/{name}", NAMES[:1], [f"{HOME}/quay.io/b:1"]),
        ("h:5000/", None, NAMES[:1], ["h:5000/a/b:1"]),
        ("oci:/c", "{name}", NAMES[:2], ["oci:/c:quay.io/a/b:1", "oci:/c:docker.io/library/c:2"]),
    ],
)
def test_all_images_by_their_names(
    destination: str, path: str | None, names: list[str], expected: list[str]
) -> None:
    found = read("oci:/b", destination, destination_path=path)
    assert isinstance(found, Everything)
    names = [name for name in names if name != "plain"]
    assert [str(one.destination) for one in found.select(names)] == expected


def test_tags_of_a_repository_in_a_layout() -> None:
    found = read("oci:/b:quay.io/a", "oci:/c:quay.io/x", tags=["1.x"], destination_tag="v{tag}")
    assert isinstance(found, Several)
    (one,) = found.select(["1.5"])
    assert str(one.source) == "oci:/b:quay.io/a:1.5"
    assert str(one.destination) == "oci:/c:quay.io/x:v1.5"
    with pytest.raises(InvalidInput, match="has a tag or a digest"):
        read("oci:/b:quay.io/a:1", "oci:/c", tags=["1.x"])


def test_different_images_for_one_name() -> None:
    entries = [{"source": f"quay.io/{n}:1", "destination": "oci:/b"} for n in "ab"]
    with pytest.raises(InvalidInput, match="two different images are declared for oci:/b:1"):
        read_images(entries, {})
