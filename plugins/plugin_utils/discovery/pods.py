# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that containers of Kubernetes pods can't pull.

The shapes are those of the API (Pod v1 core: PodSpec, PodStatus, ContainerStatus). Who may create
pods writes most of what is in them; so whatever is of another shape inside a pod counts as nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import clean
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import kind

#: what the kubelet gives as the reason why a container waits: at once, and between its tries
REASONS = ("ErrImagePull", "ImagePullBackOff")
#: where the lists of pods are: k8s_info, the API, a loop's results, ansible.builtin.uri
_LISTS = ("resources", "items", "results", "json")
_CONTAINERS = (
    ("initContainers", "initContainerStatuses"),
    ("containers", "containerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
_DEEPEST = 5


def failing_images(data: Any) -> Iterator[str]:
    """The images, as the pods write them, in their order. Raises InvalidInput for no pods."""
    for pod in _pods(data, 0):
        spec, status = _mapping(pod.get("spec")), _mapping(pod.get("status"))
        for containers, statuses in _CONTAINERS:
            specs = {name: one for one in _each(spec, containers) if (name := _name(one))}
            for one in _each(status, statuses):
                if _reason(one) in REASONS:
                    yield from _images(one, specs.get(_name(one)), spec)


def _pods(data: Any, depth: int) -> Iterator[Mapping[Any, Any]]:
    if depth > _DEEPEST:
        raise InvalidInput("the pods are nested too deep")
    if isinstance(data, (list, tuple)):
        for one in data:
            yield from _pods(one, depth + 1)
        return
    if not isinstance(data, Mapping):
        raise InvalidInput(
            "pods are wanted, as kubernetes.core.k8s_info returns them, or the answer of the "
            f"Kubernetes API, not {kind(data)[:200]}"
        )
    if "spec" in data or isinstance(data.get("status"), Mapping):  # uri calls a number so
        if data.get("kind", "Pod") == "Pod":
            yield data
        return
    key = next((key for key in _LISTS if key in data), None)
    if key is None:
        keys = clean(", ".join(map(str, list(data)[:10])), 200)
        raise InvalidInput(f"this mapping has no pods: neither resources nor items, but {keys}")
    if data[key] is not None:  # Go's empty list
        yield from _pods(data[key], depth + 1)


def _images(
    status: Mapping[Any, Any], container: Mapping[Any, Any] | None, spec: Mapping[Any, Any]
) -> Iterator[str]:
    """What the container needs: its image, and those that it mounts as volumes.

    Its status calls the image as the runtime does; what is pulled is what its specification says.
    """
    image = (container or status).get("image")
    if isinstance(image, str):
        yield image
    mounted = {_name(mount) for mount in _each(container or {}, "volumeMounts")}
    for volume in _each(spec, "volumes") if mounted else ():
        reference = _mapping(volume.get("image")).get("reference")
        if _name(volume) in mounted and isinstance(reference, str):
            yield reference


def _reason(status: Mapping[Any, Any]) -> str:
    return _text(_mapping(_mapping(status.get("state")).get("waiting")).get("reason"))


def _name(value: Mapping[Any, Any]) -> str:
    return _text(value.get("name"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _each(value: Mapping[Any, Any], key: str) -> list[Mapping[Any, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
