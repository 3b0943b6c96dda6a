# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to repositories, each asked once, all that are new side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, NamedTuple

from ..model.descriptor import Descriptor
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, NotFound
from ..model.manifest import Manifest
from ..stores.base import Repository
from .workers import Workers

Look = Callable[[Repository, Descriptor], Any]
Key = tuple[Look, str, str, int]


def read(repository: Repository, thing: Descriptor) -> Manifest | bool:
    """A manifest by its digest; what isn't that, to the byte, isn't there."""
    try:
        return repository.manifest(thing.digest)
    except (NotFound, InvalidContent):
        return False


def look(repository: Repository, thing: Descriptor) -> bool:
    """Whether a manifest is there."""
    return repository.resolve(thing.digest) is not None


def has(repository: Repository, blob: Descriptor) -> bool:
    """Whether a blob is there, with the right size."""
    return repository.has_blob(blob)


def prove(repository: Repository, blob: Descriptor) -> bool:
    """Whether a blob is there, by its content where that costs no request."""
    return repository.proves_blob(blob)


def fetch(source: Repository, thing: Descriptor) -> Manifest:
    """A manifest that has to be there."""
    return source.manifest(thing.digest)


class Question(NamedTuple):
    """What is asked of a repository."""

    look: Look
    repository: Repository
    thing: Descriptor

    def keys(self) -> list[Key]:
        """Equal for what has the same answer; what was read needn't be looked for either."""
        size = self.thing.size if self.look in (has, prove) else 0
        looks = (look, read) if self.look is look else (self.look,)
        return [(way, self.repository.name, self.thing.digest, size) for way in looks]


class Answers:
    """Questions and their answers: each is asked once, all that are new side by side."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._known: dict[Key, Any] = {}

    def ask(self, questions: Iterable[Question]) -> None:
        """Asks what wasn't asked before."""
        new: dict[Key, Question] = {}
        for question in sorted(questions, key=lambda question: question.look is look):
            keys = question.keys()
            if not any(key in self._known or key in new for key in keys):
                new[keys[0]] = question
        self._known.update(zip(new, self._workers.map(_answer, new.values())))

    def of(self, question: Question) -> Any:
        """The answer, or the error raised."""
        keys = question.keys()
        found = next(self._known[key] for key in keys if key in self._known)
        if isinstance(found, ImageSyncError):
            raise found
        return found

    def was_not_found(self, question: Question) -> bool:
        """Whether the answer is that it isn't there, rather than an error."""
        try:
            return not self.of(question)
        except ImageSyncError:
            return False


def _answer(question: Question) -> Any:
    """An error is an answer as well: it concerns the images that asked, not the others."""
    try:
        return question.look(question.repository, question.thing)
    except Cancelled:
        raise
    except ImageSyncError as error:
        return error
