# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests: ``algorithm:hex`` (image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from .errors import InvalidInput

#: hex digits of each algorithm that can be verified
LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}

PATTERN = "|".join(f"{name}:[0-9a-f]{{{length}}}" for name, length in LENGTHS.items())
_DIGEST = re.compile(PATTERN)


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest of a known algorithm, in lower-case hex."""
    return _DIGEST.fullmatch(text) is not None


def check_digest(text: str) -> str:
    """``text`` itself when it is a digest; raises InvalidInput otherwise."""
    if not is_digest(text):
        known = ", ".join(f"{name}:<{length} hex digits>" for name, length in LENGTHS.items())
        raise InvalidInput(f"not a digest: {text!r} (known forms: {known}, lower case)")
    return text


def algorithm_of(digest: str) -> str:
    """The part before the colon."""
    return digest.partition(":")[0]


def hasher(digest: str) -> Any:
    """A fresh hashlib object of the digest's algorithm."""
    return hashlib.new(algorithm_of(digest))


def digest_of(data: bytes, like: str = "sha256:") -> str:
    """The digest of ``data`` by the algorithm of ``like``."""
    algorithm = algorithm_of(like)
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def as_tag(digest: str) -> str:
    """The tag that stands for a digest in the tag schemas of OCI referrers and cosign.

    distribution-spec, "Referrers Tag Schema": the colon becomes a dash, and no more than 64
    characters follow it.
    """
    algorithm, _colon, encoded = digest.partition(":")
    return f"{algorithm}-{encoded[:64]}"
