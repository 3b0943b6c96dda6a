# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``signed_by``: images whose source isn't signed by one of these keys aren't taken.

Between the survey and everything else, for images in sync too. A signature counts over the digest
that the source's reference names, or over the image of one platform that is taken of it: what is
in an index is bound to it by its digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable, NamedTuple, Union

from ..model.errors import Cancelled, ImageSyncError, InvalidContent
from ..model.keys import PublicKey
from ..model.subset import subset
from ..stores.base import Repository
from .image import Image
from .signatures import Signatures, unsigned
from .wanted import source_of
from .workers import Workers

#: images that nobody could bring or find need no proof
_NOT_CHECKED = ("failed", "not_done")


class _Subject(NamedTuple):
    """A digest that has to be signed by one of some keys, named by their fingerprints."""

    repository: str
    digest: str
    keys: tuple[str, ...]


class _Verdict(NamedTuple):
    """``signers``: fingerprints. ``problems``: what there is that proves nothing."""

    signers: list[str]
    problems: list[str]


_Verdicts = dict[_Subject, Union[_Verdict, ImageSyncError]]


class Verification:
    """Fails each image that isn't signed as it is declared to be, whatever it was settled with."""

    def __init__(
        self,
        keys: dict[str, PublicKey],
        workers: Workers,
        failed: Callable[[Image, ImageSyncError], None],
    ) -> None:
        """``keys``: by how they are declared."""
        self._keys, self._workers, self._failed = keys, workers, failed

    def run(self, images: Iterable[Image]) -> None:
        """After the survey."""
        concerned = [
            image
            for image in images
            if image.declared.signed_by and image.outcome.reason not in _NOT_CHECKED
        ]
        digests = dict(zip(map(id, concerned), self._workers.map(self._digests, concerned)))
        verdicts: _Verdicts = {}
        # the image of a platform is asked about only where its index isn't signed
        for turn in (0, 1):
            open_ones = [
                image
                for image in concerned
                if len(digests[id(image)]) > turn and not image.outcome.signed_by
            ]
            self._ask(verdicts, [(i, self._subject(i, digests[id(i)][turn])) for i in open_ones])
            for image in open_ones:
                found = verdicts[self._subject(image, digests[id(image)][turn])]
                if isinstance(found, _Verdict):
                    image.outcome.signed_by = list(found.signers)
        for image in concerned:
            if not image.outcome.signed_by and image.outcome.reason not in _NOT_CHECKED:
                self._refuse(image, [verdicts[self._subject(image, d)] for d in digests[id(image)]])

    def _subject(self, image: Image, digest: str) -> _Subject:
        _reference, source = source_of(image)
        keys = (self._keys[text].fingerprint for text in image.declared.signed_by)
        return _Subject(source.name, digest, tuple(dict.fromkeys(keys)))

    def _ask(self, verdicts: _Verdicts, subjects: list[tuple[Image, _Subject]]) -> None:
        """Each once, whatever number of tags a digest has."""
        new = {subject: image for image, subject in subjects if subject not in verdicts}
        keys = {key.fingerprint: key for key in self._keys.values()}

        def look(item: tuple[_Subject, Image]) -> _Verdict | ImageSyncError:
            subject, image = item
            _reference, source = source_of(image)
            return _look(source, subject.digest, [keys[name] for name in subject.keys])

        verdicts.update(zip(new, self._workers.map(look, new.items())))

    def _digests(self, image: Image) -> tuple[str, ...]:
        """What may be signed for this image, the likeliest first; none if it failed by that."""
        try:
            return tuple(dict.fromkeys(_signable(image)))
        except Cancelled:
            raise
        except ImageSyncError as error:
            _reopen(image)
            self._failed(image, error)
            return ()

    def _refuse(self, image: Image, found: list[_Verdict | ImageSyncError]) -> None:
        errors = [one for one in found if isinstance(one, ImageSyncError)]
        problems = [p for one in found if isinstance(one, _Verdict) for p in one.problems]
        digest = image.outcome.source_digest or image.outcome.previous_digest
        subject = self._subject(image, digest)
        place = f"{subject.repository}@{digest}"
        error = errors[0] if errors else unsigned(place, subject.keys, problems)
        _reopen(image)
        self._failed(image, error)


def _look(source: Repository, digest: str, keys: list[PublicKey]) -> _Verdict | ImageSyncError:
    signatures = Signatures(source, digest)
    try:
        return _Verdict(signatures.signers(keys), signatures.problems)
    except Cancelled:
        raise
    except ImageSyncError as error:
        return error


def _reopen(image: Image) -> None:
    """What it was settled with isn't claimed any more."""
    if not image.open:
        image.reopen()


def _signable(image: Image) -> list[str]:
    """The digest that the reference names, and that of the platform's image taken of it."""
    outcome = image.outcome
    if outcome.reason == "immutable":
        # its source isn't asked what it names now: what is there has to be signed
        return _of_immutable(image, outcome.previous_digest)
    named = outcome.source_digest
    if outcome.reason == "kept" or image.made is not None:
        return [named]
    taken = outcome.digest or (image.top.digest if image.top else named)
    if taken != named and outcome.digest and image.locked is not None:
        # only the lock has said so far that the one is part of the other
        return [named, taken] if _part(image, named) == taken else [taken]
    return [named, taken]


def _of_immutable(image: Image, there: str) -> list[str]:
    if not image.declared.platforms:
        return [there]
    reference, source = source_of(image)
    found = source.resolve(reference.pointer)
    if found is None or found.digest == there or _part(image, found.digest) != there:
        return [there]
    return [found.digest, there]


def _part(image: Image, digest: str) -> str:
    """The digest of the declared platforms of an image at the source; "" if it hasn't any."""
    _reference, source = source_of(image)
    index = source.manifest(digest)
    if not index.is_index:
        return digest
    try:
        taken = subset(index, image.declared.platforms)
    except InvalidContent:
        return ""
    part = taken.child or taken.manifest
    return part.digest if part else ""
