# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What actions that ask no registry don't import: Ansible imports them before its first task."""

from __future__ import annotations

import subprocess
import sys

PLUGINS = "ansible_collections.imagesync.registry.plugins."
IMPORTS = f"""
import sys
import {PLUGINS}action.client_files, {PLUGINS}action.image_sync, {PLUGINS}action.mirror_step
print(*sys.modules)
"""


def test_actions_do_without_requests_and_the_engine() -> None:
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = set(done.stdout.split())
    assert f"{PLUGINS}module_utils.doors.image_sync" in found
    unwanted = {f"{PLUGINS}module_utils.{name}" for name in ("sync.run", "transport.client")}
    assert found & {"requests", "urllib3", *unwanted} == set()
