# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.descriptor import Descriptor
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ConnectionFailed,
    ImageSyncError,
    InvalidContent,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.verified import (
    InlineBlob,
    verified,
)

PIECES = st.lists(st.binary(max_size=8), max_size=6)
ALGORITHMS = st.sampled_from(["sha256:", "sha384:", "sha512:"])


def blob(content: bytes, algorithm: str = "sha256:") -> Descriptor:
    return Descriptor("x", digest_of(content, algorithm), len(content))


def taken(pieces: list[bytes], expected: Descriptor) -> tuple[bytes, ImageSyncError | None]:
    """What got through, and the error that ended it."""
    got = []
    try:
        for piece in verified(pieces, expected, "r/a"):
            got.append(piece)
    except ImageSyncError as error:
        return b"".join(got), error
    return b"".join(got), None


@given(PIECES, ALGORITHMS)
def test_right_content_passes_whole(pieces: list[bytes], algorithm: str) -> None:
    content = b"".join(pieces)
    assert taken(pieces, blob(content, algorithm)) == (content, None)


@given(PIECES, st.binary(max_size=20), ALGORITHMS)
def test_other_content_never_passes_whole(
    pieces: list[bytes], wanted: bytes, algorithm: str
) -> None:
    content = b"".join(pieces)
    if content == wanted:
        return
    got, error = taken(pieces, blob(wanted, algorithm))
    assert isinstance(error, (InvalidContent, ConnectionFailed))
    assert error.transient
    assert content.startswith(got)
    if content:
        assert len(got) < len(content)
    assert len(got) < max(1, len(wanted)) or not wanted


@pytest.mark.parametrize(
    ("pieces", "wanted", "through", "kind", "reason"),
    [
        ([b"abc", b"def"], b"abcdeg", b"abc", InvalidContent, "has the digest sha256:"),
        ([b"abcdef"], b"abcdeg", b"", InvalidContent, "has the digest sha256:"),
        ([b"abc", b"de"], b"abcdef", b"abc", ConnectionFailed, "ended after 5 of 6 bytes"),
        ([b"abc", b"defg"], b"abcdef", b"", InvalidContent, "is larger than the 6 bytes"),
        ([], b"abcdef", b"", ConnectionFailed, "ended after 0 of 6 bytes"),
        ([b"a"], b"", b"", InvalidContent, "is larger than the 0 bytes"),
    ],
)
def test_the_last_piece_is_held_back(
    pieces: list[bytes], wanted: bytes, through: bytes, kind: type, reason: str
) -> None:
    got, error = taken(pieces, blob(wanted))
    assert got == through
    assert error.__class__ is kind
    assert reason in str(error)
    assert "r/a" in str(error)
    assert digest_of(wanted) in str(error)


def test_reading_stops_when_there_is_too_much() -> None:
    def endless():  # type: ignore[no-untyped-def]
        for _unused in range(3):
            yield b"x"
        raise AssertionError("read on")

    with pytest.raises(InvalidContent, match="larger"):
        list(verified(endless(), blob(b"xx"), "r/a"))


def test_inline_blobs() -> None:
    assert list(InlineBlob(b"data")) == [b"data"]
    assert list(InlineBlob(b"")) == []
    InlineBlob(b"").close()
