# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What registries say, as they say it, and what we make of it."""

from __future__ import annotations

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    RegistryError,
    TagImmutable,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.advice import (
    Refusal,
    advise,
    is_immutable,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.problems import (
    problem_of,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, answer

HOST = "r.example:5000"
WRITE, DELETE = "writing team/app:1.2", "deleting team/app:1.2"
OPEN, SEND = "opening an upload to team/app", f"sending blob {A} to team/app"
BY_DIGEST = f"writing team/app@{A}"


def error(status: int, code: str, message: str, what: str, detail: object = None) -> RegistryError:
    body = {"errors": [{"code": code, "message": message, "detail": detail}]}
    return problem_of(answer(status, body), HOST, what, ("secret",))


IMMUTABLE = {
    "ecr": (
        400,
        "TAG_INVALID",
        "The image tag '1.2' already exists in the 'team/app' repository and cannot be "
        "overwritten because the repository is immutable.",
    ),
    "harbor": (412, "PRECONDITION", "Failed to process request due to immutable tag rule."),
    "quay": (409, "TAG_ALREADY_EXISTS", "tag was already pushed"),
    "acr": (
        405,
        "REGISTRY_DISALLOWED_OPERATION",
        "The operation is disallowed on this registry, repository or image.",
    ),
    "google": (400, "MANIFEST_INVALID", "cannot update tag 1.2: the repository has enabled tag "
               "immutability"),
    "artifactory": (403, "DENIED", "not enough permissions to overwrite manifest.json"),
}  # fmt: skip


@pytest.mark.parametrize("said", IMMUTABLE.values(), ids=IMMUTABLE)
def test_a_tag_that_is_held_fast(said: tuple[int, str, str]) -> None:
    found = error(*said, WRITE)
    assert isinstance(found, TagImmutable) and not found.transient
    assert str(found).endswith(f"; the tag 1.2 can't be overwritten: it is immutable at {HOST}")


def test_nexus_says_it_in_the_detail() -> None:
    said = "Repository does not allow updating assets: docker"
    found = error(400, "BLOB_UPLOAD_INVALID", "blob upload invalid", WRITE, said)
    assert isinstance(found, TagImmutable) and "1.2 can't be overwritten" in str(found)


def test_a_locked_tag_cannot_be_deleted_either() -> None:
    found = error(412, "PRECONDITION", "configured as immutable", DELETE)
    assert "the tag 1.2 can't be deleted: it is immutable" in str(found)


@pytest.mark.parametrize("what", [OPEN, SEND, BY_DIGEST, "reading team/app:1.2"])
def test_only_tags_are_held_fast(what: str) -> None:
    assert not is_immutable(Refusal(409, (), "immutable", what, HOST))


@pytest.mark.parametrize("status", [401, 404, 413, 429, 500, 503])
def test_other_statuses_say_nothing_about_the_tag(status: int) -> None:
    assert not is_immutable(Refusal(status, (), "immutable", WRITE, HOST))


@pytest.mark.parametrize("what", [SEND, WRITE, BY_DIGEST])
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "adding 29.0 MiB of storage resource, which when updated to current usage of 152.4 "
              "MiB will exceed the configured upper limit of 10.0 MiB."),
        (412, "Quota exceeded when processing the request of adding 1.3 MiB"),
        (403, "Quota has been exceed on namespace"),
        (507, "Insufficient Storage"),
    ],
)  # fmt: skip
def test_a_quota(what: str, status: int, message: str) -> None:
    found = error(status, "DENIED", message, what)
    assert not isinstance(found, TagImmutable) and not found.transient
    assert f"; quota exceeded: there is no room left for team/app at {HOST}" in str(found)
    assert "credentials" not in str(found)


@pytest.mark.parametrize(
    ("status", "code", "what"),
    [
        (404, "NAME_UNKNOWN", OPEN),
        (404, "NAME_UNKNOWN", SEND),
        (404, "NAME_UNKNOWN", WRITE),
        (404, "NOT_FOUND", OPEN),
        (404, "", OPEN),
    ],
)
def test_a_missing_repository(status: int, code: str, what: str) -> None:
    found = str(error(status, code, "project team not found", what))
    assert "the repository team/app, or the project that it is to be in, doesn't exist" in found
    assert f"at {HOST}: create it first" in found and "create_repository: true" in found


@pytest.mark.parametrize("what", [SEND, WRITE])
def test_another_404_is_not_about_the_repository(what: str) -> None:
    assert advise(Refusal(404, ("BLOB_UPLOAD_UNKNOWN",), "no such upload", what, HOST)) == ""


@pytest.mark.parametrize("what", [OPEN, SEND, BY_DIGEST, WRITE])
def test_a_registry_that_takes_no_writes(what: str) -> None:
    assert "takes no writes" in advise(Refusal(405, (), "Method not allowed", what, HOST))


def test_nothing_is_said_of_a_source() -> None:
    assert advise(Refusal(404, ("NAME_UNKNOWN",), "no", "reading team/app:1", HOST)) == ""
    assert advise(Refusal(403, ("DENIED",), "quota", "reading team/app:1", HOST)) == ""


def test_a_refusal_that_may_have_several_reasons() -> None:
    found = error(403, "DENIED", "requested access to the resource is denied", WRITE)
    assert isinstance(found, AccessDenied)
    assert "check the credentials" in str(found) and "project that doesn't exist" in str(found)
    assert "mustn't be overwritten" in str(found)
    assert "overwritten" not in str(error(403, "DENIED", "no", OPEN))


def test_deletions() -> None:
    by_digest = f"deleting team/app@{A}"
    found = error(405, "UNSUPPORTED", "The operation is unsupported.", by_digest)
    assert "doesn't allow deletion" in str(found) and "storage.delete.enabled" in str(found)
    found = error(400, "GOOGLE_MANIFEST_DANGLING_TAG", "is still referenced by tag", by_digest)
    assert "other tags name this manifest" in str(found)
    assert advise(Refusal(400, (), "no", by_digest, HOST)) == ""


def test_too_many_requests() -> None:
    found = str(error(429, "TOOMANYREQUESTS", "Rate exceeded", SEND))
    assert found.endswith(f"too many requests for {HOST}: see requests_per_second in registries")
    hub = str(error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit", "reading a:1"))
    assert "the pull limit" in hub and "requests_per_second" not in hub
