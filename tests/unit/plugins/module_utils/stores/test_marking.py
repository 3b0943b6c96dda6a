# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidContent
from ansible_collections.imagesync.registry.plugins.module_utils.model.layout import parse_index
from ansible_collections.imagesync.registry.plugins.module_utils.model.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.files import FolderFiles
from ansible_collections.imagesync.registry.plugins.module_utils.stores.marking import used

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


class Layout:
    """Blobs in a folder, and what is used of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs" / "sha256"
        self.folder.mkdir(parents=True)
        self.files = FolderFiles(str(folder))

    def put(self, content: Any, media_type: str = LAYER) -> dict[str, Any]:
        raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        name = hashlib.sha256(raw).hexdigest()
        (self.folder / name).write_bytes(raw)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(raw)}

    def image(self, *layers: dict[str, Any], **more: Any) -> dict[str, Any]:
        config = self.put({"layers": len(layers), **more}, CONFIG)
        return self.put({"config": config, "layers": layers, **more}, OCI_MANIFEST)

    def used(self, *entries: dict[str, Any]) -> set[str]:
        raw = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        return used(self.files, parse_index(raw, "index.json"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_a_manifest_that_is_called_a_layer_elsewhere_keeps_what_it_names(layout: Layout) -> None:
    layer = layout.put("layer")
    image = layout.image(layer)
    other = layout.image({**image, "mediaType": LAYER})
    for entries in ((image, other), (other, image)):
        assert layer["digest"] in layout.used(*entries)


@pytest.mark.parametrize(
    "media_type", [SCHEMA1, "application/vnd.acme.bundle.v1+json", OCI_MANIFEST.upper(), ""]
)
def test_what_stands_where_manifests_do_keeps_what_it_names_whatever_it_is(
    layout: Layout, media_type: str
) -> None:
    inner, image = layout.put("inner"), layout.image(layout.put("layer"))
    content: dict[str, Any] = {
        "fsLayers": [{"blobSum": inner["digest"]}],
        "things": {"deep": [image]},
    }
    if media_type.lower() == OCI_MANIFEST:
        content = {"layers": [inner, image]}
    odd = layout.put(content, media_type)
    below = layout.put({"manifests": [odd]}, OCI_INDEX)

    for entry in (odd, below):
        found = layout.used(entry)
        assert {inner["digest"], image["digest"]} < found
        assert layout.used(image) < found


def test_what_only_speaks_of_others_does_not_keep_them(layout: Layout) -> None:
    """Else no image could be removed that another one was built upon."""
    base = layout.image(layout.put("base"))
    about = {"annotations": {"org.opencontainers.image.base.digest": base["digest"]}}
    statement = layout.put({"subject": [base], "materials": base["digest"]}, "application/in-toto")
    image = layout.image(statement, subject=base, **about)
    odd = layout.put({"subject": base, **about}, "application/vnd.acme.bundle.v1+json")

    found = layout.used(image, {**odd, **about})

    assert statement["digest"] in found
    assert base["digest"] not in found


def test_a_manifest_that_can_not_be_read_leaves_it_unsure(layout: Layout) -> None:
    broken = layout.put("{", OCI_MANIFEST)
    with pytest.raises(InvalidContent, match=broken["digest"].partition(":")[2]):
        layout.used(layout.put({"manifests": [broken]}, OCI_INDEX))
    # what is no manifest by its type may be anything, and what is absent leads nowhere
    gone = {**broken, "digest": f"sha256:{1:064x}"}
    assert len(layout.used({**broken, "mediaType": "text/css"}, gone)) == 2
