# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``referrers``: what is attached to images, and what of that the destinations lack.

Between the survey and the transfer. The sources are asked about images that are to be written,
with ``referrers: always`` about those in sync too. The destinations are asked only where the
image is there already: else all of it is taken as new, and writing it again does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple, Union

from ..model.cosign import SUFFIXES, merged
from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidContent
from ..model.manifest import DEPTH_LIMIT, IMAGES, Manifest
from ..stores.base import Repository
from .image import Attached, Image, Tagged
from .referrers import Discovery, Found, Subjects, entries_of, read_list
from .workers import Workers

#: by the key of the question
_Answers = dict[tuple[str, str, str], Union[set[str], ImageSyncError]]


def growing(tag: str) -> bool:
    """Whether what cosign keeps under the tag is a collection, see ``model.cosign``."""
    return any(grows and tag.endswith(suffix) for suffix, grows in SUFFIXES.items())


def merge_tag(repository: Repository, tag: str, old: Manifest, new: Manifest) -> Manifest | None:
    """See ``model.cosign.merged``; an error names the tag."""
    try:
        return merged(old, new, growing(tag))
    except InvalidContent as error:
        raise InvalidContent(f"the tag {tag} of {repository.name}: {error}") from None


class Attachments:
    """Gives each image what is to be written beside it (``Image.attached``, ``Image.tree``)."""

    def __init__(self, workers: Workers, failed: Callable[[Image, ImageSyncError], None]) -> None:
        """``failed`` is told of each image whose attachments can't be known."""
        self._workers = workers
        self._failed = failed

    def run(self, images: list[Image]) -> None:
        """After the survey: images learn what is to be written beside them."""
        chosen = [_Chosen(image) for image in images if _is_concerned(image)]
        self._for_each(_Chosen.read_digests, chosen)
        chosen = [one for one in chosen if one.image.open]
        discovery = Discovery(self._workers)
        for one, found in zip(chosen, discovery.run([c.wanted() for c in chosen])):
            if isinstance(found, ImageSyncError):
                self._failed(one.image, found)
            else:
                one.found = found
        parts = [one for one in chosen if one.image.open and one.whole_digest]
        for one, left in zip(parts, discovery.have_some([one.of_whole() for one in parts])):
            if left:
                one.warn_of_whole()
        there = self._look(one for one in chosen if one.image.open)
        for one in chosen:
            if one.image.open:
                try:
                    one.plan(there)
                except ImageSyncError as error:
                    self._failed(one.image, error)

    def _for_each(self, work: Callable[[_Chosen], None], chosen: list[_Chosen]) -> None:
        def attempt(one: _Chosen) -> None:
            try:
                work(one)
            except Cancelled:
                raise
            except ImageSyncError as error:
                self._failed(one.image, error)

        self._workers.map(attempt, chosen)

    def _look(self, chosen: Iterable[_Chosen]) -> _Answers:
        """What destinations have already; each question is asked once."""
        asked = {question.key: question for one in chosen for question in one.questions()}
        return dict(zip(asked, self._workers.map(_answer, asked.values())))


class _Chosen:
    """An image whose attachments are wanted."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.source = image.source or image.repository  # only absent images have no source
        self.found = Found()
        self._digests: tuple[str, ...] = ()
        self._top = image.top
        #: what an image in sync was settled with
        self._settled = ("", "", "")
        if not image.open:
            self._settled = image.reopen()
            image.top = None  # it isn't to be written

    @property
    def _there(self) -> bool:
        """Whether the image is at the destination, so that its attachments may be as well."""
        return bool(self._settled[0]) or self.image.whole

    def read_digests(self) -> None:
        """All manifests of the image; an index that nobody has read yet is read."""
        image, (_reason, digest, media_type) = self.image, self._settled
        found: dict[str, None] = {}
        known = {m.digest: m for m in (self._top, image.made) if m is not None}
        top = Descriptor(media_type, digest, 0)
        level = [top if self._top is None else self._top.descriptor()]
        for _depth in range(DEPTH_LIMIT + 1):
            below: list[Descriptor] = []
            for one in level:
                if one.digest in found:
                    continue
                found[one.digest] = None
                manifest = image.tree.get(one.digest) or known.get(one.digest)
                if manifest is None and one.media_type not in IMAGES:
                    manifest = self.source.manifest(one.digest)
                below += manifest.children if manifest else ()
            level = below
        if level:
            raise InvalidContent(f"indexes are nested deeper than {DEPTH_LIMIT} levels")
        if image.made is not None:
            # the source doesn't have it, and so nothing that is attached to it
            found.pop(image.made.digest, None)
        self._digests = tuple(found)

    @property
    def whole_digest(self) -> str:
        """The digest of the source's image, where only a part of it is taken; else "".

        What is attached to that says nothing about the part.
        """
        named = self.image.outcome.source_digest
        return named if self.image.declared.platforms and named not in self._digests else ""

    def of_whole(self) -> Subjects:
        """See ``whole_digest``."""
        return self.wanted()._replace(digests=(self.whole_digest,))

    def warn_of_whole(self) -> None:
        """See ``whole_digest``."""
        self.image.outcome.warnings.append(
            f"{self.source.name}@{self.whole_digest}: what is attached to the whole image, such as "
            f"signatures, stays behind: it isn't about {self.image.outcome.destination}, which has "
            "some of its platforms and so another digest"
        )

    def wanted(self) -> Subjects:
        """What the sources are asked about."""
        source = self.image.declared.source
        named = source.tag if source and not source.digest else None
        return Subjects(
            self.source, self._digests, (named,) if named else (), not self.image.frozen
        )

    def questions(self) -> Iterator[_Question]:
        """What to ask the destination."""
        if self._there:
            name = self.source.name
            for subject, referrers in self.found.referrers.items():
                yield _Question(self.image.repository, name, subject, tuple(referrers))
            for tag, manifest in self.found.tags.items():
                yield _Question(self.image.repository, name, tag, (manifest,))

    def plan(self, there: _Answers) -> None:
        """What is to be written; an image in sync that lacks nothing is settled again."""
        image, found = self.image, self.found
        image.outcome.warnings += found.warnings
        present = {}
        for question in self.questions():
            answer = there[question.key]
            if isinstance(answer, ImageSyncError):
                raise answer
            present[question.about] = answer
        attached = Attached({}, {}, self._settled)
        for subject, referrers in found.referrers.items():
            lacking = [m for m in referrers if m.digest not in present.get(subject, ())]
            if lacking:
                attached.referrers[subject] = lacking
        for tag, manifest in found.tags.items():
            if manifest.digest not in present.get(tag, ()):
                attached.tags[tag] = Tagged(manifest, found.has_some(manifest.digest))
        if attached.referrers or attached.tags:
            image.attached = attached
            self._grow_tree()
        elif self._settled[0]:
            image.settle(*self._settled)

    def _grow_tree(self) -> None:
        """The manifests that are to be written, and those below them."""
        image = self.image
        queue = image.attached.manifests() if image.attached else []
        while queue:
            manifest = queue.pop()
            if manifest.digest not in image.tree:
                image.tree[manifest.digest] = manifest
                queue += [self.found.tree[child.digest] for child in manifest.children]


class _Question(NamedTuple):
    """Which of these manifests a destination has attached to a subject, or under a tag."""

    repository: Repository
    source: str
    about: str
    manifests: tuple[Manifest, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for equal questions."""
        return self.repository.name, self.source, self.about


def _answer(question: _Question) -> set[str] | ImageSyncError:
    """Their digests; an error concerns the images that asked, not the others."""
    try:
        if ":" in question.about:
            return _listed(question)
        return _tagged(question)
    except Cancelled:
        raise
    except ImageSyncError as error:
        return error


def _listed(question: _Question) -> set[str]:
    repository, subject = question.repository, question.about
    listed = repository.listed_referrers(subject)
    if listed is not None:
        return {entry.digest for entry in listed}
    index = read_list(repository, subject)
    if index is None:
        return set()
    # a list that is kept by hand doesn't prove that what it names is still there
    named = {entry.digest for entry in entries_of(index, repository, subject)}
    wanted = [m.digest for m in question.manifests if m.digest in named]
    return {digest for digest in wanted if repository.resolve(digest) is not None}


def _tagged(question: _Question) -> set[str]:
    repository, tag, (manifest,) = question.repository, question.about, question.manifests
    found = repository.resolve(tag)
    if found is None:
        return set()
    there = found.digest == manifest.digest
    if not there:
        old = repository.manifest(found.digest)
        there = merge_tag(repository, tag, old, manifest) is None
    return {manifest.digest} if there else set()


def _is_concerned(image: Image) -> bool:
    """Whether it is declared so, and anything of it is to be written or looked for."""
    wanted = image.declared.referrers
    if wanted == "never" or image.source is None or image.source.name == image.repository.name:
        return False
    if image.open:
        return image.top is not None
    settled = image.outcome.reason in ("in_sync", "staged") and not image.outcome.failed
    return wanted == "always" and settled and bool(image.outcome.id)
