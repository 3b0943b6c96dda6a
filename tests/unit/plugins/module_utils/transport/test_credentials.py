# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport import credentials
from ansible_collections.imagesync.registry.plugins.module_utils.transport.credentials import (
    ANONYMOUS,
    Keychain,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import Scrubber
from ansible_collections.imagesync.registry.tests.support.credential_helpers import (
    HAS_NONE,
    Helper,
    gives,
)

PLACES = {
    "REGISTRY_AUTH_FILE": "named/auth.json",
    "runtime": "run/containers/auth.json",
    "config": "home/.config/containers/auth.json",
    "docker": "home/.docker/config.json",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, and no environment that says otherwise."""
    names = ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "DOCKER_AUTH_CONFIG")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def put(path: Path, user: str, host: str = "r.example") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {host: {"username": user, "password": "p"}}}))


def user_for(settings: Settings, host: str = "r.example", repository: str = "a/b") -> str:
    return Keychain(settings).find(host, repository).username


def options(*entries: dict[str, Any]) -> Settings:
    return Settings(read_entries(entries))


def test_the_order_of_the_sources(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one is found when those before it are gone."""
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / PLACES["REGISTRY_AUTH_FILE"]))
    for name, place in PLACES.items():
        put(home / place, name)
    given = options({"name": "r.example", "username": "options", "password": "p"})
    assert user_for(given) == "options"
    for name, place in PLACES.items():
        assert user_for(Settings()) == name
        (home / place).unlink()
    assert Keychain(Settings()).find("r.example", "a/b") == ANONYMOUS


def test_the_next_file_is_asked_for_what_one_lacks(home: Path) -> None:
    put(home / PLACES["runtime"], "podman", "other.example")
    put(home / PLACES["docker"], "docker")
    assert user_for(Settings()) == "docker"
    assert user_for(Settings(), "other.example") == "podman"


def test_places_named_by_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / "d/config.json", "docker")
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "d"))
    assert user_for(Settings()) == "docker"
    put(home / "x/containers/auth.json", "config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "x"))
    assert user_for(Settings()) == "config"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(credentials, "_PER_USER", str(home / "users"))
    assert user_for(Settings()) == "config"
    put(home / f"users/{os.getuid()}/auth.json", "runtime")
    assert user_for(Settings()) == "runtime"


def test_a_named_file_stands_instead_of_the_usual_ones(home: Path) -> None:
    put(home / PLACES["docker"], "docker")
    put(home / "mine.json", "mine", "other.example")
    settings = Settings(auth_file=str(home / "mine.json"))
    assert user_for(settings, "other.example") == "mine"
    assert user_for(settings) == ""


def test_a_named_file_may_begin_with_a_tilde(home: Path) -> None:
    put(home / "home/mine.json", "mine")
    assert user_for(Settings(auth_file="~/mine.json")) == "mine"


def test_a_named_file_must_exist(home: Path) -> None:
    with pytest.raises(InvalidInput, match="doesn't exist"):
        user_for(Settings(auth_file=str(home / "missing.json")))


def test_the_file_of_the_environment_may_be_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "missing.json"))
    assert user_for(Settings()) == ""


def test_a_damaged_usual_file_is_told(home: Path) -> None:
    path = home / PLACES["docker"]
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InvalidInput, match="damaged"):
        user_for(Settings())


def test_kinds_say_where_a_login_came_from(home: Path) -> None:
    put(home / PLACES["docker"], "docker", "d.example/team")
    put(home / PLACES["config"], "podman", "p.example")
    keys = Keychain(options({"name": "o.example", "token": "t"}))
    for host in ("o.example", "p.example", "d.example", "n.example"):
        keys.find(host, "x")
    keys.find("d.example", "team/app")
    keys.find("d.example", "x")
    assert keys.kinds == {
        "o.example": "options",
        "p.example": "podman",
        "d.example": "docker",  # in a part of it
        "n.example": "anonymous",
    }


# programs that give logins


class Programs:
    """Credential helpers on the PATH, each of which gives its own name as user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, Helper] = {}

    def add(self, name: str, body: str = "") -> Helper:
        body = body or gives(name, f"canary-of-{name}")
        self.made[name] = Helper(self.folder / "bin", name, body)
        return self.made[name]

    @property
    def calls(self) -> dict[str, list[str]]:
        return {name: helper.calls for name, helper in self.made.items() if helper.calls}


@pytest.fixture
def programs(home: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    found = Programs(home)
    monkeypatch.setenv("PATH", found.add("unused").environment["PATH"])
    return found


def put_json(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


AUTHS = {"r.example": {"username": "auths", "password": "p"}}


@pytest.mark.parametrize(
    ("content", "user", "asked"),
    [
        ({"credHelpers": {"r.example": "one"}, "auths": AUTHS, "credsStore": "two"}, "one", "one"),
        ({"credHelpers": {"https://r.example/v1/": "one"}}, "one", "one"),
        ({"credHelpers": {"other.example": "one"}, "auths": AUTHS}, "auths", ""),
        ({"credHelpers": {"r.example": ""}, "auths": AUTHS}, "auths", ""),
        ({"auths": AUTHS, "credsStore": "two"}, "auths", ""),
        ({"auths": {"r.example": {}}, "credsStore": "two"}, "two", "two"),
        ({"credsStore": "two"}, "two", "two"),
        ({"credHelpers": {"r.example": "none"}, "auths": AUTHS}, "auths", "none"),
        ({"credHelpers": {"r.example": "none"}, "credsStore": "two"}, "two", "none two"),
        ({"credsStore": "none"}, "", "none"),
    ],
)
def test_programs_that_files_name(
    home: Path, programs: Programs, content: dict[str, Any], user: str, asked: str
) -> None:
    """For one registry first, then what the file itself holds, then for all registries."""
    programs.add("one")
    programs.add("two")
    programs.add("none", HAS_NONE)
    put_json(home / PLACES["docker"], **content)
    keys = Keychain(Settings())
    assert keys.find("r.example", "a/b").username == user
    kind = {"auths": "docker", "": "anonymous"}.get(user, "helper")
    assert keys.kinds == {"r.example": kind}
    assert programs.calls == {name: ["get|r.example"] for name in asked.split()}


def test_a_program_of_docker_for_docker_hub(home: Path, programs: Programs) -> None:
    programs.add("one")
    put_json(home / PLACES["docker"], credHelpers={"https://index.docker.io/v1/": "one"})
    assert user_for(Settings(), "docker.io", "library/busybox") == "one"
    assert programs.calls == {"one": ["get|https://index.docker.io/v1/"]}


def test_a_program_of_an_earlier_file_goes_before_a_later_file(
    home: Path, programs: Programs
) -> None:
    programs.add("one")
    put_json(home / PLACES["runtime"], credsStore="one")
    put(home / PLACES["docker"], "docker")
    assert user_for(Settings()) == "one"


def test_a_program_that_fails_is_told_and_nobody_else_asked(home: Path, programs: Programs) -> None:
    programs.add("one", "echo canary; exit 1")
    put_json(home / PLACES["runtime"], credsStore="one")
    put(home / PLACES["docker"], "docker")
    for _unused in range(2):
        with pytest.raises(InvalidInput, match=r"r\.example: .*docker-credential-one failed"):
            user_for(Settings())
    # each call of user_for is a run of its own
    assert len(programs.made["one"].calls) == 2


def test_programs_are_asked_when_a_login_is_demanded(home: Path, programs: Programs) -> None:
    """Not before: an open registry costs no process. What comes after them waits too."""
    programs.add("one")
    put_json(home / PLACES["runtime"], credHelpers={"r.example": "one"})
    put(home / PLACES["docker"], "docker")
    keys = Keychain(Settings())
    assert keys.find("r.example", "a", demanded=False) == ANONYMOUS
    assert programs.calls == {}
    assert keys.kinds == {"r.example": "anonymous"}
    assert keys.find("r.example", "a").username == "one"
    assert keys.find("r.example", "a", demanded=False).username == "one"
    assert keys.find("r.example", "b").username == "one"
    assert keys.kinds == {"r.example": "helper"}
    assert programs.calls == {"one": ["get|r.example"]}


def test_the_option_helper(home: Path, programs: Programs) -> None:
    """Of several kinds of login, that of the longest entry counts."""
    programs.add("one")
    programs.add("two")
    put(home / PLACES["docker"], "docker")
    keys = Keychain(
        options(
            {"name": "r.example", "helper": "one"},
            {"name": "r.example/team", "username": "u", "password": "p"},
            {"name": "r.example/team/bot", "helper": "two"},
            {"name": "r.example/both", "helper": "two", "username": "u", "password": "p"},
        )
    )
    users = {"x": "one", "team/app": "u", "team/bot/x": "two", "both": "u"}
    assert {name: keys.find("r.example", name).username for name in users} == users
    assert keys.kinds == {"r.example": "helper"}


def test_the_option_helper_that_has_none(home: Path, programs: Programs) -> None:
    programs.add("none", HAS_NONE)
    put(home / PLACES["docker"], "docker")
    assert user_for(options({"name": "r.example", "helper": "none"})) == "docker"


@pytest.mark.parametrize("name", ["../../evil", "a b", "x/y"])
def test_names_of_programs_are_checked(home: Path, programs: Programs, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"helper of r.example: .*isn't the name of a cred"):
        options({"name": "r.example", "helper": name})
    for content in ({"credsStore": name}, {"credHelpers": {"r.example": name}}):
        put_json(home / PLACES["docker"], **content)
        with pytest.raises(InvalidInput, match=r"r.example: .*isn't the name of a credential"):
            user_for(Settings())


def test_what_programs_give_is_not_shown(home: Path, programs: Programs) -> None:
    programs.add("one")
    programs.add("two", gives("<token>", "canary-identity"))
    scrub = Scrubber()
    entries = ({"name": "r.example", "helper": "one"}, {"name": "s.example", "helper": "two"})
    keys = Keychain(options(*entries), scrub)
    keys.find("r.example", "a")
    assert keys.find("s.example", "a").identity_token == "canary-identity"
    assert "canary" not in scrub("canary-of-one and canary-identity")


# auth


def test_auth_anonymous(home: Path, programs: Programs) -> None:
    """Nothing is read, run or asked."""
    programs.add("one")
    (home / "broken.json").write_text("{")
    entries = read_entries(
        [
            {"name": "r.example", "auth": "anonymous", "helper": "one"},
            {"name": "r.example/team", "username": "u", "password": "p"},
            {"name": "r.example/team/own", "auth": "auto"},
        ]
    )
    keys = Keychain(Settings(entries, str(home / "broken.json")))
    assert keys.find("r.example", "a") == ANONYMOUS
    assert keys.find("r.example", "team/a") == ANONYMOUS
    assert keys.find("r.example", "team/own").username == "u"
    assert programs.calls == {}


def test_auth_basic(home: Path, programs: Programs) -> None:
    """The password is for every request, so it is needed before the first."""
    programs.add("one")
    programs.add("two", gives("<token>", "canary-identity"))
    keys = Keychain(
        options(
            {"name": "r.example", "auth": "basic"},
            {"name": "r.example/a", "username": "u", "password": "p"},
            {"name": "r.example/b", "helper": "one"},
            {"name": "r.example/c", "helper": "two"},
            {"name": "r.example/d", "token": "t"},
        )
    )
    for name, user in (("a", "u"), ("b", "one")):
        login = keys.find("r.example", name, demanded=False)
        assert (login.username, login.at_once) == (user, True)
    for name in ("c", "d", "none"):
        with pytest.raises(InvalidInput, match=r"r\.example: auth is basic, and no user name"):
            keys.find("r.example", name)


def test_dockers_file_in_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CI systems give it; before Docker's own, after Podman's."""
    put(home / PLACES["docker"], "docker")
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": AUTHS}))
    keys = Keychain(Settings())
    assert keys.find("r.example", "a").username == "auths"
    assert keys.kinds == {"r.example": "docker"}
    put(home / PLACES["config"], "config")
    assert user_for(Settings()) == "config"
    put(home / "mine.json", "mine")
    assert user_for(Settings(auth_file=str(home / "mine.json"))) == "mine"
    (home / PLACES["config"]).unlink()
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", "{canary")
    with pytest.raises(InvalidInput, match=r"^DOCKER_AUTH_CONFIG is damaged: it isn't JSON$"):
        user_for(Settings())


def test_files_are_read_once(home: Path) -> None:
    put(home / PLACES["docker"], "docker")
    keys = Keychain(Settings())
    assert keys.find("r.example", "a").username == "docker"
    (home / PLACES["docker"]).unlink()
    assert keys.find("r.example", "b").username == "docker"


def test_options_field_by_field(home: Path) -> None:
    settings = options(
        {"name": "r.example", "username": "u", "password": "p"},
        {"name": "r.example/team", "password": "team"},
        {"name": "r.example/team/bot", "token": "t"},
        {"name": "r.example/team/robot", "username": "0000", "identity_token": "i"},
    )
    keys = Keychain(settings)
    assert keys.find("r.example", "team/robot")[1:5] == ("0000", "", "", "i")
    assert keys.find("r.example", "x")[1:5] == ("u", "p", "", "")
    assert keys.find("r.example", "team")[1:5] == ("u", "team", "", "")
    assert keys.find("r.example", "team/bot/x")[1:5] == ("", "", "t", "")
    assert keys.find("r.example", "teams")[1:5] == ("u", "p", "", "")


def test_empty_options_are_no_login(home: Path) -> None:
    put(home / PLACES["docker"], "docker")
    assert user_for(options({"name": "r.example", "username": "", "password": ""})) == "docker"
    assert user_for(options({"name": "r.example", "plain_http": True})) == "docker"
