# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible does to secrets, and to what looks like them."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.errors import InvalidInput
from ..transport.settings import Settings


def check_masking(settings: Settings, references: Iterable[str]) -> None:
    """Refuses a secret that Ansible would find, and mask, inside what the result says.

    Ansible replaces every occurrence of a no_log value, also in the middle of a digest: the
    result would name an image that doesn't exist. The message must not say which secret.
    """
    if would_mask(settings.secrets(), references):
        raise InvalidInput(
            "a password or token in registries also occurs inside an image reference, or is "
            "so short that it may occur inside a digest; Ansible would mask it there and "
            "so corrupt the result. Choose another one, or give it through auth_file"
        )


def would_mask(secrets: Iterable[str], references: Iterable[str]) -> bool:
    """Whether one of the secrets is, or may be, part of a reference or digest."""
    texts = ["sha256:", *references]
    for secret in secrets:
        in_digest = len(secret) < 8 and all(char in "0123456789abcdef" for char in secret)
        if in_digest or any(secret in text for text in texts):
            return True
    return False
