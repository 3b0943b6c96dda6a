# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the first answer of a registry tells about all others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Learned:
    """A property of a registry that no request but the real one tells.

    ``known``: True or False, None until then.
    """

    def __init__(self) -> None:
        self.known: bool | None = None
        self._lock = threading.Lock()
        self._tried = False

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Around a request: the first one runs alone, and the others wait for what it learns.

        If it learns nothing, because it failed, they go on all the same.
        """
        self._lock.acquire()
        first = self.known is None and not self._tried
        if not first:
            self._lock.release()
        try:
            yield
        finally:
            if first:
                self._tried = True
                self._lock.release()
