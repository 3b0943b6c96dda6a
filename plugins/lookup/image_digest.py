# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: image_digest
short_description: The digest that an image reference names now
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Asks the registry which digest a tag names now, so that a deployment can use the digest. Tags are for people.
  - All terms are asked for side by side.
  - Lookups run on the controller. The registry must be reachable from there, and auth files are those of the controller.
options:
  _terms:
    description:
      - Image references, or images on the controller's disk, as C(oci:/directory:name), C(oci-archive:/file:name) or
        C(docker-archive:/file:name:tag).
    required: true
  format:
    description:
      - V(digest) gives C(sha256:...), V(id) gives C(registry/repository@sha256:...).
    type: str
    choices: [digest, id]
    default: digest
  platform:
    description:
      - Gives the digest of this platform's own manifest, such as V(linux/amd64), instead of that of the whole image.
    type: str
  missing:
    description:
      - What to do about an image that doesn't exist. V(error) fails, V(skip) leaves it out, V(empty) gives an empty string.
    type: str
    choices: [error, skip, empty]
    default: error
extends_documentation_fragment:
  - imagesync.registry._connection.plugin
  - imagesync.registry._connection.limits
seealso:
  - module: imagesync.registry.image_sync
  - plugin: imagesync.registry.image_tags
    plugin_type: lookup
  - name: Deploy by digest
    description: Kubernetes, Compose, Helm and Podman, pinned to what was mirrored.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/deploy-by-digest.md
  - name: Authentication
    description: Where logins are looked for, and what a 401 means.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/authentication.md
"""

EXAMPLES = r"""
---
- name: Show the digest of an image
  ansible.builtin.debug:
    msg: "{{ lookup('imagesync.registry.image_digest', 'registry.example.com/mirror/busybox:1.36') }}"

- name: Deploy by digest
  kubernetes.core.k8s:
    definition: "{{ lookup('ansible.builtin.template', 'deployment.yml.j2') | from_yaml }}"
  vars:
    app_image: "{{ lookup('imagesync.registry.image_digest', 'registry.example.com/app:stable', format='id') }}"

- name: Show the digests of several images for one platform
  ansible.builtin.debug:
    msg: "{{ query('imagesync.registry.image_digest', *references, platform='linux/arm64', missing='empty') }}"
  vars:
    references:
      - registry.example.com/mirror/busybox:1.36
      - registry.example.com/mirror/nginx:1.27
    imagesync_registries:
      - name: registry.example.com
        username: reader
        password: "{{ reader_password }}"
"""

RETURN = r"""
_raw:
  description: One digest or id for each term, in their order.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import (
    parse_platform,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.inspect import digests
from ansible_collections.imagesync.registry.plugins.plugin_utils.options import (
    check_lookup,
    lookup_settings,
    texts,
)


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[str]:
        """One digest or id for each term."""
        self.set_options(var_options=variables, direct=kwargs)
        check_lookup(self, kwargs)
        try:
            return self._digests(terms)
        except ImageSyncError as error:
            raise AnsibleLookupError(str(error)) from error

    def _digests(self, terms: list[Any]) -> list[str]:
        settings = lookup_settings(self)
        wanted = self.get_option("platform")
        platform = parse_platform(wanted) if wanted else None
        written = texts(self._flatten(terms))
        references = [parse_reference(text).with_default_tag() for text in written]
        found = digests(references, settings, platform, Display().warning)
        results = [self._result(*pair) for pair in zip(references, found, strict=True)]
        return [result for result in results if result is not None]

    def _result(self, reference: Reference, digest: str | None) -> str | None:
        if digest is None:
            missing = self.get_option("missing")
            if missing == "error":
                raise AnsibleLookupError(f"the image {reference} doesn't exist")
            return "" if missing == "empty" else None
        return reference.at(digest) if self.get_option("format") == "id" else digest
