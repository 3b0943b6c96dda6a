# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories of ECR that are created when needed, through the real botocore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport.ecr_repositories import (
    EcrRepositories,
)
from tests.support import images
from tests.support.amazon import REGION, SECRET_KEY, AmazonCloud
from tests.support.manners import Stage, cuts_unknown, lists_nothing, playing
from tests.support.strict_registry import StrictRegistry
from tests.support.strict_store import Store
from tests.support.sync import sync

ELSEWHERE = "elsewhere/app"
CREATE = "AmazonEC2ContainerRegistry_V20150921.CreateRepository"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """ECR without any repository."""
    with playing("Amazon ECR") as found:
        found.registry.store.stocks.clear()
        found.entry["create_repository"] = True
        yield found


@pytest.fixture
def api(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[AmazonCloud]:
    """Its API, and an environment in which botocore finds that."""
    with AmazonCloud(store=stage.registry.store) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, "/dev/null")
        yield server
        assert not server.errors


def _push(stage: Stage, source: StrictRegistry, *names: str, **options: Any) -> dict[str, Any]:
    entries = [
        {"source": f"{source.host}/{ELSEWHERE}:1.0", "destination": stage.ref("1.0", name)}
        for name in names
    ]
    result = sync(registries=[stage.entry], images=entries, **options)
    assert SECRET_KEY not in str(result)
    return result


@pytest.fixture
def source(strict: StrictRegistry) -> StrictRegistry:
    """Where the image comes from."""
    strict.add(ELSEWHERE, images.multi_platform("for ecr"), "1.0")
    return strict


def test_what_is_missing_is_created_once(
    stage: Stage, source: StrictRegistry, api: AmazonCloud
) -> None:
    stage.registry.store.stock("team/there")
    stage.takes(cuts_unknown)
    names = ["team/new", "team/newer", "team/there"]
    foretold = _push(stage, source, *names, check_mode=True)
    assert api.calls == [] and stage.registry.writes() == []
    host = stage.registry.host
    assert foretold["warnings"] == [
        f"the repository {host}/{name} doesn't exist; it would be created" for name in names[:2]
    ]
    result = _push(stage, source, *names)
    assert (result.get("msg"), result["changed"], result["warnings"]) == (None, True, [])
    assert sorted(call.given["repositoryName"] for call in api.calls) == names[:2]
    assert {(call.target, call.region) for call in api.calls} == {(CREATE, REGION)}
    assert [stage.registry.tags(name) for name in names] == [["1.0"]] * 3
    api.calls.clear()
    assert not _push(stage, source, *names)["changed"] and api.calls == []


def test_who_may_not_list_tags_creates_what_a_write_finds_missing(
    stage: Stage, source: StrictRegistry, api: AmazonCloud
) -> None:
    stage.registry.store.stock("team/there")
    stage.takes(lists_nothing)
    result = _push(stage, source, "team/new", "team/there")
    assert (result.get("msg"), result["changed"]) == (None, True)
    assert [call.given["repositoryName"] for call in api.calls] == ["team/new"]
    assert stage.registry.tags("team/new") == ["1.0"]


def test_somebody_else_may_have_been_quicker(
    stage: Stage, source: StrictRegistry, api: AmazonCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry may also be late in saying that a repository exists."""
    create = api.create

    def twice(store: Store, name: str) -> Any:
        create(store, name)
        return create(store, name)

    monkeypatch.setattr(api, "create", twice)
    result = _push(stage, source, "team/new")
    assert (result.get("msg"), result["changed"]) == (None, True)
    assert len(api.calls) == 1 and stage.registry.tags("team/new") == ["1.0"]


def test_only_where_it_is_wanted(stage: Stage, source: StrictRegistry, api: AmazonCloud) -> None:
    """The field of a longer name counts, as with all fields."""
    del stage.entry["create_repository"]
    host = stage.registry.host
    part = {"name": f"{host}/team/new", "create_repository": True}
    entries = [
        {"source": f"{source.host}/{ELSEWHERE}:1.0", "destination": f"{host}/team/{name}:1.0"}
        for name in ("new", "old")
    ]
    result = sync(registries=[stage.entry, part], images=entries)
    assert [image["failed"] for image in result["images"]] == [False, True]
    assert "create_repository: true" in result["msg"] and len(api.calls) == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", "the AWS credentials must allow ecr:CreateRepository"),
        ("InvalidParameterException", "InvalidParameterException: no more of them"),
    ],
)
def test_a_refusal_is_told_once_for_all(
    stage: Stage, source: StrictRegistry, api: AmazonCloud, code: str, said: str
) -> None:
    api.refusal, api.said = code, "no more of them"
    result = _push(stage, source, "team/new")
    assert result["failed"] and len(api.calls) == 1
    what = f"{stage.registry.host}: creating the repository team/new failed: AWS answered {code}"
    assert what in result["msg"]
    assert said in result["msg"] and stage.registry.writes() == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "botocore finds no AWS credentials"),
        (["AWS_DEFAULT_REGION"], "name tells no region: set AWS_DEFAULT_REGION"),
    ],
)
def test_what_botocore_lacks(
    stage: Stage,
    source: StrictRegistry,
    api: AmazonCloud,
    monkeypatch: pytest.MonkeyPatch,
    variables: list[str],
    said: str,
) -> None:
    for name in variables:
        monkeypatch.delenv(name)
    result = _push(stage, source, "team/new")
    assert result["failed"] and said in result["msg"] and api.calls == []


def test_the_api_is_out_of_reach(
    stage: Stage, source: StrictRegistry, api: AmazonCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = _push(stage, source, "team/new")
    assert result["failed"] and "http://127.0.0.1:1" in result["msg"]
    assert "Traceback" not in result["msg"] and api.calls == []


def test_a_real_name_tells_account_and_region(api: AmazonCloud) -> None:
    repositories = EcrRepositories()
    repositories.create("123456789012.dkr.ecr.us-west-2.amazonaws.com", "team/app")
    repositories.create("public.ecr.aws", "alias/app")
    assert api.calls == [
        (
            CREATE,
            {"repositoryName": "team/app", "registryId": "123456789012"},
            "us-west-2",
        ),
        ("SpencerFrontendService.CreateRepository", {"repositoryName": "app"}, "us-east-1"),
    ]
