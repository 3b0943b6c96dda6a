# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import re

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.sync.outcome import (
    Outcome,
    Report,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.summary import WORDS
from ansible_collections.imagesync.registry.tests.unit.support import PLUGINS, A, B


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


def changes() -> list[Outcome]:
    staged = Outcome("r/s:1", id=f"r/s@{A}", digest=A, changed=True, reason="staged")
    removed = Outcome("r/x:1", previous_digest=B, changed=True, reason="removed")
    replaced = Outcome("r/b:1", digest=A, previous_digest=B, changed=True, reason="digest_differs")
    signed = Outcome("r/r:1", id=f"r/r@{A}", digest=A, previous_digest=A, changed=True)
    signed.reason = "referrers_missing"
    return [moved(), replaced, staged, removed, repaired("p"), signed]


@pytest.mark.parametrize(
    ("image", "before", "after"),
    list(
        zip(
            changes(),
            (
                "r/a:1 (absent)",
                f"r/b:1 {B}",
                f"r/s@{A} (absent)",
                f"r/x:1 {B}",
                f"r/p@{A} (incomplete)",
                f"r/r@{A} (referrers missing)",
            ),
            (
                f"r/a:1 {A}",
                f"r/b:1 {A}",
                f"r/s@{A} (staged)",
                "r/x:1 (absent)",
                f"r/p@{A}",
                f"r/r@{A}",
            ),
        )
    ),
)
def test_the_diff_of_one_image_is_before_and_after(image: Outcome, before: str, after: str) -> None:
    assert report(image).diff() == {"before": f"{before}\n", "after": f"{after}\n"}


def test_the_diff_of_many_images_is_a_table_of_what_changed() -> None:
    images = [in_sync("i"), failed("f"), *changes()]
    whole = report(*images)
    whole.pruned = [{"destination": "r/long/name:1", "digest": B}]
    a, b = A[:19], B[:19]
    assert whole.diff() == {
        "prepared": f"""\
image                    before               after
r/a:1                    (absent)             {a}
r/b:1                    {b}  {a}
r/s@{a}  (absent)             (staged)
r/x:1                    {b}  (absent)
r/p@{a}  (incomplete)         (complete)
r/r@{a}  (referrers missing)  (complete)
r/long/name:1            {b}  (pruned)
"""
    }


def test_nothing_changed_is_no_diff() -> None:
    nothing = {"before": "", "after": ""}
    assert report(in_sync()).diff() == report(in_sync(), failed("b")).diff() == nothing


@pytest.mark.parametrize(
    ("images", "check_mode", "expected"),
    [
        ([], False, "no images"),
        ([in_sync()], False, "1 in sync, 0 bytes moved in 1 second"),
        (
            [in_sync(), moved(), failed(), waiting(), moved()],
            False,
            "1 failed, 1 not done, 2 copied, 1 in sync, 0 bytes moved in 1 second",
        ),
        ([in_sync(), moved()], True, "1 to copy, 1 in sync, 0 bytes to move; planned in 1 second"),
    ],
)
def test_a_call_is_one_line(images: list[Outcome], check_mode: bool, expected: str) -> None:
    found = report(*images)
    found.check_mode = check_mode
    assert found.summary() == expected


def test_numbers_are_in_the_line() -> None:
    found = Report([moved()], {"bytes_uploaded": 1288490189, "seconds": 71.5}, {})
    found.pruned = [{"destination": "r/b:1", "digest": B}]
    assert found.summary() == "1 copied, 1 pruned, 1.2 GiB moved in 1 minute 12 seconds"


def test_every_reason_has_a_word() -> None:
    text = (PLUGINS / "modules" / "image_sync.py").read_text(encoding="utf-8")
    described = text[text.index("\n    reason:\n") : text.index("\n    failed:\n")]
    assert set(re.findall(r"\bV\((\w+)\)", described)) <= set(WORDS)
