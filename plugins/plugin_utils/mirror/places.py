# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an image goes: ``mirror_destination``, ``mirror_path`` and an entry's own word."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)

from .values import text

DEFAULT_PATH = "{repository}"
_PARTS = ("registry", "repository", "name")


class Place(NamedTuple):
    """``root``: ``registry[/path]``, empty where none is given. ``path``: the template."""

    root: str = ""
    path: str = DEFAULT_PATH

    def destination(self, own: str, source: str) -> str:
        """The destination of an image: its own if it has one; raises InvalidInput."""
        if own and is_full(own):
            return own
        if not self.root:
            raise InvalidInput(
                f"its destination {own!r} names no registry, and there is no mirror_destination"
                if own
                else "there is no mirror_destination, and it has no destination of its own"
            )
        if not own and not source:
            raise InvalidInput("it has neither a source nor a destination")
        return f"{self.root}/{own or self._path_of(parse_reference(source))}"

    def _path_of(self, source: Reference) -> str:
        parts = {
            "registry": source.registry.replace(":", "_"),
            "repository": source.repository,
            "name": source.repository.rpartition("/")[2],
        }
        return re.sub(r"\{(\w+)\}", lambda match: parts[match.group(1)], self.path)


def read_place(destination: Any, path: Any) -> Place:
    """From the values of the two variables; raises InvalidInput that names the variable."""
    template = DEFAULT_PATH if path is None else text(path, "mirror_path")
    known = "|".join(_PARTS)
    if re.search(r"[{}]", re.sub(rf"\{{(?:{known})\}}", "", template)):
        raise InvalidInput(
            f"mirror_path {template!r}: only {{registry}}, {{repository}} and {{name}} may stand "
            "in braces"
        )
    template = template.strip("/")
    if not template:
        raise InvalidInput("mirror_path is empty")
    return Place(_root(destination), template)


def _root(destination: Any) -> str:
    if destination is None:
        return ""
    root = text(destination, "mirror_destination").strip().removeprefix("docker://").rstrip("/")
    if not is_full(f"{root}/x"):
        raise InvalidInput(
            f"mirror_destination {root!r} names no registry; write it as in "
            "registry.example.com/mirror"
        )
    try:
        parse_reference(f"{root}/x")
    except InvalidInput as error:
        raise InvalidInput(f"mirror_destination {root!r}: {error}") from None
    return root


def is_full(reference: str) -> bool:
    """Whether it begins with a registry, by Docker's rule, or says another kind of place."""
    if re.match(r"docker://|oci(?:-archive)?:[/~]", reference):
        return True
    first, slash, _rest = reference.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")
