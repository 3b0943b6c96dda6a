# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of the declaration: text or mappings, checked, with their destination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    FILTER_OPTIONS,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
    without_login,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import (
    INHERITED,
    Declared,
    Several,
    read_image,
)

from .gather import Written
from .names import did_you_mean, nearest
from .options import ENTRY_SPEC, validate
from .places import Place, is_full
from .values import kind, text

#: entries that are named for the same problem; of the others only their number is told
_SAID_OF_EACH = 5
#: what an entry of the role may hold: not what is between the calls of the role itself
_KEYS = (*(key for key in ENTRY_SPEC if key != "settled"), "gate_tasks")
_TEXTS = ("name", "source", "destination", "destination_tag", "min_age", "backup_tag")


class Item(NamedTuple):
    """One entry. ``image``: as image_sync takes it; ``parsed``: as it reads it."""

    label: str
    image: dict[str, Any]
    parsed: tuple[Any, ...] = ()
    #: its own gate, as it is written, and the file of tasks that is beside its own
    gate_tasks: Any = None
    gate: str = ""
    #: names of entries that are one with it
    also: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """As it is written."""
        return str(self.image.get("source") or "")

    @property
    def name(self) -> str:
        """The user's name for it."""
        return str(self.image.get("name") or "")

    @property
    def reference(self) -> Reference | None:
        """The source, if it is one; without a tag where others say which."""
        try:
            found = parse_reference(self.source) if self.source else None
        except InvalidInput:
            return None
        several = self.image.get("tags") is not None or self.image.get("filter") is not None
        return found if found is None or several else found.with_default_tag()

    @property
    def repository(self) -> str:
        """Where it is written."""
        for one in self.parsed:
            base: Declared = one.base if isinstance(one, Several) else one
            return base.destination.group
        return ""

    @property
    def is_everything(self) -> bool:
        """Whether it names a layout or archive, and no image in it."""
        found = self.reference
        return bool(found and found.transport and not found.tag and not found.digest)

    @property
    def state(self) -> str:
        """What it is to be, "" where that isn't known yet."""
        found = [(p.base if isinstance(p, Several) else p).state for p in self.parsed]
        return found[0] if found else ""

    @property
    def absent(self) -> bool:
        """Whether it is to be removed."""
        return self.state == "absent"

    @property
    def by_pattern(self) -> bool:
        """Whether only the source's list of tags tells what it stands for."""
        return any(isinstance(one, Several) for one in self.parsed)

    def unnamed(self) -> Item:
        """The same, to be compared whatever its name is."""
        return self._replace(
            parsed=tuple(
                one._replace(base=one.base._replace(name=""), values={**one.values, "name": None})
                if isinstance(one, Several)
                else one._replace(name="")
                for one in self.parsed
            )
        )

    def places(self) -> list[Declared]:
        """The images whose destination is known before anybody is asked."""
        found: list[Declared] = []
        for one in self.parsed:
            found += one.named() if isinstance(one, Several) else [one]
        return found


#: what is declared for a place, and by which entry
_Places = dict[tuple[str, str], tuple[Item, Declared]]


def normalise(written: Iterable[Written], problems: list[str]) -> list[Item]:
    """The entries as mappings; what is wrong is added to ``problems``."""
    found = []
    for one in written:
        try:
            image = _mapping(one.value)
            own = image.pop("gate_tasks", None)
            found.append(Item(one.label, image, gate_tasks=own, gate=one.gate))
        except InvalidInput as error:
            problems.append(f"{one.label}: {error}")
    return found


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"source": value.strip()}
    if not isinstance(value, Mapping):
        raise InvalidInput(
            f"an image is written as text or as a mapping, and this is {kind(value)}"
        )
    for key in value:
        if key not in _KEYS:
            _refuse_key(str(key), value)
    image = {}
    for key, given in value.items():
        if given is None:
            continue
        image[key] = text(given, key) if key in _TEXTS else given
    _check_values(image)
    return image


def _refuse_key(key: str, value: Mapping[str, Any]) -> None:
    key = without_login(key)
    if len(value) == 1 and not did_you_mean(key, _KEYS):
        raise InvalidInput(
            f"this is a mapping with the key {key!r}; an image is written as text without a space "
            "after its colon, or as a mapping with a source"
        )
    if key in FILTER_OPTIONS:
        raise InvalidInput(f"there is no key {key!r}; it belongs into filter, indented deeper")
    raise InvalidInput(f"there is no key {key!r}{nearest(key, _KEYS)}")


def _check_values(image: Mapping[str, Any]) -> None:
    tags = image.get("tags")
    if isinstance(tags, list):
        for number, tag in enumerate(tags):
            text(tag, f"tags[{number}]")
    chosen = image.get("filter")
    if chosen is not None:
        if not isinstance(chosen, Mapping):
            raise InvalidInput(f"filter must be a mapping, not {kind(chosen)}")
        for key in chosen:
            if key not in FILTER_OPTIONS:
                raise InvalidInput(
                    f"filter: there is no {key!r}{nearest(str(key), FILTER_OPTIONS)}"
                )


def place(
    items: Iterable[Item], where: Place, options: Mapping[str, Any], problems: list[str]
) -> list[Item]:
    """The entries with their destinations, read as image_sync will read them."""
    found, said = [], Counter[str]()
    for item in items:
        try:
            image = {**item.image, **_destination(item, where)}
            found.append(item._replace(image=image, parsed=tuple(read(image, options))))
        except InvalidInput as error:
            said[str(error)] += 1
            if said[str(error)] <= _SAID_OF_EACH:
                problems.append(f"{item.label}: {error}")
    problems += [
        f"{count - _SAID_OF_EACH} more entries: {problem}"
        for problem, count in said.items()
        if count > _SAID_OF_EACH
    ]
    return found


def _destination(item: Item, where: Place) -> dict[str, Any]:
    own = str(item.image.get("destination") or "")
    if item.is_everything and not own:
        # each image's name in the bundle makes its path, where the bundle is
        root = where.root if "/" in where.root else f"{where.root}/"
        return {"destination": root, "destination_path": where.path}
    several = item.image.get("tags") is not None or item.image.get("filter") is not None
    found: dict[str, Any] = {"destination": where.destination(own, item.source, not several)}
    by_source = where.is_named_by_source(item.source) and not is_full(own)
    if several and where.is_bundle and (by_source or not own):
        found["destination_tag"] = "{tag}"  # a bundle calls images by their sources
    return found


def take_from(bundle: str, items: Iterable[Item]) -> list[Item]:
    """The entries with their sources in a bundle, in place of the registries."""
    found = []
    for item in items:
        reference = item.reference
        if bundle and reference is not None and not reference.transport:
            item = item._replace(image={**item.image, "source": f"{bundle}:{reference}"})
        found.append(item)
    return found


def read(image: Mapping[str, Any], options: Mapping[str, Any]) -> list[Any]:
    values = validate(ENTRY_SPEC, image)
    for key in INHERITED:
        if values.get(key) is None:
            values[key] = options.get(key)
    return list(read_image(values))


def each_once(items: Iterable[Item], problems: list[str], named: bool = True) -> list[Item]:
    """Equal entries are one; those that differ for one destination are a problem.

    ``named``: whether names count. In a bundle those of several paths are one image.
    """
    kept: list[Item] = []
    places: _Places = {}
    originals: dict[str, Item] = {}
    for original in items:
        if not original.parsed:  # it stands for no image
            continue
        item = original if named else original.unnamed()
        images = item.places()
        twin = _twin(item, images, places, kept)
        if twin and (twin.gate_tasks, twin.gate) == (item.gate_tasks, item.gate):
            first = originals[twin.label]
            originals[twin.label] = first._replace(also=(*first.also, item.name))
            continue
        if twin:
            problems.append(
                f"{twin.label} and {item.label} declare the same, and differ in their gates"
            )
            continue
        clash = _clash(item, images, places)
        if clash:
            problems.append(clash)
            continue
        places.update({one.place: (item, one) for one in images})
        kept.append(item)
        originals[item.label] = original
    return [originals[item.label] for item in kept]


def _twin(item: Item, images: list[Declared], places: _Places, kept: list[Item]) -> Item | None:
    """An entry before it that says the same."""
    if item.by_pattern:
        return next((one for one in kept if one.by_pattern and one.parsed == item.parsed), None)
    if all(one.place in places and places[one.place][1] == one for one in images):
        others = [places[one.place][0] for one in images]
        gates = item.gate_tasks, item.gate
        differ = (other for other in others if (other.gate_tasks, other.gate) != gates)
        return next(differ, others[0])
    return None


def _clash(item: Item, images: list[Declared], places: _Places) -> str:
    for one in images:
        other, before = places.get(one.place, (item, one))
        if before == one:
            continue
        if before.source == one.source:
            fields = [f for f in one._fields if getattr(one, f) != getattr(before, f)]
            return (
                f"{other.label} and {item.label} both declare {one.destination}, and differ in "
                f"{', '.join(fields)}"
            )
        return (
            f"{other.label} and {item.label} are different images for one destination, "
            f"{one.destination}"
        )
    return ""
