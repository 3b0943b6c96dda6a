# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an image's destination is to name: what its source names, or some platforms of that."""

from __future__ import annotations

from ..model.config import ImageConfig
from ..model.errors import InvalidContent, InvalidInput, NotFound, RegistryError
from ..model.lock import is_for
from ..model.manifest import Manifest
from ..model.platforms import choose
from ..model.reference import Reference
from ..model.subset import Subset, lacks, subset
from ..stores.base import Repository
from .image import Image
from .reading import config_of
from .resuming import staged_digest


def wanted_digest(image: Image) -> str:
    """The digest; by the way ``image.top`` is set where the manifest had to be read.

    Raises ImageSyncError, among them NotFound for a source that doesn't exist.
    """
    settled = image.declared.settled
    if settled is not None:
        return staged_digest(image, settled)
    if image.frozen:
        return _from_lock(image)
    if image.declared.platforms:
        return _in_lock(image) or _of_platforms(image, source_of(image)[0].pointer)
    digest = _source_digest(image)
    image.wants(digest)
    return digest


def read_wanted(image: Image, digest: str) -> Manifest:
    """The manifest of ``wanted_digest``, where that didn't have to read it."""
    source_digest = image.outcome.source_digest
    partly = image.frozen and image.declared.platforms and digest != source_digest
    if partly and _of_platforms(image, source_digest) != digest:
        raise InvalidContent(
            f"{image.declared.source}: these platforms of {source_digest} aren't {digest}, as the "
            "lock says"
        )
    return image.top or read_source(image, digest)


def source_of(image: Image) -> tuple[Reference, Repository]:
    """The source's reference and repository, which every image but an absent one has."""
    if image.declared.source is None or image.source is None:
        raise InvalidContent("this image has no source")
    return image.declared.source, image.source


def missing_source(image: Image, error: NotFound | None = None) -> RegistryError:
    """The error about a source that doesn't exist."""
    detail = f" ({error})" if error and error.codes else ""
    if image.source and image.declared.source and image.declared.source.transport:
        from ..model.layout import shown_names  # for layouts and archives alone

        names = image.source.tags()
        has = f"{image.source.name} has {shown_names(names)}"
        detail = f"; {has}" if names else "; nothing is there"
    return NotFound(f"the source {image.declared.source} doesn't exist{detail}", 404)


def read_source(image: Image, pointer: str) -> Manifest:
    """A manifest that the source has to have."""
    _reference, source = source_of(image)
    try:
        return source.manifest(pointer)
    except NotFound as error:
        raise missing_source(image, error) from None


def _source_digest(image: Image) -> str:
    """By HEAD, or by reading it where that is needed anyway."""
    reference, source = source_of(image)
    if reference.digest:
        return reference.digest
    if image.previous is None:
        image.top = read_source(image, reference.pointer)
        return image.top.digest
    found = source.resolve(reference.pointer)
    if found is None:
        raise missing_source(image)
    return found.digest


def _from_lock(image: Image) -> str:
    """Without asking the source."""
    locked, declared = image.locked, image.declared
    if locked is None:
        raise InvalidInput(f"{declared.source} isn't in the lock, and lock_mode is frozen")
    whole = not declared.platforms and locked.digest == locked.source_digest
    if not whole and not is_for(locked, declared.platforms, declared.platforms_missing == "skip"):
        raise InvalidInput(
            f"the lock has {declared.source} for {', '.join(locked.platforms) or 'no platform'}, "
            "other platforms are declared, and lock_mode is frozen"
        )
    image.wants(locked.source_digest)
    image.outcome.platforms = list(locked.platforms)
    return locked.digest


def _in_lock(image: Image) -> str:
    """What the lock has, if it still holds at both sides; "" if it doesn't."""
    locked, previous = image.locked, image.previous
    if not locked or not previous or previous.digest != locked.digest:
        return ""
    if not is_for(locked, image.declared.platforms):
        return ""
    if _source_digest(image) != locked.source_digest:
        return ""
    image.wants(locked.source_digest)
    image.outcome.platforms = list(locked.platforms)
    return locked.digest


def _of_platforms(image: Image, pointer: str) -> str:
    top = read_source(image, pointer)
    image.wants(top.digest)
    wanted = image.declared.platforms
    try:
        taken = subset(top, wanted) if top.is_index else _single(image, top)
    except InvalidContent as error:
        raise InvalidContent(f"{image.declared.source}: {error}") from None
    if taken.missing:
        words = lacks(taken.missing, top.platforms() or taken.platforms)
        if image.declared.platforms_missing != "skip":
            raise InvalidContent(f"{image.declared.source}: {words} (see platforms_missing)")
    image.outcome.platforms = taken.platforms
    if taken.child:
        return taken.child.digest
    image.top = taken.manifest or top
    if image.top.digest != top.digest:
        image.made = image.top
    return image.top.digest


def _single(image: Image, manifest: Manifest) -> Subset:
    """An image without an index serves the platform that its config names."""
    platform = _config(image, manifest).platform
    wanted = image.declared.platforms
    offered = [platform] if platform else []
    serves = [choose(one, offered) is not None for one in wanted]
    missing = [str(one) for one, good in zip(wanted, serves) if not good]
    if platform is None or not any(serves):
        raise InvalidContent(lacks(missing, [str(one) for one in offered]))
    return Subset([str(platform)], missing)


def _config(image: Image, manifest: Manifest) -> ImageConfig:
    _reference, source = source_of(image)
    found = config_of(source, manifest)
    if manifest.config is not None:
        image.config = (manifest.config.digest, found)
    return found
