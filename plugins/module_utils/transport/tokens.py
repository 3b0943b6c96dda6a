# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bearer tokens: asking a realm for one, and reading its answer.

distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from ..model.errors import InvalidContent
from .docker_config import Login, is_token

if TYPE_CHECKING:
    from .answer import Answer

CLIENT_ID = "imagesync.registry"
_ANSWER_LIMIT = 64 << 10
#: "if omitted, this defaults to 60 seconds"
_DEFAULT_LIFE = 60.0
#: of a repository that a token is for; none is longer
_LONGEST_NAME = 512


class Token(NamedTuple):
    """A bearer token; times are of time.monotonic()."""

    value: str
    scopes: frozenset[str]
    life: float
    expires: float

    def usable(self, fresh: bool = False) -> bool:
        """Whether it lives long enough for a request; ``fresh``: for a long upload."""
        margin = max(10.0, self.life * (0.5 if fresh else 0.1))
        return self.expires - time.monotonic() > margin


class TokenRequest(NamedTuple):
    """One request to a realm: method, URL, headers and form body, with the secrets in it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    secrets: tuple[str, ...] = ()
    #: whether it is worth more than one try; else there is another way to ask
    patient: bool = True


def basic(username: str, password: str) -> str:
    """The Authorization value of RFC 7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def token_request(
    realm: str, service: str, scopes: tuple[str, ...], login: Login, refresh: bool
) -> TokenRequest:
    """How to ask: an identity token by POST, a password (or nobody) by GET.

    ``refresh`` False asks by GET even with an identity token, for realms that know no POST.
    """
    if refresh and login.identity_token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": login.identity_token,
            "client_id": CLIENT_ID,
        }
        if service:
            form["service"] = service
        if scopes:
            form["scope"] = " ".join(scopes)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return TokenRequest("POST", realm, headers, urlencode(form).encode(), login.secrets())
    query = [("service", service)] if service else []
    query += [("scope", scope) for scope in scopes]
    url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}" if query else realm
    secret = login.password or login.identity_token
    headers = {"Authorization": basic(login.username, secret)} if secret else {}
    return TokenRequest("GET", url, headers, None, login.secrets())


def read_token(answer: Answer, scopes: tuple[str, ...], host: str) -> Token:
    """The token in a realm's answer; raises InvalidContent."""
    received = time.monotonic()
    raw = answer.read(_ANSWER_LIMIT, f"the token of {host}")
    try:
        document = json.loads(raw)
        value = document.get("token") or document.get("access_token")
        life = document.get("expires_in")
    except (ValueError, AttributeError, RecursionError):
        raise InvalidContent(f"{host} gave no token: its answer isn't a JSON object") from None
    if not isinstance(value, str) or not value:
        raise InvalidContent(f"{host} gave no token")
    if not is_token(value):
        raise InvalidContent(f"{host} gave a token with characters that no token has")
    valid = isinstance(life, (int, float)) and not isinstance(life, bool) and 0 < life < 10**9
    seconds = float(life) if valid else _DEFAULT_LIFE
    return Token(value, frozenset(scopes), seconds, received + seconds)


def granted_by(value: str) -> frozenset[str] | None:
    """What a token says of itself: ``repository:team/app:pull`` for each action it allows.

    "access" of a JWT's payload (distribution, "Token Authentication Implementation"); None
    where it isn't such a token. It isn't verified: the registry does that.
    """
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return frozenset(
            f"{one['type']}:{one['name']}:{action}"
            for one in payload["access"] or ()
            if len(one["name"]) <= _LONGEST_NAME  # each stands there once for each action
            for action in one["actions"] or ()
        )
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError):
        return None
