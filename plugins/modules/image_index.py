#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_index
short_description: Make one multi-platform image of images that are there
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Makes an index (a manifest list) of images that were built and pushed for one platform each, so that one tag serves all
    of these platforms. What C(docker manifest) and C(docker buildx imagetools create) do, by calls of the registry alone.
  - The platform of each image is read from its config. The same images in the same order make the same index, byte by
    byte, and where the tag names it already nothing is written.
  - The tag moves last. Where anything fails it stays as it was.
extends_documentation_fragment:
  - imagesync.registry._attributes
  - imagesync.registry._connection
  - imagesync.registry._connection.limits
attributes:
  check_mode:
    support: full
    details:
      - Makes the index, and sends not one request that writes.
  diff_mode:
    support: full
    details:
      - Shows the digest of each platform before and after.
  idempotent:
    support: full
options:
  image:
    description:
      - The index, as a reference with a tag.
    type: str
    required: true
  manifests:
    description:
      - The images that it is made of, as references, in the order that the index is to have.
      - They are on the registry that the index is on (an image elsewhere is mirrored first, with
        M(imagesync.registry.image_sync)). What is in another repository there is brought into that of the index. Its blobs
        are mounted, where the registry lends them, so that no bytes move. Signatures and what else is attached to such an
        image stay where they are.
      - A reference that names an index stands for all images in it and for the attestations about them, as
        C(docker buildx build) writes one for a single platform too. Indexes in indexes are refused.
      - Two images for one platform are refused; so is one that isn't there, or whose config names no platform.
        Images of Windows may differ in C(os.version) alone.
      - Docker's and OCI's images can stand side by side.
    type: list
    elements: str
    required: true
  annotations:
    description:
      - Annotations of the index, as names and texts.
      - With annotations the index is of OCI's type, else it is a manifest list of Docker's where all images are of Docker's
        type.
    type: dict
seealso:
  - module: imagesync.registry.image_sync
  - module: imagesync.registry.image_sign
  - module: imagesync.registry.image_info
"""

EXAMPLES = r"""
---
- name: Serve both architectures under one tag
  imagesync.registry.image_index:
    image: registry.example.com/team/app:1.4
    manifests:
      - registry.example.com/team/app:1.4-amd64
      - registry.example.com/team/app:1.4-arm64

- name: The same from a repository for each, described
  imagesync.registry.image_index:
    image: registry.example.com/team/app:1.4
    manifests:
      - registry.example.com/team/app-amd64:1.4
      - registry.example.com/team/app-arm64:1.4
    annotations:
      org.opencontainers.image.source: https://git.example.com/team/app
  register: app

- name: Sign it
  imagesync.registry.image_sign:
    image: "{{ app.id }}"
    private_key_path: /etc/pki/team.key
"""

RETURN = r"""
image:
  description: The reference in full form.
  returned: success
  type: str
  sample: registry.example.com/team/app:1.4
id:
  description: The index by digest. In check mode what it would be.
  returned: success
  type: str
  sample: registry.example.com/team/app@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7
digest:
  description: The digest of the index.
  returned: success
  type: str
previous_digest:
  description: What the tag named before.
  returned: when it named anything
  type: str
reason:
  description: Why it was written, or V(in_sync). V(absent), there was no such tag; V(digest_differs), it named something else.
  returned: success
  type: str
media_type:
  description: The type of the index.
  returned: success
  type: str
  sample: application/vnd.oci.image.index.v1+json
platforms:
  description: The platforms that it serves.
  returned: success
  type: list
  elements: str
  sample: [linux/amd64, linux/arm64]
manifests:
  description: The images that it names, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The reference that it came by.
      type: str
    platform:
      description: Its platform; of Windows with the C(os.version).
      type: str
    digest:
      description: Its digest.
      type: str
stats:
  description:
    - Numbers about the call. In check mode the bytes and blobs that would move.
  returned: success
  type: dict
  contains:
    seconds:
      description: How long it took.
      type: float
    bytes_downloaded:
      description: Content of blobs that was read.
      type: int
    bytes_uploaded:
      description: Content of blobs that was sent.
      type: int
    blobs_copied:
      description: Blobs of images in other repositories that had to be sent.
      type: int
    blobs_mounted:
      description: Such blobs that the registry lent.
      type: int
    blobs_present:
      description: Such blobs that were there.
      type: int
    requests:
      description: Number of requests for each registry.
      type: dict
    retries:
      description: Requests that had to be repeated.
      type: int
credentials:
  description: For each registry the kind of place where its login was found, or V(anonymous).
  returned: success
  type: dict
rate_limits:
  description: For each registry that tells, what it says of its limit of requests (C(limit), C(remaining), C(window)).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_index import (
    ARGUMENT_SPEC,
    image_index,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.module import (
    on_termination,
    run,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    stop = Stop()
    on_termination(stop.request)
    run(module, lambda m: image_index(m.params, m.check_mode, m._diff, stop))


if __name__ == "__main__":
    main()
