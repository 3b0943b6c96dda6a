# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module client_files between its arguments and its result, as plain values.

Everything is looked at before anything is written. A file is ours when it begins with our mark;
others are neither replaced nor removed. ``daemon.json`` belongs to others: there only mirrors are
added and removed, and a file beside it remembers which were ours.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple

from ..model.errors import DiskError, InvalidContent, InvalidInput
from ..model.strict_json import parse_object
from ..sync.replacing import replace_file

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "runtime": {"type": "str", "choices": ["podman", "containerd", "docker"], "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
        },
    },
    "owned": {"type": "list", "elements": "str", "default": []},
    "replace": {"type": "bool", "default": False},
    "docker": {
        "type": "dict",
        "options": {
            "config": {"type": "path", "required": True},
            "mirrors": {"type": "list", "elements": "str", "required": True},
        },
    },
    "containerd": {
        "type": "dict",
        "options": {
            "config": {"type": "path", "required": True},
            "folder": {"type": "path", "required": True},
        },
    },
}
_OURS = b"# Written by the role imagesync.registry.client"
_MIRRORS = "registry-mirrors"
#: who reads its files once and again on a signal; containerd and Podman read theirs each time
_SERVICES = {"podman": "crio", "docker": "docker"}
#: of configuration that people write
_LARGEST = 4 << 20
_SECTION = re.compile(r"^\s*\[(.*)\]\s*(?:#.*)?$")
_CONFIG_PATH = re.compile(r"""^\s*config_path\s*=\s*(?:'([^']*)'|"([^"]*)")""")
#: containerd's docs/hosts.md, "CRI": of versions 1 and 2
_CRI = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images")


#: runs a program, as AnsibleModule.run_command does: its return code, output and errors
Run = Callable[[list[str]], tuple[int, str, str]]


class Change(NamedTuple):
    """A file as it was and is to be; None: it isn't there. ``shown``: what a diff may show."""

    path: str
    before: bytes | None
    after: bytes | None
    shown: tuple[str, str] | None = None


def client_files(parameters: Mapping[str, Any], check_mode: bool, run: Run) -> dict[str, Any]:
    """The result of a call. Raises ImageSyncError."""
    changes = _of_files(parameters["files"], parameters["replace"])
    wanted = {change.path for change in changes}
    changes += _left_over(parameters["owned"], wanted)
    docker, containerd = parameters.get("docker"), parameters.get("containerd")
    if docker:
        changes += _of_docker(docker["config"], docker["mirrors"])
    changes = [change for change in changes if change.before != change.after]
    if not check_mode:
        for change in changes:
            _apply(change)
    return {
        "changed": bool(changes),
        "written": [change.path for change in changes if change.after is not None],
        "removed": [change.path for change in changes if change.after is None],
        "running": _running(_SERVICES.get(parameters["runtime"], ""), run) if changes else "",
        "diff": [_diff(change) for change in changes],
        "warnings": _unread(containerd, run) if containerd else [],
    }


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            found = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror or error}") from None
    if len(found) > _LARGEST:
        raise InvalidInput(f"{path} is larger than any configuration")
    return found


def _of_files(files: Iterable[Mapping[str, str]], replace: bool) -> list[Change]:
    found = []
    for file in files:
        before = _read(file["path"])
        if before is not None and not before.startswith(_OURS) and not replace:
            raise InvalidInput(
                f"{file['path']} is there, and wasn't written by this role; it is left alone. "
                "Move it away, or set client_replace: true to have it replaced"
            )
        found.append(Change(file["path"], before, file["content"].encode()))
    return found


def _left_over(patterns: Iterable[str], wanted: Iterable[str]) -> list[Change]:
    """What we wrote and nobody wants any more, as for a registry that is no longer mirrored."""
    paths = {path for pattern in patterns for path in glob.glob(pattern)}
    found = [Change(path, _read(path), None) for path in sorted(paths.difference(wanted))]
    return [one for one in found if one.before is not None and one.before.startswith(_OURS)]


def _apply(change: Change) -> None:
    # a link stays one
    path = os.path.realpath(change.path)
    try:
        if change.after is None:
            os.unlink(change.path)
            _remove_empty(os.path.dirname(change.path))
            return
        _make_folder(os.path.dirname(path))
        replace_file(path, change.after)
        if change.before is None:
            os.chmod(path, 0o644)  # whatever the umask: runtimes of users read it as well
    except OSError as error:
        raise DiskError(f"{change.path}: {error.strerror or error}") from None


def _make_folder(path: str) -> None:
    if path and not os.path.isdir(path):
        _make_folder(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)


def _remove_empty(folder: str) -> None:
    """That of a registry, which is of no use without what was in it; never that of all of them."""
    if os.path.basename(os.path.dirname(folder)) == "certs.d" and not os.listdir(folder):
        os.rmdir(folder)


def _diff(change: Change) -> dict[str, str]:
    before, after = change.shown or (_text(change.before), _text(change.after))
    return {
        "before_header": change.path,
        "after_header": change.path,
        "before": before,
        "after": after,
    }


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")


def _running(service: str, run: Run) -> str:
    """The service, if systemd says that it runs; "" also where there is no systemd."""
    program = shutil.which("systemctl")
    if not service or not program:
        return ""
    code, _out, _errors = run([program, "is-active", "--quiet", f"{service}.service"])
    return service if code == 0 else ""


# Docker


def _of_docker(path: str, mirrors: list[str]) -> list[Change]:
    """``daemon.json`` with these mirrors before those of others, and what remembers them."""
    beside = f"{path}.imagesync"
    raw, remembered = _read(path), _read(beside)
    if remembered is None and not mirrors:
        return []
    known = parse_object(remembered, beside) if remembered else {}
    config = _config(raw, path)
    given = _mirrors(config.get(_MIRRORS, []), f"{path}: {_MIRRORS}")
    earlier = _mirrors(known.get(_MIRRORS, []), beside)
    others = [one for one in given if one.rstrip("/") not in earlier]
    ours = [one for one in mirrors if one not in {other.rstrip("/") for other in others}]
    created = bool(known.get("created")) if remembered else raw is None
    after = _merged(config, [*ours, *others])
    content = raw if after == config else _json(after)
    if not after and created:
        content = None
    memory = _json({_MIRRORS: ours, "created": created}) if mirrors else None
    shown = (_json({_MIRRORS: given}).decode(), _json({_MIRRORS: [*ours, *others]}).decode())
    return [Change(path, raw, content, shown), Change(beside, remembered, memory)]


def _config(raw: bytes | None, path: str) -> dict[str, Any]:
    try:
        return parse_object(raw, path) if raw and raw.strip() else {}
    except InvalidContent as error:
        raise InvalidInput(f"{error}; it is left alone") from None


def _merged(config: Mapping[str, Any], mirrors: list[str]) -> dict[str, Any]:
    if mirrors:
        return {**config, _MIRRORS: mirrors}
    if config.get(_MIRRORS) == []:
        return dict(config)
    return {key: value for key, value in config.items() if key != _MIRRORS}


def _mirrors(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidInput(f"{what} isn't a list of addresses; it is left alone")
    return value


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


# containerd


def _unread(containerd: Mapping[str, str], run: Run) -> list[str]:
    """A warning, if containerd's CRI plugin doesn't read the folder; nothing if nobody can tell."""
    text = _containerd_config(containerd["config"], run)
    folder = containerd["folder"]
    if text is None or folder in _config_paths(text):
        return []
    return [
        f"containerd doesn't read {folder} for Kubernetes: set config_path to it in "
        f"{containerd['config']}, in the section "
        '[plugins."io.containerd.cri.v1.images".registry] (containerd 1: '
        '[plugins."io.containerd.grpc.v1.cri".registry]), and restart containerd once'
    ]


def _containerd_config(path: str, run: Run) -> str | None:
    """As containerd itself sees it, with what it imports and its defaults; else the file."""
    program = shutil.which("containerd")
    if program:
        code, told, _errors = run([program, "--config", path, "config", "dump"])
        if code == 0:
            return told
    raw = _read(path)
    return None if raw is None else _text(raw)


def _config_paths(text: str) -> list[str]:
    """The folders that containerd's CRI plugin looks into."""
    section = ""
    for line in text.splitlines():
        header = _SECTION.match(line)
        if header:
            section = re.sub(r"[\"'\s]", "", header[1])
            continue
        found = _CONFIG_PATH.match(line)
        if found and section in {f"plugins.{name}.registry" for name in _CRI}:
            paths = found[1] or found[2] or ""
            return [path.rstrip("/") for path in paths.split(":")]
    return []
