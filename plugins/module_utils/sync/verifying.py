# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``signed_by``: images whose source isn't signed by one of these keys aren't taken.

Between the survey and everything else, for images in sync too. A signature counts over the digest
that the source's reference names, or over the image of one platform that is taken of it: what is
in an index is bound to it by its digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Callable, NamedTuple, Union

from ..model.errors import Cancelled, ImageSyncError, InvalidContent
from ..model.keys import PublicKey
from ..model.subset import subset
from .image import Image
from .signatures import Signatures, unsigned
from .wanted import source_of
from .workers import Workers

_Settled = tuple[str, str, str]


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


class _Check:
    """An image on trial: open, whatever it was ``settled`` with, until its signature is found."""

    def __init__(self, image: Image, keys: Mapping[str, PublicKey]) -> None:
        self.image = image
        self.reference, self.source = source_of(image)
        self.settled: _Settled = ("", "", "") if image.open else image.reopen()
        own = [keys[text] for text in image.declared.signed_by]
        self.keys = {key.fingerprint: key for key in own}
        #: the likeliest first; those of an image that failed before aren't known
        self.digests: tuple[str, ...] = ()

    def subject(self, digest: str) -> _Subject:
        """What to ask about a digest."""
        return _Subject(self.source.name, digest, tuple(self.keys))

    def look(self, digest: str) -> _Verdict | ImageSyncError:
        """Who has signed it."""
        signatures = Signatures(self.source, digest)
        try:
            return _Verdict(signatures.signers(self.keys.values()), signatures.problems)
        except Cancelled:
            raise
        except ImageSyncError as error:
            return error

    def signable(self) -> list[str]:
        """The digest that the reference names, and that of the platform's image taken of it."""
        image, (reason, digest, _type) = self.image, self.settled
        if reason == "immutable":
            # its source isn't asked what it names now: what is there has to be signed
            return self._of_immutable(digest)
        named = image.outcome.source_digest
        if image.made is not None:
            return [named]
        if reason == "kept":
            # nothing is taken; what would be is signed like what is
            return [named, self._part(named) or named] if image.declared.platforms else [named]
        taken = digest or (image.top.digest if image.top else named)
        if taken != named and digest and image.locked is not None:
            # only the lock has said so far that the one is part of the other
            return [named, taken] if self._part(named) == taken else [taken]
        return [named, taken]

    def _of_immutable(self, there: str) -> list[str]:
        named = self._named() if self.image.declared.platforms else there
        return [there] if named == there or self._part(named) != there else [named, there]

    def _named(self) -> str:
        """What the source's reference names for an immutable tag; "" if nothing does."""
        image = self.image
        if image.frozen:
            # no tag is resolved at a source then
            return image.locked.source_digest if image.locked else ""
        found = self.source.resolve(self.reference.pointer)
        return found.digest if found else ""

    def _part(self, digest: str) -> str:
        """The digest of the declared platforms of an image at the source; "" if it has none."""
        if not digest:
            return ""
        index = self.source.manifest(digest)
        if not index.is_index:
            return digest
        try:
            taken = subset(index, self.image.declared.platforms)
        except InvalidContent:
            return ""
        part = taken.child or taken.manifest
        return part.digest if part else ""


class Verification:
    """Fails each image that isn't signed as it is declared to be, whatever it was settled with."""

    def __init__(
        self,
        keys: Mapping[str, PublicKey],
        workers: Workers,
        failed: Callable[[Image, ImageSyncError], None],
    ) -> None:
        """``keys``: by how they are declared."""
        self._keys, self._workers, self._failed = keys, workers, failed

    def run(self, images: Iterable[Image]) -> None:
        """After the survey. If the call ends meanwhile, nothing is claimed of these images."""
        checks = [
            _Check(image, self._keys)
            for image in images
            if image.declared.signed_by and (image.open or image.outcome.settled)
        ]
        self._workers.map(self._find_digests, checks)
        checks = [check for check in checks if check.image.open]
        verdicts: _Verdicts = {}
        # the image of a platform is asked about only where its index isn't signed
        for turn in (0, 1):
            waiting = [
                (check, check.subject(check.digests[turn]))
                for check in checks
                if len(check.digests) > turn and not check.image.outcome.signed_by
            ]
            self._ask(verdicts, waiting)
            for check, subject in waiting:
                found = verdicts[subject]
                if isinstance(found, _Verdict):
                    check.image.outcome.signed_by = list(found.signers)
        for check in checks:
            if not check.image.outcome.signed_by:
                self._refuse(check, verdicts)
            elif check.settled[0]:
                check.image.settle(*check.settled)
                if check.settled[0] == "kept":
                    # the result names what is at the destination, which they didn't sign
                    check.image.outcome.signed_by = []

    def _find_digests(self, check: _Check) -> None:
        try:
            check.digests = tuple(dict.fromkeys(check.signable()))
        except Cancelled:
            raise
        except ImageSyncError as error:
            self._failed(check.image, error)

    def _ask(self, verdicts: _Verdicts, waiting: list[tuple[_Check, _Subject]]) -> None:
        """Each once, whatever number of tags a digest has."""
        new = {subject: check for check, subject in waiting if subject not in verdicts}
        answers = self._workers.map(lambda item: item[1].look(item[0].digest), new.items())
        verdicts.update(zip(new, answers))

    def _refuse(self, check: _Check, verdicts: _Verdicts) -> None:
        found = [verdicts[check.subject(digest)] for digest in check.digests]
        errors = [one for one in found if isinstance(one, ImageSyncError)]
        problems = [p for one in found if isinstance(one, _Verdict) for p in one.problems]
        place = f"{check.source.name}@{check.digests[0]}"
        self._failed(check.image, errors[0] if errors else unsigned(place, check.keys, problems))
