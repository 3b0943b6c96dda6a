#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror_step
short_description: Steps of the role imagesync.registry.mirror on the controller
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - A part of the role P(imagesync.registry.mirror#role). It isn't for playbooks, and may change with every release.
  - It reads the role's variables, files and results on the controller, and never connects to a host.
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
    details:
      - The lock, the report and the metrics aren't written.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A report and metrics are written on every run, and don't count as a change.
options:
  step:
    description:
      - V(plan) reads and checks what the host declares. V(share) tells what of it this host does, and compares it with
        the other hosts of the play. V(gates) finds which images wait for their gates, V(verdict) why a gate failed, and
        V(tags) what the call is that moves the tags. V(keep) makes the role's facts of the result, and writes the lock.
        V(report) writes the report and the metrics over all hosts. V(scaffold) writes the files that the playbook
        C(imagesync.registry.scaffold) is for. V(schedule) checks what is to run when, and makes the units or the line of
        a crontab.
    type: str
    choices: [plan, share, gates, verdict, tags, keep, report, scaffold, schedule]
    required: true
  result:
    description: What M(imagesync.registry.image_sync) returned, for V(keep), or what the host is like, for V(schedule).
    type: dict
seealso:
  - module: imagesync.registry.image_sync
"""

EXAMPLES = r"""
---
- name: Mirror what the inventory declares
  ansible.builtin.include_role:
    name: imagesync.registry.mirror
"""

RETURN = r"""
problem:
  description: Why the role is to fail at its end; empty when there is no reason.
  returned: for V(keep) and V(report)
  type: str
"""
