# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of what refers to a manifest, where the registry doesn't keep it.

distribution-spec, "Referrers Tag Schema" and "Pushing Manifests with Subject": an image index
under a tag made of the subject's digest, kept by those who push.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import InvalidContent
from .manifest import OCI_INDEX, Manifest
from .strict_json import parse_object, to_json


def check_list(index: Manifest) -> None:
    """Raises InvalidContent for what can't be such a list, as it is no image index."""
    if index.media_type != OCI_INDEX:
        raise InvalidContent(
            f"it should be a list of referrers (an image index), but is {index.media_type}"
        )


def entry_of(manifest: Manifest) -> dict[str, Any]:
    """The descriptor by which a list names a referrer.

    Its ``artifactType`` is the manifest's own, else the type of its config; the annotations are
    the manifest's.
    """
    entry: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
    }
    config_type = manifest.config.media_type if manifest.config else ""
    if manifest.artifact_type or config_type:
        entry["artifactType"] = manifest.artifact_type or config_type
    if manifest.annotations:
        entry["annotations"] = manifest.annotations
    return entry


def merge_lists(old: Manifest | None, referrers: Iterable[Manifest]) -> Manifest | None:
    """``old`` with the ``referrers`` that it lacks, sorted, behind its own; None if it has all.

    ``old`` is None where there is no list yet. Entries are never changed or taken away. Raises
    InvalidContent when ``old`` is no list of referrers.
    """
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    if old is not None:
        check_list(old)
        document = parse_object(old.raw, "the list of referrers")
    entries = document.get("manifests") or []
    there = {entry["digest"] for entry in entries}
    new = {m.digest: m for m in referrers if m.digest not in there}
    if not new:
        return None
    document["manifests"] = [*entries, *(entry_of(new[digest]) for digest in sorted(new))]
    return Manifest(to_json(document), OCI_INDEX)
