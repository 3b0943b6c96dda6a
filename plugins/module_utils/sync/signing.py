# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signing an image that is at its place, for ``image_sign``.

What is signed there already is kept: a signature under cosign's tag is a layer more, a bundle a
referrer more. Nobody can write such a tag on condition that it hasn't changed, so it is read again
afterwards, and written again where somebody else's write has undone it.
"""

from __future__ import annotations

import base64
import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..model.claims import (
    BUNDLE,
    PREDICATE,
    SIGN_PREDICATE,
    SIGNATURE,
    SIMPLE_SIGNING,
    Confirmed,
    make_bundle,
    signature_layers,
    simple_payload,
)
from ..model.cosign import with_config
from ..model.descriptor import Descriptor
from ..model.digest import algorithm_of, as_tag, digest_of
from ..model.errors import ImageSyncError, InvalidInput, NotFound, RegistryError
from ..model.manifest import OCI_MANIFEST, Manifest
from ..model.private_keys import SigningKey
from ..model.reference import Reference
from ..model.strict_json import to_json
from ..stores.base import Repository
from ..stores.places import Places
from ..transport.client import Network
from ..transport.settings import Settings
from .attached import merge_tag
from .attaching import add_to_list, config_of
from .reading import Opener
from .signatures import Signatures

FORMATS = ("tag", "referrer")
_CONFIG = "application/vnd.oci.image.config.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"
_NEVER = "0001-01-01T00:00:00Z"
#: how often a tag is written, when others write it at the same time
_TRIES = 5


class Order(NamedTuple):
    """What is to be signed, with what, and in which of the ``FORMATS``."""

    reference: Reference
    key: SigningKey
    form: str
    annotations: Mapping[str, str]


def sign(order: Order, settings: Settings, check_mode: bool) -> dict[str, Any]:
    """The fields of the result. Raises ImageSyncError."""
    network = Network(settings)
    reference, places = order.reference, Places(network)
    try:
        repository = places.repository(reference, write=not check_mode)
        result = _sign(order, repository, check_mode)
        for _place, error in places.finish():
            raise error
    except ImageSyncError as error:
        error.args = (network.scrub(f"{reference}: {error}"),)
        raise
    finally:
        network.pace.cancel()
        places.close()
        network.close()
    requests = dict(sorted(network.requests.items()))
    credentials = dict(sorted(network.keychain.kinds.items()))
    return {
        **result,
        "requests": requests,
        "credentials": credentials,
        "warnings": network.warnings(),
    }


def _sign(order: Order, repository: Repository, check_mode: bool) -> dict[str, Any]:
    try:
        image = repository.manifest(order.reference.pointer)
    except NotFound:
        raise NotFound("it isn't there, so that it can't be signed", 404) from None
    if algorithm_of(image.digest) != "sha256":
        raise InvalidInput("images are signed by their sha256 digest")
    layout = (_Tagged if order.form == "tag" else _Referring)(order, repository, image)
    found = layout.find()
    result = {
        "changed": found is None,
        "image": str(order.reference),
        "id": order.reference.at(image.digest),
        "digest": image.digest,
        "fingerprint": order.key.public.fingerprint,
        **layout.fields(),
    }
    if found is not None:
        result["signature_digest"] = found.holder
    elif not check_mode:
        result["signature_digest"] = layout.add()
    return result


class _Layout(ABC):
    """One way to keep a signature of an image beside it."""

    def __init__(self, order: Order, repository: Repository, image: Manifest) -> None:
        self._order, self._repository, self._image = order, repository, image
        self._tag = as_tag(image.digest) + ".sig"

    def find(self) -> Confirmed | None:
        """A valid signature by the key, which has the annotations."""
        key = self._order.key.public
        signatures = Signatures(self._repository, self._image.digest)
        look = signatures.under_tag if self._order.form == "tag" else signatures.by_referrer
        fitting = (one for one in look([key]) if one.has(self._order.annotations))
        return next(fitting, None)

    @abstractmethod
    def add(self) -> str:
        """Signs; the digest of the manifest that has the signature."""

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """What the result says of this layout."""

    def _store(self, blob: Descriptor) -> None:
        """Writes a blob that its descriptor carries."""
        self._repository.write_blob(blob, Opener(None, blob).open, None)


class _Tagged(_Layout):
    """Cosign's tag: a manifest with a layer for each signature."""

    def add(self) -> str:
        """See _Layout."""
        repository, order = self._repository, self._order
        payload = simple_payload(repository.name, self._image.digest, order.annotations)
        written = base64.b64encode(order.key.sign(payload)).decode()
        layer = _blob(SIMPLE_SIGNING, payload)
        config = _blob(_CONFIG, _config(layer.digest))
        entry = {**_entry(layer), "annotations": {SIGNATURE: written}}
        new = _manifest(config=_entry(config), layers=[entry])
        for _try in range(_TRIES):
            self._write(new, config, layer)
            kept = repository.manifest(self._tag)
            if any(text == written for _layer, text in signature_layers(kept)):
                return kept.digest
        raise RegistryError(
            f"the tag {self._tag} is being changed by others: {_TRIES} times what was written was "
            "gone at once"
        )

    def fields(self) -> dict[str, str]:
        """See _Layout."""
        return {"signature_tag": self._tag}

    def _write(self, new: Manifest, config: Descriptor, layer: Descriptor) -> None:
        """Adds the layer of ``new`` to what the tag names now."""
        repository, tag = self._repository, self._tag
        try:
            old = repository.manifest(tag)
        except NotFound:
            merged: Manifest | None = new
        else:
            merged = merge_tag(repository, tag, old, new)
            if merged is not None and merged is not new:
                olds, news = (old, config_of(repository, old)), (new, config.data or b"")
                merged = with_config(merged, olds, news)
        if merged is None:
            return
        for blob in (layer, config if merged is new else merged.config):
            if blob is not None and blob.data is not None:
                self._store(blob)
        repository.write_manifest(merged, tag)


class _Referring(_Layout):
    """A sigstore bundle in a manifest of its own, whose subject is the image."""

    def add(self) -> str:
        """See _Layout."""
        order, image = self._order, self._image
        empty = _blob(_EMPTY, b"{}")
        bundle = _blob(BUNDLE, make_bundle(image.digest, order.annotations, order.key))
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        manifest = _manifest(
            artifactType=BUNDLE,
            config=_entry(empty),
            layers=[_entry(bundle)],
            subject={
                "mediaType": image.media_type,
                "digest": image.digest,
                "size": len(image.raw),
            },
            annotations={
                "dev.sigstore.bundle.content": "dsse-envelope",
                PREDICATE: SIGN_PREDICATE,
                "org.opencontainers.image.created": now.isoformat().replace("+00:00", "Z"),
            },
        )
        for blob in (empty, bundle):
            self._store(blob)
        if not self._repository.write_manifest(manifest, None):
            add_to_list(self._repository, image.digest, [manifest])
        return manifest.digest

    def fields(self) -> dict[str, str]:
        """See _Layout."""
        return {}


def _config(layer: str) -> bytes:
    """The config beside one layer, as cosign writes it."""
    document = {
        "architecture": "",
        "created": _NEVER,
        "history": [{"created": _NEVER}],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "config": {},
    }
    return to_json(document)


def _blob(media_type: str, content: bytes) -> Descriptor:
    return Descriptor(media_type, digest_of(content), len(content), data=content)


def _entry(blob: Descriptor) -> dict[str, Any]:
    """How a manifest names it."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def _manifest(**fields: Any) -> Manifest:
    return Manifest(
        to_json({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **fields}), OCI_MANIFEST
    )
