# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock: which image is at each destination, as a document that Git can compare.

``{"version": 1, "images": {"<destination>": {"source", "source_digest", "digest", "media_type",
"platforms"}}}``, keys sorted, without times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .digest import digest_of, is_digest
from .errors import InvalidContent, InvalidInput
from .platforms import Platform, choose, parse_platform
from .reference import parse_reference
from .strict_json import is_text, parse_object

VERSION = 1


class Locked(NamedTuple):
    """One image: full references, the source's digest and the one at the destination.

    ``platforms``: those that it is for, where that is known.
    """

    source: str
    source_digest: str
    digest: str
    media_type: str
    platforms: tuple[str, ...] = ()


class Disputed(NamedTuple):
    """Destinations whose entries two runs have changed, each in its way.

    ``ours``: where it is now as we say; ``theirs``: where we took out what they have written.
    """

    ours: list[str]
    theirs: list[str]


class Lock:
    """Images by their destination (a full reference), and how they were at first."""

    def __init__(self, images: Mapping[str, Locked] | None = None) -> None:
        self.images = dict(images or {})
        self.before = dict(self.images)

    @property
    def changed(self) -> bool:
        """Whether an entry appeared, changed or went."""
        return self.images != self.before

    def rebase(self, now: Lock) -> Disputed:
        """Makes its changes in what the document is ``now``, and so keeps what others changed."""
        merged, disputed = dict(now.images), Disputed([], [])
        for destination in sorted({*self.before, *self.images}):
            old, own = self.before.get(destination), self.images.get(destination)
            other = now.images.get(destination)
            if own in (old, other):
                continue
            if own is None and other != old:  # what they put there isn't what we took away
                disputed.theirs.append(destination)
            elif own is None:
                merged.pop(destination)
            else:
                merged[destination] = own
                disputed.ours.extend([destination] if other != old else [])
        self.images, self.before = merged, dict(now.images)
        return disputed

    def references(self) -> Iterator[str]:
        """All that it names."""
        for destination, locked in self.images.items():
            yield from (destination, locked.source)

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return _document(self.images)

    def text(self) -> str:
        """As it is written: keys sorted, so that a change is a change of a few lines."""
        return _text(self.images)

    def digest(self) -> str:
        """Of its text: to tell one state of it from another."""
        return digest_of(self.text().encode())

    def text_before(self) -> str:
        """As it was; empty where there was nothing."""
        return _text(self.before) if self.before else ""


def _document(images: Mapping[str, Locked]) -> dict[str, Any]:
    found = {}
    for destination, locked in sorted(images.items()):
        found[destination] = {**locked._asdict(), "platforms": list(locked.platforms)}
    return {"version": VERSION, "images": found}


def _text(images: Mapping[str, Locked]) -> str:
    return json.dumps(_document(images), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_lock(raw: bytes, name: str) -> Lock:
    """The lock in a file's content; raises InvalidInput, which calls it ``name``."""
    try:
        document = parse_object(raw, name)
    except InvalidContent as error:
        raise InvalidInput(f"{error}; it was left alone") from None
    return parse_lock(document, name)


def parse_lock(document: Any, name: str) -> Lock:
    """The lock that ``document`` is; an empty mapping is an empty lock. Raises InvalidInput."""
    if not isinstance(document, Mapping):
        raise _foreign(name, "it is no mapping")
    if not document:
        return Lock()
    version, images = document.get("version"), document.get("images")
    if isinstance(version, bool) or version != VERSION:
        raise _foreign(name, f"its version is {_short(version)}, not {VERSION}")
    if set(document) != {"version", "images"} or not isinstance(images, Mapping):
        raise _foreign(name, "it has other keys than version and images")
    return Lock({str(key): _entry(key, value, name) for key, value in images.items()})


def _entry(destination: Any, value: Any, name: str) -> Locked:
    where = f"its entry {_short(destination)}"
    if not isinstance(value, Mapping) or set(value) != set(Locked._fields):
        raise _foreign(name, f"{where} has other keys than {', '.join(Locked._fields)}")
    for text in (destination, value["source"]):
        if not isinstance(text, str) or not _is_full(text, text is not destination):
            raise _foreign(name, f"{where}: {_short(text)} is no full image reference")
    for key in ("source_digest", "digest"):
        if not isinstance(value[key], str) or not is_digest(value[key]):
            raise _foreign(name, f"{where}: {key} is no digest")
    if parse_reference(destination).digest not in (None, value["digest"]):
        raise _foreign(name, f"{where} has another digest")
    platforms = value["platforms"]
    if not isinstance(platforms, list) or not all(isinstance(p, str) for p in platforms):
        raise _foreign(name, f"{where}: platforms is no list of text")
    if not isinstance(value["media_type"], str):
        raise _foreign(name, f"{where}: media_type is no text")
    if not is_text("".join((value["media_type"], *platforms))):
        raise _foreign(name, f"{where} has a text that isn't Unicode")
    # plain text: Ansible hands over texts with tags on them
    source, source_digest, digest, media_type = (str(value[key]) for key in Locked._fields[:-1])
    named = tuple(str(p) for p in platforms)
    return Locked(source, source_digest, digest, media_type, named)


def _is_full(text: str, source: bool) -> bool:
    """A source on disk may be the only image there, whatever its name."""
    try:
        found = parse_reference(text)
    except InvalidInput:
        return False
    named = found.tag or found.digest or (source and found.transport)
    return str(found) == text and bool(named)


def _short(value: Any) -> str:
    return repr(value)[:140]


def _foreign(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{name} is no lock of this collection: {why}; it was left alone")


def is_for(locked: Locked, wanted: Iterable[Platform], partly: bool = False) -> bool:
    """Whether a locked image is for just these platforms; ``partly``: or for some of them."""
    try:
        has = [parse_platform(text) for text in locked.platforms]
    except InvalidInput:
        return False
    numbers = [choose(platform, has) for platform in wanted]
    found = {has[number].full for number in numbers if number is not None}
    return bool(has) and (partly or None not in numbers) and found == {p.full for p in has}
