# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import reports
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.report_markdown import code
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.report_words import (
    duration,
    size,
)

EVIL = "<script>alert(1)</script> [x](http://evil) `a` ``b`` | c\n# head & \"q\" 'r' \x1b[31m {0}"
DIGEST = "sha256:" + "a" * 64


class Page(HTMLParser):
    """Collects the elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def model(text: str = "text") -> dict[str, Any]:
    """A report with ``text`` wherever a user or a registry may have a word."""
    image = {"source": text, "destination": text, "name": text, "digest": DIGEST}
    result = {
        "changed": True,
        "images": [
            {**image, "reason": "failed", "failed": True, "msg": text, "warnings": [text]},
            {**image, "reason": "absent", "changed": True, "bytes_copied": 3 << 20, "backup": text},
            {**image, "reason": "in_sync", "changed": False, "since": text},
            {**image, "reason": "not_done", "changed": False},
        ],
        "stats": {"seconds": 75, "bytes_uploaded": 3 << 20, "requests": {text: 7}, "retries": 1},
        "rate_limits": {text: {"limit": 100, "remaining": 9, "window": 21600}},
        "credentials": {text: "anonymous"},
        "pruned": [{"destination": text, "digest": DIGEST}],
    }
    parts = [
        reports.host_report(text, text, result, text),
        reports.host_report("quiet", "r.example.com", {"images": []}, ""),
        reports.no_report("lost", text),
    ]
    return reports.whole_report(parts, "2026-11-21T12:00:00Z")


def test_the_numbers() -> None:
    found = model()
    assert found["status"] == "failed"
    assert [host["status"] for host in found["hosts"]] == ["failed", "ok", "no_result"]
    expected = {"images": 4, "changed": 1, "failed": 1, "not_done": 1, "unchanged": 1}
    assert found["hosts"][0]["counts"] == expected
    totals = found["totals"]
    assert (totals["hosts"], totals["images"], totals["failed"]) == (3, 4, 1)
    assert (totals["pruned"], totals["requests"], totals["bytes_uploaded"]) == (1, 7, 3 << 20)


def test_json_is_the_model() -> None:
    assert json.loads(reports.rendered("/x/report.JSON", model(EVIL))) == model(EVIL)


@pytest.mark.parametrize("name", ["r.md", "r.html"])
def test_what_failed_beside_images_is_told_too(name: str) -> None:
    image = {"destination": "r.example.com/a:1", "reason": "failed", "failed": True, "msg": "gone"}
    lines = ["1 of 2 images failed:", "r.example.com/a:1: gone", "mirror_lock_file /l: no space"]
    for problem, count in (("\n".join(lines), 1), ("\n".join(lines[:2]), 0)):
        part = reports.host_report("a", "r.example.com", {"images": [image]}, problem)
        page = reports.rendered(name, reports.whole_report([part], "now"))
        assert page.count("no space") == page.count("images failed:") == count
        assert page.count("gone") == 1


def test_the_page_has_all_of_it_in_one_file() -> None:
    page = reports.rendered("report.html", model())
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    for words in (
        "new",
        "3.0 MiB",
        "1 min 15 s",
        "9 of 100 requests left in 6 h 0 min",
        "lost",
        "quiet",
    ):
        assert words in page


def test_nothing_in_the_page_is_more_than_text() -> None:
    harmless, evil = (
        Page(reports.rendered("r.html", model())),
        Page(reports.rendered("r.html", model(EVIL))),
    )
    assert evil.tags == harmless.tags and "script" not in evil.tags
    assert evil.attributes == harmless.attributes
    assert "<script>alert(1)</script>" in evil.text
    assert "\x1b" not in reports.rendered("r.html", model(EVIL))


def test_nothing_in_markdown_is_more_than_text() -> None:
    text, _mark, memory = reports.rendered("r.md", model(EVIL)).partition("\n<!-- since\n")
    assert "\x1b" not in text + memory
    assert "<" not in memory and memory.count(">") == memory.endswith("\n-->\n") == 1
    bare = re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", text)
    assert "script" not in bare and "evil" not in bare
    assert all(not line.startswith("# head") for line in text.splitlines())
    cells = {line.replace("\\|", "").count("|") for line in text.splitlines() if "script" in line}
    assert cells <= {0, 3, 4, 5, 7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "`a`"),
        ("a`b", "`` a`b ``"),
        ("a``b`", "``` a``b` ```"),
        ("a|b\nc", "`a\\|b c`"),
        ("", ""),
        (" \x00 ", ""),
    ],
)
def test_code_spans(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 B"),
        (None, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (300 << 20, "300 MiB"),
        (5 << 40, "5.0 TiB"),
    ],
)
def test_sizes(number: Any, expected: str) -> None:
    assert size(number) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (3600, "1 h 0 min")],
)
def test_durations(seconds: Any, expected: str) -> None:
    assert duration(seconds) == expected
