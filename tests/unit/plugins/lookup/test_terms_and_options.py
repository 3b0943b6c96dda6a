# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="lookups run on the controller, inside Ansible")

from ansible.errors import AnsibleLookupError

from ansible_collections.imagesync.registry.plugins.lookup import image_digest, image_tags
from ansible_collections.imagesync.registry.plugins.plugin_utils.options import texts


class OfTemplate(list[Any]):
    """A list as templates give it: a copy of it takes Ansible's templating along."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("a list of a template was copied with all that belongs to it")


def test_lists_of_templates_are_made_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = image_tags.LookupModule()
    options = {"tags": OfTemplate(["1.x.x"]), "exclude": OfTemplate(["1.2.*"])}
    monkeypatch.setattr(lookup, "get_option", options.get)
    assert lookup._selection().select(["1.0.0", "1.1.0", "1.2.0"]) == ["1.1.0", "1.0.0"]


@pytest.mark.parametrize(
    ("term", "what"),
    [
        (None, "empty"),
        (5, r"a number \(5\)"),
        (True, "true or false"),
        ({"a": "b"}, "a mapping"),
        (["r.example/app"], "a list"),
    ],
)
def test_a_term_is_text(term: Any, what: str) -> None:
    with pytest.raises(AnsibleLookupError, match=f"^term 2 must be text, not {what}$"):
        texts(["r.example/app", term])


@pytest.mark.parametrize("door", [image_digest, image_tags], ids=["image_digest", "image_tags"])
def test_both_lookups_say_so(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = door.LookupModule()
    monkeypatch.setattr(lookup, "set_options", lambda **_options: None)
    monkeypatch.setattr(door, "check_lookup", lambda *_arguments: None)
    monkeypatch.setattr(door, "lookup_settings", lambda *_arguments: None)
    monkeypatch.setattr(lookup, "get_option", lambda _name: None)
    with pytest.raises(AnsibleLookupError, match="term 1 must be text, not empty"):
        lookup.run([None])
