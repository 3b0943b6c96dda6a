# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Connection,
    Settings,
    read_entries,
)

LOGIN = {"username": "u", "password": "p"}


def settings(*entries: dict[str, Any]) -> Settings:
    return Settings(read_entries(entries))


@pytest.mark.parametrize("given", [None, [], ()])
def test_nothing_given(given: Any) -> None:
    assert read_entries(given) == ()


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("r.example", "r.example"),
        ("R.Example:5000", "r.example:5000"),
        (" r.example/ ", "r.example"),
        ("r.example/team/app", "r.example/team/app"),
        ("index.docker.io", "docker.io"),
        ("docker.io/library", "docker.io/library"),
        ("[::1]:5000", "[::1]:5000"),
        ("localhost", "localhost"),
    ],
)
def test_names(name: str, normal: str) -> None:
    assert read_entries([{"name": name}])[0].name == normal


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("https://r.example", "without a scheme"),
        ("", "invalid name"),
        (None, "invalid name"),
        ("r.example/Team", "lower case"),
        ("r.example//x", "invalid name"),
        ("r.example:99999", "not a port"),
        ("r example", "invalid name"),
        ("r.example/app:1", "invalid name"),
    ],
)
def test_names_that_are_refused(name: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        read_entries([{"name": name}])
    assert str(caught.value).startswith("registries: ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("r.example", "r.example"),
        ("r.example", "R.EXAMPLE"),
        ("r.example/a", "r.example/a/"),
        ("docker.io", "registry-1.docker.io"),
        ("docker.io/library", "index.docker.io/library"),
    ],
)
def test_two_entries_of_one_name(first: str, second: str) -> None:
    with pytest.raises(InvalidInput, match="two entries for"):
        settings({"name": first}, {"name": second})


def test_the_longest_match_that_gives_a_field() -> None:
    found = settings(
        {"name": "r.example/a/b", "token": "ab"},
        {"name": "r.example", "username": "host", "password": "p"},
        {"name": "r.example/a", "username": "a"},
        {"name": "s.example", "token": "other"},
    )
    assert found.lookup("r.example", "a/b/c", "token") == "ab"
    assert found.lookup("r.example", "a/b", "username") == "a"
    assert found.lookup("r.example", "a/bc", "token") is None
    assert found.lookup("r.example", "ab", "username") == "host"
    assert found.lookup("r.example", "", "username") == "host"
    assert found.lookup("r.example", "a/b/c", "password") == "p"
    assert found.lookup("t.example", "a", "username") is None


def test_the_order_of_entries_does_not_matter() -> None:
    entries = [
        {"name": "r.example/a", "username": "a"},
        {"name": "r.example", **LOGIN},
        {"name": "r.example/a/b", "username": "ab"},
    ]
    for given in (entries, entries[::-1]):
        assert settings(*given).lookup("r.example", "a/b/c", "username") == "ab"


@pytest.mark.parametrize(
    "field", ["plain_http", "validate_certs", "ca_path", "client_cert", "client_key"]
)
def test_what_belongs_to_the_connection_stands_in_entries_without_a_path(field: str) -> None:
    value: Any = False if field in ("plain_http", "validate_certs") else "/dev/null"
    with pytest.raises(InvalidInput, match=f"{field} of r.example/a .* entry named r.example"):
        settings({"name": "r.example/a", field: value})


@pytest.mark.parametrize(("given", "lacking"), [("username", "password"), ("password", "username")])
def test_half_a_login(given: str, lacking: str) -> None:
    with pytest.raises(InvalidInput, match=f"r.example has no {lacking}"):
        settings({"name": "r.example", given: "x"})
    with pytest.raises(InvalidInput, match=f"r.example/a has no {lacking}"):
        settings({"name": "r.example/a", given: "x"}, {"name": "s.example", lacking: "x"})


def test_half_a_login_completed_elsewhere() -> None:
    assert (
        len(
            settings(
                {"name": "r.example", **LOGIN}, {"name": "r.example/a", "password": "q"}
            ).entries
        )
        == 2
    )
    assert (
        len(
            settings(
                {"name": "r.example", "username": "u"}, {"name": "r.example/a", "password": "q"}
            ).entries
        )
        == 2
    )


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("r.example", False),
        ("r.example:80", False),
        ("10.0.0.1:5000", False),
        ("docker.io", False),
        ("localhost", True),
        ("localhost:5000", True),
        ("127.5.0.1:5000", True),
        ("[::1]:5000", True),
    ],
)
def test_only_loopback_is_plain_http(host: str, plain: bool) -> None:
    assert Settings().connection(host) == Connection(plain)
    assert (
        settings({"name": host, "plain_http": not plain}).connection(host).plain_http is not plain
    )


def test_connection_fields(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.write_text("x")
    found = settings(
        {
            "name": "r.example",
            "validate_certs": False,
            "ca_path": str(file),
            "client_cert": str(file),
            "client_key": str(file),
        }
    )
    assert found.connection("r.example") == Connection(
        False, False, str(file), str(file), str(file)
    )
    assert found.connection("s.example") == Connection(False)
    assert found.warnings() == [
        "the certificate of r.example isn't checked (validate_certs: false)"
    ]
    assert settings({"name": "r.example", "validate_certs": True}).warnings() == []


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "user:canary@r.example"},
        {"name": "https://user:canary@r.example"},
        {"name": "s.example", "mirrors": ["user:canary@r.example"]},
    ],
)
def test_a_login_in_a_name_is_not_repeated(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"@r\.example .* as username and password") as caught:
        settings(entry)
    assert "canary" not in str(caught.value)


def test_an_empty_password_is_told() -> None:
    """A variable of the environment that isn't set is one."""
    found = settings({"name": "r.example", "username": "u", "password": ""})
    assert found.warnings() == [
        "the password of r.example in registries is empty, so its user name isn't used"
    ]
    assert settings({"name": "r.example", "username": "", "password": ""}).warnings() == []


def test_a_user_name_may_go_with_an_identity_token() -> None:
    """Azure Container Registry wants a certain one."""
    entry = {"name": "r.example", "username": "0000", "identity_token": "i"}
    assert settings(entry).entries[0].username == "0000"
    with pytest.raises(InvalidInput, match="has no username"):
        settings({"name": "r.example", "password": "p", "identity_token": "i"})


def test_auth_and_helper_field_by_field() -> None:
    found = settings(
        {"name": "r.example", "auth": "google", "helper": "a"},
        {"name": "r.example/team", "helper": "b"},
        {"name": "r.example/team/open", "auth": "anonymous"},
    )
    looked_up = [found.lookup("r.example", "team/open/x", name) for name in ("auth", "helper")]
    assert looked_up == ["anonymous", "b"]
    assert found.lookup("r.example", "team/x", "auth") == "google"
    assert found.lookup("s.example", "x", "auth") is None


@pytest.mark.parametrize("option", ["ca_path", "client_cert"])
def test_files_that_do_not_exist(tmp_path: Path, option: str) -> None:
    with pytest.raises(InvalidInput, match=f"{option} of r.example doesn't exist"):
        settings({"name": "r.example", option: str(tmp_path / "missing")})


def test_a_key_without_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="client_key and no client_cert"):
        settings({"name": "r.example", "client_key": "/dev/null"})


def test_secrets_and_what_is_printed() -> None:
    entry = {"name": "r.example", "username": "u", "password": "pw1"}
    other = {"name": "s.example", "token": "tk1", "identity_token": "it1"}
    found = settings(entry, other, {"name": "t.example"})
    assert found.secrets() == ("pw1", "tk1", "it1")
    assert not any(secret in repr(found) for secret in found.secrets())


def test_options_of_later_versions_are_left_alone() -> None:
    assert settings({"name": "r.example", "mirrors": None}).entries[0].host == "r.example"


def test_a_proxy() -> None:
    url = "http://user:s3cret@proxy.example:3128"
    found = settings({"name": "r.example", "proxy": url}, {"name": "direct.example", "proxy": ""})
    assert found.connection("r.example").proxy == url
    assert found.connection("direct.example").proxy == ""
    assert found.connection("other.example").proxy is None
    assert "s3cret" not in repr(found) + repr(found.connection("r.example"))


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("user:s3cret@proxy.example:3128", "with a scheme"),
        ("proxy.example:3128", "with a scheme"),
        ("ftp://user:s3cret@proxy.example", "no kind of proxy"),
        ("http://user:s3/cret@proxy.example:3128", "address of a proxy"),
    ],
)
def test_what_is_no_proxy(proxy: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        settings({"name": "r.example", "proxy": proxy})
    assert "proxy of r.example" in str(caught.value)
    assert "s3" not in str(caught.value)


def test_mirrors_of_a_registry_and_of_its_parts() -> None:
    found = settings(
        {"name": "docker.io", "mirrors": ["Mirror.Example:5000/Hub".lower(), " a.example/ "]},
        {"name": "docker.io/library", "mirrors": []},
        {"name": "a.example", "mirrors": ["a.example/cache"]},
    )
    assert found.lookup("docker.io", "team/app", "mirrors") == (
        "mirror.example:5000/hub",
        "a.example",
    )
    assert found.lookup("docker.io", "library/busybox", "mirrors") == ()
    assert found.lookup("other.example", "x", "mirrors") is None


@pytest.mark.parametrize(
    ("mirrors", "reason"),
    [
        (["https://a.example"], "without a scheme"),
        (["r.example"], "no mirror of itself"),
        (["R.Example/"], "no mirror of itself"),
        (["a.example", "a.example/"], "twice"),
        (["a.example/x:1"], "invalid mirror"),
        (["a.example/x@sha256:00"], "invalid mirror"),
        (["a.example/X"], "invalid mirror"),
        (["user@a.example"], "the mirror ...@a.example has an @"),
        ([""], "invalid mirror"),
    ],
)
def test_what_is_no_mirror(mirrors: list[str], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        settings({"name": "r.example", "mirrors": mirrors})


def test_docker_hub_is_no_mirror_of_itself_by_another_name() -> None:
    with pytest.raises(InvalidInput, match="no mirror of itself"):
        settings({"name": "docker.io", "mirrors": ["registry-1.docker.io"]})


@pytest.mark.parametrize("key", ["username", "password", "token", "identity_token"])
def test_a_login_that_is_no_text(key: str) -> None:
    """As it comes from an environment variable with bytes that aren't UTF-8."""
    entry = {"name": "r.example", "username": "u", "password": "p", key: "a\udcff"}
    with pytest.raises(InvalidInput, match=r"the login of r\.example isn't Unicode text"):
        read_entries([entry])
