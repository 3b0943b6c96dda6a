# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import names
from ansible_collections.imagesync.registry.tests.unit.support import ROOT

yaml = pytest.importorskip("yaml", reason="the role is YAML, which needs PyYAML")
ROLE = ROOT / "roles" / "mirror"
#: given to image_sync by a step of the role
BY_A_STEP = {"prune"}


def test_every_option_is_handed_over_and_documented() -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text(encoding="utf-8"))
    (call,) = [
        t["imagesync.registry.image_sync"] for t in tasks if "imagesync.registry.image_sync" in t
    ]
    text = (ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    documented = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    for option in names.OPTIONS:
        assert names.PREFIX + option in documented
        if option not in BY_A_STEP:
            assert f"mirror__plan.options.{option} | default(omit)" in call[option]
    assert not set(names.NOT_YET) & documented.keys()
