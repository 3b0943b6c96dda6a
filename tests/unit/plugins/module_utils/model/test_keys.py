# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import builtins
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.keys import parse_public_key
from ansible_collections.imagesync.registry.tests.support.cosign import KINDS, Key, make_key

KEYS = {kind: make_key(kind) for kind in KINDS}
OTHERS = {kind: make_key(kind) for kind in KINDS}


def public_pem(private: Any) -> str:
    return Key("", private).public


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key(kind: str) -> None:
    key = KEYS[kind]
    found = parse_public_key(f"# a comment\n{key.public}\n")
    assert found.fingerprint == key.fingerprint
    for sha256 in (True, False):
        signature = key.sign(b"message", sha256)
        assert found.verifies(signature, b"message")
        assert not found.verifies(signature, b"massage")
        assert not found.verifies(signature[:-1], b"message")
        assert not found.verifies(b"", b"message")
        assert not parse_public_key(OTHERS[kind].public).verifies(signature, b"message")
    for other in KINDS:
        if other != kind:
            assert not found.verifies(KEYS[other].sign(b"message"), b"message")


def test_an_rsa_key_in_its_own_form() -> None:
    public = KEYS["rsa"].private.public_key()
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
    text = public.public_bytes(encoding, form).decode()
    assert "RSA PUBLIC KEY" in text
    assert parse_public_key(text).fingerprint == KEYS["rsa"].fingerprint


def test_what_cosign_does_not_make_is_not_valid() -> None:
    key = KEYS["rsa"].private
    found = parse_public_key(KEYS["rsa"].public)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert not found.verifies(key.sign(b"m", pss, hashes.SHA256()), b"m")
    assert not found.verifies(key.sign(b"m", padding.PKCS1v15(), hashes.SHA512()), b"m")
    p256 = KEYS["p256"]
    sha512 = p256.private.sign(b"m", ec.ECDSA(hashes.SHA512()))
    assert not parse_public_key(p256.public).verifies(sha512, b"m")
    prehashed = KEYS["ed25519"].private.sign(hashlib.sha512(b"m").digest())
    assert not parse_public_key(KEYS["ed25519"].public).verifies(prehashed, b"m")


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"


#: none of this may be in a message
TABLE = [
    (KEYS["p256"].pem(), "holds a private key"),
    (KEYS["p256"].pem(traditional=True), "holds a private key"),
    (KEYS["p256"].pem("pass"), "holds a private key"),
    (KEYS["p256"].public + KEYS["p256"].pem(), "holds a private key"),
    (CERTIFICATE, "holds a certificate"),
    (KEYS["p256"].public + CERTIFICATE, "holds a certificate"),
    (KEYS["p256"].public + OTHERS["p256"].public, "holds 2 keys"),
    ("", "holds no public key"),
    ("c2VjcmV0", "holds no public key"),
    (CERTIFICATE.replace("CERTIFICATE", "PGP PUBLIC KEY BLOCK"), "holds no public key"),
    (CERTIFICATE.replace("CERTIFICATE", "PUBLIC KEY"), "isn't a public key that can be read"),
    (public_pem(ec.generate_private_key(ec.SECP256K1())), "on the curve secp256k1"),
    (public_pem(rsa.generate_private_key(65537, 1024)), "RSA key of 1024 bits"),
]


# the numbers, as keys are new in every process
@pytest.mark.parametrize(("text", "words"), TABLE, ids=range(len(TABLE)))
def test_what_is_no_key_is_refused_without_showing_it(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        parse_public_key(text)
    assert not any(
        line in str(caught.value) for line in text.splitlines() if line and "---" not in line
    )


def test_another_kind_of_key() -> None:
    from cryptography.hazmat.primitives.asymmetric import x25519

    with pytest.raises(InvalidInput, match="neither an ECDSA nor"):
        parse_public_key(public_pem(x25519.X25519PrivateKey.generate()))
    assert isinstance(KEYS["ed25519"].private, ed25519.Ed25519PrivateKey)


def test_a_host_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "cryptography":
            raise ImportError(name)
        return real(name, *rest, **more)

    text = KEYS["p256"].public
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidInput, match="need the Python package cryptography on the host"):
        parse_public_key(text)
