# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of container runtimes: ours come and go, those of others stay."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors.client_files import (
    client_files,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    DiskError,
    InvalidInput,
)

MARK = "# Written by the role imagesync.registry.client; changes are overwritten.\n"
OURS = "https://mirror.example.com"


@pytest.fixture(autouse=True)
def _no_services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine that runs the tests may have any of these programs."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def program(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def run(command: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def call(check_mode: bool = False, **given: Any) -> dict[str, Any]:
    parameters = {"runtime": "podman", "files": [], "owned": [], "replace": False, **given}
    return client_files(parameters, check_mode, run)


def files(root: Path, *names: str) -> list[dict[str, str]]:
    return [{"path": str(root / name), "content": f"{MARK}{name}\n"} for name in names]


def tree(root: Path) -> dict[str, bytes]:
    found = {path for path in root.rglob("*") if path.is_file() and "bin" not in path.parts}
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_files_come_and_go(tmp_path: Path) -> None:
    owned = [f"{tmp_path}/certs.d/*/hosts.toml"]
    both = files(tmp_path, "certs.d/docker.io/hosts.toml", "certs.d/quay.io/hosts.toml")
    old = os.umask(0o077)
    try:
        planned = call(check_mode=True, files=both, owned=owned)
        assert tree(tmp_path) == {}
        done = call(files=both, owned=owned)
    finally:
        os.umask(old)
    assert planned == done and done["changed"] and done["written"] == [f["path"] for f in both]
    assert done["diff"][0]["before"] == "" and done["diff"][0]["after"] == both[0]["content"]
    for path, mode in ((tmp_path / "certs.d", 0o755), (Path(both[0]["path"]), 0o644)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    again = call(files=both, owned=owned)
    assert not again["changed"] and again["diff"] == []

    (tmp_path / "certs.d/ghcr.io").mkdir()
    (tmp_path / "certs.d/ghcr.io/hosts.toml").write_text("server = 'x'", encoding="utf-8")
    (tmp_path / "certs.d/docker.io/client.cert").touch()
    fewer = call(files=both[1:], owned=owned)
    assert fewer["removed"] == [both[0]["path"]] and fewer["written"] == []
    assert call(owned=owned)["removed"] == [both[1]["path"]]
    assert tree(tmp_path).keys() == {"certs.d/ghcr.io/hosts.toml", "certs.d/docker.io/client.cert"}
    assert not (tmp_path / "certs.d/quay.io").exists()


def test_the_files_of_others_are_replaced_when_told_so_only(tmp_path: Path) -> None:
    first, other = files(tmp_path, "a", "b")
    Path(other["path"]).write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidInput, match="wasn't written by this role"):
        call(files=[first, other])
    assert tree(tmp_path) == {"b": b"mine"}
    assert call(files=[first, other], replace=True)["changed"]
    assert tree(tmp_path)["b"] == other["content"].encode()


def test_what_the_disk_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="file/a: "):
        call(files=files(tmp_path / "file", "a"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(DiskError, match="directory"):
        call(files=files(tmp_path, "folder"))


def docker(root: Path, *mirrors: str, check_mode: bool = False) -> dict[str, Any]:
    given = {"config": str(root / "daemon.json"), "mirrors": list(mirrors)}
    return call(check_mode, runtime="docker", docker=given)


def test_other_keys_of_docker_stay(tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    before = '{\n\t"log-opts": {"max-size": "10m", "token": "secret"},\n\t"mtu": 1400\n}'
    config.write_text(before, encoding="utf-8")
    config.chmod(0o600)
    assert docker(tmp_path, OURS, check_mode=True)["changed"]
    assert config.read_text(encoding="utf-8") == before
    done = docker(tmp_path, OURS)
    assert done["changed"] and "secret" not in json.dumps(done)
    after = json.loads(config.read_text(encoding="utf-8"))
    assert after == {**json.loads(before), "registry-mirrors": [OURS]}
    assert list(after) == ["log-opts", "mtu", "registry-mirrors"]
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert not docker(tmp_path, OURS)["changed"]
    other = "https://other.example.com"
    assert docker(tmp_path, other)["changed"]
    assert json.loads(config.read_text(encoding="utf-8"))["registry-mirrors"] == [other]
    assert docker(tmp_path)["changed"] and not docker(tmp_path)["changed"]
    assert json.loads(config.read_text(encoding="utf-8")) == json.loads(before)
    assert tree(tmp_path).keys() == {"daemon.json"}


def test_mirrors_of_others_stay(tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    given = {"registry-mirrors": ["https://first.example.com/", f"{OURS}/"]}
    config.write_text(json.dumps(given), encoding="utf-8")
    docker(tmp_path, OURS)
    assert json.loads(config.read_text(encoding="utf-8")) == given
    docker(tmp_path, "https://second.example.com")
    found = json.loads(config.read_text(encoding="utf-8"))["registry-mirrors"]
    assert found == ["https://second.example.com", *given["registry-mirrors"]]
    docker(tmp_path)
    assert json.loads(config.read_text(encoding="utf-8")) == given


def test_what_was_made_goes_again(tmp_path: Path) -> None:
    assert not docker(tmp_path / "etc")["changed"]
    done = docker(tmp_path / "etc", OURS)
    assert json.loads(done["diff"][0]["after"]) == {"registry-mirrors": [OURS]}
    assert docker(tmp_path / "etc")["changed"]
    assert tree(tmp_path) == {}
    docker(tmp_path, OURS)
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"registry-mirrors": [OURS], "debug": True}), encoding="utf-8")
    docker(tmp_path)
    assert json.loads(config.read_text(encoding="utf-8")) == {"debug": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"mtu": 1400', "not valid JSON"),
        ('{"mtu": 1, "mtu": 2}', "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"registry-mirrors": "https://x"}', "isn't a list of addresses"),
    ],
)
def test_a_file_that_docker_would_not_read_is_left_alone(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "daemon.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=f"{said}.*left alone"):
        docker(tmp_path, OURS)
    assert tree(tmp_path) == {"daemon.json": text.encode()}


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}", encoding="utf-8")
    (tmp_path / "daemon.json").symlink_to("real.json")
    docker(tmp_path, OURS)
    assert (tmp_path / "daemon.json").is_symlink()
    assert "registry-mirrors" in json.loads((tmp_path / "real.json").read_text(encoding="utf-8"))


def test_a_service_is_named_if_it_runs_and_something_changed(tmp_path: Path) -> None:
    program(tmp_path, "systemctl", 'test "$*" = "is-active --quiet docker.service"')
    assert docker(tmp_path, OURS)["running"] == "docker"
    assert docker(tmp_path, OURS)["running"] == ""
    assert call(files=files(tmp_path, "a"))["running"] == ""


VERSION_1 = '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "%s"\n'
VERSION_2 = "[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '%s'\n"


@pytest.mark.parametrize(
    ("config", "read"),
    [
        (VERSION_1 % "/etc/containerd/certs.d", True),
        (VERSION_2 % "/other:/etc/containerd/certs.d/", True),
        ("[plugins]\n[ plugins . 'io.containerd.cri.v1.images' . registry ] # x\n"
         "config_path='/etc/containerd/certs.d'", True),
        (VERSION_1 % "", False),
        (VERSION_1 % "/etc/other", False),
        ("version = 2\n", False),
        (VERSION_1.replace("registry", "containerd") % "/etc/containerd/certs.d", False),
        (None, True),
    ],
)  # fmt: skip
def test_whether_containerd_reads_the_folder(tmp_path: Path, config: Any, read: bool) -> None:
    path = tmp_path / "config.toml"
    if config is not None:
        path.write_text(config, encoding="utf-8")
    given = {"config": str(path), "folder": "/etc/containerd/certs.d"}
    warnings = call(runtime="containerd", containerd=given)["warnings"]
    assert (warnings == []) is read
    if not read:
        assert f"set config_path to it in {path}" in warnings[0]


def test_containerd_itself_knows_best(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("imports = ['/etc/more.toml']\n", encoding="utf-8")
    told = VERSION_2 % "/etc/containerd/certs.d"
    asked = f'test "$*" = "--config {path} config dump" || exit 1\n'
    program(tmp_path, "containerd", f'{asked}echo "{told}"')
    given = {"config": str(path), "folder": "/etc/containerd/certs.d"}
    assert call(runtime="containerd", containerd=given)["warnings"] == []
    program(tmp_path, "containerd", "exit 1")
    assert len(call(runtime="containerd", containerd=given)["warnings"]) == 1
