# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the path of a destination is made from the reference of a source."""

from __future__ import annotations

import re

from .errors import InvalidInput
from .reference import Reference

DEFAULT_PATH = "{repository}"
_PARTS = ("registry", "repository", "name")


def check_path(template: str, option: str) -> str:
    """The template without slashes around it; raises InvalidInput, which names the option."""
    known = "|".join(_PARTS)
    if re.search(r"[{}]", re.sub(rf"\{{(?:{known})\}}", "", template)):
        raise InvalidInput(
            f"{option} {template!r}: only {{registry}}, {{repository}} and {{name}} may stand "
            "in braces"
        )
    template = template.strip("/")
    if not template:
        raise InvalidInput(f"{option} is empty")
    return template


def path_of(source: Reference, template: str) -> str:
    """The path of a source's image: ``{name}`` is the last part of ``{repository}``."""
    parts = {
        "registry": source.registry.replace(":", "_"),
        "repository": source.repository,
        "name": source.repository.rpartition("/")[2],
    }
    return re.sub(r"\{(\w+)\}", lambda match: parts[match.group(1)], template.strip("/"))
