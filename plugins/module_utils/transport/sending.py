# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request along its redirects; only the first origin sees the Authorization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Callable, NamedTuple, Optional, Union

from ..model.errors import ConnectionFailed, RegistryError
from .answer import Answer
from .trust import redirect_target
from .wire import origin_of

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
Body = Optional[Union[bytes, Callable[[], Iterable[bytes]]]]
#: (label, method, url, headers, body, patience, home) -> the answer to one request
Exchange = Callable[..., Answer]


class Sending(NamedTuple):
    """A request as it is meant: ``what`` says in a message what it tries.

    ``label``: who it is counted for and who is named when it fails; ``home``: the registry's
    origin. A ``body`` that is a callable gives the bytes anew for each hop.
    """

    exchange: Exchange
    label: str
    home: str
    what: str
    method: str
    headers: Mapping[str, str]
    body: Body = None
    patience: int = 0

    def to(self, url: str, authorization: str | None) -> Answer:
        """The answer at the end of the redirects; a write is redirected by 307 and 308 only."""
        first = origin_of(url)
        method = self.method
        for _hop in range(_MOST_REDIRECTS + 1):
            answer = self._send(method, url, authorization)
            location = answer.header("Location")
            if method == "HEAD" and answer.status == 403 and origin_of(url) != first:
                # a presigned URL is good for one method: ask with GET, and don't read
                answer.close()
                answer = self._send("GET", url, None)
                answer.close()
                return answer
            if answer.status not in _REDIRECTS or not location:
                return answer
            if method not in ("GET", "HEAD") and answer.status not in (307, 308):
                return answer
            answer.drain()
            url = redirect_target(url, location, self.home)
            if origin_of(url) != first:
                authorization = None
                if method == "POST" and self.body:  # a token request: its form holds a secret
                    raise RegistryError(
                        f"{self.label}: {self.what} failed: it was redirected to another host"
                    )
        raise RegistryError(
            f"{self.label}: {self.what} failed: more than {_MOST_REDIRECTS} redirects"
        )

    def _send(self, method: str, url: str, authorization: str | None) -> Answer:
        headers = {k: v for k, v in self.headers.items() if k != "Authorization"}
        if authorization:
            headers["Authorization"] = authorization
        body = self.body() if callable(self.body) else self.body
        try:
            answer = self.exchange(self.label, method, url, headers, body, self.patience, self.home)
            answer.authorization = authorization or ""
            return answer
        except ConnectionFailed as error:
            error.args = (f"{self.what} failed: {error}",)
            error.host = self.label
            raise
