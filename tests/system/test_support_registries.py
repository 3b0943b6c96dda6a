# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kit: docker-registry in its modes, tokens, certificates, skopeo."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import requests

from tests.support import processes, push, skopeo
from tests.support.certificates import Certificates
from tests.support.images import foreign_image, image, multi_platform
from tests.support.registries import PASSWORD, USER, DockerRegistry, MakeRegistry
from tests.support.token_server import TokenServer

ALICE = (USER, PASSWORD)


def test_plain_registry_by_both_its_names(source_registry: DockerRegistry, repo: str) -> None:
    content = multi_platform()
    push.push(content, f"{source_registry.host}/{repo}:1")
    localhost = f"localhost:{source_registry.port}"
    assert push.digest_of(localhost, repo, "1") == content.digest
    assert skopeo.verify_whole(f"{localhost}/{repo}:1") == content.digest
    assert push.tags(source_registry.host, repo) == ["1"]
    push.delete_manifest(source_registry.host, repo, content.digest)
    assert push.digest_of(source_registry.host, repo, "1") is None


def test_password_file(make_registry: MakeRegistry, repo: str) -> None:
    registry = make_registry(htpasswd=True)
    ref = f"{registry.host}/{repo}:1"
    with pytest.raises(RuntimeError, match="401"):
        push.push(image(), ref)
    push.push(image(), ref, auth=ALICE)
    assert skopeo.raw_digest(ref, creds=":".join(ALICE)) == image().digest
    with pytest.raises(RuntimeError, match="authentication required"):
        skopeo.raw_digest(ref)


def test_tls(make_registry: MakeRegistry, certificates: Certificates, repo: str) -> None:
    registry = make_registry(tls=certificates)
    ref = f"{registry.host}/{repo}:1"
    push.push(image(), ref, verify=certificates.ca)
    assert skopeo.raw_digest(ref, cert_dir=certificates.cert_dir) == image().digest
    with pytest.raises(requests.exceptions.SSLError, match=r"self.signed|unable to get"):
        push.push(image(), ref, verify=certificates.other_ca)


@pytest.mark.parametrize(
    ("identity", "said"), [("expired", "expired"), ("other_host", "127.0.0.1")]
)
def test_tls_gone_wrong(
    make_registry: MakeRegistry, certificates: Certificates, identity: str, said: str
) -> None:
    registry = make_registry(tls=certificates, identity=getattr(certificates, identity))
    with pytest.raises(requests.exceptions.SSLError, match=said):
        push.tags(registry.host, "any", verify=certificates.ca)


def test_client_certificate(
    make_registry: MakeRegistry, certificates: Certificates, repo: str
) -> None:
    registry = make_registry(tls=certificates, client_ca=True)
    ref = f"{registry.host}/{repo}:1"
    ours, other = certificates.client, certificates.other_client
    push.push(image(), ref, verify=certificates.ca, cert=(ours.cert, ours.key))
    assert skopeo.raw_digest(ref, cert_dir=certificates.client_cert_dir) == image().digest
    for cert in (None, (other.cert, other.key)):
        with pytest.raises(requests.exceptions.ConnectionError):
            push.tags(registry.host, repo, verify=certificates.ca, cert=cert)


def test_readonly_after_a_restart_and_without_delete(
    make_registry: MakeRegistry, repo: str
) -> None:
    registry = make_registry(delete=False)
    push.push(image(), f"{registry.host}/{repo}:1")
    with pytest.raises(RuntimeError, match="405"):
        push.delete_manifest(registry.host, repo, image().digest)
    registry.restart(readonly=True)
    assert push.digest_of(registry.host, repo, "1") == image().digest
    with pytest.raises(RuntimeError, match="405"):
        push.push(image("other"), f"{registry.host}/{repo}:2")


def test_foreign_layers_need_their_address_allowed(
    make_registry: MakeRegistry, source_registry: DockerRegistry, repo: str
) -> None:
    registry = make_registry(foreign_urls=["^https://example\\.com/"])
    push.push(foreign_image(), f"{registry.host}/{repo}:1")
    with pytest.raises(RuntimeError, match=r"500.*MANIFEST_BLOB_UNKNOWN"):
        push.push(foreign_image(), f"{source_registry.host}/{repo}:1")


def test_kill_restart_and_damage(make_registry: MakeRegistry, repo: str) -> None:
    registry = make_registry()
    content = multi_platform()
    ref = f"{registry.host}/{repo}:1"
    push.push(content, ref)
    registry.kill()
    with pytest.raises(requests.ConnectionError):
        push.tags(registry.host, repo)
    registry.restart()
    assert len(push.verify_whole(ref)) == 1 + 2 * 3
    registry.blob_path(content.all_blobs[0].digest).write_bytes(b"damaged")
    with pytest.raises((AssertionError, requests.ConnectionError)):
        push.verify_whole(ref)
    with pytest.raises(RuntimeError):
        skopeo.verify_whole(ref)


def test_garbage_collection_loses_the_children_of_an_index(
    make_registry: MakeRegistry, repo: str
) -> None:
    registry = make_registry()
    content = multi_platform()
    push.push(content, f"{registry.host}/{repo}:1")
    registry.garbage_collect(delete_untagged=True)
    assert push.digest_of(registry.host, repo, "1") == content.digest
    assert push.digest_of(registry.host, repo, content.children[0].digest) is None


def test_nothing_is_left_behind() -> None:
    with DockerRegistry() as registry:
        pid, storage = registry.pid, registry.storage
        push.tags(registry.host, "any")
    assert "GET /v2/any/tags/list" in registry.log
    assert not storage.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("program", ["docker-registry", "skopeo"])
def test_a_missing_program_is_an_error(
    program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=f"need '{program}'.*apt-get install"):
        if program == "skopeo":
            skopeo.raw_digest("127.0.0.1:1/a:1")
        else:
            DockerRegistry()


def test_a_process_that_ends_at_once_says_why(tmp_path: Path) -> None:
    shell = processes.find_program("sh", "dash")
    with pytest.raises(RuntimeError, match="no such luck"):
        processes.ListeningProcess([shell, "-c", "echo no such luck"], 1, tmp_path / "log")


def test_tokens(make_registry: MakeRegistry, token_server: TokenServer, repo: str) -> None:
    registry = make_registry(token=token_server)
    ref = f"{registry.host}/{repo}:1"
    with pytest.raises(RuntimeError, match="401"):
        push.push(image(), ref)
    push.push(image(), ref, auth=ALICE)
    assert push.digest_of(registry.host, repo, "1") == image().digest
    asked = token_server.token_requests
    assert {(r.method, r.had_credentials, r.user) for r in asked} == {
        ("GET", False, None),
        ("GET", True, "alice"),
    }
    assert asked[0].scopes == [f"repository:{repo}:pull,push,delete"]
    assert skopeo.verify_whole(ref, creds=":".join(ALICE)) == image().digest


def _bearer(registry: DockerRegistry, repo: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{registry.url}/v2/{repo}/tags/list"
    return requests.get(url, headers=headers, timeout=10).status_code


def test_a_lifetime_is_exact_at_the_real_registry(
    make_registry: MakeRegistry, token_server: TokenServer, repo: str
) -> None:
    registry = make_registry(token=token_server)
    statuses = []
    for lifetime in (30, -2):
        token_server.lifetime = lifetime
        token = token_server.answer("alice", [f"repository:{repo}:pull"])["token"]
        statuses.append(_bearer(registry, repo, token))
    assert statuses == [404, 401]


def test_identity_tokens_and_their_end(token_server: TokenServer) -> None:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": token_server.identity_token(),
        "scope": "repository:a/b:pull repository:host:5000/c:pull,push",
        "service": "test-service",
    }
    token_server.gives_expires_in = False
    answer = requests.post(token_server.realm, data=form, timeout=10).json()
    assert "expires_in" not in answer
    token = answer["access_token"]
    assert token_server.allows(token, "host:5000/c", "push")
    assert not token_server.allows(token, "a/b", "push")
    token_server.revoke()
    assert not token_server.allows(token, "a/b", "pull")
    assert requests.post(token_server.realm, data=form, timeout=10).status_code == 401
    token_server.refresh_by_post = False
    assert requests.post(token_server.realm, data=form, timeout=10).status_code == 405
    assert [r.status for r in token_server.token_requests] == [200, 401]


def test_switches_of_the_token_server(token_server: TokenServer) -> None:
    token_server.multi_scope = token_server.anonymous_pull = False
    scopes = ["repository:a:pull,push", "repository:b:pull"]
    ours = token_server.grants[token_server.answer("alice", scopes)["token"]]
    anybody = token_server.grants[token_server.answer(None, scopes)["token"]]
    assert [(a.name, a.actions) for a in ours.access] == [("a", ("pull", "push"))]
    assert [(a.name, a.actions) for a in anybody.access] == [("a", ())]
    wrong = requests.get(token_server.realm, auth=("alice", "wrong"), timeout=10)
    assert wrong.status_code == 401
    assert re.fullmatch("Basic .+", token_server.requests[-1].header("authorization") or "")
