# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import requests.utils

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ConnectionFailed,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Connection,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tls import (
    tls_context,
    tls_problem,
)

HOST = "r.example"
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)


def one_certificate(directory: Path) -> Path:
    """A file with the first certificate of the usual ones."""
    end = "-----END CERTIFICATE-----\n"
    text = Path(requests.utils.DEFAULT_CA_BUNDLE_PATH).read_text(encoding="utf-8")
    path = directory / "one.crt"
    path.write_text(text[text.index("-----BEGIN") : text.index(end)] + end, encoding="utf-8")
    return path


def trusted(connection: Connection) -> int:
    return len(tls_context(connection, HOST).get_ca_certs())


def test_everything_is_checked_and_nothing_is_old() -> None:
    context = tls_context(Connection(False), HOST)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) > 20


def test_unchecked_is_as_new_all_the_same() -> None:
    context = tls_context(Connection(False, validate_certs=False), HOST)
    assert context.verify_mode == ssl.CERT_NONE
    assert not context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_which_authorities_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option's, a file or a directory; else the environment's; never both."""
    one = one_certificate(tmp_path)
    assert trusted(Connection(False, ca_path=str(one))) == 1
    assert trusted(Connection(False, ca_path=str(tmp_path))) == 1
    for name in reversed(BUNDLES):
        monkeypatch.setenv(name, str(one))
        assert trusted(Connection(False)) == 1
        monkeypatch.setenv(name, "/nowhere.pem")
        assert trusted(Connection(False, ca_path=str(one))) == 1
        with pytest.raises(ConnectionFailed, match=f"{HOST}.*{name}.*nowhere.pem"):
            tls_context(Connection(False), HOST)
        assert tls_context(Connection(False, validate_certs=False), HOST)


def test_what_holds_no_certificate(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense", encoding="utf-8")
    for path in (nothing, nonsense, tmp_path):
        with pytest.raises(ConnectionFailed, match=f"{HOST}.*ca_path has no certificate") as caught:
            tls_context(Connection(False, ca_path=str(path)), HOST)
        assert str(path) in str(caught.value)
        assert not caught.value.transient


PROBLEMS = {
    "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)": "doesn't speak TLS",
    "certificate verify failed: certificate has expired (_ssl.c:1)": "has expired",
    "certificate verify failed: certificate is not yet valid (_ssl.c:1)": "clock",
    "certificate verify failed: self-signed certificate in chain": "known authority",
    "certificate verify failed: self signed certificate": "known authority",
    "certificate verify failed: unable to get local issuer certificate": "known authority",
    "Hostname mismatch, certificate is not valid for 'r.example'.": "another host name",
    "hostname 'r.example' doesn't match 'x'": "another host name",
    "IP address mismatch, certificate is not valid for '10.0.0.1'.": "another",
    "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required": "client_cert",
    "[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate": "client_cert",
    "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca": "of the client certificate",
    "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1)": "older than 1.2",
    "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version": "older than 1.2",
    "TLS/SSL connection has been closed (EOF) (_ssl.c:1129)": "it closed the connection",
    "EOF occurred in violation of protocol (_ssl.c:1129)": "it closed the connection",
    "something new (_ssl.c:1129)": "failed: something new",
    "[SSL: DH_KEY_TOO_SMALL] dh key too small (_ssl.c:1007)": "failed: dh key too small",
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_what_openssl_means(text: str) -> None:
    found = tls_problem(text, HOST)
    assert found.startswith(f"TLS with {HOST} failed: ")
    assert PROBLEMS[text] in found
    assert "_ssl.c" not in found
