# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role's variables are called."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..mirror import names

PREFIX = "client_"
KNOWN = (
    "client_runtimes",
    "client_state",
    "client_mirror",
    "client_upstreams",
    "client_fallback",
    "client_ca_file",
    "client_plain_http",
    "client_validate_certs",
    "client_replace",
    "client_registries_conf_dir",
    "client_podman_certs_dir",
    "client_containerd_certs_dir",
    "client_containerd_config",
    "client_docker_config",
    "client_docker_certs_dir",
)
#: of the role mirror: where images go, and which there are
_SHARED = (
    "mirror_destination",
    "mirror_path",
    "mirror_images_file",
    "mirror_images_dir",
    "mirror_exclude",
    "mirror_state",
    "mirror_destination_tag",
)
#: they may hold secrets, of which nothing is needed here; see connections
LOGINS = ("mirror_registries", "imagesync_registries")


def is_read(name: str) -> bool:
    """Whether the plan needs the variable of this name."""
    return name in KNOWN or name in _SHARED or names.is_list_of_images(name)


def misspelt(found: Iterable[str]) -> list[str]:
    """A warning for each variable that nobody reads and that is almost called like one."""
    warnings = []
    for name in sorted(found):
        if not name.startswith(PREFIX) or name.startswith("client__") or name in KNOWN:
            continue
        close = difflib.get_close_matches(name, KNOWN, 1, 0.9)
        if close:
            warnings.append(f"the variable {name} isn't read by the role; is {close[0]} meant?")
    return warnings
