# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What still uses a manifest: the tags of its repository, the indexes under those tags, and what
the same call wants there.

An index that no tag names can't be found; registries have no request for that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from ..model.descriptor import Descriptor
from ..model.errors import InvalidContent, NotFound
from ..model.manifest import IMAGES, INDEXES, Manifest
from ..stores.base import Repository
from .workers import Workers

#: what has no manifests below it; of a tag with any other type, only its content tells
_CHILDLESS = (
    *IMAGES,
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.oci.artifact.manifest.v1+json",
)
#: in an index: what is one, or may be
_MAYBE_INDEX = (*INDEXES, "", "application/json", "text/plain", "application/octet-stream")
#: indexes within indexes; registries take more than can be copied
_MOST_LEVELS = 50


class Wanted(NamedTuple):
    """An image that the same call wants in the repository.

    ``tag``: None for one without. ``manifests``: those that the call brings for it, which in check
    mode aren't there.
    """

    tag: str | None
    top: Descriptor
    manifests: tuple[Manifest, ...]


class Usage:
    """The tags of a repository and what each of them keeps alive, at one moment."""

    def __init__(
        self, repository: Repository, workers: Workers, wanted: Iterable[Wanted] = ()
    ) -> None:
        """Reads all of it: the tag list, a HEAD for each tag, and the indexes."""
        self._repository, self._workers = repository, workers
        names = repository.tags()
        if not names:
            repository.first_tags()  # raises where the registry has no list at all
        found = workers.map(repository.resolve, names)
        #: what each tag names
        self.tags: dict[str, Descriptor] = {
            tag: descriptor for tag, descriptor in zip(names, found) if descriptor
        }
        #: the manifests that were deleted
        self.gone: set[str] = set()
        self._tagged = {descriptor.digest for descriptor in self.tags.values()}
        self._parents: defaultdict[str, set[str]] = defaultdict(set)
        self._read: set[str] = set()
        self._referrers: dict[str, list[Descriptor]] = {}
        roots = [*self.tags.values(), *self._want(wanted)]
        self._explore({d.digest for d in roots if d.media_type.lower() not in _CHILDLESS})

    def _want(self, wanted: Iterable[Wanted]) -> list[Descriptor]:
        """Counts in what the call wants; what may have to be read for that."""
        found = []
        self._wanted = set()
        for image in wanted:
            self._wanted.add(image.top.digest)
            found.append(image.top)
            if image.tag:
                self.tags[image.tag] = image.top
            for manifest in image.manifests:
                self._read.add(manifest.digest)
                found += self._learn(manifest)
        return found

    def _explore(self, digests: set[str]) -> None:
        """Reads these and all indexes below them, each once."""
        for _level in range(_MOST_LEVELS):
            level = sorted(digests - self._read)
            if not level:
                return
            self._read.update(level)
            manifests = self._workers.map(self._manifest, level)
            digests = {d.digest for m in manifests if m for d in self._learn(m)}
        raise InvalidContent(f"{self._repository.name}: indexes are nested too deeply")

    def _manifest(self, digest: str) -> Manifest | None:
        try:
            return self._repository.manifest(digest)
        except NotFound:
            if digest in self._tagged:
                raise
            return None  # an index may name what isn't there, or isn't a manifest

    def _learn(self, manifest: Manifest) -> list[Descriptor]:
        """What stands in an index; those of it that may be indexes."""
        if not manifest.is_index:
            return []
        # what isn't called a manifest there may be one
        below = [*manifest.children, *manifest.blobs]
        for child in below:
            self._parents[child.digest].add(manifest.digest)
        return [child for child in below if child.media_type.lower() in _MAYBE_INDEX]

    def above(self, digest: str) -> set[str]:
        """The digests of all indexes that have ``digest`` below them."""
        found: set[str] = set()
        queue = [digest]
        while queue:
            new = self._parents.get(queue.pop(), set()) - found
            found |= new
            queue += new
        return found

    def naming(self, digest: str) -> list[str]:
        """The tags that name ``digest`` itself."""
        return sorted(tag for tag, found in self.tags.items() if found.digest == digest)

    def holding(self, digest: str) -> list[str]:
        """The tags of indexes that have ``digest`` below them."""
        above = self.above(digest)
        return sorted(tag for tag, found in self.tags.items() if found.digest in above)

    def wanted(self, digest: str) -> bool:
        """Whether ``digest`` is, or is part of, an image that the call wants."""
        return digest in self._wanted or not self._wanted.isdisjoint(self.above(digest))

    def referrers(self, digest: str) -> list[Descriptor]:
        """The manifests whose subject is ``digest``, asked for once."""
        if digest not in self._referrers:
            self._referrers[digest] = self._repository.referrers(digest)
        return self._referrers[digest]

    def forget(self, digest: str) -> None:
        """The manifest was deleted, and with it all tags that named it."""
        self.gone.add(digest)
        self.tags = {tag: found for tag, found in self.tags.items() if found.digest != digest}

    def forget_tag(self, tag: str) -> None:
        """The tag was deleted."""
        self.tags.pop(tag, None)
