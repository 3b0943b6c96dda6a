# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What botocore's errors say when a server, a program or the settings are against us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError
from ansible_collections.imagesync.registry.plugins.module_utils.transport.credentials import (
    Keychain,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.ecr_repositories import (
    EcrRepositories,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import Settings
from ansible_collections.imagesync.registry.tests.support.amazon import AmazonCloud
from ansible_collections.imagesync.registry.tests.support.clouds import without_clouds

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
CANARY = "canary-of-the-session"
KEY = "secret-access-key-of-the-tests"


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AmazonCloud]:
    without_clouds(monkeypatch, tmp_path)
    with AmazonCloud() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
        assert not server.errors


def messages() -> list[str]:
    """What is said where a login is asked for, and where a repository is created."""
    with pytest.raises(ImageSyncError) as login:
        Keychain(Settings()).find(HOST, "app")
    with pytest.raises(ImageSyncError) as creation:
        EcrRepositories().create(HOST, "team/app")
    said = [str(login.value), str(creation.value)]
    for text in said:
        assert text.startswith(f"{HOST}: ")
        assert CANARY not in text and KEY not in text
    return said


ODD: list[Any] = [["x"], "x", None, {"authorizationData": ["x"]}]
ODD.append({"authorizationData": [{"authorizationToken": "QVdTOng=", "expiresAt": 1e300}]})


@pytest.mark.parametrize("answer", ODD)
def test_answers_that_are_none_of_aws(cloud: AmazonCloud, answer: Any) -> None:
    """botocore ends in an AttributeError, a TypeError or a RuntimeError."""
    cloud.answer = lambda _target, _given: (200, answer)  # type: ignore[assignment]
    with pytest.raises(ImageSyncError, match="can work with"):
        Keychain(Settings()).find(HOST, "app")


@pytest.mark.parametrize("answer", [["x"], None, {"__type": ["x"]}])
def test_errors_that_are_none_of_aws(cloud: AmazonCloud, answer: Any) -> None:
    cloud.answer = lambda _target, _given: (400, answer)  # type: ignore[assignment]
    assert all("can work with" in text for text in messages())


def test_who_repeats_the_credentials(cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", CANARY)
    told = {"__type": "Odd", "message": f"you sent {CANARY}, signed with {KEY}"}
    cloud.answer = lambda _target, _given: (400, told)  # type: ignore[assignment]
    assert all("Odd: you sent ********, signed" in text for text in messages())


def test_credentials_that_cannot_be_sent(
    cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exception for such a header has it in its text."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"{CANARY}\r\nX: y")
    assert all("the request can't be sent" in text for text in messages())


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (f"sh -c 'echo {CANARY} >&2; exit 1'", "credential_process failed"),
        ("sh -c 'echo []'", "can work with"),
        ("/nowhere/program", "No such file or directory: /nowhere/program"),
        ("sh -c 'echo", "No closing quotation"),
    ],
)
def test_programs_that_fail(
    cloud: AmazonCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert all(said in text for text in messages())


def test_a_password_in_the_address(cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", f"http://user:{CANARY}@127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert all('URL: "http://127.0.0.1:1/"' in text for text in messages())


def test_an_address_that_is_none(cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "ecr.example")
    assert all("Invalid endpoint: ecr.example" in text for text in messages())
