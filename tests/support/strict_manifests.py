# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict registry's answers about manifests, tags and referrers."""

from __future__ import annotations

import json
from typing import Any

from .content import DOCKER_SCHEMA1, OCI_INDEX
from .strict_rules import Answer, Call, Refused, Rules, accepted, broken
from .strict_store import Store, digest_as, named_blobs

JSON = ("Content-Type", "application/json")
LIMIT = 4 << 20


class Manifests:
    """Reads, writes, lists and deletes manifests."""

    def __init__(self, store: Store, rules: Rules) -> None:
        """Answer from this store, by these rules."""
        self.store, self.rules = store, rules

    def manifest(self, call: Call) -> Answer:
        """GET, HEAD, PUT, DELETE of a manifest."""
        if call.method == "PUT":
            return self._put(call)
        if call.method == "HEAD" and not self.rules.head_manifest:
            raise Refused(405, "UNSUPPORTED", "no HEAD here")
        digest = self.store.resolve(call.repo, call.reference)
        if digest is None:
            code = "MANIFEST_UNKNOWN" if call.repo in self.store.stocks else "NAME_UNKNOWN"
            raise Refused(404, code, f"nothing at {call.repo} {call.reference}")
        if call.method == "DELETE":
            return self._delete(call, digest)
        stored = self.store.stock(call.repo).manifests[digest]
        if stored.media_type not in {*accepted(call), DOCKER_SCHEMA1}:
            raise Refused(404, "MANIFEST_UNKNOWN", f"Accept has no {stored.media_type}")
        return Answer(
            200, [("Content-Type", stored.media_type), *self._digest(digest)], stored.data
        )

    def _digest(self, digest: str) -> list[tuple[str, str]]:
        return [("Docker-Content-Digest", digest)] if self.rules.digest_header else []

    def _put(self, call: Call) -> Answer:
        """Take a manifest whose parts are all here."""
        if len(call.body) > LIMIT:
            raise Refused(413, "MANIFEST_INVALID", "the manifest is too large")
        media_type = call.headers.get("Content-Type", "")
        document = self._parsed(call.body, media_type)
        if call.by_digest and digest_as(call.reference, call.body) != call.reference:
            raise broken(400, "DIGEST_INVALID", "the manifest has another digest")
        self._check_parts(call.repo, document)
        if self.rules.immutable_tags and call.reference in self.store.stock(call.repo).tags:
            raise Refused(400, "TAG_INVALID", f"tag {call.reference} is immutable")
        digest = self.store.add_manifest(call.repo, call.body, media_type, call.reference)
        headers = [("Location", f"/v2/{call.repo}/manifests/{digest}"), *self._digest(digest)]
        subject = document.get("subject", {}).get("digest")
        if subject and self.rules.referrers_api and self.rules.subject_header:
            headers.append(("OCI-Subject", subject))
        return Answer(201, headers)

    def _parsed(self, data: bytes, media_type: str) -> dict[str, Any]:
        """The manifest as a mapping that is what its header says."""
        try:
            document = json.loads(data)
        except ValueError as error:
            raise broken(400, "MANIFEST_INVALID", f"not JSON: {error}") from error
        if not isinstance(document, dict) or document.get("schemaVersion") != 2:
            raise broken(400, "MANIFEST_INVALID", "not a manifest of schema version 2")
        if document.get("mediaType", media_type) != media_type:
            raise broken(400, "MANIFEST_INVALID", f"{document['mediaType']} sent as {media_type}")
        return document

    def _check_parts(self, repo: str, document: dict[str, Any]) -> None:
        """Refuse a manifest that names what isn't here."""
        missing = [
            blob["digest"]
            for blob in named_blobs(document)
            if not self.store.has_blob(repo, blob["digest"])
        ]
        for child in document.get("manifests", []):
            if self.store.resolve(repo, child["digest"]) is None:
                missing.append(child["digest"])
        if missing:
            raise broken(400, "MANIFEST_BLOB_UNKNOWN", f"{repo} lacks {', '.join(missing)}")

    def _delete(self, call: Call, digest: str) -> Answer:
        """Untag, or delete with all tags."""
        tags = self.store.stock(call.repo).tags
        if not self.rules.delete or (not call.by_digest and not self.rules.tag_delete):
            raise Refused(405, "UNSUPPORTED", "not deleted here")
        if not call.by_digest:
            del tags[call.reference]
            return Answer(202)
        if self.rules.delete_untagged_only and digest in tags.values():
            raise Refused(400, "GOOGLE_MANIFEST_DANGLING_TAG", "a tag names this manifest")
        self.store.remove(call.repo, digest)
        return Answer(202)

    def tags(self, call: Call) -> Answer:
        """The tag list in lexical order, page by page."""
        if call.repo not in self.store.stocks:
            raise Refused(404, "NAME_UNKNOWN", f"no repository {call.repo}")
        params = call.request.params
        size = self._page_size(params)
        last = params.get("last", "")
        found = sorted(tag for tag in self.store.stock(call.repo).tags if tag > last)
        page = found if size is None else found[:size]
        headers = [JSON]
        if page and len(page) < len(found) and self.rules.paging == "link":
            target = f"/v2/{call.repo}/tags/list?n={size}&last={page[-1]}"
            headers.append(("Link", f'<{self.rules.link_base}{target}>; rel="next"'))
        listed = {"name": call.repo, "tags": [*self.rules.odd_tags, *page]}
        return Answer(200, headers, json.dumps(listed).encode())

    def _page_size(self, params: dict[str, str]) -> int | None:
        """How many tags to give, None for all."""
        asked = params.get("n")
        if asked is not None and not asked.isdigit():
            raise broken(400, "PAGINATION_NUMBER_INVALID", f"not a number: {asked}")
        if self.rules.max_n and int(asked or 0) > self.rules.max_n:
            raise Refused(413, "PAGINATION_NUMBER_INVALID", f"at most {self.rules.max_n}")
        sizes = [int(asked)] if asked else []
        return min(sizes + ([self.rules.page_size] if self.rules.page_size else []), default=None)

    def referrers(self, call: Call) -> Answer:
        """An index of what refers to a digest; 404 where there is no such API."""
        if not self.rules.referrers_api:
            return Answer(404, [("Content-Type", "text/plain")], b"404 page not found\n")
        params = call.request.params
        found = self.store.referrers(call.repo, call.reference)
        headers = [("Content-Type", OCI_INDEX)]
        if "artifactType" in params and self.rules.referrers_filter:
            found = [d for d in found if d["artifactType"] == params["artifactType"]]
            headers.append(("OCI-Filters-Applied", "artifactType"))
        start = int(params.get("from", "0"))
        size = self.rules.referrers_page
        page = found[start : start + size] if size else found
        if size and start + size < len(found):
            query = f"from={start + size}"
            if "artifactType" in params:
                query += f"&artifactType={params['artifactType']}"
            headers.append(("Link", f'<{call.request.path}?{query}>; rel="next"'))
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page}
        return Answer(200, headers, json.dumps(index).encode())
