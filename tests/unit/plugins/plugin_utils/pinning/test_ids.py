# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.pinning.ids import read_ids

D1, D2, D3 = (f"sha256:{digit * 64}" for digit in "123")
HOME = "registry.example.com/mirror"


def find(ids: Any, text: str) -> str | None:
    """The id of a reference."""
    found = read_ids(ids).find(parse_reference(text).with_default_tag())
    return None if found is None else str(found)


def lock(*images: tuple[str, str, str], source_digest: str = "") -> dict[str, Any]:
    """A lock of destinations, their sources and digests."""
    return {
        "version": 1,
        "images": {
            destination: {
                "source": source,
                "source_digest": source_digest or digest,
                "digest": digest,
                "media_type": "application/vnd.oci.image.index.v1+json",
                "platforms": [],
            }
            for destination, source, digest in images
        },
    }


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("nginx:1", f"{HOME}/nginx@{D1}"),
        (f"{HOME}/nginx:1", f"{HOME}/nginx@{D1}"),
        (f"{HOME}/nginx:1@{D1}", f"{HOME}/nginx@{D1}"),
        (f"nginx:1@{D1}", f"{HOME}/nginx@{D1}"),
        # the whole image, of which the mirror has some platforms
        (f"nginx:1@{D3}", f"{HOME}/nginx@{D1}"),
        (f"nginx@{D3}", f"{HOME}/nginx@{D1}"),
        (f"nginx@{D2}", None),
        (f"{HOME}/nginx:2", None),
        (f"{HOME}/nginx@{D3}", None),
    ],
)
def test_a_lock(reference: str, expected: str | None) -> None:
    """Both its names of an image lead to the place where the image was put."""
    locked = lock((f"{HOME}/nginx:1", "docker.io/library/nginx:1", D1), source_digest=D3)
    assert find(locked, reference) == expected


def test_a_lock_in_a_chain_leads_to_where_it_is_already() -> None:
    near, far = "near.example.com/nginx", "far.example.com/nginx"
    locked = lock(
        (f"{near}:1", "docker.io/library/nginx:1", D1),
        (f"{far}:1", f"{near}:1", D1),
    )
    assert find(locked, f"{near}:1") == f"{near}@{D1}"
    assert find(locked, "nginx:1") == f"{near}@{D1}"


def test_a_source_at_several_places_is_for_the_user_to_decide() -> None:
    locked = lock(
        ("a.example.com/nginx:1", "docker.io/library/nginx:1", D1),
        ("b.example.com/nginx:1", "docker.io/library/nginx:1", D2),
    )
    with pytest.raises(InvalidInput, match=r"may be any of a\.example\.com.*b\.example\.com"):
        find(locked, "nginx:1")
    assert find(locked, f"nginx:1@{D2}") == f"b.example.com/nginx@{D2}"
    assert find(locked, "b.example.com/nginx:1") == f"b.example.com/nginx@{D2}"


def test_a_source_by_tag_and_digest() -> None:
    """As image_sync and the role name it then."""
    ids = {f"nginx:1@{D1}": f"{HOME}/nginx@{D2}"}
    for text in ("nginx:1", f"nginx:1@{D1}", f"nginx@{D1}", f"nginx:2@{D1}", f"nginx@{D2}"):
        assert find(ids, text) == f"{HOME}/nginx@{D2}", text
    assert find(ids, f"nginx:1@{D3}") is None
    # the tag by itself goes before
    both = {**ids, "nginx:1": f"{HOME}/other@{D3}"}
    assert find(both, "nginx:1") == f"{HOME}/other@{D3}"
    assert find(both, f"nginx:1@{D1}") == f"{HOME}/nginx@{D2}"


def test_an_id_leads_to_itself_first() -> None:
    ids = {"a:1": f"{HOME}/b@{D1}", f"{HOME}/b@{D1}": f"{HOME}/c@{D1}"}
    assert find(ids, "a:1") == find(ids, f"{HOME}/b@{D1}") == f"{HOME}/b@{D1}"


def test_short_forms_are_one() -> None:
    same = f"docker.io/library/nginx@{D1}"
    assert find({"nginx": f"nginx@{D1}", "docker.io/nginx:latest": same}, "nginx") == same
    with pytest.raises(InvalidInput, match=r"two ids for docker\.io/library/nginx:latest: "):
        read_ids({"nginx": same, "docker.io/nginx:latest": f"{HOME}/nginx@{D1}"})


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (None, "ids must be a dict of references and ids, as mirror_ids, or a lock, not empty"),
        ("mirror.lock", "not text ('mirror.lock'); of a lock file that is lookup("),
        ([{"source": "nginx"}], "not a list"),
        ({7: f"nginx@{D1}"}, "the key 7 must be an image reference"),
        ({"NGINX": f"nginx@{D1}"}, "a key must be an image reference: invalid image reference"),
        ({"": f"nginx@{D1}"}, "it is empty"),
        ({"nginx": None}, "what nginx leads to must be an id, not empty"),
        ({"nginx": D1}, "registry/repository@sha256:..., not 'sha256:"),
        ({"nginx": f"@{D1}"}, "must be an id: invalid"),
        ({"nginx": "nginx:1"}, "registry/repository@sha256:..., not 'nginx:1'"),
        ({"nginx": f"nginx:1@{D1}"}, "registry/repository@sha256:..., not"),
        ({"nginx": "nginx@sha256:123"}, "not a digest"),
        ({"version": 2, "images": {}}, "ids is no lock of this collection: its version is 2"),
        ({"version": 1, "images": {"x": {}}}, "ids is no lock of this collection: its entry 'x'"),
        ({"version": 1, "images": []}, "ids is no lock of this collection"),
    ],
)
def test_wrong_ids(ids: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_ids(ids)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


BUNDLE = "oci:/srv/bundle"


@pytest.mark.parametrize(
    ("key", "known"),
    [
        # as the role names the images of a bundle, and image_sync
        (f"{BUNDLE}:docker.io/library/nginx:1", ["nginx:1", f"nginx@{D1}", f"nginx:1@{D1}"]),
        ("docker-archive:/srv/k3s.tar:docker.io/library/nginx:1", ["nginx:1"]),
        (f"{BUNDLE}:docker.io/library/nginx@{D2}", [f"nginx@{D2}", f"nginx@{D1}"]),
        # other names stand for nothing that data could mean
        (f"{BUNDLE}:nginx:1", []),
        (f"{BUNDLE}:nginx", []),
        (BUNDLE, []),
        (f"{BUNDLE}@{D1}", []),
    ],
)
def test_what_came_from_a_bundle_goes_by_its_name_there(key: str, known: list[str]) -> None:
    ids = {key: f"{HOME}/nginx@{D1}"}
    locked = lock((f"{HOME}/nginx:1", key, D1))
    for text in ("nginx", "nginx:1", "nginx:2", f"nginx@{D1}", f"nginx@{D2}", f"nginx:1@{D1}"):
        expected = f"{HOME}/nginx@{D1}" if text in known else None
        if expected:
            assert find(ids, text) == find(locked, text) == expected, text
        elif not known:
            assert find(ids, text) is find(locked, text) is None, text
    assert find(locked, f"{HOME}/nginx:1") == f"{HOME}/nginx@{D1}"


def test_nothing_is_deployed_from_a_disk() -> None:
    for value in (f"{BUNDLE}@{D1}", f"oci-archive:/srv/b.tar@{D1}"):
        with pytest.raises(InvalidInput, match=r"what nginx:1 leads to is oci.*on disk"):
            read_ids({"nginx:1": value})
    with pytest.raises(InvalidInput, match=r"the lock's destination is oci:.*on disk"):
        read_ids(lock((f"{BUNDLE}:docker.io/library/nginx:1", "docker.io/library/nginx:1", D1)))
    with pytest.raises(InvalidInput, match="must be an id"):
        read_ids({"nginx:1": f"{BUNDLE}:nginx:1"})
