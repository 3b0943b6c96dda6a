# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What registries say of the requests that they allow, and keeping to it.

Docker Hub sends ``ratelimit-limit: 100;w=21600`` and ``ratelimit-remaining: 76;w=21600``; others
``RateLimit-Reset`` (draft-ietf-httpapi-ratelimit-headers) or ``X-RateLimit-*`` with a time.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..model.errors import NothingLeft
from ..model.reference import DOCKER_HUB
from ..model.sizes import format_span
from .retry import LONGEST_PAUSE

_WINDOW = re.compile(r";\s*w=(\d{1,9})")
#: an answer without any of these tells nothing
_SIGNS = ("RateLimit-Limit", "RateLimit-Remaining", "X-RateLimit-Limit", "X-RateLimit-Remaining")
#: above this, a time in seconds is one since 1970
_EPOCH = 10**9
#: and above this, one in milliseconds
_EPOCH_MS = 10**12
#: the first number of a list; not the beginning of a date
_NUMBER = re.compile(r"\s*(\d{1,15})(?![\d-])")


@dataclass(frozen=True)
class RateLimit:
    """``limit`` requests in ``window`` seconds, of which ``remaining`` are left.

    ``reset``: seconds until there are more. None is what a registry doesn't tell.
    """

    limit: int | None = None
    remaining: int | None = None
    window: int | None = None
    reset: float | None = None

    def as_dict(self) -> dict[str, int]:
        """The fields of the result that are known."""
        names = ("limit", "remaining", "window")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """What an answer's headers (looked up without regard to case) tell; None if nothing."""
    if not any(name in headers for name in _SIGNS):
        return None
    for prefix in ("RateLimit-", "X-RateLimit-"):
        texts = [str(headers.get(prefix + name) or "") for name in ("Limit", "Remaining", "Reset")]
        limit, remaining, reset = (_number(text) for text in texts)
        if limit is None and remaining is None:
            continue
        windows = _WINDOW.findall(texts[1]) or _WINDOW.findall(texts[0])
        window = int(windows[0]) if windows else None
        left = None if reset is None else float(reset)
        if left is not None and left >= _EPOCH_MS:
            left /= 1000
        if left is not None and left >= _EPOCH:
            left = max(0.0, left - time.time())
        return RateLimit(limit, remaining, window, left)
    return None


def _number(text: str) -> int | None:
    match = _NUMBER.match(text)
    return int(match.group(1)) if match else None


class Quota:
    """One host's limit, kept by all threads.

    ``questions`` are what counts against limits: reading manifests, tags and referrers. While
    few are left, no more are under way than that.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._state = threading.Condition()
        self._told: RateLimit | None = None
        self._learned = 0.0
        self._under_way = 0
        self._spent_until: float | None = None
        self._closed_until: float | None = None

    @property
    def told(self) -> RateLimit | None:
        """The last that the host said."""
        return self._told

    @contextlib.contextmanager
    def asking(self, question: bool) -> Iterator[None]:
        """Around a request; raises NothingLeft where the host won't answer it."""
        with self._state:
            self._refuse(self._closed_until)
            if question:
                self._take_one()
        try:
            yield
        finally:
            if question:
                with self._state:
                    self._under_way -= 1
                    self._state.notify_all()

    def _take_one(self) -> None:
        while True:
            self._refuse(self._spent_until)
            left = self._told.remaining if self._told else None
            if not left or self._under_way < left:
                self._under_way += 1
                return
            self._state.wait()

    def learn(self, told: RateLimit, began: float | None = None) -> float:
        """What an answer said; returns for how many seconds the host is to be left alone.

        ``began``: when it was asked for. What was asked before the last answer came may be older
        than that one, and doesn't make the number left larger.
        """
        with self._state:
            known = self._told.remaining if self._told else None
            older = began is not None and began < self._learned
            if older and known is not None and told.remaining is not None:
                told = replace(told, remaining=min(known, told.remaining))
            self._told, self._learned = told, time.monotonic()
            if told.remaining != 0:
                return 0.0
            if told.reset is not None and told.reset <= LONGEST_PAUSE:
                return told.reset
            wait = told.reset if told.reset is not None else told.window
            self._spent_until = time.monotonic() + (wait or 3600.0)
            self._state.notify_all()
            return 0.0

    def spend(self, seconds: float | None, everything: bool) -> None:
        """The host refuses, and won't answer before so many seconds.

        ``everything``: not only questions.
        """
        with self._state:
            window = self._told.window if self._told else None
            until = time.monotonic() + (seconds or window or 3600.0)
            self._spent_until = until
            if everything:
                self._closed_until = until
            self._state.notify_all()

    def _refuse(self, until: float | None) -> None:
        left = (until or 0.0) - time.monotonic()
        if left <= 0:
            return
        if left > 60:  # the same words for all that asks in the meantime
            left = math.ceil(left / 60) * 60
        told = self._told
        amount = "its requests"
        if told and told.limit:
            span = f" in {format_span(told.window)}" if told.window else ""
            amount = f"its {told.limit} requests{span}"
        raise NothingLeft(
            f"{self._host} says that nothing of {amount} is left; come back in {format_span(left)}",
            429,
            host=self._host,
        )


class Quotas:
    """The limits of all hosts of a call."""

    def __init__(self) -> None:
        self._hosts: dict[str, Quota] = {}
        self._lock = threading.Lock()

    def of(self, host: str) -> Quota:
        """The limit of one host."""
        with self._lock:
            return self._hosts.setdefault(host, Quota(host))

    def told(self) -> dict[str, dict[str, Any]]:
        """What the registries said last, by host."""
        known = {host: quota.told for host, quota in self._hosts.items()}
        return {host: told.as_dict() for host, told in sorted(known.items()) if told}


def is_question(host: str, method: str, path: str) -> bool:
    """Whether a request counts against limits; at Docker Hub it's reading manifests alone."""
    if host == DOCKER_HUB:
        return method == "GET" and "/manifests/" in path
    if method not in ("GET", "HEAD"):
        return False
    return any(part in path for part in ("/manifests/", "/tags/list", "/referrers/"))
