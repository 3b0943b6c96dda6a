# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbook ``scaffold`` writes: the file of an image, and a gate to begin with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
    without_login,
)

from .images_dir import ENDING, GATE, check_name
from .values import text

_USAGE = (
    "say what to write: ansible-playbook imagesync.registry.scaffold -e name=busybox "
    "-e source=docker.io/library/busybox:1.36 -e dir=images"
)
_IMAGE = """---
# one image of mirror_images_dir; its name is that of this file, its gate is {name}/gate.yml
source: {source}
"""
_TASKS = """---
# Runs before the tag of the image moves: where a task fails, the old image stays.
# Given are image (by digest, at the destination), image_name, image_source, image_destination
# and image_entry.
- name: Look at the image
  imagesync.registry.image_info:
    images: ["{{ image }}"]
    registries: "{{ mirror_registries | default(imagesync_registries) | default(omit) }}"
    auth_file: "{{ mirror_auth_file | default(imagesync_auth_file) | default(omit) }}"
  register: looked

- name: It is whole enough to be read
  ansible.builtin.assert:
    that: looked.images[0].exists
    fail_msg: "{{ image }} isn't there"
"""


def scaffold(given: dict[str, Any], check_mode: bool) -> list[str]:
    """Writes the files and returns their paths; nothing is ever overwritten. Raises InvalidInput.

    ``given``: ``name``, ``source``, ``dir``; a relative directory is where the playbook was called.
    """
    missing = [key for key in ("name", "source", "dir") if given.get(key) in (None, "")]
    if missing:
        raise InvalidInput(f"{', '.join(missing)} {_is(missing)} missing; {_USAGE}")
    name = check_name(text(given["name"], "name").strip(), "name")
    source = text(given["source"], "source").strip()
    try:
        parse_reference(source)
    except InvalidInput as error:
        raise InvalidInput(f"source {without_login(source)[:200]!r}: {error}") from None
    folder = Path(text(given["dir"], "dir")).expanduser().absolute()
    image, gate = folder / f"{name}{ENDING}", folder / name / GATE
    there = [str(path) for path in (image, gate) if os.path.lexists(path)]
    if there:
        raise InvalidInput(f"{there[0]} is there already, and nothing was written")
    if not check_mode:
        _write(gate, _TASKS)
        _write(image, _IMAGE.format(name=name, source=json.dumps(source)))
    return [str(image), str(gate)]


def _is(missing: list[str]) -> str:
    return "is" if len(missing) == 1 else "are"


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise InvalidInput(f"{path} is there already, and was left alone") from None
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
