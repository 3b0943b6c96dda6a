# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins to Google's registries: application default credentials, through google-auth.

A service account's key, the metadata server, workload identity and gcloud's own file are all
the library's to find (google.aip.dev/auth/4110). The registry takes an access token as the
password of ``oauth2accesstoken`` (Artifact Registry, "Configure authentication").
"""

from __future__ import annotations

import datetime
import importlib
import os
import re
import warnings
from typing import Any

from ..model.errors import AuthenticationFailed, ImageSyncError, InvalidInput
from .docker_config import Login, is_token
from .libraries import requests
from .once import Once, renewal
from .quiet import quiet
from .text import clean

_LIBRARY = (
    "google.auth.compute_engine",
    "google.auth.transport.requests",
    "google.oauth2.service_account",
)
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_USER = "oauth2accesstoken"
#: seconds to look for a metadata server; those of Google answer in milliseconds
_DETECTION = 1.0
_SECONDS = 20.0
#: of a token that doesn't say how long it lives
_LIFE = 300.0
_NAMED = "GOOGLE_APPLICATION_CREDENTIALS"
_PRODUCT = "/sys/class/dmi/id/product_name"
#: what the library says where there are no credentials at all, in its older words too
_NONE = re.compile("were not found|automatically determine")


class GoogleLogins:
    """The login for Google's registries: one for all of them, renewed before it ends."""

    def __init__(self) -> None:
        # what failed may work again later in a long run
        self._once = Once(errors_last=30.0)
        self._credentials: Any = None
        self._lack = ""

    def login(self, host: str, required: bool = False) -> Login | None:
        """The login, None where this machine has none; then ``required`` raises InvalidInput.

        Raises AuthenticationFailed where there are credentials and they give no token.
        """
        try:
            found = self._once.get("google", self._obtain)
        except ImageSyncError as error:
            raise type(error)(f"{host}: {error}") from None
        if found is None and required:
            raise InvalidInput(f"{host}: auth is google, and {self._lack}")
        return found

    def _obtain(self) -> Login | None:
        # the libraries of clouds warn of old Pythons, and of credentials that they don't like
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._found() if self._is_there() else None

    def _is_there(self) -> bool:
        """Imports the library, as much of it as is surely needed."""
        try:
            for name in _LIBRARY:
                importlib.import_module(name)
        except ImportError:
            self._lack = "the Python library google-auth isn't installed on this host"
            return False
        return True

    @quiet("google")
    def _found(self) -> Login | None:
        if self._credentials is None:
            try:
                self._credentials = _discover()
            except Exception as error:  # the library isn't strict about what files hold
                raise InvalidInput(_broken(error)) from None
        if self._credentials is None:
            self._lack = (
                "no application default credentials were found on this host: name a key file "
                f"by {_NAMED}, run gcloud auth application-default login, or give the machine "
                "a service account"
            )
            return None
        return self._renewed()

    def _renewed(self) -> Login | None:
        try:
            self._credentials.refresh(_asking())
        except Exception as error:
            if _has_no_account(self._credentials, error):
                self._lack = "this machine of Google has no service account"
                return None
            raise AuthenticationFailed(_refused(error)) from None
        return _login(self._credentials)


def _discover() -> Any:
    """The machine's credentials, None where there are none; raises the library's errors."""
    import google.auth
    import google.auth.exceptions

    try:
        credentials, _project = google.auth.default(scopes=[_SCOPE], request=_asking(True))
    except _NotAtGoogle:
        return None
    except google.auth.exceptions.DefaultCredentialsError as error:
        if not os.environ.get(_NAMED) and _NONE.search(str(error)):
            return None
        raise
    return credentials


def _login(credentials: Any) -> Login:
    life = _LIFE
    if credentials.expiry:  # in UTC, and doesn't say so
        now = datetime.datetime.now(datetime.timezone.utc)
        end = credentials.expiry.replace(tzinfo=datetime.timezone.utc)
        life = max(1.0, (end - now).total_seconds())
    token = credentials.token  # as the server gave it
    if not isinstance(token, str) or not is_token(token):
        raise AuthenticationFailed(
            "Google's application default credentials gave an access token that can't be one"
        )
    return Login("google", _USER, token, expires=renewal(life))


class _NotAtGoogle(Exception):
    """No metadata server answers, and the machine isn't one of Google's."""


def _asking(detecting: bool = False) -> Any:
    """How the library sends its requests: by the environment's proxies, without ``~/.netrc``.

    ``detecting``: it looks for a metadata server first, three times for three seconds. Elsewhere
    than at Google that would cost each call as long, so one second has to do.
    """
    import google.auth.exceptions
    import google.auth.transport.requests

    class Asking(google.auth.transport.requests.Request):
        """One exchange, with our limits."""

        def __call__(self, url: str, *args: Any, **given: Any) -> Any:
            plain = url.startswith("http://")
            first = detecting and plain and not _is_machine_of_google()
            given["timeout"] = _DETECTION if first else min(given.get("timeout") or 99, _SECONDS)
            try:
                return super().__call__(url, *args, **given)  # type: ignore[no-untyped-call]
            except google.auth.exceptions.TransportError:
                if first:
                    raise _NotAtGoogle from None
                raise

    session = requests.Session()
    session.auth = _nobody  # else netrc would be looked at
    return Asking(session)


def _nobody(request: Any) -> Any:
    """An ``auth`` of requests that adds nothing."""
    return request


def _is_machine_of_google() -> bool:
    try:
        with open(_PRODUCT, encoding="utf-8", errors="replace") as file:
            return file.read(64).startswith("Google")
    except OSError:
        return False


def _has_no_account(credentials: Any, error: Exception) -> bool:
    """Whether a machine of Google was made without a service account."""
    import google.auth.compute_engine

    machine = isinstance(credentials, google.auth.compute_engine.Credentials)
    return machine and not credentials.token and "Status: 404" in str(error)


def _broken(error: Exception) -> str:
    named = os.environ.get(_NAMED)
    what = f"the file {named} ({_NAMED})" if named else "what was found of them"
    known = type(error).__module__.startswith("google.") and error.args
    said = f": {clean(str(error.args[0]), 160)}" if known else ""
    return f"Google's application default credentials can't be used: {what} is no good{said}"


def _refused(error: Exception) -> str:
    """Without what a server wrote, but for the code of its error (RFC 6749, 5.2)."""
    body = error.args[1] if len(error.args) > 1 else None
    code = str(body.get("error")) if isinstance(body, dict) else ""
    said = code if re.fullmatch("[A-Za-z_]{1,40}", code) else type(error).__name__
    return (
        f"Google's application default credentials gave no access token ({said}); renew them, or "
        "see the option auth of registries (anonymous for what is public)"
    )
