# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platforms of images: ``os/architecture[/variant]`` (image-spec, image-index.md)."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import InvalidInput

_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm"}
#: what a missing variant means
_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_PART = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SYSTEMS = {
    "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux",
    "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "unknown",
}  # fmt: skip


class Platform(NamedTuple):
    """One platform; ``variant`` is empty where none is named."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)

    @property
    def full(self) -> Platform:
        """With the variant that a missing one stands for, so that equal platforms compare."""
        return self._replace(variant=self.variant or _DEFAULT_VARIANTS.get(self.architecture, ""))


def parse_platform(text: str) -> Platform:
    """``linux/arm64/v8``; ``amd64``, ``x86_64``, ``aarch64`` alone mean linux."""
    parts = text.strip().lower().split("/")
    if len(parts) == 1 and parts[0] not in _SYSTEMS:
        parts = ["linux", *parts]
    if not 2 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidInput(f"not a platform: {text!r} (os/architecture[/variant])")
    return Platform(parts[0], _ARCHITECTURES.get(parts[1], parts[1]), *parts[2:])


def choose(wanted: Platform, offered: list[Platform]) -> int | None:
    """The index in ``offered`` of what serves ``wanted`` best, or None.

    Equal after filling in default variants first; then, if no variant was asked for, the first
    of the same system and architecture.
    """
    for number, platform in enumerate(offered):
        if platform.full == wanted.full:
            return number
    if not wanted.variant:
        for number, platform in enumerate(offered):
            if platform[:2] == wanted[:2]:
                return number
    return None
