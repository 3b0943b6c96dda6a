# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``backup_tag``: what a tag named before it is moved is kept under another tag.

One manifest is read and written again by its own bytes, before the tag moves; no blob. Nothing
else may be written to, or read from, the tags that are used for it: a backup of a backup, or one
of what is being brought back, would lose on the next run what it is to keep.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ..model.errors import Cancelled, ImageSyncError, InvalidInput, NothingLeft, RegistryError
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..stores.base import Repository
from .declared import Declared
from .image import Image

Store = Callable[[Repository, Manifest, str], None]


def check_backups(declared: Iterable[Declared], elsewhere: Iterable[Reference] = ()) -> None:
    """Raises InvalidInput where a backup would go to a tag that is used for something else.

    ``elsewhere``: other destinations that must not be written to.
    """
    images = list(declared)
    if not any(image.backup_tag for image in images):
        return
    places = {(i.destination.name, i.destination.tag): i.destination for i in images}
    places.update({(one.name, one.tag): one for one in elsewhere if one.tag})
    sources = {(i.source.name, i.source.tag) for i in images if i.source and not i.source.digest}
    backups: dict[tuple[str, str | None], Reference] = {}
    for image in images:
        backup = image.backup
        if backup is None:
            continue
        key = (backup.name, backup.tag)
        what = f"backup_tag keeps what {image.destination} named before as {backup}"
        if key in places:
            same = places[key] == image.destination
            other = "that is itself" if same else "another image is declared for that"
            raise InvalidInput(f"{what}, and {other}")
        if key in sources:
            raise InvalidInput(
                f"{what}, and that is the source of another image: bring it back without "
                "backup_tag, else each run would swap the two"
            )
        if backups.setdefault(key, image.destination) != image.destination:
            raise InvalidInput(
                f"{what}, and so is what {backups[key]} named: put {{tag}} into backup_tag"
            )


def backup_of(image: Image) -> Reference | None:
    """Where the old image goes when this one's tag is moved; None where nothing is to be kept."""
    previous, top = image.previous, image.top
    if image.tag is None or previous is None or top is None or previous.digest == top.digest:
        return None
    return image.declared.backup


def keep_previous(image: Image, store: Store | None) -> None:
    """Keeps what the tag names; before the tag is written. Raises ImageSyncError.

    ``store`` writes a manifest; None in check mode, where it is only told.
    """
    backup, previous = backup_of(image), image.previous
    if backup is None or previous is None or backup.tag is None:
        return
    if store is not None:
        try:
            store(image.repository, image.repository.manifest(previous.digest), backup.tag)
        except (Cancelled, NothingLeft):
            raise
        except ImageSyncError as error:
            raise RegistryError(
                f"what it names now ({previous.digest}) couldn't be kept as {backup} "
                f"(backup_tag), so its tag wasn't moved: {error}"
            ) from error
    image.outcome.backup = str(backup)
