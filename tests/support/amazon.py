# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the API of Amazon ECR, private and public, for the real botocore to talk to.

It gives out passwords and creates repositories, as the Amazon ECR API Reference tells.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any, NamedTuple

from .servers import Handler, LocalServer
from .strict_store import Store

SECRET_KEY = "secret-access-key-of-the-tests"
REGION = "eu-central-1"


class Call(NamedTuple):
    """``target``: ``Service.Operation``. ``region``: the one that it was signed for."""

    target: str
    given: dict[str, Any]
    region: str


class AmazonCloud(LocalServer):
    """The API. The switches may change while it runs.

    Passwords are ``ecr-1``, ``ecr-2`` and so on, in ``given``. ``calls``: what it was asked.
    ``refusal``: the code of the error that is answered instead, with ``said``.
    """

    def __init__(self, lifetime: float = 43200, store: Store | None = None) -> None:
        """Listen; ``lifetime`` of passwords in seconds; ``store`` gets the repositories."""
        super().__init__(_AmazonHandler)
        self.lifetime, self.store, self.refusal = lifetime, store, ""
        self.said = "User: arn:aws:iam::1:user/x: no"
        self.prefix = "ecr-"
        self.given: list[str] = []
        self.calls: list[Call] = []

    @property
    def environment(self) -> dict[str, str]:
        """What leads botocore here, with a key, and keeps it from looking for anything else."""
        return {
            "AWS_ENDPOINT_URL_ECR": self.url,
            "AWS_ENDPOINT_URL_ECR_PUBLIC": self.url,
            "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def answer(self, target: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of a call."""
        service, _dot, operation = target.partition(".")
        if self.refusal:
            return 400, {"__type": self.refusal, "message": self.said}
        if operation == "GetAuthorizationToken":
            data = self._password()
            return 200, {"authorizationData": data if service.startswith("Spencer") else [data]}
        if operation == "CreateRepository" and self.store:
            return self.create(self.store, given["repositoryName"])
        return 400, {"__type": "UnknownOperationException", "message": operation}

    def create(self, store: Store, name: str) -> tuple[int, dict[str, Any]]:
        """The answer to CreateRepository."""
        if name in store.stocks:
            text = f"The repository with name '{name}' already exists"
            return 400, {"__type": "RepositoryAlreadyExistsException", "message": text}
        store.stock(name)
        return 200, {"repository": {"repositoryName": name}}

    def _password(self) -> dict[str, Any]:
        self.given.append(f"{self.prefix}{len(self.given) + 1}")
        return {
            "authorizationToken": base64.b64encode(f"AWS:{self.given[-1]}".encode()).decode(),
            "expiresAt": time.time() + self.lifetime,
        }


class _AmazonHandler(Handler):
    """One connection to it."""

    def __init__(self, owner: AmazonCloud, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        given = json.loads(self.read_exactly(int(self.headers.get("Content-Length") or 0)) or "{}")
        target = self.headers.get("X-Amz-Target", "")
        # AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request
        signed = self.headers.get("Authorization", "")
        if signed.startswith("AWS4-HMAC-SHA256 "):
            self.owner.calls.append(Call(target, given, signed.split("/")[2]))
            record.status, answer = self.owner.answer(target, given)
        else:
            record.status, answer = 403, {"__type": "MissingAuthenticationTokenException"}
        data = json.dumps(answer).encode()
        headers = [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Content-Length", str(len(data))),
        ]
        self.send_head(record.status, headers)
        self.wfile.write(data)
        self.owner.end()
