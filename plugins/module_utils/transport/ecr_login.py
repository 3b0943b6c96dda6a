# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins to Amazon's registries (ECR), through botocore or Amazon's credential helper.

Amazon ECR API, GetAuthorizationToken: the password of ``AWS``, good for 12 hours.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import os
import re
import warnings
from typing import Any, Callable

from ..model.errors import AuthenticationFailed, ImageSyncError, InvalidInput
from .aws_errors import masked, shown
from .clouds import EcrPlace, ecr_place
from .credential_helpers import Helpers, has_helper
from .docker_config import Login
from .once import Once, renewal
from .quiet import quiet

_HELPER = "ecr-login"
_SECONDS = 20


class NoAws(InvalidInput):
    """botocore is missing, or finds no AWS credentials on this machine."""


def ecr_client(host: str) -> tuple[Any, Any]:
    """A botocore client for the API that looks after ``host`` (``ecr``, or ``ecr-public``).

    And the credentials that it uses, which aws_call keeps out of messages.

    The region is the one in the name, else the machine's; endpoint, proxies and credentials are
    those that botocore finds (``AWS_ENDPOINT_URL_ECR``, profiles, roles). Calls of it belong
    into aws_call. Raises NoAws, or InvalidInput where the set-up is no good.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old Pythons
            import botocore.config
            import botocore.exceptions
            import botocore.session
    except ImportError:
        raise NoAws("the Python library botocore isn't installed on this host") from None
    place = ecr_place(host) or EcrPlace()
    with quiet("botocore"):
        try:
            session = botocore.session.Session()
            credentials = session.get_credentials()
            if credentials is None:
                raise NoAws("botocore finds no AWS credentials on this host")
            client = session.create_client(
                "ecr-public" if place.public else "ecr",
                region_name=place.region or _own_region(session),
                config=botocore.config.Config(
                    connect_timeout=_SECONDS,
                    read_timeout=_SECONDS,
                    retries={"mode": "standard"},  # three tries, or AWS_MAX_ATTEMPTS
                    use_fips_endpoint=place.fips or None,
                ),
            )
            return client, credentials
        except NoAws:
            raise
        except botocore.exceptions.NoRegionError:
            raise InvalidInput(
                f"{host}: AWS isn't set up on this host: the registry's name tells no region: set "
                "AWS_DEFAULT_REGION"
            ) from None
        except Exception as error:  # the library isn't strict about what files hold
            raise InvalidInput(f"{host}: AWS isn't set up on this host: {shown(error)}") from None


def _own_region(session: Any) -> str | None:
    """The machine's; botocore doesn't know the variable that Amazon's other tools read."""
    return session.get_config_variable("region") or os.environ.get("AWS_REGION")


def aws_call(host: str, what: str, call: Callable[[], Any], credentials: Any) -> Any:
    """What a call of a client gives; ``what`` says in the message what was tried.

    ``credentials``: what must not be in the message, whoever repeats it.

    Raises AuthenticationFailed with what AWS said; its ``codes`` has the code of its error, and
    is empty where nothing was answered.
    """
    import botocore.exceptions

    with quiet("botocore"):
        try:
            return call()
        except botocore.exceptions.ClientError as error:
            told = error.response.get("Error", {})
            code = str(told.get("Code", ""))
            code = code if re.fullmatch("[A-Za-z.]{1,60}", code) else "an error"
            # behind the first line, what was signed is repeated, a session's token with it
            said = masked(str(told.get("Message", "")).partition("\n")[0], credentials)
            raise AuthenticationFailed(
                f"{host}: {what} failed: AWS answered {code}: {said}", codes=(code,)
            ) from None
        except Exception as error:  # programs and files give the credentials only now
            said = shown(error, credentials)
            raise AuthenticationFailed(f"{host}: {what} failed: {said}") from None


class EcrLogins:
    """The login for each registry of ECR, renewed before it ends."""

    def __init__(self, helpers: Helpers) -> None:
        # what failed may work again later in a long run
        self._once = Once(errors_last=30.0)
        self._helpers = helpers
        self._lack = ""

    def login(self, host: str, required: bool = False) -> Login | None:
        """The login, None where this machine has none; then ``required`` raises InvalidInput.

        Raises AuthenticationFailed where there are credentials and AWS gives no password for
        them; but what is public can be read without.
        """
        try:
            found = self._once.get(host, lambda: self._obtain(host))
        except ImageSyncError:
            place = ecr_place(host)
            if required or not place or not place.public:
                raise
            found = None
        if found is None and required:
            raise InvalidInput(
                f"{host}: auth is ecr, and {self._lack}; nor does docker-credential-{_HELPER} "
                "give a login"
            )
        return found

    def _obtain(self, host: str) -> Login | None:
        try:
            client, credentials = ecr_client(host)
        except NoAws as error:
            self._lack = str(error)
            if has_helper(_HELPER):
                return self._helpers.login(_HELPER, host, "ecr")
            return None
        place = ecr_place(host) or EcrPlace()
        given = {"registryIds": [place.account]} if place.account else {}
        what = "asking AWS for a password"
        found = aws_call(host, what, lambda: client.get_authorization_token(**given), credentials)
        return _login(host, found and found.get("authorizationData"))


def _login(host: str, data: Any) -> Login:
    """``data``: authorizationData of the answer; of private registries, a list of it."""
    try:
        data = data[0] if isinstance(data, list) else data
        token = base64.b64decode(data["authorizationToken"]).decode()
        username, _colon, password = token.partition(":")
        now = datetime.datetime.now(datetime.timezone.utc)
        life = (data["expiresAt"] - now).total_seconds()
    except (LookupError, TypeError, ValueError, binascii.Error):
        password = ""
    if not password:
        raise AuthenticationFailed(f"{host}: AWS gave no password that can be read")
    return Login("ecr", username, password, expires=renewal(max(1.0, life)))
