# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text from servers, made fit for a message: no control characters, no secrets, not too long."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: C0 and C1 controls, and the marks that reorder or hide text in a terminal
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+"
)


def clean(text: str, limit: int = 300) -> str:
    """``text`` on one line, without control characters, at most ``limit`` characters."""
    text = _UNSAFE.sub(" ", text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """``text`` with each of ``secrets`` replaced: a server may repeat what it was sent."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "********")
    return text


def printable_url(url: str) -> str:
    """``url`` without user information and query: presigned URLs carry their secret there."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return clean(f"{parts.scheme}://{host}{parts.path}")
