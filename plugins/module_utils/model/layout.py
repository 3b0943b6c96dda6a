# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of an OCI image layout (image-spec, image-layout.md, "index.json")."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .descriptor import Descriptor, parse_descriptor
from .errors import InvalidContent, InvalidInput
from .manifest import OCI_INDEX
from .reference import parse_reference
from .strict_json import check_amount, check_keys, parse_object

#: image-layout.md, "oci-layout file"
MARKER = b'{"imageLayoutVersion":"1.0.0"}'
REF_NAME = "org.opencontainers.image.ref.name"
#: of a whole layout: it leaves out what is where this lock (its digest) came from
DELTA = "org.imagesync.bundle.base"
#: what containerd and docker save call an image; theirs has but its tag as REF_NAME
_CONTAINERD_NAME = "io.containerd.image.name"
_MOST_ENTRIES = 200_000
#: names in a message, and characters of one
_MOST_SHOWN, _LONGEST_SHOWN = 20, 300
_KEYS = ("schemaVersion", "mediaType", "manifests", "annotations")


class Entry(NamedTuple):
    """A descriptor in ``index.json``: as it stands there, parsed, and what its image is called.

    ``names``: the one to call it by first; none for what is there by its digest alone.
    """

    document: Mapping[str, Any]
    descriptor: Descriptor
    names: tuple[str, ...]

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """What it says, without all that may be said of it."""
        return self.descriptor.digest, self.names


class LayoutIndex:
    """What ``index.json`` says; never changed: those that change it make another one."""

    def __init__(
        self, entries: Iterable[Entry] = (), rest: Mapping[str, Any] | None = None
    ) -> None:
        """``rest``: all of the document but its entries."""
        self.entries = tuple(entries)
        self.rest = dict(rest or {"schemaVersion": 2, "mediaType": OCI_INDEX})
        self._named: defaultdict[str, list[Entry]] = defaultdict(list)
        self._called: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for name in entry.names:
                self._named[name].append(entry)
        self._raw: bytes | None = None
        #: media types by digest
        self.types = {e.descriptor.digest: e.descriptor.media_type for e in self.entries}

    @property
    def annotations(self) -> Mapping[str, Any]:
        """Those of the whole layout."""
        found = self.rest.get("annotations")
        return found if isinstance(found, dict) else {}

    def names(self) -> list[str]:
        """What the images are called, each name once."""
        return list(dict.fromkeys(entry.names[0] for entry in self.entries if entry.names))

    def find(self, name: str) -> list[Entry]:
        """The entries of this name, however it is written: ``busybox`` is one of Docker's."""
        if name in self._named:
            return self._named[name]
        if not self._called and self._named:
            for entry in self.entries:
                for full in {_full(one) for one in entry.names}:
                    self._called.setdefault(full, []).append(entry)
        return self._called.get(_full(name)) or []

    def one(self, name: str) -> Entry | None:
        """The entry of this name; raises InvalidContent where several say different things."""
        found = self.find(name)
        if len({entry.descriptor.digest for entry in found}) > 1:
            raise InvalidContent(f"index.json has {len(found)} images that are called {name}")
        return found[0] if found else None

    def with_entry(self, entry: Entry) -> LayoutIndex:
        """With this one, in the place of those that have its name."""
        if entry.descriptor.digest not in self.types and not any(map(self.find, entry.names)):
            return self._grown(entry)
        same = [e for e in self.entries if e.descriptor.digest == entry.descriptor.digest]
        if same and not entry.names:
            return self
        old = {id(one) for name in entry.names for one in self.find(name)}
        old.update(id(one) for one in same if not one.names)  # it has a name now
        return LayoutIndex([*(e for e in self.entries if id(e) not in old), entry], self.rest)

    def _grown(self, entry: Entry) -> LayoutIndex:
        """With one more entry, of which nothing is here: by far the most common change."""
        found = LayoutIndex((), self.rest)
        found.entries = (*self.entries, entry)
        found._named = self._named.copy()
        found._called = self._called.copy()
        for name in entry.names:
            found._named[name] = [entry]
            if found._called:
                found._called[_full(name)] = [entry]
        found.types = {**self.types, entry.descriptor.digest: entry.descriptor.media_type}
        return found

    def of(self, digest: str) -> list[Entry]:
        """The entries of this digest."""
        return [e for e in self.entries if e.descriptor.digest == digest]

    def without(self, keys: Collection[tuple[str, tuple[str, ...]]]) -> LayoutIndex:
        """Without the entries of these keys, see Entry."""
        kept = [e for e in self.entries if e.key not in keys]
        return self if len(kept) == len(self.entries) else LayoutIndex(kept, self.rest)

    def with_annotation(self, key: str, value: str | None) -> LayoutIndex:
        """With an annotation of the whole layout, or without it."""
        annotations = {k: v for k, v in self.annotations.items() if k != key}
        if value is not None:
            annotations[key] = value
        rest = {k: v for k, v in self.rest.items() if k != "annotations"}
        return LayoutIndex(
            self.entries, {**rest, "annotations": annotations} if annotations else rest
        )

    def raw(self) -> bytes:
        """The file's content: the same whatever the order in which the images came."""
        if self._raw is None:
            self._raw = self._to_json()
        return self._raw

    def _to_json(self) -> bytes:
        ordered = sorted(self.entries, key=lambda e: (not e.names, e.names, e.descriptor.digest))
        document = {**self.rest, "manifests": [dict(entry.document) for entry in ordered]}
        return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def parse_index(raw: bytes, where: str) -> LayoutIndex:
    """The index in the bytes of ``index.json``; raises InvalidContent."""
    check_amount(raw, where)
    document = parse_object(raw, where)
    check_keys(document, _KEYS, where)
    manifests = document.get("manifests")
    if not isinstance(manifests, list) or len(manifests) > _MOST_ENTRIES:
        raise InvalidContent(f"{where} has no list of manifests, or one without end")
    entries = [
        read_entry(value, f"{where}: manifests[{number}]") for number, value in enumerate(manifests)
    ]
    return LayoutIndex(entries, {k: v for k, v in document.items() if k != "manifests"})


def read_entry(value: Any, where: str) -> Entry:
    """One entry as it stands in the document; raises InvalidContent."""
    descriptor = parse_descriptor(value, where)
    annotations = value.get("annotations")
    names: dict[str, None] = {}
    for key in (_CONTAINERD_NAME, REF_NAME):
        name = annotations.get(key) if isinstance(annotations, dict) else None
        if isinstance(name, str) and name:
            names[name] = None
    return Entry(value, descriptor, tuple(names))


def entry_for(descriptor: Descriptor, name: str | None) -> Entry:
    """A new entry, for a manifest that is stored; without a name it is there by its digest."""
    document: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.artifact_type:
        document["artifactType"] = descriptor.artifact_type
    if name:
        document["annotations"] = {REF_NAME: name}
    return Entry(document, descriptor, (name,) if name else ())


def check_marker(raw: bytes, where: str) -> None:
    """Raises InvalidContent for an ``oci-layout`` that isn't of a version that we know."""
    version = parse_object(raw, where).get("imageLayoutVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise InvalidContent(f"{where} has the version {str(version)[:40]!r}, and not 1.0.0")


@lru_cache(maxsize=100_000)
def _full(name: str) -> str:
    return full_name(name)


def full_name(name: str) -> str:
    """A name that is a reference in full, as Docker reads it; others, such as tags, as they are."""
    if "/" not in name and ":" not in name:
        return name
    try:
        found = parse_reference(name)
    except InvalidInput:
        return name
    return name if found.transport else str(found.with_default_tag())


def shown_names(names: Sequence[str]) -> str:
    """Some of the names of images on disk, for a message: whoever wrote them may be hostile."""
    shown = ", ".join(
        name if name.isprintable() and len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]!r}"
        for name in names[:_MOST_SHOWN]
    )
    return shown + (" ..." if len(names) > _MOST_SHOWN else "")
