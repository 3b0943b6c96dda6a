# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding the signatures of a digest in a repository, and those among them that are valid.

Cosign's tag first, then bundles by referrer. What is there and proves nothing is noted, so that
the message can say it; what couldn't be read is an error, unless enough was proven without it.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator
from typing import Callable

from ..model.claims import (
    BUNDLE,
    PREDICATE,
    SIGN_PREDICATE,
    Claim,
    Confirmed,
    bundle_claim,
    bundle_layer,
    confirm,
    signature_layers,
    simple_claim,
)
from ..model.descriptor import Descriptor
from ..model.digest import as_tag
from ..model.errors import Cancelled, ImageSyncError, InvalidContent, InvalidInput, NotFound
from ..model.keys import PublicKey, parse_public_key
from ..model.manifest import MEDIA_TYPES, Manifest
from ..stores.base import Repository
from .referrers import entries_of, read_list

#: of one digest and layout; more than anybody has, and what a registry can make us read
_MOST_SIGNATURES = 200
#: of each payload or bundle, and of all of a digest
_MOST_BYTES, _MOST_BYTES_IN_ALL = 4 << 20, 32 << 20
#: of those that a list has: attestations, and what may be a bundle
_MOST_REFERRERS = 1000
_MOST_KEY_BYTES = 64 << 10
#: what lists of referrers call a bundle; some clients name the type of its config there
_BUNDLE_ENTRIES = (BUNDLE, "application/vnd.oci.empty.v1+json", "")
#: what may be shown: a path of a common length, and nothing that could be a key without its lines
_LIKE_A_PATH = re.compile(r"[/~.][^\r\n]{0,500}|(?![A-Za-z0-9+/=_-]{40})[^\r\n]{1,128}")


def read_keys(written: Iterable[str]) -> dict[str, PublicKey]:
    """The public keys by how they are written: as PEM, or as the path of a file.

    Raises InvalidInput; what stands there never is in it, as it may be a private key.
    """
    found: dict[str, PublicKey] = {}
    for number, text in enumerate(dict.fromkeys(written)):
        inline = "-----BEGIN" in text
        # what isn't a path may be anything
        name = f"signed_by: key {number + 1}"
        if not inline and _LIKE_A_PATH.fullmatch(text):
            name = f"signed_by: {text}"
        try:
            found[text] = parse_public_key(text if inline else read_key_file(text))
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error}") from None
    return found


def read_key_file(path: str) -> str:
    """The text of a key's file; raises InvalidInput."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read(_MOST_KEY_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise InvalidInput(f"it is no PEM text, and no file that can be read: {reason}") from None
    if len(content) > _MOST_KEY_BYTES:
        raise InvalidInput("the file is too large for a key")
    return content.decode("utf-8", "replace")


class Signatures:
    """The signatures of one digest. ``problems``: what was found and proves nothing."""

    def __init__(self, repository: Repository, digest: str) -> None:
        self._repository, self._digest = repository, digest
        self._payloads: dict[str, bytes] = {}
        self._left = _MOST_BYTES_IN_ALL
        self.problems: list[str] = []
        self.errors: list[ImageSyncError] = []

    def valid(self, keys: Iterable[PublicKey]) -> Iterator[Confirmed]:
        """Each signature by one of these keys; asks for no more than is consumed."""
        keys = list(keys)
        for find in (self.under_tag, self.by_referrer):
            try:
                yield from find(keys)
            except Cancelled:
                raise
            except ImageSyncError as error:
                self.errors.append(error)

    def signers(self, keys: Iterable[PublicKey], each: bool = False) -> list[str]:
        """Fingerprints of those of the keys that signed it, in their order.

        Raises ImageSyncError where none did as far as can be known, and not all could be read;
        ``each``: also where that leaves open whether one of them did.
        """
        wanted = {key.fingerprint: key for key in keys}
        found: set[str] = set()
        for confirmed in self.valid(wanted.values()):
            found.update(key.fingerprint for key in confirmed.keys)
            if len(found) == len(wanted):
                break
        if self.errors and (len(found) < len(wanted) if each else not found):
            error = self.errors[0]
            error.args = (f"the signatures of {self._digest} can't be read: {error}",)
            raise error
        return [fingerprint for fingerprint in wanted if fingerprint in found]

    def under_tag(self, keys: list[PublicKey]) -> Iterator[Confirmed]:
        """Those that cosign keeps under a tag."""
        tag = as_tag(self._digest) + ".sig"
        try:
            manifest = self._repository.manifest(tag)
        except NotFound:
            self.problems.append(f"there is no tag {tag}")
            return
        layers = signature_layers(manifest)
        if not layers:
            self.problems.append(f"the tag {tag} names no signature")
        for number, (layer, written) in enumerate(layers):
            where = f"signature {number + 1} under {tag}"
            if number == _MOST_SIGNATURES:
                self.problems.append(f"no more than {number} of {len(layers)} were looked at")
                return
            claim = functools.partial(simple_claim, written=written)
            yield from self._confirmed(where, layer, keys, claim, manifest.digest)

    def by_referrer(self, keys: list[PublicKey]) -> Iterator[Confirmed]:
        """Those in sigstore bundles that refer to the digest."""
        count = 0
        for number, entry in enumerate(self._entries()):
            if count == _MOST_SIGNATURES or number == _MOST_REFERRERS:
                self.problems.append(f"no more than {number} referrers were looked at")
                return
            layer = self._bundle_of(entry)
            if layer is not None:
                count += 1
                where = f"the bundle {entry.digest}"
                yield from self._confirmed(where, layer, keys, bundle_claim, entry.digest)
        if not count:
            self.problems.append("no sigstore bundle refers to it")

    def _entries(self) -> list[Descriptor]:
        repository, digest = self._repository, self._digest
        listed = repository.listed_referrers(digest)
        if listed is None:
            index = read_list(repository, digest)
            listed = entries_of(index, repository, as_tag(digest)) if index else []
        unique = {entry.digest: entry for entry in listed}.values()
        wanted = [
            entry
            for entry in unique
            if entry.media_type in MEDIA_TYPES and entry.artifact_type in _BUNDLE_ENTRIES
        ]
        return sorted(wanted, key=lambda entry: _BUNDLE_ENTRIES.index(entry.artifact_type))

    def _bundle_of(self, entry: Descriptor) -> Descriptor | None:
        try:
            manifest: Manifest = self._repository.manifest(entry.digest)
        except (NotFound, InvalidContent) as error:
            self.problems.append(f"the referrer {entry.digest} can't be read ({error})")
            return None
        about = manifest.subject.digest if manifest.subject else ""
        layer = bundle_layer(manifest)
        if layer is not None and about != self._digest:
            self.problems.append(f"the bundle {entry.digest} doesn't refer to it")
        elif manifest.annotations.get(PREDICATE, SIGN_PREDICATE) == SIGN_PREDICATE:
            return layer
        # an attestation, of which an image may have one for each day
        return None

    def _confirmed(
        self,
        where: str,
        layer: Descriptor,
        keys: list[PublicKey],
        claim: Callable[[bytes], Claim],
        holder: str,
    ) -> Iterator[Confirmed]:
        """One signature, if it is valid."""
        try:
            found = confirm(claim(self._read(layer)), self._digest, keys)
        except (InvalidContent, NotFound) as error:
            self.problems.append(f"{where}: {error}")
        else:
            yield found._replace(holder=holder)

    def _read(self, layer: Descriptor) -> bytes:
        """A payload, each once: signatures of one image often share it."""
        if layer.data is not None:
            return layer.data
        if layer.size > _MOST_BYTES:
            raise InvalidContent(f"it is too large ({layer.size} bytes)")
        if layer.digest not in self._payloads:
            if layer.size > self._left:
                raise InvalidContent(f"with it, more than {_MOST_BYTES_IN_ALL >> 20} MiB were read")
            self._left -= layer.size
            self._payloads[layer.digest] = self._repository.read_blob(layer)
        return self._payloads[layer.digest]


def unsigned(place: str, fingerprints: Iterable[str], problems: Iterable[str]) -> InvalidContent:
    """The error about an image that none of the keys has signed."""
    said = list(problems)
    more = f"; and {len(said) - 6} more" if len(said) > 6 else ""
    return InvalidContent(
        f"{place} isn't signed by a key of signed_by ({', '.join(fingerprints)}): "
        f"{'; '.join(said[:6])}{more}"
    )
