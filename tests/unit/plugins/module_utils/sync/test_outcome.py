# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.sync.outcome import (
    Outcome,
    Report,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, B


def moved(name: str = "a", **fields: object) -> Outcome:
    return Outcome(
        f"r/{name}:1",
        digest=A,
        id=f"r/{name}@{A}",
        changed=True,
        reason="absent",
        **fields,  # type: ignore[arg-type]
    )


def failed(name: str = "a") -> Outcome:
    outcome = Outcome(f"r/{name}:1")
    outcome.fail(f"{name} is broken")
    return outcome


def repaired(name: str = "a") -> Outcome:
    return dataclasses.replace(moved(name), reason="incomplete", previous_digest=A)


def in_sync(name: str = "a") -> Outcome:
    return Outcome(f"r/{name}:1", digest=A, reason="in_sync")


def waiting(name: str = "a") -> Outcome:
    return Outcome(f"r/{name}:1", reason="not_done", msg="not done: ended")


def report(*images: Outcome) -> Report:
    return Report(list(images), {}, {})


@pytest.mark.parametrize(
    ("images", "changed", "message"),
    [
        ([], False, ""),
        ([in_sync()], False, ""),
        ([moved(), in_sync("b")], True, ""),
        ([failed()], False, "r/a:1: a is broken"),
        (
            [moved("a"), failed("b"), failed("c")],
            True,
            "2 of 3 images failed:\nr/b:1: b is broken\nr/c:1: c is broken",
        ),
        (
            [failed("a"), waiting("b"), waiting("c")],
            False,
            "1 of 3 images failed; 2 of 3 were not done: ended:\nr/a:1: a is broken",
        ),
    ],
)
def test_messages(images: list[Outcome], changed: bool, message: str) -> None:
    found = report(*images)
    assert found.changed is changed
    assert found.message() == message
    assert len(found.failures) == sum(image.failed for image in images)


def test_a_failure_is_no_claim() -> None:
    outcome = failed()
    assert (outcome.failed, outcome.reason, outcome.msg, outcome.changed) == (
        True,
        "failed",
        "a is broken",
        False,
    )


def test_empty_fields_are_left_out() -> None:
    assert waiting().as_dict() == {
        "destination": "r/a:1",
        "changed": False,
        "reason": "not_done",
        "msg": "not done: ended",
        "failed": False,
        "bytes_copied": 0,
        "blobs_copied": 0,
        "blobs_mounted": 0,
        "blobs_present": 0,
    }


def test_full_fields_are_there() -> None:
    found = moved(source="s", previous_digest=B, platforms=["linux/amd64"], warnings=["w"])
    values = found.as_dict()
    assert values["source"] == "s"
    assert values["previous_digest"] == B
    assert values["platforms"] == ["linux/amd64"]
    assert values["warnings"] == ["w"]
    assert "msg" not in values


def test_the_diff_shows_what_changed() -> None:
    staged = Outcome("r/s:1", id=f"r/s@{A}", digest=A, changed=True, reason="staged")
    removed = Outcome("r/x:1", previous_digest=B, changed=True, reason="removed")
    replaced = Outcome("r/b:1", digest=A, previous_digest=B, changed=True, reason="digest_differs")
    signed = Outcome("r/r:1", id=f"r/r@{A}", digest=A, previous_digest=A, changed=True)
    signed.reason = "referrers_missing"
    images = [moved(), in_sync("i"), failed("f"), replaced, staged, removed, repaired("p"), signed]
    assert report(*images).diff() == {
        "before": f"r/a:1 (absent)\nr/b:1 {B}\nr/s@{A} (absent)\nr/x:1 {B}\nr/p@{A} (incomplete)\n"
        f"r/r@{A} (referrers missing)\n",
        "after": f"r/a:1 {A}\nr/b:1 {A}\nr/s@{A} (staged)\nr/x:1 (absent)\nr/p@{A}\nr/r@{A}\n",
    }
    assert report(in_sync()).diff() == {"before": "", "after": ""}
