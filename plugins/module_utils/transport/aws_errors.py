# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be shown of an error of botocore: it may hold credentials, or what a program wrote.

botocore isn't strict about what a server answers, either: what isn't as it expects it may end in
any exception.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

from .text import Scrubber, clean

_LIMIT = 200
_USER_INFORMATION = re.compile(r"//[^/\s\"']*@")
_PROCESS = "custom-process"


def shown(error: Exception, credentials: Any = None) -> str:
    """A sentence for an error that is neither AWS's own nor ours."""
    name = type(error).__name__
    known = type(error).__module__ == "botocore.exceptions"
    if isinstance(error, OSError) and error.strerror:
        return clean(f"{error.strerror}: {error.filename or name}", _LIMIT)
    if not known and not isinstance(error, ValueError):
        return f"what was given isn't what botocore can work with ({name})"
    if name == "HTTPClientError":  # its text may be that of a header which can't be sent
        return "the request can't be sent"
    if getattr(error, "kwargs", {}).get("provider") == _PROCESS:
        return (
            "the program that AWS's settings name as credential_process failed; what it wrote "
            "isn't shown, as it may hold a secret"
        )
    return masked(str(error), credentials)


def masked(text: str, credentials: Any) -> str:
    """``text`` without botocore's ``credentials``, and without those in a URL."""
    scrub = Scrubber()
    if credentials is not None:
        with contextlib.suppress(Exception):  # they may be expired
            found = credentials.get_frozen_credentials()
            scrub.add(*(secret for secret in (found.secret_key, found.token) if secret))
    return clean(scrub(_USER_INFORMATION.sub("//", text)), _LIMIT)
