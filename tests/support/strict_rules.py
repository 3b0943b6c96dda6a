# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict registry's switches, and what every request to it has to look like."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Callable, Optional
from urllib.parse import unquote

from .content import ALL_MANIFESTS
from .records import Request
from .token_server import TokenServer

NAME = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
METHODS = {
    "ping": {"GET", "HEAD"},
    "manifest": {"GET", "HEAD", "PUT", "DELETE"},
    "blob": {"GET", "HEAD", "DELETE"},
    "upload": {"GET", "POST", "PATCH", "PUT", "DELETE"},
    "tags": {"GET"},
    "referrers": {"GET"},
}


@dataclass
class Rules:
    """How this registry differs from others; may be changed while it runs."""

    tag_delete: bool = True
    delete: bool = True
    delete_untagged_only: bool = False  # GCR: 400 while a tag names it
    referrers_api: bool = True
    referrers_page: int = 0  # entries a page, the rest by Link; 0: all at once
    referrers_filter: bool = True  # whether artifactType filters here
    page_size: int = 0  # tags a page at most; 0: no paging unless the client asks
    paging: str = "link"  # "link": relative Link; "last": no Link, clients go on with last=
    max_n: int = 0  # Quay: 413 when n is above
    mount: bool = True
    mount_needs_from: bool = True
    mount_committed_only: bool = False  # ECR: a manifest there must use the blob
    digest_header: bool = True
    head_manifest: bool = True
    subject_header: bool = True  # OCI-Subject, where there is a referrers API
    immutable_tags: bool = False  # even the same manifest is refused
    create_repositories: bool = True  # ECR: NAME_UNKNOWN for repositories that aren't there
    readonly: bool = False
    deny_push: bool = False
    redirect_blobs_to: str = ""  # the base URL of another server
    relative_location: bool = False
    location_query: str = ""  # must come back byte for byte
    auth: tuple[str, str] | None = None
    bearer: str = ""  # a fixed bearer token
    token: TokenServer | None = None
    challenges: list[str] | None = None  # raw WWW-Authenticate values in place of ours
    open_ping: bool = False  # /v2/ asks for nothing
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    link_base: str = ""  # stands before the path of a Link to the next page of tags
    odd_tags: Sequence[Any] = ()  # on every page of a tag list, before its tags
    delete_action: str = "delete"  # what a token has to allow for a deletion
    manners: Sequence[Manner] = ()  # see manners.py: each is asked before an answer is made


@dataclass
class Answer:
    """What goes back."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


#: (registry, call): answers by itself, raises Refused, or lets the others answer (None)
Manner = Callable[[Any, "Call"], Optional[Answer]]


class Refused(Exception):
    """An error answer; `broken` when the request was against the specification."""

    def __init__(self, status: int, code: str, message: str, broken: bool = False) -> None:
        """Refuse with one of the specification's codes."""
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.broken = status, code, broken
        self.headers: list[tuple[str, str]] = []

    @property
    def answer(self) -> Answer:
        """The answer in the specification's form."""
        code, _unused, message = str(self).partition(": ")
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        return Answer(self.status, [("Content-Type", "application/json"), *self.headers], body)


@dataclass
class Call:
    """A request with its body."""

    request: Request
    headers: Message
    body: bytes

    @property
    def method(self) -> str:
        """Its method."""
        return self.request.method

    @property
    def repo(self) -> str:
        """The repository it is about."""
        return self.request.repo

    @property
    def reference(self) -> str:
        """The tag, digest or upload session it is about."""
        return unquote(self.request.reference)

    @property
    def by_digest(self) -> bool:
        """Whether that is a digest."""
        return ":" in self.reference


def broken(status: int, code: str, message: str) -> Refused:
    """An error that the client is to blame for."""
    return Refused(status, code, message, broken=True)


def check_head(request: Request, headers: Message) -> None:
    """Refuse what can be told before the body is read."""
    if request.kind not in METHODS:
        raise broken(404, "UNSUPPORTED", f"no such endpoint: {request.path}")
    if request.method not in METHODS[request.kind]:
        raise broken(405, "UNSUPPORTED", f"{request.method} means nothing here")
    if headers.get("Transfer-Encoding"):
        raise broken(411, "UNSUPPORTED", "Transfer-Encoding in place of Content-Length")
    if request.method in ("PUT", "PATCH") and headers.get("Content-Length") is None:
        raise broken(411, "UNSUPPORTED", "no Content-Length")


def check_call(call: Call) -> None:
    """Refuse names and headers that the specification doesn't have."""
    kind = call.request.kind
    if kind == "ping":
        return
    if not NAME.fullmatch(call.repo) or len(call.repo) > 255:
        raise broken(404, "NAME_INVALID", f"not a repository name: {call.repo}")
    if kind in ("blob", "referrers") or (kind == "manifest" and call.by_digest):
        check_digest(call.reference)
    elif kind == "manifest" and not TAG.fullmatch(call.reference):
        raise broken(404, "TAG_INVALID", f"not a tag: {call.reference}")
    if kind == "manifest":
        _check_manifest_headers(call)


def _check_manifest_headers(call: Call) -> None:
    """Reading takes an Accept that names manifest types, writing a Content-Type."""
    if call.method in ("GET", "HEAD") and not accepted(call) & set(ALL_MANIFESTS):
        raise broken(404, "MANIFEST_UNKNOWN", "no manifest type in Accept")
    if call.method == "PUT" and not call.headers.get("Content-Type"):
        raise broken(400, "MANIFEST_INVALID", "no Content-Type")


def check_digest(text: str) -> None:
    """Refuse what isn't a digest."""
    if not DIGEST.fullmatch(text):
        raise broken(400, "DIGEST_INVALID", f"not a digest: {text}")


def accepted(call: Call) -> set[str]:
    """The media types of all Accept headers."""
    values = ",".join(call.headers.get_all("Accept") or []).split(",")
    return {value.partition(";")[0].strip() for value in values}
