# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make soak` for a moment, so that it works when it is needed."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.imagesync.registry.tests.soak.soaking import Soak


def test_a_short_soak(tmp_path: Path) -> None:
    said: list[str] = []
    soak = Soak(20, 1, 0.1, tmp_path, said.append, first_delay=0.01, rounds=2)
    soak.run()
    assert len(soak.runs) >= 4 and soak.requests > 300
    assert soak.faults.total() > 20 and len(soak.faults) > 8 and soak.retries > 10
    assert 10 < soak.memory < 250
    assert said[0] == "round 1: 20 of 20 tags are new"
