# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be written on a node, from its variables: all of it checked before anything is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    DOCKER_HUB,
    parse_reference,
    without_login,
)

from ..mirror import choosing, entries
from ..mirror.files import base_folder, full_path
from ..mirror.gates import Load, load_yaml
from ..mirror.images_dir import all_written
from ..mirror.names import did_you_mean, is_list_of_images
from ..mirror.places import Place, read_place
from ..mirror.values import text, text_list
from .connections import Connections, flag
from .routes import Routes, find_routes
from .toml import MARK

#: as they may be written, and the files that they read
RUNTIMES = {"podman": "podman", "crio": "podman", "cri-o": "podman"} | {
    name: name for name in ("containerd", "docker")
}
PATHS = {
    "registries_conf_dir": "/etc/containers/registries.conf.d",
    "podman_certs_dir": "/etc/containers/certs.d",
    "containerd_certs_dir": "/etc/containerd/certs.d",
    "containerd_config": "/etc/containerd/config.toml",
    "docker_config": "/etc/docker/daemon.json",
    "docker_certs_dir": "/etc/docker/certs.d",
}
_STATES = ("present", "absent")


class Node(NamedTuple):
    """All that the files are made of. ``ca``: PEM text, "" for none.

    ``assumed``: whether nothing says which registries are mirrored, so that it is Docker's.
    """

    runtimes: tuple[str, ...]
    state: str
    mirror: str
    routes: Routes
    connections: Connections
    fallback: bool
    ca: str
    replace: bool
    paths: dict[str, str]
    assumed: bool = False


def read_node(
    variables: Mapping[str, Any], facts: Mapping[str, Any], logins: Any, load: Load = load_yaml
) -> Node:
    """From the role's variables, templated; raises InvalidInput with a line per problem.

    ``facts``: what Ansible says of the host. ``logins``: see Connections. ``load``: reads a file of
    YAML.
    """
    problems: list[str] = []
    runtimes = _collected(problems, _runtimes, variables.get("client_runtimes")) or ()
    state = str(variables.get("client_state") or "present")
    if state not in _STATES:
        problems.append(f"client_state must be one of {', '.join(_STATES)}, not {state!r}")
    paths = _collected(problems, _paths, variables) or {}
    mirror, routes = "", Routes((), (), (), (), False, False, ())
    where = None
    if state == "present":
        where = _collected(problems, _place, variables)
    assumed = where is not None and not _says_what(variables)
    if assumed:
        variables = {**variables, "client_upstreams": [DOCKER_HUB]}
    if where is not None:
        mirror = where.root
        items = _items(variables, base_folder(facts), where, load, problems)
        if not problems:
            routes = _collected(problems, _routes, items, where, variables) or routes
    host = mirror.partition("/")[0]
    connections = _collected(problems, Connections, host, variables, logins)
    fallback = _collected(problems, flag, variables.get("client_fallback"), "client_fallback")
    replace = _collected(problems, flag, variables.get("client_replace"), "client_replace")
    ca = _collected(problems, _ca, variables.get("client_ca_file"), base_folder(facts))
    if problems or connections is None:
        raise InvalidInput("\n".join(problems))
    allowed = fallback is not False
    return Node(
        runtimes,
        state,
        mirror,
        routes,
        connections,
        allowed,
        ca or "",
        bool(replace),
        paths,
        assumed,
    )


def _collected(problems: list[str], read: Any, *values: Any) -> Any:
    try:
        return read(*values)
    except InvalidInput as error:
        problems.append(str(error))
        return None


def _runtimes(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):  # as -e client_runtimes=podman,docker gives it
        value = [word.strip() for word in value.split(",") if word.strip()]
    if value is None:
        raise InvalidInput(
            "client_runtimes isn't set; it is a list of what pulls images on the host: podman, "
            "cri-o, containerd, docker"
        )
    words = text_list(value, "client_runtimes")
    for word in words:
        if word not in RUNTIMES:
            raise InvalidInput(
                f"client_runtimes: {word!r} is none of podman, cri-o, containerd and docker"
                f"{did_you_mean(word, RUNTIMES)}"
            )
    return tuple(dict.fromkeys(RUNTIMES[word] for word in words))


def _paths(variables: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, default in PATHS.items():
        value = variables.get(f"client_{name}")
        path = text(value, f"client_{name}") if value is not None else default
        if not path.startswith("/"):
            raise InvalidInput(f"client_{name} {path!r} must be an absolute path")
        found[name] = path.rstrip("/") or "/"
    return found


def _place(variables: Mapping[str, Any]) -> Place:
    own = variables.get("client_mirror")
    name = "mirror_destination" if own is None else "client_mirror"
    if variables.get(name) is None:
        raise InvalidInput(
            "mirror_destination isn't set: it is where the mirror is, as in "
            "registry.example.com/mirror (client_mirror, if nodes reach it by another name)"
        )
    try:
        where = read_place(variables[name], variables.get("mirror_path"))
    except InvalidInput as error:
        raise InvalidInput(str(error).replace("mirror_destination", name)) from None
    if where.is_bundle:
        raise InvalidInput(
            f"{name} {where.root!r} is on a disk, and nodes pull from registries; set "
            "client_mirror to the registry that has the images"
        )
    return where


def _says_what(variables: Mapping[str, Any]) -> bool:
    """Whether images are declared, or registries are named."""
    return _declares(variables) or bool(variables.get("client_upstreams"))


def _declares(variables: Mapping[str, Any]) -> bool:
    files = (variables.get(f"mirror_images_{name}") for name in ("file", "dir"))
    return any(is_list_of_images(name) for name in variables) or any(files)


def _items(
    variables: Mapping[str, Any], folder: Path, where: Place, load: Load, problems: list[str]
) -> list[entries.Item]:
    """The images that are mirrored; none, if only ``client_upstreams`` says what is."""
    if not _declares(variables):
        return []
    found = entries.normalise(all_written(variables, folder, load, problems), problems)
    found = choosing.without(found, variables.get("mirror_exclude"), problems)
    declared = str(variables.get("mirror_destination") or "").removeprefix("docker://").rstrip("/")
    return [_seen_by_nodes(item, declared, where.root) for item in found]


def _seen_by_nodes(item: entries.Item, declared: str, root: str) -> entries.Item:
    """With its own destination as nodes write it, where they have another name for the mirror."""
    own = str(item.image.get("destination") or "").removeprefix("docker://")
    if not declared or not own.startswith(f"{declared}/"):
        return item
    return item._replace(image={**item.image, "destination": root + own[len(declared) :]})


def _routes(items: list[entries.Item], where: Place, variables: Mapping[str, Any]) -> Routes:
    words = variables.get("client_upstreams")
    if isinstance(words, str):
        words = [word.strip() for word in words.split(",") if word.strip()]
    upstreams = [
        _registry(word, f"client_upstreams[{n}]")
        for n, word in enumerate(text_list(words or [], "client_upstreams"))
    ]
    found = find_routes(items, where, upstreams, variables)
    if not found.registries:
        raise InvalidInput(
            f"nothing is mirrored from another registry than {where.root.partition('/')[0]}, so "
            "that there is nothing to tell the host"
        )
    return found


def _registry(word: str, name: str) -> str:
    """As it stands in full references: ``docker.io``, however Docker's hub is called."""
    try:
        found = parse_reference(f"{word.strip().rstrip('/')}/a/b")
    except InvalidInput:
        found = None
    if found is None or found.transport or found.repository != "a/b":
        raise InvalidInput(
            f"{name} {without_login(word)!r} is no registry; write it as in docker.io"
        ) from None
    return found.registry


def _ca(value: Any, folder: Path) -> str:
    """The certificates in a file on the controller, with our mark before them."""
    if not value:
        return ""
    path = full_path(folder, text(value, "client_ca_file"))
    name = f"client_ca_file {path}"
    try:
        found = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{name}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is no text: certificates are needed in PEM form") from None
    if "PRIVATE KEY-----" in found:
        raise InvalidInput(f"{name} has a private key in it, which nodes must not get")
    blocks = re.findall(
        r"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----",
        found.replace("\r\n", "\n"),
        re.DOTALL,
    )
    if not blocks:
        raise InvalidInput(f"{name} has no certificate in PEM form")
    return "\n".join([MARK, *blocks, ""])
