# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How images are written in data: as one text, or split into fields as Helm's charts do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import kind

_PROBLEM_LIMIT = 300


class Image(NamedTuple):
    """An image in data: its reference in full form, or why there is none (``problem``)."""

    reference: Reference | None
    problem: str = ""


class Split(NamedTuple):
    """An image in fields. ``parts``: their keys; ``repository``: the key of the repository."""

    image: Image
    repository: str

    @property
    def parts(self) -> tuple[str, ...]:
        """All keys that belong to it."""
        return ("registry", self.repository, "tag", "digest")


def read_text(value: Any) -> Image:
    """The image that stands under a key for images."""
    if not isinstance(value, str):
        return Image(None, f"an image is written as text, not as {kind(value)}")
    try:
        found = parse_reference(str(value))
    except InvalidInput as error:
        return Image(None, str(error)[:_PROBLEM_LIMIT])
    if getattr(found, "transport", ""):
        return Image(None, f"{found} is an image on disk")
    return Image(found.with_default_tag())


def read_split(value: Mapping[Any, Any]) -> Split | None:
    """The image that a mapping is, if it is one: a repository, and a tag or a digest.

    Some charts have ``image`` in the place of ``repository``, beside ``registry``. Raises
    InvalidInput for a tag that YAML has made into another.
    """
    if "tag" not in value and "digest" not in value:
        return None
    if isinstance(value.get("repository"), str):
        return Split(_of_fields(value, "repository"), "repository")
    if "registry" in value and "repository" not in value and isinstance(value.get("image"), str):
        image = _of_fields(value, "image")
        return Split(image, "image") if image.reference is not None else None
    return None


def _of_fields(value: Mapping[Any, Any], key: str) -> Image:
    registry = value.get("registry") or ""
    name = f"{registry}/{value[key]}" if registry else str(value[key])
    try:
        repository = parse_reference(name)
    except InvalidInput as error:
        return Image(None, str(error)[:_PROBLEM_LIMIT])
    if repository.tag or repository.digest or getattr(repository, "transport", ""):
        return Image(None, f"its {key} {name} has a tag or a digest itself")
    if isinstance(value.get("tag"), bool):
        return Image(None, f"the tag of {name} is true or false, and no text")
    tag, digest = _tag(value.get("tag")), value.get("digest")
    if not tag and not digest:
        return Image(None, f"{name} has neither a tag nor a digest: the chart chooses one")
    return read_text(f"{name}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}")


def _tag(tag: Any) -> str:
    if isinstance(tag, float):
        raise InvalidInput(
            f"its tag is the number {tag}: YAML keeps no zeros at the end of numbers (1.20 is "
            "1.2), so write the tag in quotes"
        )
    return "" if tag is None else str(tag)


def replaced_fields(value: Mapping[Any, Any], split: Split, image_id: Reference) -> dict[str, str]:
    """The fields that make the image be this one. Its tag stays, for people."""
    fields = {"digest": str(image_id.digest)}
    old = split.image.reference
    if old is None or old.name != image_id.name:
        if "registry" in value:
            fields["registry"] = image_id.registry
            fields[split.repository] = image_id.repository
        else:
            fields[split.repository] = image_id.name
    return {key: text for key, text in fields.items() if value.get(key) != text}
