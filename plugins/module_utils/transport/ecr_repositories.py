# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories of Amazon ECR, which has none until it is told to (CreateRepository)."""

from __future__ import annotations

import threading
from typing import Any

from ..model.errors import AccessDenied, AuthenticationFailed, InvalidInput, RegistryError
from .clouds import EcrPlace, ecr_place

_EXISTS = "RepositoryAlreadyExistsException"
_DENIED = ("AccessDenied", "Unauthorized", "InvalidSignature", "UnrecognizedClient", "ExpiredToken")


class EcrRepositories:
    """Creates repositories through botocore, with the credentials that it finds."""

    def __init__(self) -> None:
        #: and the credentials that they use
        self._clients: dict[str, tuple[Any, Any]] = {}
        self._lock = threading.Lock()

    def create(self, host: str, path: str) -> None:
        """Makes the repository; one that is there already is as good. Raises ImageSyncError."""
        what = f"creating the repository {path}"
        place = ecr_place(host) or EcrPlace()
        # in the public registry, the first part of a path is the alias of the account
        name = path.partition("/")[2] if place.public else path
        if not name:
            raise InvalidInput(f"{host}: {what} failed: its name has no alias before it")
        arguments = {"repositoryName": name}
        if place.account:
            arguments["registryId"] = place.account
        from .ecr_login import aws_call  # most calls have no use for it

        client, credentials = self._client(host)
        try:
            aws_call(host, what, lambda: client.create_repository(**arguments), credentials)
        except AuthenticationFailed as error:
            if _EXISTS in error.codes:
                return
            denied = "".join(error.codes).startswith(_DENIED)
            service = "ecr-public" if place.public else "ecr"
            advice = f"; the AWS credentials must allow {service}:CreateRepository"
            kind = AccessDenied if denied else RegistryError
            raise kind(f"{error}{advice if denied else ''}", codes=error.codes, host=host) from None

    def _client(self, host: str) -> tuple[Any, Any]:
        from .ecr_login import NoAws, ecr_client

        with self._lock:
            client = self._clients.get(host)
            if client is None:
                try:
                    client = ecr_client(host)
                except NoAws as error:
                    raise InvalidInput(f"create_repository of {host}: {error}") from None
                self._clients[host] = client
            return client
