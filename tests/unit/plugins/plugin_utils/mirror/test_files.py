# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock on the controller, which another run of the role may write at the same time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.files import (
    load_lock,
    save_lock,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, B

BROKEN = '{"version": 1, '


def _document(**digests: str) -> dict[str, Any]:
    entry = {"source": "docker.io/library/a:1", "media_type": "", "platforms": ["linux/amd64"]}
    images = {
        f"r.example/{name}:1": {**entry, "source_digest": digest, "digest": digest}
        for name, digest in digests.items()
    }
    return {"version": 1, "images": images}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def test_what_two_runs_have_locked_is_in_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "host.json"
    before = load_lock(str(path)).document()
    assert save_lock(str(path), before, _document(a=A), check_mode=True) == (True, [])
    assert not path.parent.exists()
    assert save_lock(str(path), before, _document(a=A), check_mode=False) == (True, [])
    assert save_lock(str(path), {}, _document(b=B), check_mode=False) == (True, [])
    assert path.read_text() == _text(_document(a=A, b=B))
    # one of them again, which is nothing new; and what both have changed
    assert save_lock(str(path), before, _document(a=A), check_mode=False) == (False, [])
    changed, warnings = save_lock(str(path), before, _document(b=A), check_mode=False)
    assert changed and "mirror_lock_file /" in warnings[0] and "r.example/b:1" in warnings[0]
    assert path.read_text() == _text(_document(a=A, b=A))


def test_a_lock_that_is_damaged_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    path.write_text(BROKEN)
    with pytest.raises(InvalidInput, match=r"mirror_lock_file .*left alone.*nevertheless"):
        save_lock(str(path), _document(a=A), _document(a=B), check_mode=False)
    assert path.read_text() == BROKEN
    # nothing to write is nothing to complain of
    assert save_lock(str(path), _document(a=A), _document(a=A), False) == (False, [])
