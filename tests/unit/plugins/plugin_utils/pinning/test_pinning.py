# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.pinning.pinning import (
    image_refs,
    pin_images,
)

D1, D2, D3 = (f"sha256:{digit * 64}" for digit in "123")
MIRROR = "registry.example.com/mirror"
NGINX, REDIS = f"{MIRROR}/library/nginx@{D1}", f"{MIRROR}/library/redis@{D2}"
IDS = {"docker.io/library/nginx:1.27": NGINX, "docker.io/library/redis:latest": REDIS}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx:1.27", NGINX),
        ("library/nginx:1.27", NGINX),
        ("docker.io/nginx:1.27", NGINX),
        ("docker.io/library/nginx:1.27", NGINX),
        ("index.docker.io/library/nginx:1.27", NGINX),
        ("docker://docker.io/library/nginx:1.27", NGINX),
        (" nginx:1.27\n", NGINX),
        ("redis", REDIS),
        ("redis:latest", REDIS),
        # by digest: of the same content
        (f"nginx@{D1}", NGINX),
        (f"nginx:1.27@{D1}", NGINX),
        (f"nginx:1.26@{D1}", NGINX),
        (NGINX, NGINX),
        # what isn't known
        ("nginx", None),
        ("nginx:1.28", None),
        (f"nginx:1.27@{D2}", None),
        (f"nginx@{D2}", None),
        ("quay.io/library/nginx:1.27", None),
        (f"{MIRROR}/library/nginx:1.27", None),
        (f"{MIRROR}/library/nginx@{D3}", None),
        # what is no reference
        ("", None),
        ("  ", None),
        ("{{ image }}", None),
        ("$IMAGE", None),
        ("${REGISTRY:-docker.io}/library/nginx:1.27", None),
        ("nginx:${TAG:-1.27}", None),
        ("NGINX:1.27", None),
        ("nginx:", None),
        ("https://registry.example.com/nginx:1.27", None),
        (True, None),
        (1.27, None),
        (27, None),
    ],
)
def test_text(text: Any, expected: str | None) -> None:
    """Known: its id; else it stays, or is refused, with the place where it is."""
    data = {"spec": {"containers": [{"name": "web", "image": text}]}}
    pinned = {"spec": {"containers": [{"name": "web", "image": expected or text}]}}
    assert pin_images(data, IDS) == pinned
    if expected:
        assert pin_images(data, IDS, "error") == pinned
    else:
        with pytest.raises(InvalidInput, match=r"pinned: spec\.containers\[0\]\.image: "):
            pin_images(data, IDS, "error")


def test_what_is_pinned_may_keep_its_tag_nowhere_but_in_fields() -> None:
    assert pin_images({"image": f"{MIRROR}/library/nginx:1.27@{D1}"}, IDS) == {"image": NGINX}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"repository": "nginx", "tag": "1.27"},
            {"repository": f"{MIRROR}/library/nginx", "tag": "1.27", "digest": D1},
        ),
        (
            {"registry": "docker.io", "repository": "nginx", "tag": "1.27", "pullPolicy": "Always"},
            {
                "registry": "registry.example.com",
                "repository": "mirror/library/nginx",
                "tag": "1.27",
                "pullPolicy": "Always",
                "digest": D1,
            },
        ),
        (
            {"digest": "", "tag": "1.27", "registry": "", "repository": "library/nginx"},
            {
                "digest": D1,
                "tag": "1.27",
                "registry": "registry.example.com",
                "repository": "mirror/library/nginx",
            },
        ),
        (
            {"registry": None, "repository": "docker.io/redis", "tag": "latest", "digest": None},
            {
                "registry": "registry.example.com",
                "repository": "mirror/library/redis",
                "tag": "latest",
                "digest": D2,
            },
        ),
        (
            {"repository": "nginx", "digest": D1},
            {"repository": f"{MIRROR}/library/nginx", "digest": D1},
        ),
        (
            {"repository": "nginx", "tag": "", "digest": D1},
            {"repository": f"{MIRROR}/library/nginx", "tag": "", "digest": D1},
        ),
        (  # ingress-nginx
            {"registry": "docker.io", "image": "library/nginx", "tag": "1.27", "digest": D1},
            {
                "registry": "registry.example.com",
                "image": "mirror/library/nginx",
                "tag": "1.27",
                "digest": D1,
            },
        ),
        ({"registry": "docker.io", "image": "nginx:1.27", "tag": ""}, {"image": NGINX}),
        # text, though beside a tag: there is no registry
        ({"image": "nginx:1.27", "tag": "2"}, {"image": NGINX}),
    ],
)
def test_split(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Pinned in place, what stays keeps its order; twice is once."""
    expected = {**fields, **expected}
    pinned = pin_images({"web": fields}, IDS, "error")
    assert pinned == {"web": expected}
    assert list(pinned["web"]) == list(expected)
    assert pin_images(pinned, IDS, "error") == pinned


def test_split_of_the_place_that_it_is_at_stays_as_it_is_written() -> None:
    data = {"repository": "nginx", "tag": "1.27"}
    ids = {"nginx:1.27": f"docker.io/library/nginx@{D1}"}
    assert pin_images(data, ids) == {**data, "digest": D1}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"repository": "nginx", "tag": ""}, "the chart chooses one"),
        ({"repository": "nginx", "tag": None, "digest": ""}, "the chart chooses one"),
        ({"repository": "nginx", "tag": "{{ .Chart.AppVersion }}"}, "is not a tag"),
        ({"repository": "nginx:1.27", "tag": ""}, "has a tag or a digest itself"),
        ({"repository": "https://charts.example.com/x", "tag": "1"}, "without a scheme"),
        ({"repository": "", "tag": "1"}, "it is empty"),
        ({"repository": "nginx", "tag": True}, "true or false"),
        ({"repository": "nginx", "tag": ["1.27"]}, "is not a tag"),
        ({"repository": "nginx", "tag": "1.27", "digest": "1" * 64}, "not a digest"),
        ({"registry": {}, "repository": "nginx", "tag": 8}, "docker.io/library/nginx:8 is not in"),
        ({"registry": ["a"], "repository": "nginx", "tag": 8}, "invalid image reference"),
    ],
)
def test_split_that_is_not_known(fields: dict[str, Any], why: str) -> None:
    assert pin_images({"web": fields}, IDS) == {"web": fields}
    with pytest.raises(InvalidInput, match=r"pinned: web: ") as raised:
        pin_images({"web": fields}, IDS, "error")
    assert why in str(raised.value)


def test_a_tag_that_yaml_made_a_number_of() -> None:
    """An integer says what was written, a number with a point may not."""
    ids = {"redis:7": REDIS}
    assert pin_images({"repository": "redis", "tag": 7}, ids)["digest"] == D2
    assert image_refs({"repository": "redis", "tag": 7}) == ["docker.io/library/redis:7"]
    for call in (image_refs, lambda data: pin_images(data, ids)):
        with pytest.raises(InvalidInput, match=r"^a\.image: its tag is the number 1\.2: .*quotes"):
            call({"a": {"image": {"repository": "nginx", "tag": 1.20}}})


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        [None],
        ["nginx:1.27"],
        {"image": None},
        {"image": {}},
        {"image": {"repository": "nginx"}},
        {"image": {"tag": "1.27"}},
        {"name": "nginx:1.27", "images": ["nginx:1.27"], "reference": "nginx:1.27"},
        {"volumes": [{"reference": "nginx:1.27"}]},
        {"repository": None, "tag": "1"},
        {1: {True: ["image", "nginx:1.27"]}},
    ],
)
def test_what_is_no_image(data: Any) -> None:
    assert image_refs(data) == []
    assert pin_images(data, IDS, "error") == data


def test_where_images_are() -> None:
    """Pods and their templates at any depth, volumes, custom resources, Compose files, lists."""
    pod = {
        "initContainers": [{"image": "a:1"}],
        "containers": [{"image": "b:1"}, {"image": "a:1"}],
        "ephemeralContainers": [{"image": "c:1"}],
        "volumes": [{"name": "v", "image": {"reference": "d:1", "pullPolicy": "Always"}}],
    }
    cron = {"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}
    compose = {"services": {"web": {"image": "e:1"}, "db": {"build": ".", "image": None}}}
    custom = {"kind": "App", "spec": {"baseImage": "f:1", "sidecars": ["g:1", {"image": "h:1"}]}}
    data = [None, {"kind": "List", "items": [cron, compose]}, custom]
    found = [f"docker.io/library/{name}:1" for name in "abcdeh"]
    assert image_refs(data) == found
    assert image_refs(iter(data)) == found
    more = ["f", "g", "h"]
    assert image_refs(data, ["baseImage", "sidecars"])[5:] == [
        f"docker.io/library/{name}:1" for name in more
    ]
    assert image_refs(custom, "baseImage")[0] == "docker.io/library/f:1"

    names = "abcdefgh"
    ids = {f"{name}:1": f"{MIRROR}/{name}@{D1}" for name in names}
    pinned = pin_images(data, ids, "error", ["baseImage", "sidecars"])
    assert sorted(image_refs(pinned, ["baseImage", "sidecars"])) == sorted(ids.values())
    assert pinned[1]["items"][0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"] == [
        {"name": "v", "image": {"reference": f"{MIRROR}/d@{D1}", "pullPolicy": "Always"}}
    ]


def test_refs_are_in_full_form() -> None:
    data = [
        {"image": "nginx"},
        {"image": f"nginx:1.27@{D1}"},
        {"image": f"quay.io/a/b@{D1}"},
        {"registry": "quay.io", "repository": "a/b", "tag": "1", "digest": D2},
        {"image": "nginx:latest"},
        {"image": "oci:/srv/bundle:nginx"},
    ]
    assert image_refs(data) == [
        "docker.io/library/nginx:latest",
        f"docker.io/library/nginx:1.27@{D1}",
        f"quay.io/a/b@{D1}",
        f"quay.io/a/b:1@{D2}",
    ]


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ("image: nginx", ""),
        ("", ""),
        (b"image: nginx", ""),
        (7, ""),
        (["kind: Pod\nspec:\n"], "[0]: "),
        ([{}, "---\nimage: nginx"], "[1]: "),
    ],
)
def test_what_is_no_data(data: Any, where: str) -> None:
    for call in (image_refs, lambda data: pin_images(data, IDS)):
        with pytest.raises(InvalidInput, match="from_yaml_all") as raised:
            call(data)
        assert str(raised.value).startswith(f"{where}images are looked for in data")


def test_data_without_end() -> None:
    loop: dict[str, Any] = {"image": "nginx"}
    loop["self"] = [loop, loop]
    with pytest.raises(InvalidInput, match=r"nested .* or in itself, at self\[0\]\.self"):
        image_refs(loop)


def test_aliases_of_aliases() -> None:
    """Ten billion images, if each were looked at."""
    data: Any = {"image": "nginx:1.27"}
    for _unused in range(10):
        data = [data] * 10
    assert image_refs(data) == ["docker.io/library/nginx:1.27"]
    pinned = pin_images(data, IDS)
    for _unused in range(10):
        pinned = pinned[-1]
    assert pinned == {"image": NGINX}


def test_all_that_is_missing_is_told() -> None:
    data = [{"a.b/c": {"image": "x:1"}}, {"image": "y"}, {"image": "nginx:1.27"}]
    with pytest.raises(InvalidInput) as raised:
        pin_images(data, IDS, "error")
    assert str(raised.value) == (
        "images that can't be pinned: [0]['a.b/c'].image: docker.io/library/x:1 is not in ids; "
        "[1].image: docker.io/library/y:latest is not in ids"
    )
    with pytest.raises(InvalidInput, match=r"; and 5 more$"):
        pin_images([{"image": f"x:{number}"} for number in range(25)], IDS, "error")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"missing": "fail"}, "missing must be one of keep, error, not 'fail'"),
        ({"missing": None}, "missing must be one of"),
        ({"keys": 7}, "keys must be a list of text, not a number"),
        ({"keys": [7]}, "7 in it is none"),
        ({"keys": {"a": 1}}, "not a mapping"),
    ],
)
def test_wrong_options(options: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        pin_images({}, IDS, **options)
    assert words in str(raised.value)


#: names with which references, known ones too, come about often
REFERENCES = st.sampled_from(
    [
        *("nginx:1.27", "nginx", f"nginx@{D1}", f"nginx:1.27@{D1}", f"nginx:1.27@{D2}", "redis"),
        *("docker.io/library/redis:latest", NGINX, f"{MIRROR}/library/nginx:1.27", "x/y:1", "{{"),
    ]
)
TEXTS = REFERENCES | st.sampled_from(["", "1.27", "latest", D1, D2, "docker.io", "quay.io", MIRROR])
SCALARS = TEXTS | st.none() | st.booleans() | st.integers()
KEYS = st.sampled_from(["image", "registry", "repository", "tag", "digest", "reference", "own"])
DATA = st.recursive(
    st.dictionaries(KEYS, SCALARS, max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner | SCALARS, max_size=4),
    max_leaves=12,
)


def leaves(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All that isn't a mapping or a list, and of these their keys."""
    if isinstance(data, (dict, list)):
        inside = list(data.items()) if isinstance(data, dict) else list(enumerate(data))
        yield (path, [key for key, _value in inside if key != "digest"])
        for key, value in inside:
            yield from leaves(value, (*path, key))
    else:
        yield (path, data)


@given(DATA, st.sampled_from([(), ("own",), ("reference", "repository")]))
def test_laws(data: Any, keys: tuple[str, ...]) -> None:
    before = copy.deepcopy(data)
    pinned = pin_images(data, IDS, "keep", keys)
    assert data == before and repr(data) == repr(before)
    assert pin_images(pinned, IDS, "keep", keys) == pinned

    refs, after = image_refs(data, keys), image_refs(pinned, keys)
    assert len(set(refs)) == len(refs)
    # what is new are ids; in fields they keep their tags
    assert {re.sub(":[^:@/]+@", "@", ref) for ref in set(after) - set(refs)} <= {NGINX, REDIS}
    # what isn't known is still there, and keys stay in their order
    untouched = {ref for ref in refs if "nginx" not in ref and "redis" not in ref}
    assert untouched <= set(after)
    old, new = dict(leaves(data)), dict(leaves(pinned))
    assert old.keys() <= new.keys()
    for path, value in old.items():
        if isinstance(value, list):
            assert new[path] == value
        elif new[path] != value:
            assert "registry.example.com" in new[path] or path[-1] in (
                "registry",
                "repository",
                "image",
                "digest",
            )


@given(DATA)
def test_nothing_known_changes_nothing(data: Any) -> None:
    pinned = pin_images(data, {})
    assert pinned == data and repr(pinned) == repr(data)
