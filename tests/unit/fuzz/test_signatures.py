# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures and keys: payloads that were changed before and after they were signed."""

from __future__ import annotations

import base64
import json

from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model import claims
from ansible_collections.imagesync.registry.plugins.module_utils.model.keys import parse_public_key
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import Manifest
from ansible_collections.imagesync.registry.plugins.module_utils.model.private_keys import (
    parse_signing_key,
)
from ansible_collections.imagesync.registry.tests.support import cosign
from ansible_collections.imagesync.registry.tests.support.content import OCI_MANIFEST
from ansible_collections.imagesync.registry.tests.unit.cosign_keys import KEYS
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    documents,
    edited,
    fuzz,
    survives,
    texts,
)
from ansible_collections.imagesync.registry.tests.unit.support import A

KEY = cosign.make_key()
PUBLIC = parse_public_key(KEY.public)
SEALED, PASSPHRASE, _fingerprint = KEYS["ec-legacy"]
PAYLOAD = json.loads(cosign.payload_of(A, creator="x"))
STATEMENT = json.loads(cosign.statement_of(A, creator="x"))
TAGGED = cosign.tagged(cosign.signature_layer(A, KEY)).document
SEALED_KEY = json.loads(base64.b64decode("".join(SEALED.strip().splitlines()[1:-1])))
#: no derivation of a key is waited for
SEALED_KEY["kdf"]["params"]["N"] = 1


@fuzz(documents(PAYLOAD))
def test_payloads_that_the_key_has_signed(payload: bytes) -> None:
    written = base64.b64encode(KEY.sign(payload)).decode()
    claim = survives(claims.simple_claim, payload, written)
    found = survives(claims.confirm, claim, A, [PUBLIC])
    if found:
        critical = json.loads(payload)["critical"]
        assert critical["image"] == {"docker-manifest-digest": A} or A in str(critical["image"])
        assert critical["type"] == PAYLOAD["critical"]["type"]


@fuzz(documents(STATEMENT))
def test_statements_that_the_key_has_signed(payload: bytes) -> None:
    bundle = cosign.bundle_of(A, KEY)
    bundle["dsseEnvelope"] = cosign.envelope_of(payload, KEY.sign(cosign.encoded(payload)))
    claim = survives(claims.bundle_claim, json.dumps(bundle).encode())
    found = survives(claims.confirm, claim, A, [PUBLIC]) if claim else None
    if found:
        assert json.loads(payload)["predicateType"] == cosign.PREDICATE
        assert A.partition(":")[2] in str(json.loads(payload)["subject"])


@fuzz(documents(cosign.bundle_of(A, KEY)))
def test_bundles(raw: bytes) -> None:
    claim = survives(claims.bundle_claim, raw)
    found = survives(claims.confirm, claim, A, [PUBLIC]) if claim else None
    if found:  # whatever was changed, this wasn't
        assert claim.payload == cosign.statement_of(A)


@fuzz(documents(TAGGED), texts)
def test_manifests_of_signatures(raw: bytes, written: str) -> None:
    manifest = survives(Manifest, raw, OCI_MANIFEST)
    for _layer, text in survives(claims.signature_layers, manifest) or () if manifest else ():
        survives(claims.simple_claim, b"{}", text)
    survives(claims.bundle_layer, manifest) if manifest else None
    survives(claims.simple_claim, b"{}", written)


@fuzz(edited([KEY.public, KEY.pem(), KEY.pem("secret"), KEY.pem(traditional=True)]), texts)
def test_keys(text: str, passphrase: str) -> None:
    survives(parse_public_key, text)
    survives(parse_signing_key, text, passphrase)


@fuzz(documents(SEALED_KEY), st.sampled_from(["", "x", "\ud800"]))
def test_keys_of_cosign(raw: bytes, passphrase: str) -> None:
    lines = SEALED.strip().splitlines()
    text = "\n".join([lines[0], base64.b64encode(raw).decode(), lines[-1]])
    assert survives(parse_signing_key, text, passphrase) is None
