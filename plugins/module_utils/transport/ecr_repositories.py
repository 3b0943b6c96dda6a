# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories of Amazon ECR, which has none until it is told to (CreateRepository)."""

from __future__ import annotations

import importlib
import re
import threading
from typing import Any, NamedTuple

from ..model.errors import AccessDenied, ConnectionFailed, InvalidInput, RegistryError
from .text import clean

#: <account>.dkr.ecr[-fips].<region>.amazonaws.com, and what stands for it in other partitions
_PRIVATE = re.compile(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.[a-z0-9.-]+")
_PUBLIC = "public.ecr.aws"
#: the public registry has its API there and nowhere else
_PUBLIC_REGION = "us-east-1"
_DENIED = ("AccessDenied", "Unauthorized", "InvalidSignature", "UnrecognizedClient", "ExpiredToken")


class Place(NamedTuple):
    """Which API answers for a registry; "" where its host doesn't tell and AWS's settings do."""

    service: str
    region: str
    account: str


def place_of(host: str) -> Place:
    """What a registry's host name tells of its API."""
    if host == _PUBLIC:
        return Place("ecr-public", _PUBLIC_REGION, "")
    match = _PRIVATE.fullmatch(host)
    return Place("ecr", match.group(2), match.group(1)) if match else Place("ecr", "", "")


class EcrRepositories:
    """Creates repositories through botocore, with the credentials that it finds."""

    def __init__(self, timeout: int) -> None:
        """``timeout``: seconds without a byte on a connection."""
        self._timeout = timeout
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def create(self, host: str, path: str) -> None:
        """Makes the repository; one that is there already is as good. Raises ImageSyncError."""
        what = f"creating the repository {path}"
        place = place_of(host)
        # in the public registry, the first part of a path is the alias of the account
        name = path.partition("/")[2] if place.service == "ecr-public" else path
        if not name:
            raise InvalidInput(f"{host}: {what} failed: its name has no alias before it")
        exceptions = _library(host, "botocore.exceptions")
        arguments = {"repositoryName": name}
        if place.account:
            arguments["registryId"] = place.account
        try:
            self._client(host, place).create_repository(**arguments)
        except exceptions.ClientError as error:
            problem = error.response.get("Error", {})
            if problem.get("Code") != "RepositoryAlreadyExistsException":
                raise _refused(host, what, problem, error) from None
        except exceptions.NoRegionError:
            raise InvalidInput(
                f"{host}: {what} failed: its name tells no region: set AWS_DEFAULT_REGION"
            ) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise InvalidInput(
                f"{host}: {what} failed: botocore found no AWS credentials (environment, "
                "~/.aws, or the instance's role)"
            ) from None
        except exceptions.BotoCoreError as error:
            raise ConnectionFailed(f"{host}: {what} failed: {clean(str(error))}", False) from None

    def _client(self, host: str, place: Place) -> Any:
        with self._lock:  # making one isn't thread-safe in botocore, using one is
            client = self._clients.get(host)
            if client is None:
                session = _library(host, "botocore.session").get_session()
                config = _library(host, "botocore.config").Config(
                    connect_timeout=min(10, self._timeout),
                    read_timeout=self._timeout,
                    retries={"mode": "standard", "max_attempts": 3},
                    use_fips_endpoint="ecr-fips." in host or None,
                )
                client = session.create_client(
                    place.service, region_name=place.region or None, config=config
                )
                self._clients[host] = client
            return client


def _library(host: str, name: str) -> Any:
    """A part of botocore, which takes a while to import and isn't on every target."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InvalidInput(
            f"create_repository of {host} needs the Python library botocore on the host that "
            "the task runs on (python3-botocore)"
        ) from None


def _refused(host: str, what: str, problem: dict[str, Any], error: Exception) -> RegistryError:
    code = clean(str(problem.get("Code", "")), 60)
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    denied = code.startswith(_DENIED)
    advice = "; the AWS credentials must allow ecr:CreateRepository" if denied else ""
    said = clean(str(problem.get("Message", "")))
    message = f"{host}: {what} failed with {status}: {code}: {said}{advice}"
    return (AccessDenied if denied else RegistryError)(message, status, (code,), host=host)
