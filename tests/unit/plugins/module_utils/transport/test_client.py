# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConnectionFailed,
    NotFound,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.answer import Answer
from ansible_collections.imagesync.registry.plugins.module_utils.transport.authenticator import (
    Need,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.client import (
    Network,
    RegistryClient,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import basic
from ansible_collections.imagesync.registry.tests.unit.support import answer

HOST = "r.example"
HOME = f"https://{HOST}"
BLOB = f"{HOME}/v2/a/blobs/x"
CDN = "https://cdn.example/blob?signature=1"
NEED = Need("a", "pull")
BASIC = {"WWW-Authenticate": 'Basic realm="r"'}
BEARER = {"WWW-Authenticate": 'Bearer realm="https://auth.example/token",service="r"'}
PASSWORD = basic("user", "s3cret")


class Script(Network):
    """A network with a list of answers: (status, headers, body) one after the other."""

    def __init__(self, *script: Any, retries: int = 0, **entry: Any) -> None:
        entries = read_entries([{"name": HOST, **entry}]) if entry else ()
        super().__init__(Settings(entries, None, retries))
        self.script = list(script)
        self.seen: list[tuple[str, str, str]] = []
        self.bodies: list[bytes | None] = []
        self.given: list[dict[str, str]] = []

    def exchange(
        self,
        label: str,
        method: str,
        url: str,
        headers: Any,
        body: Any = None,
        patience: int = 0,
        home: str = "",
    ) -> Answer:
        self.seen.append((method, url, headers.get("Authorization", "")))
        self.given.append(dict(headers))
        self.requests[label] += 1
        self.bodies.append(body if body is None or isinstance(body, bytes) else b"".join(body))
        assert self.script, f"unexpected request: {method} {url}"
        found = self.script.pop(0)
        if isinstance(found, Exception):
            raise found
        status, *rest = found if isinstance(found, tuple) else (found,)
        headers = rest[0] if rest else {}
        content = rest[1] if len(rest) > 1 else b""
        return answer(status, content, headers, url)


@pytest.fixture(autouse=True)
def no_usual_files(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logins of whoever runs the tests are none of their business."""
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)


def once(
    network: Script,
    method: str = "GET",
    url: str = BLOB,
    ok: tuple[int, ...] = (200,),
    body: Any = None,
    need: Need = NEED,
) -> Answer:
    client = network.client(HOST)
    return client.once(method, url, "doing it", need, ok, {"Accept": "x"}, body)


def user(**more: Any) -> dict[str, Any]:
    return {"username": "user", "password": "s3cret", **more}


def test_one_client_for_one_registry() -> None:
    network = Script()
    assert network.client(HOST) is network.client(HOST)
    assert network.client("docker.io").origin == "https://registry-1.docker.io"
    assert network.client("localhost:5000").origin == "http://localhost:5000"
    assert Script(plain_http=True).client(HOST).origin == "http://r.example"


def test_plain_success() -> None:
    network = Script(200)
    assert once(network).status == 200
    assert network.seen == [("GET", BLOB, "")]
    assert network.given == [{"Accept": "x"}]


def test_basic_is_sent_when_asked_for_and_from_then_on() -> None:
    network = Script((401, BASIC), 200, 200, **user())
    once(network)
    once(network)
    assert [sent for _method, _url, sent in network.seen] == ["", PASSWORD, PASSWORD]


def test_a_wrong_password_is_sent_once() -> None:
    network = Script((401, BASIC), (401, BASIC), **user())
    for _unused in range(3):
        with pytest.raises(AuthenticationFailed, match="authentication failed") as caught:
            once(network)
        assert "s3cret" not in str(caught.value)
    assert len(network.seen) == 2


def test_a_token_is_fetched_and_replaced_once() -> None:
    token = {"token": "T1", "expires_in": 300}
    network = Script(
        (401, BEARER),
        (200, {}, token),
        200,
        (401, BEARER),
        (200, {}, {"token": "T2"}),
        (401, BEARER),
        **user(),
    )
    once(network)
    with pytest.raises(AuthenticationFailed):
        once(network)
    assert [sent for _method, _url, sent in network.seen] == [
        "",
        PASSWORD,
        "Bearer T1",
        "Bearer T1",
        PASSWORD,
        "Bearer T2",
    ]
    assert network.requests == {HOST: 4, "auth.example": 2}


def test_a_body_is_given_anew_for_the_second_try() -> None:
    network = Script((401, BEARER), (200, {}, {"token": "T"}), 201)
    opened = []

    def body() -> Iterable[bytes]:
        opened.append(1)
        return iter([b"con", b"tent"])

    once(network, "PUT", ok=(201,), body=body)
    assert network.bodies == [b"content", None, b"content"]
    assert len(opened) == 2


def test_a_401_without_a_challenge_asks_the_base() -> None:
    network = Script(401, (401, BASIC), 200, **user())
    assert once(network).status == 200
    assert [url for _method, url, _sent in network.seen] == [BLOB, f"{HOME}/v2/", BLOB]


def test_a_401_without_any_challenge_is_an_error() -> None:
    network = Script(401, 200, **user())
    with pytest.raises(AuthenticationFailed, match="doing it failed with 401"):
        once(network)


def test_a_401_that_is_expected_is_an_answer() -> None:
    assert once(Script((401, BASIC), **user()), ok=(200, 401)).status == 401


@pytest.mark.parametrize(("status", "kind"), [(403, AccessDenied), (404, NotFound)])
def test_refusals(status: int, kind: type) -> None:
    with pytest.raises(kind, match=f"r.example: doing it failed with {status}"):
        once(Script(status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reads_are_redirected_without_the_login(method: str, status: int) -> None:
    network = Script((401, BASIC), (status, {"Location": CDN}), 200, **user())
    once(network, method)
    assert network.seen[1:] == [(method, BLOB, PASSWORD), (method, CDN, "")]
    assert network.requests == {HOST: 3}


def test_the_login_stays_away_after_coming_back() -> None:
    network = Script(
        (401, BASIC), (307, {"Location": CDN}), (307, {"Location": BLOB}), 200, **user()
    )
    once(network)
    assert network.seen[-1] == ("GET", BLOB, "")


@pytest.mark.parametrize("location", [f"{HOME}:443/v2/b", "/v2/b", "https://R.EXAMPLE/v2/b"])
def test_the_login_stays_on_the_same_origin(location: str) -> None:
    network = Script((401, BASIC), (307, {"Location": location}), 200, **user())
    once(network)
    assert network.seen[-1][2] == PASSWORD


@pytest.mark.parametrize("location", [f"{HOME}:8443/v2/b", "https://sub.r.example/v2/b"])
def test_another_port_or_host_is_another_origin(location: str) -> None:
    network = Script((401, BASIC), (307, {"Location": location}), 200, **user())
    once(network)
    assert network.seen[-1] == ("GET", location, "")


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_writes_do_not_become_reads(method: str, status: int) -> None:
    network = Script((status, {"Location": f"{HOME}/elsewhere"}))
    with pytest.raises(RegistryError, match="a write was redirected") as caught:
        once(network, method, ok=(201,))
    assert not caught.value.transient
    assert len(network.seen) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_writes_are_redirected_whole(status: int) -> None:
    network = Script((status, {"Location": f"{HOME}/elsewhere"}), 201)
    once(network, "PUT", ok=(201,), body=b"content")
    assert network.seen[-1][:2] == ("PUT", f"{HOME}/elsewhere")
    assert network.bodies == [b"content", b"content"]


def test_redirect_loops_end() -> None:
    network = Script(*[(307, {"Location": BLOB})] * 20)
    with pytest.raises(RegistryError, match="more than 5 redirects") as caught:
        once(network)
    assert not caught.value.transient
    assert len(network.seen) == 6


@pytest.mark.parametrize(
    "location", ["http://cdn.example/", "https://169.254.169.254/", "file:///etc/passwd"]
)
def test_redirects_that_are_refused(location: str) -> None:
    network = Script((307, {"Location": location}))
    with pytest.raises(RegistryError, match=r"a redirect to .* was refused"):
        once(network)
    assert len(network.seen) == 1


def test_a_redirect_without_a_location_is_an_answer() -> None:
    with pytest.raises(RegistryError, match="failed with 307"):
        once(Script(307))


def test_a_presigned_url_that_knows_only_get() -> None:
    network = Script((307, {"Location": CDN}), 403, (200, {"Content-Length": "0"}))
    assert once(network, "HEAD").status == 200
    assert [method for method, _url, _sent in network.seen] == ["HEAD", "HEAD", "GET"]


def test_a_token_is_not_posted_to_another_host() -> None:
    network = Script(
        (401, BEARER), (307, {"Location": "https://evil.example/"}), identity_token="R"
    )
    with pytest.raises(RegistryError, match="redirected to another host"):
        once(network)
    assert [url for _method, url, _sent in network.seen] == [BLOB, "https://auth.example/token"]


def test_a_password_is_not_sent_to_where_a_realm_redirects() -> None:
    network = Script(
        (401, BEARER),
        (302, {"Location": "https://other.example/"}),
        (200, {}, {"token": "T"}),
        200,
        **user(),
    )
    once(network)
    assert network.seen[2] == ("GET", "https://other.example/", "")


def test_a_location_elsewhere_gets_no_login() -> None:
    network = Script((401, BASIC), 200, 202, **user())
    once(network)
    once(network, "PUT", "https://upload.example/u", (202,), b"x")
    assert network.seen[-1][2] == ""


def test_a_401_elsewhere_is_not_answered() -> None:
    network = Script((307, {"Location": CDN}), (401, BASIC), **user())
    with pytest.raises(AuthenticationFailed):
        once(network)
    assert len(network.seen) == 2


@pytest.mark.parametrize("challenge", [BASIC, BEARER])
def test_a_401_at_home_is_not_answered_to_who_led_there(challenge: dict[str, str]) -> None:
    """An upload elsewhere that redirects home would get the login with the second try."""
    network = Script((307, {"Location": BLOB}), (401, challenge), **user())
    with pytest.raises(AuthenticationFailed):
        once(network, "PUT", CDN, (201,), b"x")
    assert network.seen == [("PUT", CDN, ""), ("PUT", BLOB, "")]


def test_a_login_that_was_left_behind_is_not_refused() -> None:
    """A redirect out and back drops it, so the 401 at the end doesn't mean it."""
    out_and_back = [(307, {"Location": CDN}), (307, {"Location": BLOB})]
    network = Script((401, BASIC), *out_and_back, (401, BASIC), 200, **user())
    with pytest.raises(AuthenticationFailed):
        once(network)
    once(network)
    assert network.seen[-1] == ("GET", BLOB, PASSWORD)


def test_connection_failures_say_what_was_tried() -> None:
    with pytest.raises(ConnectionFailed, match=r"doing it failed: r\.example broke") as caught:
        once(Script(ConnectionFailed("r.example broke")))
    assert caught.value.transient


def test_an_echoed_password_is_masked() -> None:
    body = {"errors": [{"code": "X", "message": "bad s3cret " + PASSWORD}]}
    with pytest.raises(RegistryError) as caught:
        once(Script((401, BASIC), (400, {}, body), **user()))
    assert "s3cret" not in str(caught.value)
    assert PASSWORD.split()[1] not in str(caught.value)


def test_a_call_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Script(503, 500, 200, retries=2)
    monkeypatch.setattr(type(network.pace), "sleep", lambda *_: None)
    found = network.client(HOST).call("GET", "/v2/a/blobs/x", "doing it", NEED, (200,))
    assert found.status == 200
    assert network.retrier.count == 2
    assert network.requests == {HOST: 3}


def test_blobs_are_counted() -> None:
    network = Network(Settings())
    network.moved(downloaded=5)
    network.moved(uploaded=7)
    network.moved(2, 1)
    assert (network.bytes_downloaded, network.bytes_uploaded) == (7, 8)


# is it a registry?


def check(network: Script, headers: dict[str, str]) -> RegistryClient:
    client = network.client(HOST)
    client.check_is_registry(answer(404, b"", headers))
    return client


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "application/vnd.oci.image.manifest.v1+json"},
        {"Docker-Distribution-Api-Version": "registry/2.0"},
    ],
)
def test_answers_that_only_registries_give(headers: dict[str, str]) -> None:
    network = Script()
    check(network, headers)
    assert network.seen == []


@pytest.mark.parametrize("status", [200, 401, 403])
def test_the_base_is_asked_once(status: int) -> None:
    network = Script((status, {"Content-Type": "application/json"}))
    client = check(network, {"Content-Type": "text/plain"})
    client.check_is_registry(answer(404))
    assert [url for _method, url, _sent in network.seen] == [f"{HOME}/v2/"]


@pytest.mark.parametrize(
    "base", [404, (200, {"Content-Type": "text/html"}), (401, {"Content-Type": "text/html"})]
)
def test_what_is_no_registry(base: Any) -> None:
    with pytest.raises(RegistryError, match=r"r\.example isn't a registry"):
        check(Script(base), {"Content-Type": "text/html"})
