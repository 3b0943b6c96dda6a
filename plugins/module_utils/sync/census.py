# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is: the images of a whole registry, and the digests of many, failures among them."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from ..model.errors import Cancelled, ImageSyncError, InvalidInput
from ..model.reference import Reference, parse_reference
from ..stores.catalog import catalog
from ..stores.places import Places
from ..transport.client import Network
from ..transport.settings import Settings
from .selection import is_attached
from .workers import Workers


class Census(NamedTuple):
    """A reference, and its digest; "" if there is none, ``problem`` saying why nobody knows."""

    reference: Reference
    digest: str = ""
    problem: str = ""


class Surveyor:
    """Asks registries over shared connections. To be closed."""

    def __init__(self, settings: Settings) -> None:
        self._network = Network(settings)
        self._places = Places(self._network)
        self._workers = Workers(settings.concurrency)

    def close(self) -> None:
        """Ends all connections."""
        self._network.pace.cancel()
        self._workers.close()
        self._places.close()
        self._network.close()

    def warnings(self) -> list[str]:
        """What the user should be told."""
        return self._network.warnings()

    def digests(self, references: list[Reference]) -> list[Census]:
        """What each names now, in the order asked."""
        for reference in references:
            self._places.source(reference)  # known ahead, they may share their tokens

        def look(reference: Reference) -> Census:
            found = self._places.source(reference).resolve(reference.pointer)
            return Census(reference, found.digest if found else "")

        return self._workers.map(self._kept(look), references)

    def everything(self, place: str) -> list[Census]:
        """All images with tags in ``registry[:port][/path]``, without their digests yet.

        A repository whose tags can't be listed is in it with the problem. Raises ImageSyncError.
        """
        registry, path = _split(place)
        client = self._network.client(registry)
        try:
            names = catalog(client)
        except ImageSyncError as error:
            error.args = (self._network.scrub(str(error)),)
            raise
        chosen = [name for name in names if f"{name}/".startswith(f"{path}/" if path else "")]
        repositories = [Reference(registry, name) for name in chosen]
        if not repositories:
            raise InvalidInput(f"{place} has no repository that this login may see")

        def look(repository: Reference) -> list[Census]:
            tags = self._places.repository(repository).tags()
            images = [tag for tag in sorted(tags) if not is_attached(tag)]
            return [Census(repository.with_tag(tag)) for tag in images]

        found = self._workers.map(self._kept(look), repositories)
        return [one for each in found for one in (each if isinstance(each, list) else [each])]

    def _kept(self, look: Callable[[Reference], Any]) -> Callable[[Reference], Any]:
        """A failure is kept with what it is about; the others go on."""

        def one(reference: Reference) -> Any:
            try:
                return look(reference)
            except Cancelled:
                raise
            except ImageSyncError as error:
                return Census(reference, problem=self._network.scrub(str(error)))

        return one


def _split(place: str) -> tuple[str, str]:
    """A registry and the path in it; raises InvalidInput."""
    text = place.strip().removeprefix("docker://").rstrip("/")
    registry, _slash, path = text.partition("/")
    try:
        found = parse_reference(f"{registry}/{path or 'any/thing'}")
    except InvalidInput as error:
        raise InvalidInput(f"{place!r} is no registry: {error}") from None
    whole = not (found.transport or found.tag or found.digest) and text
    if not whole or not ("." in registry or ":" in registry or registry == "localhost"):
        raise InvalidInput(
            f"{place!r} is no registry; write it as in registry.example.com:5000 or "
            "registry.example.com/team"
        )
    return found.registry, path
