# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries and images at which a call could hang, or fail as a whole."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.support import push
from tests.support.content import OCI_INDEX, OCI_MANIFEST
from tests.support.faults import ALWAYS
from tests.support.fixtures import MakeProxy, MakeStrict
from tests.support.images import image
from tests.support.limiting import limited, places_given_back
from tests.support.proxy import RecordingProxy
from tests.support.sync import sync

__all__ = ["places_given_back"]

pytestmark = pytest.mark.usefixtures("places_given_back")


def ending(seconds: float = 20.0, **options: Any) -> dict[str, Any]:
    """The result of a call that must end by itself."""
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.append(sync(**options)), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "it hangs"
    return results[0]


def test_one_place_is_enough_where_challenges_come_from_the_ping_alone(
    make_strict: MakeStrict, make_proxy: MakeProxy, destination: RecordingProxy, repo: str
) -> None:
    registry = make_strict(auth=("user", "sesame-open"))
    registry.add(repo, image(), "1")
    proxy = make_proxy(registry.url)
    fault = proxy.inject(
        "(HEAD|GET|POST) .*/(manifests|uploads)/", "drop_header", "WWW-Authenticate", times=ALWAYS
    )
    entry = limited(proxy, max_connections=1, username="user", password="sesame-open")
    options = {"registries": [entry], "referrers": "never", "retries": 0}
    for _again in range(2):
        result = ending(
            source=f"{proxy.host}/{repo}:1", destination=f"{destination.host}/{repo}:1", **options
        )
        assert not result.get("failed"), result
    assert fault.hits


def test_an_absurd_size_in_one_index_fails_that_image_alone(
    make_strict: MakeStrict, make_proxy: MakeProxy, repo: str
) -> None:
    here, there = make_strict(), make_strict()
    child, other = image("child"), image("other")
    entry = {"mediaType": OCI_MANIFEST, "digest": child.digest, "size": 300 << 20}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    for registry in (here, there):
        registry.add(repo, child)
        registry.put_raw(repo, "old", index, OCI_INDEX)
    here.put_raw(repo, "1", index, OCI_INDEX)
    here.add(repo, other, "2")
    images = [
        {"source": f"{here.host}/{repo}:{tag}", "destination": f"{there.host}/{repo}:{tag}"}
        for tag in ("1", "2")
    ]
    result = sync(images=images, integrity="manifests", referrers="never", retries=0)
    assert [one["reason"] for one in result["images"]] == ["failed", "absent"]


@pytest.mark.parametrize("status", [500, 501])
def test_a_mount_that_is_not_implemented_is_no_failure(
    source: RecordingProxy, destination: RecordingProxy, repo: str, status: int
) -> None:
    push.push(image(), f"{source.host}/{repo}:1")
    fault = destination.inject("POST .*mount=", "status", status, times=ALWAYS)
    result = sync(
        source=f"{source.host}/{repo}:1",
        destination=f"{destination.host}/{repo}:1",
        referrers="never",
        retries=3,
    )
    assert fault.hits
    assert not result.get("failed"), result


def test_a_body_is_sent_twice_over_one_place(
    make_strict: MakeStrict, make_proxy: MakeProxy, repo: str
) -> None:
    registry = make_strict(mount=False, relative_location=True)
    proxy = make_proxy(registry.url)
    registry.add(f"{repo}/a", image(size=9 << 20), "1")
    other = make_proxy(registry.url)
    fault = proxy.inject(
        "PUT .*/blobs/", "early_status", 307, headers={"Location": f"{other.url}/elsewhere"}
    )
    other.inject("PUT /elsewhere", "status", 500)
    result = ending(
        source=f"{proxy.host}/{repo}/a:1",
        destination=f"{proxy.host}/{repo}/b:1",
        registries=[limited(proxy, max_connections=1)],
        referrers="never",
        retries=2,
    )
    assert fault.hits
    assert not result.get("failed"), result
