# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict registry's answers about blobs and their upload."""

from __future__ import annotations

import re

from .strict_rules import Answer, Call, Refused, Rules, broken, check_digest
from .strict_store import Session, Store, digest_as

OCTETS = ("Content-Type", "application/octet-stream")


class Blobs:
    """Reads, uploads, mounts and deletes blobs."""

    def __init__(self, store: Store, rules: Rules, url: str) -> None:
        """Answer from this store, by these rules; `url` is the registry's own."""
        self.store, self.rules, self.url = store, rules, url

    def blob(self, call: Call) -> Answer:
        """GET, HEAD, DELETE of a blob."""
        digest = call.reference
        if not self.store.has_blob(call.repo, digest):
            raise Refused(404, "BLOB_UNKNOWN", f"{call.repo} has no {digest}")
        if call.method == "DELETE":
            if not self.rules.delete:
                raise Refused(405, "UNSUPPORTED", "nothing is deleted here")
            self.store.stock(call.repo).blobs.discard(digest)
            return Answer(202)
        if self.rules.redirect_blobs_to:
            location = self.rules.redirect_blobs_to.rstrip("/") + call.request.target
            return Answer(307, [("Location", location)])
        return self._content(call, digest)

    def _content(self, call: Call, digest: str) -> Answer:
        """The blob, or the range that was asked for."""
        data = self.store.data[digest]
        headers = [OCTETS, ("Accept-Ranges", "bytes")]
        if self.rules.digest_header:
            headers.append(("Docker-Content-Digest", digest))
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
        if not asked or call.method == "HEAD":
            return Answer(200, headers, data)
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if first > last:
            raise Refused(416, "SIZE_INVALID", f"the blob has {len(data)} bytes")
        headers.append(("Content-Range", f"bytes {first}-{last}/{len(data)}"))
        return Answer(206, headers, data[first : last + 1])

    def upload(self, call: Call) -> Answer:
        """Everything under blobs/uploads/."""
        if call.method == "POST":
            if call.reference:
                raise broken(404, "BLOB_UPLOAD_UNKNOWN", "POST to an upload that has begun")
            return self._begin(call)
        session = self._session(call)
        if call.method == "PUT":
            return self._commit(call, session)
        if call.method == "PATCH":
            return self._extend(call, session)
        if call.method == "DELETE":
            del self.store.sessions[call.reference]
            return Answer(204)
        return self._where(call.repo, call.reference, session, 204)

    def _begin(self, call: Call) -> Answer:
        """Open an upload, unless the blob can be mounted."""
        digest = call.request.params.get("mount", "")
        if digest:
            check_digest(digest)
            if self._can_mount(call, digest):
                self.store.stock(call.repo).blobs.add(digest)
                return self._created(call.repo, digest)
        if call.body:
            raise broken(400, "UNSUPPORTED", "an upload by POST alone would be lost")
        session = Session(call.repo)
        return self._where(call.repo, self.store.open_session(session), session, 202)

    def _can_mount(self, call: Call, digest: str) -> bool:
        """Whether the blob may be had from the repository named, or from anywhere."""
        origin = call.request.params.get("from", "")
        if not self.rules.mount or (not origin and self.rules.mount_needs_from):
            return False
        there = self.store.uses_blob if self.rules.mount_committed_only else self.store.has_blob
        origins = [origin] if origin else list(self.store.stocks)
        return any(self.store.has_blob(o, digest) and there(o, digest) for o in origins)

    def _session(self, call: Call) -> Session:
        """The upload that this goes on with: only its newest Location, byte for byte, will do."""
        session = self.store.sessions.get(call.reference)
        if session is None or session.repo != call.repo:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        query, wanted = call.request.query, self.rules.location_query
        if query != wanted and not query.startswith(f"{wanted}&" if wanted else "digest="):
            raise broken(404, "BLOB_UPLOAD_UNKNOWN", f"Location's query came back as {query}")
        return session

    def _extend(self, call: Call, session: Session) -> Answer:
        """Take a chunk, in order."""
        asked = re.fullmatch(r"(\d+)-(\d+)", call.headers.get("Content-Range", ""))
        if asked and int(asked[1]) != len(session.data):
            raise Refused(416, "BLOB_UPLOAD_INVALID", f"{len(session.data)} bytes are here")
        session.data += call.body
        del self.store.sessions[call.reference]
        return self._where(call.repo, self.store.open_session(session), session, 202)

    def _commit(self, call: Call, session: Session) -> Answer:
        """End an upload; it is gone whether or not the digest is right."""
        digest = call.request.params.get("digest", "")
        if not digest:
            raise broken(400, "DIGEST_INVALID", "PUT without digest")
        check_digest(digest)
        del self.store.sessions[call.reference]
        data = bytes(session.data) + call.body
        if digest_as(digest, data) != digest:
            raise Refused(400, "DIGEST_INVALID", "the content has another digest")
        self.store.add_blob(call.repo, data, digest)
        return self._created(call.repo, digest)

    def _created(self, repo: str, digest: str) -> Answer:
        headers = [("Location", f"/v2/{repo}/blobs/{digest}")]
        if self.rules.digest_header:
            headers.append(("Docker-Content-Digest", digest))
        return Answer(201, headers)

    def _where(self, repo: str, name: str, session: Session, status: int) -> Answer:
        """Where an upload goes on."""
        base = "" if self.rules.relative_location else self.url
        query = f"?{self.rules.location_query}" if self.rules.location_query else ""
        headers = [
            ("Location", f"{base}/v2/{repo}/blobs/uploads/{name}{query}"),
            ("Range", f"0-{max(len(session.data) - 1, 0)}"),
            ("Docker-Upload-UUID", name),
        ]
        return Answer(status, headers)
