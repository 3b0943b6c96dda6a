# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport import (
    credential_helpers,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    Login,
)
from ansible_collections.imagesync.registry.tests.support.credential_helpers import (
    HAS_NONE,
    Helper,
    gives,
)

Helpers = credential_helpers.Helpers
check_helper_name = credential_helpers.check_helper_name
SECRET = "canary-of-the-helper"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a helper that is found on the PATH."""

    def made(body: str, name: str = "test") -> Helper:
        helper = Helper(tmp_path / "bin", name, body)
        for variable, value in helper.environment.items():
            monkeypatch.setenv(variable, value)
        return helper

    return made


def given(host: str = "r.example") -> Login | None:
    """The helper's login, without the time for which it is kept."""
    found = Helpers().login("test", host)
    return found and found._replace(expires=math.inf)


def sentence(name: str = "test", host: str = "r.example") -> str:
    with pytest.raises(InvalidInput) as caught:
        Helpers().login(name, host)
    assert SECRET not in str(caught.value)
    assert host in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("host", "asked"),
    [("r.example:5000", "r.example:5000"), ("docker.io", "https://index.docker.io/v1/")],
)
def test_what_a_helper_is_asked(make: Any, host: str, asked: str) -> None:
    helper = make(gives("u", SECRET))
    assert given(host) == Login("helper", "u", SECRET)
    assert helper.calls == [f"get|{asked}"]


@pytest.mark.parametrize(
    ("body", "login"),
    [
        (gives("<token>", SECRET), Login("helper", "<token>", identity_token=SECRET)),
        (gives("u", ""), None),
        (gives("", SECRET), Login("helper", "", SECRET)),
        (f"{gives('u', SECRET)}; echo {SECRET} >&2", Login("helper", "u", SECRET)),
        (HAS_NONE, None),
    ],
)
def test_what_a_helper_says(make: Any, body: str, login: Login | None, capfd: Any) -> None:
    make(body)
    assert given() == login
    assert capfd.readouterr() == ("", "")


FAILURES = {
    f"echo {SECRET}; echo {SECRET} >&2; exit 1": "failed with exit status 1",
    f"echo credentials not found in native keychain {SECRET}; exit 1": "exit status 1",
    "kill -9 $$": "failed with exit status -9",
    f"echo {SECRET}": "something else than a login",
    "true": "something else than a login",
    f"""echo '{{"Username": "u", "Secret": "{SECRET}\\ud800"}}'""": "something else than a login",
    f"""echo '{{"Username": "\\udfff", "Secret": "{SECRET}"}}'""": "something else than a login",
    f"echo '[\"{SECRET}\"]'": "something else than a login",
    f"""echo '{{"Username": "u", "Secret": ["{SECRET}"]}}'""": "something else than a login",
    f"while true; do echo {SECRET}{SECRET}{SECRET}; done": "gave more than 64 KiB",
}


@pytest.mark.parametrize("body", FAILURES)
def test_helpers_that_fail(make: Any, body: str, capfd: Any) -> None:
    make(body)
    message = sentence()
    assert "docker-credential-test" in message
    assert FAILURES[body] in message
    assert capfd.readouterr() == ("", "")


def test_a_helper_that_hangs_is_ended(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that it has started."""
    monkeypatch.setattr(credential_helpers, "_SECONDS", 0.3)
    helper = make('sleep 300 & echo $! > "$0.pid"; wait')
    assert "didn't answer within" in sentence()
    child = Path(f"{helper.path}.pid").read_text().strip()
    until = time.monotonic() + 10
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _runs(child)


def test_a_helper_that_closes_its_output_and_hangs(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential_helpers, "_SECONDS", 0.3)
    make(f"{gives('u', SECRET)}; exec >&-; sleep 300")
    assert "didn't answer within" in sentence()


def test_a_helper_that_leaves_something_behind(make: Any) -> None:
    """Its output stays open after it; neither do we wait for that, nor end it."""
    helper = make(f'sleep 300 & echo $! > "$0.pid"; {gives("u", SECRET)}')
    begin = time.monotonic()
    assert given() == Login("helper", "u", SECRET)
    assert time.monotonic() - begin < 5
    child = Path(f"{helper.path}.pid").read_text().strip()
    try:
        assert _runs(child)
    finally:
        os.kill(int(child), 9)


def _runs(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_helper_that_does_not_read(tmp_path: Path, make: Any) -> None:
    helper = make("")
    helper.path.write_text(f"#!/bin/sh\n{gives('u', SECRET)}\n")
    assert given("r" * 200) == Login("helper", "u", SECRET)


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "a/b",
        "",
        "a b",
        "a;b",
        "a\nb",
        "x" * 65,
        "$HOME",
        "é",
        "docker-credential-pass",
    ],
)
def test_names_that_are_none(make: Any, name: str) -> None:
    """A file that the user got from somewhere must not have us run anything."""
    with pytest.raises(InvalidInput, match="isn't the name of a credential helper"):
        check_helper_name(name)
    assert "isn't the name of a credential helper" in sentence(name)


@pytest.mark.parametrize("name", ["pass", "ecr-login", "desktop.exe", "osx_keychain", "gcr2"])
def test_names(name: str) -> None:
    assert check_helper_name(name) == name


def test_a_helper_that_is_not_there(make: Any) -> None:
    make("")
    message = sentence("other")
    assert "docker-credential-other" in message
    assert "isn't on the PATH" in message


def test_a_helper_in_the_current_directory_is_not_run(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = make(gives("u", SECRET))
    monkeypatch.chdir(helper.path.parent)
    monkeypatch.setenv("PATH", ".:/usr/bin:/bin")
    assert "isn't on the PATH" in sentence()
    assert helper.calls == []


@pytest.mark.parametrize("text", ["no program at all", "#!/no/such/interpreter\n"])
def test_a_helper_that_cannot_be_started(make: Any, text: str) -> None:
    make("").path.write_text(text)
    assert "can't be started" in sentence()


@pytest.mark.parametrize("body", [gives("u", SECRET), HAS_NONE, "exit 3"])
def test_a_helper_is_run_once_for_each_registry(make: Any, body: str) -> None:
    """However many threads want its login, and also when it has failed."""
    helper = make(f"sleep 0.1; {body}")
    helpers = Helpers()
    start = threading.Barrier(8)
    found: list[Any] = []

    def ask(number: int) -> None:
        start.wait(10)
        try:
            login = helpers.login("test", f"r{number % 2}.example")
            found.append(login and login[:5])
        except InvalidInput as error:
            found.append(str(error).partition(":")[2])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert sorted(helper.calls) == ["get|r0.example", "get|r1.example"]


def test_a_login_of_a_helper_is_renewed(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some give what is good for an hour. One that fails then may have been locked."""
    monkeypatch.setattr(credential_helpers, "_LIFE", 0.3)
    helpers = Helpers()
    for body, password in ((gives("u", "1"), "1"), (gives("u", "2"), "2"), ("exit 1", "2")):
        helper = make(body)
        login = helpers.login("test", "r.example")
        assert login and login.password == password
        while time.monotonic() < login.expires:
            time.sleep(0.01)
    assert len(helper.calls) == 3
