# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding what is attached to images at their sources: signatures, attestations, SBOMs.

OCI referrers (distribution-spec, "Listing Referrers" and "Referrers Tag Schema") and cosign's
tags, of every manifest of an image, and of what is found in turn. Only an answer that says "there
is none" means none: any other failure is one of the image, whose tag then stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, TypeVar

from ..model.cosign import SUFFIXES
from ..model.descriptor import Descriptor
from ..model.digest import as_tag
from ..model.errors import (
    Cancelled,
    ConnectionFailed,
    ImageSyncError,
    InvalidContent,
    NotFound,
    RegistryError,
)
from ..model.manifest import DEPTH_LIMIT, MEDIA_TYPES, Manifest
from ..model.referrers import check_list
from ..stores.base import Repository
from .workers import Workers

#: what is attached to what is attached; in use are three levels (an attested signature)
_MOST_LEVELS = 8
#: of one image; what a registry sends must not fill the memory
_MOST_MANIFESTS, _MOST_BYTES = 10_000, 256 << 20
#: tags that stand for something attached begin so (see ``as_tag``)
_PREFIXES = ("sha256-", "sha384-", "sha512-")

T = TypeVar("T")
R = TypeVar("R")


class Subject(NamedTuple):
    """A manifest to which something may be attached, at a source."""

    source: Repository
    digest: str


class Subjects(NamedTuple):
    """All manifests of an image, to which something may be attached, at its source.

    ``digests``: theirs. ``tags``: names it is known to have at the source, without
    which a tag list is no proof of anything. ``lists``: whether tags may be listed there.
    """

    source: Repository
    digests: tuple[str, ...]
    tags: tuple[str, ...] = ()
    lists: bool = True


def entries_of(index: Manifest, repository: Repository, tag: str) -> list[Descriptor]:
    """The list of referrers that a tag stands for; raises InvalidContent if it names no list."""
    try:
        check_list(index)
    except InvalidContent as error:
        raise InvalidContent(f"the tag {tag} of {repository.name}: {error}") from None
    return [*index.children, *index.blobs]


def read_list(repository: Repository, subject: str) -> Manifest | None:
    """The list of referrers that clients keep under a tag, None where there is none.

    Raises InvalidContent when the tag names something else (distribution-spec, "Pushing
    Manifests with Subject").
    """
    tag = as_tag(subject)
    try:
        index = repository.manifest(tag)
    except NotFound:
        return None
    entries_of(index, repository, tag)
    return index


@dataclass
class Found:
    """What is attached to one image, and to that in turn.

    ``referrers``: by the digest of the subject. ``tags``: what cosign's tags name. ``tree``: all
    these manifests and those below them, by digest.
    """

    referrers: dict[str, list[Manifest]] = field(default_factory=dict)
    tags: dict[str, Manifest] = field(default_factory=dict)
    tree: dict[str, Manifest] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def has_some(self, digest: str) -> bool:
        """Whether anything is attached to this manifest."""
        tag = as_tag(digest)
        return digest in self.referrers or any(tag + suffix in self.tags for suffix in SUFFIXES)


class _Budget:
    """Counts what is read for the sake of one image."""

    def __init__(self) -> None:
        self._manifests = self._bytes = 0

    def spend(self, manifest: Manifest) -> None:
        """Raises InvalidContent when it is too much."""
        self._manifests += 1
        self._bytes += len(manifest.raw)
        self.check()

    def check(self) -> None:
        """Raises InvalidContent when it was too much."""
        if self._manifests > _MOST_MANIFESTS or self._bytes > _MOST_BYTES:
            raise InvalidContent(
                f"more than {_MOST_MANIFESTS} manifests, or more than {_MOST_BYTES >> 20} MiB of "
                "them, are attached to the image"
            )


@dataclass
class _Node:
    """What was found out about one subject."""

    subject: Subject
    budget: _Budget
    listed: list[Descriptor] = field(default_factory=list)
    referrers: list[Manifest] = field(default_factory=list)
    tags: dict[str, Manifest] = field(default_factory=dict)
    #: manifests of indexes among these
    below: dict[str, Manifest] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error: ImageSyncError | None = None

    def manifests(self) -> list[Manifest]:
        """Everything that was found, to which something may be attached in turn."""
        return [*self.referrers, *self.tags.values(), *self.below.values()]


class Discovery:
    """Looks at the sources for all images of a call, asking each thing once."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._nodes: dict[tuple[str, str], _Node] = {}
        #: of each source repository the tags that may matter; None: each has to be asked for
        self._tags: dict[str, frozenset[str] | None] = {}
        self._unreachable: dict[str, ConnectionFailed] = {}

    def run(self, images: list[Subjects]) -> list[Found | ImageSyncError]:
        """For each image what is attached to it, or why that can't be known."""
        self._list_tags(images)
        level: list[_Node] = []
        for image in images:
            budget = _Budget()
            level += self._new(image.source, image.digests, budget)
        for _depth in range(_MOST_LEVELS):
            if not level:
                break
            self._for_each(self._ask, level)
            self._for_each(self._read_listed, [node for node in level if node.listed])
            level = [
                new
                for node in level
                for new in self._new(
                    node.subject.source, (m.digest for m in node.manifests()), node.budget
                )
            ]
        for node in level:
            node.error = InvalidContent(
                f"attachments to attachments are nested deeper than {_MOST_LEVELS} levels"
            )
        return [self._gather(image) for image in images]

    def have_some(self, images: Iterable[Subjects]) -> list[bool]:
        """Whether anything is said to be attached to the manifests of each, without reading it.

        After ``run``. What can't be found out counts as nothing.
        """
        given = list(images)
        new = [node for i in given for node in self._new(i.source, i.digests, _Budget())]
        self._for_each(self._ask, new)
        nodes = [[self._nodes[i.source.name, digest] for digest in i.digests] for i in given]
        return [any(node.listed or node.tags for node in of_one) for of_one in nodes]

    def _new(self, source: Repository, digests: Iterable[str], budget: _Budget) -> list[_Node]:
        """Those that nobody asked about before; so there is an end, whatever refers to what."""
        found = []
        for digest in digests:
            key = (source.name, digest)
            if key not in self._nodes:
                self._nodes[key] = _Node(Subject(source, digest), budget)
                found.append(self._nodes[key])
        return found

    def _for_each(self, look: Callable[[_Node], None], nodes: list[_Node]) -> None:
        """Side by side; what fails is noted at the node."""

        def attempt(node: _Node) -> None:
            try:
                if node.error is None:
                    look(node)
            except Cancelled:
                raise
            except ImageSyncError as error:
                node.error = error

        self._workers.map(attempt, nodes)

    # tags

    def _list_tags(self, images: list[Subjects]) -> None:
        """One tag list of each repository, where it takes no more requests than what it spares."""
        groups: defaultdict[str, list[Subjects]] = defaultdict(list)
        for image in images:
            groups[image.source.name].append(image)

        def read(group: list[Subjects]) -> frozenset[str] | None:
            if not all(image.lists for image in group):
                return None
            digests = {digest for image in group for digest in image.digests}
            try:
                tags = group[0].source.tags(len(digests) * (len(SUFFIXES) + 1))
            except (RegistryError, InvalidContent):
                return None
            except ConnectionFailed as error:
                self._unreachable[group[0].source.name] = error  # that needn't be tried again
                return None
            if not tags or not {tag for image in group for tag in image.tags}.issubset(tags):
                return None
            return frozenset(tag for tag in tags if tag.startswith(_PREFIXES))

        self._tags = dict(zip(groups, self._workers.map(read, groups.values())))

    def _tagged(self, source: Repository, tag: str) -> Manifest | None:
        """What a tag names, None where there is no such tag."""
        known = self._tags[source.name]
        if known is not None and tag not in known:
            return None
        try:
            if known is None and source.resolve(tag) is None:
                return None
            return source.manifest(tag)
        except NotFound:
            return None

    # one subject

    def _ask(self, node: _Node) -> None:
        """Which referrers it has, and what cosign's tags for it name."""
        source, digest = node.subject
        node.budget.check()
        unreachable = self._unreachable.get(source.name)
        if unreachable is not None:
            raise unreachable
        listed = source.listed_referrers(digest)
        tag = as_tag(digest)
        if listed is None:
            index = self._tagged(source, tag)
            if index is not None:
                listed = entries_of(index, source, tag)
        for suffix in SUFFIXES:
            found = self._tagged(source, tag + suffix)
            if found is not None:
                node.budget.spend(found)
                if self._read_below(node, found, 1):
                    node.tags[tag + suffix] = found
        for entry in {entry.digest: entry for entry in listed or ()}.values():
            if entry.media_type in MEDIA_TYPES:
                node.listed.append(entry)
            else:
                kind = entry.media_type[:120] or "unknown"
                self._warn(node, entry.digest, f"is of the type {kind}, which can't be copied")

    def _read_listed(self, node: _Node) -> None:
        """The referrers themselves; an entry of a list proves nothing."""
        source, digest = node.subject
        for entry in node.listed:
            node.budget.check()
            try:
                found = source.manifest(entry.digest)
            except NotFound:
                self._warn(node, entry.digest, "isn't there")
                continue
            node.budget.spend(found)
            if found.subject is None or found.subject.digest != digest:
                self._warn(node, entry.digest, "doesn't refer to it")
            elif self._read_below(node, found, 1):
                node.referrers.append(found)

    def _read_below(self, node: _Node, index: Manifest, depth: int) -> bool:
        """The children of something attached that is an index; whether it is whole."""
        if index.children and depth > DEPTH_LIMIT:
            raise InvalidContent(f"indexes are nested deeper than {DEPTH_LIMIT} levels")
        for child in index.children:
            if child.digest in node.below:
                continue
            node.budget.check()
            try:
                found = node.subject.source.manifest(child.digest)
            except NotFound:
                self._warn(node, index.digest, f"lacks its part {child.digest}")
                return False
            node.budget.spend(found)
            node.below[child.digest] = found
            if not self._read_below(node, found, depth + 1):
                return False
        return True

    def _warn(self, node: _Node, digest: str, what: str) -> None:
        source, subject = node.subject
        node.warnings.append(
            f"{source.name}@{subject}: {digest} is listed as attached to it, but {what}; it was "
            "left out"
        )

    # one image

    def _gather(self, image: Subjects) -> Found | ImageSyncError:
        found = Found()
        seen: set[str] = set()
        queue = list(image.digests)
        while queue:
            digest = queue.pop(0)
            if digest in seen:
                continue
            seen.add(digest)
            node = self._nodes[image.source.name, digest]
            if node.error is not None:
                return node.error
            if node.referrers:
                found.referrers[digest] = node.referrers
            found.tags.update(node.tags)
            found.warnings += node.warnings
            for manifest in node.manifests():
                found.tree[manifest.digest] = manifest
                queue.append(manifest.digest)
        return found
