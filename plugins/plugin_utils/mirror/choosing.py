# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entries are meant: without ``mirror_exclude``, and of these ``mirror_only``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)

from .entries import Item
from .names import nearest
from .values import text_list

Matches = Callable[[Item], bool]


def without(items: list[Item], excluded: Any, problems: list[str]) -> list[Item]:
    """All but those that ``mirror_exclude`` names."""
    try:
        words = text_list(excluded or [], "mirror_exclude")
    except InvalidInput as error:
        problems.append(str(error))
        return items
    rules = [_rule(word, f"mirror_exclude[{n}]", problems) for n, word in enumerate(words)]
    return [item for item in items if not any(rule(item) for rule in rules)]


def _rule(word: str, where: str, problems: list[str]) -> Matches:
    try:
        pattern = re.compile(word)
    except (re.error, RecursionError, OverflowError) as error:
        problems.append(f"{where} {word!r} is no valid regex: {error}")
        pattern = re.compile(re.escape(word))
    try:
        reference = parse_reference(word)
    except InvalidInput:
        reference = None

    def matches(item: Item) -> bool:
        found = item.reference
        texts = [item.name, item.source]
        texts += [str(found), found.name] if found else []
        if any(word == text or pattern.fullmatch(text) for text in texts if text):
            return True
        if reference is None or found is None:
            return False
        return (
            reference == found
            if reference.tag or reference.digest
            else (reference.name == found.name)
        )

    return matches


def only(items: Iterable[Item], chosen: Any, problems: list[str]) -> list[bool]:
    """For each entry whether ``mirror_only`` names it; all are meant where that is empty."""
    items = list(items)
    if isinstance(chosen, str):  # as -e mirror_only=a,b gives it
        chosen = [word.strip() for word in chosen.split(",") if word.strip()]
    try:
        words = text_list(chosen or [], "mirror_only")
    except InvalidInput as error:
        problems.append(str(error))
        return [True for _item in items]
    known: dict[str, None] = {}
    for item in items:
        known.update(dict.fromkeys(_called(item)))
    for word in words:
        if word not in known:
            close = nearest(word, sorted(known))
            problems.append(f"mirror_only: no image is named {word!r}, or has that source{close}")
    return [not words or not set(words).isdisjoint(_called(item)) for item in items]


def _called(item: Item) -> list[str]:
    full = [str(item.reference)] if item.reference else []
    return [text for text in (item.name, item.source, *full) if text]
