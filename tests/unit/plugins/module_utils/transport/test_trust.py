# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import RegistryError
from ansible_collections.imagesync.registry.plugins.module_utils.transport.trust import (
    check_target,
    redirect_target,
    upload_location,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.wire import origin_of

HOME = "https://r.example"
PLAIN = "http://r.example:5000"
LOCAL = "http://127.0.0.1:5000"

ALLOWED = [
    (HOME, "https://cdn.example/blob?sig=a%2Bb"),
    (HOME, "https://r.example/elsewhere"),
    (HOME, "https://10.0.0.1:9000/minio"),
    (HOME, "https://auth.docker.io/token"),
    (PLAIN, "http://cdn.example/blob"),
    (PLAIN, "https://cdn.example/blob"),
    (LOCAL, "http://127.0.0.1:6000/token"),
    (LOCAL, "http://localhost:6000/token"),
    ("http://[::1]:5000", "http://127.0.0.1:6000/token"),
    (HOME, "https://192.168.1.5/"),
    (HOME, "https://172.16.0.9:9000/"),
    (HOME, "https://[fd12:3456::1]/"),
]

REFUSED = [
    (HOME, "http://cdn.example/blob", "isn't encrypted"),
    (HOME, "http://r.example/blob", "isn't encrypted"),
    (HOME, "https://169.254.169.254/latest/meta-data", "machine or link"),
    (PLAIN, "http://169.254.169.254/latest/meta-data", "machine or link"),
    (HOME, "https://[::ffff:169.254.169.254]/", "machine or link"),
    (LOCAL, "http://169.254.169.254/latest/meta-data", "machine or link"),
    (HOME, "https://[fd00:ec2::254]/latest/meta-data", "machine or link"),
    (HOME, "https://100.100.100.200/latest/meta-data", "machine or link"),
    (HOME, "https://metadata.google.internal/", "machine or link"),
    (HOME, "https://[64:ff9b::127.0.0.1]/", "machine or link"),
    (HOME, "https://[::127.0.0.1]/", "machine or link"),
    (HOME, "https://[2002:7f00:1::]/", "machine or link"),
    (HOME, "https://0.1.2.3/", "machine or link"),
    (HOME, "https://[fe80::1%25eth0]/", "machine or link"),
    (HOME, "https://127.0.0.1/", "machine or link"),
    (HOME, "https://127.8.9.1:5000/", "machine or link"),
    (HOME, "https://127.1/", "machine or link"),
    (HOME, "https://0x7f.1/", "machine or link"),
    (HOME, "https://2852039166/", "machine or link"),
    (HOME, "https://017700000001/", "machine or link"),
    (HOME, "https://127.0.0.1./", "machine or link"),
    (HOME, "https://localhost/", "machine or link"),
    (HOME, "https://LOCALHOST./", "machine or link"),
    (HOME, "https://x.localhost/", "machine or link"),
    (HOME, "https://[::1]/", "machine or link"),
    (HOME, "https://[::ffff:127.0.0.1]/", "machine or link"),
    (HOME, "https://[fe80::1]/", "machine or link"),
    (HOME, "https://0.0.0.0/", "machine or link"),
    (HOME, "https://[::]/", "machine or link"),
    (HOME, "https://224.0.0.1/", "machine or link"),
    (HOME, "https://user:pw@cdn.example/", "carries credentials"),
    (HOME, "https://user@cdn.example/", "carries credentials"),
    (HOME, "https://@cdn.example/", "carries credentials"),
    (LOCAL, "http://user:pw@127.0.0.1:5000/", "carries credentials"),
    (HOME, "file:///etc/passwd", "not an HTTP address"),
    (HOME, "ftp://cdn.example/", "not an HTTP address"),
    (HOME, "gopher://cdn.example/", "not an HTTP address"),
    (HOME, "javascript:alert(1)", "not an HTTP address"),
    (HOME, "https://", "not an HTTP address"),
    (HOME, "https:///path", "not an HTTP address"),
    (HOME, "https://[::1", "invalid URL"),
    (HOME, "https://cdn.example:99999/", "invalid URL"),
    (HOME, "https://cdn.example:x/", "invalid URL"),
    (HOME, "https://169.254.169.254\\.cdn.example/", "no valid host name"),
    (HOME, "https://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", "no valid host name"),
    (HOME, "https://localhost。/", "no valid host name"),
    (HOME, "https://%31%32%37.0.0.1/", "no valid host name"),
    (HOME, "https://a b/", "no valid host name"),
]


@pytest.mark.parametrize(("home", "url"), ALLOWED)
def test_where_a_registry_may_send_us(home: str, url: str) -> None:
    check_target(url, home, "a redirect")
    assert redirect_target(f"{home}/v2/", url, home) == url


@pytest.mark.parametrize(("home", "url", "reason"), REFUSED)
def test_where_it_may_not(home: str, url: str, reason: str) -> None:
    with pytest.raises(RegistryError, match=reason) as caught:
        check_target(url, home, "the token realm")
    assert str(caught.value).startswith(f"{home}: the token realm ")
    assert "pw" not in str(caught.value).replace("passwd", "")
    assert not caught.value.transient


@pytest.mark.parametrize(("home", "url", "reason"), REFUSED)
def test_where_it_may_not_by_location(home: str, url: str, reason: str) -> None:
    if url in ("https:///path", "https://"):
        return  # joined with the URL that was asked, it is a path there
    with pytest.raises(RegistryError, match=reason):
        redirect_target(f"{home}/v2/", url, home)


def test_refusals_do_not_print_the_query() -> None:
    with pytest.raises(RegistryError) as caught:
        check_target("http://cdn.example/a?signature=s3cret", HOME, "a redirect")
    assert "s3cret" not in str(caught.value)
    assert "http://cdn.example/a" in str(caught.value)


@pytest.mark.parametrize(
    ("location", "target"),
    {
        "/other": "https://r.example/other",
        "other?a=1": "https://r.example/v2/a/blobs/other?a=1",
        "//cdn.example/x": "https://cdn.example/x",
        "https://cdn.example/x\r\nSet-Cookie: a": "https://cdn.example/x Set-Cookie: a",
    }.items(),
)
def test_relative_redirects(location: str, target: str) -> None:
    assert redirect_target(f"{HOME}/v2/a/blobs/b", location, HOME) == target


QUERY = "_state=a%2Bb==&x=%2f%2F+y&&z=\u00e9"


@pytest.mark.parametrize(
    ("home", "location", "target"),
    [
        (HOME, f"/v2/a/uploads/1?{QUERY}", f"https://r.example/v2/a/uploads/1?{QUERY}"),
        (HOME, f"1?{QUERY}", f"https://r.example/v2/a/blobs/uploads/1?{QUERY}"),
        (HOME, f"https://r.example/u?{QUERY}", f"https://r.example/u?{QUERY}"),
        # a proxy ends TLS, and the registry doesn't know
        (HOME, f"http://r.example/u?{QUERY}", f"https://r.example/u?{QUERY}"),
        (HOME, f"http://r.example:80/u?{QUERY}", f"https://r.example/u?{QUERY}"),
        (HOME, f"http://R.Example/u?{QUERY}", f"https://r.example/u?{QUERY}"),
        (HOME, f"HTTP://r.example/u?{QUERY}", f"https://r.example/u?{QUERY}"),
        (HOME, f"http://r.example?{QUERY}", f"https://r.example?{QUERY}"),
        ("https://r.example:8443", "http://r.example:8443/u", "https://r.example:8443/u"),
        ("https://r.example:8443", "http://r.example/u", "https://r.example:8443/u"),
        # uploads may go to another host
        (HOME, f"https://upload.example/u?{QUERY}", f"https://upload.example/u?{QUERY}"),
        (PLAIN, "http://r.example:5000/u", "http://r.example:5000/u"),
        (PLAIN, "http://upload.example/u", "http://upload.example/u"),
        (PLAIN, "http://r.example/u", "http://r.example/u"),
        (LOCAL, "http://localhost:5000/u", "http://localhost:5000/u"),
    ],
)
def test_upload_locations(home: str, location: str, target: str) -> None:
    assert upload_location(f"{home}/v2/a/blobs/uploads/", location, home) == target


@pytest.mark.parametrize(
    ("location", "reason"),
    {
        "": "without a Location",
        "http://upload.example/u": "isn't encrypted",
        "http://r.example:5000/u": "isn't encrypted",
        "http://user:pw@r.example/u": "isn't encrypted",
        "https://user:pw@r.example/u": "carries credentials",
        "https://169.254.169.254/u": "machine or link",
        "http://127.0.0.1/u": "isn't encrypted",
        "file:///etc/passwd": "not an HTTP address",
        "http://[::1": "invalid URL",
        "http://r.example:99999/u": "invalid URL",
    }.items(),
)
def test_upload_locations_that_are_refused(location: str, reason: str) -> None:
    with pytest.raises(RegistryError, match=reason):
        upload_location(f"{HOME}/v2/a/blobs/uploads/", location, HOME)


@given(st.text(max_size=60) | st.text(alphabet="htps:/[]@?#.%0127ax", max_size=40))
def test_any_location_is_allowed_or_refused_in_words(location: str) -> None:
    for target in (redirect_target, upload_location):
        try:
            found = target(f"{HOME}/v2/", location, HOME)
        except RegistryError:
            continue
        assert origin_of(found).startswith("https://")


@pytest.mark.parametrize(
    ("url", "origin"),
    {
        "https://R.Example/v2/?x": "https://r.example",
        "https://r.example:443/": "https://r.example",
        "http://r.example:80": "http://r.example",
        "https://r.example:80": "https://r.example:80",
        "http://r.example:443": "http://r.example:443",
        "https://user:pw@r.example:5000/x": "https://r.example:5000",
        "http://[::1]:5000/x": "http://[::1]:5000",
        "http://[2001:DB8::1]/": "http://[2001:db8::1]",
    }.items(),
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin
