# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A token server as registries have beside them, with switches for how it differs."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from .servers import Handler, LocalServer
from .tokens import Access, Grant, Signer


@dataclass
class TokenRequest:
    """A request for a token."""

    method: str
    params: dict[str, list[str]]
    had_credentials: bool
    user: str | None
    status: int

    @property
    def scopes(self) -> list[str]:
        """Every scope that was asked for."""
        return [scope for value in self.params.get("scope", []) for scope in value.split()]


class TokenServer(LocalServer):
    """Gives out tokens; every switch is an attribute and may change while it runs."""

    issuer, service = "test-issuer", "test-service"

    def __init__(
        self,
        *,
        lifetime: float = 300,
        gives_expires_in: bool = True,
        users: Mapping[str, str] | None = None,
        anonymous_pull: bool = True,
        multi_scope: bool = True,
        refresh_by_post: bool = True,
        refuses_several: int = 0,
        denied: Collection[str] = (),
        denies_all: int = 0,
        opaque: bool = False,
        bulk: int = 0,
    ) -> None:
        """Listen; multi_scope=False grants the first scope only.

        refuses_several: the status of a request for more than one repository. denied: nobody may
        use these; denies_all: then the status of a request that names one of them. opaque: tokens
        say nothing of themselves (docker-registry can't read them). bulk: characters that each
        scope adds to a token.
        """
        super().__init__(_TokenHandler)
        self.lifetime = lifetime
        self.gives_expires_in = gives_expires_in
        self.users = dict(users or {"alice": "s3cret"})
        self.anonymous_pull = anonymous_pull
        self.multi_scope = multi_scope
        self.refresh_by_post = refresh_by_post
        self.refuses_several, self.opaque, self.bulk = refuses_several, opaque, bulk
        self.denied, self.denies_all = set(denied), denies_all
        self.identity_tokens: dict[str, str] = {}
        self.token_requests: list[TokenRequest] = []
        self.grants: dict[str, Grant] = {}
        self._signer = Signer(self.issuer, self.service)
        self.realm = f"{self.url}/token"

    @property
    def certificate_pem(self) -> bytes:
        """What a registry must trust to accept our tokens."""
        return self._signer.certificate_pem

    def identity_token(self, user: str = "alice") -> str:
        """Make an identity (refresh) token for this user."""
        token = f"identity-{os.urandom(8).hex()}"
        self.identity_tokens[token] = user
        return token

    def revoke(self) -> None:
        """Take back every access and identity token (docker-registry can't see the former)."""
        for grant in self.grants.values():
            grant.revoked = True
        self.identity_tokens.clear()

    def allows(self, token: str, repo: str, action: str) -> bool:
        """Whether this access token is good for that, now: for registries in this process."""
        grant = self.grants.get(token)
        return grant is not None and grant.allows(repo, action)

    def check_password(self, authorization: str) -> str | None:
        """The user of a Basic header, None when it is wrong."""
        scheme, _unused, value = authorization.partition(" ")
        try:
            user, _unused, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return None
        good = scheme.lower() == "basic" and self.users.get(user) == password
        return user if good else None

    def refusal(self, scopes: list[str]) -> int:
        """The status with which a request for these is refused; 0: it isn't."""
        names = {Access.parse(scope).name for scope in scopes}
        if len(names) > 1 and self.refuses_several:
            return self.refuses_several
        return self.denies_all if names & self.denied else 0

    def answer(self, user: str | None, scopes: list[str]) -> dict[str, Any]:
        """The body that grants these scopes to this user."""
        asked = [Access.parse(scope) for scope in scopes]
        asked = asked if self.multi_scope else asked[:1]
        access = tuple(Access(a.type, a.name, self._granted(user, a)) for a in asked)
        grant = Grant(user or "", access, time.monotonic() + self.lifetime)
        token = self._signer.sign(grant, self.lifetime, "x" * (self.bulk * len(access) * 3 // 4))
        if self.opaque:
            token = f"opaque-{os.urandom(16).hex()}"
        self.grants[token] = grant
        issued_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body: dict[str, Any] = {"token": token, "access_token": token, "issued_at": issued_at}
        if self.gives_expires_in:
            body["expires_in"] = int(self.lifetime)
        return body

    def _granted(self, user: str | None, asked: Access) -> tuple[str, ...]:
        """What of the asked actions this user gets."""
        if asked.name in self.denied:
            return ()
        if user is not None:
            return asked.actions
        return tuple(a for a in asked.actions if a == "pull" and self.anonymous_pull)


class _TokenHandler(Handler):
    """One connection to the token server."""

    def __init__(self, owner: TokenServer, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        body = self.read_exactly(int(self.headers.get("Content-Length") or 0)).decode()
        if record.path != "/token":
            status, answer = 404, {"details": "no such path"}
        elif self.command == "GET":
            status, answer = self._by_password(parse_qs(record.query))
        elif self.command == "POST" and self.owner.refresh_by_post:
            status, answer = self._by_form(parse_qs(body))
        else:
            status, answer = 405, {"details": "not that way"}
        record.status = status
        self._reply(status, answer)
        self.owner.end()

    def _by_password(self, params: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Basic credentials or none, as everybody does it."""
        authorization = self.headers.get("Authorization")
        user = None if authorization is None else self.owner.check_password(authorization)
        refused = authorization is not None and user is None
        request = TokenRequest("GET", params, authorization is not None, user, 200)
        self.owner.token_requests.append(request)
        if refused:
            request.status = 401
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}
        status = request.status = self.owner.refusal(request.scopes) or 200
        if status != 200:
            return status, {"details": "not for that"}
        answer = self.owner.answer(user, request.scopes)
        if user and params.get("offline_token") == ["true"]:
            answer["refresh_token"] = self.owner.identity_token(user)
        return 200, answer

    def _by_form(self, params: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """OAuth2's form: an identity token, or a password."""
        user: str | None = None
        if params.get("grant_type") == ["refresh_token"]:
            user = self.owner.identity_tokens.get(params.get("refresh_token", [""])[0])
        elif params.get("grant_type") == ["password"]:
            name = params.get("username", [""])[0]
            user = name if self.owner.users.get(name) == params.get("password", [""])[0] else None
        request = TokenRequest("POST", params, True, user, 200 if user else 401)
        self.owner.token_requests.append(request)
        if user is None:
            return 401, {"error": "invalid_grant"}
        status = request.status = self.owner.refusal(request.scopes) or 200
        if status != 200:
            return status, {"error": "invalid_scope"}
        return 200, self.owner.answer(user, request.scopes)

    def _reply(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        length = ("Content-Length", str(len(data)))
        self.send_head(status, [("Content-Type", "application/json"), length])
        self.wfile.write(data)
