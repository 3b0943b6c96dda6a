# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors: content comes from them by digest, and what a tag names from the registry itself."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import ask, basic
from tests.support.content import DOCKER_MANIFEST, OCI_MANIFEST, Image
from tests.support.faults import ALWAYS
from tests.support.processes import free_port
from tests.support.proxy import MakeProxy, RecordingProxy
from tests.support.registries import DockerRegistry
from tests.support.sides import Sides
from tests.support.strict_registry import MakeStrict
from tests.support.sync import sync

PREFIX = "hub/cache"


@pytest.fixture
def mirror(destination_registry: DockerRegistry, make_proxy: MakeProxy) -> RecordingProxy:
    """A mirror with a prefix; what it holds is pushed by the test."""
    return make_proxy(destination_registry.url)


@pytest.fixture
def image(sides: Sides, destination_registry: DockerRegistry) -> Image:
    """An image at the source and at its mirror."""
    found = images.multi_platform(sides.source.repository)
    sides.source.push(found)
    name = f"{PREFIX}/{sides.source.repository}"
    push.push(found, f"{destination_registry.host}/{name}:1")
    return found


def entry(sides: Sides, *mirrors: str, **more: Any) -> dict[str, Any]:
    """The source's."""
    return {"name": sides.source.proxy.host, "mirrors": list(mirrors), **more}


def of(sides: Sides, mirror: RecordingProxy) -> str:
    """The host in ``warnings`` of the result stands for the rest."""
    return f"the mirror {mirror.host}/{PREFIX} of {sides.source.proxy.host}"


def test_content_comes_from_the_mirror(
    sides: Sides, image: Image, mirror: RecordingProxy, make_proxy: MakeProxy
) -> None:
    """The registry resolves the tag by HEAD; the first mirror gives the rest, by digest alone."""
    second = make_proxy(f"http://{mirror.upstream[0]}:{mirror.upstream[1]}")
    registries = [entry(sides, f"{mirror.host}/{PREFIX}", f"{second.host}/{PREFIX}")]
    done = sync(**sides.options(registries=registries, referrers="never"))
    assert (done["reason"], done["digest"]) == ("absent", image.digest)
    assert sides.destination.has_whole(image)
    assert sides.source.proxy.methods() == Counter({("HEAD", "manifest"): 1})
    manifests, blobs = len(list(image.walk())), len({b.digest for b in image.all_blobs})
    assert mirror.methods() == Counter({("GET", "manifest"): manifests, ("GET", "blob"): blobs})
    assert {request.repo for request in mirror.requests} == {f"{PREFIX}/{sides.source.repository}"}
    assert all(request.reference.startswith("sha256:") for request in mirror.requests)
    assert second.requests == []
    assert done["stats"]["requests"][mirror.host] == manifests + blobs
    assert not done.get("warnings")
    mirror.clear()
    again = sides.run(registries=registries)
    assert (again["changed"], mirror.requests) == (False, [])


def test_a_mirror_has_no_say_about_tags(
    sides: Sides, image: Image, mirror: RecordingProxy, destination_registry: DockerRegistry
) -> None:
    """It has another image under the tag, and doesn't have the right one."""
    name = f"{PREFIX}/{sides.source.repository}"
    wrong = images.image("an older one")
    newer = sides.source.push(images.image("a newer one"))
    push.push(wrong, f"{destination_registry.host}/{name}:1")
    registries = [entry(sides, f"{mirror.host}/{PREFIX}")]
    done = sides.run(registries=registries)
    assert done["digest"] == newer.digest
    assert len(done["warnings"]) == 1
    assert of(sides, mirror) in done["warnings"][0]
    assert "lacks" in done["warnings"][0]
    found = ask(sides.source.ref(), registries=registries)
    assert found["images"][0]["digest"] == newer.digest
    assert found["images"][0]["labels"] == {"seed": "a newer one"}
    assert of(sides, mirror) in found["warnings"][0]


#: what happens at a mirror, and how many requests it may still get after that
TROUBLE = {
    "refused": (".*", {"action": "status", "arg": 403}, 2),
    "busy": (".*", {"action": "status", "arg": 429}, 2),
    "broken": (".*", {"action": "status", "arg": 503}, 2),
    "silent": (".*", {"action": "rst_before"}, 3),
    "a lying manifest": ("GET .*/manifests/", {"action": "corrupt", "arg": 20}, 2),
    "a lying blob": ("GET .*/blobs/", {"action": "corrupt", "arg": 5}, 12),
    "half a blob": ("GET .*/blobs/", {"action": "truncate", "arg": 5}, 12),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_a_mirror_that_fails_is_left(
    name: str, sides: Sides, image: Image, mirror: RecordingProxy
) -> None:
    """After one try, with one warning, and without a retry to spend."""
    match, fault, most = TROUBLE[name]
    happened = mirror.inject(match, times=ALWAYS, **fault)
    registries = [entry(sides, f"{mirror.host}/{PREFIX}")]
    done = sync(**sides.options(registries=registries, retries=0, concurrency=2))
    assert (done["reason"], done.get("failed", False)) == ("absent", False)
    assert sides.destination.has_whole(image)
    assert 0 < happened.hits <= most
    assert len(mirror.requests) <= most
    assert len(done["warnings"]) == 1
    assert of(sides, mirror) in done["warnings"][0]


@pytest.mark.usefixtures("quick")
def test_a_mirror_that_ends_in_the_middle_of_a_blob(
    sides: Sides, image: Image, mirror: RecordingProxy
) -> None:
    """It is asked once for the rest; the registry has that too, however many retries there are."""
    half = mirror.inject("GET .*/blobs/", "close_short", 5)
    gone = mirror.inject("GET .*/blobs/", "status", 503, times=ALWAYS)
    registries = [entry(sides, f"{mirror.host}/{PREFIX}")]
    done = sync(**sides.options(registries=registries, retries=5, concurrency=1))
    assert (done["reason"], done.get("failed", False)) == ("absent", False)
    assert sides.destination.has_whole(image)
    assert (half.hits, gone.hits) == (1, 1)
    assert "isn't used any more" in done["warnings"][0]


def test_a_mirror_that_is_down(sides: Sides, image: Image) -> None:
    """Nothing listens there; the second one is asked, and the registry for what that lacks."""
    registries = [entry(sides, f"127.0.0.1:{free_port()}", sides.destination.host)]
    done = sync(**sides.options(registries=registries, retries=3))
    assert not done.get("failed")
    assert sides.destination.has_whole(image)
    assert done["stats"]["retries"] == 0
    first, second = sorted(done["warnings"], key=lambda text: "lacks" in text)
    assert "isn't used any more" in first
    assert "refused the connection" in first
    assert f"the mirror {sides.destination.host} of" in second


def test_logins_stay_where_they_belong(sides: Sides, make_strict: MakeStrict) -> None:
    """A mirror gets its own, the registry its own, and neither the other's."""
    upstream = make_strict(auth=("keeper", "canary-upstream"))
    private = make_strict(auth=("reader", "canary-mirror"))
    public = make_strict()
    image = images.image("logins")
    upstream.add("team/app", image, "1")
    private.add("team/app", image, "1")
    mirrors = [public.host, private.host]
    registries = [
        {"name": upstream.host, "username": "keeper", "password": "canary-upstream"},
        {"name": f"{upstream.host}/team", "mirrors": mirrors},
        {"name": private.host, "username": "reader", "password": "canary-mirror"},
    ]
    done = sync(
        source=f"{upstream.host}/team/app:1",
        destination=sides.destination.ref(),
        registries=registries,
    )
    assert done["digest"] == image.digest
    assert sides.destination.has_whole(image)
    assert public.requests
    assert public.with_header("Authorization") == []
    logins = {r.header("Authorization") for r in private.with_header("Authorization")}
    assert logins == {basic("reader", "canary-mirror")}
    logins = {r.header("Authorization") for r in upstream.with_header("Authorization")}
    assert logins == {basic("keeper", "canary-upstream")}
    assert not upstream.count("GET", "blob")
    assert sides.destination.proxy.with_header("Authorization") == []
    assert done["credentials"][private.host] == "options"


@pytest.mark.parametrize("tag", ["1", ""])
def test_a_mirror_has_no_say_about_types(make_strict: MakeStrict, tag: str) -> None:
    """A manifest without a type of its own isn't what a mirror calls it, but what it was."""
    upstream, mirror, destination = make_strict(), make_strict(), make_strict()
    image = images.image("typeless")
    document = json.loads(image.manifest)
    del document["mediaType"]
    data = json.dumps(document).encode()
    for registry, media_type in ((upstream, OCI_MANIFEST), (mirror, DOCKER_MANIFEST)):
        registry.add("team/app", image, "other")
        digest = registry.put_raw("team/app", "1", data, media_type)
    done = sync(
        source=f"{upstream.host}/team/app{f':{tag}' if tag else f'@{digest}'}",
        destination=f"{destination.host}/team/app:1",
        registries=[{"name": upstream.host, "mirrors": [mirror.host]}],
    )
    assert done["digest"] == digest
    assert mirror.count("GET", "manifest") == 1 and not upstream.count("GET", "manifest")
    (written,) = [r for r in destination.writes() if "/manifests/" in r.path]
    assert written.header("Content-Type") == OCI_MANIFEST


def test_destinations_have_no_mirrors(sides: Sides, mirror: RecordingProxy) -> None:
    """Nothing is read from them, in check mode too, and nothing is written or deleted there."""
    image = sides.source.push(images.image("destinations"))
    registries = [{"name": sides.destination.proxy.host, "mirrors": [f"{mirror.host}/{PREFIX}"]}]
    done = sides.run(registries=registries, integrity="blobs")
    assert done["digest"] == image.digest
    assert not sides.run(registries=registries, integrity="blobs")["changed"]
    gone = sync(destination=sides.destination.ref(), state="absent", registries=registries)
    assert gone["reason"] == "removed"
    assert mirror.requests == []
