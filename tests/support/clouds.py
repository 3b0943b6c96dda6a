# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the part of Google's cloud that gives out logins, and a machine without clouds.

It is written from the documentation (compute.google.com "About VM metadata", RFC 7523), and is
spoken to by Google's own client library.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .servers import Handler, LocalServer

_ACCOUNT = re.compile(r"/computeMetadata/v1/instance/service-accounts/(default|[^/]+@[^/]+)/")
#: what must not come from the machine that runs the tests
_VARIABLES = ("GOOGLE_", "GCE_", "NO_GCE_", "CLOUDSDK_", "AWS_", "GCLOUD_")


class GoogleCloud(LocalServer):
    """A metadata server, and the token endpoint of service account keys.

    Tokens are ``access-1``, ``access-2`` and so on. The switches may change while it runs.
    """

    def __init__(self, lifetime: int = 3600) -> None:
        """Listen; ``has_account`` False: the machine has no service account."""
        super().__init__(_GoogleHandler)
        self.lifetime, self.has_account = lifetime, True
        self.prefix = "access-"
        #: status and body with which keys are refused, instead of a token
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.given: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """What leads Google's library to this metadata server."""
        names = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP")
        return dict.fromkeys(names, self.host)

    def token(self) -> dict[str, Any]:
        """A new access token, as both ways give it."""
        self.given.append(f"{self.prefix}{len(self.given) + 1}")
        return {
            "access_token": self.given[-1],
            "expires_in": self.lifetime,
            "token_type": "Bearer",
        }

    def write_key(self, path: Path) -> str:
        """The key file of a service account whose tokens come from here; its path."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        content = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "mirror@project.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/oauth/token",
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


class _GoogleHandler(Handler):
    """One connection to it."""

    def __init__(self, owner: GoogleCloud, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        body = self.read_exactly(int(self.headers.get("Content-Length") or 0)).decode()
        status, answer = self._answer(record.path, body)
        record.status = status
        is_text = isinstance(answer, str)
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        headers = [
            ("Content-Type", "application/text" if is_text else "application/json"),
            ("Content-Length", str(len(data))),
        ]
        if record.path != "/oauth/token":
            headers.append(("Metadata-Flavor", "Google"))
        self.send_head(status, headers)
        self.wfile.write(data)
        self.owner.end()

    def _answer(self, path: str, body: str) -> tuple[int, Any]:
        owner = self.owner
        if self.command == "POST" and path == "/oauth/token":
            if "jwt-bearer" not in body:
                return 400, {"error": "unsupported_grant_type"}
            return owner.refusal or (200, owner.token())
        if self.headers.get("Metadata-Flavor") != "Google":
            return 403, "Missing Metadata-Flavor:Google header."
        if path == "/":
            return 200, "computeMetadata/"
        if path == "/computeMetadata/v1/project/project-id":
            return 200, "project"
        if owner.has_account and _ACCOUNT.fullmatch(path):
            account = {"aliases": ["default"], "email": "1@developer.gserviceaccount.com"}
            return 200, {**account, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        if owner.has_account and _ACCOUNT.fullmatch(path.removesuffix("token")):
            return 200, owner.token()
        return 404, "not found"


def without_clouds(monkeypatch: Any, home: Path) -> None:
    """A machine that knows of no cloud: no variables, no files, no metadata, and nothing imported.

    Google's library reads its variables when it is imported.
    """
    for name in list(os.environ):
        if name.startswith(_VARIABLES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(home / "gcloud"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # nobody listens there
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    for name in list(sys.modules):
        if name.partition(".")[0] in ("google", "botocore"):
            monkeypatch.delitem(sys.modules, name)
