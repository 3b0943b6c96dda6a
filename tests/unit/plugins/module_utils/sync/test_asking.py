# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    Cancelled,
    ImageSyncError,
    InvalidContent,
    NotFound,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.asking import (
    Answers,
    Question,
    fetch,
    has,
    look,
    read,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.workers import Workers
from ansible_collections.imagesync.registry.tests.unit.support import A, B


class Fake:
    """Counts what it is asked; some digests have an error for an answer."""

    def __init__(self, name: str = "r/a", **errors: ImageSyncError) -> None:
        self.name = name
        self.errors = {f"sha256:{key * 64}": error for key, error in errors.items()}
        self.asked: list[tuple[str, str]] = []

    def _found(self, how: str, digest: str) -> str:
        self.asked.append((how, digest))
        if digest in self.errors:
            raise self.errors[digest]
        return digest

    def manifest(self, digest: str) -> str:
        return self._found("GET", digest)

    def resolve(self, digest: str) -> str:
        return self._found("HEAD", digest)

    def has_blob(self, blob: Descriptor) -> bool:
        return bool(self._found("blob", blob.digest)) and blob.size == 1


def question(how: Any, where: Any, digest: str = A, size: int = 1) -> Question:
    return Question(how, where, Descriptor("type", digest, size))


@pytest.fixture
def answers() -> Iterator[Answers]:
    workers = Workers(4)
    yield Answers(workers)
    workers.close()


def test_each_thing_is_asked_once(answers: Answers) -> None:
    here, there = Fake(), Fake("r/b")
    for _unused in range(2):
        answers.ask(question(look, where) for where in (here, there, here))
    assert here.asked == there.asked == [("HEAD", A)]
    assert answers.of(question(look, here)) is True


@pytest.mark.parametrize("first", [look, read])
def test_what_is_read_is_not_looked_for(answers: Answers, first: Any) -> None:
    here = Fake()
    second = read if first is look else look
    answers.ask([question(first, here), question(second, here)])
    answers.ask([question(look, here, size=0)])
    assert here.asked == [("GET", A)]
    assert answers.of(question(look, here)) == answers.of(question(read, here)) == A


def test_what_was_looked_for_may_have_to_be_read(answers: Answers) -> None:
    here = Fake()
    answers.ask([question(look, here)])
    answers.ask([question(read, here)])
    assert here.asked == [("HEAD", A), ("GET", A)]


def test_blobs_of_another_size_are_others(answers: Answers) -> None:
    here = Fake()
    both = [question(has, here, size=size) for size in (1, 2)]
    answers.ask(both)
    assert [answers.of(one) for one in both] == [True, False]


@pytest.mark.parametrize(
    ("how", "error", "missing"),
    [
        (read, NotFound("no", 404), True),
        (read, InvalidContent("other bytes"), True),
        (read, AccessDenied("no", 403), False),
        (look, AccessDenied("no", 403), False),
        (fetch, NotFound("no", 404), False),
    ],
)
def test_an_error_is_an_answer_to_one_question(
    answers: Answers, how: Any, error: ImageSyncError, missing: bool
) -> None:
    here = Fake(b=error)
    bad, good = question(how, here, B), question(how, here)
    answers.ask([bad, good])
    assert answers.of(good)
    assert answers.was_not_found(bad) is missing
    if not missing:
        with pytest.raises(type(error), match="no"):
            answers.of(bad)


def test_the_end_of_the_run_is_none(answers: Answers) -> None:
    with pytest.raises(Cancelled):
        answers.ask([question(read, Fake(a=Cancelled("ending")))])
