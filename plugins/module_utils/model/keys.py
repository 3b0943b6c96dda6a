# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Public keys that signatures are checked with.

Keys are PEM (RFC 7468), "PUBLIC KEY" or "RSA PUBLIC KEY". What a signature is made with depends on
the key alone, as nothing in cosign's formats says it: ECDSA or RSA (PKCS #1 v1.5) with SHA-256, or
Ed25519 (RFC 8032). For keys on P-384 and P-521 sigstore takes SHA-384 and SHA-512, older cosign and
other tools SHA-256; either is right.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from .errors import InvalidInput

_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_PUBLIC = ("PUBLIC KEY", "RSA PUBLIC KEY")
#: shorter ones are broken (NIST SP 800-131A)
_LEAST_RSA_BITS = 2048
_HASHES = {
    "secp256r1": ("SHA256",),
    "secp384r1": ("SHA384", "SHA256"),
    "secp521r1": ("SHA512", "SHA256"),
}


class Library(NamedTuple):
    """The modules of ``cryptography``, by their names."""

    exceptions: Any
    hashes: Any
    serialization: Any
    ec: Any
    ed25519: Any
    padding: Any
    rsa: Any


def load_library() -> Library:
    """The parts of ``cryptography`` that are needed here; raises InvalidInput without it."""
    try:
        from cryptography import exceptions
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    except ImportError:
        raise InvalidInput(
            "signatures need the Python package cryptography on the host that the task runs on, "
            "and it isn't there"
        ) from None
    return Library(exceptions, hashes, serialization, ec, ed25519, padding, rsa)


class PublicKey:
    """One key. ``fingerprint``: SHA-256 over its DER form (SubjectPublicKeyInfo), as a digest.

    ``hashes``: names of those that signatures by it may be made with, sigstore's own first.
    """

    __slots__ = ("_key", "_library", "fingerprint", "hashes")

    def __init__(self, key: Any) -> None:
        """``key``: of ``cryptography``; raises InvalidInput where its kind can't be used."""
        library = self._library = load_library()
        self._key = key
        self.hashes: tuple[str, ...] = ()
        if isinstance(key, library.ec.EllipticCurvePublicKey):
            self.hashes = _HASHES.get(key.curve.name, ())
            if not self.hashes:
                raise InvalidInput(f"it is on the curve {key.curve.name}; P-256 is usual")
        elif isinstance(key, library.rsa.RSAPublicKey):
            self.hashes = ("SHA256",)
            if key.key_size < _LEAST_RSA_BITS:
                raise InvalidInput(f"it is an RSA key of {key.key_size} bits, fewer than 2048")
        elif not isinstance(key, library.ed25519.Ed25519PublicKey):
            raise InvalidInput("it is neither an ECDSA nor an RSA nor an Ed25519 key")
        encoding = library.serialization
        der = key.public_bytes(encoding.Encoding.DER, encoding.PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = f"sha256:{hashlib.sha256(der).hexdigest()}"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is by this key, over this message."""
        try:
            if not self.hashes:
                self._key.verify(signature, message)
                return True
        except self._library.exceptions.InvalidSignature:
            return False
        return any(self._verifies_with(name, signature, message) for name in self.hashes)

    def _verifies_with(self, name: str, signature: bytes, message: bytes) -> bool:
        library = self._library
        algorithm = getattr(library.hashes, name)()
        try:
            if isinstance(self._key, library.rsa.RSAPublicKey):
                self._key.verify(signature, message, library.padding.PKCS1v15(), algorithm)
            else:
                self._key.verify(signature, message, library.ec.ECDSA(algorithm))
        except library.exceptions.InvalidSignature:
            return False
        return True


def labels_of(text: str) -> list[str]:
    """What the PEM blocks in a text call themselves."""
    return _LABEL.findall(text)


def parse_public_key(text: str) -> PublicKey:
    """The one public key in a text; raises InvalidInput, which never has the text in it."""
    labels = labels_of(text)
    if any("PRIVATE" in label for label in labels):
        raise InvalidInput(
            "it holds a private key, which belongs to the signer alone; give the public key "
            "(cosign public-key --key cosign.key)"
        )
    if any("CERTIFICATE" in label for label in labels):
        raise InvalidInput(
            "it holds a certificate, and signatures by certificates aren't verified; give a public "
            "key"
        )
    if len(labels) != 1 or labels[0] not in _PUBLIC:
        raise InvalidInput(
            f"it holds {len(labels)} keys; give each by itself"
            if len(labels) > 1
            else "it holds no public key in PEM form (BEGIN PUBLIC KEY)"
        )
    library = load_library()
    try:
        key = library.serialization.load_pem_public_key(text.encode())
    except Exception:  # which errors there are depends on the version
        raise InvalidInput("its PEM block isn't a public key that can be read") from None
    return PublicKey(key)
