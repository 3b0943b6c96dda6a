# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry in this process for what docker-registry can't do; notes every bad request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .certificates import Certificates
from .content import Image
from .records import Request
from .servers import Handler, LocalServer
from .strict_access import check_access
from .strict_blobs import Blobs
from .strict_manifests import Manifests
from .strict_rules import Answer, Call, Refused, Rules, check_call, check_head
from .strict_store import Store


class StrictRegistry(LocalServer):
    """Answers by the distribution specification alone; use it as a context.

    A request against the specification gets an error and is noted in `violations`, except those
    whose error code is in `expected`.
    """

    def __init__(
        self, *, tls: Certificates | None = None, client_ca: bool = False, **rules: Any
    ) -> None:
        """Listen; the keywords are the fields of Rules."""
        super().__init__(_StrictHandler, tls, client_ca)
        self.rules = Rules(**rules)
        self.store = Store()
        self.violations: list[str] = []
        self.expected: set[str] = set()
        self._blobs = Blobs(self.store, self.rules, self.url)
        self._manifests = Manifests(self.store, self.rules)

    # Content, behind the protocol's back

    def add(self, repo: str, image: Image, tag: str | None = None) -> str:
        """Hold an image whole; its digest."""
        with self.store.lock:
            return self.store.add(repo, image, tag or "")

    def put_raw(self, repo: str, reference: str, data: bytes, media_type: str) -> str:
        """Hold any bytes as a manifest, unchecked; their digest."""
        with self.store.lock:
            return self.store.add_manifest(repo, data, media_type, reference)

    def set_tag(self, repo: str, tag: str, digest: str) -> None:
        """Let a tag name a digest."""
        with self.store.lock:
            self.store.stock(repo).tags[tag] = digest

    def remove(self, repo: str, digest: str) -> None:
        """Lose a blob, or a manifest with its tags."""
        with self.store.lock:
            self.store.remove(repo, digest)

    def tag(self, repo: str, tag: str) -> str | None:
        """The digest that a tag names, None without it."""
        with self.store.lock:
            return self.store.resolve(repo, tag)

    def tags(self, repo: str) -> list[str]:
        """All tags of a repository, sorted."""
        with self.store.lock:
            stock = self.store.stocks.get(repo)
            return sorted(stock.tags) if stock else []

    def manifest(self, repo: str, reference: str) -> bytes | None:
        """A manifest's bytes, None when it isn't there."""
        with self.store.lock:
            digest = self.store.resolve(repo, reference)
            return self.store.stocks[repo].manifests[digest].data if digest else None

    def has_blob(self, repo: str, digest: str) -> bool:
        """Whether the repository has this blob."""
        with self.store.lock:
            return self.store.has_blob(repo, digest)

    # Answering

    def note(self, request: Request, refused: Refused) -> None:
        """Keep a request that was against the specification."""
        if refused.broken and refused.code not in self.expected:
            self.violations.append(f"{request.method} {request.target}: {refused}")

    def answer(self, call: Call) -> Answer:
        """What this request gets; raises Refused."""
        check_call(call)
        check_access(call, self.rules)
        with self.store.lock:
            for manner in self.rules.manners:
                found = manner(self, call)
                if found:
                    return found
        if call.request.is_write:
            self._check_writable(call)
        with self.store.lock:
            endpoint = {
                "ping": self._ping,
                "blob": self._blobs.blob,
                "upload": self._blobs.upload,
                "manifest": self._manifests.manifest,
                "tags": self._manifests.tags,
                "referrers": self._manifests.referrers,
            }[call.request.kind]
            return endpoint(call)

    def _ping(self, _call: Call) -> Answer:
        return Answer(200, [("Content-Type", "application/json")], b"{}")

    def _check_writable(self, call: Call) -> None:
        """Refuse writes where the rules say so."""
        if self.rules.readonly:
            raise Refused(405, "UNSUPPORTED", "this registry is read-only")
        if self.rules.deny_push and call.method != "DELETE":
            raise Refused(403, "DENIED", "requested access to the resource is denied")
        if not self.rules.create_repositories and call.repo not in self.store.stocks:
            raise Refused(404, "NAME_UNKNOWN", f"the repository {call.repo} does not exist")


MakeStrict = Callable[..., StrictRegistry]


class _StrictHandler(Handler):
    """One connection to the strict registry."""

    def __init__(self, owner: StrictRegistry, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        request = self.owner.begin(self.command, self.path, self.headers.items())
        try:
            self._reply(request, self._answer(request))
        finally:
            self.owner.end()

    def _answer(self, request: Request) -> Answer:
        try:
            check_head(request, self.headers)
        except Refused as refused:
            self.close_connection = True  # the body stays unread
            self.owner.note(request, refused)
            return refused.answer
        body = self.read_exactly(int(self.headers.get("Content-Length") or 0))
        request.bytes_in = len(body)
        try:
            return self.owner.answer(Call(request, self.headers, body))
        except Refused as refused:
            self.owner.note(request, refused)
            return refused.answer

    def _reply(self, request: Request, answer: Answer) -> None:
        """Send it; HEAD has the headers alone."""
        request.status = answer.status
        headers = [("Docker-Distribution-API-Version", "registry/2.0"), *answer.headers]
        headers += [*self.owner.rules.extra_headers.items()]
        if answer.status != 204:
            headers.append(("Content-Length", str(len(answer.body))))
        if self.close_connection:
            headers.append(("Connection", "close"))
        if self.command != "HEAD":
            request.bytes_out = len(answer.body)
        self.send_head(answer.status, headers)
        if self.command != "HEAD" and answer.status != 204:
            self.wfile.write(answer.body)
