# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    AuthFile,
    Login,
)


def auth(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def load(tmp_path: Path, content: Any) -> AuthFile:
    path = tmp_path / "config.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return AuthFile(str(path), "docker")


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("registry.example.com", "registry.example.com"),
        ("registry.example.com:5000", "registry.example.com:5000"),
        ("https://registry.example.com", "registry.example.com"),
        ("https://registry.example.com/", "registry.example.com"),
        ("http://registry.example.com:5000/v2/", "registry.example.com:5000"),
        ("https://registry.example.com/v1/", "registry.example.com"),
        ("Registry.Example.COM", "registry.example.com"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("https://registry.hub.docker.com", "docker.io"),
        ("localhost:5000", "localhost:5000"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_spellings_of_a_key(tmp_path: Path, key: str, host: str) -> None:
    found = load(tmp_path, {"auths": {key: auth("u", "p")}})
    assert found.find(host, "team/app") == Login("docker", "u", "p")
    assert found.find("other.example", "team/app") is None


def test_the_longest_path_wins(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        {
            "auths": {
                "r.example": auth("host", "p"),
                "r.example/team": auth("team", "p"),
                "r.example/team/app": auth("app", "p"),
                "docker.io/library": auth("library", "p"),
            }
        },
    )
    users = {
        "team/app": "app",
        "team/app/sub": "app",
        "team/application": "team",
        "team/other": "team",
        "team": "team",
        "teams/app": "host",
        "x": "host",
        "": "host",
    }
    for repository, user in users.items():
        login = found.find("r.example", repository)
        assert login is not None
        assert login.username == user, repository
    assert found.find("docker.io", "grafana/grafana") is None
    assert found.find("docker.io", "library/busybox") is not None


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        (auth("u", "p"), Login("docker", "u", "p")),
        (auth("u", "p:with:colons"), Login("docker", "u", "p:with:colons")),
        (auth("ü", "pä"), Login("docker", "ü", "pä")),
        (auth("u", "p\n"), Login("docker", "u", "p")),
        ({"username": "u", "password": "p"}, Login("docker", "u", "p")),
        ({"username": "x", "password": "y", **auth("u", "p")}, Login("docker", "u", "p")),
        ({"identitytoken": "i"}, Login("docker", identity_token="i")),
        ({**auth("00000000", ""), "identitytoken": "i"}, Login("docker", "00000000", "", "", "i")),
        ({"registrytoken": "t"}, Login("docker", token="t")),
        ({}, None),
        ({"auth": ""}, None),
        ({"email": "a@b"}, None),
        ({"username": "u"}, None),
        (auth("u", ""), None),
        ({"auth": None, "password": 5}, None),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
def test_entries(tmp_path: Path, entry: Any, login: Login | None) -> None:
    assert load(tmp_path, {"auths": {"r.example": entry}}).find("r.example", "a") == login


def test_an_empty_entry_lets_the_next_shorter_one_speak(tmp_path: Path) -> None:
    found = load(tmp_path, {"auths": {"r.example/a": {}, "r.example": auth("u", "p")}})
    assert found.find("r.example", "a") == Login("docker", "u", "p")


def test_an_empty_entry_does_not_hide_another_spelling(tmp_path: Path) -> None:
    keys = {"https://index.docker.io/v1/": {}, "docker.io": auth("u", "p")}
    assert load(tmp_path, {"auths": keys}).find("docker.io", "a/b") == Login("docker", "u", "p")


def test_the_first_of_two_spellings_wins(tmp_path: Path) -> None:
    keys = {"docker.io": auth("first", "p"), "index.docker.io": auth("second", "p")}
    login = load(tmp_path, {"auths": keys}).find("docker.io", "a/b")
    assert login is not None
    assert login.username == "first"


@pytest.mark.parametrize(
    "content",
    [
        "",
        " \n",
        "{}",
        '{"auths": {}}',
        '{"auths": null}',
        '{"credsStore": "desktop"}',
        '{"credHelpers": null, "credsStore": 5}',
        {"auths": dict.fromkeys(("not a host!", "", "https://"), auth("u", "p"))},
    ],
)
def test_files_without_logins(tmp_path: Path, content: Any) -> None:
    assert load(tmp_path, content).find("r.example", "a") is None


SECRET = "s3cret-c0ntent"


@pytest.mark.parametrize(
    "content",
    [
        f'{{"auths": {{"r.example": {{"auth": "{SECRET}"',
        f"machine r.example login u password {SECRET}",
        f'["{SECRET}"]',
        f'"{SECRET}"',
        f'{{"auths": ["{SECRET}"]}}',
        f'{{"auths": "{SECRET}"}}',
        f'{{"credHelpers": "{SECRET}"}}',
        b'{"auths": "\xff' + SECRET.encode() + b'"}',
        "[" * 100_000,
    ],
    ids=lambda v: repr(v)[:30],
)
def test_damaged_files_are_an_error_without_their_content(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InvalidInput, match="is damaged") as caught:
        load(tmp_path, content)
    assert str(tmp_path / "config.json") in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "value",
    [
        "!!!",
        "abc",
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"\xff:x").decode(),
    ],
)
def test_damaged_entries_are_an_error_when_they_are_needed(tmp_path: Path, value: str) -> None:
    found = load(tmp_path, {"auths": {"r.example": {"auth": value}, "s.example": auth("u", "p")}})
    assert found.find("s.example", "a") is not None
    with pytest.raises(InvalidInput, match="isn't base64") as caught:
        found.find("r.example", "a")
    assert SECRET not in str(caught.value)


def test_credential_helpers(tmp_path: Path) -> None:
    helpers = {"https://index.docker.io/v1/": "hub", "R.example": "one", "s.example": 5, "": "x"}
    found = load(tmp_path, {"credHelpers": helpers, "credsStore": "desktop"})
    hosts = ("docker.io", "r.example", "s.example", "t.example")
    assert [found.helper(host) for host in hosts] == ["hub", "one", "", ""]
    assert found.store == "desktop"
    assert (load(tmp_path, {}).store, load(tmp_path, {}).helper("r.example")) == ("", "")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="isn't a file"):
        AuthFile(str(tmp_path), "docker")


def test_secrets_of_a_login() -> None:
    assert Login("docker", "u", "p", "t", "i").secrets() == ("p", "t", "i")
    assert Login("docker", "u").secrets() == ()


@pytest.mark.parametrize("key", ["username", "password", "identitytoken"])
def test_a_login_that_is_no_text_cannot_be_sent(tmp_path: Path, key: str) -> None:
    entry = {"username": "u", "password": "p", key: "a\ud800"}
    found = load(tmp_path, {"auths": {"registry.example.com": entry}})
    with pytest.raises(InvalidInput, match=r"config\.json is damaged: a login isn't Unicode"):
        found.find("registry.example.com", "a")
