# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that modules and lookups share: once, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..model.errors import InvalidInput
from ..model.sizes import parse_size
from ..transport.settings import Settings, read_entries

REGISTRY_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "identity_token": {"type": "str", "no_log": True},
    "plain_http": {"type": "bool"},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "max_connections": {"type": "int"},
    "requests_per_second": {"type": "float"},
}
#: options of the doc fragment "connection"
CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "registries": {"type": "list", "elements": "dict", "options": REGISTRY_OPTIONS},
    "auth_file": {"type": "path", "aliases": ["authfile"]},
    "concurrency": {"type": "int", "default": 16},
    "retries": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 60},
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


def check_masking(settings: Settings, references: Iterable[str]) -> None:
    """Refuses a secret that Ansible would find, and mask, inside what the result says.

    Ansible replaces every occurrence of a no_log value, also in the middle of a digest: the
    result would name an image that doesn't exist. The message must not say which secret.
    """
    texts = ["sha256:", *references]
    for secret in settings.secrets():
        in_digest = len(secret) < 8 and all(char in "0123456789abcdef" for char in secret)
        if in_digest or any(secret in text for text in texts):
            raise InvalidInput(
                "a password or token in registries also occurs inside an image reference, or is "
                "so short that it may occur inside a digest; Ansible would mask it there and "
                "so corrupt the result. Choose another one, or give it through auth_file"
            )
