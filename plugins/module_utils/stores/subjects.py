# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the manifests in a layout's index refer to: each is read once."""

from __future__ import annotations

from typing import Callable

from ..model.descriptor import Descriptor
from ..model.errors import InvalidContent, NotFound
from ..model.layout import LayoutIndex
from ..model.manifest import MEDIA_TYPES, Manifest


class Subjects:
    """See the module. ``read`` gives a manifest by its digest."""

    def __init__(self, read: Callable[[str], Manifest]) -> None:
        self._read = read
        self._known: dict[str, str] = {}
        self._referring: tuple[LayoutIndex, dict[str, list[Descriptor]]] | None = None

    def of(self, descriptor: Descriptor) -> str:
        """What a manifest refers to; "" for nothing, or where it can't be read."""
        found = self._known.get(descriptor.digest)
        if found is None:
            found = ""
            if descriptor.media_type in MEDIA_TYPES:
                try:
                    subject = self._read(descriptor.digest).subject
                except (NotFound, InvalidContent):
                    subject = None
                found = subject.digest if subject else ""
            self._known[descriptor.digest] = found
        return found

    def referring(self, index: LayoutIndex, digest: str) -> list[Descriptor]:
        """What in the index refers to ``digest``."""
        known = self._referring
        if known is None or known[0] is not index:
            lists: dict[str, list[Descriptor]] = {}
            for entry in index.entries:
                lists.setdefault(self.of(entry.descriptor), []).append(entry.descriptor)
            known = self._referring = index, lists
        return known[1].get(digest, [])
