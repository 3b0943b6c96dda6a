# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server saw: one record per request, and the questions that tests ask of them."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

KINDS = (
    ("ping", re.compile(r"/v2/?")),
    ("manifest", re.compile(r"/v2/(?P<repo>.+)/manifests/(?P<reference>[^/]+)")),
    ("upload", re.compile(r"/v2/(?P<repo>.+)/blobs/uploads/(?P<reference>.*)")),
    ("blob", re.compile(r"/v2/(?P<repo>.+)/blobs/(?P<reference>[^/]+)")),
    ("tags", re.compile(r"/v2/(?P<repo>.+)/tags/list")),
    ("referrers", re.compile(r"/v2/(?P<repo>.+)/referrers/(?P<reference>[^/]+)")),
    ("token", re.compile(r"/token")),
)


@dataclass
class Request:
    """One request as it arrived, and what became of it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    fault: str = ""
    kind: str = field(init=False, default="other")
    repo: str = field(init=False, default="")
    reference: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Name the endpoint that was asked."""
        for kind, pattern in KINDS:
            match = pattern.fullmatch(self.path)
            if match:
                self.kind = kind
                self.repo = match.groupdict().get("repo", "")
                self.reference = match.groupdict().get("reference", "")
                return

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query as it was sent, byte for byte."""
        return self.target.partition("?")[2]

    @property
    def params(self) -> dict[str, str]:
        """The query decoded, the last value of each name."""
        return {k: v[-1] for k, v in parse_qs(self.query, keep_blank_values=True).items()}

    @property
    def is_write(self) -> bool:
        """Whether this method may change something."""
        return self.method not in ("GET", "HEAD")

    def header(self, name: str) -> str | None:
        """All values of a header joined by commas, None without it."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def __str__(self) -> str:
        """A line for messages: method, target, status, fault."""
        fault = f" ({self.fault})" if self.fault else ""
        return f"{self.method} {self.target} -> {self.status}{fault}"


class Recorder:
    """Keeps the requests that a server got, in the order of their arrival."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._lock = threading.RLock()
        self._requests: list[Request] = []
        self._busy = 0
        self.peak = 0

    @property
    def requests(self) -> list[Request]:
        """A copy of what was seen so far."""
        with self._lock:
            return list(self._requests)

    def begin(self, method: str, target: str, headers: Iterable[tuple[str, str]]) -> Request:
        """Note a request that has arrived."""
        request = Request(method, target, list(headers))
        with self._lock:
            self._requests.append(request)
            self._busy += 1
            self.peak = max(self.peak, self._busy)
        return request

    def end(self) -> None:
        """Note that a request is done with."""
        with self._lock:
            self._busy -= 1

    def select(self, method: str | None = None, kind: str | None = None) -> list[Request]:
        """The requests of this method and this kind."""
        return [
            request
            for request in self.requests
            if method in (None, request.method) and kind in (None, request.kind)
        ]

    def count(self, method: str | None = None, kind: str | None = None) -> int:
        """How many requests of this method and this kind."""
        return len(self.select(method, kind))

    def methods(self) -> Counter[tuple[str, str]]:
        """How many requests of each (method, kind)."""
        return Counter((request.method, request.kind) for request in self.requests)

    def writes(self) -> list[Request]:
        """Everything that isn't GET or HEAD."""
        return [request for request in self.requests if request.is_write]

    def with_header(self, name: str) -> list[Request]:
        """The requests that carried this header."""
        return [request for request in self.requests if request.header(name) is not None]

    def saw(self, text: str) -> list[Request]:
        """The requests with this text in their target or a header: for secrets that leak."""
        return [
            request
            for request in self.requests
            if text in request.target or any(text in value for _name, value in request.headers)
        ]

    def clear(self) -> None:
        """Forget what was seen."""
        with self._lock:
            self._requests.clear()
            self.peak = self._busy
