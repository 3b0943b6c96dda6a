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
#: what the call that moves tags after gates needs not know: it was done when images were staged
DONE_BEFORE = {
    *("state", "destination_tag", "immutable_tags", "referrers", "integrity", "platforms"),
    *("platforms_missing", "signed_by", "bandwidth_limit", "max_bytes", "min_age"),
}


def test_every_option_is_handed_over_and_documented() -> None:
    call = _call("main.yml")
    text = (ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    documented = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    for option in names.OPTIONS:
        assert names.PREFIX + option in documented
        if option not in BY_A_STEP:
            assert f"mirror__plan.options.{option} | default(omit)" in str(call[option])


def test_the_call_that_moves_tags_is_given_what_it_needs() -> None:
    first, second = (_call(name) for name in ("main.yml", "gates.yml"))
    for option in set(names.OPTIONS) - DONE_BEFORE - BY_A_STEP:
        assert second[option] == first[option]
    for option in ("declared", "registries", "auth_file"):
        assert second[option] == first[option]
    assert not DONE_BEFORE & second.keys()


def _call(name: str) -> dict[str, object]:
    tasks = yaml.safe_load((ROLE / "tasks" / name).read_text(encoding="utf-8"))
    module = "imagesync.registry.image_sync"
    (call,) = [task[module] for task in tasks if module in task]
    return dict(call)
