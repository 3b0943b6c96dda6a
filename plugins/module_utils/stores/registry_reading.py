# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A blob on its way from a registry, over as many answers as it takes.

What breaks off goes on from there: by a range of bytes (RFC 9110, 14) where the server gives just
the one that was asked for, else by reading the whole again and passing over what was had. The
digest is that of all that was handed on, so nothing of this has to be believed. An ETag isn't
looked at: servers of a CDN may each have their own for the same content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model.descriptor import Descriptor
from ..model.errors import ConnectionFailed, InvalidContent, RegistryError
from ..transport.answer import Answer
from ..transport.authenticator import Need
from ..transport.client import RegistryClient
from ..transport.retry import Interruptions, Retrier
from .base import BlobReader
from .verified import verified

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
#: what a presigned URL is answered with when its time is up; the registry makes a new one
_EXPIRED = (400, 403)


class RegistryBlob(BlobReader):
    """See BlobReader."""

    def __init__(
        self,
        client: RegistryClient,
        path: str,
        need: Need,
        blob: Descriptor,
        retrier: Retrier | None = None,
    ) -> None:
        """Begins to read: one try, for whose errors see RegistryClient.once.

        ``retrier``: whose tries there are to go on; the call's, if not given.
        """
        self._retrier = retrier or client.network.retrier
        self._client, self._need, self._blob = client, need, blob
        self._where = f"{client.host}/{path}"
        self._what = f"reading blob {blob.digest} of {path}"
        # each time it is the registry that is asked: an address it has led to may have expired
        self._url = client.url(f"/v2/{path}/blobs/{blob.digest}")
        self._ranges = True
        self._answer = self._ask()

    def __iter__(self) -> Iterator[bytes]:
        return verified(self._pieces(), self._blob, self._where)

    def close(self) -> None:
        """Ends the transfer; a connection read to its end was given back already."""
        self._answer.close()

    def _pieces(self) -> Iterator[bytes]:
        interruptions = self._retrier.interruptions(self._client.host)
        had = before = known = 0
        while True:
            try:
                for piece in self._counted():
                    fresh = piece[known:] if known else piece
                    known -= len(piece) - len(fresh)
                    had += len(fresh)
                    if fresh:
                        yield fresh
                if had >= self._blob.size:
                    return
                raise ConnectionFailed(f"{self._client.host} ended an answer too early")
            except ConnectionFailed as error:
                if had == self._blob.size:  # only the end of a chunked answer was lost
                    self._answer.close()
                    return
                error.args = (f"{self._what} failed at {had} of {self._blob.size} bytes: {error}",)
                known = self._resumed(interruptions, error, had, had - before)
                before = had

    def _resumed(
        self,
        interruptions: Interruptions,
        failure: ConnectionFailed | RegistryError,
        had: int,
        fresh: int,
    ) -> int:
        """Goes on after a failure, as often as may be; see _go_on.

        ``fresh``: bytes that came since the last failure.
        """
        self._answer.close()
        while True:
            interruptions.wait(failure, fresh)
            fresh = 0
            try:
                return self._go_on(had)
            except (ConnectionFailed, RegistryError) as error:
                failure = error

    def _counted(self) -> Iterator[bytes]:
        network = self._client.network
        for piece in self._answer.chunks(network.bandwidth.piece):
            network.bandwidth.spend(len(piece))
            network.moved(downloaded=len(piece))
            yield piece

    def _go_on(self, had: int) -> int:
        """Asks for what is missing; how many bytes of the answer were had already."""
        if had and self._ranges:
            answer = self._ask(had)
            if answer.status == 200 or self._is_rest(answer, had):
                self._answer = answer
                return had if answer.status == 200 else 0
            self._ranges = False
            answer.close()
        self._answer = self._ask()
        return had

    def _ask(self, first: int = 0) -> Answer:
        """The answer to a GET of everything, or of the bytes from ``first`` on."""
        headers = {"Range": f"bytes={first}-"} if first else None
        ok = (200, 206, 416) if first else (200,)
        try:
            answer = self._client.once("GET", self._url, self._what, self._need, ok, headers)
        except RegistryError as error:
            if error.elsewhere and error.status in _EXPIRED:
                error.transient = True
            raise
        length = answer.length()
        if answer.status == 200 and length is not None and length != self._blob.size:
            answer.close()
            raise InvalidContent(
                f"{self._where}: blob {self._blob.digest} has {length} bytes, its descriptor says "
                f"{self._blob.size}",
                True,
            )
        return answer

    def _is_rest(self, answer: Answer, first: int) -> bool:
        """Whether it is exactly what is missing."""
        size = self._blob.size
        match = _CONTENT_RANGE.fullmatch(answer.header("Content-Range").strip())
        if answer.status != 206 or not match:
            return False
        whole = match[3] in ("*", str(size))
        length = answer.length()
        right = (int(match[1]), int(match[2])) == (first, size - 1)
        return whole and right and length in (None, size - first)
