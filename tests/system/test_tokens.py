# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bearer tokens: asked for once, renewed in time, shown to their registry only."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import ask, basic, refusal
from tests.support.certificates import make_certificates
from tests.support.layers import layer
from tests.support.proxy import RecordingProxy
from tests.support.registries import PASSWORD, USER, DockerRegistry
from tests.support.strict_registry import StrictRegistry
from tests.support.sync import sync
from tests.support.token_server import TokenServer
from tests.support.waiting import wait_until

IMAGE = images.image("tokens")
REPOSITORIES = ("team/app", "team/web", "other/app")
LOGIN = {"username": USER, "password": PASSWORD}


class Place:
    """A registry with a token server, both behind proxies that were never used."""

    def __init__(self, registry: DockerRegistry, server: TokenServer) -> None:
        self.registry, self.server = registry, server
        self.proxy = RecordingProxy(registry.url)
        self.host = self.proxy.host

    def login(self, **login: str) -> list[dict[str, Any]]:
        """The option ``registries`` with this login, or alice's."""
        return [{"name": self.host, **(login or LOGIN)}]

    def ref(self, repository: str = "team/app", tag: str = "1") -> str:
        """A reference through the proxy."""
        return f"{self.host}/{repository}:{tag}"

    def scopes(self) -> list[list[str]]:
        """What each request for a token asked for."""
        return [request.scopes for request in self.server.token_requests]

    def refused(self) -> int:
        """How many requests with a token were refused."""
        return len([r for r in self.proxy.with_header("Authorization") if r.status == 401])

    def challenge(self, value: str, match: str = "manifests", times: int = 1) -> Any:
        """Lets the registry's answer carry another challenge."""
        headers = {"WWW-Authenticate": value}
        return self.proxy.inject(match, "set_header", headers=headers, times=times)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[DockerRegistry, TokenServer]]:
    """A registry that trusts the tokens of a server, for the whole module."""
    with TokenServer() as server, DockerRegistry(token=server) as registry:
        for name in REPOSITORIES:
            push.push(IMAGE, f"{registry.host}/{name}:1", auth=(USER, PASSWORD))
        yield registry, server


@pytest.fixture
def place(running: tuple[DockerRegistry, TokenServer]) -> Iterator[Place]:
    """The registry and its server as they were made; nothing is in the logs."""
    registry, server = running
    server.lifetime, server.gives_expires_in = 300, True
    server.anonymous_pull = server.multi_scope = server.refresh_by_post = True
    server.users = {USER: PASSWORD}
    server.token_requests.clear()
    server.clear()
    found = Place(registry, server)
    with found.proxy:
        yield found
    assert not found.proxy.errors + server.errors


# asking


def test_one_token_for_a_repository_and_scope(place: Place) -> None:
    """40 images of one repository, all at once: one token, used for all requests after it."""
    references = [place.ref(tag=f"missing{number}") for number in range(39)]
    found = ask(place.ref(), *references, registries=place.login(), concurrency=16)
    assert [image["exists"] for image in found["images"]] == [True] + [False] * 39
    assert place.scopes() == [["repository:team/app:pull"]]
    assert len({r.header("Authorization") for r in place.proxy.with_header("Authorization")}) == 1
    assert place.refused() == 0
    # one had to learn that a token is needed
    assert len([r for r in place.proxy.requests if r.status == 401]) == 1
    assert found["credentials"] == {place.host: "options"}


def test_40_images_of_three_repositories(place: Place) -> None:
    """The first is asked for alone, as the login isn't known to be good; the others together."""
    references = [place.ref(REPOSITORIES[n % 3], f"t{n}") for n in range(40)]
    ask(*references, registries=place.login())
    assert [len(scopes) for scopes in place.scopes()] == [1, 2]
    flat = sorted(scope for scopes in place.scopes() for scope in scopes)
    assert flat == sorted(f"repository:{name}:pull" for name in REPOSITORIES)
    assert place.refused() == 0


def test_anonymous(place: Place) -> None:
    """A token without a login is asked for without one; where that isn't enough, it is told."""
    found = ask(place.ref())
    assert found["images"][0]["digest"] == IMAGE.digest
    assert found["credentials"] == {place.host: "anonymous"}
    assert [request.had_credentials for request in place.server.token_requests] == [False]
    place.server.anonymous_pull = False
    message = refusal(place.ref(), retries=3)
    assert place.host in message
    assert "login" in message
    assert len(place.server.token_requests) == 2


def test_a_wrong_password_is_tried_once(place: Place) -> None:
    """By the token server, for 20 repositories: one sentence, one try."""
    entries = [
        {"source": place.ref(f"team/app{n}"), "destination": place.ref(f"mirror/app{n}")}
        for n in range(20)
    ]
    registries = place.login(username=USER, password="not-the-password")
    done = sync(images=entries, registries=registries, retries=3)
    assert [request.status for request in place.server.token_requests] == [401]
    assert all("refused the login" in image["msg"] for image in done["images"])
    assert "not-the-password" not in str(done)
    assert place.proxy.with_header("Authorization") == []


def test_a_password_goes_to_the_token_server_only(place: Place) -> None:
    """The registry sees the token, never the password."""
    ask(place.ref(), registries=place.login())
    asked = place.server.requests
    assert [r.header("Authorization") for r in asked] == [basic(USER, PASSWORD)]
    shown = {r.header("Authorization") or "" for r in place.proxy.requests}
    assert all(value.startswith("Bearer ") for value in shown - {""})
    assert len(shown) == 2


@pytest.mark.parametrize("from_file", [False, True])
def test_an_identity_token_is_exchanged_by_post(
    from_file: bool, place: Place, tmp_path: Path
) -> None:
    """As OAuth2 has it; the password's way isn't taken."""
    secret = place.server.identity_token(USER)
    path = tmp_path / "auth.json"
    logins = {"auths": {place.host: {"identitytoken": secret}}}
    path.write_text(json.dumps(logins), encoding="utf-8")
    options: dict[str, Any] = {"registries": place.login(identity_token=secret)}
    if from_file:
        options = {"auth_file": str(path)}
    found = ask(place.ref(), **options)
    assert found["images"][0]["exists"]
    (request,) = place.server.token_requests
    assert (request.method, request.user) == ("POST", USER)
    assert request.params["grant_type"] == ["refresh_token"]
    assert request.params["service"] == [place.server.service]
    assert request.scopes == ["repository:team/app:pull"]
    assert not place.proxy.saw(secret)
    assert not place.server.saw(secret)


def test_an_identity_token_where_post_is_unknown(place: Place) -> None:
    """Then by GET, as a password (distribution's first token specification)."""
    place.server.refresh_by_post = False
    place.server.users = {"<token>": "identity-secret"}
    registries = place.login(
        username="<token>", password="unused", identity_token="identity-secret"
    )
    registries[0]["password"] = "identity-secret"
    found = ask(place.ref(), registries=registries)
    assert found["images"][0]["exists"]
    assert [r.method for r in place.server.requests] == ["POST", "GET"]


def test_an_identity_token_that_is_refused(place: Place) -> None:
    """One try, one sentence, without the token in it."""
    registries = place.login(identity_token="identity-taken-back")
    message = refusal(place.ref(), registries=registries, retries=3)
    assert place.host in message
    assert "refused the login" in message
    assert "identity-taken-back" not in message
    assert [request.status for request in place.server.token_requests] == [401]


def test_a_token_is_sent_as_it_is(place: Place) -> None:
    """No token server is asked; a bad one is told at once."""
    token = place.server.answer(USER, ["repository:team/app:pull"])["token"]
    found = ask(place.ref(), registries=place.login(token=token))
    assert found["images"][0]["exists"]
    shown = [r.header("Authorization") for r in place.proxy.requests]
    assert set(shown) == {f"Bearer {token}"}
    place.proxy.clear()
    message = refusal(place.ref(), registries=place.login(token="bad-token"), retries=3)
    assert place.host in message
    assert "401" in message
    assert "bad-token" not in message
    assert len(place.proxy.requests) == 1
    assert place.server.token_requests == []


# scopes


def test_scopes_of_a_copy(place: Place) -> None:
    """Reading asks to pull, writing to pull and push, the destination's first."""
    done = sync(source=place.ref(), destination=place.ref("copies/app"), registries=place.login())
    assert done["reason"] == "absent"
    flat = [scope for scopes in place.scopes() for scope in scopes]
    assert "repository:team/app:pull" in flat
    assert "repository:copies/app:pull,push" in flat
    # nothing was asked for that isn't needed
    assert set(flat) == {"repository:team/app:pull", "repository:copies/app:pull,push"}
    mounts = [s for s in place.scopes() if len(s) > 1]
    assert mounts == [["repository:copies/app:pull,push", "repository:team/app:pull"]]
    assert done["blobs_mounted"] == len(IMAGE.blobs)
    assert place.refused() == 0


def test_a_token_server_that_grants_one_scope_only(place: Place) -> None:
    """Then nothing can be mounted, and it is copied."""
    place.server.multi_scope = False
    done = sync(
        source=place.ref(), destination=place.ref("copies/single"), registries=place.login()
    )
    assert done.get("msg") is None
    assert done["digest"] == IMAGE.digest
    assert (done["blobs_mounted"], done["blobs_copied"]) == (0, len(IMAGE.blobs))
    assert [s for s in place.scopes() if len(s) > 1]


def test_mounts_between_destinations(place: Place, sides: Any) -> None:
    """A layer that was copied once is mounted by the second image, with a token for both."""
    shared = layer("shared by two")
    first = images.image("first", layers=[shared])
    second = images.image("second", layers=[shared])
    sides.source.push(first, "1")
    sides.source.push(second, "2")
    entries = [
        {"source": sides.source.ref("1"), "destination": place.ref("mounts/one", "1")},
        {"source": sides.source.ref("2"), "destination": place.ref("mounts/two", "2")},
    ]
    done = sync(images=entries, registries=place.login())
    assert [image["failed"] for image in done["images"]] == [False, False]
    assert done["stats"]["blobs_mounted"] == 1
    both = [set(scopes) for scopes in place.scopes() if len(scopes) > 1]
    assert both in (
        [{"repository:mounts/two:pull,push", "repository:mounts/one:pull"}],
        [{"repository:mounts/one:pull,push", "repository:mounts/two:pull"}],
    )
    assert place.refused() == 0


def test_a_deletion_takes_the_scope_of_the_challenge(place: Place) -> None:
    """Registries disagree about what it is called; this one says ``delete``."""
    push.push(images.image("to delete"), f"{place.registry.host}/old/app:1", auth=(USER, PASSWORD))
    place.server.token_requests.clear()
    done = sync(state="absent", destination=place.ref("old/app"), registries=place.login())
    assert done["reason"] == "removed"
    deleting = [scopes for scopes in place.scopes() if any("delete" in s for s in scopes)]
    assert deleting == [["repository:old/app:delete"]]
    assert push.digest_of(place.registry.host, "old/app", "1", auth=(USER, PASSWORD)) is None


# renewing


def test_a_token_that_expires_in_mid_run(place: Place) -> None:
    """Unforeseen, since its life wasn't told: one more token after the 401, and on."""
    place.server.lifetime, place.server.gives_expires_in = 1, False

    def outlive() -> None:
        given = list(place.server.grants.values())[-1]
        # docker-registry looks at whole seconds
        wait_until(lambda: time.monotonic() > given.until + 1.1, "the token to expire")

    expiry = place.proxy.inject("GET .*/blobs/", "pass", call=outlive)
    found = ask(place.ref(), registries=place.login())
    assert found["images"][0]["labels"] == {"seed": "tokens"}
    assert expiry.hits == 1
    assert place.refused() == 1
    assert len(place.server.token_requests) == 2


def test_a_token_that_is_refused_early(place: Place) -> None:
    """One new token for it, however many threads were refused; if that is refused, it fails."""
    ask(place.ref(), registries=place.login())
    refusing = place.proxy.inject(
        "manifests/(a|b)$",
        "status",
        401,
        times=-1,
        headers={
            "WWW-Authenticate": f'Bearer realm="{place.server.realm}",'
            f'service="{place.server.service}",scope="repository:team/app:pull"'
        },
    )
    place.server.token_requests.clear()
    message = refusal(place.ref(tag="a"), registries=place.login(), retries=3)
    assert place.host in message
    assert "401" in message
    assert refusing.hits == 2
    assert len(place.server.token_requests) == 1


def test_a_token_taken_back_under_many_requests(place: Place) -> None:
    """Eight requests are refused at once: one new token for all of them, and on."""
    server = place.server
    taken_back = threading.Barrier(8, server.revoke)
    with StrictRegistry(token=server) as strict, RecordingProxy(strict.url) as proxy:
        tags = [f"t{number}" for number in range(8)]
        for tag in tags:
            strict.add("team/app", IMAGE, tag)
        fault = proxy.inject("GET .*/blobs/", "pass", times=8, call=lambda: taken_back.wait(10))
        registries = [{"name": proxy.host, **LOGIN}]
        references = [f"{proxy.host}/team/app:{tag}" for tag in tags]
        found = ask(*references, registries=registries, concurrency=8)
        assert {image["digest"] for image in found["images"]} == {IMAGE.digest}
        assert fault.hits == 8
        assert place.scopes() == [["repository:team/app:pull"]] * 2
        blobs = proxy.select("GET", "blob")
        assert sorted(request.status for request in blobs) == [200] * 8 + [401] * 8
        assert not strict.violations + strict.errors + proxy.errors


def test_tokens_of_a_second_work(place: Place) -> None:
    """A life shorter than our margin means a new token each time, not a failure."""
    place.server.lifetime = 1
    done = sync(source=place.ref(), destination=place.ref("copies/short"), registries=place.login())
    assert done["digest"] == IMAGE.digest
    assert len(place.server.token_requests) > 2


# challenges


def test_a_401_without_challenge(place: Place) -> None:
    """The challenge of ``/v2/`` then says where tokens are."""
    fault = place.proxy.inject("manifests", "drop_header", "WWW-Authenticate")
    found = ask(place.ref(), registries=place.login())
    assert found["images"][0]["digest"] == IMAGE.digest
    assert fault.hits == 1
    assert place.proxy.count(kind="ping") == 1
    assert place.scopes() == [["repository:team/app:pull"]]


def test_several_challenges(place: Place) -> None:
    """The first that can be met: here after one that can't, in one header, oddly written."""
    realm, service = place.server.realm, place.server.service
    value = f'Negotiate, Bearer scope="a,b", bEARER Realm="{realm}" , SERVICE={service}'
    fault = place.challenge(value)
    found = ask(place.ref(), registries=place.login())
    assert found["images"][0]["digest"] == IMAGE.digest
    assert fault.hits == 1
    assert place.scopes() == [["repository:team/app:pull"]]


def test_scopes_of_the_challenge_are_asked_for_too(place: Place) -> None:
    """Ours first; several may stand in one string."""
    realm, service = place.server.realm, place.server.service
    fault = place.challenge(
        f'Bearer realm="{realm}",service="{service}",'
        'scope="repository:team/app:pull repository:team/web:pull"'
    )
    ask(place.ref(), registries=place.login())
    assert fault.hits == 1
    assert place.scopes() == [["repository:team/app:pull", "repository:team/web:pull"]]


# whom we trust


def test_no_token_over_plain_http_for_an_https_registry(
    running: tuple[DockerRegistry, TokenServer], place: Place, tmp_path: Path
) -> None:
    """The realm would read the password from the wire: refused before it is asked."""
    made = make_certificates(tmp_path)
    with RecordingProxy(running[0].url, tls=made) as proxy:
        entry = {"name": proxy.host, "plain_http": False, "ca_path": str(made.ca), **LOGIN}
        message = refusal(f"{proxy.host}/team/app:1", registries=[entry], retries=3)
        assert proxy.host in message
        assert "isn't encrypted" in message
        assert len(proxy.requests) == 1
    assert place.server.requests == []


REALMS = (
    ("http://alice:word@{realm}", "carries credentials"),
    ("ftp://{realm}", "not an HTTP address"),
    ("/token", "not an HTTP address"),
    ("http://[broken", "invalid URL"),
)


@pytest.mark.parametrize(("realm", "reason"), REALMS)
def test_realms_that_are_refused(realm: str, reason: str, place: Place) -> None:
    """Nothing is sent there."""
    where = realm.format(realm=place.server.realm.removeprefix("http://"))
    fault = place.challenge(f'Bearer realm="{where}",service="x"', times=-1)
    message = refusal(place.ref(), registries=place.login())
    assert reason in message
    assert place.host in message
    assert "word" not in message
    assert fault.hits == 1
    assert place.server.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "127.1"])
def test_no_realm_on_this_machine_for_a_registry_elsewhere(
    address: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry could have us show its password to a service here, or ask one for it."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host == "registry.test" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    host = f"registry.test:{place.proxy.port}"
    realm = f"http://{address}:{place.server.port}/token"
    fault = place.challenge(f'Bearer realm="{realm}",service="x"', times=-1)
    entry = {"name": host, "plain_http": True, **LOGIN}
    message = refusal(f"{host}/team/app:1", registries=[entry])
    assert "address of this machine or link" in message
    assert host in message
    assert fault.hits == 1
    assert place.server.requests == []


def test_a_realm_that_redirects_gets_no_password_there(place: Place, sides: Any) -> None:
    """The redirect is followed, without the login."""
    other = sides.source.proxy
    there = other.inject("/token", "status", 200, body=b'{"token": "stolen"}')
    with RecordingProxy(place.server.url) as realm:
        location = {"Location": f"{other.url}/token"}
        redirect = realm.inject("/token", "status", 307, headers=location)
        place.challenge(f'Bearer realm="{realm.url}/token",service="{place.server.service}"')
        refusal(place.ref(), registries=place.login())
        assert len(realm.with_header("Authorization")) == 1
    assert (redirect.hits, there.hits) == (1, 1)
    assert other.with_header("Authorization") == []


def test_a_token_is_not_shown_to_a_redirects_target(place: Place, sides: Any) -> None:
    """Content elsewhere is fetched without it."""
    sides.source.push(IMAGE, "1", "team/app")
    other = sides.source.proxy
    config = IMAGE.blobs[0].digest
    location = {"Location": f"{other.url}/v2/team/app/blobs/{config}"}
    fault = place.proxy.inject(f"blobs/{config}", "status", 307, headers=location)
    found = ask(place.ref(), registries=place.login())
    assert found["images"][0]["labels"] == {"seed": "tokens"}
    assert fault.hits == 1
    assert other.count("GET", "blob") == 1
    assert other.with_header("Authorization") == []


ANSWERS = (
    (200, b"<html>welcome</html>", "isn't a JSON object"),
    (200, b"[]", "isn't a JSON object"),
    (200, b"{}", "gave no token"),
    (200, b'{"token": 5}', "gave no token"),
    (200, b'{"token": "a\\nb: c"}', "characters that no token has"),
    (200, b'{"token": "%s"}' % (b"x" * 70000), "larger than"),
    (403, b'{"errors": [{"code": "DENIED", "message": "not you"}]}', "not you"),
    (500, b"", "500"),
    (302, b"", "302"),
)


@pytest.mark.parametrize(("status", "body", "sign"), ANSWERS)
def test_token_servers_that_give_no_token(
    status: int, body: bytes, sign: str, place: Place
) -> None:
    """One sentence each, with the host."""
    with RecordingProxy(place.server.url) as realm:
        fault = realm.inject("/token", "status", status, body=body, times=-1)
        place.challenge(f'Bearer realm="{realm.url}/token",service="x"', times=-1)
        message = refusal(place.ref(), registries=place.login())
    assert sign in message
    assert place.host in message or realm.host in message
    assert PASSWORD not in message
    # whether the password or the repository is meant has to be found out
    assert fault.hits == (2 if status == 403 else 1)


def test_a_token_server_that_stumbles(place: Place, quick: None) -> None:
    """What may pass is tried again."""
    with RecordingProxy(place.server.url) as realm:
        fault = realm.inject("/token", "status", 503)
        place.challenge(f'Bearer realm="{realm.url}/token",service="{place.server.service}"')
        found = ask(place.ref(), registries=place.login(), retries=1)
    assert found["images"][0]["exists"]
    assert fault.hits == 1
    assert len(place.server.token_requests) == 1
