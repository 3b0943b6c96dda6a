# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs of a registry (distribution-spec, "Pulling blobs" and "Pushing blobs")."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Callable
from urllib.parse import quote

from ..model.descriptor import Descriptor
from ..model.errors import ConnectionFailed, ImageSyncError, InvalidContent, RegistryError
from ..transport.answer import Answer
from ..transport.authenticator import Need
from ..transport.client import RegistryClient
from ..transport.retry import Retrier
from ..transport.trust import upload_location
from .base import BlobReader, OpenBlob, Written
from .registry_reading import RegistryBlob


class Use(enum.Enum):
    """What is known of a repository: whether images were stored there before."""

    UNKNOWN = 0
    NEW = 1
    USED = 2


OpenBody = Callable[[], Iterable[bytes]]
#: up to this size a blob is read whole before it is sent on
_SMALL = 1 << 20
#: a cancelled upload needs no second round with another token
_ANY_END = (200, 202, 204, 401, 403, 404)
#: above this size it is worth a request to look for a blob that a mount didn't find
_WORTH_ASKING = 1 << 20
#: tries of a mount that the registry fails to answer, before the blob is just looked for
_MOUNT_TRIES = 2
#: registries may take a while to put a large upload in its place: bytes a second to count on
_STORING_RATE = 10 << 20


class RegistryBlobs:
    """The blobs of one repository."""

    def __init__(self, client: RegistryClient, path: str, first_tags: Callable[[], object]) -> None:
        """``first_tags`` is asked when ``use`` has to be known and isn't."""
        self._client, self._path, self._first_tags = client, path, first_tags
        self.pull = Need(path, "pull")
        self._host = client.host
        self.use = Use.UNKNOWN

    def has(self, blob: Descriptor) -> bool:
        """Whether the blob is here, with the right size."""
        what = f"looking for blob {blob.digest} in {self._path}"
        answer = self._client.call("HEAD", self._url(blob), what, self.pull, (200, 404))
        if answer.status == 404:
            return False
        # some registries answer HEAD without a length, or with 0
        return answer.length() in (None, 0, blob.size)

    def open(self, blob: Descriptor, retrier: Retrier | None = None) -> BlobReader:
        """Begins to read a blob: one try. What breaks off later goes on from there."""
        return RegistryBlob(self._client, self._path, self.pull, blob, retrier)

    def write(self, blob: Descriptor, source: OpenBlob, lender: str | None) -> Written:
        """Makes the blob exist: mounted, found, or sent whole, until one of them succeeds.

        An upload that failed is never continued: what the registry kept of it can't be proven.
        That is a try of the whole; the requests before it have their own tries, lest a few faults
        in each of them add up.
        """
        sent = False

        def attempt(number: int) -> Written:
            nonlocal sent
            if number < _MOUNT_TRIES and not sent:
                found = self._ask(blob, lender)
                if isinstance(found, Written):
                    return found
                session = found
            else:
                # the last try may have succeeded, with only its answer lost
                if self.has(blob):
                    return Written.COPIED if sent else Written.PRESENT
                session = self._new_session()
            sent = True
            self._send(blob, source, session)
            return Written.COPIED

        try:
            return self._client.network.retrier.run(self._host, attempt)
        except ConnectionFailed as error:
            if not sent and error.host == self._host:
                self._explain(error)
            raise

    def _explain(self, error: ConnectionFailed) -> None:
        """No upload could be opened: ECR may cut the connection instead of saying why."""
        try:
            exists = self.in_use()
        except ImageSyncError:
            return
        if not exists:
            error.args = (
                f"{error}; the repository {self._path} doesn't exist there yet, and some "
                "registries (ECR) just cut the connection then: create it first, or set "
                "create_repository: true in registries",
            )

    def _ask(self, blob: Descriptor, lender: str | None) -> Written | str:
        """Asks for the blob and opens an upload in one request; the session's URL if it's needed.

        "POST ?mount=D&from=R" (distribution-spec, "Mounting a blob from another repository")
        answers 201 where that has an effect, and 202 with a session where it has none. With the
        repository itself as R it asks whether the blob is here.
        """
        if lender is None and self._client.finds_own_blobs is False:
            return Written.PRESENT if self.has(blob) else self._new_session()
        mount = f"?mount={quote(blob.digest, safe='')}&from={quote(lender or self._path, safe='')}"
        sources = (lender,) if lender else ()
        try:
            session = self._session(mount, sources)
        except RegistryError as error:
            refused = 400 <= error.status < 500 and error.status != 429
            if error.transient or not (refused or error.status == 501):
                raise
            session = self._new_session()  # no mounts here, or not from there
        if not session:
            if lender is None:
                self._client.finds_own_blobs = True
            return Written.MOUNTED if lender else Written.PRESENT
        trusted = lender is None and self._client.finds_own_blobs
        if blob.size > _WORTH_ASKING and not trusted and self.in_use() and self.has(blob):
            if lender is None:
                self._client.finds_own_blobs = False
            self._cancel(session)
            return Written.PRESENT
        return session

    def in_use(self) -> bool:
        """Whether the repository may hold what it is asked for: not if it is new."""
        if self.use is Use.UNKNOWN:
            try:
                self._first_tags()
            except (RegistryError, InvalidContent):
                self.use = Use.USED
        return self.use is not Use.NEW

    def _new_session(self) -> str:
        """The URL of a new upload session; one whose URL got lost is no harm."""
        return self._client.network.retrier.run(self._host, lambda _: self._session())

    def _session(self, query: str = "", sources: tuple[str, ...] = ()) -> str:
        """One try of it; "" where a mount made it needless."""
        path = f"/v2/{self._path}/blobs/uploads/{query}"
        url = self._client.url(path)
        what = f"opening an upload to {self._path}"
        need = Need(self._path, "pull,push", sources)
        ok = (201, 202) if query else (202,)
        answer = self._client.once("POST", url, what, need, ok, {"Content-Length": "0"})
        answer.drain()
        if answer.status == 201:
            return ""
        if self._client.finds_own_blobs is None and _is_distribution(answer):
            self._client.finds_own_blobs = True
        return upload_location(answer.url, answer.header("Location"), self._client.home)

    def _send(self, blob: Descriptor, source: OpenBlob, session: str) -> None:
        first: BlobReader | None = None
        try:
            first = source()
            data = b"".join(first) if blob.size <= _SMALL else None
        except Exception:
            if first:
                first.close()
            self._cancel(session)
            raise
        fresh: list[BlobReader] = [first]
        used: list[BlobReader] = []

        def body() -> Iterable[bytes]:
            if data is not None:
                return self._counted([data] if data else [])
            # a request that is repeated for a new token or a redirect reads the source anew
            if used:
                used[-1].close()
            used.append(fresh.pop() if fresh else source())
            return self._counted(used[-1])

        try:
            self._put(blob, session, body)
        except RegistryError as error:
            # the registry forgot its upload: it was restarted, or it is one of several
            lost = any(code.startswith("BLOB_UPLOAD_") for code in error.codes)
            error.transient = error.transient or lost or error.status in (404, 416)
            raise
        finally:
            for reader in (*fresh, *used):
                reader.close()

    def _put(self, blob: Descriptor, session: str, body: OpenBody) -> None:
        joint = "&" if "?" in session else "?"
        url = f"{session}{joint}digest={quote(blob.digest, safe='')}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        answer = self._client.once(
            "PUT",
            url,
            f"sending blob {blob.digest} to {self._path}",
            Need(self._path, "pull,push"),
            (201, 204),
            headers,
            body if blob.size else b"",
            blob.size // _STORING_RATE,
        )
        answer.drain()
        stored = answer.header("Docker-Content-Digest")
        same_kind = stored.partition(":")[0] == blob.digest.partition(":")[0]
        if stored and same_kind and stored != blob.digest:
            raise InvalidContent(
                f"{self._host}/{self._path}: blob {blob.digest} was stored as {stored[:140]}", True
            )

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._client.network.moved(uploaded=len(piece))
            yield piece

    def _cancel(self, session: str) -> None:
        """Best effort: the registry forgets sessions by itself."""
        what = f"cancelling an upload to {self._path}"
        try:
            need = Need(self._path, "pull,push")
            self._client.once("DELETE", session, what, need, _ANY_END).drain()
        except ImageSyncError:
            return  # the upload's own error counts

    def _url(self, blob: Descriptor) -> str:
        return f"/v2/{self._path}/blobs/{blob.digest}"


def _is_distribution(answer: Answer) -> bool:
    """Whether the registry is built on distribution, which answers 201 for its own blobs.

    No other signs the state of an upload into its URL.
    """
    return "_state=" in answer.header("Location") and bool(answer.header("Docker-Upload-UUID"))
