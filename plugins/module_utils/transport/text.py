# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text from servers, made fit for a message: no control characters, no secrets, not too long."""

from __future__ import annotations

import base64
import json
import re
import threading
from urllib.parse import quote, urlsplit

#: C0 and C1 controls, and the marks that reorder or hide text in a terminal
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+"
)


def clean(text: str, limit: int = 300) -> str:
    """``text`` on one line, without control characters, at most ``limit`` characters."""
    text = _UNSAFE.sub(" ", text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """``text`` with each of ``secrets`` replaced: a server may repeat them, also in JSON."""
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1]):
            if form:
                text = text.replace(form, "********")
    return text


class Scrubber:
    """Makes any text fit to be shown: a server may send back what it was sent, in some disguise."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._lock = threading.Lock()

    def add(self, *secrets: str) -> None:
        """What must never be shown, in none of the forms in which it travels."""
        with self._lock:
            # a shorter one would tear holes into every text, and is no secret
            self._secrets.update(secret for secret in secrets if len(secret) > 3)

    def add_login(self, username: str, password: str) -> None:
        """A password, and what Basic makes of it."""
        if password:
            self.add(password, _base64(f"{username}:{password}"), _base64(password))

    def __call__(self, text: str, limit: int = 4000) -> str:
        """``text`` without secrets and control characters; line breaks stay."""
        with self._lock:
            secrets = sorted(self._secrets, key=len, reverse=True)
        for secret in secrets:
            for form in dict.fromkeys(
                (secret, quote(secret, safe="", errors="replace"), json.dumps(secret)[1:-1])
            ):
                text = re.sub(re.escape(form), "********", text, flags=re.IGNORECASE)
        return "\n".join(clean(line, limit) for line in text.split("\n"))


def _base64(text: str) -> str:
    """Without padding, which some leave out."""
    return base64.b64encode(text.encode("utf-8", "replace")).decode().rstrip("=")


def printable_url(url: str) -> str:
    """``url`` without user information and query: presigned URLs carry their secret there."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return clean(f"{parts.scheme}://{host}{parts.path}")
