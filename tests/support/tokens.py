# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access tokens as docker-registry wants them: signed with ES256, named by key id."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .certificates import Authority, pem_certificate

# docker-registry accepts a token for a minute after its end: taken off, the lifetime is exact.
LEEWAY = 60


@dataclass(frozen=True)
class Access:
    """What a token allows on one repository."""

    type: str
    name: str
    actions: tuple[str, ...]

    @classmethod
    def parse(cls, scope: str) -> Access:
        """Read `repository:name:pull,push`; the name may hold a port."""
        kind, _unused, rest = scope.partition(":")
        name, _unused, actions = rest.rpartition(":")
        return cls(kind, name, tuple(actions.split(",")))


@dataclass
class Grant:
    """A token that was given out."""

    user: str
    access: tuple[Access, ...]
    until: float
    revoked: bool = False

    def allows(self, name: str, action: str) -> bool:
        """Whether it is still good for this."""
        if self.revoked or time.monotonic() >= self.until:
            return False
        return any(name == a.name and {action, "*"} & set(a.actions) for a in self.access)


@dataclass
class Signer:
    """Signs tokens with a key of its own."""

    issuer: str
    service: str
    authority: Authority = field(default_factory=lambda: Authority.create("token issuer"))

    @property
    def certificate_pem(self) -> bytes:
        """What the registry must trust."""
        return pem_certificate(self.authority.certificate)

    def sign(self, grant: Grant, lifetime: float, filling: str = "") -> str:
        """The token as text."""
        now = int(time.time())
        header = {"typ": "JWT", "alg": "ES256", "kid": self._key_id()}
        claims = {
            "iss": self.issuer,
            "sub": grant.user,
            "aud": self.service,
            "exp": int(time.time() + lifetime) - LEEWAY,
            "nbf": now - 2 * LEEWAY,
            "iat": now,
            "jti": os.urandom(8).hex() + filling,
            "access": [
                {"type": a.type, "name": a.name, "actions": list(a.actions)} for a in grant.access
            ],
        }
        signed = f"{_base64(json.dumps(header).encode())}.{_base64(json.dumps(claims).encode())}"
        der = self.authority.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(der)
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _key_id(self) -> str:
        """The name of the key in libtrust's form."""
        der = self.authority.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
        return ":".join(text[i : i + 4] for i in range(0, len(text), 4))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
