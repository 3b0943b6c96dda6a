# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers: programs that keep logins, as Docker and Podman call them.

github.com/docker/docker-credential-helpers, "Development": the registry on standard input of
``docker-credential-<name> get``, a JSON object on its output.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from typing import IO, Callable, cast

from ..model.errors import InvalidInput
from ..model.reference import DOCKER_HUB
from ..model.strict_json import is_text
from .docker_config import Login
from .once import Once, renewal
from .text import clean

_PREFIX = "docker-credential-"
#: no slash: the file that names a helper must not give us a path
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECONDS = 10.0
_LIMIT = 64 << 10
#: seconds for which a login is good; those of clouds are an hour old at most, and don't say so
_LIFE = 900.0
#: how a helper says, with a failure, that it has no login for this registry
_NOT_FOUND = b"credentials not found in native keychain"
#: a user name that says that the secret is an identity token
_TOKEN_USER = "<token>"
#: the name under which Docker keeps the login to Docker Hub
_HUB_KEY = "https://index.docker.io/v1/"


def check_helper_name(name: str, place: str = "") -> str:
    """``name`` as it is; raises InvalidInput, beginning with ``place``, for what is none."""
    # nobody has called one docker-credential-docker-credential-pass
    if not _NAME.fullmatch(name) or name.startswith(_PREFIX):
        raise InvalidInput(
            f"{place}{clean(name, 80)!r} isn't the name of a credential helper: that is what "
            f"comes after {_PREFIX}, such as pass or ecr-login"
        )
    return name


class Helpers:
    """All credential helpers of one call: each is run once for each registry, and then rarely."""

    def __init__(self) -> None:
        self._once = Once()
        self._good: dict[tuple[str, str, str], Login] = {}

    def later(self, name: str, host: str, kind: str = "helper") -> Callable[[], Login | None]:
        """How to ask the helper ``name`` for the login to ``host``; see login."""
        return lambda: self.login(name, host, kind)

    def login(self, name: str, host: str, kind: str = "helper") -> Login | None:
        """The login to ``host``, None where the helper has none.

        Raises InvalidInput, with the names of helper and registry and nothing of what the
        helper wrote, where it is missing or fails: nobody goes on without a login in silence.
        """
        return self._once.get((name, host, kind), lambda: self._obtain(name, host, kind))

    def _obtain(self, name: str, host: str, kind: str) -> Login | None:
        """Keeps what was good where the helper fails later: a key ring may have been locked."""
        key = name, host, kind
        try:
            login = _ask(*key)
        except InvalidInput:
            login = self._good.get(key)
            if login is None:
                raise
        if login is not None:
            login = self._good[key] = login._replace(expires=renewal(_LIFE))
        return login


def has_helper(name: str) -> bool:
    """Whether a helper is installed."""
    return _path_of(name) is not None


def _path_of(name: str) -> str | None:
    path = shutil.which(_PREFIX + name)
    # a relative one would depend on where we happen to be
    return path if path and os.path.isabs(path) else None


def _ask(name: str, host: str, kind: str) -> Login | None:
    path = _path_of(check_helper_name(name, f"{host}: "))
    if path is None:
        raise InvalidInput(
            f"{host}: the credential helper {_PREFIX}{name}, which is to give its login, isn't on "
            "the PATH of this host; install it, or see the options helper and auth of registries"
        )
    server = _HUB_KEY if host == DOCKER_HUB else host
    status, output = _run(path, server.encode(), f"{host}: the credential helper {_PREFIX}{name}")
    if status != 0:
        if output.strip() == _NOT_FOUND:
            return None
        raise InvalidInput(
            f"{host}: the credential helper {_PREFIX}{name} failed with exit status {status}; "
            "what it wrote isn't shown, as it may hold a secret"
        )
    return _read(output, f"{host}: the credential helper {_PREFIX}{name}", kind)


def _read(output: bytes, who: str, kind: str) -> Login | None:
    try:
        document = json.loads(output)
        username, secret = document["Username"], document["Secret"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidInput(f"{who} gave something else than a login") from None
    if not all(isinstance(text, str) and is_text(text) for text in (username, secret)):
        raise InvalidInput(f"{who} gave something else than a login")
    if not secret:
        return None
    if username == _TOKEN_USER:
        return Login(kind, username, identity_token=secret)
    return Login(kind, username, secret)


def _run(path: str, given: bytes, who: str) -> tuple[int, bytes]:
    """Exit status and output of ``path get``; raises InvalidInput beyond our limits."""
    try:
        # run_command is AnsibleModule's, which this floor doesn't know; lookups run this as well
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            [path, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that all of it can be ended
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it isn't a program"
        raise InvalidInput(f"{who} can't be started: {reason}") from None
    until = time.monotonic() + _SECONDS
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    try:
        with contextlib.suppress(BrokenPipeError), stdin:
            stdin.write(given)
        output = _collect(process, stdout.fileno(), until)
        if len(output) > _LIMIT:
            raise InvalidInput(f"{who} gave more than {_LIMIT >> 10} KiB")
        return process.wait(max(0.0, until - time.monotonic())), output
    except (TimeoutError, subprocess.TimeoutExpired):
        raise InvalidInput(f"{who} didn't answer within {_SECONDS:.0f} seconds") from None
    finally:
        stdout.close()
        if process.poll() is None:
            # what it has started may go on after it, unless it had to be ended
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _collect(process: subprocess.Popen[bytes], output: int, until: float) -> bytes:
    """What is written until the end, until the helper has ended, or until it is too much.

    A process that the helper leaves behind may keep its output open. Raises TimeoutError.
    """
    collected = b""
    os.set_blocking(output, False)
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while len(collected) <= _LIMIT:
            ended = process.poll() is not None  # before the look: all it wrote is there then
            if selector.select(0 if ended else 0.05):
                piece = os.read(output, _LIMIT)
                if not piece:
                    break
                collected += piece
            elif ended:
                break
            if time.monotonic() > until:
                raise TimeoutError
    return collected
