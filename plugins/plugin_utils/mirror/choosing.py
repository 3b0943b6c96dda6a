# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entries are meant: without ``mirror_exclude``, and of these ``mirror_only``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
    without_login,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.version_range import (
    parse_wildcard,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import (
    Declared,
    Everything,
    Several,
)

from .entries import Item, normalise
from .gather import Written
from .names import nearest
from .values import text_list

Matches = Callable[[Item], bool]
_SELECTING = {"tags", "filter"}
_ASKED = "mirror_one_image"


def without(items: list[Item], excluded: Any, problems: list[str]) -> list[Item]:
    """All but those that ``mirror_exclude`` names."""
    try:
        words = text_list(excluded or [], "mirror_exclude")
    except InvalidInput as error:
        problems.append(str(error))
        return items
    rules = [_rule(word, f"mirror_exclude[{n}]", problems) for n, word in enumerate(words)]
    found = (_rest(item, rules) for item in items if not any(rule(item) for rule in rules))
    return [item for item in found if item]


def _rest(item: Item, rules: list[Matches]) -> Item | None:
    """Without those of its tags, given by name, that are excluded; None if no tag is left."""
    tags = item.image.get("tags")
    if not isinstance(tags, list):
        return item

    def excluded(tag: Any) -> bool:
        one = Item(item.label, {"source": f"{item.source}:{tag}"})
        return not parse_wildcard(str(tag)) and any(rule(one) for rule in rules)

    left = [tag for tag in tags if not excluded(tag)]
    if left == tags:
        return item
    return item._replace(image={**item.image, "tags": left}) if left else None


def _rule(word: str, where: str, problems: list[str]) -> Matches:
    try:
        pattern = re.compile(word)
    except (re.error, RecursionError, OverflowError) as error:
        problems.append(f"{where} {without_login(word)!r} is no valid regex: {error}")
        pattern = re.compile(re.escape(word))
    # who writes ^quay or debug$ leaves the other end open
    fits = pattern.search if word.startswith("^") or word.endswith("$") else pattern.fullmatch
    try:
        reference = parse_reference(word)
    except InvalidInput:
        reference = None

    def matches(item: Item) -> bool:
        found = item.reference
        texts = [item.name, item.source]
        texts += [str(found), found.name] if found else []
        if any(word == text or fits(text) for text in texts if text):
            return True
        if reference is None or found is None:
            return False
        return (
            reference == found
            if reference.tag or reference.digest
            else (reference.name == found.name)
        )

    return matches


def asked_for(
    items: list[Item], asked: Mapping[str, Any], problems: list[str]
) -> tuple[list[Item], str]:
    """With the image first that somebody asks for, and its label, "" if it can't be read.

    One that is declared is what its declaration says, and a tag of a repository from which tags
    are selected is by the rules of that entry: who asks decides about nothing but that.
    """
    found = normalise([Written(_ASKED, asked)], problems)
    if not found or found[0].reference is None:
        return items, ""
    wanted = found[0].reference
    known = [(one, one.reference) for one in items if one.image.get("state") != "absent"]
    same = [one for one, reference in known if reference == wanted]
    selecting = [
        one
        for one, reference in known
        if reference and reference.name == wanted.name and not _SELECTING.isdisjoint(one.image)
    ]
    origin = next(iter([*same, *selecting]), None)
    if origin is None or (wanted.digest and not same):
        return [found[0], *items], found[0].label
    image = {key: value for key, value in origin.image.items() if key not in _SELECTING}
    one = origin._replace(image={**image, "source": found[0].source})
    return [one, *(other for other in items if other is not origin)], origin.label


def check_nothing_replaced(items: list[Item], asked: str, problems: list[str]) -> None:
    """Refuses what somebody asks for, and nobody has declared, in the place of what is selected.

    The rules of those entries, as their gates, would be gone round: by the image of another
    registry under the same path, or by a digest under one of their tags.
    """
    if not asked.startswith(_ASKED):
        return
    wanted = next(item for item in items if item.label == asked)
    places = {p.destination.name for p in wanted.parsed if isinstance(p, Declared) if p.place[1]}
    for item in items:
        selecting = (p for p in item.parsed if isinstance(p, Several))
        theirs = (p.base.destination.name for p in selecting if not isinstance(p, Everything))
        if not places.isdisjoint(theirs):
            problems.append(
                f"{asked}: {item.label} mirrors to its place by rules of its own, "
                "and this isn't among what it selects"
            )


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
    meant = set()
    for word in words:
        found = next((text for text in (word, *_in_full(word)) if text in known), None)
        if found is None:
            close = nearest(word, sorted(map(without_login, known)))
            problems.append(
                f"mirror_only: no image is named {without_login(word)!r}, or has that source{close}"
            )
        else:
            meant.add(found)
    return [not words or not meant.isdisjoint(_called(item)) for item in items]


def _in_full(word: str) -> list[str]:
    """A source as it would be called: of equal entries only one is left, however it is written."""
    try:
        found = parse_reference(word)
    except InvalidInput:
        return []
    return [str(found.with_default_tag()), str(found)]


def _called(item: Item) -> list[str]:
    full = [str(item.reference)] if item.reference else []
    return [text for text in (item.name, *item.also, item.source, *full) if text]
