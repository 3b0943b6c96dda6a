# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at images without changing anything: for ``image_info`` and the lookups."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from ..model.config import ImageConfig
from ..model.errors import ImageSyncError, InvalidContent, InvalidInput, NotFound
from ..model.keys import PublicKey
from ..model.manifest import DEPTH_LIMIT, Manifest
from ..model.platforms import Platform, choose
from ..model.reference import Reference
from ..model.subset import lacks
from ..stores.base import Repository
from ..stores.places import Places
from ..transport.client import Network
from ..transport.settings import Settings
from .expand import read_tags
from .reading import config_of
from .selection import Selection
from .signatures import Signatures
from .workers import Workers

#: more than any real image has
_MOST_MANIFESTS = 10_000


class Child(NamedTuple):
    """One image of an index, or the image itself where there is no index."""

    platform: Platform | None
    manifest: Manifest


def digests(
    references: list[Reference],
    settings: Settings,
    platform: Platform | None,
    warn: Callable[[str], None],
) -> list[str | None]:
    """The digest that each reference names now, None where there is nothing.

    ``platform``: the digest of that platform's own manifest. ``warn`` is told what the user should
    know. Raises ImageSyncError.
    """

    def find(reference: Reference, repository: Repository) -> str | None:
        found = repository.resolve(reference.pointer)
        if found is None or platform is None:
            return found.digest if found else None
        return _platform_digest(repository, found.digest, platform)

    network = Network(settings)
    try:
        return _for_each(references, settings, find, network)
    finally:
        for text in network.warnings():
            warn(text)


def select_tags(
    repositories: list[Reference], selection: Selection, settings: Settings
) -> list[list[str]]:
    """The selected tags of each repository, newest first. Raises ImageSyncError.

    A tag that is given by its name is looked for where no list was needed, or where that lacks
    it: not every registry lists everything.
    """

    def find(reference: Reference, repository: Repository) -> list[str]:
        there = read_tags(repository) if selection.needs_list else []
        listed = [own for tag in there if (own := reference.tag_of(tag))]
        for tag in selection.literals:
            if tag not in listed and repository.resolve(reference.with_tag(tag).pointer) is None:
                raise NotFound(f"there is no tag {tag}", 404)
        return selection.select(listed)

    return _for_each(repositories, settings, find)


def describe(
    references: list[Reference],
    settings: Settings,
    referrers: bool = False,
    keys: list[PublicKey] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The fields of ``image_info`` for each reference, and numbers about the call.

    ``keys``: those whose signatures are looked for; None: none are.
    """

    def look(reference: Reference, repository: Repository) -> dict[str, Any]:
        result = _describe(reference, repository, referrers)
        if keys is not None and result["exists"]:
            result["verified"] = Signatures(repository, result["digest"]).signers(keys, each=True)
        return result

    network = Network(settings)
    images = _for_each(references, settings, look, network)
    stats = {
        "requests": dict(sorted(network.requests.items())),
        "credentials": dict(sorted(network.keychain.kinds.items())),
        "warnings": network.warnings(),
    }
    return images, stats


def _for_each(
    references: list[Reference], settings: Settings, look: Any, network: Network | None = None
) -> list[Any]:
    """``look`` at all of them side by side over shared connections."""
    network = network or Network(settings)
    places = Places(network)
    for reference in references:
        places.source(reference)  # known ahead, they may share their tokens
    workers = Workers(settings.concurrency)

    def one(reference: Reference) -> Any:
        try:
            return look(reference, places.source(reference))
        except ImageSyncError as error:
            error.args = (network.scrub(f"{reference}: {error}"),)
            raise

    try:
        return workers.map(one, references)
    finally:
        network.pace.cancel()
        workers.close()
        places.close()
        network.close()


def _platform_digest(repository: Repository, digest: str, platform: Platform) -> str:
    top = repository.manifest(digest)
    children = [c for c in top.children if c.platform]
    if not top.is_index:
        own = config_of(repository, top).platform
        offered = [own] if own else []
    else:
        offered = [child.platform for child in children if child.platform]
    number = choose(platform, offered)
    if number is None:
        names = (str(p) for p in offered if str(p) != "unknown/unknown")
        raise InvalidInput(lacks([str(platform)], names))
    return children[number].digest if top.is_index else digest


def _describe(reference: Reference, repository: Repository, referrers: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"image": str(reference), "exists": False}
    try:
        top = repository.manifest(reference.pointer)
    except NotFound:
        return result
    images = list(_images(repository, top, 1, set()))
    blobs = {b.digest: b.size for image in images for b in image.manifest.blobs}
    named = [image for image in images if str(image.platform) != "unknown/unknown"]
    configs = {image.manifest.digest: config_of(repository, image.manifest) for image in named[:1]}
    first = next(iter(configs.values()), ImageConfig())
    if not top.is_index:
        named = [Child(first.platform, top)] if first.platform else []
    result.update(
        exists=True,
        id=reference.at(top.digest),
        digest=top.digest,
        media_type=top.media_type,
        size=sum(blobs.values()),
        platforms=[_platform_entry(image) for image in named if image.platform],
        created=first.created or top.annotations.get("org.opencontainers.image.created", ""),
        labels=first.labels,
        annotations=top.annotations,
    )
    if referrers:
        result["referrers"] = [
            {"artifact_type": r.artifact_type, "digest": r.digest}
            for r in repository.referrers(top.digest)
        ]
    return result


def _platform_entry(image: Child) -> dict[str, Any]:
    size = sum(blob.size for blob in image.manifest.unique_blobs())
    return {"platform": str(image.platform), "digest": image.manifest.digest, "size": size}


def _images(repository: Repository, manifest: Manifest, depth: int, seen: set[str]) -> Any:
    """Every manifest below an index (those of nested ones too) once, or the image itself."""
    if not manifest.is_index:
        yield Child(None, manifest)
        return
    for child in manifest.children:
        if child.digest in seen:
            continue
        seen.add(child.digest)
        if len(seen) > _MOST_MANIFESTS:
            raise InvalidContent(f"the image has more than {_MOST_MANIFESTS} manifests")
        found = repository.manifest(child.digest)
        if found.is_index and depth < DEPTH_LIMIT:
            yield from _images(repository, found, depth + 1, seen)
        else:
            yield Child(child.platform, found)
