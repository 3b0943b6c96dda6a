# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxies, and where a server may send us: each host by its own rules."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import images
from tests.support.asking import ask, basic, refusal
from tests.support.certificates import Certificates
from tests.support.forward_proxy import ForwardProxy
from tests.support.proxy import MakeProxy
from tests.support.sides import Sides
from tests.support.strict_registry import MakeStrict, StrictRegistry
from tests.support.sync import sync
from tests.support.token_server import TokenServer

IMAGE = images.image("network")
USER, CANARY = "pro@xy", "canary/p%:ss"
#: as it has to be written in a URL
WRITTEN = "pro%40xy:canary%2Fp%25%3Ass"
NAMES = ("registry.test", "auth.test", "storage.test")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the environment's."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    """A proxy that wants a login."""
    with ForwardProxy(login=(USER, CANARY)) as found:
        yield found
        assert not found.errors


def written(proxy: ForwardProxy) -> str:
    """Its URL with the login."""
    return proxy.url.replace("://", f"://{WRITTEN}@")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_the_proxy_of_an_entry(
    scheme: str,
    sides: Sides,
    proxy: ForwardProxy,
    make_proxy: MakeProxy,
    certificates: Certificates,
) -> None:
    """HTTPS by CONNECT and plain HTTP by whole URLs, writing included; others go their own way."""
    front = make_proxy(sides.destination.proxy.url, tls=certificates if scheme == "https" else None)
    sides.source.push(IMAGE)
    here = {"name": front.host, "proxy": written(proxy), "plain_http": scheme == "http"}
    registries = [{**here, "ca_path": str(certificates.ca)}]
    place = f"{front.host}/{sides.destination.repository}"
    done = sync(**sides.options(destination=place, registries=registries))
    assert (done["reason"], done["digest"]) == ("absent", IMAGE.digest)
    assert front.writes()
    assert proxy.reached() == [front.host]
    assert {request.method == "CONNECT" for request in proxy.requests} == {scheme == "https"}
    assert {r.header("Proxy-Authorization") for r in proxy.requests} == {basic(USER, CANARY)}
    assert not front.with_header("Proxy-Authorization")


def test_tls_with_the_proxy_itself(
    sides: Sides,
    make_proxy: MakeProxy,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its certificate is checked as well, and the registry's inside of it."""
    front = make_proxy(sides.source.proxy.url, tls=certificates)
    sides.source.push(IMAGE)
    image = f"{front.host}/{sides.source.repository}:1"
    with ForwardProxy(login=(USER, CANARY), tls=certificates) as proxy:
        here = {"name": front.host, "proxy": written(proxy), "plain_http": False}
        registries = [{**here, "ca_path": str(certificates.ca)}]
        message = refusal(image, registries=registries)
        assert f"TLS with the proxy {proxy.host} failed" in message
        assert proxy.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
        assert ask(image, registries=registries)["images"][0]["digest"] == IMAGE.digest
        assert proxy.reached() == [front.host]


@pytest.fixture
def names(make_strict: MakeStrict) -> Iterator[tuple[StrictRegistry, TokenServer]]:
    """A registry that takes tokens, and its token server: known by names to a proxy alone."""
    with TokenServer(users={"keeper": "canary-login"}) as server:
        registry = make_strict(token=server)
        registry.add("team/app", IMAGE, "1")
        server.realm = "http://auth.test/token"
        yield registry, server


LOGIN = {"name": "registry.test", "username": "keeper", "password": "canary-login"}


def test_each_host_goes_its_own_way(
    names: tuple[StrictRegistry, TokenServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry's proxy for the registry, the environment's for its realm."""
    registry, server = names
    with (
        ForwardProxy({"registry.test": registry.host}) as own,
        ForwardProxy({"auth.test": server.host, "registry.test": registry.host}) as usual,
    ):
        monkeypatch.setenv("HTTP_PROXY", usual.url)
        here = {**LOGIN, "plain_http": True}
        for given, reached in ((own.url, "registry.test"), (None, "")):
            registries = [{**here, "proxy": given} if given else here]
            found = ask("registry.test/team/app:1", registries=registries)
            assert found["images"][0]["digest"] == IMAGE.digest
            assert own.reached() == ([reached] if reached else [])
            expected = ["auth.test"] if given else ["registry.test", "auth.test"]
            assert usual.reached() == expected
            own.clear()
            usual.clear()
        # whoever isn't led there through a proxy doesn't get there: no resolver knows the name
        message = refusal("registry.test/team/app:1", registries=[{**here, "proxy": ""}])
        assert "can't be resolved" in message
        monkeypatch.setenv("NO_PROXY", ".test")
        assert "resolved" in refusal("registry.test/team/app:1", registries=[here])
        assert usual.requests == []
        # a registry on this machine is never reached through the environment's, its realm may be
        monkeypatch.delenv("NO_PROXY")
        found = ask(f"{registry.host}/team/app:1", registries=[{**LOGIN, "name": registry.host}])
        assert found["images"][0]["digest"] == IMAGE.digest
        assert usual.reached() == ["auth.test"]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Knows our names as this machine; the list has whom it was asked for."""
    asked, real = [], socket.getaddrinfo

    def lookup(host: Any, *args: Any, **more: Any) -> Any:
        if host in NAMES:
            asked.append(host)
            host = "127.0.0.1"
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_a_realm_that_resolves_to_this_machine(
    names: tuple[StrictRegistry, TokenServer],
    resolver: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is refused by the address that was connected to, before a password is sent."""
    registry, server = names
    server.realm = f"http://auth.test:{server.port}/token"
    with ForwardProxy({"registry.test": registry.host}) as proxy:
        monkeypatch.setenv("NO_PROXY", "auth.test")
        here = {**LOGIN, "plain_http": True, "proxy": proxy.url}
        message = refusal("registry.test/team/app:1", registries=[here])
        assert f"auth.test:{server.port} was refused" in message
        assert "127.0.0.1" in message
        assert resolver == ["auth.test"]
        assert server.requests == []
        # whom the user names may be anywhere
        known = {"name": f"auth.test:{server.port}"}
        found = ask("registry.test/team/app:1", registries=[here, known])
        assert found["images"][0]["digest"] == IMAGE.digest
        assert server.saw(basic("keeper", "canary-login"))
        # and where the registry itself is, others may be
        server.clear()
        own = {**LOGIN, "name": f"registry.test:{registry.port}", "plain_http": True}
        found = ask(f"registry.test:{registry.port}/team/app:1", registries=[own])
        assert found["images"][0]["digest"] == IMAGE.digest
        assert server.requests


@pytest.mark.parametrize("what", ["content", "an upload"])
def test_a_redirect_that_resolves_to_this_machine(
    what: str, make_strict: MakeStrict, sides: Sides, resolver: list[str]
) -> None:
    """For content and for uploads alike; nothing is sent there."""
    registry, storage = make_strict(), make_strict()
    registry.add("team/app", IMAGE, "1")
    sides.source.push(IMAGE)
    elsewhere = f"http://storage.test:{storage.port}"
    front = sides.destination.proxy
    with ForwardProxy({"registry.test": registry.host, "mirror.test": front.host}) as proxy:
        registries = [
            {"name": name, "plain_http": True, "proxy": proxy.url}
            for name in ("registry.test", "mirror.test")
        ]
        if what == "content":
            registry.rules.redirect_blobs_to = elsewhere
            options = {"source": "registry.test/team/app:1", "destination": sides.destination.ref()}
        else:
            headers = {"Location": f"{elsewhere}/upload?id=1", "Content-Length": "0"}
            front.inject("POST .*uploads", "status", 202, times=-1, headers=headers)
            options = {"source": sides.source.ref(), "destination": "mirror.test/team/app:1"}
        done = sync(**options, registries=registries, retries=2)
    assert done["failed"]
    assert f"storage.test:{storage.port} was refused" in done["msg"]
    assert "127.0.0.1" in done["msg"]
    assert "tried" not in done["msg"]
    assert set(resolver) == {"storage.test"}
    assert storage.requests == []
