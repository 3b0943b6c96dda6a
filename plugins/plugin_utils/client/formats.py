# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each runtime is given: files as they are to be, and the names under which others are ours.

- Podman, CRI-O, Skopeo: containers-registries.conf(5), a drop-in of its own.
- containerd: docs/hosts.md there, a folder for each registry.
- Docker: ``registry-mirrors`` of ``daemon.json`` (dockerd(8)), for Docker Hub alone.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import DOCKER_HUB

from .node import Node
from .routes import Route
from .toml import MARK, Value, quoted, table

#: the address behind the name docker.io; containerd knows it where no server is named
_HUB_ADDRESS = "registry-1.docker.io"
_CA_NAME = "imagesync.crt"
_SHOWN = 5


def planned(node: Node) -> dict[str, dict[str, Any]]:
    """For each runtime the arguments of the module, and ``warnings``.

    Raises InvalidInput, with a line for each runtime that can't be told.
    """
    makers = {"podman": _podman, "containerd": _containerd, "docker": _docker}
    found, problems = {}, []
    for runtime in node.runtimes:
        try:
            found[runtime] = makers[runtime](node)
        except InvalidInput as error:
            problems.append(str(error))
    if problems:
        raise InvalidInput("\n".join(problems))
    for one in list(found.values())[:1] if node.assumed else ():
        one["warnings"].append(
            f"no images are declared for this host, so it is told of {DOCKER_HUB} alone; declare "
            "mirror_images, or set client_upstreams, as in [docker.io, quay.io]"
        )
    return found


def _host(place: str) -> str:
    return place.partition("/")[0]


def _certificates(node: Node, folder: str) -> dict[str, str]:
    """The CA, where runtimes look for that of a host."""
    if not node.ca or node.state == "absent":
        return {}
    return {f"{folder}/{_host(node.mirror)}/{_CA_NAME}": node.ca}


def _result(
    node: Node, files: dict[str, str], owned: list[str], warnings: list[str]
) -> dict[str, Any]:
    if node.state == "present" and node.routes.renamed:
        warnings.append(
            "pulls by tag don't find at the mirror what has another tag there: "
            f"{_some(node.routes.renamed)}"
        )
    return {
        "arguments": {
            "files": [{"path": path, "content": text} for path, text in sorted(files.items())],
            "owned": owned,
            "replace": node.replace,
        },
        "warnings": warnings,
    }


def _some(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


# Podman and CRI-O


def _podman(node: Node) -> dict[str, Any]:
    drop_in = f"{node.paths['registries_conf_dir']}/imagesync.conf"
    folder = node.paths["podman_certs_dir"]
    files = _certificates(node, folder)
    if node.state == "present":
        files[drop_in] = _registries_conf(node)
    return _result(node, files, [drop_in, f"{folder}/*/{_CA_NAME}"], [])


def _registries_conf(node: Node) -> str:
    routes = node.routes.exact()
    if not node.fallback:  # what isn't at the mirror is nowhere, whichever repository it is
        known = {route.prefix for route in routes}
        routes += [Route(name, ()) for name in node.routes.registries if name not in known]
    lines = [MARK]
    for route in sorted(routes):
        own: dict[str, Value] = {"prefix": route.prefix, "location": route.prefix}
        if not node.fallback:
            own["blocked"] = True
        elif node.connections.to(_host(route.prefix)).insecure:
            own["insecure"] = True  # as it may be said elsewhere, where this one takes precedence
        lines += ["", *table("[[registry]]", own)]
        for place in route.locations:
            mirror: dict[str, Value] = {"location": place}
            if node.connections.to(_host(place)).insecure:
                mirror["insecure"] = True
            lines += ["", *table("[[registry.mirror]]", mirror)]
    return "\n".join([*lines, ""])


# containerd


def _containerd(node: Node) -> dict[str, Any]:
    folder = node.paths["containerd_certs_dir"]
    files: dict[str, str] = {}
    warnings: list[str] = []
    if node.state == "present":
        _check_whole(node, "containerd")
        warnings = _doubts(node, "containerd", node.routes.registries)
        for route in node.routes.whole:
            place = f"{folder}/{route.prefix}"
            ca = f"{place}/{_CA_NAME}" if node.ca else ""
            files[f"{place}/hosts.toml"] = _hosts_toml(node, route, ca)
            if ca:
                files[ca] = node.ca
    found = _result(node, files, [f"{folder}/*/{name}" for name in ("hosts.toml", _CA_NAME)], [])
    found["warnings"] += warnings
    if node.state == "present":
        found["arguments"]["containerd"] = {
            "config": node.paths["containerd_config"],
            "folder": folder,
        }
    return found


def _hosts_toml(node: Node, route: Route, ca: str) -> str:
    """With a path of its own a mirror is asked as ``/v2/path/...``, which containerd must be told.

    Without fallback the mirror is the server itself; else containerd asks that last.
    """
    host, _slash, path = route.locations[0].partition("/")
    connection = node.connections.to(host)
    url = f"{connection.scheme}://{host}" + (f"/v2/{path}" if path else "")
    about: dict[str, Value] = {"capabilities": ["pull", "resolve"]}
    if path:
        about["override_path"] = True
    # with either of these, containerd would try plain HTTP only after HTTPS
    if ca and not connection.plain_http:
        about["ca"] = ca
    if not connection.validate_certs and not connection.plain_http:
        about["skip_verify"] = True
    if not node.fallback:
        return "\n".join([MARK, "", *table("", {"server": url, **about}), ""])
    upstream = _HUB_ADDRESS if route.prefix == DOCKER_HUB else route.prefix
    scheme = node.connections.to(upstream).scheme
    lines = table("", {"server": f"{scheme}://{upstream}"})
    return "\n".join([MARK, "", *lines, "", *table(f"[host.{quoted(url)}]", about), ""])


def _check_whole(node: Node, runtime: str) -> None:
    if not node.routes.whole:
        raise InvalidInput(
            f"client_runtimes: {runtime} can be told of registries as a whole only, and with this "
            "mirror_path the place of an image doesn't follow from its registry; let mirror_path "
            "end in /{repository}, as in '{registry}/{repository}'"
        )


def _doubts(node: Node, runtime: str, registries: tuple[str, ...]) -> list[str]:
    """What a runtime that knows registries as a whole only may get wrong."""
    found = []
    if node.routes.shared:
        others = [name for name in node.routes.registries if name != registries[0]]
        found.append(
            f"{runtime} asks the mirror for images of {_some([registries[0], *others])} by the "
            "same path, so that it may get the image of another registry than it was told; a "
            "mirror_path of '{registry}/{repository}' keeps them apart"
        )
    if node.routes.own:
        found.append(
            f"{runtime} doesn't find at the mirror what has a destination of its own: "
            f"{_some(node.routes.own)}"
        )
    return found


# Docker


def _docker(node: Node) -> dict[str, Any]:
    folder, config = node.paths["docker_certs_dir"], node.paths["docker_config"]
    warnings: list[str] = []
    mirrors: list[str] = []
    if node.state == "present":
        mirrors, warnings = _registry_mirrors(node)
    found = _result(node, _certificates(node, folder), [f"{folder}/*/{_CA_NAME}"], [])
    found["warnings"] += warnings
    found["arguments"]["docker"] = {"config": config, "mirrors": mirrors}
    return found


def _registry_mirrors(node: Node) -> tuple[list[str], list[str]]:
    _check_whole(node, "docker")
    others = [name for name in node.routes.registries if name != DOCKER_HUB]
    route = next((one for one in node.routes.whole if one.prefix == DOCKER_HUB), None)
    if route is None:
        raise InvalidInput(
            "client_runtimes: Docker can have a mirror of docker.io only, and what is mirrored is "
            f"from {_some(others)}; take docker out, or write the mirror's own names there"
        )
    host, _slash, path = route.locations[0].partition("/")
    if path:
        raise InvalidInput(
            "client_runtimes: Docker asks a mirror for images by their own path, as in "
            f"{host}/library/busybox, and those of docker.io are below {route.locations[0]}; "
            "mirror them to a registry of their own without a path, or take docker out"
        )
    if not node.fallback:
        raise InvalidInput(
            "client_fallback: Docker always asks docker.io itself for what the mirror doesn't "
            "have; take docker out of client_runtimes, or let a firewall see to it"
        )
    connection = node.connections.to(host)
    warnings = _doubts(node, "docker", (DOCKER_HUB,))
    if others:
        warnings.append(
            f"Docker can have a mirror of docker.io only; images of {_some(others)} are still "
            "pulled from there"
        )
    if not connection.plain_http and not connection.validate_certs:
        warnings.append(
            f"Docker checks the certificate of {host} all the same, unless it stands under "
            "insecure-registries in daemon.json"
        )
    return [f"{connection.scheme}://{host}"], warnings
