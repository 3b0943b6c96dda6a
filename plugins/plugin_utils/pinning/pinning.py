# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the filters do: pin the images in data, and list them."""

from __future__ import annotations

from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import kind, shown

from .documents import Found, copy
from .ids import Known, read_ids

_MISSING = ("keep", "error")
_PROBLEMS_SHOWN = 20


def pin_images(data: Any, ids: Any, missing: Any = "keep", keys: Any = ()) -> Any:
    """A copy of ``data`` in which each image that ``ids`` knows is its id.

    Raises InvalidInput: for ``ids`` that isn't what it should be, and with ``missing='error'`` for
    each image that isn't known.
    """
    if missing not in _MISSING:
        raise InvalidInput(f"missing must be one of {', '.join(_MISSING)}, not {shown(missing)}")
    pinning = _Pinning(read_ids(ids), missing == "error")
    pinned = copy(data, pinning.visit, keys)
    pinning.finish()
    return pinned


class _Pinning:
    """Gives images their ids, and gathers what can't be pinned."""

    def __init__(self, known: Known, strict: bool) -> None:
        self._known = known
        self._strict = strict
        self._problems: list[str] = []

    def visit(self, found: Found) -> Reference | None:
        """The id of an image, if there is one."""
        reference, problem = found.image
        try:
            image_id = self._known.find(reference) if reference is not None else None
        except InvalidInput as error:
            raise InvalidInput(f"{found.path}: {error}") from None
        if image_id is None and self._strict:
            self._problems.append(f"{found.path}: {problem or f'{reference} is not in ids'}")
        return image_id

    def finish(self) -> None:
        """Raises InvalidInput with all that was gathered."""
        more = len(self._problems) - _PROBLEMS_SHOWN
        if self._problems:
            told = "; ".join(self._problems[:_PROBLEMS_SHOWN])
            rest = f"; and {more} more" if more > 0 else ""
            raise InvalidInput(f"images that can't be pinned: {told}{rest}")


def image_refs(data: Any, keys: Any = ()) -> list[str]:
    """The images in ``data``, each once, in full form, in order of appearance."""
    found: dict[str, None] = {}

    def note(image: Found) -> None:
        if image.image.reference is not None:
            found[str(image.image.reference)] = None

    copy(data, note, keys)
    return list(found)


def reference_fields(text: Any) -> dict[str, Any]:
    """The parts of a reference in full form; raises InvalidInput."""
    if not isinstance(text, str):
        raise InvalidInput(f"an image reference is text, not {kind(text)}")
    reference = parse_reference(str(text)).with_default_tag()
    return {
        "transport": getattr(reference, "transport", "") or "docker",
        "registry": reference.registry or None,
        "repository": reference.repository,
        "tag": reference.tag or None,
        "digest": reference.digest or None,
        "name": reference.name,
    }
