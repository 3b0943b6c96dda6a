# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kit: the strict registry takes what is right, and notes what isn't."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support import artifacts, push, skopeo
from tests.support.content import OCI_MANIFEST, sha256
from tests.support.images import image, index, multi_platform
from tests.support.push import ask
from tests.support.strict_registry import MakeStrict, StrictRegistry

ACCEPT = {"Accept": OCI_MANIFEST}


def test_content_goes_in_and_out(strict: StrictRegistry) -> None:
    content = multi_platform()
    push.push(content, f"{strict.host}/a/b:1")
    assert strict.tag("a/b", "1") == content.digest
    assert strict.manifest("a/b", "1") == content.manifest
    assert len(push.verify_whole(f"{strict.host}/a/b:1")) == 7
    assert skopeo.verify_whole(f"{strict.host}/a/b:1") == content.digest
    strict.add("c", content, "2")
    assert push.tags(strict.host, "c") == strict.tags("c") == ["2"]


def test_what_skopeo_writes_is_right_too(make_strict: MakeStrict) -> None:
    one, other = make_strict(), make_strict(mount=False)
    content = multi_platform()
    one.add("a", content, "1")
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    places = (f"docker://{one.host}/a:1", f"docker://{other.host}/b:1")
    skopeo.run("copy", "--all", "--preserve-digests", *tls, *places)
    assert other.tag("b", "1") == content.digest
    assert other.count("PATCH", "upload") == len(content.all_blobs)


BAD: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "unknown path": ("GET", "a/b/manifest/1", {}, 404),
    "catalog": ("GET", "_catalog", {}, 404),
    "unknown method": ("PUT", "a/tags/list", {"data": b""}, 405),
    "no Accept": ("GET", "a/manifests/1", {"headers": {"Accept": "*/*"}}, 404),
    "bad name": ("GET", "A/manifests/1", {"headers": ACCEPT}, 404),
    "bad tag": ("GET", "a/manifests/-1", {"headers": ACCEPT}, 404),
    "bad digest": ("GET", "a/blobs/sha256:00", {}, 400),
    "chunked": ("PUT", "a/manifests/1", {"data": iter([b"{}"])}, 411),
    "no type": ("PUT", "a/manifests/1", {"data": b"{}"}, 400),
    "no manifest": ("PUT", "a/manifests/1", {"data": b"x", "headers": {"Content-Type": "x"}}, 400),
    "n": ("GET", "a/tags/list?n=x", {}, 400),
    "mount": ("POST", "a/blobs/uploads/?mount=x&from=b", {}, 400),
    "post with body": ("POST", "a/blobs/uploads/", {"data": b"x"}, 400),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_noted(name: str) -> None:
    method, path, options, status = BAD[name]
    with StrictRegistry() as registry:
        registry.add("a", image(), "1")
        assert ask(registry, method, path, **options).status_code == status
        assert len(registry.violations) == 1
        assert registry.violations[0].startswith(f"{method} /v2/{path}")


def _violation(registry: StrictRegistry, media_type: str, data: bytes, ref: str = "1") -> str:
    headers = {"Content-Type": media_type}
    assert ask(registry, "PUT", f"a/manifests/{ref}", data=data, headers=headers).status_code == 400
    return registry.violations.pop()


def test_manifests_are_checked() -> None:
    with StrictRegistry() as registry:
        content = image()
        assert "lacks" in _violation(registry, content.media_type, content.manifest)
        whole = index([content])
        assert content.digest in _violation(registry, whole.media_type, whole.manifest)
        assert "sent as" in _violation(registry, whole.media_type, content.manifest)
        other = f"sha256:{'0' * 64}"
        assert "another digest" in _violation(
            registry, content.media_type, content.manifest, ref=other
        )
        registry.expected.add("MANIFEST_BLOB_UNKNOWN")
        headers = {"Content-Type": whole.media_type}
        answer = ask(registry, "PUT", "b/manifests/1", data=whole.manifest, headers=headers)
        assert answer.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"
        assert registry.violations == []


def test_uploads(make_strict: MakeStrict) -> None:
    registry = make_strict(location_query="_state=a%2Bb==", relative_location=True)
    push.push(image(), f"{registry.host}/a:1")
    begun = ask(registry, "POST", "a/blobs/uploads/")
    location = begun.headers["Location"]
    assert location.startswith("/v2/a/blobs/uploads/")
    assert location.endswith("?_state=a%2Bb==")
    session = location.partition("?")[0].rpartition("/")[2]
    assert ask(registry, "GET", f"a/blobs/uploads/{session}?_state=a%2Bb==").status_code == 204
    wrong = f"a/blobs/uploads/{session}?_state=a%2Bb%3D%3D&digest={sha256(b'')}"
    assert ask(registry, "PUT", wrong, data=b"").status_code == 404
    assert "came back" in registry.violations.pop()
    nothing = f"a/blobs/uploads/{session}?_state=a%2Bb=="
    assert ask(registry, "PUT", nothing, data=b"").status_code == 400
    assert "without digest" in registry.violations.pop()
    digest = f"{nothing}&digest={sha256(b'one')}"
    assert ask(registry, "PUT", digest, data=b"two").status_code == 400
    assert ask(registry, "PUT", digest, data=b"one").status_code == 404


def test_chunks_come_in_order(strict: StrictRegistry) -> None:
    where = ask(strict, "POST", "a/blobs/uploads/").headers["Location"]
    first = requests.patch(where, data=b"one", headers={"Content-Range": "0-2"}, timeout=10)
    where = first.headers["Location"]
    assert (first.status_code, first.headers["Range"]) == (202, "0-2")
    wrong = requests.patch(where, data=b"x", headers={"Content-Range": "9-9"}, timeout=10)
    assert wrong.status_code == 416
    done = requests.put(f"{where}?digest={sha256(b'onetwo')}", data=b"two", timeout=10)
    assert done.status_code == 201
    assert strict.has_blob("a", sha256(b"onetwo"))


def test_ranges(strict: StrictRegistry) -> None:
    blob = strict.store.add_blob("a", b"0123456789")
    part = ask(strict, "GET", f"a/blobs/{blob}", headers={"Range": "bytes=4-"})
    assert (part.status_code, part.content) == (206, b"456789")
    assert part.headers["Content-Range"] == "bytes 4-9/10"
    beyond = ask(strict, "GET", f"a/blobs/{blob}", headers={"Range": "bytes=10-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize(
    ("rules", "origin", "status"),
    [
        ({}, "&from=loose", 201),
        ({}, "&from=nowhere", 202),
        ({}, "", 202),
        ({"mount_needs_from": False}, "", 201),
        ({"mount_committed_only": True}, "&from=loose", 202),
        ({"mount_committed_only": True}, "&from=committed", 201),
        ({"mount": False}, "&from=committed", 202),
    ],
)
def test_mounts(make_strict: MakeStrict, rules: dict[str, Any], origin: str, status: int) -> None:
    registry = make_strict(**rules)
    blob = image().blobs[0]
    registry.store.add_blob("loose", blob.data)
    registry.add("committed", image(), "1")
    answer = ask(registry, "POST", f"new/blobs/uploads/?mount={blob.digest}{origin}")
    assert answer.status_code == status
    assert registry.has_blob("new", blob.digest) == (status == 201)


@pytest.mark.parametrize(
    ("rules", "query", "tags", "link"),
    [
        ({}, "", "abc", None),
        ({}, "?n=2", "ab", "</v2/a/tags/list?n=2&last=b>"),
        ({"page_size": 1}, "?n=2", "a", "</v2/a/tags/list?n=1&last=a>"),
        ({"page_size": 2, "paging": "last"}, "", "ab", None),
        ({"page_size": 2}, "?last=b", "c", None),
    ],
)
def test_tag_pages(
    make_strict: MakeStrict, rules: dict[str, Any], query: str, tags: str, link: str | None
) -> None:
    registry = make_strict(max_n=100, **rules)
    digest = registry.add("a", image(), "c")
    registry.set_tag("a", "b", digest)
    registry.set_tag("a", "a", digest)
    answer = ask(registry, "GET", f"a/tags/list{query}")
    assert answer.json()["tags"] == list(tags)
    assert answer.headers.get("Link") == (f'{link}; rel="next"' if link else None)
    assert ask(registry, "GET", "a/tags/list?n=101").status_code == 413


def test_referrers(make_strict: MakeStrict) -> None:
    registry = make_strict(referrers_page=1)
    subject = image()
    registry.add("a", subject, "1")
    for kind in ("x/sbom", "x/signature", "x/sbom"):
        seed = f"{kind} {len(registry.requests)}"
        with push.Repository(registry.host, "a") as repository:
            repository.put(artifacts.artifact(seed, artifact_type=kind, subject=subject))
    found, path = [], f"a/referrers/{subject.digest}?artifactType=x/sbom"
    while path:
        answer = ask(registry, "GET", path)
        found += answer.json()["manifests"]
        path = answer.links["next"]["url"].removeprefix("/v2/") if answer.links else ""
    assert [d["artifactType"] for d in found] == ["x/sbom", "x/sbom"]
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    registry.rules.referrers_api = False
    assert ask(registry, "GET", f"a/referrers/{subject.digest}").status_code == 404


@pytest.mark.parametrize(("api", "subject"), [(True, image().digest), (False, None)])
def test_subject_header(make_strict: MakeStrict, api: bool, subject: str | None) -> None:
    registry = make_strict(referrers_api=api)
    content = artifacts.artifact(subject=image(), blobs=[])
    registry.store.add_blob("a", b"{}")
    headers = {"Content-Type": content.media_type}
    answer = ask(registry, "PUT", "a/manifests/x", data=content.manifest, headers=headers)
    assert (answer.status_code, answer.headers.get("OCI-Subject")) == (201, subject)


DELETES: list[tuple[dict[str, Any], bool, int, list[str]]] = [
    ({}, True, 202, []),
    ({}, False, 202, ["2"]),
    ({"tag_delete": False}, False, 405, ["1", "2"]),
    ({"delete": False}, True, 405, ["1", "2"]),
    ({"delete_untagged_only": True}, True, 400, ["1", "2"]),
]


@pytest.mark.parametrize(("rules", "by_digest", "status", "left"), DELETES)
def test_deleting(
    make_strict: MakeStrict, rules: dict[str, Any], by_digest: bool, status: int, left: list[str]
) -> None:
    registry = make_strict(**rules)
    digest = registry.add("a", image(), "1")
    registry.set_tag("a", "2", digest)
    answer = ask(registry, "DELETE", f"a/manifests/{digest if by_digest else '1'}")
    assert (answer.status_code, registry.tags("a")) == (status, left)


WRITES: list[tuple[dict[str, Any], int]] = [
    ({"readonly": True}, 405),
    ({"deny_push": True}, 403),
    ({"create_repositories": False}, 404),
]


@pytest.mark.parametrize(("rules", "status"), WRITES)
def test_writes_that_are_refused(
    make_strict: MakeStrict, rules: dict[str, Any], status: int
) -> None:
    registry = make_strict(**rules)
    assert ask(registry, "POST", "new/blobs/uploads/").status_code == status


def test_old_ways(make_strict: MakeStrict) -> None:
    registry = make_strict(
        digest_header=False, head_manifest=False, immutable_tags=True, extra_headers={"X-Y": "z"}
    )
    registry.add("a", image(), "1")
    assert ask(registry, "HEAD", "a/manifests/1", headers=ACCEPT).status_code == 405
    answer = ask(registry, "GET", "a/manifests/1", headers=ACCEPT)
    assert (answer.status_code, answer.headers["X-Y"]) == (200, "z")
    assert "Docker-Content-Digest" not in answer.headers
    with pytest.raises(RuntimeError, match="immutable"):
        push.push(image(), f"{registry.host}/a:1")
    old = artifacts.schema1()
    registry.put_raw("a", "old", old.manifest, old.media_type)
    answer = ask(registry, "GET", "a/manifests/old", headers=ACCEPT)
    assert answer.headers["Content-Type"] == old.media_type
