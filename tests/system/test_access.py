# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where logins come from, and what is done with a password."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import ask, basic, refusal, sentence_of
from tests.support.proxy import RecordingProxy
from tests.support.records import Recorder, Request
from tests.support.registries import PASSWORD, USER, DockerRegistry
from tests.support.sync import sync

IMAGE = images.image("access")
ALICE = basic(USER, PASSWORD)
LOGIN = {"username": USER, "password": PASSWORD}
WRONG = {"username": "mallory", "password": "not-the-password"}


@pytest.fixture(scope="module")
def registry() -> Iterator[DockerRegistry]:
    """A registry that wants alice's password."""
    with DockerRegistry(htpasswd=True) as found:
        for name in ("team/app", "team/sub/app", "other/app"):
            push.push(IMAGE, f"{found.host}/{name}:1", auth=(USER, PASSWORD))
        yield found


@pytest.fixture
def proxy(registry: DockerRegistry) -> Iterator[RecordingProxy]:
    """A way to that registry which nobody used before."""
    with RecordingProxy(registry.url) as found:
        yield found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without logins, and none in the environment."""
    names = ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "NETRC")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write_auth(path: Path, **logins: Any) -> str:
    """An auth file with an entry for each host; a (user, password) becomes an ``auth``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    auths = {
        host: {"auth": base64.b64encode(":".join(login).encode()).decode()}
        if isinstance(login, tuple)
        else login
        for host, login in logins.items()
    }
    path.write_text(json.dumps({"auths": auths}), encoding="utf-8")
    return str(path)


def logins_at(recorder: Recorder, repository: str = "") -> set[str | None]:
    """Each Authorization that was shown there."""
    requests = [r for r in recorder.with_header("Authorization") if repository in ("", r.repo)]
    return {request.header("Authorization") for request in requests}


def tries(recorder: Recorder) -> list[Request]:
    """The requests that carried a login."""
    return recorder.with_header("Authorization")


# where logins come from


def test_options_are_taken_field_by_field(proxy: RecordingProxy) -> None:
    """One login for the registry, another for a part of it, a user name from above it."""
    registries = [
        {"name": proxy.host, **WRONG},
        {"name": f"{proxy.host}/team", "username": USER, "password": "for-team-only"},
        {"name": f"{proxy.host}/team/sub", "password": PASSWORD},
    ]
    found = ask(f"{proxy.host}/team/sub/app:1", registries=registries)
    assert found["images"][0]["digest"] == IMAGE.digest
    assert found["credentials"] == {proxy.host: "options"}
    for repository in ("team/app", "other/app", "teamwork/app"):
        refusal(f"{proxy.host}/{repository}:1", registries=registries)
    assert logins_at(proxy, "team/sub/app") == {ALICE}
    assert logins_at(proxy, "team/app") == {basic(USER, "for-team-only")}
    assert logins_at(proxy, "other/app") == {basic(**_pair(WRONG))}
    assert logins_at(proxy, "teamwork/app") == {basic(**_pair(WRONG))}


@pytest.mark.parametrize("above", ["username", "password"])
def test_half_a_login_waits_for_the_other_half(above: str, proxy: RecordingProxy) -> None:
    """A user name, or a password, of the registry is completed for a part, and else unused."""
    below = "password" if above == "username" else "username"
    registries = [
        {"name": proxy.host, above: LOGIN[above]},
        {"name": f"{proxy.host}/team", below: LOGIN[below]},
    ]
    assert ask(f"{proxy.host}/team/app:1", registries=registries)["images"][0]["exists"]
    assert logins_at(proxy) == {ALICE}
    proxy.clear()
    assert "needs a login" in refusal(f"{proxy.host}/other/app:1", registries=registries)
    assert logins_at(proxy) == set()


def _pair(login: dict[str, str]) -> dict[str, str]:
    return {"user": login["username"], "password": login["password"]}


PLACES = (
    ("REGISTRY_AUTH_FILE", "REGISTRY_AUTH_FILE", "named.json"),
    ("podman", "XDG_RUNTIME_DIR", "containers/auth.json"),
    ("podman", "XDG_CONFIG_HOME", "containers/auth.json"),
    ("docker", "DOCKER_CONFIG", "config.json"),
)


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_auth_files_are_asked_in_their_order(
    place: int, proxy: RecordingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first with a login for the registry is used; those before it know others only."""
    for number, (_kind, variable, name) in enumerate(PLACES):
        login = {place: (USER, PASSWORD)}.get(number, ("mallory", "not-the-password"))
        host = "elsewhere.example" if number < place else proxy.host
        directory = tmp_path / variable
        path = write_auth(directory / name, **{host: login})
        monkeypatch.setenv(variable, path if number == 0 else str(directory))
    found = ask(f"{proxy.host}/team/app:1")
    assert found["images"][0]["exists"]
    assert found["credentials"] == {proxy.host: PLACES[place][0]}
    assert logins_at(proxy) == {ALICE}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("podman", ".config/containers/auth.json"), ("docker", ".docker/config.json")],
)
def test_auth_files_below_home(kind: str, name: str, proxy: RecordingProxy, home: Path) -> None:
    """Where no variable says otherwise, the usual places are those below the home directory."""
    write_auth(home / name, **{proxy.host: (USER, PASSWORD)})
    assert ask(f"{proxy.host}/team/app:1")["credentials"] == {proxy.host: kind}
    assert logins_at(proxy) == {ALICE}


def test_auth_file_stands_instead_of_the_usual_ones(
    proxy: RecordingProxy, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by the user, it is the only one; for a part of a registry too; options go before."""
    usual = write_auth(home / ".docker/config.json", **{proxy.host: (USER, PASSWORD)})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", usual)
    named = write_auth(tmp_path / "named.json", **{f"{proxy.host}/team": (USER, PASSWORD)})
    found = ask(f"{proxy.host}/team/app:1", auth_file=named)
    assert found["credentials"] == {proxy.host: "auth_file"}
    proxy.clear()
    assert "login" in refusal(f"{proxy.host}/other/app:1", auth_file=named)
    assert len(proxy.requests) == 1
    assert not tries(proxy)
    wrong = write_auth(tmp_path / "wrong.json", **{proxy.host: ("mallory", "not-the-password")})
    registries = [{"name": proxy.host, **LOGIN}]
    found = ask(f"{proxy.host}/team/app:1", auth_file=wrong, registries=registries)
    assert found["credentials"] == {proxy.host: "options"}
    assert logins_at(proxy) == {ALICE}


def test_nobody(sides: Any, proxy: RecordingProxy) -> None:
    """Without a login nothing is shown, and the result says so; where one is needed, too."""
    image = sides.source.push(images.image("nobody"))
    found = ask(sides.source.ref())
    assert found["images"][0]["digest"] == image.digest
    assert found["credentials"] == {sides.source.proxy.host: "anonymous"}
    assert sides.source.proxy.requests
    assert not tries(sides.source.proxy)
    message = refusal(f"{proxy.host}/team/app:1")
    assert proxy.host in message
    assert "login" in message
    assert not tries(proxy)
    assert len(proxy.requests) == 1


def test_netrc_is_ignored(proxy: RecordingProxy, home: Path, monkeypatch: Any) -> None:
    """Neither in place of a login nor over it."""
    netrc = home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login netrc password from-netrc\n", encoding="utf-8")
    netrc.chmod(0o600)
    for variable in ("", str(netrc)):
        monkeypatch.setenv("NETRC", variable) if variable else monkeypatch.delenv("NETRC", False)
        refusal(f"{proxy.host}/team/app:1")
        assert not tries(proxy)
        assert proxy.requests
        ask(f"{proxy.host}/team/app:1", registries=[{"name": proxy.host, **LOGIN}])
        assert logins_at(proxy) == {ALICE}
        proxy.clear()


# what is done with a password


def test_a_wrong_password_is_told_at_once(proxy: RecordingProxy) -> None:
    """One sentence; the registry was asked without and with it, and not again."""
    registries = [{"name": proxy.host, **WRONG}]
    message = refusal(f"{proxy.host}/team/app:1", registries=registries, retries=5)
    assert proxy.host in message
    assert "refused the login" in message
    assert "options" in message
    assert WRONG["password"] not in message
    assert [str(r) for r in proxy.requests] == ["GET /v2/team/app/manifests/1 -> 401"] * 2
    assert len(tries(proxy)) == 1


def test_a_wrong_password_is_tried_once_for_many_images(sides: Any, proxy: RecordingProxy) -> None:
    """Accounts get locked by wrong passwords: 20 images aren't 20 tries. All of them fail."""
    entries = [
        {"source": sides.source.ref(), "destination": f"{proxy.host}/mirror/app{number}:1"}
        for number in range(20)
    ]
    sides.source.push(IMAGE)
    done = sync(images=entries, registries=[{"name": proxy.host, **WRONG}])
    assert len(tries(proxy)) == 1
    assert len(proxy.requests) <= 21
    assert [image["failed"] for image in done["images"]] == [True] * 20
    assert all("refused the login" in image["msg"] for image in done["images"])
    assert WRONG["password"] not in json.dumps(done)


def test_a_good_password_is_tried_alone_only_once(proxy: RecordingProxy) -> None:
    """Those that waited for the first try go on side by side, not one after the other."""
    together, then = threading.Barrier(4), threading.Barrier(3)
    first = proxy.inject("manifests", "pass", times=4, call=lambda: together.wait(10))
    proxy.inject("manifests", "pass")  # the first with a password
    last = proxy.inject("manifests", "pass", times=3, call=lambda: then.wait(10))
    names = [f"{proxy.host}/team/app:missing{number}" for number in range(4)]
    found = ask(*names, registries=[{"name": proxy.host, **LOGIN}], concurrency=4)
    assert [image["exists"] for image in found["images"]] == [False] * 4
    assert (first.hits, last.hits) == (4, 3)
    assert len(tries(proxy)) == 4


def test_a_password_taken_back_in_mid_run(registry: DockerRegistry, proxy: RecordingProxy) -> None:
    """A login that was good and is refused later isn't tried without end."""
    refusing = proxy.inject("manifests/2", "status", 401, times=-1)
    registries = [{"name": proxy.host, **LOGIN}]
    ask(f"{proxy.host}/team/app:1", registries=registries)
    message = refusal(f"{proxy.host}/team/app:2", registries=registries, retries=3)
    assert "401" in message or "refused" in message
    assert 1 <= refusing.hits <= 2


BASIC_CHALLENGES = (
    {"WWW-Authenticate": "BASIC realm=upper"},
    {"WWW-Authenticate": 'Negotiate, NTLM abc=, basic realm="a, b", charset="UTF-8"'},
    {"WWW-Authenticate": "Negotiate", "www-authenticate": 'Basic realm="second header"'},
)


@pytest.mark.parametrize("headers", BASIC_CHALLENGES)
def test_basic_in_any_spelling(headers: dict[str, str], proxy: RecordingProxy) -> None:
    """Upper case, beside other schemes, in a second header."""
    fault = proxy.inject("GET .*/manifests/1", "set_header", headers=headers)
    found = ask(f"{proxy.host}/team/app:1", registries=[{"name": proxy.host, **LOGIN}])
    assert found["images"][0]["digest"] == IMAGE.digest
    assert fault.hits == 1
    assert len(proxy.requests) == 3
    assert logins_at(proxy) == {ALICE}


def test_no_challenge_that_can_be_met(proxy: RecordingProxy) -> None:
    """Then no password is sent."""
    headers = {"WWW-Authenticate": 'Digest realm="x", nonce="y"'}
    fault = proxy.inject("manifests", "set_header", headers=headers, times=-1)
    message = refusal(f"{proxy.host}/team/app:1", registries=[{"name": proxy.host, **LOGIN}])
    assert proxy.host in message
    assert "401" in message
    assert fault.hits == 1
    assert not tries(proxy)


def test_a_401_without_challenge_takes_that_of_the_registry(proxy: RecordingProxy) -> None:
    """As gcr.io answers: only ``/v2/`` says how to log in."""
    fault = proxy.inject("manifests", "drop_header", "WWW-Authenticate")
    found = ask(f"{proxy.host}/team/app:1", registries=[{"name": proxy.host, **LOGIN}])
    assert found["images"][0]["digest"] == IMAGE.digest
    assert fault.hits == 1
    assert proxy.count(kind="ping") == 1
    assert logins_at(proxy, "team/app") == {ALICE}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_no_password(
    status: int, registry: DockerRegistry, proxy: RecordingProxy, sides: Any
) -> None:
    """Content may be elsewhere; the login is for the registry. Another port is elsewhere."""
    sides.source.push(IMAGE, "1", "team/app")
    other = sides.source.proxy
    config = IMAGE.blobs[0].digest
    location = {"Location": f"{other.url}/v2/team/app/blobs/{config}?signature=abc%2Fdef"}
    fault = proxy.inject(f"blobs/{config}", "status", status, headers=location)
    found = ask(f"{proxy.host}/team/app:1", registries=[{"name": proxy.host, **LOGIN}])
    assert found["images"][0]["labels"] == {"seed": "access"}
    assert fault.hits == 1
    assert [r.target for r in other.requests] == [location["Location"].removeprefix(other.url)]
    assert not [r for r in other.requests if r.header("Authorization") or r.header("Cookie")]
    assert logins_at(proxy) == {ALICE}


def test_an_upload_elsewhere_gets_no_password(
    registry: DockerRegistry, proxy: RecordingProxy, sides: Any
) -> None:
    """A registry that sends uploads to another server doesn't send the password along."""
    sides.source.push(IMAGE)
    other = sides.destination.proxy
    location = {"Location": f"{other.url}/upload/session?id=1", "Content-Length": "0"}
    fault = proxy.inject("POST .*uploads", "status", 202, times=-1, headers=location)
    elsewhere = other.inject("/upload/session", "status", 503, times=-1)
    login = [{"name": proxy.host, **LOGIN}]
    done = sync(
        source=sides.source.ref(),
        destination=f"{proxy.host}/team/uploaded:1",
        registries=login,
        retries=0,
    )
    assert done["failed"]
    assert fault.hits > 0
    assert elsewhere.hits > 0
    assert not tries(other)
    assert logins_at(proxy) == {ALICE}


def test_a_redirect_home_keeps_the_password(proxy: RecordingProxy) -> None:
    """The same origin is the same registry."""
    location = {"Location": "/v2/team/sub/app/manifests/1"}
    fault = proxy.inject("/team/app/manifests/1", "status", 307, times=-1, headers=location)
    found = ask(f"{proxy.host}/team/app:1", registries=[{"name": proxy.host, **LOGIN}])
    assert found["images"][0]["digest"] == IMAGE.digest
    assert fault.hits == 2
    assert logins_at(proxy, "team/sub/app") == {ALICE}


REFUSED = (
    ("http://user:word@127.0.0.1:1/x", "carries credentials"),
    ("ftp://127.0.0.1/x", "not an HTTP address"),
    ("http://[broken/x", "invalid URL"),
)


@pytest.mark.parametrize(("target", "reason"), REFUSED)
def test_redirects_that_are_refused(target: str, reason: str, proxy: RecordingProxy) -> None:
    """One sentence each, which repeats no secret of the URL."""
    fault = proxy.inject("manifests", "status", 307, times=-1, headers={"Location": target})
    message = refusal(f"{proxy.host}/team/app:1", registries=[{"name": proxy.host, **LOGIN}])
    assert reason in message
    assert proxy.host in message
    assert "word" not in message
    assert fault.hits == 1


def test_a_redirect_in_a_circle_ends(proxy: RecordingProxy) -> None:
    """After a few it is no answer."""
    location = {"Location": "/v2/team/app/manifests/1"}
    fault = proxy.inject("manifests", "status", 307, times=-1, headers=location)
    message = refusal(f"{proxy.host}/team/app:1", retries=3)
    assert "redirects" in message
    assert fault.hits == 6


def test_a_damaged_auth_file_is_told(tmp_path: Path) -> None:
    """By its path, before any request, and without its content."""
    path = tmp_path / "auth.json"
    cases = {
        "isn't JSON": "canary-in-file {",
        "isn't a JSON object": '["canary-in-file"]',
        "auths is not an object": '{"auths": "canary-in-file"}',
        "isn't base64": '{"auths": {"127.0.0.1:1": {"auth": "canary-in-file!"}}}',
    }
    for reason, text in cases.items():
        path.write_text(text, encoding="utf-8")
        message = refusal("127.0.0.1:1/team/app:1", auth_file=str(path))
        assert str(path) in message
        assert reason in message
        assert "canary" not in message
    for missing in (tmp_path / "missing.json", tmp_path):
        assert str(missing) in refusal("127.0.0.1:1/team/app:1", auth_file=str(missing))


def test_entries_that_contradict_themselves() -> None:
    """Told before the first request, by name."""
    host = "registry.example.com"
    cases: dict[str, list[dict[str, Any]]] = {
        "two entries": [{"name": host}, {"name": f"{host}/"}],
        "has no password": [{"name": host, "username": USER}],
        "has no username": [{"name": host, "password": PASSWORD}],
        "belong to the whole registry": [{"name": f"{host}/team", "plain_http": True}],
        "without a scheme": [{"name": f"https://{host}"}],
        "has a client_key and no client_cert": [{"name": host, "client_key": "/dev/null"}],
    }
    for reason, registries in cases.items():
        message = sentence_of(lambda r=registries: ask(f"{host}/app:1", registries=r))  # type: ignore[misc]
        assert reason in message
        assert host in message
        assert PASSWORD not in message
