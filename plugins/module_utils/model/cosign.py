# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cosign keeps under tags (cosign, specs/SIGNATURE_SPEC.md, "Storage").

``sha256-<hex>.sig`` and ``.att`` are manifests with one layer for each signature or attestation;
several signatures of one payload differ in nothing but the layer's annotations. Their config is
that of an image, which lists the layers again (``rootfs.diff_ids``, ``history``). ``.sbom`` has
one layer and no more: cosign refuses to read another number.
"""

from __future__ import annotations

import json
from typing import Any

from .descriptor import Descriptor
from .digest import digest_of
from .errors import InvalidContent
from .manifest import Manifest
from .strict_json import parse_object, to_json

#: ending of the tag, and whether what is there is a collection that grows
SUFFIXES = {".sig": True, ".att": True, ".sbom": False}
_ROOTFS = "rootfs"


def merged(old: Manifest, new: Manifest, growing: bool) -> Manifest | None:
    """What a tag that names ``old`` should name when ``new`` comes from the source.

    None: ``old`` may stay. ``new`` itself, where nothing is lost with ``old``, and where they
    aren't ``growing``: the source's SBOM takes the place of the old one, as with cosign. Else
    the layers of ``old`` with those that it lacks behind; its config is that of ``old`` still,
    see ``with_config``. Raises InvalidContent if one of them has no layers to compare.
    """
    if old.digest == new.digest:
        return None
    if not growing:
        return new
    documents = [_document(old), _document(new)]
    layers = [{_key(layer): layer for layer in document["layers"]} for document in documents]
    lacking = [layer for key, layer in layers[1].items() if key not in layers[0]]
    if not lacking:
        return None
    if layers[0].keys() <= layers[1].keys():
        return new
    document = dict(documents[0])
    document["layers"] = [*document["layers"], *lacking]
    annotations = {**new.annotations, **old.annotations}
    if annotations:
        document["annotations"] = annotations
    return Manifest(to_json(document), old.media_type)


def with_config(
    union: Manifest, old: tuple[Manifest, bytes], new: tuple[Manifest, bytes]
) -> Manifest:
    """``union`` with the config that its layers need; that descriptor holds the config's bytes.

    ``old`` and ``new`` are those that were merged, each with the content of its config. A config
    that doesn't list the layers stays as it is in ``old``.
    """
    config = _grown_config(union, old, new)
    if config is None or union.config is None:
        return union
    document = _document(union)
    descriptor = Descriptor(union.config.media_type, digest_of(config), len(config), data=config)
    own = {"digest": descriptor.digest, "size": descriptor.size}
    document["config"] = {**document["config"], **own}
    document["config"].pop("data", None)
    found = Manifest(to_json(document), union.media_type)
    found.config, found.blobs = descriptor, (descriptor, *found.blobs[1:])
    return found


def _grown_config(
    union: Manifest, old: tuple[Manifest, bytes], new: tuple[Manifest, bytes]
) -> bytes | None:
    """The config of ``old`` with the entries of the layers that were added."""
    config, other = _image_config(*old), _image_config(*new)
    if config is None:
        return None
    diff_ids = list(config[_ROOTFS]["diff_ids"])
    history = list(config.get("history") or [])
    known = {}
    if other:
        sources = _document(new[0])["layers"]
        known = dict(zip(map(_key, sources), other[_ROOTFS]["diff_ids"]))
    for layer in _document(union)["layers"][len(diff_ids) :]:
        # signatures aren't compressed: without better knowledge, the layer is its own content
        diff_ids.append(known.get(_key(layer), layer["digest"]))
        if history:
            history.append(history[0])
    config[_ROOTFS] = {**config[_ROOTFS], "diff_ids": diff_ids}
    if history:
        config["history"] = history
    return to_json(config)


def _image_config(manifest: Manifest, raw: bytes) -> dict[str, Any] | None:
    """A config that names every layer once, None if it is something else."""
    try:
        config = parse_object(raw, "the config")
    except InvalidContent:
        return None
    rootfs = config.get(_ROOTFS)
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    history = config.get("history")
    fits = isinstance(diff_ids, list) and len(diff_ids) == len(_document(manifest)["layers"])
    return config if fits and isinstance(history, (list, type(None))) else None


def _document(manifest: Manifest) -> dict[str, Any]:
    if manifest.is_index:
        raise InvalidContent(
            f"it should be a manifest with signatures, but is {manifest.media_type}"
        )
    document = parse_object(manifest.raw, "the manifest")
    return {**document, "layers": document.get("layers") or []}


def _key(layer: dict[str, Any]) -> str:
    """Two layers are the same when all that is said of them is."""
    return json.dumps(layer, sort_keys=True)
