# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers: challenges, links, times to wait, limits, places to go to."""

from __future__ import annotations

from urllib.parse import urlsplit

from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import is_digest
from ansible_collections.imagesync.registry.plugins.module_utils.stores.registry import (
    RegistryRepository,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.challenge import (
    choose_challenge,
    parse_challenges,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.rate_limits import (
    Quota,
    read_rate_limit,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.retry import (
    parse_retry_after,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Connection,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import (
    printable_url,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.trust import (
    check_target,
    redirect_target,
    upload_location,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.wire import (
    Wire,
    origin_of,
)
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    fuzz,
    headers,
    survives,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, FakeClient, answer

CHALLENGES = (
    'Bearer realm="https://auth.example.com/token",service="r",scope="repository:a/b:pull"',
    'BASIC realm="Nexus \\"x\\"", Negotiate YWJj==, Bearer realm="https://a/", error=x',
    "Basic a=b" + " " * 8000 + "=",
)
LINKS = (
    '</v2/a/b/tags/list?n=100&last=x>; rel="next"',
    "<https://registry.example.com/v2/a/b/tags/list?last=%20>; title=x; REL=next, </y>; rel=z",
    "<>;" * 2700,
    "<" * 8000,
)
TIMES = ("120", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "1h2m3.5s", "1.9ms", "15µs", "-1")
URLS = (
    "https://registry.example.com/v2/a/b/blobs/uploads/1?_state=a%2Bb==",
    "http://registry.example.com:80/v2/x",
    "/v2/a/b/blobs/uploads/1",
    "//cdn.example.com:8443/x?y#z",
    "https://[::ffff:127.0.0.1]:1/x",
    "https://user:pw@169.254.169.254/",
    "http://0x7f.1/",
    "https://[fe80::1%25eth0]/",
    "file:///etc/passwd",
)
HOMES = ("https://registry.example.com", "http://127.0.0.1:5000")


@fuzz(st.lists(headers(CHALLENGES), max_size=3))
def test_challenges(values: list[str]) -> None:
    found = survives(parse_challenges, values)
    assert all(one.scheme == one.scheme.lower() for one in found)
    chosen = survives(choose_challenge, values)
    assert chosen is None or chosen in found
    if chosen and chosen.scheme == "bearer":
        survives(check_target, chosen.parameters["realm"], HOMES[0], "the token realm")


@fuzz(headers(LINKS))
def test_links(link: str) -> None:
    """Nothing is asked of another host."""
    pages = [answer(200, {"tags": ["1", "2"]}, {"Link": link}), answer(200, {"tags": []})]
    client = FakeClient([*pages, *(answer(200, {"tags": []}) for _unused in range(3))])
    survives(RegistryRepository(client, "a/b").tags)  # type: ignore[arg-type]
    assert {origin_of(url) for _method, url in client.seen} == {FakeClient.origin}


@fuzz(headers(TIMES))
def test_times_to_wait(text: str) -> None:
    found = survives(parse_retry_after, text, 1e9)
    assert found is None or 0 <= found < 1e13


LIMITS = ("100;w=21600", "76;w=21600", "0", "1700000000", "1700000000000", "5, 5;w=1, 10;w=60")
NAMES = ("Limit", "Remaining", "Reset")


@fuzz(st.sampled_from(["RateLimit-", "X-RateLimit-"]), st.lists(headers(LIMITS), max_size=3))
def test_rate_limits(prefix: str, values: list[str]) -> None:
    told = {prefix + name: value for name, value in zip(NAMES, values)}
    found = survives(read_rate_limit, answer(200, headers=told).headers)
    if found is not None:
        quota = Quota("registry.example.com")
        assert 0 <= survives(quota.learn, found) <= 120
        survives(lambda: quota.asking(True).__enter__())


@fuzz(headers(URLS), st.sampled_from(HOMES))
def test_where_a_server_sends_us(location: str, home: str) -> None:
    """What isn't refused is HTTP, as safe as where we come from, and can be asked for."""
    for lead in (redirect_target, upload_location):
        found = survives(lead, f"{home}/v2/", location, home)
        if found is None:
            continue
        parts = urlsplit(found)
        assert parts.scheme == "https" or (parts.scheme == "http" and home.startswith("http:"))
        assert parts.hostname and "@" not in parts.netloc
        assert not parts.netloc.startswith("169.254.") or home == HOMES[1]
        printable_url(found).encode()


@fuzz(headers(URLS[2:3]))
def test_addresses_that_are_asked_for(location: str) -> None:
    """Whatever is in them, they are sent or refused; nobody listens there."""
    home = "http://127.0.0.1:1"
    url = survives(upload_location, f"{home}/v2/", location, home)
    if url is not None and origin_of(url) == home:
        wire = Wire(home, Connection(plain_http=True), 1, 1)
        assert survives(wire.exchange, "PUT", url, {"Content-Length": "0"}) is None
        wire.close()


@fuzz(headers([A, "12", "+12", "1_2", "9" * 30]), headers(["text/html", "application/json"]))
def test_what_a_manifests_answer_says(value: str, kind: str) -> None:
    said = {"Docker-Content-Digest": value, "Content-Length": value, "Content-Type": kind}
    client = FakeClient([answer(200, headers=said), *[answer(200, b"{}")] * 3])
    found = survives(RegistryRepository(client, "a/b").resolve, "1")  # type: ignore[arg-type]
    assert found is None or is_digest(found.digest)
