# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_reference
short_description: The parts of an image reference
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Takes an image reference apart, as all of this collection does. Docker's short forms are completed, so that V(nginx) is
    C(docker.io/library/nginx:latest). What isn't a reference is an error that says why.
positional: _input
options:
  _input:
    description: An image reference.
    type: str
    required: true
seealso:
  - plugin: imagesync.registry.image_refs
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Show where an image is
  ansible.builtin.debug:
    msg: "{{ parts.repository }} on {{ parts.registry }}"
  vars:
    parts: "{{ 'registry.example.com:5000/team/app:1.2' | imagesync.registry.parse_reference }}"

- name: Show the registries that a deployment needs
  ansible.builtin.debug:
    msg: "{{ images | map('imagesync.registry.parse_reference') | map(attribute='registry') | unique }}"
  vars:
    images: "{{ objects | imagesync.registry.image_refs }}"
    objects: "{{ lookup('ansible.builtin.file', 'deployment.yml') | from_yaml_all }}"
"""

RETURN = r"""
_value:
  description: The parts.
  type: dict
  contains:
    transport:
      description: How the image is reached. V(docker) for one on a registry; V(oci), V(oci-archive) or V(docker-archive) on disk.
      type: str
    registry:
      description: The registry, as V(docker.io) or V(localhost:5000). Null on disk.
      type: str
    repository:
      description: The repository, as V(library/nginx). On disk the folder or file.
      type: str
    tag:
      description: The tag, V(latest) where the reference has neither a tag nor a digest. Null where it has a digest alone. On disk
        the image's whole name there, or null.
      type: str
    digest:
      description: The digest, or null.
      type: str
    name:
      description: Registry and repository, as V(docker.io/library/nginx). On disk as V(oci:/srv/bundle).
      type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError
from ansible_collections.imagesync.registry.plugins.plugin_utils.pinning import pinning


def parse_reference(reference: Any) -> Any:
    """See DOCUMENTATION."""
    try:
        return pinning.reference_fields(reference)
    except ImageSyncError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """See DOCUMENTATION."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"parse_reference": parse_reference}
