# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images in Kubernetes objects, Compose files and Helm values: found, and replaced in a copy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import Reference
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import kind, shown

from .writing import Image, Split, read_split, read_text, replaced_fields

IMAGE = "image"
#: more than any Kubernetes object has, and less than Python's stack
_DEEPEST = 100
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_YAML_LINES = re.compile(r":\s*\n|\n.*:\s")

Path = tuple[Any, ...]


class Found(NamedTuple):
    """An image, and where it is in the data: ``spec.containers[0].image``."""

    path: str
    image: Image


#: told of each image in order of appearance; what it returns, an id, takes the image's place
Visit = Callable[[Found], Reference | None]


def copy(data: Any, visit: Visit, keys: Any = ()) -> Any:
    """``data`` with other images; ``keys``: under which text is an image, beside ``image``.

    The data itself isn't changed. Raises InvalidInput for what is no data, or has no end.
    """
    names = _names(keys)
    data = list(data) if isinstance(data, Iterator) else data
    _check_documents(data)
    return _Copy(visit, names).of(data, (), "")


def _names(keys: Any) -> frozenset[str]:
    given = [keys] if isinstance(keys, str) else keys or ()
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise InvalidInput(f"keys must be a list of text, not {kind(keys)}")
    names = list(given)
    for name in names:
        if not isinstance(name, str):
            raise InvalidInput(f"keys must be a list of text; {shown(name)} in it is none")
    return frozenset({IMAGE, *map(str, names)})


def _check_documents(data: Any) -> None:
    if data is not None and not isinstance(data, (Mapping, list, tuple)):
        raise _no_data(kind(data), "")
    for number, document in enumerate(data if isinstance(data, (list, tuple)) else ()):
        if isinstance(document, str) and _YAML_LINES.search(document):
            raise _no_data(kind(document), f"[{number}]: ")


def _no_data(what: str, where: str) -> InvalidInput:
    return InvalidInput(
        f"{where}images are looked for in data, a mapping or a list, not in {what}; YAML text is "
        "made into data by the filter from_yaml, or from_yaml_all for several documents"
    )


class _Copy:
    """One walk through the data."""

    def __init__(self, visit: Visit, keys: frozenset[str]) -> None:
        self._visit = visit
        self._keys = keys
        # YAML's aliases: what stands in several places is copied once
        self._done: dict[tuple[int, str], tuple[Any, Any]] = {}

    def of(self, value: Any, path: Path, above: str) -> Any:
        """``above``: the key that it is under, if that key says anything of it."""
        if isinstance(value, (Mapping, list, tuple)):
            return self._once(value, path, above)
        if above not in self._keys or value is None:
            return value
        image = read_text(value)
        image_id = self._visit(Found(shown_path(path), image))
        unchanged = image_id is None or str(image_id) == value
        return value if unchanged else str(image_id)

    def _once(self, value: Any, path: Path, above: str) -> Any:
        if len(path) > _DEEPEST:
            raise InvalidInput(
                f"the data is nested more than {_DEEPEST} levels deep, or in itself, at "
                f"{shown_path(path[:6])}..."
            )
        known = self._done.get((id(value), above))
        if known is not None:
            return known[1]
        if isinstance(value, Mapping):
            found: Any = self._mapping(value, path, above)
        else:
            found = [self.of(one, (*path, number), above) for number, one in enumerate(value)]
            found = tuple(found) if isinstance(value, tuple) else found
        # together with the value, whose id would else be used again
        self._done[id(value), above] = (value, found)
        return found

    def _mapping(self, value: Mapping[Any, Any], path: Path, above: str) -> dict[Any, Any]:
        split = _split_at(value, path)
        fields: Mapping[str, str] = {}
        if split is not None:
            image_id = self._visit(Found(shown_path(path), split.image))
            fields = replaced_fields(value, split, image_id) if image_id else {}
        parts = split.parts if split is not None else ()
        found = {}
        for key, inner in value.items():
            if key in parts:
                found[key] = fields.get(key, inner)
            else:
                found[key] = self.of(inner, (*path, key), self._meaning(key, above))
        found.update({key: text for key, text in fields.items() if key not in found})
        return found

    def _meaning(self, key: Any, above: str) -> str:
        """What a key says of the value under it: "" for nothing."""
        if above == IMAGE and key == "reference":  # a Kubernetes volume
            return IMAGE
        return str(key) if isinstance(key, str) and key in self._keys else ""


def _split_at(value: Mapping[Any, Any], path: Path) -> Split | None:
    try:
        return read_split(value)
    except InvalidInput as error:
        raise InvalidInput(f"{shown_path(path) or 'the image'}: {error}") from None


def shown_path(path: Path) -> str:
    """As a user would write it, from the top of the data: ``[1].spec.containers[0].image``."""
    text = ""
    for part in path:
        if isinstance(part, str) and _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else str(part)
        else:
            text += f"[{shown(part, 80)}]"
    return text
