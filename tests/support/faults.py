# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults: what can go wrong between a client and a registry, as rules for the proxy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

ALWAYS = -1

# Without a word to the registry.
EARLY = ("rst_before", "hang", "early_status", "status", "rst_body", "slow_head", "flood")
# The registry has done what was asked; the answer changes or is lost.
LATE = ("rst_after", "status_after", "drop_header", "set_header")
# The answer's body changes.
BODY = ("truncate", "close_short", "corrupt", "wrong_length", "slow")
# The request goes through, later or after a call.
THROUGH = ("delay", "pass", "hang_up")


@dataclass
class Fault:
    """What happens to the requests that match "METHOD path?query".

    rst_before            reset before the request is read
    rst_body(k)           reset after k bytes of the request's body went on
    rst_after             the registry did it, the answer is lost
    status(code)          this answer (with headers, body) in place of the registry's
    early_status(code)    the same, without reading the request's body; then closes
    status_after(code)    the same, but the registry did it
    truncate(k)           reset after k bytes of the answer's body
    close_short(k)        ordinary close after k bytes of the answer's body
    corrupt(i)            one bit of byte i is flipped
    wrong_length(n)       Content-Length is off by n; then closes, which a client that got
                          less than there is (n < 0) notices with its next request only
    slow(k)               k bytes at a time, `pause` seconds between
    drop_header(name)     the answer lacks this header
    set_header            the answer has `headers` in place of its own
    delay(seconds)        goes through later
    hang(seconds)         no answer for so long, then closes
    slow_head(seconds)    a head that never ends, a byte each `pause` seconds; then closes
    flood(n)              n times "100 Continue", and no answer; then closes
    hang_up               goes through, and then the connection is closed without a word
    pass                  goes through (for `call`, or to count hits)

    `skip` requests that match go through before, `times` ones are hit (ALWAYS: all). `call` is
    called before anything else happens to a hit. `hits` counts them. `after` is called, with
    rst_body, rst_after and status_after, between what the registry got and what the client sees.
    """

    match: str
    action: str
    arg: int | float | str = 0
    times: int = 1
    skip: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pause: float = 0.5
    call: Callable[[], object] | None = None
    after: Callable[[], object] | None = None
    hits: int = 0
    _seen: int = 0

    def __post_init__(self) -> None:
        """Refuse what no proxy would do, so that no fault is forgotten in silence."""
        if self.action not in EARLY + LATE + BODY + THROUGH:
            raise ValueError(f"no such fault: {self.action}")

    @property
    def number(self) -> int:
        """The argument where it counts bytes or is a status."""
        return int(self.arg)

    def applies(self, line: str) -> bool:
        """Whether this request is hit; counts it."""
        if not re.search(self.match, line) or self.hits == self.times:
            return False
        self._seen += 1
        if self._seen <= self.skip:
            return False
        self.hits += 1
        return True

    def rewrite(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The answer's headers as this fault lets them through."""
        if self.action == "drop_header":
            return [(n, v) for n, v in headers if n.lower() != str(self.arg).lower()]
        if self.action == "set_header":
            ours = {name.lower() for name in self.headers}
            return [(n, v) for n, v in headers if n.lower() not in ours] + [*self.headers.items()]
        return headers


def corrupt(pieces: Iterator[bytes], index: int) -> Iterator[bytes]:
    """Flip one bit of the byte at this index."""
    start = 0
    for piece in pieces:
        if start <= index < start + len(piece):
            at = index - start
            yield piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]
        else:
            yield piece
        start += len(piece)


def first_bytes(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """No more than this many bytes."""
    for piece in pieces:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            return


def small_pieces(pieces: Iterator[bytes], size: int, wait: Callable[[], object]) -> Iterator[bytes]:
    """The same bytes, few at a time, with a wait after each."""
    for piece in pieces:
        for start in range(0, len(piece), size):
            yield piece[start : start + size]
            wait()
