# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins from programs and from clouds, and what registries and token servers make of them."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import images, push
from tests.support.amazon import AmazonCloud
from tests.support.asking import ask, basic, refusal
from tests.support.clouds import GoogleCloud, without_clouds
from tests.support.credential_helpers import HAS_NONE, Helper, gives
from tests.support.proxy import RecordingProxy
from tests.support.registries import PASSWORD, USER, DockerRegistry
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import sync
from tests.support.token_server import TokenServer
from tests.support.waiting import wait_until

IMAGE = images.image("credentials")
ALICE = basic(USER, PASSWORD)
LOGIN = {"username": USER, "password": PASSWORD}
NAMES = ("team/app", "team/web", "other/app")


@pytest.fixture(scope="module")
def protected() -> Iterator[DockerRegistry]:
    """A registry that wants alice's password."""
    with DockerRegistry(htpasswd=True) as found:
        for name in NAMES:
            push.push(IMAGE, f"{found.host}/{name}:1", auth=(USER, PASSWORD))
        yield found


@pytest.fixture(scope="module")
def tokens() -> Iterator[tuple[DockerRegistry, TokenServer]]:
    """A registry that trusts the tokens of a server."""
    with TokenServer() as server, DockerRegistry(token=server) as registry:
        for name in NAMES:
            push.push(IMAGE, f"{registry.host}/{name}:1", auth=(USER, PASSWORD))
        yield registry, server


@pytest.fixture
def server(tokens: tuple[DockerRegistry, TokenServer]) -> TokenServer:
    """The server as it was made; nothing is in its log."""
    found = tokens[1]
    found.lifetime, found.users, found.anonymous_pull = 300, {USER: PASSWORD}, True
    found.token_requests.clear()
    found.clear()
    return found


@pytest.fixture
def behind(
    tokens: tuple[DockerRegistry, TokenServer], server: TokenServer
) -> Iterator[RecordingProxy]:
    """A way to the registry with tokens that nobody used before."""
    with RecordingProxy(tokens[0].url) as found:
        yield found


@pytest.fixture
def proxy(protected: DockerRegistry) -> Iterator[RecordingProxy]:
    """A way to the registry with passwords that nobody used before."""
    with RecordingProxy(protected.url) as found:
        yield found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without logins, none in the environment, and no cloud around it."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    without_clouds(monkeypatch, tmp_path)
    return tmp_path


def references(proxy: RecordingProxy) -> list[str]:
    """The image in each of its repositories."""
    return [f"{proxy.host}/{name}:1" for name in NAMES]


def shown(proxy: RecordingProxy) -> set[str | None]:
    """Each Authorization that the registry saw, None where there was none."""
    return {request.header("Authorization") for request in proxy.requests}


# programs


def test_a_program_that_dockers_file_names(
    proxy: RecordingProxy, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run once, when the registry asks for a login; a registry that doesn't costs no process."""
    helper = Helper(home / "bin", "keeper", gives(USER, PASSWORD))
    monkeypatch.setenv("PATH", helper.environment["PATH"])
    (home / ".docker").mkdir()
    config = {"credsStore": "keeper", "auths": {proxy.host: {}}}
    (home / ".docker" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with StrictRegistry() as opened:
        opened.add("team/app", IMAGE, "1")
        found = ask(*references(proxy), f"{opened.host}/team/app:1")
        assert [image["digest"] for image in found["images"]] == [IMAGE.digest] * 4
        assert found["credentials"] == {proxy.host: "helper", opened.host: "anonymous"}
        assert not opened.with_header("Authorization")
    assert shown(proxy) == {None, ALICE}
    assert helper.calls == [f"get|{proxy.host}"]


def test_a_program_that_gives_an_identity_token(
    behind: RecordingProxy, server: TokenServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user name is ``<token>`` then: it is exchanged, not sent as a password."""
    helper = Helper(home / "bin", "keeper", gives("<token>", server.identity_token(USER)))
    monkeypatch.setenv("PATH", helper.environment["PATH"])
    found = ask(*references(behind), registries=[{"name": behind.host, "helper": "keeper"}])
    assert found["credentials"] == {behind.host: "helper"}
    assert {(r.method, r.user) for r in server.token_requests} == {("POST", USER)}


@pytest.mark.parametrize(
    ("body", "sign"), [("exit 7", "docker-credential-keeper failed"), (HAS_NONE, "needs a login")]
)
def test_a_program_without_a_login(
    body: str, sign: str, proxy: RecordingProxy, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence for each image, one run of the program, and nothing was shown."""
    helper = Helper(home / "bin", "keeper", body)
    monkeypatch.setenv("PATH", helper.environment["PATH"])
    registries = [{"name": proxy.host, "helper": "keeper"}]
    entries = [
        {"source": name, "destination": f"{proxy.host}/copies/x{number}"}
        for number, name in enumerate(references(proxy))
    ]
    done = sync(images=entries, registries=registries, retries=3)
    assert [image["failed"] for image in done["images"]] == [True] * 3
    assert all(sign in image["msg"] and proxy.host in image["msg"] for image in done["images"])
    assert helper.calls == [f"get|{proxy.host}"]
    assert shown(proxy) == {None}


# clouds


def test_a_registry_with_googles_login(
    behind: RecordingProxy, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The access token is the password at the realm; renewed in time, in mid-run."""
    with GoogleCloud(lifetime=1) as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        server.users, server.lifetime = {"oauth2accesstoken": "access-1"}, 1
        begin: list[float] = []

        def outlive() -> None:
            begin.append(time.monotonic())
            wait_until(lambda: time.monotonic() > begin[0] + 1, "the access token to expire")
            cloud.lifetime = 3600
            server.users = {"oauth2accesstoken": "access-2"}

        expiry = behind.inject("GET .*/blobs/", "pass", call=outlive)
        registries = [{"name": behind.host, "auth": "google"}]
        found = ask(*references(behind), registries=registries, concurrency=1)
        assert [image["digest"] for image in found["images"]] == [IMAGE.digest] * 3
        assert found["credentials"] == {behind.host: "google"}
        assert expiry.hits == 1
        assert cloud.given == ["access-1", "access-2"]
        assert {request.status for request in server.token_requests} == {200}
        assert not behind.saw("access-")
        # the library asks who answers, for the project and the account, and twice for a token
        assert len(cloud.requests) <= 6


def test_a_registry_with_amazons_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password goes to the registry itself; renewed in time, in mid-run."""
    with AmazonCloud(lifetime=2) as cloud, StrictRegistry(auth=("AWS", "ecr-1")) as strict:
        for name, value in (cloud.environment | {"AWS_REGION": "eu-west-3"}).items():
            monkeypatch.setenv(name, value)
        for name in NAMES:
            strict.add(name, IMAGE, "1")
        with RecordingProxy(strict.url) as proxy:
            begin: list[float] = []

            def outlive() -> None:
                begin.append(time.monotonic())
                wait_until(lambda: time.monotonic() > begin[0] + 2, "the password to expire")

            def forget() -> None:
                strict.rules.auth = ("AWS", "ecr-2")

            expiry = proxy.inject("GET .*/blobs/", "pass", call=outlive)
            forgotten = proxy.inject("team/web/manifests", "pass", call=forget)
            registries = [{"name": proxy.host, "auth": "ecr"}]
            found = ask(*references(proxy), registries=registries, concurrency=1)
            assert [image["digest"] for image in found["images"]] == [IMAGE.digest] * 3
            assert found["credentials"] == {proxy.host: "ecr"}
            assert (expiry.hits, forgotten.hits) == (1, 1)
            assert len([r for r in proxy.requests if r.status == 401]) == 1
            assert shown(proxy) == {None, basic("AWS", "ecr-1"), basic("AWS", "ecr-2")}
        assert cloud.given == ["ecr-1", "ecr-2"]


def test_a_cloud_that_gives_nothing(proxy: RecordingProxy) -> None:
    """Where it must, one sentence says what to do."""
    message = refusal(references(proxy)[0], registries=[{"name": proxy.host, "auth": "google"}])
    assert f"{proxy.host}: auth is google" in message
    assert "gcloud auth application-default login" in message
    message = refusal(references(proxy)[0], registries=[{"name": proxy.host, "auth": "ecr"}])
    assert f"{proxy.host}: auth is ecr" in message
    assert "AWS credentials" in message
    assert shown(proxy) == {None}


# what is done with a login


def test_basic_at_once(proxy: RecordingProxy, behind: RecordingProxy, server: TokenServer) -> None:
    """No request without it; a token server that is offered isn't asked."""
    registries = [{"name": proxy.host, "auth": "basic", **LOGIN}]
    found = ask(*references(proxy), registries=registries)
    assert [image["digest"] for image in found["images"]] == [IMAGE.digest] * 3
    assert shown(proxy) == {ALICE}
    assert {request.status for request in proxy.requests} == {200}
    registries = [{"name": behind.host, "auth": "basic", **LOGIN}]
    assert "refused the login" in refusal(references(behind)[0], registries=registries)
    assert len(behind.requests) == 1
    assert server.token_requests == []


def test_anonymous(
    behind: RecordingProxy, server: TokenServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever login there is, for the registry or a part of it."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (home / "auth.json").write_text(json.dumps({"auths": {behind.host: {"auth": auth}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "auth.json"))
    found = ask(*references(behind), registries=[{"name": behind.host, "auth": "anonymous"}])
    assert [image["digest"] for image in found["images"]] == [IMAGE.digest] * 3
    assert found["credentials"] == {behind.host: "anonymous"}
    assert {request.had_credentials for request in server.token_requests} == {False}
    server.token_requests.clear()
    registries = [{"name": f"{behind.host}/team", "auth": "anonymous"}]
    found = ask(*references(behind), registries=registries)
    assert found["credentials"] == {behind.host: "REGISTRY_AUTH_FILE"}
    users = {scope: r.user for r in server.token_requests for scope in r.scopes}
    assert users == {f"repository:{n}:pull": USER if n == NAMES[2] else None for n in NAMES}


def test_azures_refresh_token(behind: RecordingProxy, server: TokenServer) -> None:
    """Of Azure Container Registry, with the user name that stands for it."""
    login = {
        "username": "00000000-0000-0000-0000-000000000000",
        "identity_token": server.identity_token(USER),
    }
    done = sync(
        source=references(behind)[0],
        destination=f"{behind.host}/copies/azure",
        registries=[{"name": behind.host, **login}],
    )
    assert done["digest"] == IMAGE.digest
    assert {request.method for request in server.token_requests} == {"POST"}
    for request in server.token_requests:
        assert request.params["grant_type"] == ["refresh_token"]
        assert request.params["refresh_token"] == [login["identity_token"]]
        assert request.params["service"] == [server.service]


def test_a_wrong_password_that_a_realm_answers_with_403(
    behind: RecordingProxy, server: TokenServer
) -> None:
    """20 images aren't 20 tries: the password is proven once, for nothing, and not tried again."""
    with RecordingProxy(server.url) as realm:
        refused = realm.inject("/token", "status", 403, times=-1, body=b"{}")
        challenge = f'Bearer realm="{realm.url}/token",service="{server.service}"'
        headers = {"WWW-Authenticate": challenge}
        behind.inject("manifests", "set_header", headers=headers, times=-1)
        entries = [
            {
                "source": f"{behind.host}/team/app{number}:1",
                "destination": f"{behind.host}/mirror/app{number}:1",
            }
            for number in range(20)
        ]
        registries = [{"name": behind.host, "username": USER, "password": "not-the-password"}]
        done = sync(images=entries, registries=registries, retries=3)
        assert refused.hits == 2
        assert all("refused the login" in image["msg"] for image in done["images"])


def test_a_repository_that_a_realm_denies_with_403(
    behind: RecordingProxy, server: TokenServer
) -> None:
    """The password is good, so the others are asked for."""
    with RecordingProxy(server.url) as realm:
        denied = realm.inject("/token.*team%2Fapp", "status", 403, times=-1, body=b"{}")
        headers = {
            "WWW-Authenticate": f'Bearer realm="{realm.url}/token",service="{server.service}"'
        }
        behind.inject("manifests", "set_header", headers=headers, times=-1)
        entries = [
            {"source": name, "destination": f"{behind.host}/denied/x{number}"}
            for number, name in enumerate(references(behind))
        ]
        registries = [{"name": behind.host, **LOGIN}]
        done = sync(images=entries, registries=registries, concurrency=1)
        assert denied.hits
        assert [image["failed"] for image in done["images"]] == [True, False, False]


@pytest.mark.parametrize("separate", [True, False])
def test_a_challenge_that_can_be_met_without_a_password(
    separate: bool, behind: RecordingProxy, server: TokenServer
) -> None:
    """Basic comes first and is of no use to somebody without one; the token is."""
    bearer = f'Bearer realm="{server.realm}",service="{server.service}"'
    headers = {"WWW-Authenticate": 'BASIC realm="r"', "www-authenticate": bearer}
    if not separate:
        headers = {"WWW-Authenticate": f'BASIC realm="r", {bearer}'}
    fault = behind.inject("manifests", "set_header", headers=headers, times=-1)
    found = ask(references(behind)[0])
    assert found["images"][0]["digest"] == IMAGE.digest
    assert fault.hits
    assert [request.had_credentials for request in server.token_requests] == [False]


def test_no_cloud_is_imported_for_others(proxy: RecordingProxy) -> None:
    """It would be a tenth of a second of every call."""
    ask(*references(proxy), registries=[{"name": proxy.host, **LOGIN}])
    assert not {"google.auth", "botocore"} & set(sys.modules)
