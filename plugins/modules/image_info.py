#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Look at container images on a registry
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Tells digest, size, platforms, labels and more of images, reading manifests and configs, never layers.
extends_documentation_fragment:
  - imagesync.registry._attributes
  - imagesync.registry._attributes.info_module
  - imagesync.registry._connection
  - imagesync.registry._connection.limits
options:
  images:
    description:
      - The images to look at, as references with a tag or a digest, or on the host's disk, as
        O(imagesync.registry.image_sync#module:source) has them.
    type: list
    elements: str
    required: true
  referrers:
    description: Whether to list the signatures, SBOMs and other artifacts that refer to the image.
    type: bool
    default: false
  signed_by:
    description:
      - Public keys, as PEM or as paths of files on the host that the task runs on. RV(images[].verified) says which of
        them have signed the image. See O(imagesync.registry.image_sync#module:signed_by) for what counts.
      - It is no error that none has. That signatures can't be read is one.
    type: list
    elements: str
requirements:
  - cryptography >= 3.3, for O(signed_by)
seealso:
  - module: imagesync.registry.image_sync
  - name: Authentication
    description: Where logins are looked for, and what a 401 means.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/authentication.md
"""

EXAMPLES = r"""
---
- name: Look at two images
  imagesync.registry.image_info:
    images:
      - registry.example.com/mirror/busybox:1.36
      - registry.example.com/mirror/nginx:1.27
  register: found

- name: Fail unless both are there for arm64
  ansible.builtin.assert:
    that:
      - found.images | rejectattr('exists') | length == 0
      - "'linux/arm64/v8' in (item.platforms | map(attribute='platform'))"
  loop: "{{ found.images }}"
  loop_control:
    label: "{{ item.image }}"
"""

RETURN = r"""
images:
  description: One entry for each image, in the order asked.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The reference in full form.
      type: str
      returned: always
    exists:
      description: Whether it is there. If not, there are no further fields.
      type: bool
      returned: always
    id:
      description: The image by digest.
      type: str
      returned: when it exists
      sample: registry.example.com/mirror/busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7
    digest:
      description: The digest.
      type: str
      returned: when it exists
    media_type:
      description: Type of the manifest or index.
      type: str
      returned: when it exists
    size:
      description: Bytes of all blobs of all platforms, compressed as they are, each counted once.
      type: int
      returned: when it exists
    platforms:
      description: The platforms.
      type: list
      elements: dict
      returned: when it exists
      contains:
        platform:
          description: Its name.
          type: str
          sample: linux/arm64/v8
        digest:
          description: The digest of its own manifest.
          type: str
        size:
          description: Bytes of its blobs.
          type: int
    created:
      description: When it was made, as the config of its first platform says, else its annotation.
      type: str
      returned: when it exists
    labels:
      description: The labels of its first platform.
      type: dict
      returned: when it exists
    annotations:
      description: The annotations of the manifest or index.
      type: dict
      returned: when it exists
    referrers:
      description: The artifacts that refer to the image.
      type: list
      elements: dict
      returned: when it exists and O(referrers=true)
      contains:
        artifact_type:
          description: The kind of artifact.
          type: str
        digest:
          description: Its digest.
          type: str
    verified:
      description: The fingerprints of those of the keys that have signed the digest, in their order.
      type: list
      elements: str
      returned: when it exists and O(signed_by) is given
      sample: ["sha256:2a5d6c4f0f7d9c0d0d3bd1d1c6b0a8b8f3e3a2c1c0b9a8978685746352413029"]
requests:
  description: Number of requests for each registry.
  returned: success
  type: dict
credentials:
  description:
    - For each registry the kind of place where its login was found, never what it gave. V(options), V(auth_file),
      V(REGISTRY_AUTH_FILE), V(podman), V(docker), V(helper), V(google), V(ecr) or V(anonymous).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_info import (
    ARGUMENT_SPEC,
    image_info,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.module import run


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run(module, lambda m: image_info(m.params))


if __name__ == "__main__":
    main()
