# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.plugin_utils.progress import watch as watching
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.lines import Lines
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.tail import Tail
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.watch import Watch
from ansible_collections.imagesync.registry.tests.unit.clock import Clock

LINE = '{"seconds":1,"stage":"compare","images":[1,2],"bytes":[0,0],"ended":{},"named":[]}\n'
RESULT = {"images": [], "summary": "2 in sync"}


class Host:
    """What the watch reads from and shows to; each look can be waited for."""

    def __init__(self) -> None:
        self.text = LINE
        self.shown: list[str] = []
        self.looks = threading.Semaphore(0)
        self.trouble: dict[str, Exception] = {}
        self.held = threading.Event()
        self.held.set()

    def read(self, offset: int) -> str:
        self.looks.release()
        self.held.wait(10)
        if "read" in self.trouble:
            raise self.trouble["read"]
        return self.text[offset:]

    def show(self, line: str) -> None:
        if "show" in self.trouble:
            raise self.trouble["show"]
        self.shown.append(line)

    def watch(self, clock: Any) -> Watch:
        return Watch(Tail(self.read), Lines("[h]", False, 80), self.show, clock.monotonic)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(watching, "_INTERVALS", ((0.0, 0.01),))
    return Host()


def test_lines_are_shown_while_it_runs_and_one_at_the_end(host: Host) -> None:
    watch = host.watch(Clock())
    with watch:
        for _look in range(2):
            assert host.looks.acquire(timeout=10)
        assert host.shown == ["[h] 1 of 2 images, comparing"]
    watch.end(RESULT)
    assert host.shown == ["[h] 1 of 2 images, comparing", "[h] 2 in sync"]


@pytest.mark.parametrize("trouble", ["read", "show", "line"])
def test_trouble_ends_the_lines_and_nothing_else(trouble: str, host: Host) -> None:
    if trouble == "line":
        host.text = "[]\n"
    else:
        host.trouble[trouble] = OSError("gone")
    watch = host.watch(Clock())
    with watch:
        watch._thread.join(10)
        assert not watch._thread.is_alive()
    host.trouble.clear()
    watch.end(RESULT)
    assert host.shown == [] and host.looks.acquire(timeout=0) and not host.looks.acquire(timeout=0)


def test_a_host_that_does_not_answer_is_not_waited_for(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_PATIENCE", 0.01)
    host.held.clear()
    watch = host.watch(Clock())
    with watch:
        assert host.looks.acquire(timeout=10)
    watch.end(RESULT)
    host.held.set()  # the answer comes when the task is over
    watch._thread.join(10)
    assert host.shown == []


def test_what_nothing_depends_on_is_tried_for_a_while(host: Host) -> None:
    """A login that hangs, or a host that is gone, kept a failed task from its end."""
    host.held.clear()
    done = threading.Event()

    def step() -> None:
        host.read(0)
        done.set()

    watching.tried(step, 0.01)
    assert host.looks.acquire(timeout=10) and not done.is_set()
    host.held.set()
    assert done.wait(10)
    host.trouble["read"] = OSError("gone")
    watching.tried(step)
    assert host.looks.acquire(timeout=0)


def test_it_is_looked_less_often_after_a_while() -> None:
    assert [watching._interval(s) for s in (0, 599, 600)] == [1, 1, 5]
