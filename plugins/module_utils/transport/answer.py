# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One answer of a server: status, headers, and a body whose length is counted by us.

Old versions of requests and urllib3 return a cut-off body without an error, and all of them
undo a Content-Encoding unasked; a digest is over the bytes as they are.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from typing import Any, Callable

from ..model.errors import Cancelled, ConnectionFailed, InvalidContent
from .libraries import urllib3


class Answer:
    """What a server said to one request. Read or close it, so that its connection is free."""

    __slots__ = ("_raw", "authorization", "ended", "headers", "status", "url")

    def __init__(self, raw: Any, url: str) -> None:
        """``raw``: a response of urllib3."""
        #: called when the answer is at its end, or given up, perhaps more than once
        self.ended: Callable[[], None] | None = None
        self._raw = raw
        self.status: int = raw.status
        #: case-insensitive; repeated headers joined by ", "
        self.headers: Any = raw.headers
        self.url = url
        #: what the request carried: a server may repeat it, and it mustn't be printed
        self.authorization = ""

    def header(self, name: str) -> str:
        """The header's value, "" where it is missing."""
        return str(self.headers.get(name, ""))

    def all_headers(self, name: str) -> list[str]:
        """Each value of a header that may be repeated."""
        return list(self.headers.getlist(name))

    def length(self) -> int | None:
        """Content-Length, None where it is missing or not a number."""
        text = self.header("Content-Length")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None

    def read(self, limit: int, what: str) -> bytes:
        """The whole body; InvalidContent when it is longer than ``limit`` bytes."""
        length = self.length()
        if length is not None and length > limit:
            self.close()
            raise InvalidContent(f"{what} is larger than {limit} bytes")
        parts = []
        total = 0
        try:
            for part in self.chunks():
                parts.append(part)
                total += len(part)
                if total > limit:
                    self.close()
                    raise InvalidContent(f"{what} is larger than {limit} bytes")
        except ConnectionFailed as error:
            raise ConnectionFailed(f"{what} can't be read: {error}") from None
        if length is not None and total != length:
            raise ConnectionFailed(f"{what} ended after {total} of {length} bytes")
        return b"".join(parts)

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        """The body in pieces of at most ``size`` bytes, as it was sent."""
        encoding = self.header("Content-Encoding").lower()
        if encoding not in ("", "identity"):
            self.close()
            raise InvalidContent(
                f"{_host(self.url)} sent {encoding[:40]!r} encoded content, which wasn't asked for"
            )
        try:
            with _reading(self.url):
                while True:
                    part = self._raw.read(size, decode_content=False)
                    if not part:
                        self._end()
                        return
                    yield part
        except (Cancelled, ConnectionFailed):
            self.close()  # the failure may be remembered, and this answer with it
            raise

    def drain(self) -> None:
        """Reads a short rest, so that the connection can be used again; else closes it."""
        try:
            for total, part in enumerate(self.chunks(1 << 16)):
                if total > 4 or not part:
                    break
            else:
                return
        except (Cancelled, ConnectionFailed, InvalidContent):
            pass
        self.close()

    def close(self) -> None:
        """Gives the connection up without reading on."""
        with contextlib.suppress(Exception):
            self._raw.close()
        with contextlib.suppress(Exception):
            self._raw.release_conn()
        self._end()

    def _end(self) -> None:
        if self.ended:
            self.ended()

    def __del__(self) -> None:
        # one that nobody read to its end, because something else failed
        self._end()


def _host(url: str) -> str:
    return url.split("/", 3)[2].rpartition("@")[2]


@contextlib.contextmanager
def _reading(url: str) -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.ReadTimeoutError:
        raise ConnectionFailed(f"{_host(url)} stopped sending in the middle of an answer") from None
    except (
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        OSError,
        ValueError,
        AttributeError,
    ) as error:
        # ValueError and AttributeError: some versions raise them for a broken chunked body
        reason = type(error).__name__
        raise ConnectionFailed(
            f"{_host(url)} broke off in the middle of an answer ({reason})"
        ) from None
