# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.cosign import (
    merged,
    with_config,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    InvalidContent,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
)
from ansible_collections.imagesync.registry.tests.unit.support import descriptor

PAYLOAD = b"what is signed"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"


def layer(signer: str, content: bytes = PAYLOAD) -> dict[str, Any]:
    """Signatures of one payload differ by their annotations alone."""
    return descriptor(content, annotations={"signature": signer})


def config_of(layers: list[dict[str, Any]], **fields: Any) -> bytes:
    document = {
        "architecture": "",
        "history": [{"created": "0001-01-01T00:00:00Z"} for _unused in layers],
        "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]},
        **fields,
    }
    return json.dumps(document).encode()


def manifest_of(layers: list[dict[str, Any]], config: bytes, **fields: Any) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, mediaType=IMAGE_CONFIG),
        "layers": layers,
        **fields,
    }
    return Manifest(json.dumps(document).encode(), OCI_MANIFEST)


def signed(*signers: str, **fields: Any) -> Manifest:
    layers = [layer(signer) for signer in signers]
    return manifest_of(layers, config_of(layers), **fields)


def layers_of(manifest: Manifest) -> list[Any]:
    found: list[Any] = json.loads(manifest.raw)["layers"]
    return found


def signers_of(manifest: Manifest | None) -> list[str]:
    assert manifest is not None
    return [one["annotations"]["signature"] for one in layers_of(manifest)]


def config(manifest: Manifest) -> bytes:
    """Every config here is made of its manifest's layers."""
    return config_of(layers_of(manifest))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("a", "a", None),
        ("ab", "a", None),
        ("ba", "ab", None),
        ("", "", None),
        ("a", "ab", "source"),
        ("", "a", "source"),
        ("ba", "abc", "source"),
        ("m", "a", "ma"),
        ("ma", "ab", "mab"),
        ("mab", "bca", "mabc"),
    ],
)
def test_signatures_are_a_union(old: str, new: str, wanted: str | None) -> None:
    here, source = signed(*old), signed(*new)
    found = merged(here, source, True)
    if wanted is None:
        assert found is None
    elif wanted == "source":
        assert found is source
    else:
        assert signers_of(found) == list(wanted)


def test_an_sbom_is_replaced_unless_it_is_the_same() -> None:
    old, new = signed("a", "b"), signed("c")
    assert merged(old, new, False) is new
    assert merged(old, signed("a", "b"), False) is None


def test_annotations_of_both_stay_and_those_that_are_there_count() -> None:
    old = signed("m", annotations={"a": "old", "b": "old"})
    new = signed("s", annotations={"a": "new", "c": "new"})
    found = merged(old, new, True)
    assert found is not None
    assert found.annotations == {"a": "old", "b": "old", "c": "new"}


@pytest.mark.parametrize("turned", [False, True])
def test_an_index_has_no_signatures(turned: bool) -> None:
    index = Manifest(json.dumps({"schemaVersion": 2, "manifests": []}).encode(), OCI_INDEX)
    old, new = (signed("a"), index) if turned else (index, signed("a"))
    with pytest.raises(InvalidContent, match="manifest with signatures"):
        merged(old, new, True)


def test_the_config_lists_the_layers_as_cosign_does() -> None:
    old, new = signed("m"), manifest_of([layer("x", b"packed")], b"")
    theirs = json.loads(config_of([layer("x", b"packed")]))
    theirs["rootfs"]["diff_ids"] = [digest_of(b"unpacked")]
    union = merged(old, new, True)
    assert union is not None
    found = with_config(union, (old, config(old)), (new, json.dumps(theirs).encode()))
    assert found.config is not None and found.config.data is not None
    document = json.loads(found.config.data)
    assert document["rootfs"]["diff_ids"] == [digest_of(PAYLOAD), digest_of(b"unpacked")]
    assert len(document["history"]) == 2
    written = json.loads(found.raw)["config"]
    assert written == {
        "mediaType": IMAGE_CONFIG,
        "digest": digest_of(found.config.data),
        "size": len(found.config.data),
    }
    assert found.blobs[0] is found.config and signers_of(found) == ["m", "x"]


def test_without_the_sources_config_a_layer_is_its_own_content() -> None:
    old, new = signed("m"), signed("a")
    union = merged(old, new, True)
    assert union is not None
    found = with_config(union, (old, config(old)), (new, b""))
    assert found.config is not None and found.config.data is not None
    assert json.loads(found.config.data)["rootfs"]["diff_ids"] == [digest_of(PAYLOAD)] * 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"rootfs": []}',
        b'{"rootfs": {"diff_ids": {}}}',
        b'{"rootfs": {"diff_ids": []}}',
        b'{"rootfs": {"diff_ids": ["x"]}, "history": {}}',
        b"[" * 99999,
    ],
)
def test_a_config_of_another_kind_stays(raw: bytes) -> None:
    old, new = signed("m"), signed("a")
    union = merged(old, new, True)
    assert union is not None
    assert with_config(union, (old, raw), (new, config(new))) is union


def test_a_config_without_history_gets_none() -> None:
    layers = [layer("m")]
    raw = json.dumps({"rootfs": {"diff_ids": [digest_of(PAYLOAD)]}}).encode()
    old, new = manifest_of(layers, raw), signed("a")
    union = merged(old, new, True)
    assert union is not None
    found = with_config(union, (old, raw), (new, config(new)))
    assert found.config is not None and found.config.data is not None
    assert "history" not in json.loads(found.config.data)


def test_a_config_in_its_descriptor_leaves_it() -> None:
    raw = config_of([layer("m")])
    data = base64.b64encode(raw).decode()
    inline = descriptor(raw, mediaType=IMAGE_CONFIG, data=data)
    document = {**json.loads(signed("m").raw), "config": inline}
    old = Manifest(json.dumps(document).encode(), OCI_MANIFEST)
    union = merged(old, signed("a"), True)
    assert union is not None
    found = with_config(union, (old, raw), (signed("a"), config(signed("a"))))
    assert "data" not in json.loads(found.raw)["config"]


SIGNERS = st.lists(st.sampled_from("abcdefg"), unique=True, max_size=6)


def both(old: Manifest, new: Manifest) -> Manifest:
    """What the tag names afterwards."""
    found = merged(old, new, True)
    if found is None:
        return old
    if found is new:
        return new
    return with_config(found, (old, config(old)), (new, config(new)))


@given(SIGNERS, SIGNERS, SIGNERS)
def test_merging(old: list[str], new: list[str], third: list[str]) -> None:
    here, source = signed(*old), signed(*new)
    found = both(here, source)
    # nothing is lost, nothing twice
    assert sorted(signers_of(found)) == sorted({*old, *new})
    # then there is nothing more to do, and the bytes are the same every time
    assert merged(found, source, True) is None
    assert both(here, source).raw == found.raw
    # and as often as something new comes
    more = both(found, signed(*third))
    assert sorted(signers_of(more)) == sorted({*old, *new, *third})
    # the config can be merged again
    grown = more.config.data if more.config and more.config.data else config(more)
    assert len(json.loads(grown)["rootfs"]["diff_ids"]) == len(layers_of(more))
