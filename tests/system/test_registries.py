# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every registry that people use, played by a stand-in with its manners: docs/registries.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import images
from tests.support.content import Image
from tests.support.fixtures import MakeStrict
from tests.support.manners import (
    PASSWORD,
    PROFILES,
    JobTokens,
    Stage,
    busy,
    cuts_unknown,
    no_project,
    no_room,
    playing,
    pull_limit,
    refuses_tag,
)
from tests.support.strict_registry import StrictRegistry
from tests.support.strict_rules import Answer
from tests.support.sync import sync

PUSHED = [name for name, profile in PROFILES.items() if profile.pushes]
IMMUTABLE = [name for name, profile in PROFILES.items() if profile.immutable]
FULL = [name for name, profile in PROFILES.items() if profile.quota]
MISSING = [name for name, profile in PROFILES.items() if profile.missing]
#: another registry, without any manners
ELSEWHERE = "elsewhere/app"


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The stand-in that the test names; requests that its registry doesn't document fail."""
    with playing(request.param) as found:
        yield found


def on(*names: str) -> Any:
    """A test that takes place at these."""
    return pytest.mark.parametrize("stage", names, indirect=True)


def _at(stage: Stage, **options: Any) -> dict[str, Any]:
    """A call that knows how to log in there, and never tells the secrets."""
    result = sync(registries=[stage.entry], **options)
    assert PASSWORD not in str(result)
    return result


def _push(stage: Stage, source: StrictRegistry, **options: Any) -> dict[str, Any]:
    return _at(stage, source=f"{source.host}/{ELSEWHERE}:1.0", destination=stage.ref(), **options)


def _whole(registry: StrictRegistry, repository: str, image: Image) -> bool:
    """Whether all of an image is there, byte for byte."""
    blobs = [blob.digest for blob in image.all_blobs]
    there = all(registry.has_blob(repository, digest) for digest in blobs)
    return there and all(
        registry.manifest(repository, one.digest) == one.manifest for one in image.walk()
    )


@on(*PUSHED)
def test_an_image_goes_there_moves_and_is_removed(stage: Stage, strict: StrictRegistry) -> None:
    registry, repository = stage.registry, stage.repository
    first = images.multi_platform("first")
    strict.add(ELSEWHERE, first, "1.0")
    result = _push(stage, strict)
    assert (result.get("msg"), result["reason"], result["changed"]) == (None, "absent", True)
    assert registry.tag(repository, "1.0") == first.digest and _whole(registry, repository, first)
    assert result["credentials"][registry.host] == "options"

    registry.clear()
    result = _push(stage, strict)
    assert (result["reason"], result["changed"]) == ("in_sync", False)
    assert registry.writes() == [] and registry.count("HEAD", "manifest") >= 1

    # the same blobs for another repository, as far as it lends them
    other = f"{repository}-copy"
    if not registry.rules.create_repositories:
        registry.store.stock(other)
    result = _at(stage, source=stage.ref("1.0"), destination=stage.ref(repository=other))
    assert result["blobs_mounted"] == len({blob.digest for blob in first.all_blobs})
    assert _whole(registry, other, first)

    second = images.multi_platform("second")
    strict.add(ELSEWHERE, second, "1.0")
    result = _push(stage, strict)
    assert (result["reason"], result["previous_digest"]) == ("digest_differs", first.digest)
    assert registry.tag(repository, "1.0") == second.digest

    result = _at(stage, destination=stage.ref("1.0"), state="absent")
    if stage.profile.deletes == "never":
        assert result["failed"] and "doesn't allow deletion" in result["msg"]
        assert registry.tag(repository, "1.0") == second.digest
        return
    assert (result.get("msg"), result["reason"], result["changed"]) == (None, "removed", True)
    assert registry.tags(repository) == [] and not registry.manifest(repository, second.digest)
    result = _at(stage, destination=stage.ref("1.0"), state="absent")
    assert (result["reason"], result["changed"]) == ("in_sync", False)


@on(*PROFILES)
def test_an_image_comes_from_there(stage: Stage, strict: StrictRegistry) -> None:
    """Selected from a tag list of several pages, with all that stands in such lists."""
    wanted = images.multi_platform("newest")
    stage.registry.add(stage.repository, wanted, "1.0.119")
    old = stage.registry.add(stage.repository, images.image("old"))
    for number in range(119):
        stage.registry.set_tag(stage.repository, f"1.0.{number}", old)
    mirrored = {"destination": f"{strict.host}/mirror/app", "filter": {"newest": 1}}
    result = _at(stage, source=stage.ref(), **mirrored)
    assert (result.get("msg"), result["changed"]) == (None, True)
    assert strict.tags("mirror/app") == ["1.0.119"] and _whole(strict, "mirror/app", wanted)
    pages = {r.target for r in stage.registry.select("GET", "tags") if r.status == 200}
    assert len(pages) == 120 // (stage.registry.rules.page_size or 100) + 1
    assert not _at(stage, source=stage.ref(), **mirrored)["changed"]
    # nothing of the login goes anywhere else
    assert strict.with_header("Authorization") == []

    result = _at(stage, source=stage.ref("2.0"), destination=f"{strict.host}/mirror/app")
    assert result["failed"] and f"{stage.repository}:2.0 failed with 404" in result["msg"]


@on(*IMMUTABLE)
def test_a_tag_that_is_held_fast(stage: Stage, strict: StrictRegistry) -> None:
    assert stage.profile.immutable
    old, new = images.image("old"), images.image("new")
    stage.registry.add(stage.repository, old, "1.0")
    stage.takes(refuses_tag(stage.profile.immutable))
    strict.add(ELSEWHERE, old, "1.0")
    result = _push(stage, strict)
    assert (result.get("msg"), result["reason"]) == (None, "in_sync")

    strict.add(ELSEWHERE, new, "1.0")
    result = _push(stage, strict)
    assert result["failed"] and not result["changed"]
    if stage.profile.immutable[0] == 403 and "overwrite" not in stage.profile.immutable[2]:
        assert "a tag that mustn't be overwritten" in result["msg"]
    else:
        assert "the tag 1.0 can't be overwritten: it is immutable" in result["msg"]
    assert stage.registry.tag(stage.repository, "1.0") == old.digest
    tried = [r for r in stage.registry.select("PUT", "manifest") if r.reference == "1.0"]
    assert len(tried) == 1

    result = _push(stage, strict, existing="keep")
    assert (result.get("msg"), result["reason"]) == (None, "kept")


@on(*FULL)
def test_a_full_project(stage: Stage, strict: StrictRegistry) -> None:
    assert stage.profile.quota
    strict.add(ELSEWHERE, images.image("large"), "1.0")
    stage.takes(no_room(stage.profile.quota))
    result = _push(stage, strict)
    assert result["failed"] and result["stats"]["retries"] == 0
    assert f"quota exceeded: there is no room left for {stage.repository}" in result["msg"]
    assert "credentials" not in result["msg"]
    assert stage.registry.count("PUT", "manifest") == 1


@on(*MISSING)
def test_what_must_exist_first(stage: Stage, strict: StrictRegistry) -> None:
    assert stage.profile.missing
    strict.add(ELSEWHERE, images.image("nowhere to go"), "1.0")
    if stage.registry.rules.create_repositories:
        stage.takes(no_project(stage.profile.missing))
    else:
        stage.registry.store.stocks.clear()
    result = _push(stage, strict)
    assert result["failed"] and result["stats"]["retries"] == 0
    if stage.profile.missing[0] == 403:
        assert "check the credentials" in result["msg"]
    else:
        place = f"the repository {stage.repository}, or the project that it is to be in, doesn't"
        assert f"{place} exist at {stage.registry.host}: create it first" in result["msg"]
    assert stage.registry.count("PUT") == strict.count("GET", "blob") == 0


@pytest.mark.usefixtures("quick")
@on("Amazon ECR")
def test_ecr_may_cut_the_connection_instead(stage: Stage, strict: StrictRegistry) -> None:
    strict.add(ELSEWHERE, images.image("cut off"), "1.0")
    stage.registry.store.stocks.clear()
    stage.takes(cuts_unknown)
    result = _push(stage, strict, retries=1)
    assert result["failed"] and stage.registry.count("POST", "upload") >= 2
    assert f"{stage.repository} doesn't exist there yet" in result["msg"]
    assert "create it first, or set create_repository: true" in result["msg"]


@on("Docker Hub")
def test_a_pull_limit_that_is_used_up(stage: Stage, strict: StrictRegistry) -> None:
    for tag in ("1", "2"):
        stage.registry.add(stage.repository, images.image(tag), tag)
    stage.takes(pull_limit(1))
    mirrored = {"source": stage.ref(), "destination": f"{strict.host}/mirror/app", "concurrency": 1}
    result = _at(stage, tags=["1", "2"], referrers="never", **mirrored)
    done = strict.tags("mirror/app")
    left = next(tag for tag in ("1", "2") if tag not in done)
    assert len(done) == 1 and result["failed"]
    host = stage.registry.host
    assert result["rate_limits"] == {host: {"limit": 100, "remaining": 0, "window": 21600}}
    assert f"{host} says that nothing of its 100 requests in 6 hours is left" in result["msg"]
    result = _at(stage, tags=[left], referrers="never", **mirrored)
    assert result["failed"] and "come back in 6 hours" in result["msg"]


@on("Docker Hub")
def test_a_pull_limit_that_was_never_announced(stage: Stage, strict: StrictRegistry) -> None:
    stage.registry.add(stage.repository, images.image("1"), "1")
    said = "You have reached your unauthenticated pull rate limit."
    body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "%s"}]}' % said.encode()
    stage.takes(busy([Answer(429, [("Content-Type", "application/json")], body)]))
    result = _at(stage, source=stage.ref("1"), destination=f"{strict.host}/mirror/app")
    assert result["failed"] and result["stats"]["retries"] == 0
    assert f"the pull limit of {stage.registry.host} is used up: log in" in result["msg"]


@pytest.mark.usefixtures("quick")
@on("GitHub (GHCR)")
def test_github_counts_in_milliseconds(stage: Stage, strict: StrictRegistry) -> None:
    """Its public images want a token too, which everybody gets."""
    stage.registry.add(stage.repository, images.image("public"), "1")
    refusal = Answer(429, [("Retry-After", "1.889377ms")], b"rate limited")
    stage.takes(busy([refusal, refusal]))
    destination = f"{strict.host}/mirror/app"
    result = sync(source=stage.ref("1"), destination=destination)
    assert (result.get("msg"), result["changed"]) == (None, True)
    assert result["stats"]["retries"] == 2 and result["stats"]["seconds"] < 5
    assert result["credentials"][stage.registry.host] == "anonymous"
    assert stage.tokens and not any(r.had_credentials for r in stage.tokens.token_requests)


@on("Azure (ACR)")
def test_azure_storage_gets_no_login(stage: Stage, strict: StrictRegistry) -> None:
    stage.registry.add(stage.repository, images.image("stored elsewhere"), "1")
    result = _at(stage, source=stage.ref("1"), destination=f"{strict.host}/mirror/app")
    assert (result.get("msg"), result["changed"]) == (None, True)
    assert stage.storage and {r.status for r in stage.storage.requests} == {200}
    assert stage.tokens and {r.method for r in stage.tokens.token_requests} == {"POST"}


def test_a_job_of_gitlab_may_not_delete(
    monkeypatch: pytest.MonkeyPatch, make_strict: MakeStrict
) -> None:
    """The token server grants less than was asked for, and the registry says 401."""
    job = dataclasses.replace(PROFILES["GitLab"], tokens=JobTokens)
    monkeypatch.setitem(PROFILES, "GitLab", job)
    with playing("GitLab") as stage:
        stage.registry.add(stage.repository, images.image("kept"), "1.0")
        result = _at(stage, destination=stage.ref("1.0"), state="absent")
        assert result["failed"] and "deleting" in result["msg"]
        assert "check the credentials" in result["msg"]
        assert stage.registry.tags(stage.repository) == ["1.0"]
