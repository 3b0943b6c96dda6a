# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ConnectionFailed,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport import libraries
from ansible_collections.imagesync.registry.plugins.module_utils.transport.proxies import (
    bypassed,
    open_pool,
    parse_proxy,
    proxy_for,
)

BYPASSED = [
    ("r.example", "r.example"),
    ("r.example", "a.example, r.example"),
    ("r.example", "a.example r.example"),
    ("r.example", "R.Example."),
    ("r.example.", "r.example"),
    ("R.EXAMPLE", "r.example"),
    ("a.r.example", "r.example"),
    ("a.r.example", ".r.example"),
    ("a.r.example", "*.r.example"),
    ("r.example", ".r.example"),
    ("anything", "x,*"),
    ("10.1.2.3", "10.0.0.0/8"),
    ("10.1.2.3", "10.1.2.3"),
    ("10.1.2.3", "10.1.2.9/24"),
    ("fd00::1", "fd00::/8"),
    ("[fd00::1]", "[fd00::1]"),
    ("r.example", "r.example:5000"),
    ("10.1.2.3", "10.1.2.3:5000"),
    ("10.1.2.3", "10.0.0.0/8:5000"),
    ("fd00::1", "[fd00::1]:5000"),
]
PROXIED = [
    ("r.example", ""),
    ("r.example", ",, ,"),
    ("r.example", "a.example"),
    ("notr.example", "r.example"),
    ("r.example.org", "r.example"),
    ("example", "r.example"),
    ("r.example", "r.example:443"),
    ("r.example", "*.a"),
    ("10.1.2.3", "10.0.0.0/16"),
    ("10.1.2.3", "1.2.3"),
    ("10.1.2.3", ".2.3"),
    ("fd00::1", "10.0.0.0/8"),
    ("fd00::1", "[fd00::1]:443"),
    ("10.1.2.3", "not/8"),
]


@pytest.mark.parametrize(("host", "no_proxy"), BYPASSED)
def test_hosts_without_a_proxy(host: str, no_proxy: str) -> None:
    assert bypassed(host, 5000, no_proxy)


@pytest.mark.parametrize(("host", "no_proxy"), PROXIED)
def test_hosts_with_one(host: str, no_proxy: str) -> None:
    assert not bypassed(host, 5000, no_proxy)


@given(st.text(max_size=30), st.text(alphabet="a1.:/*[],", max_size=30))
def test_no_proxy_may_be_anything(host: str, no_proxy: str) -> None:
    bypassed(host, 443, no_proxy)


HTTPS, HTTP = "https://r.example", "http://r.example:5000"
A, B = "http://a.example:1", "http://b.example:2"
#: origin, environment, address of the proxy, variable that gave it
ENVIRONMENTS = [
    (HTTPS, {"HTTPS_PROXY": A}, "a.example:1", "HTTPS_PROXY"),
    (HTTPS, {"https_proxy": A, "HTTPS_PROXY": B}, "a.example:1", "https_proxy"),
    (HTTPS, {"https_proxy": "", "HTTPS_PROXY": B}, "", ""),
    (HTTPS, {"HTTP_PROXY": A}, "", ""),
    (HTTPS, {"ALL_PROXY": A}, "a.example:1", "ALL_PROXY"),
    (HTTPS, {"all_proxy": A, "HTTPS_PROXY": B}, "b.example:2", "HTTPS_PROXY"),
    (HTTP, {"HTTP_PROXY": A}, "a.example:1", "HTTP_PROXY"),
    (HTTP, {"http_proxy": A}, "a.example:1", "http_proxy"),
    (HTTP, {"HTTP_PROXY": A, "REQUEST_METHOD": "GET"}, "", ""),
    (HTTP, {"http_proxy": A, "REQUEST_METHOD": "GET"}, "a.example:1", "http_proxy"),
    (HTTP, {"HTTPS_PROXY": A}, "", ""),
    (HTTPS, {"HTTPS_PROXY": "a.example:3128"}, "a.example:3128", "HTTPS_PROXY"),
    (HTTPS, {"HTTPS_PROXY": "a.example"}, "a.example:80", "HTTPS_PROXY"),
    (HTTPS, {"HTTPS_PROXY": "https://a.example/"}, "a.example:443", "HTTPS_PROXY"),
    (HTTPS, {"HTTPS_PROXY": "socks5h://a.example"}, "a.example:1080", "HTTPS_PROXY"),
    (HTTPS, {"HTTPS_PROXY": "http://[fd00::1]:3128"}, "[fd00::1]:3128", "HTTPS_PROXY"),
    (HTTPS, {"HTTPS_PROXY": A, "NO_PROXY": "r.example"}, "", ""),
    (HTTPS, {"HTTPS_PROXY": A, "no_proxy": "r.example:443"}, "", ""),
    (HTTP, {"http_proxy": A, "no_proxy": "r.example:5000"}, "", ""),
    (HTTP, {"http_proxy": A, "no_proxy": "r.example:80"}, "a.example:1", "http_proxy"),
    (HTTPS, {"HTTPS_PROXY": A, "no_proxy": "x", "NO_PROXY": "r.example"}, "a.example:1", None),
    ("http://127.0.0.1:5000", {"HTTP_PROXY": A}, "", ""),
    ("http://localhost:5000", {"ALL_PROXY": A}, "", ""),
    ("http://[::1]:5000", {"ALL_PROXY": A}, "", ""),
]


@pytest.mark.parametrize(("origin", "environment", "address", "given_by"), ENVIRONMENTS)
def test_the_environment(
    origin: str, environment: dict[str, str], address: str, given_by: str | None
) -> None:
    found = proxy_for(origin, None, environment)
    assert (found.address if found else "") == address
    assert given_by is None or (found.given_by if found else "") == given_by


def test_an_entry_goes_before_the_environment() -> None:
    environment = {"HTTPS_PROXY": A, "NO_PROXY": "r.example"}
    assert proxy_for(HTTPS, "", {"HTTPS_PROXY": A}) is None
    for origin in (HTTPS, "http://127.0.0.1:5000"):
        found = proxy_for(origin, B, environment)
        assert found is not None
        assert (found.address, found.given_by) == ("b.example:2", "proxy in registries")


def test_a_login_is_decoded_and_not_shown() -> None:
    found = parse_proxy("http://us%40er:p%40ss%2Fw%C3%B6rd@a.example:3128", "it")
    assert (found.username, found.password) == ("us@er", "p@ss/w\xf6rd")
    assert found.secrets == ("p@ss/w\xf6rd", "p%40ss%2Fw%C3%B6rd")
    assert found.headers() == {"Proxy-Authorization": "Basic dXNAZXI6cEBzcy93w7ZyZA=="}
    assert repr(found) == f"{found}" == "Proxy(a.example:3128)"
    assert parse_proxy("http://a.example", "it").headers() == {}
    # a token alone
    assert parse_proxy("http://t@a.example", "it").headers() == {
        "Proxy-Authorization": "Basic dDo="
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://user:s3cret@a.example", "no kind of proxy"),
        ("http://user:s3cret@", "address of a proxy"),
        ("http://user:s3/cret@a.example:3128", "address of a proxy"),
        ("http://user:s3#cret@a.example", "address of a proxy"),
        ("http://user:s3cret@a.example:port", "address of a proxy"),
        ("http://user:s3cret@a.example:99999", "address of a proxy"),
        ("http://user:s3cret@[a.example", "address of a proxy"),
        ("http://a.example/s3cret", "address of a proxy"),
        ("http://", "address of a proxy"),
    ],
)
def test_what_is_no_proxy(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        parse_proxy(text, "HTTPS_PROXY")
    assert str(caught.value).startswith("HTTPS_PROXY: ")
    assert "s3" not in str(caught.value)


def test_socks_takes_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError

    monkeypatch.setattr(libraries, "socks_manager", missing)
    proxy = parse_proxy("socks5://user:s3cret@a.example", "ALL_PROXY")
    with pytest.raises(ConnectionFailed, match=r"a\.example:1080.*ALL_PROXY.*PySocks") as caught:
        open_pool(proxy, HTTP, None, None, 1)
    assert "s3cret" not in str(caught.value)
