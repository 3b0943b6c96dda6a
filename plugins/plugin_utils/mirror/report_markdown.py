# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as Markdown.

What comes from variables and registries stands in code spans, where nothing has a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import report_words as words
from . import since


def as_markdown(model: Mapping[str, Any]) -> str:
    """For Git, merge requests and chats."""
    lines = [
        "# Mirror report",
        "",
        f"**{words.STATUS[model['status']]}**: {words.headline(model)}.",
        "",
        *_totals(model),
    ]
    for host in model["hosts"]:
        lines += ["", *_host(host)]
    remembered = since.as_comment(image for host in model["hosts"] for image in host["images"])
    lines += ["", *remembered] if remembered else []
    return "\n".join(lines) + "\n"


def code(text: Any) -> str:
    """A code span in which any text is only text, also inside a table."""
    found = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in str(text))).strip()
    if not found:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", found)), default=0) + 1)
    space = " " if "`" in found else ""
    return f"{fence}{space}{found}{space}{fence}".replace("|", "\\|")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _totals(model: Mapping[str, Any]) -> list[str]:
    totals = model["totals"]
    rows = [
        ("finished", code(model["finished"])),
        ("took", words.duration(totals["seconds"])),
        ("downloaded", words.size(totals.get("bytes_downloaded"))),
        ("uploaded", words.size(totals.get("bytes_uploaded"))),
        ("requests", str(totals.get("requests", 0))),
    ]
    return _table(("", ""), rows)


def _host(host: Mapping[str, Any]) -> Iterator[str]:
    to = f" to {code(host['destination'])}" if host["destination"] else ""
    counts = host["counts"]
    yield f"## {code(host['host'])}: {words.STATUS[host['status']]}"
    yield ""
    yield (
        f"{words.many(counts['images'], 'image')}{to}: {counts['changed']} changed, "
        f"{counts['failed']} failed, {counts['unchanged']} as they were."
    )
    groups = words.sorted_images(host)
    message = words.message(host)
    if message:
        yield ""
        yield from (f"- {code(line)}" for line in message)
    if groups["failed"]:
        yield from ("", "### Failed", "")
        rows = ((_place(image), code(_why(image)), _since(image)) for image in groups["failed"])
        yield from _table(("image", "why", "the old one is there since"), rows)
    if groups["changed"]:
        yield from ("", "### Changed", "")
        rows_of = (_changed(image) for image in groups["changed"])
        yield from _table(("image", "", "digest", "before", "since", "copied"), rows_of)
    yield from _more(host, groups["unchanged"])


def _why(image: Mapping[str, Any]) -> str:
    return str(image.get("msg") or words.reason(image))


def _place(image: Mapping[str, Any]) -> str:
    return code(image.get("destination") or image.get("source") or "")


def _since(image: Mapping[str, Any]) -> str:
    """Since when what is at its place is there."""
    known = since.of(image)
    if known is None:
        return ""
    return f"{'' if known.exact else 'before '}{code(since.shown(known.time))}"


def _changed(image: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _place(image),
        words.reason(image),
        code(words.short(image.get("digest"))),
        code(words.short(image.get("previous_digest"))),
        _since(image),
        words.size(image.get("bytes_copied")),
    )


def _more(host: Mapping[str, Any], unchanged: list[Mapping[str, Any]]) -> Iterator[str]:
    if host["pruned"]:
        yield from ("", "### Pruned", "")
        rows = (
            (code(p.get("destination")), code(words.short(p.get("digest")))) for p in host["pruned"]
        )
        yield from _table(("image", "digest"), rows)
    noted = [(image, text) for image in host["images"] for text in image.get("warnings") or ()]
    if noted:
        yield from ("", "### Warnings", "")
        yield from _table(("image", "warning"), ((_place(i), code(t)) for i, t in noted))
    if host["rate_limits"]:
        yield from ("", "### Rate limits", "")
        limits = host["rate_limits"].items()
        yield from _table(
            ("registry", "limit"), ((code(name), words.rate_limit(one)) for name, one in limits)
        )
    if unchanged:
        yield from ("", f"### As they were: {len(unchanged)}", "")
        yield from _table(
            ("image", "", "digest", "since"),
            (
                (
                    _place(image),
                    words.reason(image),
                    code(words.short(image.get("digest"))),
                    _since(image),
                )
                for image in unchanged
            ),
        )
