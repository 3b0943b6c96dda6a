# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of a Kubernetes cluster, which whoever may create some has written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.discovery.missing import (
    missing_images,
)
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    documents,
    edited,
    fuzz,
    survives,
)

MIRROR, PATH = "registry.example.com/mirror", "{registry}/{repository}"
IMAGE = f"{MIRROR}/quay.io/team/app:1.2"
WAITING = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
PODS = {
    "kind": "PodList",
    "metadata": {"continue": ""},
    "items": [
        {
            "metadata": {"name": "app"},
            "spec": {
                "containers": [{"name": "app", "image": IMAGE, "volumeMounts": [{"name": "data"}]}],
                "volumes": [{"name": "data", "image": {"reference": f"{IMAGE}-data"}}],
            },
            "status": {
                "phase": "Pending",
                "containerStatuses": [{"name": "app", "image": IMAGE, "state": WAITING}],
            },
        }
    ],
}


def _check(found: Any) -> None:
    for entry in found.entries if found else ():
        source, destination = map(parse_reference, (entry["source"], entry["destination"]))
        assert destination.name.startswith(f"{MIRROR}/")
        assert source.registry == "quay.io"
        assert destination.name == f"{MIRROR}/{source.name}"
        assert (source.tag, source.digest) == (destination.tag, destination.digest)


@fuzz(documents(PODS))
def test_pods(raw: bytes) -> None:
    try:
        pods = json.loads(raw)
    except (ValueError, RecursionError):
        return
    _check(survives(missing_images, pods, MIRROR, PATH, None, ["quay.io"]))


@fuzz(
    edited([IMAGE, f"{IMAGE}@sha256:{'0' * 64}"]), st.sampled_from([["quay.io"], ["quay.io/team"]])
)
def test_images_of_pods(image: str, allowed: list[str]) -> None:
    pod = {
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {"containerStatuses": [{"name": "app", "state": WAITING}]},
    }
    found = survives(missing_images, [pod], MIRROR, PATH, None, allowed)
    assert found is not None  # what one pod says is no error
    _check(found)


def test_keys_that_no_terminal_can_show() -> None:
    assert survives(missing_images, {"\ud800": None}, MIRROR, PATH) is None
