# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys that images are signed with.

PEM: PKCS #8 (RFC 5958) and SEC 1 (RFC 5915), encrypted or not, and what ``cosign
generate-key-pair`` writes: PKCS #8 sealed in JSON with scrypt and NaCl's secret box
(go-securesystemslib, "encrypted").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from .errors import InvalidContent, InvalidInput
from .keys import PublicKey, labels_of, load_library
from .secretbox import KEY_SIZE, open_box
from .strict_json import parse_object

_COSIGN = ("ENCRYPTED COSIGN PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY")
_KNOWN = (*_COSIGN, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
#: N, r, p: those that cosign writes and reads; others could fill the memory
_SCRYPT = {(1 << 15, 8, 1), (1 << 16, 8, 1), (1 << 17, 8, 1)}
_SCRYPT_MEMORY = 160 << 20
_BODY = re.compile(r"-----BEGIN [^-]+-----\s+([A-Za-z0-9+/=\s]+?)-----END")


class SigningKey:
    """A private key. ``public``: its public half."""

    def __init__(self, key: Any) -> None:
        """``key``: of ``cryptography``; raises InvalidInput where its kind can't be used."""
        public = getattr(key, "public_key", None)
        if public is None or not hasattr(key, "sign"):
            raise InvalidInput("it can't sign")
        self._key = key
        self.public = PublicKey(public())

    def sign(self, message: bytes) -> bytes:
        """A signature; with SHA-256 also where cosign signs with another hash for the curve.

        That is the one that ``cosign verify --key`` takes for every key, in both formats, and
        the only one that other tools know.
        """
        library = load_library()
        if not self.public.hashes:
            return bytes(self._key.sign(message))
        algorithm = library.hashes.SHA256()
        if isinstance(self._key, library.rsa.RSAPrivateKey):
            return bytes(self._key.sign(message, library.padding.PKCS1v15(), algorithm))
        return bytes(self._key.sign(message, library.ec.ECDSA(algorithm)))


def parse_signing_key(text: str, passphrase: str | None) -> SigningKey:
    """The private key in a text; raises InvalidInput, which has nothing of it in it."""
    label = next((label for label in labels_of(text) if label in _KNOWN), None)
    if label is None:
        held = ", ".join(labels_of(text)[:3])
        raise InvalidInput(
            f"it holds no private key in a known PEM form ({f'but {held}' if held else 'nothing'})"
        )
    library = load_library()
    try:
        password = passphrase.encode() if passphrase else None
        if label in _COSIGN:
            der = _unsealed(text, password or b"")
            key = library.serialization.load_der_private_key(der, None)
        else:
            key = library.serialization.load_pem_private_key(text.encode(), password)
    except InvalidInput:
        raise
    except TypeError:
        raise InvalidInput(
            "it isn't encrypted, so that it has no passphrase"
            if passphrase
            else "it is encrypted, and no passphrase was given"
        ) from None
    except Exception:  # which errors there are depends on the version; the text may be in them
        raise InvalidInput(
            "it can't be read: its passphrase is another one, or it is damaged"
            if "ENCRYPTED" in text
            else "it can't be read: it is damaged, or of a kind that isn't known"
        ) from None
    return SigningKey(key)


def _unsealed(text: str, passphrase: bytes) -> bytes:
    """The PKCS #8 key in cosign's box."""
    body = _BODY.search(text)
    try:
        document = parse_object(base64.b64decode(body.group(1)) if body else b"", "the key")
        kdf, cipher = document["kdf"], document["cipher"]
        n, r, p = (kdf["params"][name] for name in ("N", "r", "p"))
        known = all(isinstance(number, int) for number in (n, r, p)) and (n, r, p) in _SCRYPT
        names = kdf["name"], cipher["name"]
        salt, nonce, box = (
            base64.b64decode(value, validate=True)
            for value in (kdf["salt"], cipher["nonce"], document["ciphertext"])
        )
    except (InvalidContent, LookupError, TypeError, ValueError, binascii.Error):
        raise InvalidInput("it is damaged: it isn't as cosign writes its keys") from None
    if names != ("scrypt", "nacl/secretbox") or not known:
        raise InvalidInput("it is sealed in a way that cosign doesn't use")
    key = _derived(passphrase, salt, (n, r, p))
    found = open_box(box, nonce, key)
    if found is None:
        raise InvalidInput(
            "its passphrase is another one"
            if passphrase
            else "it is encrypted, and no passphrase was given"
        )
    return found


def _derived(passphrase: bytes, salt: bytes, parameters: tuple[int, int, int]) -> bytes:
    n, r, p = parameters
    scrypt = getattr(hashlib, "scrypt", None)
    if scrypt is None:
        raise InvalidInput("Python on this host has no scrypt, which this key needs")
    found: bytes = scrypt(
        passphrase, salt=salt, n=n, r=r, p=p, maxmem=_SCRYPT_MEMORY, dklen=KEY_SIZE
    )
    return found
