# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidContent
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    Login,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import (
    Token,
    basic,
    read_token,
    token_request,
)
from ansible_collections.imagesync.registry.tests.unit.support import answer

REALM = "https://auth.example/token"
SCOPES = ("repository:a/b:pull,push", "repository:c:pull")
NOBODY = Login("anonymous")
USER = Login("options", "user", "pässword")
IDENTITY = Login("docker", "<token>", "", "", "1//refresh")


def test_basic_is_in_utf8() -> None:
    scheme, _space, value = basic("user", "pä:ss").partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(value).decode() == "user:pä:ss"


def test_a_password_is_sent_by_get() -> None:
    request = token_request(REALM, "reg", SCOPES, USER, False)
    assert (request.method, request.body) == ("GET", None)
    assert request.headers == {"Authorization": basic("user", "pässword")}
    assert request.secrets == ("pässword",)
    parts = urlsplit(request.url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == REALM
    assert parse_qsl(parts.query) == [
        ("service", "reg"),
        ("scope", SCOPES[0]),
        ("scope", SCOPES[1]),
    ]


def test_nobody_sends_no_password() -> None:
    request = token_request(REALM, "", (), NOBODY, False)
    assert request == ("GET", REALM, {}, None, (), True)


def test_a_realm_may_have_a_query() -> None:
    assert token_request(f"{REALM}?a=b", "s", (), NOBODY, False).url == f"{REALM}?a=b&service=s"


def test_an_identity_token_is_posted() -> None:
    request = token_request(REALM, "reg", SCOPES, IDENTITY, True)
    assert (request.method, request.url) == ("POST", REALM)
    assert "Authorization" not in request.headers
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.body is not None
    assert dict(parse_qsl(request.body.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "1//refresh",
        "client_id": "imagesync.registry",
        "service": "reg",
        "scope": " ".join(SCOPES),
    }
    assert request.secrets == ("1//refresh",)


def test_an_identity_token_where_there_is_no_post() -> None:
    request = token_request(REALM, "", (), IDENTITY, False)
    assert request.method == "GET"
    assert request.headers == {"Authorization": basic("<token>", "1//refresh")}


@pytest.mark.parametrize("refresh", [True, False])
def test_a_password_is_never_posted(refresh: bool) -> None:
    assert token_request(REALM, "reg", SCOPES, USER, refresh).method == "GET"


def read(body: Any) -> Token:
    return read_token(answer(200, body), ("s",), "auth.example")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"token": "T"}, "T"),
        ({"access_token": "A"}, "A"),
        ({"token": "T", "access_token": "A"}, "T"),
        ({"token": "", "access_token": "A"}, "A"),
        ({"token": None, "access_token": "A"}, "A"),
    ],
)
def test_which_token(body: Any, value: str) -> None:
    assert read(body).value == value


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        ("300", 300),
        ("0.5", 0.5),
        ("999999999", 999999999),
        ("null", 60),
        ("0", 60),
        ("-1", 60),
        ('"60"', 60),
        ('"300"', 60),
        ("true", 60),
        ("NaN", 60),
        ("Infinity", 60),
        ("1e400", 60),
        ("1000000000", 60),
        ("[]", 60),
    ],
)
def test_how_long_it_lives(expires_in: str, life: float) -> None:
    before = time.monotonic()
    token = read(f'{{"token": "T", "expires_in": {expires_in}}}')
    assert token.life == life
    assert before + life <= token.expires <= time.monotonic() + life
    assert token.scopes == {"s"}


def test_without_expires_in_it_lives_a_minute() -> None:
    assert read({"token": "T", "issued_at": "1999-01-01T00:00:00Z"}).life == 60


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "gave no token"),
        ({"token": 5}, "gave no token"),
        ({"token": ""}, "gave no token"),
        ({"token": ["T"]}, "gave no token"),
        ("", "isn't a JSON object"),
        ("[]", "isn't a JSON object"),
        ('"T"', "isn't a JSON object"),
        ("<html>login</html>", "isn't a JSON object"),
        ("[" * 50_000, "isn't a JSON object"),
        (b"\xff", "isn't a JSON object"),
        ({"token": "T\r\nX-Evil: 1"}, "characters that no token has"),
        ({"token": "T T"}, "characters that no token has"),
        ({"token": "T\n"}, "characters that no token has"),
        ({"token": "T\x00"}, "characters that no token has"),
        ({"token": "Tö"}, "characters that no token has"),
        ({"token": "T" * (64 << 10)}, "larger than"),
    ],
    ids=lambda v: repr(v)[:30],
)
def test_answers_without_a_token(body: Any, reason: str) -> None:
    with pytest.raises(InvalidContent, match=reason) as caught:
        read(body)
    assert "auth.example" in str(caught.value)
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("life", "left", "usable", "fresh"),
    [
        (300, 300, True, True),
        (300, 31, True, False),
        (300, 29, False, False),
        (300, 149, True, False),
        (60, 60, True, True),
        (60, 11, True, False),
        (60, 9, False, False),
        (5, 5, False, False),
        (300, -1, False, False),
        (3600, 359, False, False),
        (3600, 361, True, False),
    ],
)
def test_when_a_token_is_good_enough(life: int, left: int, usable: bool, fresh: bool) -> None:
    token = Token("T", frozenset(), life, time.monotonic() + left)
    assert token.usable() is usable
    assert token.usable(fresh=True) is fresh
