# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS: whom we trust, what we show, and what OpenSSL's words mean when it fails.

There is one context for each host, with its own entry's settings, TLS 1.2 or newer, and no way
around it: what fails here is never tried again with less.
"""

from __future__ import annotations

import os
import re
import ssl

from ..model.errors import ConnectionFailed
from .libraries import requests, urllib3
from .settings import Connection
from .text import clean

#: where the environment may name authorities instead of the usual ones; the first found holds
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_SUFFIXES = (".crt", ".pem", ".cer")

_UNKNOWN_AUTHORITY = (
    "its certificate isn't signed by a known authority; give the authority's certificate as "
    "ca_path in an entry for this host in registries"
)
_CLIENT_CERTIFICATE = (
    "it wants a client certificate, or another one than it was given; see client_cert in registries"
)
_OLD = "it speaks only versions of TLS older than 1.2"
#: what OpenSSL's words (in lower case, "_" as " ") mean for a user; the first found holds
_PROBLEMS = {
    "wrong version number": "it doesn't speak TLS; set plain_http: true for it in registries if "
    "it is meant to be reached by plain HTTP",
    "http request": "it doesn't speak TLS; see plain_http in registries",
    "certificate has expired": "its certificate has expired",
    "not yet valid": "its certificate isn't valid yet; is the clock of this machine right?",
    "certificate revoked": "its certificate was revoked",
    "self-signed certificate": _UNKNOWN_AUTHORITY,
    "self signed certificate": _UNKNOWN_AUTHORITY,
    "unable to get local issuer": _UNKNOWN_AUTHORITY,
    "unable to get issuer": _UNKNOWN_AUTHORITY,
    "unable to verify the first": _UNKNOWN_AUTHORITY,
    "doesn't match": "its certificate is for another host name",
    "not valid for": "its certificate is for another host name",
    "hostname mismatch": "its certificate is for another host name",
    "ip address mismatch": "its certificate is for another address",
    "certificate required": "it wants a client certificate; see client_cert in registries",
    # before TLS 1.3 the same alert says that there was none
    "bad certificate": _CLIENT_CERTIFICATE,
    "unknown ca": "it doesn't know the authority of the client certificate",
    "unsupported protocol": _OLD,
    "protocol version": _OLD,
    "version too low": _OLD,
    "key values mismatch": "client_key isn't the key of client_cert",
    "pem lib": "client_cert and client_key aren't a certificate and its unencrypted key in PEM",
    "closed (eof)": f"it closed the connection; maybe {_CLIENT_CERTIFICATE}",
    "eof occurred": f"it closed the connection; maybe {_CLIENT_CERTIFICATE}",
}


def tls_context(connection: Connection, host: str) -> ssl.SSLContext:
    """What every connection to ``host`` is made with. Raises ConnectionFailed."""
    needed = ssl.CERT_REQUIRED if connection.validate_certs else ssl.CERT_NONE
    if not connection.validate_certs:  # we warn of it ourselves, once and by name
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    context: ssl.SSLContext = urllib3.util.ssl_.create_urllib3_context(cert_reqs=needed)
    context.verify_mode = needed
    if context.minimum_version < ssl.TLSVersion.TLSv1_2:  # the system may ask for more
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.validate_certs:
        _trust(context, connection.ca_path, host)
    if connection.client_cert:
        _show(context, connection.client_cert, connection.client_key, host)
    return context


def _trust(context: ssl.SSLContext, ca_path: str | None, host: str) -> None:
    """The authorities of the option, else those that the environment names, else the usual ones.

    The usual ones are the system's and those that come with requests: either may be missing.
    """
    name, path = "ca_path", os.path.expanduser(ca_path) if ca_path else ""
    if not path:
        name = next((name for name in _BUNDLES if os.environ.get(name)), "")
        path = os.environ.get(name, "")
    try:
        if os.path.isdir(path):
            _load_directory(context, path)
        elif path:
            context.load_verify_locations(path)
        else:
            context.load_default_certs()
            path = requests.utils.DEFAULT_CA_BUNDLE_PATH
            context.load_verify_locations(path)
    except ssl.SSLError:
        raise ConnectionFailed(
            f"TLS with {host} failed: {name or 'the CA bundle of requests'} has no certificate in "
            f"PEM ({path})",
            transient=False,
        ) from None
    except OSError as error:
        raise ConnectionFailed(
            f"TLS with {host} failed: {name or 'the CA bundle of requests'} can't be read "
            f"({path}): {error.strerror}",
            transient=False,
        ) from None


def _load_directory(context: ssl.SSLContext, path: str) -> None:
    """Files named by hash, as OpenSSL wants them, and all that are certificates by their name."""
    context.load_verify_locations(capath=path)
    names = sorted(os.listdir(path))
    files = [os.path.join(path, name) for name in names if name.endswith(_SUFFIXES)]
    for file in files:
        context.load_verify_locations(file)
    if not files and not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", name) for name in names):
        raise ssl.SSLError("no certificate")


def _show(context: ssl.SSLContext, certificate: str, key: str | None, host: str) -> None:
    try:
        context.load_cert_chain(
            os.path.expanduser(certificate),
            os.path.expanduser(key) if key else None,
            # else OpenSSL would ask on the terminal
            password=lambda: "",
        )
    except ssl.SSLError as error:
        raise ConnectionFailed(tls_problem(str(error), host), transient=False) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConnectionFailed(
            f"TLS with {host} failed: client_cert or client_key can't be read: {clean(reason)}",
            transient=False,
        ) from None


def tls_problem(text: str, host: str) -> str:
    """A sentence for what OpenSSL or urllib3 say of a connection to ``host``."""
    lowered = text.lower().replace("_", " ")
    for sign, meaning in _PROBLEMS.items():
        if sign in lowered:
            return f"TLS with {host} failed: {meaning}"
    # what OpenSSL says, without the places in code that stand around it
    said = re.findall(r"\[[A-Z0-9_]+: \w+\] ([^(\[]+)", text)
    return f"TLS with {host} failed: {clean(said[-1] if said else text.partition(' (_ssl.c')[0])}"
