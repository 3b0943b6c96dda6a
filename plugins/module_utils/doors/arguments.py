# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that modules and lookups share: once, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.errors import InvalidInput
from ..model.sizes import parse_size
from ..sync.selection import MAX_TAGS
from ..transport.settings import Settings, read_entries

REGISTRY_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "identity_token": {"type": "str", "no_log": True},
    "helper": {"type": "str"},
    "auth": {"type": "str", "choices": ["auto", "anonymous", "basic", "google", "ecr"]},
    "plain_http": {"type": "bool"},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "proxy": {"type": "str", "no_log": True},
    "mirrors": {"type": "list", "elements": "str"},
    "max_connections": {"type": "int"},
    "requests_per_second": {"type": "float"},
    "create_repository": {"type": "bool"},
}
#: options of the doc fragment "connection"
CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "registries": {"type": "list", "elements": "dict", "options": REGISTRY_OPTIONS},
    "auth_file": {"type": "path", "aliases": ["authfile"]},
    "concurrency": {"type": "int", "default": 16},
    "retries": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 60},
}
#: the option ``filter``; the lookup image_tags has them by themselves
FILTER_OPTIONS: dict[str, dict[str, Any]] = {
    "semver": {"type": "str"},
    "include": {"type": "list", "elements": "str"},
    "exclude": {"type": "list", "elements": "str"},
    "prereleases": {"type": "bool", "default": False},
    "variants": {"type": "list", "elements": "str"},
    "newest": {"type": "int"},
    "max_tags": {"type": "int", "default": MAX_TAGS},
    "allow_empty": {"type": "bool", "default": False},
}
_LEAST = {"concurrency": 1, "retries": 0, "timeout": 1}
_MOST = {"concurrency": 256, "retries": 100, "timeout": 86_400}


def read_settings(values: Mapping[str, Any]) -> Settings:
    """The Settings that these options make; raises InvalidInput."""
    for name, least in _LEAST.items():
        if not least <= values[name] <= _MOST[name]:
            raise InvalidInput(f"{name} must be between {least} and {_MOST[name]}")
    limit = values.get("bandwidth_limit")  # image_sync alone has it
    return Settings(
        read_entries(values.get("registries")),
        values.get("auth_file"),
        values["retries"],
        values["timeout"],
        values["concurrency"],
        parse_size(limit, "bandwidth_limit") if limit is not None else None,
    )


def read_annotations(given: Mapping[Any, Any] | None) -> dict[str, str]:
    """The option ``annotations`` as text, which is what annotations are; raises InvalidInput."""
    found = {}
    for name, value in (given or {}).items():
        if isinstance(value, bool):
            value = str(value).lower()
        if not isinstance(value, (str, int, float)):
            raise InvalidInput(f"annotations: the value of {name} must be text")
        found[str(name)] = str(value)
    return found
