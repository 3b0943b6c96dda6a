#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_sign
short_description: Sign a container image on a registry
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Adds a signature by a key pair to an image that is at its place, in the formats of cosign, so that
    C(cosign verify --key), policy controllers and O(imagesync.registry.image_sync#module:signed_by) can check it.
    So a mirror can vouch for what it took in.
  - What is signed is the digest that O(image) names now, of an index the index alone.
  - Signatures that are there stay. If a valid one by this key over this digest is among them, in this format and with
    these annotations, nothing is written.
  - Nothing is sent to a transparency log. Nor is anything asked for there, so that C(cosign verify) needs
    C(--insecure-ignore-tlog).
  - Needs the Python package C(cryptography) on the host that the task runs on.
extends_documentation_fragment:
  - imagesync.registry._attributes
  - imagesync.registry._connection
  - imagesync.registry._connection.limits
attributes:
  check_mode:
    support: full
    details:
      - Looks for the signature, and sends not one request that writes.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  image:
    description: The image to sign, as a reference with a tag or a digest.
    type: str
    required: true
  private_key_path:
    description:
      - The private key, a file on the host that the task runs on.
      - PEM, as PKCS8 or SEC1, encrypted or not, or as C(cosign generate-key-pair) writes it. ECDSA on P-256 (or
        P-384, P-521), RSA from 2048 bits on, or Ed25519.
      - One of O(private_key_path) and O(private_key_content) is required.
    type: path
  private_key_content:
    description: The private key itself, from a vault for example.
    type: str
  private_key_passphrase:
    description: The passphrase of an encrypted key.
    type: str
  format:
    description:
      - V(tag) adds it to the tag C(sha256-<hex>.sig), where all versions of cosign up to 2 and most policy controllers
        look.
      - V(referrer) writes it as a sigstore bundle that refers to the image, as cosign 3 does. Where the registry keeps
        no lists of referrers, it is added to the list under the tag C(sha256-<hex>).
      - Where any bundle refers to an image, C(cosign verify) of cosign 3 looks at bundles alone, and no longer at the tag.
        An image whose makers have signed it under the tag is best signed so as well, or in both formats.
    type: str
    choices: [tag, referrer]
    default: tag
  annotations:
    description:
      - What is signed beside the digest, as names and texts. C(cosign verify -a) asks for these.
      - A signature that is there counts if it has these, whatever else it has.
    type: dict
requirements:
  - cryptography >= 3.3
seealso:
  - module: imagesync.registry.image_sync
  - module: imagesync.registry.image_info
  - name: Signatures
    description: What checking and making them does, and exactly what that proves.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/signatures.md
"""

EXAMPLES = r"""
---
- name: Mirror an image that its makers have signed
  imagesync.registry.image_sync:
    source: ghcr.io/example/app:2.0
    destination: registry.example.com/mirror/app
    signed_by:
      - /etc/pki/example-app.pub
  register: mirrored

- name: Sign what was taken in
  imagesync.registry.image_sign:
    image: "{{ mirrored.id }}"
    private_key_path: /etc/pki/mirror.key
    private_key_passphrase: "{{ mirror_key_passphrase }}"
    annotations:
      source: ghcr.io/example/app:2.0

- name: Sign it as a sigstore bundle as well
  imagesync.registry.image_sign:
    image: "{{ mirrored.id }}"
    private_key_content: "{{ mirror_key }}"
    format: referrer
"""

RETURN = r"""
image:
  description: The reference in full form.
  returned: success
  type: str
  sample: registry.example.com/mirror/busybox:1.36
id:
  description: The image by digest.
  returned: success
  type: str
  sample: registry.example.com/mirror/busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7
digest:
  description: The digest that is signed.
  returned: success
  type: str
fingerprint:
  description: The key, by the SHA-256 of its public half (of its DER form, SubjectPublicKeyInfo).
  returned: success
  type: str
  sample: sha256:2a5d6c4f0f7d9c0d0d3bd1d1c6b0a8b8f3e3a2c1c0b9a8978685746352413029
signature_tag:
  description: The tag that the signature is under.
  returned: success, with O(format=tag)
  type: str
  sample: sha256-9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7.sig
signature_digest:
  description: The digest of the manifest that has the signature.
  returned: when the signature is there, so not where check mode would write it
  type: str
requests:
  description: Number of requests for each registry.
  returned: success
  type: dict
credentials:
  description: For each registry the kind of place where its login was found, or V(anonymous).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sign import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    REQUIRED_ONE_OF,
    image_sign,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.module import run


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=MUTUALLY_EXCLUSIVE,
        required_one_of=REQUIRED_ONE_OF,
        supports_check_mode=True,
    )
    run(module, lambda m: image_sign(m.params, m.check_mode))


if __name__ == "__main__":
    main()
