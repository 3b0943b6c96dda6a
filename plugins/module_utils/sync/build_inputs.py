# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes into a build, and the digest of it all, by which an image is known to be up to date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..model.config import ImageConfig, has_config, parse_config
from ..model.containerfile import Base, Containerfile, Target
from ..model.digest import digest_of
from ..model.errors import ImageSyncError, InvalidInput, NotFound
from ..model.manifest import Manifest
from ..model.platforms import Platform
from ..model.reference import Reference
from ..stores.base import Repository
from ..stores.build_context import BuildContext
from ..stores.places import Places

#: the label of an image that tells what it was built from, and the annotation of an index
LABEL = "org.imagesync.inputs"
#: of what is hashed; another one has every image built anew
_VERSION = 1


class BuildOrder(NamedTuple):
    """What is to be built.

    ``containerfile``: its text, or None where it is the ``file`` in the ``context``, a folder.
    ``timestamp``: seconds since 1970 for all that is made, or None for the present.
    """

    image: Reference
    containerfile: str | None
    context: str | None
    file: str
    platforms: tuple[Platform, ...]
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    target: str = ""
    timestamp: int | None = None


class Inputs(NamedTuple):
    """All that a build is made of.

    ``plans``: the Containerfile for each platform; ``bases``: the digests that their images have
    now, of an index where that is what is named; ``context``: the digest of the folder, or "".
    """

    plans: Mapping[Platform, Containerfile]
    bases: Mapping[Reference, str]
    context: str
    digest: str


def read_plans(
    order: BuildOrder, context: BuildContext | None, host: Platform
) -> tuple[str, dict[Platform, Containerfile]]:
    """The text of the Containerfile, and what it means for each platform; raises InvalidInput."""
    text = order.containerfile
    if text is None:
        text = context.containerfile() if context else ""
    try:
        return text, {
            platform: Containerfile(text, Target(order.target, order.arguments, platform, host))
            for platform in order.platforms
        }
    except InvalidInput as error:
        raise InvalidInput(f"the Containerfile: {error}") from None


def resolve_bases(plans: Mapping[Platform, Containerfile], places: Places) -> dict[Reference, str]:
    """What the images that are built on name now; raises ImageSyncError where one isn't there."""
    found: dict[Reference, str] = {}
    for plan in plans.values():
        for base in plan.bases:
            if base.reference not in found:
                found[base.reference] = _resolve(base, places)
    return found


def _resolve(base: Base, places: Places) -> str:
    reference = base.reference
    if reference.digest:
        return reference.digest
    try:
        there = places.source(reference).resolve(reference.pointer)
    except ImageSyncError as error:
        error.args = (f"{reference}, which the Containerfile names: {error}",)
        raise
    if there is None:
        raise NotFound(f"{reference}, which the Containerfile names, isn't there", 404)
    return there.digest


def inputs_digest(
    order: BuildOrder, text: str, bases: Mapping[Reference, str], context: str
) -> str:
    """The digest of all that decides what the image becomes."""
    document: dict[str, Any] = {
        "version": _VERSION,
        "containerfile": text,
        "context": context,
        "arguments": dict(order.arguments),
        "labels": dict(order.labels),
        "target": order.target,
        "platforms": [str(platform.full) for platform in order.platforms],
        "bases": {str(reference): digest for reference, digest in bases.items()},
        "timestamp": order.timestamp,
    }
    return digest_of(json.dumps(document, sort_keys=True).encode())


class Present(NamedTuple):
    """What is at the image's place: its manifest, and what it says that it was built from."""

    manifest: Manifest
    inputs: str


def look_at(repository: Repository, reference: Reference) -> Present | None:
    """What the image's tag names now; None where it names nothing."""
    try:
        there = repository.manifest(reference.pointer)
    except NotFound:
        return None
    if there.is_index:
        return Present(there, there.annotations.get(LABEL, ""))
    config = ImageConfig()
    if there.config is not None and has_config(there):
        config = parse_config(repository.read_blob(there.config))
    return Present(there, config.labels.get(LABEL, ""))
