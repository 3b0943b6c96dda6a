# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the API of a Kubernetes cluster: pods, as a real one lists them.

Answers have the shape of those of Kubernetes 1.31 (PodList, Status): with TLS, a bearer token,
namespaces that it may list, pages (limit, continue) and field selectors on the phase.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from .certificates import Certificates
from .servers import Handler, LocalServer

TOKEN = "canary-eyJhbGciOiJSUzI1NiJ9.c3lzdGVtOnNlcnZpY2VhY2NvdW50.s1gN4tuR3"
ACCOUNT = "system:serviceaccount:mirror:on-the-fly"
#: what the specification of a pod may hold, and nobody is to see
SECRET = "canary-in-a-variable-of-a-pod-5521"
_VERSION = "184467"
_PODS = re.compile(r"/api/v1/(?:namespaces/([a-z0-9-]+)/)?pods")
#: what clients ask before anything else, to find out what the API has
_DISCOVERY: dict[str, dict[str, Any]] = {
    "/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.4", "platform": "linux/amd64"},
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "pods",
                "singularName": "pod",
                "namespaced": True,
                "kind": "Pod",
                "verbs": ["get", "list", "watch"],
                "shortNames": ["po"],
            }
        ],
    },
}
_CREATED = "2026-01-02T03:04:05Z"


def pod(
    name: str,
    *images: str,
    reason: str = "ImagePullBackOff",
    kind: str = "containers",
    phase: str = "Pending",
) -> dict[str, Any]:
    """A pod whose containers of this kind wait for these images; "" for one that runs."""
    containers = [_container(f"c{number}", image) for number, image in enumerate(images)]
    statuses = [_status(one, reason) for one in containers]
    own = "containerStatuses" if kind == "containers" else f"{kind[:-1]}Statuses"
    return {
        "metadata": {
            "name": name,
            "generateName": f"{name}-",
            "uid": "7c3ad0d4-6f0c-4c34-9d7c-0f5a3cbd5c5e",
            "resourceVersion": _VERSION,
            "creationTimestamp": _CREATED,
            "labels": {"app": name, "pod-template-hash": "7d9c8b6f5"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "apiVersion": "v1"}],
        },
        "spec": {
            kind: containers,
            "restartPolicy": "Always",
            "nodeName": "node-1",
            "serviceAccountName": "default",
            "imagePullSecrets": [{"name": "mirror"}],
        },
        "status": {
            "phase": phase,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "lastProbeTime": None,
                    "lastTransitionTime": _CREATED,
                    "reason": "ContainersNotReady",
                    "message": "containers with unready status",
                }
            ],
            "hostIP": "192.0.2.10",
            "podIP": "192.0.2.77",
            "startTime": _CREATED,
            own: statuses,
            "qosClass": "BestEffort",
        },
    }


def _container(name: str, image: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "env": [{"name": "DATABASE_PASSWORD", "value": SECRET}],
        "resources": {},
        "volumeMounts": [
            {
                "name": "kube-api-access-x7k2p",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            }
        ],
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
    }


def _status(container: Mapping[str, Any], reason: str) -> dict[str, Any]:
    image = container["image"]
    waiting = {"reason": reason, "message": f'Back-off pulling image "{image}"'}
    running = {"startedAt": _CREATED}
    return {
        "name": container["name"],
        "state": {"waiting": waiting} if reason else {"running": running},
        "lastState": {},
        "ready": not reason,
        "restartCount": 0,
        "image": image,
        "imageID": "" if reason else f"{image}@sha256:{'0' * 64}",
        "started": not reason,
    }


class KubernetesApi(LocalServer):
    """The API server. ``pods``: by namespace; ``forbidden``: namespaces that may not be listed.

    No more than ``page_size`` pods are listed at once, whatever was asked for. ``expired``: a
    ``continue`` is answered as one that is too old.
    """

    def __init__(self, tls: Certificates, pods: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        super().__init__(_ApiHandler, tls)
        self.pods = self.placed(pods)
        self.forbidden: set[str] = set()
        self.page_size = 500
        self.expired = False

    @staticmethod
    def placed(pods: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
        """The pods of each namespace, which know that they are in it."""
        return {
            namespace: [
                {**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in found
            ]
            for namespace, found in pods.items()
        }

    def answer(self, path: str, query: str, authorization: str | None) -> tuple[int, Any]:
        """The status and the body."""
        if authorization != f"Bearer {TOKEN}":
            return _refusal(401, "Unauthorized", "Unauthorized")
        if path in _DISCOVERY:
            return 200, _DISCOVERY[path]
        found = _PODS.fullmatch(path)
        if found is None:
            return _refusal(404, "NotFound", "the server could not find the requested resource")
        namespace = found.group(1)
        if namespace in self.forbidden or (namespace is None and self.forbidden):
            where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
            return _refusal(
                403,
                "Forbidden",
                f'pods is forbidden: User "{ACCOUNT}" cannot list resource "pods" in API group "" '
                f"{where}",
            )
        wanted = list(self.pods) if namespace is None else [namespace]
        pods = [one for name in wanted for one in self.pods.get(name, [])]
        return self._page(pods, {key: values[-1] for key, values in parse_qs(query).items()})

    def _page(self, pods: list[dict[str, Any]], asked: Mapping[str, str]) -> tuple[int, Any]:
        for selector in filter(None, asked.get("fieldSelector", "").split(",")):
            field, differs, phase = selector.partition("!=")
            if (field, differs) != ("status.phase", "!="):
                return _refusal(400, "BadRequest", f"field label not supported: {field}")
            pods = [one for one in pods if one["status"]["phase"] != phase]
        start = 0
        if "continue" in asked:
            if self.expired:
                return _refusal(410, "Expired", "The provided continue parameter is too old")
            start = json.loads(base64.urlsafe_b64decode(asked["continue"]))["start"]
        size = min(int(asked.get("limit") or self.page_size), self.page_size)
        metadata: dict[str, Any] = {"resourceVersion": _VERSION}
        if start + size < len(pods):
            token = {"v": "meta.k8s.io/v1", "rv": int(_VERSION), "start": start + size}
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps(token).encode()).decode()
        items = pods[start : start + size]
        return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}


def _refusal(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


class _ApiHandler(Handler):
    """One connection to it."""

    def __init__(self, owner: KubernetesApi, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        status, body = self.owner.answer(
            record.path, record.query, self.headers.get("Authorization")
        )
        record.status = status
        data = json.dumps(body).encode()
        length = ("Content-Length", str(len(data)))
        self.send_head(status, [("Content-Type", "application/json"), length])
        self.wfile.write(data)
        self.owner.end()
