# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of variables: plain, and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    without_login,
)


def plain(value: Any) -> Any:
    """The same without what Ansible attaches to values; nothing in it is a template any more."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(one) for one in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return value


def shown(value: Any, limit: int = 100) -> str:
    """A value in a message."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def kind(value: Any) -> str:
    """What a value is, in a user's words."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"text ({shown(without_login(value), 60)})"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"a number ({value})"
    return "empty" if value is None else f"{type(value).__name__} ({value})"


def text(value: Any, name: str) -> str:
    """A value that must be text; raises InvalidInput, which calls it ``name``."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        inside = ", ".join(str(key) for key in value)
        raise InvalidInput(
            f"{name} is a mapping: YAML reads braces so; write it in quotes, as in "
            f"{name.rpartition(' ')[2]}: '{{{inside}}}'"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidInput(f"{name} must be text, not {kind(value)}; write it in quotes")


def text_list(value: Any, name: str) -> list[str]:
    """A value that must be a list of text; raises InvalidInput."""
    if not isinstance(value, list):
        raise InvalidInput(f"{name} must be a list, not {kind(value)}")
    return [text(one, f"{name}[{number}]") for number, one in enumerate(value)]
