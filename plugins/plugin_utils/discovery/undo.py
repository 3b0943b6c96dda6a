# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inverse of ``mirror_path``: from the path of a mirrored image to its source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.path_template import path_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)

_PLACEHOLDER = re.compile(r"(\{(?:registry|repository|name)\})")
#: what each may stand for in a path; of a registry, ":" has become "_"
_VALUES = {
    "registry": re.compile(r"[a-z0-9.-]+(?:_[0-9]{1,5})?"),
    "repository": re.compile(r"[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?"),
    "name": re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?"),
}
_PORT = re.compile(r"(.*)_([0-9]+)")


class NotToldByPath(InvalidInput):
    """The template leaves out what would be needed, whatever the path."""


def undo(path: str, template: str, registry: str = "") -> Reference | None:
    """The source, without a tag, whose image has this ``path`` by the ``template``.

    None if there is none. ``registry``: it is known to be this one. Raises InvalidInput where the
    path could be that of several sources, NotToldByPath where that is so of every path.
    """
    _check_told(template, registry)
    bound = {"registry": registry.replace(":", "_")} if registry else {}
    tokens = [token for token in _PLACEHOLDER.split(template.strip("/")) if token]
    found = {
        source
        for values in _fits(tokens, path, bound)
        if (source := _source(values)) is not None and path_of(source, template) == path
    }
    if len(found) > 1:
        raise InvalidInput(f"ambiguous: it may be {' or '.join(sorted(map(str, found))[:3])}")
    return found.pop() if found else None


def _check_told(template: str, registry: str) -> None:
    if "{repository}" not in template:
        raise NotToldByPath(
            f"ambiguous: mirror_path {template!r} leaves out the repository's path, so that it "
            "doesn't tell where an image is from; say it with upstreams"
        )
    if "{registry}" not in template and not registry:
        raise NotToldByPath(
            f"ambiguous: mirror_path {template!r} leaves out the registry, so that it doesn't tell "
            "where an image is from; say it with upstreams, as in {'library': 'docker.io'}"
        )


def _fits(tokens: list[str], text: str, bound: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """All ways to read ``text`` by the tokens of a template; ``bound``: what is known already."""
    if not tokens:
        if not text:
            yield bound
        return
    token, rest = tokens[0], tokens[1:]
    part = token[1:-1] if _PLACEHOLDER.fullmatch(token) else ""
    literal = bound.get(part) if part else token
    if literal is not None:
        if text.startswith(literal):
            yield from _fits(rest, text[len(literal) :], bound)
        return
    for end in _ends(rest, text):
        value = text[:end]
        if _VALUES[part].fullmatch(value):
            yield from _fits(rest, text[end:], {**bound, part: value})


def _ends(rest: list[str], text: str) -> Iterator[int]:
    """Where what stands before ``rest`` may end: at its end, or before the text that follows."""
    if not rest:
        yield len(text)
    elif _PLACEHOLDER.fullmatch(rest[0]):
        yield from range(1, len(text))
    else:
        end = text.find(rest[0], 1)
        while end > 0:
            yield end
            end = text.find(rest[0], end + 1)


def _source(values: Mapping[str, str]) -> Reference | None:
    """The source of these parts, if there can be such a one."""
    host = _PORT.sub(r"\1:\2", values["registry"])
    repository = values["repository"]
    try:
        found = parse_reference(f"{host}/{repository}")
    except InvalidInput:
        return None
    # a name that means another registry or repository than it says is nobody's path
    return found if (found.registry, found.repository) == (host, repository) else None
