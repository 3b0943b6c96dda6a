# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user declares, checked before the first request is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..model.errors import InvalidInput
from ..model.platforms import Platform, parse_platform
from ..model.reference import Reference, check_tag, parse_reference

STATES = ("present", "staged", "absent")
EXISTING = ("replace", "keep", "fail")
REFERRERS = ("never", "with_image", "always")
INTEGRITY = ("tag", "manifests", "blobs")
PLATFORMS_MISSING = ("fail", "skip")
#: what an entry of ``images`` may say for itself, else the call's own value holds
INHERITED = (
    "state",
    "destination_tag",
    "existing",
    "immutable_tags",
    "referrers",
    "integrity",
    "platforms",
    "platforms_missing",
)


class Declared(NamedTuple):
    """One image as it is to be.

    ``destination`` has a tag, or a digest where the image is kept without a tag, or both.
    """

    name: str
    source: Reference | None
    destination: Reference
    state: str
    existing: str
    immutable: bool
    referrers: str = "with_image"
    integrity: str = "tag"
    platforms: tuple[Platform, ...] = ()
    platforms_missing: str = "fail"


def read_images(images: Iterable[Mapping[str, Any]], defaults: Mapping[str, Any]) -> list[Declared]:
    """The declaration, each image once, in its order; raises InvalidInput."""
    found: dict[tuple[str, str], Declared] = {}
    for number, entry in enumerate(images):
        values = {**entry}
        for key in INHERITED:
            if values.get(key) is None:
                values[key] = defaults.get(key)
        try:
            declared = _read(values)
        except InvalidInput as error:
            label = entry.get("name") or entry.get("destination") or entry.get("source") or ""
            raise InvalidInput(f"images[{number}] ({label}): {error}") from None
        _add(found, declared)
    return list(found.values())


def read_image(values: Mapping[str, Any]) -> list[Declared]:
    """The one image of a call without ``images``; raises InvalidInput."""
    return [_read(values)]


def _add(found: dict[tuple[str, str], Declared], declared: Declared) -> None:
    place = declared.destination
    key = (place.name, place.tag or place.digest or "")
    other = found.setdefault(key, declared)
    if other != declared:
        raise InvalidInput(
            f"two different images are declared for {place}: from {_origin(other)} and from "
            f"{_origin(declared)}"
            if _origin(other) != _origin(declared)
            else f"{place} is declared twice with different options"
        )


def _origin(declared: Declared) -> str:
    return str(declared.source) if declared.source else f"nowhere (state: {declared.state})"


def _read(values: Mapping[str, Any]) -> Declared:
    state = values.get("state") or "present"
    source = _source(values.get("source"), state)
    if not values.get("destination"):
        raise InvalidInput("destination is missing")
    destination = parse_reference(values["destination"])
    template = values.get("destination_tag")
    destination = _full_destination(destination, source, "{tag}" if template is None else template)
    if state == "absent" and not (destination.tag or destination.digest):
        raise InvalidInput("state: absent needs a tag or a digest in destination")
    if state == "absent":
        source = None  # it has told the tag, and nothing is read from it
    platforms = tuple(dict.fromkeys(parse_platform(p) for p in values.get("platforms") or ()))
    _check_pair(source, destination, bool(platforms))
    patterns = _patterns(values.get("immutable_tags") or ())
    tag = source.tag if source else None
    return Declared(
        values.get("name") or "",
        source,
        destination,
        state,
        values.get("existing") or "replace",
        bool(tag and any(pattern.fullmatch(tag) for pattern in patterns)),
        values.get("referrers") or "with_image",
        values.get("integrity") or "tag",
        platforms,
        values.get("platforms_missing") or "fail",
    )


def _source(text: str | None, state: str) -> Reference | None:
    if not text:
        if state == "absent":
            return None
        raise InvalidInput("source is missing")
    return parse_reference(text).with_default_tag()


def _full_destination(destination: Reference, source: Reference | None, template: str) -> Reference:
    """With the tag that it takes from the source, or by the source's digest."""
    check_template(template)
    if destination.tag or destination.digest or source is None:
        return destination
    if source.tag or "{tag}" not in template:
        return destination._replace(tag=check_tag(template.replace("{tag}", source.tag or "")))
    if template != "{tag}":
        raise InvalidInput(f"destination_tag {template!r} needs a tag, and {source} has none")
    return destination._replace(digest=source.digest)


def check_template(template: str) -> None:
    """Refuses a template with anything but ``{tag}`` in braces."""
    if re.match(r"\{'|\{\"|\{tag:", template):
        raise InvalidInput(
            "destination_tag is a mapping: YAML reads braces so; write it in quotes, as in "
            "destination_tag: '{tag}'"
        )
    if re.search(r"[{}]", template.replace("{tag}", "")):
        raise InvalidInput(f"destination_tag {template!r}: only {{tag}} may stand in braces")


def _check_pair(source: Reference | None, destination: Reference, partly: bool) -> None:
    if source is None:
        return
    both = source.digest and destination.digest and not partly
    if both and source.digest != destination.digest:
        raise InvalidInput(f"{source} can't be written as {destination}: their digests differ")
    own = destination.digest if source.digest else destination.tag
    if source.name == destination.name and (source.digest or source.tag) == own:
        raise InvalidInput(f"source and destination are the same: {destination}")


def _patterns(given: Iterable[str]) -> list[re.Pattern[str]]:
    patterns = []
    for text in given:
        try:
            patterns.append(re.compile(text))
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidInput(f"immutable_tags: {text!r} is no valid regex: {error}") from None
    return patterns
