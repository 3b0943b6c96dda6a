# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for every way in which TLS can work or fail, written as files."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
LOOPBACK = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost"))


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A CA that can issue certificates."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, name: str) -> Authority:
        """Make a self-signed CA."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, _name(name), key, (NOW - DAY, NOW + 30 * DAY))
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = (
            builder.add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        return cls(key, builder.sign(key, hashes.SHA256()))

    def issue(
        self,
        directory: Path,
        name: str,
        names: tuple[x509.GeneralName, ...] = LOOPBACK,
        expired: bool = False,
        client: bool = False,
    ) -> Identity:
        """Write a certificate for these names (or for a client) beside its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        valid = (NOW - 3 * DAY, NOW - 2 * DAY) if expired else (NOW - DAY, NOW + 30 * DAY)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(name, self.certificate.subject, key, valid)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if not client:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        identity = Identity(directory / f"{name}.crt", directory / f"{name}.key")
        identity.cert.write_bytes(pem_certificate(builder.sign(self.key, hashes.SHA256())))
        identity.key.write_bytes(pem_key(key))
        identity.key.chmod(0o600)
        return identity


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    valid: tuple[datetime.datetime, datetime.datetime],
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )


def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as PEM, without a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def pem_certificate(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Certificates:
    """A CA, what it issued, and an unrelated CA; `cert_dir`s are in skopeo's form."""

    ca: Path
    other_ca: Path
    server: Identity
    expired: Identity
    other_host: Identity
    client: Identity
    other_client: Identity
    cert_dir: Path
    client_cert_dir: Path

    def server_context(self, client_ca: bool = False) -> ssl.SSLContext:
        """What an in-process server on loopback needs; with client_ca it wants a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.cert, self.server.key)
        if client_ca:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificates(directory: Path) -> Certificates:
    """Write a whole set into this directory."""
    ours, other = Authority.create("imagesync test CA"), Authority.create("unrelated CA")
    elsewhere = (x509.DNSName("registry.elsewhere.example"),)
    certificates = Certificates(
        ca=directory / "ca.crt",
        other_ca=directory / "other-ca.crt",
        server=ours.issue(directory, "server"),
        expired=ours.issue(directory, "expired", expired=True),
        other_host=ours.issue(directory, "other-host", names=elsewhere),
        client=ours.issue(directory, "client", client=True),
        other_client=other.issue(directory, "other-client", client=True),
        cert_dir=directory / "certs.d",
        client_cert_dir=directory / "client-certs.d",
    )
    certificates.ca.write_bytes(pem_certificate(ours.certificate))
    certificates.other_ca.write_bytes(pem_certificate(other.certificate))
    for cert_dir in (certificates.cert_dir, certificates.client_cert_dir):
        cert_dir.mkdir()
        (cert_dir / "ca.crt").write_bytes(certificates.ca.read_bytes())
    for suffix, path in (("cert", certificates.client.cert), ("key", certificates.client.key)):
        (certificates.client_cert_dir / f"client.{suffix}").write_bytes(path.read_bytes())
    return certificates
