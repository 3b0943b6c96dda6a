# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On what the figures were made, and with what."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

VERSIONS = {
    "docker-registry": ("docker-registry", "--version"),
    "ansible-core": ("ansible-playbook", "--version"),
    "skopeo": ("skopeo", "--version"),
    "crane": ("crane", "version"),
    "regctl": ("regctl", "version"),
    "regsync": ("regsync", "version"),
}


def machine() -> dict[str, str]:
    """What the figures were made on and with."""
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    lines = [line for line in information.splitlines() if line.startswith("model name")]
    model = lines[0].partition(":")[2].strip() if lines else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    found = {
        "CPU": f"{model}, {os.cpu_count()} cores, the registries' too",
        "Memory": f"{memory:.0f} GiB",
        "System": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "requests": importlib.metadata.version("requests"),
        "urllib3": importlib.metadata.version("urllib3"),
    }
    for program in VERSIONS:
        found[program] = _version(program) or "not installed, so not measured"
    return found


def _version(program: str) -> str:
    """What the program says that it is; nothing where it isn't installed."""
    if shutil.which(program) is None and program != "ansible-core":
        return ""
    words = VERSIONS[program]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = done.stdout.strip()
    tag = [line.split(":", 1)[1].strip() for line in said.splitlines() if "VCSTag" in line]
    return (tag or said.splitlines() or [""])[0] or "built without a version"
