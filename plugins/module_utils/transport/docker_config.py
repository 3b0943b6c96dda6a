# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Auth files of Docker (config.json) and Podman (auth.json).

containers-auth.json(5); Docker's "docker login" reference.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
import re
from typing import Any, NamedTuple

from ..model.errors import InvalidInput
from ..model.reference import canonical_registry
from ..model.strict_json import is_text

_LIMIT = 4 << 20


_TOKEN = re.compile(r"[\x21-\x7e]+")


def is_token(text: str) -> bool:
    """Whether it can be sent as a bearer token: no space, no line break (RFC 6750, 2.1)."""
    return _TOKEN.fullmatch(text) is not None


class Login(NamedTuple):
    """What to log in with. ``kind`` says where it comes from, never what it is.

    ``token`` is sent as bearer as it is; ``identity_token`` is exchanged for one. ``expires``:
    when to ask its source again, by time.monotonic(). ``at_once``: the password is sent with
    every request, unasked, and to the registry alone.
    """

    kind: str
    username: str = ""
    password: str = ""
    token: str = ""
    identity_token: str = ""
    expires: float = math.inf
    at_once: bool = False

    def secrets(self) -> tuple[str, ...]:
        """What must not be printed."""
        return tuple(s for s in (self.password, self.token, self.identity_token) if s)


class AuthFile:
    """The ``auths`` of one file, by registry and path, and the credential helpers it names.

    ``store``: the helper for all registries (``credsStore``), or "".
    """

    def __init__(self, path: str, kind: str, text: str | None = None) -> None:
        """Reads ``path``; raises InvalidInput when it can't be read or isn't such a file.

        ``text`` is the content where it isn't in a file; then ``path`` says what it is.
        """
        self.path = path if text is not None else f"the auth file {path}"
        self._kind = kind
        self._auths: dict[str, dict[str, Any]] = {}
        document = (
            _parse(text.encode("utf-8", "surrogateescape"), self.path)
            if text is not None
            else _read(path, self.path)
        )
        for key, entry in self._object(document, "auths").items():
            name = _normal_name(key)
            # an empty one, as beside a credential store, mustn't hide another spelling's
            if name is not None and isinstance(entry, dict) and not self._auths.get(name):
                self._auths[name] = entry
        helpers = self._object(document, "credHelpers")
        self._helpers = {_normal_name(key): _text(helpers, key) for key in helpers}
        self.store = _text(document, "credsStore")

    def helper(self, host: str) -> str:
        """The credential helper for ``host`` alone (``credHelpers``), or ""."""
        return self._helpers.get(host, "")

    def _object(self, document: dict[str, Any], name: str) -> dict[str, Any]:
        found = document.get(name)
        if found is not None and not isinstance(found, dict):
            raise InvalidInput(f"{self.path} is damaged: {name} is not an object")
        return found or {}

    def find(self, host: str, repository: str) -> Login | None:
        """The login of the longest key that covers ``host/repository``."""
        parts = f"{host}/{repository}".rstrip("/").split("/")
        for end in range(len(parts), 0, -1):
            entry = self._auths.get("/".join(parts[:end]))
            login = entry and self._login(entry)
            if login:
                return login
        return None

    def _login(self, entry: dict[str, Any]) -> Login | None:
        """None for an entry that gives nothing, as beside a credential store."""
        username, password = _text(entry, "username"), _text(entry, "password")
        if _text(entry, "auth"):
            username, password = self._decode(_text(entry, "auth"))
        login = Login(
            self._kind,
            username,
            password,
            _text(entry, "registrytoken"),
            _text(entry, "identitytoken"),
        )
        if not all(is_text(text) for text in login[:5]):
            raise InvalidInput(f"{self.path} is damaged: a login isn't Unicode")
        if login.token and not is_token(login.token):
            raise InvalidInput(f"{self.path} is damaged: a token has a line break")
        return login if login.secrets() else None

    def _decode(self, auth: str) -> tuple[str, str]:
        try:
            username, colon, password = base64.b64decode(auth).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            colon = ""
        if not colon:
            raise InvalidInput(f"{self.path} is damaged: an auth entry isn't base64")
        return username, password.rstrip("\0\n\r")


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _read(path: str, shown: str) -> dict[str, Any]:
    try:
        if not os.path.isfile(path):
            raise InvalidInput(f"{shown} isn't a file")
        with open(path, "rb") as handle:
            return _parse(handle.read(_LIMIT), shown)
    except OSError as error:
        raise InvalidInput(f"{shown} can't be read: {error.strerror}") from None


def _parse(raw: bytes, shown: str) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{shown} is damaged: it isn't JSON") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"{shown} is damaged: it isn't a JSON object")
    return document


def _normal_name(key: str) -> str | None:
    """``host[:port][/path]`` of a key in any of its spellings.

    Old keys are URLs such as ``https://index.docker.io/v1/``; None for what is no registry.
    """
    key = key.partition("://")[2] or key
    host, _slash, path = key.strip("/").partition("/")
    if path in ("v1", "v2"):
        path = ""
    try:
        host = canonical_registry(host)
    except InvalidInput:
        return None
    return f"{host}/{path}" if path else host
