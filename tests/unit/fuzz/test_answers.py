# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies that aren't manifests: tokens, errors, lists of tags and of referrers."""

from __future__ import annotations

import base64
import json
import unicodedata

from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import is_digest
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import RegistryError
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import check_tag
from ansible_collections.imagesync.registry.plugins.module_utils.stores.registry import (
    RegistryRepository,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    is_token,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.problems import (
    problem_of,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import Scrubber
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import (
    granted_by,
    read_token,
)
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    documents,
    edited,
    fuzz,
    headers,
    survives,
    texts,
)
from ansible_collections.imagesync.registry.tests.unit.support import (
    A,
    FakeClient,
    answer,
    descriptor,
)

HOST = "registry.example.com"
SECRET = "canary-s3cret"
TOKEN = {"token": "a.b.c", "access_token": "d", "expires_in": 300, "issued_at": "2026-01-01"}
PAYLOAD = {
    "iss": "x",
    "access": [{"type": "repository", "name": "a/b", "actions": ["pull", "push"]}],
}
ERRORS = {
    "errors": [
        {"code": "MANIFEST_UNKNOWN", "message": f"no {SECRET}", "detail": {"Tag": [SECRET]}},
        {"code": "TOOMANYREQUESTS", "message": "pull rate limit"},
    ]
}
TAGS = {"name": "a/b", "tags": ["1.0", "latest", None, "sha256-" + "a" * 64]}
REFERRERS = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [
        descriptor(b"a", mediaType=OCI_MANIFEST, artifactType="a/b", annotations={"a": "b"}),
        descriptor(b"b"),
    ],
}


@fuzz(documents(TOKEN))
def test_token_answers(raw: bytes) -> None:
    found = survives(read_token, answer(200, raw), ("repository:a/b:pull",), HOST)
    assert found is None or (is_token(found.value) and found.life > 0)


@fuzz(documents(PAYLOAD), edited(["e30.e30.e30", "...", "a.b"]))
def test_what_tokens_grant(payload: bytes, text: str) -> None:
    inside = base64.urlsafe_b64encode(payload[:48_000]).decode().rstrip("=")
    for token in (f"e30.{inside}.e30", text):
        found = survives(granted_by, token)
        assert found is None or sum(map(len, found)) < 40 * len(token) + 1000


@fuzz(
    documents(ERRORS),
    st.sampled_from([301, 400, 401, 403, 404, 413, 429, 500, 599, 999]),
    headers(["120", "Wed, 21 Oct 2026 07:28:00 GMT"]),
)
def test_errors(raw: bytes, status: int, wait: str) -> None:
    """Whatever was said, it becomes one error with a short text of one line, without secrets."""
    found = problem_of(answer(status, raw, {"Retry-After": wait}), HOST, "reading a:1", (SECRET,))
    assert isinstance(found, RegistryError) and found.status == status
    text = str(found)
    text.encode()
    assert not any(unicodedata.category(char) == "Cc" for char in text) and len(text) < 3000
    assert SECRET not in text and SECRET not in str(found.codes)


@fuzz(texts, texts, texts)
def test_secrets_of_any_kind_are_scrubbed(username: str, password: str, text: str) -> None:
    scrub = Scrubber()
    scrub.add_login(username, password)
    shown = survives(scrub, f"{text}{password}{text}")
    shown.encode()
    if len(password) > 3 and password.isprintable():
        assert password not in shown or password in "********"


@fuzz(documents(TAGS), headers(["</v2/a/b/tags/list?last=x>; rel=next"]))
def test_lists_of_tags(raw: bytes, link: str) -> None:
    answers = [answer(200, raw, {"Link": link}), *(answer(200, raw) for _unused in range(3))]
    repository = RegistryRepository(FakeClient(answers), "a/b")  # type: ignore[arg-type]
    found = survives(repository.tags) or []
    assert [check_tag(tag) for tag in found] == list(dict.fromkeys(found))


@fuzz(documents(REFERRERS))
def test_lists_of_referrers(raw: bytes) -> None:
    client = FakeClient([answer(200, raw), answer(200, raw)])
    repository = RegistryRepository(client, "a/b")  # type: ignore[arg-type]
    found = survives(repository.referrers, A) or []
    assert all(is_digest(one.digest) for one in found)
    json.dumps([one.artifact_type for one in found], ensure_ascii=False).encode()
