# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AuthenticationFailed,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport import google_login
from ansible_collections.imagesync.registry.plugins.module_utils.transport.clouds import (
    is_google,
    login_hint,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.credentials import (
    ANONYMOUS,
    Keychain,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import Scrubber
from ansible_collections.imagesync.registry.tests.support.clouds import (
    GoogleCloud,
    without_clouds,
)

HOST = "europe-docker.pkg.dev"


@pytest.fixture(autouse=True)
def _no_clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_clouds(monkeypatch, tmp_path)
    monkeypatch.setattr(google_login, "_is_machine_of_google", lambda: False)


@pytest.fixture
def cloud() -> Iterator[GoogleCloud]:
    with GoogleCloud() as found:
        yield found
        assert found.errors == []


@pytest.fixture
def machine(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> GoogleCloud:
    """We run on a machine of that cloud."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    return cloud


def keychain(*entries: dict[str, Any]) -> Keychain:
    return Keychain(Settings(read_entries(entries)))


@pytest.mark.parametrize(
    ("host", "google"),
    [
        ("gcr.io", True),
        ("eu.gcr.io", True),
        ("us-central1-docker.pkg.dev", True),
        ("notgcr.io", False),
        ("gcr.io.evil.example", False),
        ("docker.pkg.dev", False),
        ("x-docker.pkg.dev.example", False),
        ("gcr.io:443", False),
        ("ghcr.io", False),
    ],
)
def test_which_registries_are_googles(host: str, google: bool) -> None:
    assert is_google(host) is google
    assert ("google-auth" in login_hint(host)) is google


def test_the_metadata_server(machine: GoogleCloud) -> None:
    keys = keychain()
    login = keys.find(HOST, "project/app")
    assert login[:3] == ("google", "oauth2accesstoken", "access-1")
    assert 3000 < login.expires - time.monotonic() < 3600
    # one login for all registries of Google, and for no other
    assert keys.find("gcr.io", "x").password == "access-1"
    assert keys.find("r.example", "x") == ANONYMOUS
    assert keys.kinds == {HOST: "google", "gcr.io": "google", "r.example": "anonymous"}
    assert machine.given == ["access-1"]


@pytest.mark.parametrize("token", [5, None, ["x"], "", "x\ud800", "x\r\nX: y"])
def test_a_token_that_is_none(
    machine: GoogleCloud, monkeypatch: pytest.MonkeyPatch, token: Any
) -> None:
    answer = {"access_token": token, "expires_in": 3600}
    monkeypatch.setattr(machine, "token", lambda: answer)
    with pytest.raises(AuthenticationFailed, match=f"{HOST}: .* that can't be one"):
        keychain().find(HOST, "project/app")


def test_a_service_account_key(
    cloud: GoogleCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cloud.write_key(tmp_path / "key.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
    login = keychain().find("gcr.io", "app")
    assert login[:3] == ("google", "oauth2accesstoken", "access-1")
    (request,) = cloud.requests
    assert str(request) == "POST /oauth/token -> 200"


def test_nothing_is_asked_before_a_login_is_demanded(machine: GoogleCloud) -> None:
    keys = keychain()
    assert keys.find(HOST, "app", demanded=False) == ANONYMOUS
    assert machine.requests == []
    assert "google.auth" not in sys.modules
    assert keys.find("r.example", "app") == ANONYMOUS
    assert "google.auth" not in sys.modules
    assert keys.find(HOST, "app").kind == "google"
    assert keys.find(HOST, "app", demanded=False).kind == "google"


def test_what_the_user_says_goes_before(machine: GoogleCloud) -> None:
    keys = keychain({"name": HOST, "username": "_json_key", "password": "key"})
    assert keys.find(HOST, "app").kind == "options"
    assert machine.requests == []


def test_no_login_is_kept_from_netrc(
    machine: GoogleCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login netrc password from-netrc\n")
    netrc.chmod(0o600)
    keychain().find(HOST, "app")
    assert machine.requests
    assert machine.with_header("Authorization") == []


def test_it_is_renewed_before_it_ends(machine: GoogleCloud) -> None:
    """Once, however many threads want it."""
    machine.lifetime = 2
    keys = keychain()
    first = keys.find(HOST, "app")
    assert first.expires - time.monotonic() < 1.7
    assert keys.find(HOST, "other") == first
    while time.monotonic() < first.expires:
        time.sleep(0.01)
    machine.lifetime = 3600
    start = threading.Barrier(8)
    found: list[str] = []

    def ask(number: int) -> None:
        start.wait(10)
        found.append(keys.find(HOST, f"app{number % 3}").password)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == ["access-2"] * 8
    assert keys.find(HOST, "app").password == "access-2"
    assert machine.given == ["access-1", "access-2"]


def test_elsewhere_than_at_google() -> None:
    """Nobody answers: no login."""
    keys = keychain()
    assert [keys.find("gcr.io", f"r{number}") for number in range(3)] == [ANONYMOUS] * 3
    assert keys.find(HOST, "x") == ANONYMOUS
    assert keys.kinds == {"gcr.io": "anonymous", HOST: "anonymous"}


def test_a_network_that_swallows_what_is_sent_to_the_metadata_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One second is lost, not the library's dozen: it is asked once, and never again."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        for name in ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"):
            monkeypatch.setenv(name, host)
        keys = keychain()
        begin = time.monotonic()
        assert keys.find("gcr.io", "app") == keys.find(HOST, "other") == ANONYMOUS
        assert time.monotonic() - begin > 0.9
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_machine_without_a_service_account(machine: GoogleCloud) -> None:
    machine.has_account = False
    assert keychain().find("gcr.io", "app") == ANONYMOUS
    assert machine.requests
    with pytest.raises(InvalidInput, match="no service account"):
        keychain({"name": "r.example", "auth": "google"}).find("r.example", "app")


def test_a_login_that_is_lost_in_mid_run(machine: GoogleCloud) -> None:
    """Then nobody goes on without one in silence."""
    machine.lifetime = 1
    keys = keychain()
    first = keys.find("gcr.io", "app")
    machine.has_account = False
    while time.monotonic() < first.expires:
        time.sleep(0.01)
    with pytest.raises(AuthenticationFailed, match=r"gcr.io: .* gave no access token"):
        keys.find("gcr.io", "app")


def test_without_the_library(machine: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    assert keychain().find("gcr.io", "app") == ANONYMOUS
    with pytest.raises(InvalidInput, match=r"r.example: auth is google, and .* google-auth isn't"):
        keychain({"name": "r.example", "auth": "google"}).find("r.example", "app")
    assert machine.requests == []


def test_auth_google(machine: GoogleCloud, tmp_path: Path) -> None:
    """For a name that doesn't tell, and over all other logins."""
    config = tmp_path / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text('{"auths": {"r.example": {"username": "u", "password": "p"}}}')
    keys = keychain(
        {"name": "r.example", "auth": "google", "username": "u", "password": "p"},
        {"name": "r.example/open", "auth": "anonymous"},
    )
    assert keys.find("r.example", "app", demanded=False) == ANONYMOUS
    assert keys.find("r.example", "app").kind == "google"
    assert keys.find("r.example", "open/app") == ANONYMOUS


def test_auth_google_where_there_is_nothing() -> None:
    with pytest.raises(InvalidInput, match="no application default credentials were found"):
        keychain({"name": "r.example", "auth": "google"}).find("r.example", "app")


@pytest.mark.parametrize(
    "content", [None, "{", '{"type": "unknown"}', '{"type": "service_account"}', "[]"]
)
def test_a_key_file_that_is_no_good(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody goes on without a login in silence when one was named."""
    path = tmp_path / "named.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(InvalidInput, match=r"gcr.io: .* can't be used") as caught:
        keychain().find("gcr.io", "app")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_refused(
    cloud: GoogleCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """What the server wrote isn't shown, but for the code."""
    path = cloud.write_key(tmp_path / "key.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
    cloud.refusal = (400, {"error": "invalid_grant", "error_description": "canary-description"})
    keys = keychain()
    for _unused in range(2):
        with pytest.raises(AuthenticationFailed, match=r"gcr.io: .*invalid_grant") as caught:
            keys.find("gcr.io", "app")
        assert "canary" not in str(caught.value)
        assert "auth of registries" in str(caught.value)
    assert len(cloud.requests) == 1
    assert capfd.readouterr() == ("", "")


def test_nothing_of_it_is_logged(
    machine: GoogleCloud, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where all is logged."""
    monkeypatch.setenv("GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "google")
    caplog.set_level(logging.DEBUG)
    scrub = Scrubber()
    login = Keychain(Settings(), scrub).find(HOST, "app")
    assert login.password == "access-1"
    assert [r for r in caplog.records if r.name.startswith("google")] == []
    assert "access-1" not in caplog.text
    assert scrub("it said access-1") == "it said ********"


def test_a_program_that_needs_no_cloud_imports_none(tmp_path: Path) -> None:
    """In a process of its own: all that the modules import, and a login that is at hand."""
    program = """
import sys
from ansible_collections.imagesync.registry.plugins.module_utils.transport.client import Network
from ansible_collections.imagesync.registry.plugins.module_utils.transport import settings
entries = settings.read_entries([{"name": "gcr.io", "username": "u", "password": "p"}])
keys = Network(settings.Settings(entries)).keychain
assert keys.find("gcr.io", "a").kind == "options"
assert keys.find("r.example", "a").kind == "anonymous"
assert not [name for name in sys.modules if name.split(".")[0] in ("google", "botocore")]
assert not [name for name in sys.modules if name.endswith("_login")]
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_token_that_does_not_say_how_long_it_lives() -> None:
    class Credentials:
        token = "t"
        expiry: Any = None

    assert 200 < google_login._login(Credentials()).expires - time.monotonic() < 300
    Credentials.expiry = datetime.datetime(2001, 1, 1)
    assert google_login._login(Credentials()).expires > time.monotonic()
