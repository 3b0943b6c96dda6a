# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a host declares, and where each entry stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    without_login,
)

from . import names
from .values import kind, text


class Written(NamedTuple):
    """An entry as the user wrote it; ``where`` is how messages call its place."""

    where: str
    value: Any
    #: the file of its own gate beside it
    gate: str = ""

    @property
    def label(self) -> str:
        """Where it stands and what it is."""
        value = self.value
        if isinstance(value, Mapping):
            value = value.get("name") or value.get("source") or value.get("destination") or ""
        if not isinstance(value, str) or not value:
            return self.where
        return f"{self.where} ({without_login(value)})"


def gather(variables: Mapping[str, Any], folder: Path, problems: list[str]) -> list[Written]:
    """``mirror_images``, every ``mirror_images_*`` by name, and the lines of the file.

    What is wrong is added to ``problems``. ``folder``: where a relative path begins.
    """
    lists = sorted(name for name in variables if names.is_list_of_images(name))
    found: list[Written] = []
    for name in lists:
        if variables[name] is None:
            problems.append(f"{name} must be a list of images, and it is empty; write [] for none")
            continue
        if not isinstance(variables[name], list):
            problems.append(f"{name} must be a list of images, not {kind(variables[name])}")
            continue
        found += [Written(f"{name}[{n}]", value) for n, value in enumerate(variables[name])]
    path = variables.get("mirror_images_file")
    if path:
        try:
            name = text(path, "mirror_images_file")
            found += read_images_file(folder / Path(name).expanduser())
        except InvalidInput as error:
            problems.append(str(error))
    elif lists or variables.get("mirror_images_dir") or variables.get(names.ASKED):
        pass
    elif variables.get("mirror_source"):
        found.append(Written("mirror_source", variables["mirror_source"]))
    else:
        problems.append(
            "no images are declared: set mirror_images, a variable whose name begins with "
            "mirror_images_, mirror_images_file or mirror_images_dir"
        )
    return found


def read_images_file(path: Path) -> list[Written]:
    """The references in a text file, one a line; raises InvalidInput."""
    name = f"mirror_images_file {path}"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InvalidInput(f"{name}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is no text in UTF-8") from None
    return list(_references(lines, name))


def _references(lines: list[str], name: str) -> Iterator[Written]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        comment = next((n for n, word in enumerate(words) if word.startswith("#")), len(words))
        words = words[:comment]
        if len(words) > 1:
            raise InvalidInput(
                f"{name}, line {number}: one reference a line, not "
                f"{without_login(line.strip())[:200]!r}"
            )
        if words:
            yield Written(f"{name}, line {number}", words[0])
