# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible.errors import AnsibleLookupError

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    REGISTRY_OPTIONS,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils import options as module
from ansible_collections.imagesync.registry.plugins.plugin_utils.options import lookup_settings

DEFAULTS: dict[str, Any] = {
    "registries": None,
    "auth_file": None,
    "concurrency": 16,
    "retries": 5,
    "timeout": 60,
}


class Lookup:
    """A lookup plugin whose options are set."""

    def __init__(self, origin: str = "var: x", **options: Any) -> None:
        self.options = {**DEFAULTS, **options}
        self.origin = origin
        self._templar = self

    def get_option(self, name: str) -> Any:
        return self.options[name]

    def get_option_and_origin(self, name: str) -> tuple[Any, str]:
        return self.options[name], self.origin

    def template(self, value: Any) -> Any:
        return value.replace("{{ x }}", "value") if isinstance(value, str) else value


@pytest.fixture(autouse=True)
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects what is told to the user."""
    told: list[str] = []

    class Display:
        def warning(self, text: str) -> None:
            told.append(text)

    monkeypatch.setattr(module, "Display", Display)
    return told


ENTRY = {"name": "r.example", "username": "u", "password": "p"}


@pytest.mark.parametrize("given", [[ENTRY], json.dumps([ENTRY])])
def test_registries_as_a_list_or_as_json(given: Any) -> None:
    (entry,) = lookup_settings(Lookup(registries=given)).entries
    assert (entry.host, entry.username, entry.password) == ("r.example", "u", "p")


#: each field, as it comes from a variable that was templated: all text
FIELDS: dict[str, Any] = {
    "name": "r.example",
    "username": "u",
    "password": "p",
    "token": "t",
    "identity_token": "i",
    "helper": "pass",
    "auth": "google",
    "plain_http": "no",
    "validate_certs": "yes",
    "ca_path": __file__,
    "client_cert": __file__,
    "client_key": __file__,
    "proxy": "http://proxy.example:3128",
    "mirrors": "m.example,n.example/hub",
    "max_connections": "3",
    "requests_per_second": "2.5",
    "create_repository": "true",
}


@pytest.mark.parametrize("given", [[FIELDS], json.dumps([FIELDS])])
def test_each_field_of_registries(given: Any) -> None:
    assert set(FIELDS) == set(REGISTRY_OPTIONS)
    (entry,) = lookup_settings(Lookup(registries=given)).entries
    texts = ("username", "password", "token", "identity_token", "helper", "auth", "proxy")
    for name in (*texts, "ca_path", "client_cert", "client_key"):
        assert getattr(entry, name) == FIELDS[name]
    flags = (entry.plain_http, entry.validate_certs, entry.create_repository)
    assert flags == (False, True, True)
    assert entry.mirrors == ("m.example", "n.example/hub")
    assert (entry.max_connections, entry.requests_per_second) == (3, 2.5)


@pytest.mark.parametrize("given", [None, "", " \n", "[]", "null", []])
def test_no_registries(given: Any) -> None:
    assert lookup_settings(Lookup(registries=given)).entries == ()


@pytest.mark.parametrize("given", ["{", '{"name": "r"}', '"r"', "5", {"name": "r"}, 5, True])
def test_what_is_no_list_of_registries(given: Any) -> None:
    with pytest.raises(AnsibleLookupError, match="must be a list of dictionaries"):
        lookup_settings(Lookup(registries=given))


def test_entries_are_checked_as_in_modules() -> None:
    with pytest.raises(AnsibleLookupError, match="name"):
        lookup_settings(Lookup(registries=[{"username": "u"}]))
    with pytest.raises(AnsibleLookupError, match=r"^unsupported: registries\.nonsense"):
        lookup_settings(Lookup(registries=[{"name": "r", "nonsense": 1}]))
    with pytest.raises(InvalidInput, match="no password"):
        lookup_settings(Lookup(registries=[{"name": "r.example", "username": "u"}]))


def test_values_have_the_types_of_modules() -> None:
    given = Lookup(registries=[{"name": "r.example", "plain_http": "yes"}], retries="3")
    found = lookup_settings(given)
    assert found.entries[0].plain_http is True
    assert found.retries == 3


def test_values_of_variables_are_templated() -> None:
    found = lookup_settings(Lookup(auth_file="/{{ x }}/auth.json", timeout=7))
    assert (found.auth_file, found.timeout) == ("/value/auth.json", 7)


def test_values_of_the_environment_are_taken_as_they_are() -> None:
    password = "{{ x }}"
    registries = json.dumps([{**ENTRY, "password": password}])
    given = Lookup("env: IMAGESYNC_REGISTRIES", registries=registries, auth_file="/{{ x }}")
    found = lookup_settings(given)
    assert (found.entries[0].password, found.auth_file) == (password, "/{{ x }}")


def test_bounds_are_those_of_modules() -> None:
    with pytest.raises(InvalidInput, match="concurrency must be"):
        lookup_settings(Lookup(concurrency=0))


def test_warnings_are_told(warnings: list[str]) -> None:
    lookup_settings(Lookup(registries=[{"name": "r.example", "validate_certs": False}]))
    assert warnings == ["the certificate of r.example isn't checked (validate_certs: false)"]
