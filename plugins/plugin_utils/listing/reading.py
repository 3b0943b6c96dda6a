# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images that files name: Kubernetes objects, Compose files, plain lists."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import Reference

from ..mirror.gather import read_images_file
from ..pinning.documents import Found, copy
from ..pinning.writing import Image, read_text

#: of one file; the pods of a large cluster are some ten megabytes
_LARGEST = 512 << 20
#: more than any Kubernetes object has
_DEEPEST = 100


class Named(NamedTuple):
    """An image, where it stands, and what was written there if it is no reference."""

    where: str
    reference: Reference | None
    problem: str = ""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Takes tags of others for what they stand before, as Compose's ``!override``."""


def _untagged(loader: Any, _suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _untagged)


def paths_of(patterns: list[str], folder: Path, option: str) -> list[Path]:
    """The files that these names and patterns mean, sorted; raises InvalidInput for none."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = folder / Path(pattern).expanduser()
        names = [str(path)] if path.exists() else glob.glob(str(path), recursive=True)
        files = [Path(name) for name in sorted(names) if not Path(name).is_dir()]
        if not files:
            kind = "a folder; name the files, as in" if path.is_dir() else "no file; or name some,"
            raise InvalidInput(f"{option} {pattern!r} is {kind} {pattern.rstrip('/')}/*.yml")
        found.update(dict.fromkeys(files))
    return list(found)


def in_data(path: Path, keys: list[str]) -> list[Named]:
    """The images in a file of YAML or JSON documents; raises InvalidInput.

    What Kubernetes says of the state of an object is passed over: it names images anew, by names
    that nobody has chosen.
    """
    found: list[Named] = []
    for document in _documents(path):
        if document is None:
            continue

        def note(image: Found) -> None:
            found.append(_named(f"{path.name}: {image.path}", image.image))

        try:
            copy(_Declared().of(document, 0), note, keys)
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error}") from None
    return found


def in_list(path: Path) -> list[Named]:
    """The references in a text file, one a line; raises InvalidInput."""
    found = []
    for line in read_images_file(path):
        where = line.where.replace(f"mirror_images_file {path}", path.name)
        found.append(_named(where, read_text(line.value)))
    return found


def _named(where: str, image: Image) -> Named:
    return Named(where, image.reference, "" if image.reference else image.problem)


def _documents(path: Path) -> Iterator[Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidInput(f"{path} is larger than any list of objects")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is no text in UTF-8") from None
    if text.lstrip()[:1] in ("{", "["):
        try:  # much faster than as YAML, which it is, too
            yield json.loads(text)
            return
        except (ValueError, RecursionError):
            pass
    try:
        _check_depth(text)
        yield from yaml.load_all(text, Loader=_Loader)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidInput(f"{path} is neither YAML nor JSON: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark else ""
    return f"{line}{getattr(error, 'problem', None) or str(error)}"[:200].replace("\n", " ")


def _check_depth(text: str) -> None:
    """Raises InvalidInput before libyaml's loader gets what would have it run out of stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise InvalidInput(f"nested more than {_DEEPEST} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Declared:
    """Data without the state of Kubernetes objects; what YAML's aliases repeat is read once."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}

    def of(self, document: Any, depth: int) -> Any:
        """``depth``: deeper than any list of objects, it is left as it is."""
        is_object = isinstance(document, Mapping) and "kind" in document
        if depth > _DEEPEST or not (is_object or isinstance(document, list)):
            return document
        if id(document) not in self._done:
            # what is in itself is found there; together with it, or its id would be used again
            self._done[id(document)] = (document, document)
            self._done[id(document)] = (document, self._read(document, depth + 1))
        return self._done[id(document)][1]

    def _read(self, document: Any, depth: int) -> Any:
        if isinstance(document, list):
            return [self.of(one, depth) for one in document]
        kept = {key: value for key, value in document.items() if key != "status"}
        if isinstance(kept.get("items"), list):
            kept["items"] = self.of(kept["items"], depth)
        return kept
