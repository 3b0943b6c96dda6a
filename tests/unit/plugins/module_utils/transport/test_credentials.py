# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.credentials import (
    ANONYMOUS,
    Keychain,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
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
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
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
    assert user_for(Settings()) == "config"


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
    )
    keys = Keychain(settings)
    assert keys.find("r.example", "x")[1:5] == ("u", "p", "", "")
    assert keys.find("r.example", "team")[1:5] == ("u", "team", "", "")
    assert keys.find("r.example", "team/bot/x")[1:5] == ("", "", "t", "")
    assert keys.find("r.example", "teams")[1:5] == ("u", "p", "", "")


def test_empty_options_are_no_login(home: Path) -> None:
    put(home / PLACES["docker"], "docker")
    assert user_for(options({"name": "r.example", "username": "", "password": ""})) == "docker"
    assert user_for(options({"name": "r.example", "plain_http": True})) == "docker"
