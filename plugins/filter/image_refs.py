# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: image_refs
short_description: The images that Kubernetes objects, Compose files or Helm values name
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Lists the images in data, so that what is deployed is what is mirrored.
  - >-
    These are images: text under the key C(image), wherever it is, or directly in a list there; the C(image.reference) of
    a Kubernetes volume; and a mapping with C(repository), and C(tag) or C(digest), with or without C(registry), as Helm
    values have it. A mapping with C(registry) and C(tag) or C(digest) may call its repository C(image), as the chart of
    ingress-nginx does.
  - What is no reference, as C(${REGISTRY}/app) or an empty text, is left out. A mapping with an empty tag and no digest
    is too, for its chart chooses the tag. A tag that YAML has read as a number with a point is an error, since V(1.20)
    has become C(1.2) by then; an integer is fine.
positional: _input, keys
options:
  _input:
    description: Data, a mapping or a list. YAML text must go through C(from_yaml) or C(from_yaml_all) first.
    type: raw
    required: true
  keys:
    description:
      - More keys that hold an image as text, beside C(image), as C(baseImage) in a custom resource.
    type: list
    elements: str
    default: []
seealso:
  - plugin: imagesync.registry.pin_images
    plugin_type: filter
  - module: imagesync.registry.image_sync
  - name: Deploy by digest
    description: Kubernetes, Compose, Helm and Podman, pinned to what was mirrored.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/deploy-by-digest.md
"""

EXAMPLES = r"""
---
- name: Show what a Compose file needs
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'compose.yml') | from_yaml | imagesync.registry.image_refs }}"

- name: Mirror what the manifests need
  ansible.builtin.include_role:
    name: imagesync.registry.mirror
  vars:
    mirror_destination: registry.example.com/mirror
    mirror_images: "{{ objects | imagesync.registry.image_refs(keys=['baseImage']) }}"
    objects: "{{ lookup('ansible.builtin.file', 'deployment.yml') | from_yaml_all }}"
"""

RETURN = r"""
_value:
  description: >-
    References in full form, as C(docker.io/library/nginx:1.27), each once, in the order in which they appear.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError
from ansible_collections.imagesync.registry.plugins.plugin_utils.pinning import pinning


def image_refs(data: Any, keys: Any = ()) -> Any:
    """See DOCUMENTATION."""
    try:
        return pinning.image_refs(data, keys)
    except ImageSyncError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """See DOCUMENTATION."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"image_refs": image_refs}
