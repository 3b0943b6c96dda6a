# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import (
    as_tag,
    digest_of,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    InvalidContent,
    InvalidInput,
    NotFound,
    RegistryError,
    WrittenOtherwise,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    SIZE_LIMIT,
    Manifest,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores import registry as module
from ansible_collections.imagesync.registry.plugins.module_utils.stores.base import Deleted
from ansible_collections.imagesync.registry.plugins.module_utils.stores.places import Places
from ansible_collections.imagesync.registry.plugins.module_utils.stores.registry import (
    RegistryRepository,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.client import Network
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
)
from ansible_collections.imagesync.registry.tests.unit.support import (
    A,
    B,
    FakeClient,
    answer,
    descriptor,
)

CONFIG = descriptor(b"config", mediaType="application/vnd.oci.image.config.v1+json")
RAW = json.dumps({"schemaVersion": 2, "config": CONFIG, "layers": []}).encode()
DIGEST = digest_of(RAW)
TYPE = {"Content-Type": OCI_MANIFEST}
NAMED = {**TYPE, "Docker-Content-Digest": DIGEST}
HOME = FakeClient.home
TAGS = f"{HOME}/v2/a/b/tags/list"


def make(*answers: Any, retries: int = 0) -> tuple[RegistryRepository, FakeClient]:
    client = FakeClient(list(answers), retries)
    return RegistryRepository(client, "a/b"), client  # type: ignore[arg-type]


def repeating(function: Any) -> tuple[RegistryRepository, FakeClient]:
    client = FakeClient(function)
    return RegistryRepository(client, "a/b"), client  # type: ignore[arg-type]


def test_names() -> None:
    found, _client = make()
    assert (found.name, found.path, found.place) == (
        "registry.example.com/a/b",
        "a/b",
        "registry.example.com",
    )


def test_places_open_each_repository_once() -> None:
    places = Places(Network(Settings()))
    first = places.repository(parse_reference("r.example/a:1"))
    assert places.repository(parse_reference("r.example/a:2")) is first
    assert places.repository(parse_reference("r.example/b")) is not first


# what a tag names


def test_resolving_takes_one_head() -> None:
    found, client = make(answer(200, b"", {**NAMED, "Content-Length": str(len(RAW))}))
    assert found.resolve("1") == Manifest(RAW, OCI_MANIFEST).descriptor()
    assert client.seen == [("HEAD", f"{HOME}/v2/a/b/manifests/1")]


def test_resolving_nothing() -> None:
    assert make(answer(404))[0].resolve("1") is None


@pytest.mark.parametrize("status", [405, 501])
def test_registries_without_head(status: int) -> None:
    found, client = make(answer(status), answer(200, RAW, NAMED))
    resolved = found.resolve("1")
    assert resolved is not None
    assert resolved.digest == DIGEST
    assert [method for method, _url in client.seen] == ["HEAD", "GET"]


@pytest.mark.parametrize("named", ["", "garbage", "sha256:xyz", DIGEST.upper()])
def test_without_a_digest_in_the_answer_what_is_read_counts(named: str) -> None:
    headers = {**TYPE, "Docker-Content-Digest": named}
    by_tag, by_digest = answer(200, RAW, headers), answer(200, RAW, headers)
    found, client = make(answer(200, b"", headers), by_tag, by_digest)
    resolved = found.resolve("1")
    assert resolved is not None
    assert resolved.digest == DIGEST
    assert [url for _method, url in client.seen[1:]] == [
        f"{HOME}/v2/a/b/manifests/1",
        f"{HOME}/v2/a/b/manifests/{DIGEST}",
    ]


def test_a_manifest_that_vanishes_meanwhile() -> None:
    assert make(answer(405), NotFound("gone", 404))[0].resolve("1") is None
    with pytest.raises(AccessDenied):
        make(answer(405), AccessDenied("no", 403))[0].resolve("1")


def test_by_digest_a_header_of_another_kind_does_not_count() -> None:
    headers = {**TYPE, "Docker-Content-Digest": digest_of(RAW, "sha512:")}
    found = make(answer(200, b"", headers))[0].resolve(DIGEST)
    assert found is not None
    assert found.digest == DIGEST


@pytest.mark.parametrize("pointer", ["../x", "a/b", "a?x=1", "", ".", "sha256:abc"])
def test_what_is_no_pointer_is_never_asked_for(pointer: str) -> None:
    found, client = make()
    with pytest.raises(InvalidInput):
        found.resolve(pointer)
    assert client.seen == []


# manifests


def test_a_manifest_by_tag_that_matches_its_digest() -> None:
    found, client = make(answer(200, RAW, NAMED))
    assert found.manifest("1").raw == RAW
    assert len(client.seen) == 1


def test_a_damaged_manifest_by_tag_is_read_by_digest() -> None:
    found, client = make(answer(200, RAW.replace(b"2", b"3"), NAMED), answer(200, RAW, NAMED))
    assert found.manifest("1").digest == DIGEST
    assert client.seen[1] == ("GET", f"{HOME}/v2/a/b/manifests/{DIGEST}")


def test_a_manifest_that_is_not_what_its_digest_says() -> None:
    other = answer(200, RAW + b" ", NAMED)
    with pytest.raises(InvalidContent, match=f"should have the digest {DIGEST}") as caught:
        make(other)[0].manifest(DIGEST)
    assert digest_of(RAW + b" ") in str(caught.value)
    assert "registry.example.com" in str(caught.value)


def test_a_damaged_manifest_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found, client = make(answer(200, RAW + b" ", NAMED), answer(200, RAW, NAMED), retries=1)
    monkeypatch.setattr(type(client.network.pace), "sleep", lambda *_: None)
    assert found.manifest(DIGEST).raw == RAW


def test_a_manifest_by_sha512() -> None:
    digest = digest_of(RAW, "sha512:")
    assert make(answer(200, RAW, NAMED))[0].manifest(digest).digest == digest


def test_a_huge_manifest() -> None:
    with pytest.raises(InvalidContent, match=f"larger than {SIZE_LIMIT}"):
        make(answer(200, b"x" * (SIZE_LIMIT + 1), TYPE))[0].manifest(DIGEST)


def test_an_invalid_manifest_names_its_place() -> None:
    raw = b'{"schemaVersion": 1}'
    with pytest.raises(InvalidContent, match=r"registry\.example\.com/a/b@.*schema 1"):
        make(answer(200, raw, TYPE))[0].manifest(digest_of(raw))


def test_writing_is_confirmed_by_the_answer() -> None:
    manifest = Manifest(RAW, OCI_MANIFEST)
    found, client = make(answer(201, b"", NAMED))
    found.write_manifest(manifest, "1")
    assert client.seen == [("PUT", f"{HOME}/v2/a/b/manifests/1")]
    assert client.sent == [RAW]
    found, client = make(answer(201, b"", NAMED))
    found.write_manifest(manifest, None)
    assert client.seen == [("PUT", f"{HOME}/v2/a/b/manifests/{DIGEST}")]


@pytest.mark.parametrize("named", ["", digest_of(RAW, "sha512:"), "garbage"])
def test_writing_is_confirmed_by_a_head_where_the_answer_says_nothing(named: str) -> None:
    manifest = Manifest(RAW, OCI_MANIFEST)
    silent = {"Docker-Content-Digest": named} if named else {}
    found, client = make(answer(201, b"", silent), answer(200, b"", NAMED))
    found.write_manifest(manifest, "1")
    assert [method for method, _url in client.seen] == ["PUT", "HEAD"]
    with pytest.raises(WrittenOtherwise, match="names nothing instead of") as caught:
        make(answer(201, b"", silent), answer(404))[0].write_manifest(manifest, "1")
    assert caught.value.now == ""
    other = answer(200, b"", {**TYPE, "Docker-Content-Digest": A})
    with pytest.raises(WrittenOtherwise, match=f"names {A} instead of"):
        make(answer(201, b"", silent), other)[0].write_manifest(manifest, "1")


def test_writing_that_ends_with_another_digest() -> None:
    found, _client = make(answer(201, b"", {"Docker-Content-Digest": A}))
    with pytest.raises(WrittenOtherwise, match=f"names {A} instead of {DIGEST}"):
        found.write_manifest(Manifest(RAW, OCI_MANIFEST), "1")


# tags


def page(*tags: Any, link: str = "", version: str = "registry/2.0") -> Any:
    headers = {"Docker-Distribution-Api-Version": version, "Link": link}
    document = {"name": "a/b", "tags": list(tags)}
    return answer(200, document, {name: value for name, value in headers.items() if value})


HUNDRED = [f"t{number:03}" for number in range(100)]


def test_all_tags_in_one_page() -> None:
    found, client = make(page("2", "1", "10"))
    assert found.tags() == ["2", "1", "10"]
    assert client.seen == [("GET", f"{TAGS}?n=100")]


@pytest.mark.parametrize(
    ("link", "following"),
    [
        ('</v2/a/b/tags/list?n=100&last=x>; rel="next"', f"{TAGS}?n=100&last=x"),
        ("</v2/a/b/tags/list?last=x>; rel=next", f"{TAGS}?last=x"),
        ("<list?last=x>;rel=next", f"{TAGS}?last=x"),
        ("<?last=x>; REL=Next", f"{TAGS}?last=x"),
        (f'<{TAGS}?last=x>; title="a"; rel="next"', f"{TAGS}?last=x"),
        ('</first>; rel="prev", </second>; rel="next"', f"{HOME}/second"),
        (f"<{HOME}:443/second>; rel=next", f"{HOME}:443/second"),
        ("</x?last=a%2Bb&n=1>; rel=next", f"{HOME}/x?last=a%2Bb&n=1"),
    ],
)
def test_the_next_page(link: str, following: str) -> None:
    found, client = make(page("1", link=link), page("2"))
    assert found.tags() == ["1", "2"]
    assert client.seen[1] == ("GET", following)


@pytest.mark.parametrize(
    "link", ['</x>; rel="prev"', "</x>", "garbage", "<>; rel=first", "</x; rel=next", "<" * 70_000]
)
def test_links_that_are_no_next_page(link: str) -> None:
    found, client = make(page("1", link=link))
    assert found.tags() == ["1"]
    assert len(client.seen) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/x",
        "http://registry.example.com/x",
        "https://registry.example.com:5000/x",
        "//evil.example/x",
        "file:///etc/passwd",
        "https://[::1",
        "https://registry.example.com:99999/",
    ],
)
def test_a_next_page_elsewhere_is_never_asked_for(target: str) -> None:
    found, client = make(page("1", link=f"<{target}>; rel=next"))
    with pytest.raises(InvalidContent, match="next page is on another host"):
        found.tags()
    assert len(client.seen) == 1


def test_a_full_page_without_a_link_is_followed_by_last() -> None:
    found, client = make(page(*HUNDRED), page("zz+top", "zz"), page())
    assert found.tags() == [*HUNDRED, "zz"]
    assert client.seen == [("GET", f"{TAGS}?n=100"), ("GET", f"{TAGS}?n=100&last=t099")]


def test_short_pages_without_a_link_may_go_on() -> None:
    """Of a registry that doesn't call itself a distribution; one that sends Links is done."""
    short = [page("a", "b", version=""), page("c", version=""), page(version="")]
    found, client = make(*short)
    assert found.tags() == ["a", "b", "c"]
    assert [url.rpartition("=")[2] for _get, url in client.seen] == ["100", "b", "c"]
    linked = [page("a", link="</x>; rel=next", version=""), page("b", version="")]
    assert make(*linked)[0].tags() == ["a", "b"]


def test_a_registry_that_ignores_last() -> None:
    found, client = make(page(*HUNDRED), page(*HUNDRED))
    assert found.tags() == HUNDRED
    assert len(client.seen) == 2


def test_a_link_to_itself() -> None:
    link = "</v2/a/b/tags/list?n=100>; rel=next"
    found, client = make(page("1", link=link), page("1", link=link))
    assert found.tags() == ["1"]
    assert len(client.seen) == 2


def test_pages_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PAGES", 50)
    number = iter(range(10**9))

    def endless(_method: str, _url: str) -> Any:
        n = next(number)
        return page(f"t{n}", link=f"</v2/a/b/tags/list?x={n}>; rel=next")

    found, client = repeating(endless)
    with pytest.raises(InvalidContent, match="has no end"):
        found.tags()
    assert len(client.seen) == 50


def test_odd_entries_are_passed_over() -> None:
    odd = [None, 5, "", "a b", "x\x1b[31m", "t" * 129, "ü", ["1"], "../x", "sha256:" + "a" * 64]
    assert make(page("1", *odd, "1", "2"))[0].tags() == ["1", "2"]


@pytest.mark.parametrize("body", ['{"tags": null}', "{}", '{"tags": []}'])
def test_no_tags(body: str) -> None:
    assert make(answer(200, body))[0].tags() == []


@pytest.mark.parametrize(
    "body", ["[]", "<html>", "", '{"tags": {}}', '{"tags": "1"}', '{"tags":' + "9" * 5000 + "}"]
)
def test_what_is_no_tag_list(body: str) -> None:
    with pytest.raises(InvalidContent):
        make(answer(200, body))[0].tags()


def test_a_repository_that_does_not_exist() -> None:
    assert make(NotFound("no", 404))[0].tags() == []
    with pytest.raises(NotFound):  # gone in the middle: this isn't the whole list
        make(page("1", link="</x>; rel=next"), NotFound("no", 404))[0].tags()
    with pytest.raises(AccessDenied):
        make(AccessDenied("no", 403))[0].tags()


@pytest.mark.parametrize(
    ("given", "exists", "complete"),
    [
        (page("1", "2"), True, True),
        (page(*HUNDRED), True, False),
        (page("1", link="</x>; rel=next"), True, False),
        (page(), True, True),
        (NotFound("no", 404, ("NAME_UNKNOWN",)), False, True),
    ],
)
def test_the_first_page(given: Any, exists: bool, complete: bool) -> None:
    found = make(given)[0].first_tags()
    assert (found.exists, found.complete) == (exists, complete)


def test_a_404_that_does_not_say_why_is_no_proof() -> None:
    with pytest.raises(NotFound):
        make(NotFound("page not found", 404))[0].first_tags()


# referrers

CHILD = descriptor(b"signature", mediaType=OCI_MANIFEST, artifactType="application/sig")
OTHER = descriptor(b"sbom", mediaType=OCI_MANIFEST)


def index(*children: Any, link: str = "") -> Any:
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
    headers = {"Content-Type": OCI_INDEX, "Docker-Content-Digest": digest_of(raw.encode())}
    return answer(200, raw, {**headers, "Link": link} if link else headers)


def test_referrers_of_all_pages() -> None:
    found, client = make(index(CHILD, link="</more>; rel=next"), index(OTHER))
    assert [d.digest for d in found.referrers(A)] == [CHILD["digest"], OTHER["digest"]]
    assert client.seen == [("GET", f"{HOME}/v2/a/b/referrers/{A}"), ("GET", f"{HOME}/more")]


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_without_the_api_the_tag_tells(status: int) -> None:
    found, client = make(
        RegistryError("no", status), answer(200, b"", {**NAMED, **TYPE}), index(CHILD)
    )
    assert [d.artifact_type for d in found.referrers(A)] == ["application/sig"]
    assert client.seen[1] == ("HEAD", f"{HOME}/v2/a/b/manifests/{as_tag(A)}")


def test_neither_api_nor_tag() -> None:
    assert make(NotFound("no", 404), answer(404))[0].referrers(A) == []


def test_a_tag_that_is_no_index() -> None:
    found = make(NotFound("no", 404), answer(200, b"", NAMED), answer(200, RAW, NAMED))[0]
    assert found.referrers(A) == []


def test_a_sha512_subject_has_a_tag_too() -> None:
    found, client = make(NotFound("no", 404), answer(404))
    assert found.referrers("sha512:" + "b" * 128) == []
    assert client.seen[1][1].endswith("/manifests/sha512-" + "b" * 64)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_other_failures_are_not_taken_for_no_referrers(status: int) -> None:
    with pytest.raises(RegistryError):
        make(RegistryError("no", status))[0].referrers(A)


def test_a_registry_without_the_api_is_not_asked_again() -> None:
    found, client = make(NotFound("no", 404))
    assert [found.listed_referrers(digest) for digest in (A, B)] == [None, None]
    other = RegistryRepository(client, "c/d")  # type: ignore[arg-type]
    assert other.listed_referrers(A) is None
    assert len(client.seen) == 1


@pytest.mark.parametrize("code", ["NAME_UNKNOWN", "MANIFEST_UNKNOWN"])
def test_an_api_that_does_not_know_something_may_know_other_things(code: str) -> None:
    found, client = make(NotFound("no", 404, (code,)), index(CHILD))
    assert found.listed_referrers(A) is None
    assert [d.digest for d in found.listed_referrers(B) or ()] == [CHILD["digest"]]
    assert client.referrers_api.known is True


def test_an_api_that_was_there_is_asked_whatever_it_says_later() -> None:
    found, client = make(index(), NotFound("no", 404), index(CHILD))
    assert found.listed_referrers(A) == []
    assert found.listed_referrers(B) is None
    assert len(found.listed_referrers(A) or ()) == 1
    assert len(client.seen) == 3


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_a_page_that_is_missing_is_no_end(status: int) -> None:
    found, _client = make(index(CHILD, link="</more>; rel=next"), RegistryError("no", status))
    with pytest.raises(RegistryError):
        found.listed_referrers(A)


def test_all_types_are_listed_and_those_that_can_be_read_are_referrers() -> None:
    odd = descriptor(b"odd", mediaType="application/vnd.oci.artifact.manifest.v1+json")
    found, _client = make(index(CHILD, odd), index(CHILD, odd))
    assert {d.digest for d in found.listed_referrers(A) or ()} == {CHILD["digest"], odd["digest"]}
    assert [d.digest for d in found.referrers(A)] == [CHILD["digest"]]


@pytest.mark.parametrize(
    ("named", "listed"), [({}, False), ({"OCI-Subject": A}, True), ({"OCI-Subject": B}, False)]
)
def test_whether_a_registry_lists_what_is_written(named: dict[str, str], listed: bool) -> None:
    subject = descriptor(b"x", mediaType=OCI_MANIFEST, digest=A)
    document = {"schemaVersion": 2, "config": CONFIG, "layers": [], "subject": subject}
    manifest = Manifest(json.dumps(document).encode(), OCI_MANIFEST)
    headers = {"Docker-Content-Digest": manifest.digest, **named}
    assert make(answer(201, b"", headers))[0].write_manifest(manifest, None) is listed
    plain = Manifest(RAW, OCI_MANIFEST)
    headers["Docker-Content-Digest"] = plain.digest
    assert make(answer(201, b"", headers))[0].write_manifest(plain, None) is False


def test_a_tag_list_may_be_too_long_to_be_worth_it() -> None:
    pages = [answer(200, {"tags": [f"t{n}"]}, {"Link": f"</{n}>; rel=next"}) for n in range(3)]
    found, client = make(*pages)
    with pytest.raises(InvalidContent, match="has no end"):
        found.tags(2)
    assert len(client.seen) == 2


def test_referrers_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PAGES", 50)
    number = iter(range(10**9))
    found, client = repeating(lambda *_: index(CHILD, link=f"</x?{next(number)}>; rel=next"))
    with pytest.raises(InvalidContent, match="has no end"):
        found.referrers(A)
    assert len(client.seen) == 50


# deletion


@pytest.mark.parametrize(
    ("status", "deleted"),
    {
        202: Deleted.DELETED,
        200: Deleted.DELETED,
        204: Deleted.DELETED,
        404: Deleted.GONE,
        400: Deleted.UNSUPPORTED,
        405: Deleted.UNSUPPORTED,
        501: Deleted.UNSUPPORTED,
    }.items(),
)
def test_deleting_a_tag(status: int, deleted: Deleted) -> None:
    found, client = make(answer(status))
    assert found.delete_tag("1") is deleted
    assert client.seen == [("DELETE", f"{HOME}/v2/a/b/manifests/1")]
    assert client.needs[0].actions == "delete"


@pytest.mark.parametrize(("status", "deleted"), [(202, Deleted.DELETED), (404, Deleted.GONE)])
def test_deleting_a_manifest(status: int, deleted: Deleted) -> None:
    assert make(answer(status))[0].delete_manifest(B) is deleted


def test_a_refused_deletion_is_no_success() -> None:
    for refusal in (RegistryError("no", 405), AccessDenied("no", 403)):
        with pytest.raises(type(refusal)):
            make(refusal)[0].delete_manifest(B)


def test_lists_without_an_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TAGS", 250)
    numbers = iter(range(1000))

    def endless(_method: str, _url: str) -> Any:
        tags = [f"t{next(numbers)}" for _tag in range(100)]
        return page(*tags, link='<list?more>; rel="next"')

    found, client = repeating(endless)
    with pytest.raises(InvalidContent, match="has no end"):
        found.tags()
    assert len(client.seen) == 3


def test_nothing_is_complete_that_has_as_many_entries_as_were_asked_for() -> None:
    """Also where some of them are no tags (Nexus)."""
    found, _client = make(page(*HUNDRED[:99], None))
    assert not found.first_tags().complete
    found, _client = make(page(*HUNDRED[:98], None))
    assert found.first_tags().complete


def test_a_page_of_nothing_that_is_a_tag_is_no_end() -> None:
    found, _client = make(page(*[None] * 100))
    with pytest.raises(InvalidContent, match="no valid tag"):
        found.tags()


@pytest.mark.parametrize(
    "link",
    [
        '</x>; title="a, <b>"; rel="next"',
        "</y>; rel=prev, </x>; REL=next",
        "</x>;rel='next'".replace("'", ""),
    ],
)
def test_the_next_page_is_found_among_other_links(link: str) -> None:
    pages = [answer(200, {"tags": ["1"]}, {"Link": link}), answer(200, {"tags": ["2"]})]
    found, client = make(*pages)
    assert found.tags() == ["1", "2"]
    assert client.seen[1][1] == f"{HOME}/x"


@pytest.mark.parametrize("piece", ["<", "<>;", '<>;"', "<>; rel"])
def test_links_are_read_in_time_in_proportion_to_their_length(piece: str) -> None:
    began = time.thread_time()
    for _again in range(10):
        make(answer(200, {"tags": []}, {"Link": piece * (8000 // len(piece))}))[0].tags()
    assert time.thread_time() - began < 1  # quadratic would be several seconds
