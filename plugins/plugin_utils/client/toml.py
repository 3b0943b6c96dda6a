# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Just as much of TOML 1.0 as the files of container runtimes need."""

from __future__ import annotations

import json

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

#: what the files that we write begin with; only such files are replaced or removed
MARK = "# Written by the role imagesync.registry.client; changes are overwritten."

Value = str | bool | list[str]


def quoted(text: str) -> str:
    """A basic string (TOML 1.0, "String"): that of JSON, and DEL is escaped as well.

    Raises InvalidInput for half of a surrogate pair, which is no character.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(f"{text!r} is no text in UTF-8") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def pair(key: str, value: Value) -> str:
    """One line. The key is bare: letters, digits, dashes and underscores."""
    if isinstance(value, bool):
        return f"{key} = {'true' if value else 'false'}"
    if isinstance(value, str):
        return f"{key} = {quoted(value)}"
    return f"{key} = [{', '.join(map(quoted, value))}]"


def table(header: str, values: dict[str, Value]) -> list[str]:
    """A table with its header as it is to stand there, as ``[[registry]]``; "" for the root."""
    return [*([header] if header else []), *(pair(*item) for item in values.items())]
