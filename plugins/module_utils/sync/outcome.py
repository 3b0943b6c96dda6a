# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of each image, and of the whole call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..model.lock import Lock
from .changes import Move, table
from .summary import summary

#: left out of a result when they are empty
_OPTIONAL = (
    "name",
    "source",
    "id",
    "digest",
    "source_digest",
    "previous_digest",
    "backup",
    "media_type",
    "platforms",
    "signed_by",
    "msg",
    "warnings",
)

#: what a diff says before and after of an image whose tag hasn't moved
_AT_ITS_PLACE = {
    "incomplete": ("(incomplete)", ""),
    "referrers_missing": ("(referrers missing)", ""),
    "staged": ("(absent)", "(staged)"),
}


@dataclass
class Outcome:
    """One image's part of the result; the fields are those of the module's return values."""

    destination: str
    name: str = ""
    source: str = ""
    id: str = ""
    digest: str = ""
    source_digest: str = ""
    previous_digest: str = ""
    backup: str = ""
    media_type: str = ""
    platforms: list[str] = field(default_factory=list)
    signed_by: list[str] = field(default_factory=list)
    changed: bool = False
    reason: str = ""
    failed: bool = False
    msg: str = ""
    warnings: list[str] = field(default_factory=list)
    bytes_copied: int = 0
    blobs_copied: int = 0
    blobs_mounted: int = 0
    blobs_present: int = 0

    def fail(self, message: str) -> None:
        """The image failed; what it was to become isn't claimed."""
        self.failed, self.reason, self.msg = True, "failed", message

    @property
    def settled(self) -> bool:
        """Whether the image is as it is to be."""
        return self.reason not in ("", "failed", "not_done")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for Ansible."""
        values = dict(vars(self))
        for key in _OPTIONAL:
            if not values[key]:
                del values[key]
        return values


@dataclass
class Report:
    """The result of a call."""

    images: list[Outcome]
    stats: dict[str, Any]
    credentials: dict[str, str]
    rate_limits: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    pruned: list[dict[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lock: Lock | None = None
    check_mode: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was written, or in check mode would be."""
        written = self.pruned or (self.lock and self.lock.changed)
        return bool(written) or any(image.changed for image in self.images)

    @property
    def failures(self) -> list[Outcome]:
        """The images that failed."""
        return [image for image in self.images if image.failed]

    @property
    def not_done(self) -> list[Outcome]:
        """The images that the call didn't come to."""
        return [image for image in self.images if image.reason == "not_done"]

    def message(self) -> str:
        """Why the call failed: one line per failed image, "" when it didn't."""
        return "\n".join(filter(None, [self._about_images(), *self.errors]))

    def _about_images(self) -> str:
        failed, waiting, total = self.failures, self.not_done, len(self.images)
        if total == 1 and (failed or waiting):
            return f"{self.images[0].destination}: {self.images[0].msg}"
        parts = [f"{len(failed)} of {total} images failed"] if failed else []
        for why, count in Counter(image.msg for image in waiting).items():
            parts.append(f"{count} of {total} {'was' if count == 1 else 'were'} {why}")
        lines = [f"{image.destination}: {image.msg}" for image in failed]
        head = "; ".join(parts)
        return "\n".join([f"{head}:", *lines] if lines else [head] if head else [])

    def summary(self) -> str:
        """The call in one line."""
        counts = Counter(image.reason for image in self.images)
        counts["pruned"] = len(self.pruned)
        size, seconds = self.stats.get("bytes_uploaded", 0), self.stats.get("seconds", 0)
        return summary(counts, size, seconds, self.check_mode)

    def diff(self) -> Any:
        """The digests before and after, for ``--diff``: what changed only; and the lock's texts.

        Of many images it is a table.
        """
        if self.lock is None or not self.lock.changed:
            return self._image_diff()
        name = "lock"
        return [
            self._image_diff(),
            {
                "before_header": name,
                "after_header": name,
                "before": self.lock.text_before(),
                "after": self.lock.text(),
            },
        ]

    def _image_diff(self) -> dict[str, str]:
        rows = self._moves()
        if len(self.images) > 1 and rows:
            return {"prepared": table(rows)}
        return {
            "before": "".join(f"{name} {old}\n" for name, old, _new in rows),
            "after": "".join(f"{name} {new}".rstrip() + "\n" for name, _old, new in rows),
        }

    def _moves(self) -> list[Move]:
        """What changed, image by image."""
        done = [image for image in self.images if image.changed and not image.failed]
        moves = [_move(image) for image in done]
        moves += [Move(i.backup, "(backup)", i.previous_digest) for i in done if i.backup]
        return moves + [
            Move(gone["destination"], gone["digest"], "(pruned)") for gone in self.pruned
        ]


def _move(image: Outcome) -> Move:
    if image.reason in _AT_ITS_PLACE:
        return Move(image.id, *_AT_ITS_PLACE[image.reason])
    return Move(image.destination, image.previous_digest or "(absent)", image.digest or "(absent)")
