# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do about a build that failed, where its output tells."""

from __future__ import annotations

import re

from ..model.platforms import Platform

_RUNTIME = re.compile(
    r"exec: no command|could not find.*oci runtime"
    r"|(executable file not found|no such file).*(runc|crun)"
    r"|(runc|crun).*(executable file not found|no such file)",
    re.IGNORECASE,
)
_NAMESPACES = re.compile(
    r"newuidmap|newgidmap|supplemental groups|user namespace|insufficient uids or gids"
    r"|cannot clone|unshare.*(not permitted|CLONE_NEW)|error (creating|remounting).*not permitted",
    re.IGNORECASE,
)


def advice(output: str, platform: Platform, isolation: str, starved: bool) -> str:
    """One sentence without its end, or ""."""
    if starved:
        return "it needed more memory than the option memory allows"
    if "exec format error" in output.lower():
        return (
            f"a RUN started a program that this host can't run: for {platform} it needs an "
            "emulator that the kernel knows (binfmt_misc; the package qemu-user-static has it), or "
            "a stage that begins with FROM --platform=$BUILDPLATFORM and builds for the other one"
        )
    if isolation != "chroot" and _RUNTIME.search(output):
        return f"isolation {isolation} needs crun or runc on this host; chroot does without"
    if "no space left on device" in output.lower():
        return "the disk is full; TMPDIR, else /var/tmp, is where images are built"
    if _NAMESPACES.search(output):
        return (
            "buildah may not make namespaces here. Without root it needs user namespaces, and "
            "entries for the user in /etc/subuid and /etc/subgid; in a container, one that may "
            "make them, or CAP_SYS_ADMIN for RUN"
        )
    # said by two processes, the inner one of which writes with what RUN has started
    if isolation == "chroot" and output.count("subprocess exited ") == 1:
        return (
            "buildah has lost the end of what RUN wrote, as it may on a busy host with isolation "
            "chroot; run the task again to see it"
        )
    return ""
