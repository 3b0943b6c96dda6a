# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer that says no means: which error it is, and whether trying again may help."""

from __future__ import annotations

import http
import json
from typing import NamedTuple

from ..model.errors import (
    AccessDenied,
    AuthenticationFailed,
    ImageSyncError,
    NotFound,
    RateLimited,
    RegistryError,
    TagImmutable,
)
from .advice import Refusal, advise, is_immutable
from .answer import Answer
from .clouds import login_hint
from .retry import parse_retry_after
from .text import clean, mask

#: statuses after which the same request may succeed
_TRANSIENT = {408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524}
#: codes that stay true however often one asks; docker-registry sends some with status 500
_FINAL = ("MANIFEST_", "NAME_", "DIGEST_", "TAG_", "SIZE_", "DENIED", "UNSUPPORTED", "UNAUTHORIZED")
_PLAIN = ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "UNAUTHORIZED", "DENIED")
_BODY_LIMIT = 64 << 10
_PULL_LIMIT = "pull rate limit"
#: what nginx says in a page, and Go's servers in a line
_HTTPS = ("to HTTPS port", "to an HTTPS server")


class Complaint(NamedTuple):
    """The ``errors`` of an answer's body (distribution-spec, "Error Codes")."""

    codes: tuple[str, ...]
    text: str


def read_complaint(answer: Answer, secrets: tuple[str, ...] = ()) -> Complaint:
    """What the body says, without ``secrets``; whatever it is, this doesn't fail."""
    try:
        body = answer.read(_BODY_LIMIT, "an error message").decode("utf-8", "replace")
    except ImageSyncError:
        return Complaint((), "")
    try:
        document = json.loads(body)
        errors = document["errors"] if isinstance(document, dict) else []
        found = [error for error in errors if isinstance(error, dict)][:5]
        codes = tuple(_shown(error.get("code", ""), secrets, 60) for error in found)
        texts = [_one(error, secrets) for error in found]
    except (ValueError, KeyError, TypeError, RecursionError):
        if any(sign in body for sign in _HTTPS):
            return Complaint((), "plain HTTP was sent to HTTPS; see plain_http in registries")
        is_page = "<" in body[:200]
        return Complaint((), "" if is_page else clean(mask(body, secrets), 200))
    return Complaint(codes, "; ".join(dict.fromkeys(text for text in texts if text)))


def _one(error: dict[str, object], secrets: tuple[str, ...]) -> str:
    code = _shown(error.get("code"), secrets, 60)
    message = _shown(error.get("message"), secrets, 200)
    # the detail of these repeats what was asked
    detail = None if code in _PLAIN else error.get("detail")
    extra = f" ({_shown(detail, secrets, 160)})" if detail and str(detail) != message else ""
    return f"{code}: {message}{extra}" if code and message else f"{code or message}{extra}"


def _shown(value: object, secrets: tuple[str, ...], limit: int) -> str:
    """What a field holds. Masked before it is cut: no part of a secret is left at the end."""
    text = json.dumps(value) if isinstance(value, (dict, list)) and value else str(value or "")
    return clean(mask(text, secrets), limit)


def problem_of(
    answer: Answer, host: str, what: str, secrets: tuple[str, ...] | None = None
) -> RegistryError:
    """The error for an answer that isn't what was asked for; reads the answer's body.

    ``secrets``: those of the login for it, empty where there is none.
    """
    sent = answer.authorization.partition(" ")[2]
    complaint = read_complaint(answer, (*(secrets or ()), sent))
    status = answer.status
    said = complaint.text or _phrase(status)
    refusal = Refusal(status, complaint.codes, said, what, host)
    advice = advise(refusal) or _advice(status, complaint, host, anonymous=secrets == ())
    looked = what.startswith("looking") and status == 400 and not complaint.text
    if looked and answer.url.startswith("http:"):
        # what it would say of that isn't in an answer to HEAD
        advice = f"; if it speaks TLS, set plain_http: false for {host} in registries"
    message = f"{host}: {what} failed with {status}: {said}{advice}"
    codes = complaint.codes
    retry_after = parse_retry_after(answer.header("Retry-After"))
    final = any(code.startswith(_FINAL) for code in codes)
    if status == 429 and _PULL_LIMIT in complaint.text and (retry_after or 1e9) > 60:
        final = True
    kind: type[RegistryError] = {
        401: AuthenticationFailed,
        403: AccessDenied,
        404: NotFound,
        429: RateLimited,
    }.get(status, RegistryError)
    if is_immutable(refusal):
        kind = TagImmutable
    transient = status in _TRANSIENT and not final
    return kind(message, status, codes, transient, retry_after, host)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "no explanation"


def _advice(status: int, complaint: Complaint, host: str, anonymous: bool) -> str:
    if status == 429 and _PULL_LIMIT in complaint.text:
        return f"; the pull limit of {host} is used up: log in (see registries) or wait"
    if status == 401 and anonymous:
        # Docker Hub says it also of what doesn't exist
        return (
            "; it needs a login, if it exists: none is in registries or in an auth file"
            f"{login_hint(host)}"
        )
    if status in (401, 403):
        return f"; check the credentials for {host} and what they may do"
    if status == 413:
        return f"; {host}, or a proxy in front of it, limits the size of uploads"
    if 300 <= status < 400:
        return "; a write was redirected: is this a registry?"
    return ""
