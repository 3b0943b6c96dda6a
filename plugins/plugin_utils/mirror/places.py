# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an image goes: ``mirror_destination``, ``mirror_path`` and an entry's own word."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.path_template import (
    DEFAULT_PATH,
    check_path,
    path_of,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
    without_login,
)

from .values import text

_BUNDLE = re.compile(r"(?:oci|oci-archive|docker-archive):")


class Place(NamedTuple):
    """``root``: ``registry[/path]``, empty where none is given. ``path``: the template."""

    root: str = ""
    path: str = DEFAULT_PATH

    def destination(self, own: str, source: str, tagged: bool = True) -> str:
        """The destination of an image: its own if it has one; raises InvalidInput.

        ``tagged``: its source has a tag, if only the default one.
        """
        if own and is_full(own):
            return own
        if not self.root:
            raise InvalidInput(
                f"its destination {without_login(own)!r} names no registry, and there is no "
                "mirror_destination"
                if own
                else "there is no mirror_destination, and it has no destination of its own"
            )
        if not own and not source:
            raise InvalidInput(
                "it has neither a source nor a destination; what belongs to the entry above it is "
                "indented as deep as that, without a dash"
            )
        if self.is_bundle:
            # a path is for registries: the far side, with the same list, asks for the source's name
            named = not own or self.is_named_by_source(source)
            return f"{self.root}:{self._name_of(parse_reference(source), tagged) if named else own}"
        return f"{self.root}/{own or path_of(parse_reference(source), self.path)}"

    @property
    def is_bundle(self) -> bool:
        """Whether images go to a layout or archive on disk."""
        return bool(_BUNDLE.match(self.root))

    def is_named_by_source(self, source: str) -> bool:
        """Whether an image has its source's name whatever its path: one of a registry does."""
        return self.is_bundle and bool(source) and not _BUNDLE.match(source)

    def _name_of(self, source: Reference, tagged: bool) -> str:
        """In a bundle an image has its full source reference as its name."""
        if source.transport:
            return source.tag or source.group
        if not tagged:
            return source.name
        named = source.with_default_tag()
        return str(named._replace(digest=None) if named.tag else named)


def read_place(destination: Any, path: Any) -> Place:
    """From the values of the two variables; raises InvalidInput that names the variable."""
    template = DEFAULT_PATH if path is None else text(path, "mirror_path")
    return Place(_root(destination), check_path(template, "mirror_path"))


def _root(destination: Any) -> str:
    if destination is None:
        return ""
    root = text(destination, "mirror_destination").strip().removeprefix("docker://").rstrip("/")
    if _BUNDLE.match(root):
        return read_bundle(root, "mirror_destination")
    if not is_full(f"{root}/x"):
        raise InvalidInput(
            f"mirror_destination {without_login(root)!r} names no registry; write it as in "
            "registry.example.com/mirror"
        )
    try:
        parse_reference(f"{root}/x")
    except InvalidInput as error:
        raise InvalidInput(f"mirror_destination {without_login(root)!r}: {error}") from None
    return root


def read_bundle(value: Any, variable: str) -> str:
    """A layout or archive as a whole; raises InvalidInput that names the variable."""
    try:
        found = parse_reference(text(value, variable))
    except InvalidInput as error:
        raise InvalidInput(f"{variable} {without_login(str(value))!r}: {error}") from None
    if not found.transport or found.tag or found.digest:
        raise InvalidInput(
            f"{variable} {value!r} must be a bundle as a whole, as in oci:/srv/bundle"
        )
    return found.name


def is_full(reference: str) -> bool:
    """Whether it begins with a registry, by Docker's rule, or says another kind of place."""
    if re.match(r"docker://|(?:oci|oci-archive|docker-archive):[/~]", reference):
        return True
    first, slash, _rest = reference.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")
