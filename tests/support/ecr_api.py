# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of ECR's own API as creates repositories, for the real botocore to talk to."""

from __future__ import annotations

import json
from typing import Any

from .servers import Handler, LocalServer
from .strict_registry import StrictRegistry

#: what botocore needs, and what keeps it from looking for anything else; none of it is secret
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class EcrApi(LocalServer):
    """CreateRepository (Amazon ECR API Reference), for the registry that it belongs to.

    ``asked``: the operations with what they said, and the region they were signed for. ``refuses``:
    the code and message for all of them.
    """

    def __init__(self, registry: StrictRegistry) -> None:
        """Listen; ``registry`` gets the repositories."""
        super().__init__(_ApiHandler)
        self.registry = registry
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.refuses: tuple[str, str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which botocore comes here."""
        urls = {f"AWS_ENDPOINT_URL_{name}": self.url for name in ("ECR", "ECR_PUBLIC")}
        return {**ENVIRONMENT, **urls}

    def create(self, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The answer to CreateRepository."""
        name = document["repositoryName"]
        if self.refuses:
            return 400, {"__type": self.refuses[0], "message": self.refuses[1]}
        if name in self.registry.store.stocks:
            text = f"The repository with name '{name}' already exists"
            return 400, {"__type": "RepositoryAlreadyExistsException", "message": text}
        self.registry.store.stock(name)
        return 200, {"repository": {"repositoryName": name}}


class _ApiHandler(Handler):
    def __init__(self, owner: EcrApi, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        request = self.owner.begin(self.command, self.path, self.headers.items())
        document = json.loads(self.read_exactly(int(self.headers.get("Content-Length") or 0)))
        operation = (self.headers.get("X-Amz-Target") or "").rpartition(".")[2]
        # Credential=<key>/<date>/<region>/<service>/aws4_request
        region = (self.headers.get("Authorization") or "///").split("/")[2]
        self.owner.asked.append((operation, document, region))
        known = operation == "CreateRepository"
        refusal = 400, {"__type": "UnknownOperationException", "message": operation}
        request.status, answer = self.owner.create(document) if known else refusal
        data = json.dumps(answer).encode()
        headers = [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Content-Length", str(len(data))),
        ]
        self.send_head(request.status, headers)
        self.wfile.write(data)
        self.owner.end()
