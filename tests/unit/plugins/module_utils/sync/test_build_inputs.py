# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import (
    parse_platform,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.build_advice import advice
from ansible_collections.imagesync.registry.plugins.module_utils.sync.build_inputs import (
    BuildOrder,
    inputs_digest,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, B

AMD, ARM = parse_platform("amd64"), parse_platform("arm64")
ORDER = BuildOrder(parse_reference("r.example.com/a:1"), None, None, "", (AMD,), {"V": "1"}, {})
BASE = parse_reference("r.example.com/base:1")


def digest(bases: Any = None, text: str = "FROM a", context: str = A, **changes: Any) -> str:
    return inputs_digest(ORDER._replace(**changes), text, bases or {BASE: A}, context)


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "FROM b"},
        {"context": B},
        {"context": ""},
        {"bases": {BASE: B}},
        {"bases": {BASE: A, BASE.with_tag("2"): A}},
        {"arguments": {"V": "2"}},
        {"arguments": {"V": "1", "W": ""}},
        {"labels": {"V": "1"}},
        {"target": "one"},
        {"platforms": (ARM,)},
        {"platforms": (AMD, ARM)},
        {"timestamp": 0},
    ],
)
def test_what_has_an_image_built_anew(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


def test_what_has_not() -> None:
    assert digest(image=parse_reference("elsewhere.example.com/b:2")) == digest()
    order: dict[str, Any] = {"platforms": (parse_platform("linux/amd64"),), "file": "other"}
    assert digest(**order) == digest()
    two = {"V": "1", "W": "2"}
    assert digest(arguments=two) == digest(arguments=dict(reversed(two.items())))


def test_it_stays_the_same_over_versions() -> None:
    """Else every image would be built anew after an update."""
    assert digest() == "sha256:dd79f2ae850f3d2be7f22f724360e65cd57ad3df537d458cf3e0652c6803b11d"


@pytest.mark.parametrize(
    ("output", "isolation", "words"),
    [
        ("exec /bin/sh: exec format error", "chroot", "for linux/arm64 it needs an emulator"),
        ("creating container for [/bin/sh -c x]: : exec: no command", "oci", "needs crun or runc"),
        ('exec: "runc": executable file not found in $PATH', "oci", "needs crun or runc"),
        ("write /x: no space left on device", "chroot", "the disk is full"),
        ("error setting supplemental groups list: operation not permitted", "chroot", "subuid"),
        ("cannot clone: Operation not permitted", "chroot", "user namespaces"),
        ("one\nsubprocess exited with status 1\n" * 2, "chroot", ""),
        ("subprocess exited with status 1\nError: x", "chroot", "lost the end of what RUN wrote"),
        ("subprocess exited with status 1\nError: x", "oci", ""),
        ("Error: building at STEP", "chroot", ""),
        ("exec: no command", "chroot", ""),
    ],
)
def test_advice(output: str, isolation: str, words: str) -> None:
    found = advice(output, ARM, isolation, False)
    assert words in found and bool(found) is bool(words)


def test_advice_about_memory() -> None:
    assert "more memory" in advice("signal: killed", ARM, "chroot", True)
