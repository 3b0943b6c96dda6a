# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: real registries for the session, new proxies and strict registries for each test."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from .certificates import Certificates, make_certificates
from .proxy import MakeProxy, RecordingProxy
from .registries import DockerRegistry, MakeRegistry
from .strict_registry import MakeStrict, StrictRegistry
from .token_server import TokenServer

__all__ = [
    "MakeProxy",
    "MakeRegistry",
    "MakeStrict",
    "certificates",
    "destination",
    "destination_registry",
    "make_proxy",
    "make_registry",
    "make_strict",
    "repo",
    "source",
    "source_registry",
    "strict",
    "token_server",
]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One set of certificates."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def source_registry() -> Iterator[DockerRegistry]:
    """A plain registry that all tests share; keep to the names that `repo` gives."""
    with DockerRegistry() as registry:
        yield registry


@pytest.fixture(scope="session")
def destination_registry() -> Iterator[DockerRegistry]:
    """Another one."""
    with DockerRegistry() as registry:
        yield registry


@pytest.fixture
def repo() -> str:
    """A repository name that nobody else uses."""
    return f"test/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make_proxy() -> Iterator[MakeProxy]:
    """Starts proxies that end with the test; none may have failed."""
    with contextlib.ExitStack() as stack:

        def make(upstream: str, **options: Any) -> RecordingProxy:
            proxy = stack.enter_context(RecordingProxy(upstream, **options))
            made.append(proxy)
            return proxy

        made: list[RecordingProxy] = []
        yield make
        assert not [error for proxy in made for error in proxy.errors]


@pytest.fixture
def source(source_registry: DockerRegistry, make_proxy: MakeProxy) -> RecordingProxy:
    """A proxy before the source registry."""
    return make_proxy(source_registry.url)


@pytest.fixture
def destination(destination_registry: DockerRegistry, make_proxy: MakeProxy) -> RecordingProxy:
    """A proxy before the destination registry."""
    return make_proxy(destination_registry.url)


@pytest.fixture
def make_registry() -> Iterator[MakeRegistry]:
    """Starts real registries in any mode, which end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **mode: stack.enter_context(DockerRegistry(**mode))


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    """A token server; its switches are attributes."""
    with TokenServer() as server:
        yield server
        assert not server.errors


@pytest.fixture
def make_strict() -> Iterator[MakeStrict]:
    """Starts strict registries; a request against the specification fails the test."""
    with contextlib.ExitStack() as stack:

        def make(**rules: Any) -> StrictRegistry:
            registry = stack.enter_context(StrictRegistry(**rules))
            made.append(registry)
            return registry

        made: list[StrictRegistry] = []
        yield make
        assert not [text for registry in made for text in registry.violations + registry.errors]


@pytest.fixture
def strict(make_strict: MakeStrict) -> StrictRegistry:
    """A strict registry without any switch."""
    return make_strict()
