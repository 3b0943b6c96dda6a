# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a transfer that bring what is attached to images.

All of them come before the image's tag. Referrers are written by digest; where the registry keeps
no lists of them, we add them to the list that a tag stands for. Cosign's tags take up what they
lack, so that nothing that was signed at the destination is lost.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Callable, NamedTuple

from ..model.cosign import with_config
from ..model.descriptor import Descriptor
from ..model.digest import as_tag
from ..model.errors import NotFound, RegistryError, WrittenOtherwise
from ..model.manifest import SIZE_LIMIT, Manifest
from ..model.referrers import merge_lists
from ..stores.base import Repository, Written
from .attached import merge_tag
from .graph import Graph, Step
from .image import Image, Tagged
from .reading import Opener
from .referrers import read_list

_RANK = (1,)
#: how often a list is written, when others write it at the same time
_TRIES = 5


class Tools(NamedTuple):
    """What the transfer does for it.

    ``child_step``: the step that stores a manifest of the image's tree by its digest.
    ``add_content``: lets a step need what a manifest needs. ``write``: stores a manifest, not in
    check mode. ``note_blob``: counts a blob for the image.
    """

    child_step: Callable[[Image, str, int], Step]
    add_content: Callable[[Image, Manifest, Step, int], None]
    write: Callable[[Image, Manifest, str | None], None]
    note_blob: Callable[[Image, Descriptor, Written], None]


class Attaching:
    """Adds these steps to a graph; what images share is done once."""

    def __init__(self, graph: Graph, check_mode: bool, tools: Tools) -> None:
        """In check mode every step only looks."""
        self._graph = graph
        self._check_mode = check_mode
        self._tools = tools
        self._steps: dict[tuple[str, ...], Step] = {}
        #: by repository and tag: its latest step; there are several if sources differ
        self._tags: dict[tuple[str, str], Step] = {}
        #: by repository: digests of referrers that the registry itself lists
        self._listed: set[tuple[str, str]] = set()
        self._lists: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def store(self, repository: Repository, manifest: Manifest, tag: str | None) -> None:
        """Stores a manifest and remembers whether the registry lists it as a referrer."""
        if repository.write_manifest(manifest, tag):
            self._listed.add((repository.name, manifest.digest))

    def place(self, image: Image, last: Step, turn: int) -> None:
        """Lets the ``last`` step of the image need all that is attached to it."""
        if image.attached is None:
            return
        for subject, referrers in image.attached.referrers.items():
            self._graph.needs(last, self._list_step(image, subject, referrers, turn))
        for tag, tagged in image.attached.tags.items():
            self._graph.needs(last, self._tag_step(image, tag, tagged, turn))

    # referrers

    def _list_step(self, image: Image, subject: str, referrers: list[Manifest], turn: int) -> Step:
        repository = image.repository
        key = (repository.name, subject, *(manifest.digest for manifest in referrers))
        step = self._steps.get(key)
        if step is None:
            step = self._graph.add(_RANK, lambda: self._list(repository, subject, referrers))
            self._steps[key] = step
            for manifest in referrers:
                self._graph.needs(step, self._tools.child_step(image, manifest.digest, turn))
        return step

    def _list(self, repository: Repository, subject: str, referrers: list[Manifest]) -> None:
        """Adds them to the list that a tag stands for, unless the registry does it itself.

        No registry lets a list be written on condition that it hasn't changed, so it is looked
        at again.
        """
        if self._check_mode:
            if repository.listed_referrers(subject) is None:
                read_list(repository, subject)
            return
        unlisted = [m for m in referrers if (repository.name, m.digest) not in self._listed]
        if not unlisted:
            return
        with self._lock:
            lock = self._lists[repository.name, subject]
        with lock:
            add_to_list(repository, subject, unlisted)

    # cosign's tags

    def _tag_step(self, image: Image, tag: str, tagged: Tagged, turn: int) -> Step:
        repository = image.repository
        key = (repository.name, tag, tagged.manifest.digest)
        step = self._steps.get(key)
        if step is None:
            step = self._graph.add(_RANK, lambda: self._set_tag(image, tag, tagged))
            self._steps[key] = step
            self._tools.add_content(image, tagged.manifest, step, turn)
            other = self._tags.get((repository.name, tag))
            if other is not None:
                self._graph.waits(step, other)
            self._tags[repository.name, tag] = step
        return step

    def _set_tag(self, image: Image, tag: str, tagged: Tagged) -> None:
        repository, manifest = image.repository, tagged.manifest
        new: Manifest | None = manifest
        try:
            # somebody may have signed there since the images were surveyed
            old = repository.manifest(tag)
        except NotFound:
            pass
        else:
            new = merge_tag(repository, tag, old, manifest)
            if new is not None and new is not manifest:
                new = self._with_config(image, new, old, manifest)
                if tagged.is_subject:
                    self._tools.write(image, manifest, None)
        if new is not None:
            self._tools.write(image, new, tag)

    def _with_config(self, image: Image, union: Manifest, old: Manifest, new: Manifest) -> Manifest:
        """The merged manifest, after its config was stored."""
        source = image.source or image.repository
        configs = (old, config_of(image.repository, old)), (new, config_of(source, new))
        found = with_config(union, *configs)
        config = found.config
        if config is not None and config.data is not None and found is not union:
            if not self._check_mode:
                opener = Opener(None, config)
                written = image.repository.write_blob(config, opener.open, None)
            else:
                there = image.repository.has_blob(config)
                written = Written.PRESENT if there else Written.COPIED
            self._tools.note_blob(image, config, written)
        return found


def add_to_list(repository: Repository, subject: str, referrers: list[Manifest]) -> None:
    """Adds them to the list that clients keep; raises RegistryError if others undo it each time."""
    tag = as_tag(subject)
    for _try in range(_TRIES):
        new = merge_lists(read_list(repository, subject), referrers)
        if new is None or _write_list(repository, tag, new):
            return
    raise RegistryError(
        f"{repository.name}:{tag}, the list of referrers of {subject}, is being changed by "
        f"others: {_TRIES} times what was written was gone at once"
    )


def _write_list(repository: Repository, tag: str, index: Manifest) -> bool:
    """Whether the tag names it afterwards."""
    try:
        repository.write_manifest(index, tag)
    except WrittenOtherwise:
        return False
    found = repository.resolve(tag)
    return found is not None and found.digest == index.digest


def config_of(repository: Repository, manifest: Manifest) -> bytes:
    """The content of a manifest's config; nothing for one of an unlikely size."""
    config = manifest.config
    if config is None or config.size > SIZE_LIMIT:
        return b""
    return repository.read_blob(config) if config.data is None else config.data
