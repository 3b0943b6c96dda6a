# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pin_images
short_description: Pin the images in Kubernetes objects, Compose files or Helm values by digest
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Replaces each image that O(ids) knows by its id, C(registry/repository@sha256:...), so that what is deployed is what
    the mirror holds. Tags may move, ids don't.
  - >-
    These are images: text under the key C(image), wherever it is, or directly in a list there; the C(image.reference) of
    a Kubernetes volume; and a mapping with C(repository), and C(tag) or C(digest), with or without C(registry), as Helm
    values have it. A mapping with C(registry) and C(tag) or C(digest) may call its repository C(image), as the chart of
    ingress-nginx does.
  - Such a mapping gets the C(digest) of the id, and its repository and registry where they are others. Its C(tag) stays,
    for people. The chart must take C(digest) into account, most do. A tag that YAML has read as a number with a point is
    an error, since V(1.20) has become C(1.2) by then; an integer is fine.
  - What is no reference, as C(${REGISTRY}/app) or an empty text, is treated like an image that isn't known. A mapping
    with an empty tag and no digest is too, for its chart chooses the tag.
  - The input isn't changed, and the order of its keys is kept. To pin what is pinned already changes nothing.
positional: _input, ids, missing, keys
options:
  _input:
    description: Data, a mapping or a list. YAML text must go through C(from_yaml) or C(from_yaml_all) first.
    type: raw
    required: true
  ids:
    description:
      - Ids by their references, as the fact C(mirror_ids) of the role P(imagesync.registry.mirror#role). C(nginx:1.27) and
        C(docker.io/library/nginx:1.27) are the same, and C(nginx) is C(nginx:latest).
      - Or the content of a lock, as O(imagesync.registry.image_sync#module:lock_file) has it. Then both the sources and
        the destinations are known, and lead to the digest at the destination. A source that was mirrored to several
        destinations is an error where it occurs.
      - An image by digest is known when the digest is that of an id that any tag of its repository leads to; what a tag
        beside the digest leads to doesn't matter then.
    type: dict
    required: true
  missing:
    description:
      - What to do about an image that isn't known. V(keep) leaves it as it is. V(error) fails, and names all of them by
        where they are in the data, as C(spec.containers[0].image).
    type: str
    choices: [keep, error]
    default: keep
  keys:
    description:
      - More keys that hold an image as text, beside C(image), as C(baseImage) in a custom resource.
    type: list
    elements: str
    default: []
seealso:
  - plugin: imagesync.registry.image_refs
    plugin_type: filter
  - plugin: imagesync.registry.image_digest
    plugin_type: lookup
  - name: Deploy by digest
    description: Kubernetes, Compose, Helm and Podman, pinned to what was mirrored.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/deploy-by-digest.md
"""

EXAMPLES = r"""
---
- name: Deploy what was mirrored, and nothing else
  kubernetes.core.k8s:
    definition: "{{ objects | imagesync.registry.pin_images(mirror_ids, missing='error') }}"
  vars:
    objects: "{{ lookup('ansible.builtin.file', 'deployment.yml') | from_yaml_all }}"

- name: Write a Compose file that is pinned by a lock
  ansible.builtin.copy:
    content: "{{ compose | imagesync.registry.pin_images(lock) | to_nice_yaml(sort_keys=false) }}"
    dest: "{{ project_folder }}/compose.yml"
    mode: "0644"
  vars:
    compose: "{{ lookup('ansible.builtin.file', 'compose.yml') | from_yaml }}"
    lock: "{{ lookup('ansible.builtin.file', 'mirror.lock.json') | from_json }}"

- name: Install a chart with pinned images
  kubernetes.core.helm:
    name: web
    chart_ref: ./charts/web
    release_namespace: web
    release_values: "{{ values | imagesync.registry.pin_images(mirror_ids, keys=['initImage']) }}"
  vars:
    values: "{{ lookup('ansible.builtin.file', 'values.yml') | from_yaml }}"
"""

RETURN = r"""
_value:
  description: The data with pinned images.
  type: raw
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError
from ansible_collections.imagesync.registry.plugins.plugin_utils.pinning import pinning


def pin_images(data: Any, ids: Any, missing: Any = "keep", keys: Any = ()) -> Any:
    """See DOCUMENTATION."""
    try:
        return pinning.pin_images(data, ids, missing, keys)
    except ImageSyncError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """See DOCUMENTATION."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"pin_images": pin_images}
