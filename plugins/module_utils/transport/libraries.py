# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where ``requests`` is imported, so that its absence can be told in a sentence."""

from __future__ import annotations

import traceback
from typing import Any

__all__ = ["REQUESTS_IMPORT_ERROR", "requests", "socks_manager", "urllib3"]

REQUESTS_IMPORT_ERROR: str | None = None
try:
    import requests  # pylint: disable=unused-import
    import requests.utils
    import urllib3
    import urllib3.exceptions
    import urllib3.util.ssl_
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    requests = urllib3 = None  # type: ignore[assignment]


def socks_manager() -> Any:
    """urllib3's manager of connections through SOCKS proxies; ImportError without PySocks."""
    from urllib3.contrib.socks import SOCKSProxyManager

    return SOCKSProxyManager
