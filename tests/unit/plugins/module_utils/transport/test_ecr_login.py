# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AuthenticationFailed,
    ImageSyncError,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.clouds import (
    EcrPlace,
    ecr_place,
    login_hint,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.credentials import (
    ANONYMOUS,
    Keychain,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.ecr_login import (
    NoAws,
    ecr_client,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
)
from ansible_collections.imagesync.registry.tests.support.amazon import AmazonCloud
from ansible_collections.imagesync.registry.tests.support.clouds import without_clouds
from ansible_collections.imagesync.registry.tests.support.credential_helpers import (
    HAS_NONE,
    Helper,
    gives,
)

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
PUBLIC = "public.ecr.aws"
FORCED = {"name": "r.example", "auth": "ecr"}


@pytest.fixture(autouse=True)
def _no_clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_clouds(monkeypatch, tmp_path)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[AmazonCloud]:
    with AmazonCloud() as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found
        assert found.errors == []


def keychain(*entries: dict[str, Any]) -> Keychain:
    return Keychain(Settings(read_entries(entries)))


@pytest.mark.parametrize(
    ("host", "place"),
    [
        (HOST, EcrPlace("123456789012", "eu-central-1")),
        (f"{HOST}.cn", EcrPlace("123456789012", "eu-central-1")),
        (
            "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            EcrPlace("123456789012", "us-gov-west-1", fips=True),
        ),
        (
            "123456789012.dkr-ecr.us-east-1.on.aws",
            EcrPlace("123456789012", "us-east-1"),
        ),
        (PUBLIC, EcrPlace(None, "us-east-1", True)),
        (f"{HOST}:443", None),
        (f"{HOST}.evil.example", None),
        ("x.dkr.ecr.eu-central-1.amazonaws.com", None),
        ("123456789012.dkr.ecr.eu-central-1xamazonaws.com", None),
        ("docker.io", None),
    ],
)
def test_which_registries_are_amazons(host: str, place: EcrPlace | None) -> None:
    assert ecr_place(host) == place
    assert ("botocore" in login_hint(host)) is bool(place)


def test_a_private_registry(cloud: AmazonCloud) -> None:
    keys = keychain()
    login = keys.find(HOST, "app")
    assert login[:3] == ("ecr", "AWS", "ecr-1")
    assert 40_000 < login.expires - time.monotonic() < 43_200
    assert keys.find(HOST, "other").password == "ecr-1"
    assert cloud.calls == [
        (
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            {"registryIds": ["123456789012"]},
            "eu-central-1",
        )
    ]
    assert "/eu-central-1/ecr/" in (cloud.requests[0].header("Authorization") or "")
    assert keys.kinds == {HOST: "ecr"}


def test_the_public_registry(cloud: AmazonCloud) -> None:
    assert keychain().find(PUBLIC, "nginx/nginx")[:3] == ("ecr", "AWS", "ecr-1")
    assert [call[0] for call in cloud.calls] == ["SpencerFrontendService.GetAuthorizationToken"]
    assert "/us-east-1/ecr-public/" in (cloud.requests[0].header("Authorization") or "")


def test_each_registry_has_its_own(cloud: AmazonCloud) -> None:
    keys = keychain()
    other = HOST.replace("123456789012", "999999999999")
    assert [keys.find(host, "app").password for host in (HOST, other, HOST)] == [
        "ecr-1",
        "ecr-2",
        "ecr-1",
    ]


def test_it_is_renewed_before_it_ends(cloud: AmazonCloud) -> None:
    cloud.lifetime = 1.5
    keys = keychain()
    first = keys.find(HOST, "app")
    while time.monotonic() < first.expires:
        time.sleep(0.01)
    assert keys.find(HOST, "app").password == "ecr-2"
    assert cloud.given == ["ecr-1", "ecr-2"]


def test_nothing_is_asked_before_a_login_is_demanded(cloud: AmazonCloud) -> None:
    keys = keychain()
    assert keys.find(HOST, "app", demanded=False) == ANONYMOUS
    assert keys.find("r.example", "app") == ANONYMOUS
    assert "botocore" not in sys.modules
    assert cloud.requests == []


@pytest.mark.parametrize("variable", ["AWS_DEFAULT_REGION", "AWS_REGION"])
def test_auth_ecr(variable: str, cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a name that doesn't tell: the machine's own region and account."""
    monkeypatch.setenv(variable, "eu-west-3")
    assert keychain(FORCED).find("r.example", "app")[:3] == ("ecr", "AWS", "ecr-1")
    assert cloud.calls[0][1] == {}
    assert "/eu-west-3/ecr/" in (cloud.requests[0].header("Authorization") or "")


def test_auth_ecr_without_a_region(cloud: AmazonCloud) -> None:
    with pytest.raises(InvalidInput, match=r"r.example: AWS isn't set up.*AWS_DEFAULT_REGION"):
        keychain(FORCED).find("r.example", "app")


def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


def test_no_credentials_of_aws(cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    no_keys(monkeypatch)
    keys = keychain(FORCED)
    assert keys.find(HOST, "app") == ANONYMOUS
    assert keys.find(PUBLIC, "app") == ANONYMOUS
    with pytest.raises(InvalidInput, match="auth is ecr, and botocore finds no AWS credentials"):
        keys.find("r.example", "app")
    with pytest.raises(NoAws):
        ecr_client(HOST)
    assert cloud.requests == []


def test_without_the_library(cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    assert keychain().find(HOST, "app") == ANONYMOUS
    with pytest.raises(InvalidInput, match="botocore isn't installed"):
        keychain(FORCED).find("r.example", "app")
    assert cloud.requests == []


@pytest.mark.parametrize("lacking", ["library", "credentials"])
def test_amazons_helper_stands_in(
    lacking: str, cloud: AmazonCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = Helper(tmp_path / "bin", "ecr-login", gives("AWS", "from-helper"))
    monkeypatch.setenv("PATH", helper.environment["PATH"])
    if lacking == "library":
        monkeypatch.setitem(sys.modules, "botocore", None)
    else:
        no_keys(monkeypatch)
    keys = keychain()
    assert keys.find(HOST, "app")[:3] == ("ecr", "AWS", "from-helper")
    assert helper.calls == [f"get|{HOST}"]
    assert keys.kinds == {HOST: "ecr"}


def test_amazons_helper_has_none(
    cloud: AmazonCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = Helper(tmp_path / "bin", "ecr-login", HAS_NONE)
    monkeypatch.setenv("PATH", helper.environment["PATH"])
    no_keys(monkeypatch)
    assert keychain().find(HOST, "app") == ANONYMOUS
    with pytest.raises(InvalidInput, match="nor does docker-credential-ecr-login"):
        keychain(FORCED).find("r.example", "app")


def test_a_refusal_of_aws(cloud: AmazonCloud) -> None:
    """It is told, but for the public registry, which needs no login."""
    cloud.refusal = "AccessDeniedException"
    keys = keychain()
    for _unused in range(2):
        with pytest.raises(AuthenticationFailed) as caught:
            keys.find(HOST, "app")
        assert f"{HOST}: asking AWS for a password failed" in str(caught.value)
        assert "AccessDeniedException: User: arn:aws:iam::1:user/x: no" in str(caught.value)
    assert len(cloud.requests) == 1
    assert keys.find(PUBLIC, "app") == ANONYMOUS
    with pytest.raises(AuthenticationFailed):
        keychain({"name": PUBLIC, "auth": "ecr"}).find(PUBLIC, "app")


def test_aws_that_cannot_be_reached(cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(AuthenticationFailed, match="asking AWS for a password failed"):
        keychain().find(HOST, "app")


def test_a_profile_that_is_not_there(cloud: AmazonCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(InvalidInput, match=r"AWS isn't set up on this host: .*missing"):
        keychain().find(HOST, "app")


#: what a machine may be set up with, beside a key that is good; and what is said of it
BROKEN = {
    "a token file that is gone": (
        {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"}
        | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such/file"},
        "No such file or directory: /no/such/file",
    ),
    "a program that is gone": (
        {"process": "/no/such/program"},
        "No such file or directory: /no/such/program",
    ),
    "a program that fails": (
        {"process": 'sh -c "echo canary >&2; exit 3"'},
        "credential_process failed",
    ),
    "a session that can't be sent": (
        {"AWS_SESSION_TOKEN": "canary\nx"},
        "the request can't be sent",
    ),
    "an address with a login": (
        {"AWS_ENDPOINT_URL_ECR": "http://user:canary@127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"},
        "http://127.0.0.1:1",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_set_up_that_is_no_good(
    name: str, cloud: AmazonCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, with nothing in it that could be secret."""
    given, said = BROKEN[name]
    if not {"AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_ECR"} & set(given):
        no_keys(monkeypatch)
    for variable, value in given.items():
        if variable == "process":
            (tmp_path / "config").write_text(f"[default]\ncredential_process = {value}\n")
            variable, value = "AWS_CONFIG_FILE", str(tmp_path / "config")
        monkeypatch.setenv(variable, value)
    with pytest.raises(ImageSyncError) as caught:
        keychain().find(HOST, "app")
    assert str(caught.value).startswith(f"{HOST}: ") and said in str(caught.value)
    assert "canary" not in str(caught.value)
    assert cloud.requests == []


def test_aws_that_repeats_what_was_signed(cloud: AmazonCloud) -> None:
    """InvalidSignatureException, with all that was signed behind its first line."""
    cloud.refusal = "InvalidSignatureException"
    cloud.said = "The signature is wrong.\n\nThe Canonical String should have been\n'canary'"
    with pytest.raises(AuthenticationFailed, match=r"The signature is wrong\.$"):
        keychain().find(HOST, "app")


def test_nothing_of_it_is_logged(cloud: AmazonCloud, caplog: pytest.LogCaptureFixture) -> None:
    """botocore logs answers with the password in them."""
    caplog.set_level(logging.DEBUG)
    assert keychain().find(HOST, "app").password == "ecr-1"
    assert [r for r in caplog.records if r.name.startswith("botocore")] == []
    logging.getLogger("botocore.parsers").debug("it may speak again")
    assert "it may speak again" in caplog.text
