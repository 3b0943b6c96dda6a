# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    AuthenticationFailed,
    InvalidContent,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.authenticator import (
    Authenticator,
    Need,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    Login,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import (
    TokenRequest,
    basic,
)
from ansible_collections.imagesync.registry.tests.unit.support import answer

HOME = "https://r.example"
BEARER = ['Bearer realm="https://auth.example/token",service="r.example"']
BASIC = ['Basic realm="r"']
USER = Login("options", "user", "password")
NOBODY = Login("anonymous")
PULL = Need("a", "pull")
PUSH = Need("a", "pull,push")
DELETE = Need("a", "delete")


class Keys:
    """A keychain with one login."""

    def __init__(self, login: Login) -> None:
        self.login = login

    def find(self, _host: str, _repository: str, demanded: bool = True) -> Login:
        return self.login

    def learn(self, token: str) -> None:
        """What was fetched must not be shown either."""
        assert token


class Realm:
    """A token server: T1, T2, ... or what the script says."""

    def __init__(self, *script: Any, life: int = 300) -> None:
        self.script = list(script)
        self.requests: list[TokenRequest] = []
        self.life = life

    def __call__(self, request: TokenRequest) -> Any:
        self.requests.append(request)
        if self.script:
            found = self.script.pop(0)
            if isinstance(found, Exception):
                raise found
            return answer(200, found)
        token = f"T{len(self.requests)}"
        return answer(200, {"token": token, "expires_in": self.life})


def make(login: Login, realm: Realm | None = None) -> tuple[Authenticator, Realm]:
    realm = realm or Realm()
    return Authenticator("r.example", HOME, Keys(login), realm), realm  # type: ignore[arg-type]


def scopes_of(request: TokenRequest) -> list[str]:
    return [v for k, v in parse_qsl(urlsplit(request.url).query) if k == "scope"]


def test_scopes() -> None:
    assert PULL.scopes() == ("repository:a:pull",)
    mount = Need("a", "pull,push", ("b", "c"))
    assert mount.scopes() == (
        "repository:a:pull,push",
        "repository:b:pull",
        "repository:c:pull",
    )
    assert DELETE.scopes() == ()


def test_nothing_is_sent_before_the_registry_asks() -> None:
    auth, realm = make(USER)
    assert auth.header(PULL) is None
    assert realm.requests == []


def test_a_ready_token_is_sent_at_once_and_as_it_is() -> None:
    auth, realm = make(Login("options", token="ready"))
    assert auth.header(PULL) == "Bearer ready"
    assert auth.meet(BEARER, PULL, "Bearer ready") is None
    assert realm.requests == []


@pytest.mark.parametrize("login", [USER, NOBODY])
def test_a_token_is_fetched_and_used_again(login: Login) -> None:
    auth, realm = make(login)
    assert auth.meet(BEARER, PULL, None) == "Bearer T1"
    assert [auth.header(PULL) for _unused in range(3)] == ["Bearer T1"] * 3
    assert len(realm.requests) == 1
    assert ("Authorization" in realm.requests[0].headers) is (login is USER)
    assert scopes_of(realm.requests[0]) == ["repository:a:pull"]


def test_another_repository_has_another_token() -> None:
    auth, realm = make(NOBODY)
    auth.meet(BEARER, PULL, None)
    assert auth.header(Need("b", "pull")) == "Bearer T2"
    assert auth.header(PULL) == "Bearer T1"
    assert len(realm.requests) == 2


def test_a_token_for_more_is_good_for_less() -> None:
    auth, realm = make(USER)
    mount = Need("a", "pull,push", ("b",))
    assert auth.meet(BEARER, mount, None) == "Bearer T1"
    assert auth.header(PUSH) == "Bearer T1"
    assert auth.header(Need("b", "pull")) == "Bearer T1"
    assert len(realm.requests) == 1


def test_the_challenge_adds_its_scopes_after_ours() -> None:
    auth, realm = make(USER)
    scope = "repository:x:pull,push repository:a:pull repository:y:*"
    auth.meet([f'{BEARER[0]},scope="{scope}"'], PULL, None)
    assert scopes_of(realm.requests[0]) == [
        "repository:a:pull",
        "repository:x:pull,push",
        "repository:y:*",
    ]


def test_the_scope_of_a_deletion_is_the_challenges() -> None:
    auth, realm = make(USER)
    auth.meet(BEARER, PULL, None)
    assert auth.header(DELETE) is None
    auth.meet([f'{BEARER[0]},scope="repository:a:delete"'], DELETE, None)
    assert scopes_of(realm.requests[-1]) == ["repository:a:delete"]
    assert auth.header(DELETE) == "Bearer T2"
    assert len(realm.requests) == 2


def test_a_refused_token_is_replaced() -> None:
    auth, realm = make(USER)
    first = auth.meet(BEARER, PULL, None)
    assert auth.meet(BEARER, PULL, first) == "Bearer T2"
    # another thread, refused with the old token, finds the new one
    assert auth.meet(BEARER, PULL, first) == "Bearer T2"
    assert auth.header(PULL) == "Bearer T2"
    assert len(realm.requests) == 2


def test_a_token_near_its_end_is_replaced() -> None:
    auth, realm = make(USER, Realm(life=5))
    auth.meet(BEARER, PULL, None)
    assert auth.header(PULL) == "Bearer T2"
    assert len(realm.requests) == 2


def test_a_long_upload_gets_a_fresh_token(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    auth, realm = make(USER)
    auth.meet(BEARER, PUSH, None)
    now[0] += 140
    assert auth.header(PUSH, fresh=True) == "Bearer T1"
    now[0] += 20  # the second half of its life
    assert auth.header(PUSH) == "Bearer T1"
    assert auth.header(PUSH, fresh=True) == "Bearer T2"
    assert auth.header(PUSH) == "Bearer T2"
    now[0] += 280
    assert auth.header(PUSH) == "Bearer T3"
    assert len(realm.requests) == 3


@pytest.mark.parametrize("login", [USER, NOBODY])
def test_one_fetch_for_many_threads(login: Login) -> None:
    auth, realm = make(login)
    start = threading.Barrier(8)
    found: list[str | None] = []

    def ask() -> None:
        start.wait(10)
        found.append(auth.meet(BEARER, PULL, None))

    threads = [threading.Thread(target=ask) for _unused in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == ["Bearer T1"] * 8
    assert len(realm.requests) == 1


def test_a_password_that_the_realm_refuses_is_not_sent_again() -> None:
    auth, realm = make(USER, Realm(*[AuthenticationFailed("no", 401)] * 9))
    for need in (PULL, PUSH, Need("b", "pull")):
        with pytest.raises(AuthenticationFailed) as caught:
            auth.meet(BEARER, need, None)
        assert "r.example: authentication failed" in str(caught.value)
        assert "options" in str(caught.value)
        assert "password" not in str(caught.value)
        assert caught.value.status == 401
    assert len(realm.requests) == 1


def test_a_wrong_password_is_tried_once_by_many_threads() -> None:
    auth, realm = make(USER, Realm(*[AuthenticationFailed("no", 401)] * 20))
    start = threading.Barrier(8)
    failures: list[str] = []

    def ask(number: int) -> None:
        start.wait(10)
        try:
            auth.meet(BEARER, Need(f"r{number}", "pull"), None)
        except AuthenticationFailed as error:
            failures.append(str(error))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(failures) == 8
    assert len(realm.requests) == 1


DENIED = AccessDenied("access forbidden", 403)


def test_a_wrong_password_that_is_answered_with_403() -> None:
    """As GitLab does: it isn't tried for each repository, but once more, for nothing."""
    auth, realm = make(USER, Realm(*[DENIED] * 9))
    for need in (PULL, Need("b", "pull"), Need("c", "pull,push")):
        with pytest.raises(AuthenticationFailed, match="the registry refused the login"):
            auth.meet(BEARER, need, None)
    assert [scopes_of(request) for request in realm.requests] == [["repository:a:pull"], []]


def test_a_repository_that_is_denied_says_nothing_of_the_password() -> None:
    auth, realm = make(USER, Realm(DENIED, {"token": "T"}, DENIED))
    for need in (PULL, Need("b", "pull")):
        with pytest.raises(AccessDenied):
            auth.meet(BEARER, need, None)
    assert auth.meet(BEARER, Need("c", "pull"), None) == "Bearer T4"
    assert [len(scopes_of(request)) for request in realm.requests] == [1, 0, 1, 1]


@pytest.mark.parametrize("second", [RegistryError("scope missing", 400), RegistryError("?", 503)])
def test_a_realm_that_gives_nothing_without_a_scope(second: Exception) -> None:
    """Then it can't be told, and each repository is asked for."""
    auth, _realm = make(USER, Realm(DENIED, second, {"token": "T"}))
    with pytest.raises(AccessDenied):
        auth.meet(BEARER, PULL, None)
    assert auth.meet(BEARER, Need("b", "pull"), None) == "Bearer T"


def test_nobody_is_denied() -> None:
    """Without a login there is nothing to find out."""
    auth, realm = make(NOBODY, Realm(DENIED, DENIED))
    for need in (PULL, Need("b", "pull")):
        with pytest.raises(AccessDenied):
            auth.meet(BEARER, need, None)
    assert len(realm.requests) == 2


@pytest.mark.parametrize("status", [400, 403])
def test_a_wrong_identity_token_is_remembered(status: int) -> None:
    """RFC 6749, 5.2: ``invalid_grant`` is a 400."""
    refusal = RegistryError("invalid_grant", status)
    auth, realm = make(Login("options", identity_token="R"), Realm(*[refusal] * 9))
    for need in (PULL, Need("b", "pull")):
        with pytest.raises(AuthenticationFailed, match="the registry refused the login"):
            auth.meet(BEARER, need, None)
    assert [request.method for request in realm.requests] == ["POST", "POST"]


def test_a_password_that_was_good_is_not_forgotten_for_one_refusal() -> None:
    auth, _realm = make(USER, Realm({"token": "T"}, AuthenticationFailed("not b", 401)))
    auth.meet(BEARER, PULL, None)
    with pytest.raises(AuthenticationFailed):
        auth.header(Need("b", "pull"))
    assert auth.header(Need("c", "pull")) == "Bearer T3"


def test_nobody_is_told_that_a_login_is_wanted() -> None:
    auth, _realm = make(NOBODY, Realm(AuthenticationFailed("no", 401)))
    with pytest.raises(AuthenticationFailed, match="wants a login") as caught:
        auth.meet(BEARER, PULL, None)
    assert "auth file" in str(caught.value)
    # it may be allowed elsewhere
    assert auth.header(Need("public", "pull")) == "Bearer T2"


@pytest.mark.parametrize("status", [404, 405])
def test_an_identity_token_falls_back_to_get(status: int) -> None:
    auth, realm = make(
        Login("docker", "<token>", identity_token="R"), Realm(RegistryError("no", status))
    )
    assert auth.meet(BEARER, PULL, None) == "Bearer T2"
    assert [r.method for r in realm.requests] == ["POST", "GET"]


def test_other_refusals_of_an_identity_token_are_final() -> None:
    auth, realm = make(
        Login("docker", "<token>", identity_token="R"), Realm(RegistryError("no", 500))
    )
    with pytest.raises(RegistryError):
        auth.meet(BEARER, PULL, None)
    assert len(realm.requests) == 1


def test_a_realm_without_a_token_is_an_error() -> None:
    auth, _realm = make(USER, Realm("<html>"))
    with pytest.raises(InvalidContent):
        auth.meet(BEARER, PULL, None)


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.example/token",
        "https://169.254.169.254/token",
        "https://127.0.0.1/token",
        "https://user:pw@auth.example/token",
        "file:///etc/passwd",
        "/token",
        "https://[::1",
    ],
)
@pytest.mark.parametrize("login", [USER, NOBODY])
def test_realms_that_get_no_request(realm: str, login: Login) -> None:
    auth, sender = make(login)
    with pytest.raises(RegistryError, match="the token realm"):
        auth.meet([f'Bearer realm="{realm}"'], PULL, None)
    assert sender.requests == []


# basic


def test_basic() -> None:
    auth, realm = make(USER)
    assert auth.meet(BASIC, PULL, None) == basic("user", "password")
    assert auth.header(PUSH) == basic("user", "password")
    assert realm.requests == []


def test_a_password_that_is_sent_at_once() -> None:
    """Unasked, and whatever is asked for: no realm ever sees it."""
    auth, realm = make(USER._replace(at_once=True))
    sent = auth.header(PULL)
    assert sent == basic("user", "password")
    assert auth.meet(BEARER, PULL, sent) is None
    assert auth.header(PUSH) == sent
    with pytest.raises(AuthenticationFailed, match="refused the login"):
        auth.tried(PULL, sent, 401)
    with pytest.raises(AuthenticationFailed, match="refused the login"):
        auth.header(PUSH)
    assert realm.requests == []


@pytest.mark.parametrize("headers", [BASIC + BEARER, [f"{BASIC[0]}, {BEARER[0]}"]])
def test_the_challenge_that_can_be_met(headers: list[str]) -> None:
    """Without a password Basic can't be, and a token may be had."""
    auth, _realm = make(USER)
    assert auth.meet(headers, PULL, None) == basic("user", "password")
    for login in (NOBODY, Login("docker", identity_token="R")):
        auth, _realm = make(login)
        auth.hear(headers)
        assert auth.meet(headers, PULL, None) == "Bearer T1"
        assert auth.header(PULL) == "Bearer T1"


def test_basic_without_a_password() -> None:
    auth, _realm = make(NOBODY)
    assert auth.meet(BASIC, PULL, None) is None
    assert auth.header(PULL) is None


def test_basic_is_not_answered_with_the_same_again() -> None:
    auth, _realm = make(USER)
    sent = auth.meet(BASIC, PULL, None)
    assert auth.meet(BASIC, PULL, sent) is None


def test_a_wrong_basic_password_is_remembered() -> None:
    auth, _realm = make(USER)
    sent = auth.meet(BASIC, PULL, None)
    with pytest.raises(AuthenticationFailed, match="authentication failed"):
        auth.tried(PULL, sent, 401)
    for again in (
        lambda: auth.header(PUSH),
        lambda: auth.meet(BASIC, PUSH, None),
        lambda: auth.trial(PULL, sent).__enter__(),
    ):
        with pytest.raises(AuthenticationFailed, match="authentication failed"):
            again()


def test_a_basic_password_that_was_good_stays_good() -> None:
    auth, _realm = make(USER)
    sent = auth.meet(BASIC, PULL, None)
    auth.tried(PULL, sent, 404)
    auth.tried(PULL, sent, 401)
    assert auth.header(PULL) == sent


def test_the_first_request_with_a_password_goes_alone() -> None:
    auth, _realm = make(USER)
    sent = auth.meet(BASIC, PULL, None)
    entered = threading.Event()
    log: list[str] = []

    def other() -> None:
        with auth.trial(PUSH, sent):
            log.append("other")
            entered.set()

    thread = threading.Thread(target=other)
    with auth.trial(PULL, sent):
        thread.start()
        assert not entered.wait(0.05)
        log.append("first")
        auth.tried(PULL, sent, 200)
    thread.join(10)
    assert log == ["first", "other"]


@pytest.mark.parametrize("headers", [[], ["Negotiate"], ["Bearer"], ["garbage ,,,=="]])
def test_a_401_without_a_usable_challenge(headers: list[str]) -> None:
    auth, _realm = make(USER)
    assert auth.meet(headers, PULL, None) is None
    assert auth.header(PULL) is None
