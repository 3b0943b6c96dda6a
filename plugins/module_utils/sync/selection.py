# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tags of a repository are meant: the one answer for the module, the lookup and the role.

A *version selection* (``semver``, a wildcard, ``newest`` or ``variants``) takes nothing but
versions, and of these plain ones, unless ``variants`` says otherwise. The other filters take any
tag. Tags that stand for a digest (signatures, lists of referrers) are never taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.errors import InvalidInput
from ..model.patterns import compile_patterns
from ..model.reference import check_tag
from ..model.version import Name, Version, in_order, newest_first, parse_version

if TYPE_CHECKING:
    from ..model.version_range import VersionRange, Wildcard

MAX_TAGS = 200
#: distribution-spec, "Referrers Tag Schema", and cosign's tags
_DIGEST_TAG = re.compile(r"sha(?:256|384|512)-[0-9a-f]+(?:\..+)?")
Patterns = tuple["re.Pattern[str]", ...]


def is_attached(tag: str) -> bool:
    """Whether the tag stands for a digest, of what belongs to another image."""
    return _DIGEST_TAG.fullmatch(tag) is not None


class Filter(NamedTuple):
    """The option ``filter``; its parts are documented with the module."""

    semver: VersionRange | None = None
    include: Patterns = ()
    exclude: Patterns = ()
    prereleases: bool = False
    variants: Patterns = ()
    newest: int | None = None
    max_tags: int = MAX_TAGS
    allow_empty: bool = False

    def __str__(self) -> str:
        parts = [f"semver {self.semver.text!r}"] if self.semver else []
        for name in ("include", "exclude", "variants"):
            texts = [pattern.pattern for pattern in getattr(self, name)]
            parts += [f"{name} {texts}"] if texts else []
        parts += ["prereleases"] if self.prereleases else []
        parts += [f"newest {self.newest}"] if self.newest else []
        return ", ".join(parts)


class Selection(NamedTuple):
    """Tags by name, wildcards, and the filter for what isn't given by name.

    ``all_tags``: the filter applies to every tag, since none are given.
    """

    literals: tuple[str, ...]
    wildcards: tuple[Wildcard, ...]
    filter: Filter
    all_tags: bool = False

    @property
    def needs_list(self) -> bool:
        """Whether the tags that exist have to be known."""
        return self.all_tags or bool(self.wildcards)

    def select(self, listed: Iterable[str]) -> list[str]:
        """What is selected of the tags that exist, and all literals; newest first.

        Raises InvalidInput when a wildcard, or all of it, matches nothing, or it is too much.
        """
        if not self.needs_list:
            return newest_first(self.literals)
        tags = {tag for tag in listed if not is_attached(tag)}
        found = self._newest(self._matching(tags)) if self._by_version else self._any(tags)
        if not found and not self.filter.allow_empty:
            raise InvalidInput(f"none of the {len(tags)} tags matches {self}")
        if 0 < self.filter.max_tags < len(found):
            raise InvalidInput(
                f"{len(found)} tags match {self}, and max_tags is {self.filter.max_tags}"
            )
        return newest_first([*found, *self.literals])

    @property
    def _by_version(self) -> bool:
        chosen = self.filter
        return bool(self.wildcards or chosen.semver or chosen.variants or chosen.newest)

    def _any(self, tags: Iterable[str]) -> list[str]:
        return [tag for tag in tags if self._named(tag)]

    def _named(self, tag: str) -> bool:
        """Whether ``include`` and ``exclude`` let it through."""
        chosen = self.filter
        included = not chosen.include or _any_matches(chosen.include, tag)
        return included and not _any_matches(chosen.exclude, tag)

    def _matching(self, tags: Iterable[str]) -> list[Version]:
        """The versions that pass all but ``newest``, newest first."""
        parsed = [parse_version(tag) for tag in tags]
        found = [version for version in parsed if version and self._has_kind(version)]
        if self.wildcards:
            self._check_wildcards(found)
            found = [v for v in found if any(one.matches(v) for one in self.wildcards)]
        semver = self.filter.semver
        if semver:
            found = [version for version in found if semver.contains(version)]
        return in_order(version for version in found if self._named(version.tag))

    def _has_kind(self, version: Version) -> bool:
        """Whether its variant and being a prerelease are no obstacles."""
        chosen = self.filter
        named = chosen.semver is not None and chosen.semver.names_prerelease
        if version.prerelease and not (chosen.prereleases or named):
            return False
        if chosen.variants:
            return _any_matches(chosen.variants, version.variant)
        return not version.variant

    def _check_wildcards(self, versions: list[Version]) -> None:
        """One that stands for nothing is a mistake, as a literal that doesn't exist is."""
        for wildcard in () if self.filter.allow_empty else self.wildcards:
            if not any(wildcard.matches(version) for version in versions):
                raise InvalidInput(f"no tag matches {wildcard.text}")

    def _newest(self, versions: list[Version]) -> list[str]:
        """Of each variant so many, and the other names of these, which aren't counted."""
        limit = self.filter.newest
        if not limit:
            return [version.tag for version in versions]
        taken: list[str] = []
        names: dict[str, set[Name]] = {}
        counts: dict[str, int] = {}
        for version in versions:
            known = names.setdefault(version.variant, set())
            if version.name not in known:
                if counts.get(version.variant, 0) == limit:
                    continue
                counts[version.variant] = counts.get(version.variant, 0) + 1
            known.update(version.names())
            taken.append(version.tag)
        return taken

    def __str__(self) -> str:
        names = ", ".join(wildcard.text for wildcard in self.wildcards)
        parts = [f"tags {names}" if names else "", str(self.filter)]
        return "; ".join(part for part in parts if part) or "the filter"


def read_selection(tags: Any, filters: Any, prefix: str = "filter.") -> Selection | None:
    """What ``tags`` and ``filter`` select; None without both. Raises InvalidInput.

    ``prefix`` stands before the names of the filter's parts in messages.
    """
    if tags is None and filters is None:
        return None
    found = read_filter(filters, prefix)
    if tags is not None and not tags and not found.allow_empty:
        raise InvalidInput(f"tags is empty, which is an error without {prefix}allow_empty")
    literals, wildcards = [], []
    if tags:
        from ..model.version_range import parse_wildcard  # most images have one tag
    for text in tags or ():
        wildcard = parse_wildcard(text)
        if wildcard:
            wildcards.append(wildcard)
        else:
            literals.append(_literal(text))
    unique = tuple(dict.fromkeys(wildcards))
    return Selection(tuple(newest_first(literals)), unique, found, tags is None)


def read_filter(values: Any, prefix: str = "filter.") -> Filter:
    """The option ``filter`` checked; raises InvalidInput that names what is wrong."""
    if values is None:
        return Filter()
    if not isinstance(values, Mapping):
        raise InvalidInput(f"{prefix.rstrip('.')} must be a mapping, not {str(values)[:100]!r}")
    unknown = sorted(str(name) for name in values if name not in Filter._fields)
    if unknown:
        raise InvalidInput(
            f"{prefix}{unknown[0]} is no filter; there are: {', '.join(Filter._fields)}"
        )
    given = {name: value for name, value in values.items() if value is not None}
    return Filter(
        _semver(given["semver"], f"{prefix}semver") if "semver" in given else None,
        _patterns(given.get("include", ()), f"{prefix}include"),
        _patterns(given.get("exclude", ()), f"{prefix}exclude"),
        _flag(given.get("prereleases", False), f"{prefix}prereleases"),
        _patterns(given.get("variants", ()), f"{prefix}variants"),
        _number(given["newest"], f"{prefix}newest", 1) if "newest" in given else None,
        _number(given.get("max_tags", MAX_TAGS), f"{prefix}max_tags", 0),
        _flag(given.get("allow_empty", False), f"{prefix}allow_empty"),
    )


def _literal(text: Any) -> str:
    try:
        return check_tag(str(text))
    except InvalidInput as error:
        raise InvalidInput(
            f"tags: {error}; wildcards are written as 2.13.x, regexes go to include"
        ) from None


def _semver(value: Any, option: str) -> VersionRange:
    if isinstance(value, (bool, list, dict)):
        raise InvalidInput(f"{option} must be text, not {str(value)[:100]!r}")
    from ..model.version_range import parse_range

    return parse_range(str(value), option)


def _patterns(value: Any, option: str) -> Patterns:
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise InvalidInput(f"{option} must be a list of regexes, not {str(value)[:100]!r}")
    return compile_patterns(value, option)


def _number(value: Any, option: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidInput(f"{option} must be a number from {least} on, not {str(value)[:100]!r}")
    return value


def _flag(value: Any, option: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{option} must be true or false, not {str(value)[:100]!r}")
    return value


def _any_matches(patterns: Patterns, text: str) -> bool:
    return any(pattern.fullmatch(text) for pattern in patterns)
