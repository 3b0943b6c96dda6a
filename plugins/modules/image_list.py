#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_list
short_description: The step of the playbook imagesync.registry.inventory_from
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - A part of the playbook C(imagesync.registry.inventory_from). It isn't for other playbooks, and may change with every
    release.
  - Lists the images that files or registries name, asks for the digest of each, and writes a list for the role
    P(imagesync.registry.mirror#role).
  - It does everything on the controller. Paths are relative to the folder that C(ansible-playbook) was started in, and
    logins are those of the lookups, C(imagesync_registries) and C(imagesync_auth_file).
extends_documentation_fragment:
  - imagesync.registry._attributes
attributes:
  action:
    description: Has a corresponding action plugin, which does all of it on the controller.
    support: full
  action_group:
    support: none
    membership: []
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A tag that has moved since, or a registry that can't be asked any more, is a change.
options:
  output:
    description:
      - The file to write. With C(.yml) it sets O(variable), for an inventory. With C(.txt) it is a plain list, for
        C(mirror_images_file).
    type: path
    required: true
  kubernetes:
    description: Files of Kubernetes objects, as YAML or JSON, or patterns of their names.
    type: list
    elements: str
    default: []
  compose:
    description: Files for Compose, or values of Helm charts, or patterns of their names.
    type: list
    elements: str
    default: []
  list:
    description: Text files with one reference a line, or patterns of their names.
    type: list
    elements: str
    default: []
  registry:
    description: Registries, or paths on them, all of whose images are listed.
    type: list
    elements: str
    default: []
  keys:
    description: More keys that hold an image as text, see P(imagesync.registry.image_refs#filter).
    type: list
    elements: str
    default: []
  variable:
    description: The variable that a C(.yml) sets, C(mirror_images) or a name that begins with C(mirror_images_).
    type: str
    default: mirror_images
  replace:
    description:
      - Whether a file that is there is replaced although this module didn't write it, or although images in it couldn't
        be asked about now.
    type: bool
    default: false
seealso:
  - plugin: imagesync.registry.image_refs
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Write a list of what the cluster runs
  imagesync.registry.image_list:
    kubernetes:
      - pods.json
    output: group_vars/all/images.yml
"""

RETURN = r"""
output:
  description: The file.
  returned: success
  type: str
images:
  description: References with their digests, as they are in the file.
  returned: success
  type: list
  elements: str
latest:
  description: Those whose tag is C(latest), or that have no tag where they were found.
  returned: success
  type: list
  elements: str
without_tag:
  description: Those that are in the list by their digest alone.
  returned: success
  type: list
  elements: str
missing:
  description: What isn't at its registry. In the file it is a comment.
  returned: success
  type: list
  elements: str
not_reached:
  description: What a registry couldn't be asked about, each with the reason. In the file it is a comment.
  returned: success
  type: list
  elements: list
unreadable:
  description: What is no image reference, each as where it is and why. In the file it is a comment.
  returned: success
  type: list
  elements: list
"""
