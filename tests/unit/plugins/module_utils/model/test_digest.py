# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import (
    LENGTHS,
    algorithm_of,
    as_tag,
    check_digest,
    digest_of,
    hasher,
    is_digest,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import check_tag

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "valid"),
    {
        f"sha256:{HEX}": True,
        f"sha384:{HEX}{HEX[:32]}": True,
        f"sha512:{HEX}{HEX}": True,
        f"sha256:{HEX[1:]}": False,
        f"sha256:{HEX}0": False,
        f"sha512:{HEX}": False,
        f"sha256:{HEX.upper()}": False,
        f"SHA256:{HEX}": False,
        f"sha256:{HEX}\n": False,
        f" sha256:{HEX}": False,
        f"sha256-{HEX}": False,
        f"sha256:../{HEX[3:]}": False,
        f"md5:{HEX[:32]}": False,
        HEX: False,
        "": False,
    }.items(),
)
def test_what_is_a_digest(text: str, valid: bool) -> None:
    assert is_digest(text) is valid
    if valid:
        assert check_digest(text) == text
    else:
        with pytest.raises(InvalidInput, match="not a digest"):
            check_digest(text)


@given(st.binary(max_size=200), st.sampled_from(sorted(LENGTHS)))
def test_digest_of_content(data: bytes, algorithm: str) -> None:
    found = digest_of(data, f"{algorithm}:")
    assert found == f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    assert is_digest(found)
    assert algorithm_of(found) == algorithm
    check = hasher(found)
    check.update(data)
    assert f"{algorithm}:{check.hexdigest()}" == found


@pytest.mark.parametrize("algorithm", sorted(LENGTHS))
def test_the_tag_that_stands_for_a_digest_is_a_tag(algorithm: str) -> None:
    digest = digest_of(b"", f"{algorithm}:")
    tag = as_tag(digest)
    # distribution-spec, "Referrers Tag Schema": 64 characters of it
    assert tag == f"{algorithm}-{digest.partition(':')[2][:64]}"
    assert check_tag(tag) == tag
