# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one page of HTML without scripts, to look at and to keep.

All text goes through ``_text``; nothing else may bring foreign words into the page.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from . import report_words as words
from . import since
from .report_style import STYLE

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def as_html(model: Mapping[str, Any]) -> str:
    """For people."""
    status = model["status"]
    head = (
        f'<header><div class="title"><h1>Mirror report</h1>{_badge(status)}</div>'
        f"<p>{_text(words.headline(model))}. Finished {_text(model['finished'])}.</p></header>"
    )
    hosts = [_host(host) for host in model["hosts"]]
    foot = "<footer>Written by the role imagesync.registry.mirror.</footer>"
    return _PAGE.format(
        title=_text(f"Mirror report: {words.STATUS[status]}"),
        style=STYLE,
        body="\n".join([head, _cards(model["totals"]), *hosts, foot]),
    )


def _text(value: Any) -> str:
    """Any text, as nothing but text."""
    kept = "".join(c if c.isprintable() or c in "\n\t" else " " for c in str(value))
    return html.escape(kept, quote=True)


def _code(value: Any) -> str:
    return f"<code>{_text(value)}</code>" if value else ""


def _digest(value: Any) -> str:
    return f'<code title="{_text(value)}">{_text(words.short(value))}</code>' if value else ""


def _since(image: Mapping[str, Any]) -> str:
    """Since when what is at its place is there; the next report reads it here."""
    known = since.of(image)
    if known is None:
        return ""
    place, exact = _text(image.get("destination") or ""), "yes" if known.exact else "no"
    shown = _text(since.shown(known.time))
    return (
        f'{"" if known.exact else "before "}<time datetime="{_text(known.time)}" '
        f'data-image="{place}" data-digest="{_text(known.digest)}" data-exact="{exact}">'
        f"{shown}</time>"
    )


def _backup(image: Mapping[str, Any]) -> str:
    backup = image.get("backup")
    return f'<br><span class="soft">kept as {_code(backup)}</span>' if backup else ""


def _badge(status: str) -> str:
    return f'<span class="badge {_text(status)}">{_text(words.STATUS[status])}</span>'


def _cards(totals: Mapping[str, Any]) -> str:
    shown = [
        ("hosts", totals["hosts"]),
        ("images", totals.get("images", 0)),
        ("changed", totals.get("changed", 0)),
        ("failed", totals.get("failed", 0)),
        ("pruned", totals.get("pruned", 0)),
        ("uploaded", words.size(totals.get("bytes_uploaded"))),
        ("requests", totals.get("requests", 0)),
        ("took", words.duration(totals["seconds"])),
    ]
    cards = (
        f'<div class="card"><b>{_text(value)}</b><span>{_text(name)}</span></div>'
        for name, value in shown
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], numbers: Iterable[int] = ()) -> str:
    """``rows``: HTML in each cell; ``numbers``: the columns that hold them."""
    right = set(numbers)
    names = "".join(f"<th>{_text(name)}</th>" for name in head)
    lines = []
    for row in rows:
        cells = (
            f'<td class="number">{cell}</td>' if n in right else f"<td>{cell}</td>"
            for n, cell in enumerate(row)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{names}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _host(host: Mapping[str, Any]) -> str:
    counts, groups = host["counts"], words.sorted_images(host)
    to = f'<span class="soft">to {_code(host["destination"])}</span>' if host["destination"] else ""
    parts = [
        f'<div class="title"><h2>{_text(host["host"])}</h2>{_badge(host["status"])}{to}</div>',
        _bar(counts),
        f'<p class="soft">{_text(_numbers(host))}</p>',
    ]
    message = "\n".join(words.message(host))
    if message:
        parts.append(f'<p class="message">{_text(message)}</p>')
    parts += _tables(host, groups)
    return "<section>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def _bar(counts: Mapping[str, Any]) -> str:
    total = counts["images"]
    if not total:
        return ""
    shares = (
        ("failed", counts["failed"] + counts["not_done"]),
        ("changed", counts["changed"]),
        ("ok", counts["unchanged"]),
    )
    pieces = (
        f'<i class="{name}" style="width:{number * 100 / total:.2f}%"></i>'
        for name, number in shares
        if number
    )
    return f'<div class="bar">{"".join(pieces)}</div>'


def _numbers(host: Mapping[str, Any]) -> str:
    counts, stats = host["counts"], host["stats"]
    text = (
        f"{words.many(counts['images'], 'image')}: {counts['changed']} changed, "
        f"{counts['failed']} failed, "
        f"{counts['unchanged']} as they were"
    )
    if counts["not_done"]:
        text += f", {counts['not_done']} not done"
    if stats:
        text += (
            f". {words.size(stats.get('bytes_downloaded'))} downloaded, "
            f"{words.size(stats.get('bytes_uploaded'))} uploaded in "
            f"{words.duration(stats.get('seconds'))}, with "
            f"{sum((stats.get('requests') or {}).values())} requests and "
            f"{stats.get('retries') or 0} retries"
        )
    return text + "."


def _place(image: Mapping[str, Any]) -> str:
    """The destination, and below it the source."""
    source = image.get("source")
    name = f"<b>{_text(image['name'])}</b><br>" if image.get("name") else ""
    origin = f'<br><span class="soft">from {_code(source)}</span>' if source else ""
    return f"{name}{_code(image.get('destination') or '')}{origin}"


def _tables(host: Mapping[str, Any], groups: Mapping[str, Any]) -> list[str]:
    parts = []
    if groups["failed"]:
        rows = (
            (
                _place(i),
                f'<span class="failed">{_text(i.get("msg") or words.reason(i))}</span>',
                _since(i),
            )
            for i in groups["failed"]
        )
        parts.append(
            "<h3>Failed</h3>" + _table(("image", "why", "the old one is there since"), rows)
        )
    if groups["changed"]:
        rows_of = (
            (
                _place(i),
                _text(words.reason(i)),
                _digest(i.get("digest")),
                _digest(i.get("previous_digest")) + _backup(i),
                _since(i),
                _text(words.size(i.get("bytes_copied"))),
            )
            for i in groups["changed"]
        )
        head = ("image", "why", "digest", "before", "since", "copied")
        parts.append("<h3>Changed</h3>" + _table(head, rows_of, (5,)))
    return parts + _more(host, groups["unchanged"])


def _more(host: Mapping[str, Any], unchanged: list[Mapping[str, Any]]) -> list[str]:
    parts = []
    if host["pruned"]:
        rows = ((_code(p.get("destination")), _digest(p.get("digest"))) for p in host["pruned"])
        parts.append("<h3>Pruned</h3>" + _table(("image", "digest"), rows))
    noted = [(image, text) for image in host["images"] for text in image.get("warnings") or ()]
    if noted:
        warned = ((_place(image), _text(text)) for image, text in noted)
        parts.append("<h3>Warnings</h3>" + _table(("image", "warning"), warned))
    if host["rate_limits"]:
        limits = ((_code(n), _text(words.rate_limit(o))) for n, o in host["rate_limits"].items())
        parts.append("<h3>Rate limits</h3>" + _table(("registry", "limit"), limits))
    if unchanged:
        rest = (
            (_place(i), _text(i.get("msg") or words.reason(i)), _digest(i.get("digest")), _since(i))
            for i in unchanged
        )
        parts.append(
            f"<details><summary>{len(unchanged)} as they were</summary>"
            + _table(("image", "why", "digest", "since"), rest)
            + "</details>"
        )
    return parts
