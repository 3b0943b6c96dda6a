# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list that is written: each image with its digest, and in comments what couldn't be taken."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import Reference
from ansible_collections.imagesync.registry.plugins.module_utils.sync.census import Census

from ..mirror.names import is_list_of_images
from .reading import Named

#: what the file begins with; others aren't overwritten
MARK = "# Written by the playbook imagesync.registry.inventory_from; the next run overwrites it."
_OURS = MARK.partition(";")[0]
_SHOWN = 300


class Listed(NamedTuple):
    """``images``: references with their digests, sorted. The others: what was left out, and why.

    ``latest``: those whose tag is ``latest``, by name or because they have none.
    """

    images: tuple[str, ...]
    latest: tuple[str, ...]
    without_tag: tuple[str, ...]
    missing: tuple[str, ...]
    not_reached: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...]


def wanted(named: Iterable[Named]) -> list[Reference]:
    """Each reference once, sorted."""
    found = {str(one.reference): one.reference for one in named if one.reference is not None}
    return [found[text] for text in sorted(found)]


def listed(named: Iterable[Named], asked: Iterable[Census]) -> Listed:
    """Images of one tag and several digests: one of them has the tag, the others none."""
    named, asked = list(named), list(asked)
    there = [one for one in asked if one.digest]
    tagged: dict[str, Reference] = {}
    for one in sorted(there, key=lambda one: (bool(one.reference.digest), str(one.reference))):
        reference = one.reference._replace(digest=one.digest)
        if reference.tag and str(reference._replace(digest=None)) not in tagged:
            tagged[str(reference._replace(digest=None))] = reference
    digests = {reference.at(reference.digest or "") for reference in tagged.values()}
    alone = {one.reference.at(one.digest) for one in there} - digests
    unreadable = {_line(one.where): _line(one.problem) for one in named if one.reference is None}
    return Listed(
        tuple(sorted([*map(str, tagged.values()), *alone])),
        tuple(sorted(name for name, found in tagged.items() if found.tag == "latest")),
        tuple(sorted(alone)),
        tuple(sorted(str(one.reference) for one in asked if not one.digest and not one.problem)),
        tuple(sorted((str(one.reference), _line(one.problem)) for one in asked if one.problem)),
        tuple(sorted(unreadable.items())),
    )


def rendered(found: Listed, path: Path, variable: str) -> str:
    """For an inventory (``.yml``), or as ``mirror_images_file`` (``.txt``); raises InvalidInput.

    The same for the same images, whatever the messages of registries are.
    """
    comments = [
        *_comment("There is nothing of this name at its registry:", found.missing),
        *_comment(
            "Its registry couldn't be asked; run the playbook again:",
            [name for name, _problem in found.not_reached],
        ),
        *_comment("No image reference:", [f"{w}: {p}" for w, p in found.unreadable]),
    ]
    if path.suffix == ".txt":
        lines = [MARK, *found.images]
    else:
        if not is_list_of_images(variable):
            raise InvalidInput(
                f"variable {variable!r} is none that the role mirror reads: mirror_images, or a "
                "name that begins with mirror_images_"
            )
        images = yaml.safe_dump(list(found.images), width=10_000, default_flow_style=False)
        rows = images.splitlines() if found.images else []
        lines = [MARK, "---", f"{variable}:" + ("" if rows else " []")]
        lines += [f"  {row}" for row in rows]
    return "\n".join([*lines, *comments, ""])


def check_kept(before: str | None, found: Listed, path: Path) -> None:
    """Raises InvalidInput where an image of the list that is there couldn't be asked about.

    To take it out for that would let a mirror with mirror_prune remove it while a registry is down.
    """
    rows = [row.strip().lstrip("- ").strip("'\"") for row in (before or "").splitlines()]
    for name, problem in found.not_reached:
        place = name.rstrip("/")
        held = [row for row in rows if row == place or row.startswith((f"{place}@", f"{place}/"))]
        if held:
            raise InvalidInput(
                f"{held[0]} is in {path}, and its registry couldn't be asked now ({problem}): the "
                "list is left as it was; -e replace=true writes it without such images"
            )


def check_ending(path: Path) -> None:
    """Raises InvalidInput for a file that is neither for an inventory nor a plain list."""
    if path.suffix not in (".yml", ".yaml", ".txt"):
        raise InvalidInput(
            f"output {path} must end in .yml, for an inventory, or in .txt, for mirror_images_file"
        )


def current(path: Path, replace: bool) -> str | None:
    """What is in the file now; raises InvalidInput for one that this playbook didn't write."""
    try:
        found = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput(f"output {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        found = ""
    if not found.startswith(_OURS) and not replace:
        raise InvalidInput(
            f"output {path} is there, and wasn't written by this playbook; choose another name, or "
            "replace it with -e replace=true"
        )
    return found


def _comment(title: str, rows: Iterable[str]) -> list[str]:
    lines = [f"#   {_line(row)}" for row in rows]
    return [f"# {title}", *lines] if lines else []


def _line(text: str) -> str:
    """On one line, without anything that isn't to be seen: also YAML's other ends of lines."""
    words = " ".join(re.sub(r"[^\S ]", " ", text).split())
    return "".join(char if char.isprintable() else "?" for char in words)[:_SHOWN]
