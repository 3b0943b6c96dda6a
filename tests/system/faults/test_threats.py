# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threats that no fault stands for."""

from __future__ import annotations

import json

from tests.support import images
from tests.support.content import to_json
from tests.support.faults import ALWAYS
from tests.support.judging import Judge
from tests.support.sync import sync

IMAGE = images.image("threats", layers=2)


def test_threat_13_control_characters_in_what_a_registry_says(judge: Judge) -> None:
    """A terminal that shows them does as they say."""
    judge.given(IMAGE)
    said = "\x1b]0;owned\x07 \x1b[2J\u202egnp\u2066 \x9b31m\r\nCHANGED: all well" + "x" * 5000
    body = to_json({"errors": [{"code": "DENIED\x1b[31m", "message": said, "detail": said}]})
    fault = judge.source.inject("GET .*/manifests/", "status", 403, times=ALWAYS, body=body)
    message = judge.refuses(fault, says=(judge.source.host, "DENIED", "CHANGED: all well"))
    assert message.isprintable() and len(message) < 800


def test_threat_17_mounts_from_repositories_that_nobody_named(judge: Judge) -> None:
    """What another repository holds isn't asked for there, though it would come for nothing."""
    judge.given(IMAGE)
    there = judge.sides.destination
    private = f"{there.repository}/private"
    there.push(IMAGE, repository=private)
    targets = [f"{there.repository}/{name}" for name in ("a", "b")]
    entries = [
        {"source": judge.sides.source.ref(), "destination": there.ref("1", target)}
        for target in targets
    ]
    result = sync(images=entries, referrers="never")
    assert not result.get("failed") and result["stats"]["blobs_copied"] == len(IMAGE.blobs)
    lenders = {r.params["from"] for r in judge.destination.select("POST") if "from" in r.params}
    assert lenders and lenders <= set(targets)
    assert private not in json.dumps([str(r) for r in judge.destination.requests])
