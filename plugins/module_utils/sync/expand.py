# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From entries that stand for several tags to one image for each of them.

Every source repository that is selected from is listed once, however many entries do so. An
entry whose list can't be read, or of which nothing matches, fails by itself; the tags that it
gives by name need no list, and go on.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from typing import Callable

from ..model.errors import Cancelled, ImageSyncError, InvalidInput, NotFound
from ..model.version import newest_first
from ..stores.base import Repository
from ..transport.settings import Settings
from .declared import Declared, Entry, Everything, Several, unique
from .image import Image
from .masking import check_masking
from .workers import Workers


class Expansion:
    """The images of a call: ``images`` before it is known what entries with tags stand for."""

    def __init__(
        self,
        declared: Iterable[Entry],
        opened: Callable[[Declared], Image],
        settings: Settings,
        locked_tags: Callable[[Several], list[str]] | None = None,
    ) -> None:
        """``opened`` makes an Image of its declaration.

        ``locked_tags`` tells, in place of the source, which tags there are.
        """
        self._opened, self._settings, self._locked_tags = opened, settings, locked_tags
        self._items = [
            (item if isinstance(item, Several) else None, opened(_declared(item)))
            for item in declared
        ]
        for several, image in self._items:
            if isinstance(several, Everything):  # where its images go isn't known yet
                image.move(several.base.destination)
        #: by the number of the item: what was found, and of what it was selected
        self._found: dict[int, list[Declared]] = {}
        self._listed: dict[int, list[str]] = {}
        #: by their place
        self._made: dict[tuple[str, str], Image] = {}

    @property
    def images(self) -> list[Image]:
        """One for each entry; that of an entry with tags has none."""
        return [image for _several, image in self._items]

    def run(self, workers: Workers, failed: Callable[[Image, ImageSyncError], None]) -> list[Image]:
        """All images, in the order declared, tags of an entry newest first.

        Entries that ``failed`` was told of are among them. Raises InvalidInput when two images
        are for the same destination.
        """
        groups = defaultdict(list)
        for number, (several, _image) in enumerate(self._items):
            if several:
                groups[str(several.base.source)].append(number)
        for group in groups.values():
            workers.submit((1,), lambda group=group: self._read(group, failed))  # type: ignore[misc]
        workers.finish()
        return self._expanded() if groups else self.images

    def refill(self) -> list[Image] | None:
        """All images once more, where ``newest`` has older ones for those that are too young.

        One whose tag the destination has, older, keeps its place: it goes on there as it is. None
        where nothing is to be added.
        """
        more = False
        for number, tags in self._listed.items():
            several, _image = self._items[number]
            found = self._found[number]
            young = [one for one in found if self._leaves_its_place(one)]
            if several is None or not (tags and young):
                continue
            refused = {_own_tag(several, one) for one in young}
            known = {one.place for one in found}
            others = _without(several, refused, tags)
            added = [one for one in others if one.place not in known]
            self._found[number] = _in_order(several, found + added)
            more = more or bool(added)
        return self._expanded() if more else None

    def _may_refill(self, several: Several) -> bool:
        """What is locked is what was taken before: there, nothing comes in place of anything."""
        by_age = several.base.min_age and several.selection.filter.newest
        return bool(by_age and not self._locked_tags)

    def _leaves_its_place(self, declared: Declared) -> bool:
        image = self._made.get(declared.place)
        young = image is not None and image.outcome.reason == "too_young"
        return bool(young and image and image.previous is None)

    def _read(self, group: list[int], failed: Callable[[Image, ImageSyncError], None]) -> None:
        """Lists one repository, for all entries that select from it."""
        tags: list[str] = []
        error: ImageSyncError | None = None
        try:
            if self._locked_tags is None:
                tags = read_tags(self._items[group[0]][1].source)
        except Cancelled:
            return
        except ImageSyncError as caught:
            error = caught
        for number in group:
            several, image = self._items[number]
            if several is None:
                continue
            try:
                if error:
                    raise error
                there = self._there(several, image, tags)
                self._found[number] = several.select(there)
                self._listed[number] = there if self._may_refill(several) else []
            except ImageSyncError as caught:
                self._found[number] = several.named()
                failed(image, caught)

    def _there(self, several: Several, image: Image, tags: list[str]) -> list[str]:
        """The tags that an entry selects from; ``tags``: those of its source."""
        if self._locked_tags:
            return self._locked_tags(several)
        source = several.base.source or several.base.destination
        there = [own for tag in tags if (own := source.tag_of(tag))]
        if isinstance(several, Everything):
            if not there:
                _check_unnamed(image.source)
        elif image.source is not None and image.source.base():
            # a delta leaves out what is at its place already, and is declared all the same
            known = _without_backups(several, image.repository.tags())
            there = list(dict.fromkeys(there + source_tags(several, known)))
        return there

    def _expanded(self) -> list[Image]:
        """The entries themselves stay where they failed, or where there was no time for them."""
        known = [
            self._found.get(number, []) if several else [image.declared]
            for number, (several, image) in enumerate(self._items)
        ]
        # a tag that entries with different names select is the first one's
        wanted = unique(declared._replace(name="") for group in known for declared in group)
        texts = ((str(one.source or ""), str(one.destination)) for one in wanted)
        check_masking(self._settings, itertools.chain.from_iterable(texts))
        images, seen = [], set()
        for number, (several, image) in enumerate(self._items):
            if several and not (image.open and number in self._found):
                images.append(image)
            for declared in known[number]:
                if declared.place not in seen:
                    seen.add(declared.place)
                    if declared.place not in self._made:
                        self._made[declared.place] = self._opened(declared) if several else image
                    images.append(self._made[declared.place])
        return images


def _without_backups(several: Several, tags: Iterable[str]) -> list[str]:
    """``tags`` of the destination but for those that an entry keeps old images under."""
    template = several.values.get("backup_tag") or ""
    place, known = several.base.destination, list(tags)
    kept = {template.replace("{tag}", place.tag_of(tag)) for tag in known} if template else ()
    return [tag for tag in known if place.tag_of(tag) not in kept]


def source_tags(several: Several, tags: Iterable[str]) -> list[str]:
    """The inverse of ``Several.at``: what ``tags`` of the destination are called at the source."""
    template = several.values.get("destination_tag") or "{tag}"
    count, start = template.count("{tag}"), template.find("{tag}")
    if not count:
        return []
    found = []
    for tag in tags:
        own = several.base.destination.tag_of(tag)
        length = (len(own) - len(template)) // count + len("{tag}")
        one = own[start : start + max(length, 0)]
        if one and template.replace("{tag}", one) == own:
            found.append(one)
    return found


def read_tags(repository: Repository | None) -> list[str]:
    """All tags of a repository that exists; raises ImageSyncError."""
    if repository is None:
        raise InvalidInput("this image has no source")
    tags = repository.tags()
    if not tags and not repository.first_tags().exists:
        raise NotFound(f"the repository {repository.name} doesn't exist", 404)
    return tags


def _without(several: Several, refused: set[str], tags: Iterable[str]) -> list[Declared]:
    """What ``newest`` selects where the source hasn't these versions."""
    lenient = several.selection.filter._replace(allow_empty=True)
    several = several._replace(selection=several.selection._replace(filter=lenient))
    return several.select(tag for tag in tags if tag not in refused)


def _own_tag(several: Several, declared: Declared) -> str:
    """The tag that was selected: on disk, the source's name ends with it."""
    source, chosen = several.base.source, declared.source
    return source.tag_of(chosen.tag) if source and chosen and chosen.tag else ""


def _in_order(several: Several, images: list[Declared]) -> list[Declared]:
    tags = [_own_tag(several, declared) for declared in images]
    ranks = {tag: rank for rank, tag in enumerate(newest_first(tags))}
    return sorted(images, key=lambda declared: ranks[_own_tag(several, declared)])


def _check_unnamed(repository: Repository | None) -> None:
    """Of a layout in which no image has a name; raises ImageSyncError, unless it is a delta."""
    if repository is not None and not repository.base() and repository.resolve("") is not None:
        raise InvalidInput(
            f"the image in {repository.name} has no name, so the destination has to have a tag"
        )


def _declared(item: Entry) -> Declared:
    if isinstance(item, Everything):
        return item.base._replace(destination=item.base.source or item.base.destination)
    return item.base if isinstance(item, Several) else item
