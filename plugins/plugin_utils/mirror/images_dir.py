# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``mirror_images_dir``: one file for each image, and beside it the tasks of its gate."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

from .files import full_path
from .gates import Load, read_yaml
from .gather import Written, gather
from .values import kind, text

ENDING = ".yml"
GATE = "gate.yml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_name(name: str, what: str) -> str:
    """A name that a file can have; raises InvalidInput."""
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise InvalidInput(
            f"{what} {name[:200]!r} must be of letters, digits, dots, dashes and underscores, and "
            "begin with a letter or digit"
        )
    return name


def all_written(
    variables: Mapping[str, Any], folder: Path, load: Load, problems: list[str]
) -> list[Written]:
    """Every entry that a host has: of its lists, and of the files of images.

    What is wrong is added to ``problems``. ``folder``: where a relative path begins.
    """
    found, path = gather(variables, folder, problems), variables.get("mirror_images_dir")
    try:
        own = full_path(folder, text(path, "mirror_images_dir")) if path else ""
    except InvalidInput as error:
        problems.append(str(error))
        return found
    return found + (read_images_dir(Path(own), load, problems) if own else [])


def read_images_dir(folder: Path, load: Load, problems: list[str]) -> list[Written]:
    """The entries in their files' order; what is wrong is added to ``problems``."""
    name = f"mirror_images_dir {folder}"
    try:
        there = sorted(entry.name for entry in os.scandir(folder) if entry.name[0] != ".")
    except OSError as error:
        problems.append(f"{name}: {error.strerror or error}")
        return []
    found = []
    for one in there:
        try:
            if (folder / one).is_dir():
                _check_gate(folder, one)
            elif one.endswith(ENDING):
                found.append(_read(folder / one, load))
            elif one.endswith(".yaml"):
                right = one.removesuffix(".yaml") + ENDING
                raise InvalidInput(f"{folder / one}: call it {right}, as the other images")
        except InvalidInput as error:
            problems.append(str(error))
    return found


def _check_gate(folder: Path, name: str) -> None:
    """A gate whose image was renamed would be forgotten."""
    wrong = folder / name / "gate.yaml"
    if wrong.exists():
        raise InvalidInput(f"{wrong}: call it {GATE}")
    if (folder / name / GATE).exists() and not (folder / f"{name}{ENDING}").is_file():
        raise InvalidInput(
            f"{folder / name / GATE} is the gate of an image that isn't there: {name}{ENDING}"
        )


def _read(path: Path, load: Load) -> Written:
    name = check_name(path.name.removesuffix(ENDING), f"{path}: the name")
    value: Any = read_yaml(str(path), load, str(path))
    if isinstance(value, str):
        value = {"source": value}
    if not isinstance(value, Mapping):
        raise InvalidInput(
            f"{path} must hold one image, as text or as a mapping with a source, not {kind(value)}"
        )
    if value.get("name") not in (None, name):
        raise InvalidInput(
            f"{path}: its name is {name}, as the file's, and not {str(value['name'])[:100]!r}"
        )
    gate = path.parent / name / GATE
    return Written(str(path), {**value, "name": name}, str(gate) if gate.exists() else "")
