# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    Cancelled,
    ImageSyncError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.limits import (
    Limits,
    TooMuch,
    check_bytes,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.workers import Workers


class Repository:
    """Knows which blobs it has, and who asked."""

    def __init__(self, *there: str, error: ImageSyncError | None = None) -> None:
        self.there, self.asked, self._error = there, [], error

    def has_blob(self, blob: Descriptor) -> bool:
        self.asked.append(blob.digest)
        if self._error:
            raise self._error
        return blob.digest in self.there


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = Workers(4)
    yield found
    found.close()


def blob(name: str, size: int, data: bytes | None = None) -> Descriptor:
    return Descriptor("application/x", name, size, data=data)


def check(workers: Workers, limit: int, *planned: tuple[Any, Descriptor]) -> None:
    check_bytes([(there, wanted, None) for there, wanted in planned], limit, workers)


def test_a_call_has_no_limits_by_itself() -> None:
    assert Limits() == (None, None)


def test_nobody_is_asked_where_all_of_it_is_allowed(workers: Workers) -> None:
    there = Repository()
    check(workers, 30, (there, blob("a", 10)), (there, blob("b", 20)))
    assert there.asked == []
    check(workers, 1)


def test_one_byte_more_is_too_much(workers: Workers) -> None:
    there = Repository()
    with pytest.raises(TooMuch) as caught:
        check(workers, 29, (there, blob("a", 10)), (there, blob("b", 20)))
    assert "(30 bytes) would have to be copied" in str(caught.value)
    assert "max_bytes allows 29 bytes; nothing was written" in str(caught.value)
    assert sorted(there.asked) == ["a", "b"]


def test_figures_that_look_the_same_are_told_apart(workers: Workers) -> None:
    with pytest.raises(TooMuch) as caught:
        check(workers, 3 << 30, (Repository(), blob("a", (3 << 30) + 1)))
    assert str((3 << 30) + 1) in str(caught.value)
    assert "max_bytes allows 3.0 GiB" in str(caught.value)


def test_what_is_there_does_not_count(workers: Workers) -> None:
    one, other = Repository("a"), Repository("b")
    check(workers, 20, (one, blob("a", 10)), (one, blob("b", 20)))
    with pytest.raises(TooMuch):
        check(workers, 20, (one, blob("b", 20)), (other, blob("a", 10)))


def test_what_a_descriptor_carries_is_not_read_from_a_source(workers: Workers) -> None:
    there = Repository()
    check(workers, 1, (there, blob("a", 10, b"0123456789")), (there, blob("b", 1)))
    assert there.asked == []


def test_where_a_question_fails_all_of_it_counts(workers: Workers) -> None:
    """The image itself will fail for that; the others are no worse off."""
    broken = Repository(error=AccessDenied("no"))
    check(workers, 5, (broken, blob("a", 2)), (Repository("b"), blob("b", 9)))
    with pytest.raises(TooMuch):
        check(workers, 1, (broken, blob("a", 2)))
    with pytest.raises(Cancelled):
        check(workers, 1, (Repository(error=Cancelled("ending")), blob("a", 2)))


@pytest.mark.parametrize(
    ("source", "moves"), [(None, False), (Repository(), False), (Repository("a"), True)]
)
def test_a_foreign_layer_counts_where_the_source_has_it(
    workers: Workers, source: Any, moves: bool
) -> None:
    there = Repository()
    foreign = blob("a", 100)._replace(foreign=True)
    planned: Any = [(there, foreign, source), (there, blob("b", 5), Repository("b"))]
    if moves:
        with pytest.raises(TooMuch):
            check_bytes(planned, 50, workers)
    else:
        check_bytes(planned, 50, workers)
    assert sorted(there.asked) == (["a", "b"] if moves else ["b"])


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=10), st.integers(1, 300))
def test_too_much_is_what_is_not_there(sizes: list[tuple[int, bool]], limit: int) -> None:
    there = Repository(*(str(n) for n, (_size, found) in enumerate(sizes) if found))
    planned = [(there, blob(str(n), size)) for n, (size, _found) in enumerate(sizes)]
    missing = sum(size for size, found in sizes if not found)
    workers = Workers(2)
    try:
        if missing > limit:
            with pytest.raises(TooMuch):
                check(workers, limit, *planned)
        else:
            check(workers, limit, *planned)
        assert len(there.asked) == (len(sizes) if sum(s for s, _f in sizes) > limit else 0)
    finally:
        workers.close()
