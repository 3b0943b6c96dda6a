# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults 23 to 37: writing."""

from __future__ import annotations

import pytest

from tests.support import images, push
from tests.support.certificates import Certificates
from tests.support.content import to_json
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeRegistry, MakeStrict
from tests.support.judging import Judge
from tests.support.sides import Side
from tests.support.sync import blobs
from tests.support.waiting import wait_until

IMAGE = images.image("writing", layers=2)
LARGE = images.image("large", size=5 << 19)
LAYER = LARGE.blobs[1]
BLOB_PUT = "PUT .*/blobs/uploads/"
LAYER_PUT = f"{BLOB_PUT}.*{LAYER.digest[7:]}"
SESSION_POST = "POST .*/blobs/uploads/"
MANIFEST_PUT = "PUT .*/manifests/1"
#: a connection that was kept and breaks gets a try of its own at once
STALE_TOO = 2


def _error(code: str) -> bytes:
    return to_json({"errors": [{"code": code, "message": "as it says"}]})


def _uploads(judge: Judge, digest: str) -> int:
    """How often a blob was sent."""
    return judge.sides.destination.written("upload").count(digest)


@pytest.mark.parametrize("at", [0, 1, 1 << 20])
def test_fault_23_reset_in_an_upload(judge: Judge, at: int) -> None:
    """It is never gone on with: the blob is looked for, and sent whole to a new session."""
    judge.given(LARGE)
    fault = judge.destination.inject(LAYER_PUT, "rst_body", at, times=STALE_TOO)
    judge.survives(fault, again=False)
    puts = [r for r in judge.destination.select("PUT", "upload") if LAYER.digest[7:] in r.query]
    assert len({put.reference for put in puts}) == len(puts) == fault.hits + 1
    assert puts[-1].bytes_in == len(LAYER.data)
    assert judge.destination.count("PATCH") == 0


def test_fault_24_an_upload_whose_answer_is_lost(judge: Judge) -> None:
    """A HEAD finds it there; it isn't sent again."""
    judge.given(LARGE)
    fault = judge.destination.inject(LAYER_PUT, "rst_after")
    result = judge.survives(fault, again=False)
    assert _uploads(judge, LAYER.digest) == 1
    assert result["blobs_copied"] == len(LARGE.blobs)


LOST = [(404, "BLOB_UPLOAD_UNKNOWN"), (404, "BLOB_UPLOAD_INVALID"), (400, "BLOB_UPLOAD_INVALID")]


@pytest.mark.parametrize(("status", "code"), LOST)
def test_fault_25_a_session_that_is_lost(judge: Judge, status: int, code: str) -> None:
    judge.given(IMAGE)
    fault = judge.destination.inject(BLOB_PUT, "status", status, times=2, body=_error(code))
    judge.survives(fault)


def test_fault_26_range_not_satisfiable(judge: Judge) -> None:
    """There are no chunks to go on with: the blob is sent whole to a new session."""
    judge.given(IMAGE)
    fault = judge.destination.inject(BLOB_PUT, "status", 416)
    judge.survives(fault, again=False)
    assert judge.destination.count("PATCH") == 0


def test_fault_27_a_registry_that_drops_chunks(judge: Judge) -> None:
    """ECR takes every PATCH but the first, and forgets it: none is ever sent."""
    judge.given(LARGE)
    dropping = judge.destination.inject("PATCH", "status", 201, times=ALWAYS)
    judge.survives(again=False)
    assert dropping.hits == 0
    assert _uploads(judge, LAYER.digest) == 1


@pytest.mark.parametrize("action", ["status", "early_status"])
def test_fault_29_an_upload_that_is_too_large(judge: Judge, action: str) -> None:
    judge.given(LARGE)
    fault = judge.destination.inject(
        LAYER_PUT, action, 413, times=ALWAYS, body=b"<html>413 Request Entity Too Large</html>"
    )
    says = (judge.destination.host, LAYER.digest, "413", "limits the size of uploads")
    judge.refuses(fault, says=says, lacks=LAYER.digest)
    assert fault.hits == 1


def test_fault_30_a_location_that_is_missing(judge: Judge) -> None:
    judge.given(IMAGE)
    fault = judge.destination.inject(SESSION_POST, "drop_header", "Location", times=ALWAYS)
    judge.refuses(fault, says=(judge.destination.host, "without a Location"), retries=1)


@pytest.mark.parametrize("query", ["", "_state=a%2Bb==&x=+y&&z"])
def test_fault_30_a_location_that_is_relative(
    judge: Judge, make_strict: MakeStrict, query: str
) -> None:
    """It comes back byte for byte: the strict registry takes nothing else."""
    judge.write_to(make_strict(location_query=query))
    judge.given(IMAGE)
    judge.survives()


def test_fault_30_a_location_at_another_host(judge: Judge, make_proxy: MakeProxy) -> None:
    """Uploads may go elsewhere, and logins stay."""
    other = make_proxy(f"http://{judge.sides.destination.host}")
    judge.spared.append(other)
    judge.given(IMAGE)
    with push.Repository(judge.sides.destination.host, judge.sides.destination.repository) as there:
        for _unused in IMAGE.blobs:
            location = there.call("POST", "blobs/uploads/", (202,)).headers["Location"]
            elsewhere = location.replace(judge.sides.destination.host, other.host)
            judge.destination.inject(SESSION_POST, "status", 202, headers={"Location": elsewhere})
    judge.survives(again=False, concurrency=1)
    assert other.count("PUT", "upload") == len(IMAGE.blobs)


def test_fault_30_a_location_without_tls(
    judge: Judge, make_proxy: MakeProxy, certificates: Certificates
) -> None:
    """Its own address is meant with TLS; another one is refused."""
    there = judge.sides.destination
    secured = make_proxy(f"http://{there.host}", tls=certificates)
    judge.sides.destination = Side(secured, there.host, there.repository)
    trusting = [judge.login(secured.host, plain_http=False, ca_path=str(certificates.ca))]
    judge.given(IMAGE)
    location = f"http://{there.host}/v2/{there.repository}/blobs/uploads/1?_state=x"
    fault = secured.inject(
        SESSION_POST, "status", 202, times=ALWAYS, headers={"Location": location}
    )
    judge.refuses(fault, says=("was refused: it isn't encrypted",), registries=trusting)


def test_fault_31_an_upload_that_is_confirmed_and_gone(judge: Judge) -> None:
    """The manifest is refused then; what is missing is looked for, and sent once more."""
    judge.given(IMAGE)
    one = IMAGE.blobs[1].digest
    said = {"Docker-Content-Digest": one}
    fault = judge.destination.inject(f"{BLOB_PUT}.*{one[7:]}", "status", 201, headers=said)
    judge.survives(fault)


def test_fault_31_always(judge: Judge) -> None:
    judge.given(IMAGE)
    fault = judge.destination.inject(BLOB_PUT, "status", 201, times=ALWAYS)
    judge.refuses(fault, says=(judge.destination.host, "MANIFEST_BLOB_UNKNOWN"))


@pytest.mark.parametrize("status", [202, 401, 404, 500, 201])
def test_fault_32_a_mount_that_does_not_happen(
    judge: Judge, make_strict: MakeStrict, status: int
) -> None:
    """The blob is sent; a mount that was only claimed is found out by the manifest."""
    if status == 202:
        judge.write_to(make_strict(mount=False))
    side = judge.sides.destination
    origin = f"{side.repository}/origin"
    side.push(IMAGE, repository=origin)
    judge.sides.source = Side(judge.destination, side.host, origin)
    judge.given(IMAGE)
    fault = judge.destination.inject(r"POST .*\?mount=", "pass", times=ALWAYS)
    if status != 202:
        fault.action, fault.arg = "status", status
        fault.times = ALWAYS if status == 500 else len(IMAGE.blobs)
    result = judge.survives(fault, again=False)
    assert result["blobs_copied"] == len(IMAGE.blobs)


def test_fault_33_a_registry_that_remembers_what_it_had(
    judge: Judge, make_registry: MakeRegistry, make_proxy: MakeProxy
) -> None:
    """docker-registry answers from its cache after a garbage collection; so, until its restart."""
    caching = make_registry(blob_cache=True)
    repository = judge.sides.destination.repository
    judge.sides.destination = Side(make_proxy(caching.url), caching.host, repository)
    index = judge.given(images.multi_platform("remembered"), old=False)
    judge.sides.destination.push(index)
    assert judge.run(integrity="blobs")["reason"] == "in_sync"
    caching.garbage_collect(delete_untagged=True)
    assert judge.run(integrity="manifests")["reason"] == "incomplete"
    caching.restart()
    result = judge.run(integrity="blobs")
    assert (result["changed"], result["reason"], blobs(result)) == (True, "incomplete", (4, 0, 0))
    judge.check_arrived()


def test_fault_34_an_index_whose_children_are_gone(
    judge: Judge, make_registry: MakeRegistry, make_proxy: MakeProxy
) -> None:
    """docker-registry 2.8 collects the children of a tagged OCI index as garbage."""
    own = make_registry()
    repository = judge.sides.destination.repository
    judge.sides.destination = Side(make_proxy(own.url), own.host, repository)
    index = judge.given(images.multi_platform("childless"), old=False)
    judge.sides.destination.push(index)
    own.garbage_collect(delete_untagged=True)
    children = [child.digest for child in index.children]
    assert [judge.sides.destination.digest(child) for child in children] == [None, None]
    result = judge.run(integrity="manifests")
    assert (result["changed"], result["reason"]) == (True, "incomplete")
    judge.check_arrived()
    assert judge.run(integrity="manifests")["reason"] == "in_sync"


@pytest.mark.parametrize(("action", "arg"), [("rst_after", 0), ("status_after", 500)])
def test_fault_35_a_manifest_whose_answer_is_lost(judge: Judge, action: str, arg: int) -> None:
    judge.given(IMAGE)
    judge.survives(judge.destination.inject(MANIFEST_PUT, action, arg))


def test_fault_53_what_another_run_is_writing_is_waited_for(judge: Judge) -> None:
    """docker-registry may read a child that is half written, and says then that it isn't right."""
    judge.given(IMAGE)
    codes = ("DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN")
    said = to_json({"errors": [{"code": code, "message": "as it says"} for code in codes]})
    judge.survives(judge.destination.inject(MANIFEST_PUT, "status", 400, times=3, body=said))


def test_fault_36_a_manifest_that_is_stored_as_another(judge: Judge) -> None:
    judge.given(IMAGE)
    other = images.image("another").digest
    fault = judge.destination.inject(
        MANIFEST_PUT, "status", 201, times=ALWAYS, headers={"Docker-Content-Digest": other}
    )
    says = (judge.destination.host, f"names {other} instead of {IMAGE.digest}")
    judge.refuses(fault, says=says, changed=True)


PAGES = [
    *((match, status) for match in (SESSION_POST, BLOB_PUT, MANIFEST_PUT) for status in (200, 302)),
    (BLOB_PUT, 301),
    (MANIFEST_PUT, 303),
]


@pytest.mark.parametrize(("match", "status"), PAGES)
def test_fault_37_a_write_that_is_answered_like_a_page(
    judge: Judge, match: str, status: int
) -> None:
    """Nothing was written, whatever is at the end of such a redirect."""
    judge.given(IMAGE)
    headers = {"Content-Type": "text/html"}
    if status != 200:
        headers["Location"] = f"/v2/{judge.sides.destination.repository}/manifests/1"
    fault = judge.destination.inject(
        match, "status", status, times=ALWAYS, headers=headers, body=b"<html>Welcome</html>"
    )
    message = judge.refuses(fault, says=(judge.destination.host,), retries=1)
    assert "<html" not in message
    if status != 200:
        assert "a write was redirected: is this a registry?" in message
    wait_until(lambda: not judge.destination._busy, "the last request to end")
