# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Since when each image is where it is, as earlier reports tell.

Nothing else is kept for it: a report says of each image since when, and the next one reads that.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any, NamedTuple

_SIZE_LIMIT = 64 << 20
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
#: reasons with which an image came to its place in the run itself
_NEW = ("absent", "digest_differs")
_TIME = re.compile(r"<time\s[^<>]*>")
_COMMENT = re.compile(r"^<!-- since\n([^<>]*)\n-->$", re.MULTILINE)


class Since(NamedTuple):
    """``exact``: False where the image was there already when it was first seen."""

    digest: str
    time: str
    exact: bool


Memory = dict[str, Since]


def as_time(seconds: float) -> str:
    """By ISO 8601, in UTC."""
    return time.strftime(_FORMAT, time.gmtime(seconds))


def read(paths: Iterable[str], wanted: Iterable[str] | None = None) -> Memory:
    """By destination, of the first report that tells; what can't be read tells nothing.

    ``wanted``: the destinations that are asked about; no more is read than these need.
    """
    found: Memory = {}
    missing = None if wanted is None else set(wanted)
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read(_SIZE_LIMIT)
        except OSError:
            continue
        entries = _READERS.get(os.path.splitext(path)[1].lower(), _of_html)(text)
        for destination, one in entries.items():
            if _is_time(one.time):
                found.setdefault(destination, one)
        if missing is not None and missing <= found.keys():
            break
    return found


def remember(model: dict[str, Any], before: Mapping[str, Since]) -> None:
    """Adds ``since`` to the images of a report, or ``seen_since`` where only that is known."""
    for host in model["hosts"]:
        host["images"] = [
            {**image, **_fields(image, before, model["finished"])} for image in host["images"]
        ]


def of(image: Mapping[str, Any]) -> Since | None:
    """What a report says of an image."""
    exact = "since" in image
    when = image.get("since") or image.get("seen_since")
    digest = image.get("since_digest") or image.get("digest")
    return Since(str(digest), str(when), exact) if when and digest else None


def shown(when: str) -> str:
    """A time for people, still in UTC."""
    return when.replace("T", " ").removesuffix(":00Z").removesuffix("Z")


def as_comment(images: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines that Markdown doesn't show, from which the next report reads what it needs."""
    found = {str(image.get("destination")): one for image in images if (one := of(image))}
    lines = [json.dumps([destination, *one]) for destination, one in found.items()]
    # nothing in it may end the comment
    lines = [line.replace("<", "\\u003c").replace(">", "\\u003e") for line in lines]
    return ["<!-- since", *lines, "-->"] if lines else []


def _fields(image: Mapping[str, Any], before: Mapping[str, Since], now: str) -> dict[str, str]:
    known = before.get(str(image.get("destination")))
    failed, reason = bool(image.get("failed")), image.get("reason")
    if not failed and reason in _NEW and image.get("digest"):
        return {"since": now}
    if reason == "removed" or not image.get("source"):
        return {}
    # of a failed one nothing was written: what is there is what was there
    digest = (
        "" if failed or reason in ("not_done", "staged", "gate_failed") else image.get("digest")
    )
    digest = digest or image.get("previous_digest") or (known.digest if known else "")
    if not digest:
        return {}
    fields = {} if digest == image.get("digest") else {"since_digest": str(digest)}
    if known and known.digest == digest:
        return {**fields, "since" if known.exact else "seen_since": known.time}
    return {**fields, "seen_since": now}


def _is_time(text: str) -> bool:
    try:
        time.strptime(text, _FORMAT)
    except ValueError:
        return False
    return True


def _of_json(text: str) -> Memory:
    try:
        document = json.loads(text)
        images = [image for host in document["hosts"] for image in host["images"]]
        return {str(i["destination"]): one for i in images if (one := of(i))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


class _Times(HTMLParser):
    """The elements ``time`` of a report."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Memory = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One of them."""
        values = {name: value or "" for name, value in attrs}
        if tag == "time" and values.get("data-image"):
            exact = values.get("data-exact") == "yes"
            digest, when = values.get("data-digest", ""), values.get("datetime", "")
            self.found.setdefault(values["data-image"], Since(digest, when, exact))


def _of_html(text: str) -> Memory:
    parser = _Times()
    try:
        # only these: a page has a hundred times as much; text in it has no < of its own
        for found in _TIME.finditer(text):
            parser.feed(found.group())
    except (ValueError, AssertionError):  # of what is no page
        return {}
    return parser.found


def _of_markdown(text: str) -> Memory:
    found: Memory = {}
    # nothing else in a report begins so: what isn't ours stands in code spans
    for comment in _COMMENT.finditer(text):
        try:
            for line in comment.group(1).splitlines():
                destination, *rest = json.loads(line)
                digest, when, exact = rest
                one = Since(str(digest), str(when), exact is True)
                found.setdefault(str(destination), one)
        except (ValueError, TypeError, RecursionError):
            continue
    return found


_READERS = {".json": _of_json, ".md": _of_markdown}
