# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which logins a registry took, and which it refused: a wrong password is tried once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from ..model.errors import AuthenticationFailed
from .docker_config import Login


class Passwords:
    """What became of our logins at one registry."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._refused: dict[Login, str] = {}
        self._accepted: set[Login] = set()
        self._lock = threading.Lock()
        self._locks: dict[Login, threading.Lock] = {}

    def untried(self, login: Login) -> bool:
        """Whether it has a secret of which nothing good is known yet."""
        return login not in self._accepted and bool(login.secrets())

    def accept(self, login: Login) -> None:
        """It was good."""
        self._accepted.add(login)

    def refuse(self, login: Login, said: str = "") -> None:
        """Raises, and remembers it, so that it isn't tried until the account is locked.

        One that was good before is refused for what was asked, not for itself. ``said``: what
        else there is to tell.
        """
        message = (
            f"{self._host}: authentication failed: the registry refused the login "
            f"(credentials from: {login.kind})" + (said and f": {said}")
        )
        with self._lock:
            if login not in self._accepted:
                self._refused[login] = message
        raise AuthenticationFailed(message, 401)

    def stop_if_refused(self, login: Login) -> None:
        """Raises what was said when it was refused."""
        message = self._refused.get(login)
        if message:
            raise AuthenticationFailed(message, 401)

    @contextlib.contextmanager
    def trial(self, login: Login, sent: str | None) -> Iterator[None]:
        """Around a request with a password: the first one alone, until it is known to be good.

        So a wrong password is tried once, not by all threads at a time.
        """
        if not self._on_trial(login, sent):
            yield
            return
        with self._lock:
            alone = self._locks.setdefault(login, threading.Lock())
        with alone:
            self.stop_if_refused(login)
            if login not in self._accepted:
                yield
                return
        yield  # those that waited go on side by side

    def tried(self, login: Login, sent: str | None, status: int) -> None:
        """What became of a request; raises AuthenticationFailed for a password refused."""
        if not self._on_trial(login, sent):
            return
        if status == 401:
            self.refuse(login)
        if 200 <= status < 500 and status not in (408, 425, 429):
            self.accept(login)  # others may be said before the password is looked at

    def _on_trial(self, login: Login, sent: str | None) -> bool:
        return bool(sent) and str(sent).startswith("Basic ") and login not in self._accepted
