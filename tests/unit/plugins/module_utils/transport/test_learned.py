# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport.learned import Learned


def ask_all(learned: Learned, number: int, learn: bool | None) -> tuple[list[str], int]:
    """What happened when so many asked at once, and how many requests that took."""
    requests = []
    told: list[str] = []
    first = threading.Event()

    def ask() -> None:
        with learned.turn():
            if learned.known is False:
                told.append("spared")
                return
            requests.append(learned.known)
            first.wait(0.2 if len(requests) == 1 else 0)
            if learn is not None:
                learned.known = learn
            told.append("asked")

    threads = [threading.Thread(target=ask) for _unused in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told, len(requests)


def test_where_the_first_learns_that_there_is_nothing_nobody_else_asks() -> None:
    told, requests = ask_all(Learned(), 16, False)
    assert requests == 1 and sorted(told) == ["asked"] + ["spared"] * 15


@pytest.mark.parametrize("learn", [True, None])
def test_else_all_ask(learn: bool | None) -> None:
    assert ask_all(Learned(), 16, learn)[1] == 16


def test_a_failure_teaches_nothing_and_blocks_nobody() -> None:
    learned = Learned()
    with pytest.raises(ValueError), learned.turn():
        raise ValueError
    with learned.turn(), learned.turn():  # no longer one by one
        assert learned.known is None
