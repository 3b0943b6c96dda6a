# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_images
short_description: The images that Kubernetes pods can't pull from a mirror, as entries for image_sync
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Finds the containers that wait with C(ErrImagePull) or C(ImagePullBackOff) for an image under the mirror, and makes the
    entries for M(imagesync.registry.image_sync) that put these images there. Containers of all kinds are looked at, and
    images that such a container mounts as volumes.
  - What isn't under the mirror is passed over, and so is what is no image reference.
  - What is pulled by a digest is mirrored by that digest, without its tag, so that no pod says what a tag names.
    An image without a tag means C(latest), as it does to Kubernetes.
  - An image under the mirror whose source can't be told, or isn't allowed, is left out with a warning.
  - Whoever may create pods writes these images, and so chooses what is asked for, within O(upstreams) and O(allowed), with
    the logins of the host that mirrors. Say with O(allowed) what may be taken. Use O(imagesync.registry.image_sync#module:existing=keep)
    as well, since a pod also waits so for an image that is there and that it may not pull.
positional: _input, mirror_destination, mirror_path, upstreams, allowed
options:
  _input:
    description: >-
      Pods, as M(kubernetes.core.k8s_info) returns them (C(resources)), or as the API does (C(items)); a list of pods, or of
      such results.
    type: raw
    required: true
  mirror_destination:
    description: Where the mirror is, as for the role P(imagesync.registry.mirror#role).
    type: str
    required: true
  mirror_path:
    description:
      - How the mirror makes the path of an image from its source, as for the role. It is undone to find the source.
      - V({registry}/{repository}) tells all that is needed. V({repository}) leaves out the registry, which O(upstreams) has to
        say then. Without any O(upstreams) that is an error, as soon as there is an image to be found.
    type: str
    default: "{repository}"
  upstreams:
    description:
      - Where images are from, by how their paths under the mirror begin. The longest that fits is taken, whole parts of the
        path only; an empty one fits all.
      - The value is a registry. O(mirror_path) is undone for it; where it can't have made such a path, the registry takes
        the place of the beginning of the path. With V({repository}), C(prometheus) to C(quay.io) means that
        C(prometheus/node-exporter) is C(quay.io/prometheus/node-exporter). With V({registry}/{repository}), C(quay) to
        C(quay.io) means that C(quay/prometheus/node-exporter) is.
      - A value with a path, as C(docker.io/library), takes the place of the beginning of the path always.
    type: dict
  allowed:
    description:
      - The registries, or paths there, that images may be taken from, as C(quay.io) or C(docker.io/library). What
        O(upstreams) names is allowed as well.
      - V(*) stands for all registries but the mirror's own, addresses, and names that are only known inside a network.
      - If it isn't given, everything is allowed.
    type: list
    elements: str
seealso:
  - module: imagesync.registry.image_sync
  - module: kubernetes.core.k8s_info
"""

EXAMPLES = r"""
---
- name: Look at the pods
  kubernetes.core.k8s_info:
    kind: Pod
    namespace: shop
  register: pods

- name: Mirror what they can't pull
  imagesync.registry.image_sync:
    images: >-
      {{ pods | imagesync.registry.missing_images('registry.example.com/mirror', '{registry}/{repository}',
                                                  allowed=['docker.io/library', 'quay.io/prometheus']) }}
    existing: keep

- name: The same where the paths have no registry
  imagesync.registry.image_sync:
    images: >-
      {{ pods | imagesync.registry.missing_images('registry.example.com/mirror', '{repository}',
                                                  {'library': 'docker.io', 'prometheus': 'quay.io'}) }}
    existing: keep
"""

RETURN = r"""
_value:
  description: Entries with C(source) and C(destination), each destination once, in the order of the pods.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError
from ansible_collections.imagesync.registry.plugins.module_utils.model.path_template import (
    DEFAULT_PATH,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.discovery import missing

#: of images that aren't taken; of the others only their number is told
_SAID = 5


def missing_images(
    pods: Any,
    mirror_destination: Any,
    mirror_path: Any = DEFAULT_PATH,
    upstreams: Any = None,
    allowed: Any = None,
) -> Any:
    """See DOCUMENTATION."""
    try:
        found = missing.missing_images(pods, mirror_destination, mirror_path, upstreams, allowed)
    except ImageSyncError as error:
        raise AnsibleFilterError(f"missing_images: {error}") from error
    for image, why in list(found.left_out.items())[:_SAID]:
        Display().warning(f"{image} can't be pulled, and isn't mirrored: {why}")
    if len(found.left_out) > _SAID:
        Display().warning(f"{len(found.left_out) - _SAID} more images aren't mirrored either")
    return found.entries


class FilterModule:
    """See DOCUMENTATION."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"missing_images": missing_images}
