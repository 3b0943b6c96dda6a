# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What still uses a manifest: the tags of its repository, and the indexes under those tags.

An index that no tag names can't be found; registries have no request for that.
"""

from __future__ import annotations

from ..model.descriptor import Descriptor
from ..model.manifest import DEPTH_LIMIT, INDEXES
from ..stores.base import Repository
from .workers import Workers


class Usage:
    """The tags of a repository and what each of them keeps alive, at one moment."""

    def __init__(self, repository: Repository, workers: Workers) -> None:
        """Reads all of it: the tag list, a HEAD for each tag, and the indexes."""
        self._repository = repository
        names = repository.tags()
        found = workers.map(repository.resolve, names)
        #: what each tag names
        self.tags: dict[str, Descriptor] = {
            tag: descriptor for tag, descriptor in zip(names, found) if descriptor
        }
        indexes = {d.digest for d in self.tags.values() if d.media_type in INDEXES}
        order = sorted(indexes)
        self._children = dict(zip(order, workers.map(self._below, order)))

    def _below(self, digest: str, depth: int = 1) -> frozenset[str]:
        """The digests of all manifests under an index, nested ones included."""
        children = self._repository.manifest(digest).children
        found = {child.digest for child in children}
        for child in children:
            if child.media_type in INDEXES and depth < DEPTH_LIMIT:
                found |= self._below(child.digest, depth + 1)
        return frozenset(found)

    def naming(self, digest: str) -> list[str]:
        """The tags that name ``digest`` itself."""
        return sorted(tag for tag, found in self.tags.items() if found.digest == digest)

    def holding(self, digest: str) -> list[str]:
        """The tags of indexes that have ``digest`` below them."""
        return sorted(
            tag
            for tag, found in self.tags.items()
            if digest in self._children.get(found.digest, ())
        )

    def forget(self, digest: str) -> None:
        """The manifest was deleted, and with it all tags that named it."""
        self.tags = {tag: found for tag, found in self.tags.items() if found.digest != digest}

    def forget_tag(self, tag: str) -> None:
        """The tag was deleted."""
        self.tags.pop(tag, None)
