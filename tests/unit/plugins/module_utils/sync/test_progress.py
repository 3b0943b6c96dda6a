# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.sync import progress
from ansible_collections.imagesync.registry.plugins.module_utils.sync.image import Image
from ansible_collections.imagesync.registry.plugins.module_utils.sync.progress import (
    COMPARE,
    COPY,
    LIST,
    State,
    Teller,
    reported,
)


def image(name: str, reason: str = "", **declared: Any) -> Image:
    """As much of an image as is looked at."""
    values = {"signed_by": (), "integrity": "tag", "referrers": "with_image", **declared}
    found = Image(
        SimpleNamespace(destination=name, name="", source=None, **values),  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        None,
    )
    found.outcome.reason = reason
    return found


def same(text: str) -> str:
    return text


def test_ends_are_told_once() -> None:
    images = [image("a", "absent"), image("b"), image("c", "in_sync"), image("d")]
    teller = Teller(same)
    assert teller.told(State(COPY, images, 3, 9), 1.234) == {
        "seconds": 1.23,
        "stage": "copy",
        "images": [2, 4],
        "bytes": [3, 9],
        "ended": {"absent": 1, "in_sync": 1},
        "named": [["absent", "a"]],
    }
    images[1].outcome.reason = "failed"
    found = teller.told(State(COPY, images, 4, 9), 2)
    assert found["images"] == [3, 4]
    assert found["ended"] == {"absent": 1, "in_sync": 1, "failed": 1}
    assert found["named"] == [["failed", "b"]]


@pytest.mark.parametrize(
    ("stage", "reason", "declared", "final"),
    [
        (COMPARE, "in_sync", {}, True),
        (COMPARE, "in_sync", {"integrity": "blobs"}, False),
        (COMPARE, "in_sync", {"referrers": "always"}, False),
        (COMPARE, "in_sync", {"signed_by": ("key",)}, False),
        (COMPARE, "failed", {"signed_by": ("key",)}, True),
        (COPY, "in_sync", {"integrity": "blobs"}, True),
        (COPY, "", {}, False),
        (LIST, "failed", {}, False),  # entries that stand for tags aren't images yet
    ],
)
def test_what_is_looked_at_again_has_not_ended(
    stage: str, reason: str, declared: dict[str, Any], final: bool
) -> None:
    found = Teller(same).told(State(stage, [image("a", reason, **declared)], 0, 0), 1)
    assert found["images"] == [int(final), 1]


def test_failures_are_named_before_others_and_all_texts_scrubbed() -> None:
    images = [image(f"r/{n}", "absent") for n in range(50)] + [image("r/secret" * 99, "failed")]
    found = Teller(lambda text: text.replace("secret", "***")).told(State(COPY, images, 0, 0), 1)
    assert len(found["named"]) == 20 and found["images"] == [51, 51]
    reason, name = found["named"][0]
    assert reason == "failed" and len(name) == 300 and "secret" not in name and "***" in name


class Call:
    """Counts how often it is asked, and lets the test wait for that."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.errors: list[Exception] = []
        self.images = [image("a", "absent")]

    def state(self) -> State:
        self.asked.release()
        for error in self.errors:
            raise error
        return State(COPY, self.images, 1, 2)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(progress, "_INTERVALS", ((0.0, 0.01),))
    return Call()


def waited_for(condition: Callable[[], bool], call: Call) -> None:
    while not condition():
        assert call.asked.acquire(timeout=10)


def test_a_file_grows_and_is_gone_afterwards(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "file"
    with reported(str(path), call.state, same):
        for _round in range(3):
            assert call.asked.acquire(timeout=10)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) >= 2 and json.loads(lines[0])["named"] == [["absent", "a"]]
        assert json.loads(lines[1])["named"] == []
    assert not path.exists()
    assert "imagesync" not in [thread.name for thread in threading.enumerate()]


def test_it_is_gone_after_an_error_too(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "file"
    with pytest.raises(KeyError), reported(str(path), call.state, same):
        waited_for(path.exists, call)
        raise KeyError
    assert not path.exists()


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_is_there_is_left_alone(kind: str, tmp_path: Path, call: Call) -> None:
    path, other = tmp_path / "there", tmp_path / "other"
    if kind == "file":
        path.write_text("mine", encoding="utf-8")
    elif kind == "link":
        path.symlink_to(other)
    else:
        path.mkdir()
    with reported(str(path), call.state, same):
        assert call.asked.acquire(timeout=10)
    assert os.path.lexists(path) and not other.exists()
    assert kind != "file" or path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("trouble", ["no folder", "a defect"])
def test_trouble_ends_the_telling_and_nothing_else(
    trouble: str, tmp_path: Path, call: Call
) -> None:
    path = tmp_path / ("none/file" if trouble == "no folder" else "file")
    if trouble == "a defect":
        call.errors.append(RuntimeError("changed while it was read"))
    with reported(str(path), call.state, same):
        assert call.asked.acquire(timeout=10)
    assert not path.exists()
    assert not call.asked.acquire(timeout=0)  # it wasn't tried again


def test_without_a_file_there_is_no_thread(call: Call) -> None:
    before = threading.active_count()
    with reported(None, call.state, same):
        assert threading.active_count() == before
    assert not call.asked.acquire(timeout=0)


def test_it_is_told_less_often_as_time_goes_by() -> None:
    assert [progress._interval(s) for s in (0, 59, 60, 599, 600, 90000)] == [0.5, 0.5, 1, 1, 5, 5]
