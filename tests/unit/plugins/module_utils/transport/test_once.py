# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AuthenticationFailed,
    ImageSyncError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    Login,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.once import Once, renewal

LOGIN = Login("test", "u", "p")


class Source:
    """Gives one after the other; an exception is raised."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self) -> Login | None:
        self.asked.set()
        assert self.go_on.wait(10)
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


@pytest.mark.parametrize("result", [LOGIN, None])
def test_what_was_got_is_kept(result: Any) -> None:
    once, source = Once(), Source(result)
    assert [once.get("key", source) for _time in range(3)] == [result] * 3


def test_keys_are_apart() -> None:
    """One that takes its time holds up nobody else."""
    once, slow = Once(), Source(LOGIN)
    slow.go_on.clear()
    thread = threading.Thread(target=once.get, args=("slow", slow))
    thread.start()
    assert slow.asked.wait(10)
    assert once.get("other", Source(None)) is None
    slow.go_on.set()
    thread.join(10)
    assert once.get("slow", Source()) == LOGIN


def test_an_error_is_told_to_all_that_wait() -> None:
    once, source = Once(), Source(AuthenticationFailed("no"))
    source.go_on.clear()
    told: list[ImageSyncError] = []

    def ask() -> None:
        try:
            once.get("key", source)
        except ImageSyncError as error:
            told.append(error)

    threads = [threading.Thread(target=ask) for _number in range(4)]
    for thread in threads:
        thread.start()
    assert source.asked.wait(10)
    source.go_on.set()
    for thread in threads:
        thread.join(10)
    assert [(str(error), error.__class__) for error in told] == [("no", AuthenticationFailed)] * 4
    assert len(set(map(id, told))) == 4


def test_an_error_may_be_forgotten() -> None:
    once, source = Once(errors_last=0.0), Source(AuthenticationFailed("no"), LOGIN)
    with pytest.raises(AuthenticationFailed):
        once.get("key", source)
    assert once.get("key", source) == LOGIN


def test_an_error_of_ours_blocks_nobody() -> None:
    once, source = Once(), Source(KeyError("a mistake"), LOGIN)
    with pytest.raises(KeyError):
        once.get("key", source)
    assert once.get("key", source) == LOGIN


def test_a_login_that_ends_is_got_again() -> None:
    short = LOGIN._replace(expires=renewal(0.0))
    source = Source(short, LOGIN)
    once = Once()
    assert [once.get("key", source) for _time in range(3)] == [short, LOGIN, LOGIN]
