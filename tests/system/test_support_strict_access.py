# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kit: who gets in at the strict registry, and where it leads."""

from __future__ import annotations

import pytest
import requests

from tests.support import push, skopeo
from tests.support.certificates import Certificates
from tests.support.content import Blob, sha256
from tests.support.images import image
from tests.support.push import ask
from tests.support.strict_registry import MakeStrict, StrictRegistry
from tests.support.token_server import TokenServer


def test_redirects_lead_away(make_strict: MakeStrict, strict: StrictRegistry) -> None:
    strict.add("a", image(), "1")
    registry = make_strict(redirect_blobs_to=strict.url, auth=("alice", "s3cret"))
    registry.add("a", image(), "1")
    ref = f"{registry.host}/a:1"
    assert skopeo.verify_whole(ref, creds="alice:s3cret") == image().digest
    assert strict.count("GET", "blob") == 2
    assert strict.with_header("Authorization") == []


def test_credentials(make_strict: MakeStrict) -> None:
    registry = make_strict(auth=("alice", "s3cret"), open_ping=True)
    assert ask(registry, "GET", "").status_code == 200
    assert ask(registry, "GET", "a/tags/list", auth=("alice", "wrong")).status_code == 401
    assert ask(registry, "GET", "a/tags/list", auth=("alice", "s3cret")).status_code == 404
    registry.rules.challenges = ["Negotiate", 'BASIC realm="x"']
    answer = ask(registry, "GET", "a/tags/list")
    assert answer.raw.headers.getlist("WWW-Authenticate") == registry.rules.challenges
    registry.rules.auth, registry.rules.bearer = None, "fixed"
    headers = {"Authorization": "Bearer fixed"}
    assert ask(registry, "GET", "a/tags/list", headers=headers).status_code == 404


def test_tokens_that_end(make_strict: MakeStrict, token_server: TokenServer) -> None:
    registry = make_strict(token=token_server)
    push.push(image(), f"{registry.host}/a:1", auth=("alice", "s3cret"))
    token = token_server.answer("alice", ["repository:a:pull"])["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert ask(registry, "GET", "a/tags/list", headers=headers).status_code == 200
    mount = f"a/blobs/uploads/?mount={sha256(b'')}&from=b"
    challenge = ask(registry, "POST", mount, headers=headers).headers["WWW-Authenticate"]
    assert challenge.endswith('scope="repository:a:pull,push repository:b:pull"')
    token_server.revoke()
    assert ask(registry, "GET", "a/tags/list", headers=headers).status_code == 401


def test_tls(make_strict: MakeStrict, certificates: Certificates) -> None:
    registry = make_strict(tls=certificates, client_ca=True)
    client = (certificates.client.cert, certificates.client.key)
    push.push(image(), f"{registry.host}/a:1", verify=certificates.ca, cert=client)
    with pytest.raises(requests.exceptions.ConnectionError):
        push.tags(registry.host, "a", verify=certificates.ca)
    registry.remove("a", image().digest)
    assert registry.tags("a") == []
    assert not registry.has_blob("a", Blob(b"", "x").digest)
