# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``integrity``: what is missing below a tag that looks right is found, and it alone is brought."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.sync import (
    integrity as integrity_module,
)
from tests.support import images, push
from tests.support.content import Image
from tests.support.fixtures import MakeProxy, MakeRegistry, MakeStrict
from tests.support.layers import layer
from tests.support.registries import DockerRegistry
from tests.support.sides import IN_SYNC, Side, Sides
from tests.support.sync import blobs, foretold_then_done, sync

DEEP = ["manifests", "blobs"]


@pytest.fixture
def own(make_registry: MakeRegistry) -> DockerRegistry:
    """A registry whose storage may be damaged."""
    return make_registry()


@pytest.fixture
def apart(own: DockerRegistry, make_proxy: MakeProxy, sides: Sides) -> Sides:
    """The usual source, and that registry as destination."""
    proxy = make_proxy(own.url)
    return Sides(sides.source, Side(proxy, own.host, sides.destination.repository))


def _both(sides: Sides, image: Image, tag: str | None = "1") -> Image:
    sides.source.push(image, tag)
    return sides.destination.push(image, tag)


def _drop(side: Side, *digests: str) -> None:
    """Deletes manifests by the registry's own API, also such that an index names."""
    for digest in digests:
        push.delete_manifest(side.host, side.repository, digest)


def _drop_blob(side: Side, digest: str) -> None:
    """Takes a blob from the repository; others keep it."""
    push.delete_blob(side.host, side.repository, digest)


def _run(sides: Sides, integrity: str, **more: Any) -> dict[str, Any]:
    return sides.run(integrity=integrity, referrers="never", **more)


def _asked(sides: Sides) -> Counter[tuple[str, str]]:
    return sides.asked()[1]


def _is_whole_again(sides: Sides, image: Image, integrity: str, **more: Any) -> None:
    assert sides.destination.has_whole(image)
    sides.clear()
    again = _run(sides, integrity, **more)
    assert (again["changed"], again["reason"]) == (False, "in_sync")
    assert sides.writes() == []


# manifests


@pytest.mark.parametrize("integrity", DEEP)
def test_what_a_garbage_collection_took_is_brought_back(
    apart: Sides, own: DockerRegistry, integrity: str
) -> None:
    """docker-registry 2.8 deletes the children of a tagged OCI index (distribution#3178)."""
    index = _both(apart, images.multi_platform("gc"))
    own.garbage_collect(delete_untagged=True)
    assert apart.destination.digest() == index.digest
    children = {child.digest for child in index.children}
    assert [apart.destination.digest(digest) for digest in children] == [None, None]

    said = _run(apart, "tag")
    assert (said["changed"], said["reason"]) == (False, "in_sync")  # as documented
    assert apart.asked() == IN_SYNC

    apart.clear()
    result = _run(apart, integrity)
    assert (result["changed"], result["reason"]) == (True, "incomplete")
    assert result["digest"] == result["previous_digest"] == index.digest
    assert result["id"] == apart.destination.id(index.digest)
    assert result["platforms"] == list(images.PLATFORMS)
    assert blobs(result) == (4, 0, 0)
    assert result["diff"] == {
        "before": f"{result['id']} (incomplete)\n",
        "after": f"{result['id']}\n",
    }
    assert set(apart.destination.written()) == children  # and not the index
    assert sorted(apart.destination.written("upload")) == sorted(b.digest for b in index.all_blobs)
    assert apart.destination.has_whole(index, judge=True)
    _is_whole_again(apart, index, integrity)


def test_nested_indexes_are_read(sides: Sides) -> None:
    index = _both(sides, images.nested_index("deep"))
    outer, inner = index.children
    lost = inner.children[1]

    _drop(sides.destination, lost.digest)
    result = _run(sides, "manifests")
    assert (result["reason"], blobs(result)) == ("incomplete", (0, 0, 2))
    assert sides.destination.written() == [lost.digest]
    _is_whole_again(sides, index, "manifests")

    _drop(sides.destination, inner.digest, lost.digest)
    sides.clear()
    assert _run(sides, "manifests")["reason"] == "incomplete"
    assert sides.destination.written() == [lost.digest, inner.digest]
    # the two indexes are read, their three images looked for; what was brought is read again
    wanted = Counter({("HEAD", "manifest"): 1 + 3, ("GET", "manifest"): 2 + 2})
    assert _asked(sides) - Counter({("PUT", "manifest"): 2, ("POST", "upload"): 2}) == wanted

    _drop(sides.destination, inner.digest)
    sides.clear()
    assert _run(sides, "blobs")["reason"] == "incomplete"
    assert sides.destination.written() == [inner.digest]
    assert sides.destination.digest(outer.digest) == outer.digest
    _is_whole_again(sides, index, "blobs")


@pytest.mark.parametrize("action", ["status", "corrupt"])
def test_a_top_manifest_that_is_there_by_its_tag_alone(
    sides: Sides, quick: None, action: str
) -> None:
    index = _both(sides, images.multi_platform("top"))
    url = f"GET .*/manifests/{index.digest}"
    argument = 404 if action == "status" else 10
    for mode in (True, False):
        # a damaged answer is asked for again before it counts
        times = 1 if action == "status" else 3
        fault = sides.destination.proxy.inject(url, action, argument, times=times)
        result = sync(
            mode, **sides.options(integrity="manifests", referrers="never"), retries=times - 1
        )
        assert fault.hits == times
        assert (result["reason"], result["changed"]) == ("incomplete", True), result
        assert len(sides.writes()) == (0 if mode else 1)
    assert sides.destination.written() == [index.digest]  # the tag isn't written again
    _is_whole_again(sides, index, "manifests")


def test_a_tag_that_can_not_be_written_again_is_left_alone(
    sides: Sides, make_strict: MakeStrict
) -> None:
    strict = make_strict(immutable_tags=True)
    index = sides.source.push(images.multi_platform("immutable"))
    strict.add("mirror", index, "1")
    lost = index.children[0]
    strict.remove("mirror", lost.digest)
    strict.remove("mirror", lost.blobs[1].digest)
    options = {"source": sides.source.ref(), "destination": f"{strict.host}/mirror:1"}
    for integrity, copied in (("manifests", 1), ("blobs", 0)):
        result = sync(**options, integrity=integrity, referrers="never")
        assert result["reason"] == ("incomplete" if copied else "in_sync"), result
        assert result["blobs_copied"] == copied
    assert [request.reference for request in strict.select("PUT", "manifest")] == [lost.digest]
    push.verify_whole(f"{strict.host}/mirror:1")


# blobs


def test_a_layer_that_is_gone_is_found_by_looking_for_blobs(
    apart: Sides, own: DockerRegistry
) -> None:
    index = _both(apart, images.multi_platform("layer", shared_layer=True))
    lost = index.children[1].blobs[2]
    own.blob_path(lost.digest).unlink()
    assert _run(apart, "manifests")["reason"] == "in_sync"

    apart.clear()
    result = _run(apart, "blobs")
    assert (result["reason"], result["changed"]) == ("incomplete", True)
    assert blobs(result) == (1, 0, 4)
    assert result["bytes_copied"] == len(lost.data)
    assert apart.destination.written("upload") == [lost.digest]
    assert apart.destination.written() == []
    assert apart.destination.has_whole(index, judge=True)
    _is_whole_again(apart, index, "blobs")


def test_a_single_image_too(sides: Sides) -> None:
    one = _both(sides, images.inline_image("single"))
    _drop_blob(sides.destination, one.blobs[1].digest)
    sides.clear()
    assert _run(sides, "manifests")["reason"] == "in_sync"
    assert sides.asked() == IN_SYNC  # nothing is below it
    result = _run(sides, "blobs")
    assert (result["reason"], blobs(result)) == ("incomplete", (1, 0, 1))
    assert sides.source.proxy.count("GET", "blob") == 0  # its manifest has the data
    _is_whole_again(sides, one, "blobs")


def test_a_blob_that_another_repository_has_is_mounted(sides: Sides) -> None:
    base = layer("lent")
    one = _both(sides, images.image("one", layers=[base]))
    other = images.image("other", layers=[base])
    elsewhere = f"{sides.destination.repository}/elsewhere"
    for side in (sides.source, sides.destination):
        side.push(other, "2", elsewhere)
    _drop_blob(sides.destination, base.digest)
    # whoever else has it need not have the source's
    _drop_blob(sides.source, base.digest)
    entries = [
        {"source": sides.source.ref(), "destination": sides.destination.ref("")},
        {
            "source": sides.source.ref("2", elsewhere),
            "destination": sides.destination.ref("", elsewhere),
        },
    ]
    watched = (sides.source.proxy, sides.destination.proxy)
    result = foretold_then_done(*watched, images=entries, integrity="blobs", referrers="never")
    assert [image["reason"] for image in result["images"]] == ["incomplete", "in_sync"]
    assert blobs(result["images"][0]) == (0, 1, 1)
    assert sides.destination.proxy.count("PUT") == 0
    assert sides.source.proxy.count("GET") == 0
    assert sides.destination.has_whole(one)


def test_two_repositories_that_lack_the_same_blob_get_it_once(
    apart: Sides, own: DockerRegistry
) -> None:
    base = layer("twice")
    entries = []
    for name in "ab":
        one = images.image(name, layers=[base])
        names = [f"{side.repository}/{name}" for side in (apart.source, apart.destination)]
        apart.source.push(one, "1", names[0])
        apart.destination.push(one, "1", names[1])
        entries.append(
            {
                "source": apart.source.ref("1", names[0]),
                "destination": apart.destination.ref("", names[1]),
            }
        )
    own.blob_path(base.digest).unlink()
    watched = (apart.source.proxy, apart.destination.proxy)
    result = foretold_then_done(*watched, images=entries, integrity="blobs", referrers="never")
    assert {image["reason"] for image in result["images"]} == {"incomplete"}
    assert blobs(result["stats"]) == (1, 1, 2)
    assert apart.destination.written("upload") == [base.digest]
    for name in "ab":
        push.verify_whole(f"{own.host}/{apart.destination.repository}/{name}:1")


def test_foreign_layers_count_where_the_source_has_them(
    sides: Sides, make_registry: MakeRegistry, make_proxy: MakeProxy
) -> None:
    registries = [make_registry(foreign_urls=[".*"]) for _unused in range(2)]
    there = [Side(make_proxy(r.url), r.host, sides.destination.repository) for r in registries]
    pair = Sides(*there)
    one = _both(pair, images.foreign_image("foreign"))
    foreign = layer(
        "foreign/foreign",
        media_type=one.document["layers"][0]["mediaType"],
        extra={"urls": one.document["layers"][0]["urls"]},
    )
    assert _run(pair, "blobs")["reason"] == "in_sync"
    assert pair.source.proxy.count("HEAD", "blob") == 1

    with push.Repository(pair.source.host, pair.source.repository) as repository:
        repository.put_blob(foreign)
    result = _run(pair, "blobs")
    assert (result["reason"], blobs(result)) == ("incomplete", (1, 0, 2))
    assert pair.destination.written("upload") == [foreign.digest]
    _is_whole_again(pair, one, "blobs")


# what it costs


def test_the_cost_when_nothing_is_missing(sides: Sides) -> None:
    """Each manifest and blob is asked for once, however many images share it."""
    index = images.multi_platform("shared", shared_layer=True)
    child = index.children[0]
    outer = images.index([index, images.image("beside", layers=[child.blobs[1]])])
    for tag, one in {"a": index, "b": index, "c": child, "d": child, "e": outer}.items():
        _both(sides, one, tag)
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")}
        for tag in "abcde"
    ]
    manifests, distinct = list(outer.walk()), outer.all_blobs
    assert (len(manifests), len(distinct)) == (5, 3 + 3)  # configs and layers
    heads = Counter({("HEAD", "manifest"): len(entries)})
    costs: dict[str, dict[tuple[str, str], int]] = {
        "tag": {},
        # both indexes are read, their three images looked for
        "manifests": {("GET", "manifest"): 2, ("HEAD", "manifest"): 3},
        "blobs": {("GET", "manifest"): len(manifests), ("HEAD", "blob"): len(distinct)},
    }
    for integrity, cost in costs.items():
        sides.clear()
        result = sync(images=entries, integrity=integrity)
        assert {image["reason"] for image in result["images"]} == {"in_sync"}
        assert not result["changed"]
        assert sides.asked() == (heads, heads + Counter(cost)), integrity
    assert result["images"][0]["platforms"] == list(images.PLATFORMS)


def test_many_repositories_are_taken_in_turn(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity_module, "_BATCH", 2)
    names = [f"{sides.destination.repository}/{name}" for name in "abcde"]
    found = {name: images.multi_platform(name, shared_layer=True) for name in names}
    for name, one in found.items():
        for side in (sides.source, sides.destination):
            side.push(one, "1", name)
    for name in names[1::2]:
        push.delete_manifest(sides.destination.host, name, found[name].children[0].digest)
    entries = [
        {"source": sides.source.ref("1", name), "destination": sides.destination.ref("", name)}
        for name in names
    ]
    watched = (sides.source.proxy, sides.destination.proxy)
    result = foretold_then_done(*watched, images=entries, integrity="blobs", referrers="never")
    reasons = [image["reason"] for image in result["images"]]
    assert reasons == ["in_sync", "incomplete", "in_sync", "incomplete", "in_sync"]
    for name, one in found.items():
        assert sides.destination.has_whole(one, "1", name)


def test_it_is_asked_side_by_side(sides: Sides) -> None:
    platforms = [f"linux/p{number}" for number in range(8)]
    _both(sides, images.multi_platform("wide", platforms=platforms))
    sides.destination.proxy.inject("HEAD .*/manifests/sha256:", "delay", 0.3, times=8)
    sides.clear()
    assert sync(**sides.options(integrity="manifests"))["reason"] == "in_sync"
    assert sides.destination.proxy.peak >= 6


def test_entries_of_one_call_are_proven_each_as_deep_as_it_says(sides: Sides) -> None:
    index = images.nested_index("mixed")
    inner = index.children[1]
    for tag in "abc":
        _both(sides, index, tag)
    lost, layer_lost = inner.children[0], inner.children[1].blobs[1]
    _drop(sides.destination, lost.digest)
    _drop_blob(sides.destination, layer_lost.digest)
    entries = [
        {
            "source": sides.source.ref(tag),
            "destination": sides.destination.ref(""),
            "integrity": integrity,
        }
        for tag, integrity in zip("abc", ("tag", "manifests", "blobs"), strict=True)
    ]
    watched = (sides.source.proxy, sides.destination.proxy)
    result = foretold_then_done(*watched, images=entries, referrers="never")
    reasons = [image["reason"] for image in result["images"]]
    assert reasons == ["in_sync", "incomplete", "incomplete"]
    assert sides.destination.written() == [lost.digest]
    assert sides.destination.written("upload") == [layer_lost.digest]
    assert sides.destination.has_whole(index, "a")


def test_what_is_kept_is_not_looked_at(sides: Sides) -> None:
    index = _both(sides, images.multi_platform("fixed"))
    sides.destination.push(images.multi_platform("held"), "2")
    sides.source.push(index, "2")
    entries = [
        {
            "source": sides.source.ref(),
            "destination": sides.destination.ref(""),
            "immutable_tags": ["1"],
        },
        {
            "source": sides.source.ref("2"),
            "destination": sides.destination.ref(""),
            "existing": "keep",
        },
    ]
    _drop(sides.destination, index.children[0].digest)
    sides.clear()
    result = sync(images=entries, integrity="blobs")
    assert [image["reason"] for image in result["images"]] == ["immutable", "kept"]
    assert _asked(sides) == {("HEAD", "manifest"): 2}


# staged, by digest, beside a tag that moves


@pytest.mark.parametrize("integrity", DEEP)
def test_staged_images_are_proven(sides: Sides, integrity: str) -> None:
    old = sides.destination.push(images.image("old"))
    index = sides.source.push(images.multi_platform("staged"))
    assert _run(sides, integrity, state="staged")["reason"] == "staged"
    assert _run(sides, integrity, state="staged")["changed"] is False

    _drop(sides.destination, index.children[0].digest)
    sides.clear()
    result = _run(sides, integrity, state="staged")
    assert (result["changed"], result["reason"]) == (True, "incomplete")
    assert result["diff"]["before"] == f"{sides.destination.id(index.digest)} (incomplete)\n"
    assert sides.destination.written() == [index.children[0].digest]
    assert sides.destination.digest() == old.digest
    assert sides.destination.has_whole(index, index.digest)

    # then only the tag is missing, and what was lost meanwhile
    _drop(sides.destination, index.children[1].digest)
    sides.clear()
    result = _run(sides, integrity)
    assert (result["changed"], result["reason"]) == (True, "digest_differs")
    assert sides.destination.written() == [index.children[1].digest, "1"]
    _is_whole_again(sides, index, integrity)


def test_a_tag_that_is_missing_beside_one_that_is_not_whole(sides: Sides) -> None:
    index = _both(sides, images.multi_platform("two tags"))
    sides.source.push(index, "2")
    lost = index.children[1].blobs[1]
    _drop_blob(sides.destination, lost.digest)
    result = _run(sides, "blobs", tag="2")
    assert (result["reason"], blobs(result)) == ("absent", (1, 0, 3))
    assert sides.destination.written("upload") == [lost.digest]
    assert sides.destination.written() == ["2"]
    assert sides.destination.has_whole(index, "2")

    # and where nothing is missing, as without it
    sides.source.push(index, "3")
    result = _run(sides, "blobs", tag="3")
    assert (result["reason"], blobs(result)) == ("absent", (0, 0, 0))
    assert sides.destination.written()[-1] == "3"


@pytest.mark.parametrize("integrity", DEEP)
def test_images_by_digest_are_proven(sides: Sides, integrity: str) -> None:
    index = images.multi_platform("untagged")
    _both(sides, index, None)
    _drop(sides.destination, index.children[0].digest)
    options = {"source": sides.source.ref(index.digest), "destination": sides.destination.ref("")}
    watched = (sides.source.proxy, sides.destination.proxy)
    more = {"integrity": integrity, "referrers": "never"}
    assert foretold_then_done(*watched, **options, **more)["reason"] == "incomplete"
    assert sides.destination.written() == [index.children[0].digest]
    assert sides.destination.has_whole(index, index.digest)
    assert foretold_then_done(*watched, **options, **more)["reason"] == "in_sync"


@pytest.mark.parametrize("integrity", DEEP)
def test_what_an_old_index_names_is_proven(sides: Sides, integrity: str) -> None:
    """A child that both indexes name is taken as it is, but for what is below it."""
    inner = images.multi_platform("below")
    beside = images.image("beside", layers=2)
    sides.destination.push(images.index([inner, beside, images.image("old")]))
    index = sides.source.push(images.index([inner, beside, images.image("new")]))
    _drop(sides.destination, inner.children[0].digest)
    _drop_blob(sides.destination, beside.blobs[1].digest)
    result = _run(sides, integrity)
    assert (result["reason"], result["changed"]) == ("digest_differs", True)
    *children, last = sides.destination.written()
    assert sorted(children) == sorted([inner.children[0].digest, index.children[2].digest])
    assert last == "1"
    assert sides.destination.missing(index) == (
        [] if integrity == "blobs" else [beside.blobs[1].digest]
    )
    if integrity == "blobs":
        _is_whole_again(sides, index, integrity)


# what can't be repaired


def test_the_source_lacks_the_manifest_too(sides: Sides) -> None:
    index = _both(sides, images.multi_platform("gone"))
    good = _both(sides, images.multi_platform("good"), "2")
    lost = index.children[0].digest
    for side in (sides.source, sides.destination):
        _drop(side, lost)
    _drop(sides.destination, good.children[0].digest)
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")} for tag in "12"
    ]
    watched = (sides.source.proxy, sides.destination.proxy)
    result = foretold_then_done(*watched, images=entries, integrity="manifests", referrers="never")
    failed, repaired = result["images"]
    assert failed["failed"] and failed["reason"] == "failed" and not failed["changed"]
    assert lost in failed["msg"] and sides.source.proxy.host in failed["msg"]
    assert repaired["reason"] == "incomplete"
    assert sides.destination.written() == [good.children[0].digest]
    assert sides.destination.digest() == index.digest


def test_the_source_lacks_the_blob_too(sides: Sides) -> None:
    one = _both(sides, images.image("hollow", layers=2))
    lost = one.blobs[1].digest
    for side in (sides.source, sides.destination):
        _drop_blob(side, lost)
    result = _run(sides, "blobs")
    assert result["failed"] and not result["changed"]
    assert lost in result["msg"] and sides.source.proxy.host in result["msg"]
    assert sides.writes() == []
    assert sides.destination.digest() == one.digest


def test_an_answer_that_proves_nothing_is_an_error(sides: Sides, quick: None) -> None:
    index = _both(sides, images.multi_platform("unknown"))
    fault = sides.destination.proxy.inject(
        f"HEAD .*/manifests/{index.children[0].digest}", "status", 500, times=-1
    )
    sides.clear()
    result = sync(**sides.options(integrity="manifests"), retries=1)
    assert fault.hits == 2
    assert result["failed"] and index.children[0].digest in result["msg"]
    assert sides.writes() == []


def test_a_registry_that_remembers_what_it_had_has_to_be_restarted(
    make_registry: MakeRegistry, make_proxy: MakeProxy, sides: Sides
) -> None:
    """docker-registry answers from its cache after a garbage collection."""
    caching = make_registry(blob_cache=True)
    pair = Sides(
        sides.source, Side(make_proxy(caching.url), caching.host, sides.destination.repository)
    )
    index = _both(pair, images.multi_platform("cache"))
    assert _run(pair, "blobs")["reason"] == "in_sync"
    caching.garbage_collect(delete_untagged=True)
    result = sync(**pair.options(integrity="manifests", referrers="never"))
    assert (result["reason"], blobs(result)) == ("incomplete", (0, 0, 4))  # it says

    caching.restart()
    result = _run(pair, "blobs")
    assert (result["reason"], blobs(result)) == ("incomplete", (4, 0, 0))
    _is_whole_again(pair, index, "blobs")


def test_indexes_without_end_are_refused(sides: Sides) -> None:
    index = images.image("bottom")
    for _unused in range(6):
        index = images.index([index])
    _both(sides, index)
    result = _run(sides, "manifests")
    assert result["failed"] and "nested deeper" in result["msg"]
    assert _run(sides, "tag")["reason"] == "in_sync"


def test_what_was_not_proven_is_not_claimed(sides: Sides, quick: None) -> None:
    bad, good = (_both(sides, images.multi_platform(tag), tag) for tag in "12")
    entries = [
        {"source": sides.source.ref(tag), "destination": sides.destination.ref("")} for tag in "12"
    ]
    url = f"GET .*/manifests/{bad.children[0].digest}"
    sides.destination.proxy.inject(url, "status", 500, times=-1)
    result = sync(images=entries, integrity="blobs", fail_fast=True, retries=0)
    assert [image["reason"] for image in result["images"]] == ["failed", "not_done"]
    assert not {"digest", "id", "media_type"}.intersection(result["images"][1])
    assert sides.destination.has_whole(good, "2")


def test_a_repair_that_the_registry_only_believes_in_is_an_error(sides: Sides) -> None:
    index = _both(sides, images.multi_platform("believed"))
    sides.destination.proxy.inject(f"GET .*/manifests/{index.digest}", "status", 404, times=-1)
    result = sync(**sides.options(integrity="manifests", referrers="never"))
    assert result["failed"] and index.digest in result["msg"] and "restarted" in result["msg"]
    assert sides.destination.written() == [index.digest]
    assert sides.destination.has_whole(index)


def test_a_blob_of_the_wrong_size_is_an_error(apart: Sides, own: DockerRegistry) -> None:
    """docker-registry keeps a damaged file when its content is sent again."""
    one = _both(apart, images.image("short"))
    lost = one.blobs[1]
    path = own.blob_path(lost.digest)
    path.write_bytes(lost.data[:-1])
    result = sync(**apart.options(integrity="blobs", referrers="never"))
    assert result["failed"] and lost.digest in result["msg"] and "damaged" in result["msg"], result
    assert result["reason"] == "failed"
