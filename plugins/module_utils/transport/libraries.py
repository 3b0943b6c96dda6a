# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where ``requests`` is imported, so that its absence can be told in a sentence."""

from __future__ import annotations

import traceback

__all__ = ["REQUESTS_IMPORT_ERROR", "requests", "urllib3"]

REQUESTS_IMPORT_ERROR: str | None = None
try:
    import requests  # pylint: disable=unused-import
    import requests.adapters
    import requests.certs
    import requests.exceptions
    import requests.utils
    import urllib3
    import urllib3.exceptions
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    requests = urllib3 = None  # type: ignore[assignment]
