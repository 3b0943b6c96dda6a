# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a registry refuses a write or a deletion, and what helps.

The specification has codes for few of the reasons, so each registry has its own words: a rule
here knows some of them, whatever the registry is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: Harbor, Quay, GitLab and others; 507 is WebDAV's "Insufficient Storage"
_QUOTA = re.compile(
    r"\bquota\b|exceed the configured upper limit|storage (?:size )?limit|not enough storage", re.I
)
#: ECR and Artifact Registry, Harbor and Docker Hub; Nexus; ACR; Artifactory; Quay
_IMMUTABLE = re.compile(
    r"immutab|not allow updating assets|disallowed on this registry, repository or image"
    r"|\boverwr|tag was already pushed",
    re.I,
)
_REFUSALS = (400, 403, 405, 409, 412)
_WRITES = ("opening", "sending", "writing")


class Refusal(NamedTuple):
    """An answer that says no to ``what``, as in "writing team/app:1.2"; ``text`` is the reason."""

    status: int
    codes: tuple[str, ...]
    text: str
    what: str
    host: str

    @property
    def is_write(self) -> bool:
        """Whether content was to be stored."""
        return self.what.startswith(_WRITES)

    @property
    def tag(self) -> str:
        """The tag that was to be written or deleted, "" where it is about something else."""
        verb, _space, place = self.what.partition(" ")
        by_tag = verb in ("writing", "deleting") and "@" not in place
        return place.rpartition(":")[2] if by_tag else ""

    @property
    def path(self) -> str:
        """The repository; ``what`` ends with it, or with what is written there."""
        return re.split(r"[:@]", self.what.rpartition(" ")[2])[0]


def is_immutable(refusal: Refusal) -> bool:
    """Whether the registry holds the tag fast (and doesn't just lack space for it).

    409 and 412 have no other meaning where a tag is written: "conflict", and "precondition".
    """
    if not refusal.tag or refusal.status not in _REFUSALS or _QUOTA.search(refusal.text):
        return False
    conflict = refusal.what.startswith("writing") and refusal.status in (409, 412)
    return conflict or bool(_IMMUTABLE.search(refusal.text))


def advise(refusal: Refusal) -> str:
    """What to do about it, as the end of a message; "" where nothing is known."""
    status, host = refusal.status, refusal.host
    if is_immutable(refusal):
        verb = "deleted" if refusal.what.startswith("deleting") else "overwritten"
        return f"; the tag {refusal.tag} can't be {verb}: it is immutable at {host}"
    if refusal.what.startswith("deleting"):
        return _about_deletion(refusal)
    if status == 429 and "pull rate limit" not in refusal.text:
        return f"; these are too many requests for {host}: see requests_per_second in registries"
    if not refusal.is_write:
        return ""
    if status == 507 or (400 <= status < 500 and _QUOTA.search(refusal.text)):
        return (
            f"; quota exceeded: there is no room left for {refusal.path} at {host}; delete "
            "something there, or have the quota raised"
        )
    opened = refusal.what.startswith("opening") and status == 404
    if "NAME_UNKNOWN" in refusal.codes or opened:
        return missing(refusal.path, host)
    if status == 403:
        more = " or of a tag that mustn't be overwritten" if refusal.tag else ""
        return (
            f"; check the credentials for {host} and what they may do; some registries say so too "
            f"of a project that doesn't exist{more}"
        )
    if status == 405:
        return f"; {host} takes no writes: it is read-only, or a cache of another registry"
    return ""


def missing(path: str, host: str) -> str:
    """What to do about a repository that a registry doesn't create by itself."""
    return (
        f"; the repository {path}, or the project that it is to be in, doesn't exist at {host}: "
        "create it first (at ECR, create_repository: true in registries does that)"
    )


def _about_deletion(refusal: Refusal) -> str:
    if "GOOGLE_MANIFEST_DANGLING_TAG" in refusal.codes:
        return "; other tags name this manifest: they have to go first"
    if refusal.status == 405:
        return (
            "; this registry doesn't allow deletion (for docker-registry, see "
            "storage.delete.enabled in its configuration; Docker Hub and GHCR delete on their "
            "own pages only)"
        )
    return ""
