# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.keys import parse_public_key
from ansible_collections.imagesync.registry.plugins.module_utils.model.private_keys import (
    parse_signing_key,
)
from ansible_collections.imagesync.registry.tests.support.cosign import KINDS, make_key
from ansible_collections.imagesync.registry.tests.unit.cosign_keys import KEYS

OWN = {kind: make_key(kind) for kind in KINDS}
LEGACY, PASSPHRASE, FINGERPRINT = KEYS["ec-legacy"]


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_of_cosign(name: str) -> None:
    text, passphrase, fingerprint = KEYS[name]
    assert parse_signing_key(text, passphrase).public.fingerprint == fingerprint


def test_no_passphrase_is_an_empty_one() -> None:
    text, _empty, fingerprint = KEYS["ed-owasp"]
    assert parse_signing_key(text, None).public.fingerprint == fingerprint


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passphrase", [None, "pässword"])
@pytest.mark.parametrize("traditional", [False, True])
def test_every_form_of_pem(kind: str, passphrase: str | None, traditional: bool) -> None:
    if kind == "ed25519" and traditional:
        traditional = False  # there is no such form
    key = parse_signing_key(OWN[kind].pem(passphrase, traditional), passphrase)
    assert key.public.fingerprint == OWN[kind].fingerprint
    public = parse_public_key(OWN[kind].public)
    signature = key.sign(b"message")
    assert public.verifies(signature, b"message")
    # the hash that cosign verifies with unless it is told another one
    OWN[kind].check(signature, b"message", sha256=True)


def changed(**more: Any) -> str:
    """The key of cosign with another value somewhere in its JSON."""
    lines = LEGACY.strip().splitlines()
    document = json.loads(base64.b64decode("".join(lines[1:-1])))
    for path, value in more.items():
        place = document
        *above, last = path.split("__")
        for name in above:
            place = place[name]
        place[last] = value
    body = base64.b64encode(json.dumps(document).encode()).decode()
    return "\n".join([lines[0], body, lines[-1]])


def test_the_changed_key_unchanged() -> None:
    assert parse_signing_key(changed(), PASSPHRASE).public.fingerprint == FINGERPRINT


#: none of this may be in a message
TABLE = [
    (LEGACY, "another", "its passphrase is another one"),
    (LEGACY, None, "it is encrypted, and no passphrase was given"),
    (LEGACY, "", "it is encrypted, and no passphrase was given"),
    (changed(ciphertext="AAAA"), PASSPHRASE, "its passphrase is another one"),
    (changed(cipher__nonce="AAAA"), PASSPHRASE, "its passphrase is another one"),
    (changed(cipher__name="aes"), PASSPHRASE, "sealed in a way that cosign doesn't use"),
    (changed(kdf__name="argon2"), PASSPHRASE, "sealed in a way that cosign doesn't use"),
    (changed(kdf__params__N=1 << 30), PASSPHRASE, "sealed in a way that cosign doesn't use"),
    (changed(kdf__params__N="x"), PASSPHRASE, "sealed in a way that cosign doesn't use"),
    (changed(kdf__params=None), PASSPHRASE, "isn't as cosign writes its keys"),
    (changed(kdf=[]), PASSPHRASE, "isn't as cosign writes its keys"),
    (changed(ciphertext=1), PASSPHRASE, "isn't as cosign writes its keys"),
    (changed(ciphertext="ä"), PASSPHRASE, "isn't as cosign writes its keys"),
    ("\n".join([*LEGACY.splitlines()[:2], LEGACY.splitlines()[-1]]), "", "as cosign writes"),
    (LEGACY.splitlines()[0], PASSPHRASE, "isn't as cosign writes its keys"),
    (OWN["p256"].pem("right"), "wrong", "its passphrase is another one, or"),
    (OWN["p256"].pem("right", True), "wrong", "its passphrase is another one, or"),
    (OWN["p256"].pem("right"), None, "encrypted, and no passphrase was given"),
    (OWN["p256"].pem(), "needless", "isn't encrypted"),
    (OWN["p256"].public, None, "no private key in a known PEM form .but PUBLIC KEY"),
    ("", None, "no private key in a known PEM form"),
    ("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", None, "is damaged"),
]


# the numbers, as keys are new in every process
@pytest.mark.parametrize(("text", "passphrase", "words"), TABLE, ids=range(len(TABLE)))
def test_what_cannot_be_used(text: str, passphrase: str | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        parse_signing_key(text, passphrase)
    assert not any(
        line in str(caught.value) for line in text.splitlines() if line and "---" not in line
    )


def test_a_python_without_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(hashlib, "scrypt")
    with pytest.raises(InvalidInput, match="no scrypt"):
        parse_signing_key(LEGACY, PASSPHRASE)


def test_a_key_that_cannot_sign() -> None:
    from cryptography.hazmat.primitives.asymmetric import x25519

    from ansible_collections.imagesync.registry.tests.support.cosign import Key

    with pytest.raises(InvalidInput, match="can't sign"):
        parse_signing_key(Key("", x25519.X25519PrivateKey.generate()).pem(), None)
