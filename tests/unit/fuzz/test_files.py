# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: logins and locks. What reads a layout belongs here too, once there is such a thing."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import (
    Lock,
    is_for,
    parse_lock,
    read_lock,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import Platform
from ansible_collections.imagesync.registry.plugins.module_utils.sync.lock_file import LockFile
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    AuthFile,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import (
    basic,
    token_request,
)
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    documents,
    edited,
    fuzz,
    survives,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, B

LOGIN = base64.b64encode(b"user:pass:word").decode()
AUTHS = {
    "auths": {
        "registry.example.com/team": {"auth": LOGIN, "email": "x"},
        "https://index.docker.io/v1/": {"username": "u", "password": "p"},
        "registry.example.com": {"identitytoken": "t", "registrytoken": "r"},
    },
    "credsStore": "desktop",
}
LOCK = {
    "version": 1,
    "images": {
        "registry.example.com/a:1": {
            "source": "docker.io/library/a:1",
            "source_digest": A,
            "digest": B,
            "media_type": "application/vnd.oci.image.index.v1+json",
            "platforms": ["linux/amd64", "linux/arm64/v8"],
        },
        f"registry.example.com/b@{A}": {
            "source": f"docker.io/library/b:1@{A}",
            "source_digest": A,
            "digest": A,
            "media_type": "",
            "platforms": [],
        },
    },
}


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    """One file; each example writes it anew."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "file")


@fuzz(raw=documents(AUTHS), name=edited(["registry.example.com", "docker.io", "[::1]:5000"]))
def test_auth_files(path: str, raw: bytes, name: str) -> None:
    """A login that is found can be sent."""
    Path(path).write_bytes(raw)
    file = survives(AuthFile, path, "docker")
    for host in (name, "registry.example.com", "docker.io"):
        login = survives(file.find, host, "team/app") if file else None
        if login:
            basic(login.username, login.password).encode("ascii")
            for refresh in (True, False):
                token_request("https://a/b", "s", ("x",), login, refresh)


@fuzz(raw=documents(LOCK))
def test_lock_files(path: str, raw: bytes) -> None:
    """What is read can be written, and is the same when it is read again."""
    Path(path).write_bytes(raw)
    file = LockFile(path)
    lock = survives(file.read)
    assert Path(path).read_bytes() == raw
    if lock is None:
        return
    Path(path).unlink()
    lock.before = {}
    survives(file.update, lock)
    assert file.read().images == lock.images == read_lock(lock.text().encode(), "it").images
    for locked in lock.images.values():
        survives(is_for, locked, [Platform("linux", "amd64")], True)


@fuzz(documents(LOCK))
def test_locks_given_as_an_option(raw: bytes) -> None:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return
    lock = survives(parse_lock, document, "the option lock")
    if lock is not None:
        assert isinstance(lock, Lock)
        assert read_lock(lock.text().encode(), "it").images == lock.images
        list(lock.references())


@fuzz(st.binary(max_size=60))
def test_bytes(path: str, raw: bytes) -> None:
    Path(path).write_bytes(raw)
    survives(AuthFile, path, "docker")
    survives(LockFile(path).read)
