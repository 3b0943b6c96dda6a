# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_build import (
    image_build,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop

GIVEN: dict[str, Any] = {
    "image": "r.example.com/a:1",
    "containerfile": "FROM scratch",
    "isolation": "chroot",
    "storage_driver": "vfs",
    "force": False,
    "concurrency": 16,
    "retries": 0,
    "timeout": 60,
}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image": f"r.example.com/a@sha256:{'a' * 64}"}, "a digest isn't known before"),
        ({"image": "docker-archive:/a.tar:b:1"}, "can only be read"),
        ({"image": "oci:/srv/bundle"}, "give it a name, as in oci:/srv/bundle:team/app:1.2"),
        ({"platforms": ["arm64", "linux/arm64/v8"]}, "one platform twice"),
        ({"platforms": ["a/b/c/d"]}, "not a platform"),
        ({"memory": "much"}, "memory: 'much' is no amount of bytes"),
        ({"memory": "1M"}, "isn't enough for buildah itself"),
        ({"cpus": 0.0}, "cpus must be between"),
        ({"deadline": 0}, "deadline must be between"),
        ({"timestamp": -1}, "timestamp is the number of seconds"),
        ({"labels": {"org.imagesync.inputs": "x"}}, "is the one that this module gives"),
        ({"labels": {"a": ["b"]}}, "labels: the value of a must be text"),
        ({"build_args": {"A=B": "c"}}, "build_args: 'A=B' can't be a name"),
        ({"build_args": {"A": "b\0c"}}, "build_args: 'A' can't be a name"),
        ({"context": "/nowhere/at/all"}, "isn't a folder on this host"),
        ({"containerfile": "FROM"}, r"r\.example\.com/a:1: the Containerfile: line 1 \(FROM\)"),
        ({"target": "x"}, "it has no stage 'x'"),
        (
            {"registries": [{"name": "r.example.com", "username": "u", "password": "example"}]},
            "also occurs inside an image reference",
        ),
    ],
)
def test_what_is_refused_before_the_first_request(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        image_build({**GIVEN, **options}, False, Stop())
