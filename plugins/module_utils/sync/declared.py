# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user declares, checked before the first request is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Union

from ..model.ages import parse_age
from ..model.errors import InvalidInput
from ..model.path_template import DEFAULT_PATH, check_path, path_of
from ..model.patterns import compile_patterns
from ..model.platforms import Platform, parse_platform
from ..model.reference import (
    DOCKER_ARCHIVE,
    Reference,
    check_tag,
    parse_reference,
    without_login,
)
from .selection import Filter, Selection, is_attached, read_selection
from .settled import Settled, read_settled

STATES = ("present", "staged", "absent")
EXISTING = ("replace", "keep", "fail")
REFERRERS = ("never", "with_image", "always")
INTEGRITY = ("tag", "manifests", "blobs")
PLATFORMS_MISSING = ("fail", "skip")
#: what an entry of ``images`` may say for itself, else the call's own value holds
INHERITED = (
    "state",
    "tags",
    "filter",
    "destination_tag",
    "existing",
    "immutable_tags",
    "referrers",
    "integrity",
    "platforms",
    "platforms_missing",
    "signed_by",
    "destination_path",
    "min_age",
    "backup_tag",
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
    #: public keys as they are written: PEM, or the path of a file
    signed_by: tuple[str, ...] = ()
    #: seconds; 0 for any age
    min_age: int = 0
    #: under which tag, beside the destination's, what that named before is kept
    backup_tag: str = ""

    @property
    def backup(self) -> Reference | None:
        """The destination's old image; None where it isn't kept."""
        place, tag = self.destination, self.destination.image_tag
        if not self.backup_tag or not place.tag or not tag:
            return None
        begin = place.tag[: len(place.tag) - len(tag)]  # of a name on disk
        return place._replace(tag=begin + self.backup_tag, digest=None)

    #: what an earlier call of the same run told of it
    settled: Settled | None = None

    @property
    def place(self) -> tuple[str, str]:
        """What no two images of a call may share."""
        place = self.destination
        return place.name, place.tag or place.digest or ""


class Several(NamedTuple):
    """An entry with ``tags`` or ``filter``, for as many images as these select.

    ``base`` is all but the tags: its source and destination have none. ``values``: the entry.
    On disk, a source or destination is what the names begin with.
    """

    base: Declared
    selection: Selection
    values: Mapping[str, Any]

    def at(self, tag: str) -> Declared:
        """The image of one tag of the source; raises InvalidInput."""
        source = self.base.source or self.base.destination
        values = {**self.values, "source": str(source.with_tag(tag))}
        destination = self.base.destination
        if destination.transport and destination.tag:
            template = self.values.get("destination_tag") or "{tag}"
            values["destination"] = str(destination.with_tag(template.replace("{tag}", tag)))
        return _read(values)

    def named(self) -> list[Declared]:
        """The images whose tags are given by name, newest first."""
        return [self.at(tag) for tag in self.selection.literals]

    def select(self, tags: Iterable[str]) -> list[Declared]:
        """The images that are meant where the source has these ``tags``; newest first."""
        try:
            return [self.at(tag) for tag in self.selection.select(tags)]
        except InvalidInput as error:
            raise InvalidInput(f"{self.base.source}: {error}") from None


class Everything(Several):
    """An entry whose source is a layout or archive, for all images in it by their names."""

    __slots__ = ()

    def select(self, tags: Iterable[str]) -> list[Declared]:
        """One image for each name; raises InvalidInput."""
        names = [name for name in tags if not is_attached(name)]
        source = self.base.source or self.base.destination
        groups = {source.with_tag(name).group for name in names}
        alone = len(groups) < 2 and not self.values.get("destination_path")
        alone = alone and bool(self.base.destination.repository)
        return [self._named(name, alone) for name in names]

    def _named(self, name: str, alone: bool) -> Declared:
        """``alone``: the destination is that of the only repository in the source."""
        source = (self.base.source or self.base.destination)._replace(tag=name)
        destination = self.base.destination
        if destination.transport:
            destination = destination.with_tag(name)
        elif not alone and source.group != source.name:
            template = self.values.get("destination_path") or DEFAULT_PATH
            path = path_of(parse_reference(name), template)
            destination = parse_reference(f"{str(destination).rstrip('/')}/{path}")
        return _read({**self.values, "source": str(source), "destination": str(destination)})


#: one image, or an entry whose images are known when the source was asked
Entry = Union[Declared, Several]


def read_images(images: Iterable[Mapping[str, Any]], defaults: Mapping[str, Any]) -> list[Entry]:
    """The declaration, each image once, in its order; raises InvalidInput."""
    found: list[Entry] = []
    for number, entry in enumerate(images):
        inherited = {key: defaults.get(key) for key in INHERITED if entry.get(key) is None}
        try:
            found += _read_entry({**entry, **inherited})
        except InvalidInput as error:
            label = entry.get("name") or entry.get("destination") or entry.get("source") or ""
            shown = without_login(str(label))
            raise InvalidInput(f"images[{number}] ({shown}): {error}") from None
    return _each_once(found)


def read_image(values: Mapping[str, Any]) -> list[Entry]:
    """What a call without ``images`` is for; raises InvalidInput."""
    return _each_once(_read_entry(values))


def unique(images: Iterable[Declared]) -> list[Declared]:
    """Equal images once; raises InvalidInput for different ones with the same destination."""
    found: dict[tuple[str, str], Declared] = {}
    for image in images:
        _add(found, image)
    return list(found.values())


def _each_once(entries: list[Entry]) -> list[Entry]:
    """Compares what is known so far, which includes the tags that are given by name."""
    unique(
        image
        for entry in entries
        for image in (entry.named() if isinstance(entry, Several) else [entry])
    )
    kept: list[Entry] = []
    places: set[tuple[str, str]] = set()
    for entry in entries:
        if isinstance(entry, Declared):
            if entry.place not in places:
                kept.append(entry)
            places.add(entry.place)
        elif not any(entry == other for other in kept if isinstance(other, Several)):
            kept.append(entry)
    return kept


def _add(found: dict[tuple[str, str], Declared], declared: Declared) -> None:
    other = found.setdefault(declared.place, declared)
    if other != declared:
        fields = (n for n, a, b in zip(Declared._fields, other, declared) if a != b)
        raise InvalidInput(
            f"two different images are declared for {declared.destination}: from "
            f"{_origin(other)} and from {_origin(declared)}"
            if _origin(other) != _origin(declared)
            else f"{declared.destination} is declared twice with different options: "
            + ", ".join("immutable_tags" if n == "immutable" else n for n in fields)
        )


def _origin(declared: Declared) -> str:
    return str(declared.source) if declared.source else f"nowhere (state: {declared.state})"


def _read_entry(values: Mapping[str, Any]) -> list[Entry]:
    """One entry: an image, one for each of its tags, or what will be known later."""
    selection = read_selection(values.get("tags"), values.get("filter"))
    check_path(values.get("destination_path") or DEFAULT_PATH, "destination_path")
    if selection is None:
        return [_everything(values) or _read(values)]
    several = _several(values, selection)
    return [several] if selection.needs_list else [*several.named()]


def _everything(values: Mapping[str, Any]) -> Everything | None:
    """An entry that names a layout or archive and no image in it, and no tag to write it by."""
    if values.get("state") == "absent" or not (values.get("source") and values.get("destination")):
        return None
    source = parse_reference(values["source"])
    if not source.transport or source.tag or source.digest:
        return None
    destination = _root_of(values["destination"])
    if destination.tag or destination.digest:
        return None
    if source == destination:
        raise InvalidInput(f"source and destination are the same: {destination}")
    # what doesn't depend on the names is checked with one that can't be wrong
    sample = {"source": f"{source}:0", "destination": str(destination.with_tag("0"))}
    if not destination.repository:
        sample["destination"] = f"{destination.registry}/x:0"
    base = _read({**values, **sample})
    selection = Selection((), (), Filter(), True)
    return Everything(base._replace(source=source, destination=destination), selection, values)


def _root_of(text: str) -> Reference:
    """A repository, or a registry alone, below which there will be some."""
    try:
        return parse_reference(text)
    except InvalidInput:
        registry = parse_reference(f"{text.rstrip('/')}/x")
        if registry.repository != "x":
            raise
        return registry._replace(repository="")


def _several(values: Mapping[str, Any], selection: Selection) -> Several:
    """Checks all that doesn't depend on the tags."""
    absent = values.get("state") == "absent"
    if absent and selection.needs_list:
        raise InvalidInput(
            "state: absent removes only tags that are given by name: no wildcards, no filter"
        )
    destination = _untagged("destination", values.get("destination"), "destination_tag says which")
    source = destination
    if values.get("source") or not absent:
        source = _untagged("source", values.get("source"), "they say which")
    template = "{tag}" if values.get("destination_tag") is None else values["destination_tag"]
    if not absent and source == destination and template == "{tag}":
        raise InvalidInput(f"source and destination are the same: {destination}")
    check_template(template)
    check_tag(template.replace("{tag}", "0"))
    # the rest is read with tags that can't be wrong
    base = _read({**values, "source": f"{source}:0", "destination": str(destination.with_tag("_"))})
    return Several(
        base._replace(source=None if absent else source, destination=destination),
        selection,
        values,
    )


def _untagged(option: str, text: str | None, instead: str) -> Reference:
    if not text:
        raise InvalidInput(f"{option} is missing")
    found = parse_reference(text)
    if found.image_tag or found.digest:
        raise InvalidInput(
            f"{option} {found} has a tag or a digest; with tags or filter it has none, and "
            f"{instead}"
        )
    return found


def _read(values: Mapping[str, Any]) -> Declared:
    state = values.get("state") or "present"
    source = _source(values.get("source"), state)
    if not values.get("destination"):
        raise InvalidInput("destination is missing")
    destination = parse_reference(values["destination"])
    if destination.transport == DOCKER_ARCHIVE:
        raise InvalidInput(f"{destination}: archives of Docker can only be read, not written")
    template = values.get("destination_tag")
    destination = _full_destination(destination, source, "{tag}" if template is None else template)
    if state == "absent" and not (destination.tag or destination.digest):
        raise InvalidInput("state: absent needs a tag or a digest in destination")
    if state == "absent":
        source = None  # it has told the tag, and nothing is read from it
    platforms = tuple(dict.fromkeys(parse_platform(p) for p in values.get("platforms") or ()))
    settled = read_settled(values.get("settled"))
    _check_pair(source, destination, bool(platforms or settled))
    patterns = compile_patterns(values.get("immutable_tags") or (), "immutable_tags")
    tag = source.image_tag if source else None
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
        _signed_by(values.get("signed_by") or (), state),
        parse_age(values.get("min_age") or "0", "min_age") if state != "absent" else 0,
        _backup_tag(values.get("backup_tag") or "", destination) if state != "absent" else "",
        settled=settled,
    )


def _backup_tag(template: str, destination: Reference) -> str:
    check_template(template, "backup_tag")
    tag = destination.image_tag
    if not template or not tag:
        return ""
    backup = check_tag(template.replace("{tag}", tag))
    if backup == tag:
        raise InvalidInput(f"backup_tag {template!r} is the destination's own tag, {tag}")
    return backup


def _signed_by(keys: Iterable[str], state: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(keys))
    if not all(key.strip() for key in found):
        raise InvalidInput("signed_by has an empty entry, which is no key")
    if any("PRIVATE KEY-----" in key for key in found):  # told before it comes any further
        raise InvalidInput("signed_by holds a private key, which belongs to the signer alone")
    return found if state != "absent" else ()


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
    tag = source.tag if destination.transport else source.image_tag
    if tag or "{tag}" not in template:
        return destination._replace(tag=destination.check_tag(template.replace("{tag}", tag or "")))
    if source.transport and not source.digest:
        raise InvalidInput(f"{source} names no tag, so the destination has to have one")
    if template != "{tag}":
        raise InvalidInput(f"destination_tag {template!r} needs a tag, and {source} has none")
    return destination._replace(digest=source.digest)


def check_template(template: str, option: str = "destination_tag") -> None:
    """Refuses a template with anything but ``{tag}`` in braces."""
    if re.match(r"\{'|\{\"|\{tag:", template):
        raise InvalidInput(
            f"{option} is a mapping: YAML reads braces so; write it in quotes, as in "
            f"{option}: '{{tag}}'"
        )
    if re.search(r"[{}]", template.replace("{tag}", "")):
        raise InvalidInput(f"{option} {template!r}: only {{tag}} may stand in braces")


def _check_pair(source: Reference | None, destination: Reference, partly: bool) -> None:
    if source is None:
        return
    both = source.digest and destination.digest and not partly
    if both and source.digest != destination.digest:
        raise InvalidInput(f"{source} can't be written as {destination}: their digests differ")
    own = destination.digest if source.digest else destination.tag
    if source.name == destination.name and (source.digest or source.tag) == own:
        raise InvalidInput(f"source and destination are the same: {destination}")
