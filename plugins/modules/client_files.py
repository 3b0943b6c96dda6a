#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: client_files
short_description: The files of the role imagesync.registry.client on a host
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - A part of the role P(imagesync.registry.client#role). It isn't for playbooks, and may change with every release.
  - What is to be written follows from the role's variables, which are read and checked on the controller. So all options
    but O(runtime) are given by the action plugin.
  - Needs nothing but Python on the host.
extends_documentation_fragment:
  - imagesync.registry._attributes
attributes:
  action:
    description: Has a corresponding action plugin, which reads the role's variables.
    support: full
  action_group:
    support: none
    membership: []
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Of C(daemon.json) only the mirrors are shown.
  idempotent:
    support: full
options:
  runtime:
    description: Whose files are written. V(podman) are those of CRI-O, too.
    type: str
    choices: [podman, containerd, docker]
    required: true
  files:
    description: Files as they are to be.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      content:
        description: What is in it.
        type: str
        required: true
  owned:
    description: Patterns of paths. Files that this module wrote there, and that aren't in O(files), are removed.
    type: list
    elements: str
    default: []
  replace:
    description: Whether files of O(files) that are there and weren't written by this module are replaced.
    type: bool
    default: false
  docker:
    description: What is merged into Docker's C(daemon.json).
    type: dict
    suboptions:
      config:
        description: Path of the file.
        type: path
        required: true
      mirrors:
        description: The mirrors. None removes those that this module added.
        type: list
        elements: str
        required: true
  containerd:
    description: Where to look whether containerd reads what is written.
    type: dict
    suboptions:
      config:
        description: Path of containerd's C(config.toml).
        type: path
        required: true
      folder:
        description: The folder that it must read.
        type: path
        required: true
seealso:
  - module: imagesync.registry.image_sync
"""

EXAMPLES = r"""
---
- name: Lead the pulls of upstream names to the mirror
  ansible.builtin.include_role:
    name: imagesync.registry.client
"""

RETURN = r"""
written:
  description: Paths of the files that were written.
  returned: success
  type: list
  elements: str
removed:
  description: Paths of the files that were removed.
  returned: success
  type: list
  elements: str
running:
  description: The service that has to read its files again, if it is running; else empty.
  returned: success
  type: str
  sample: docker
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.imagesync.registry.plugins.module_utils.doors.client_files import (
    ARGUMENT_SPEC,
    client_files,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.module import run


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run(
        module,
        lambda m: client_files(m.params, m.check_mode, m.run_command),
        needs_requests=False,
    )


if __name__ == "__main__":
    main()
