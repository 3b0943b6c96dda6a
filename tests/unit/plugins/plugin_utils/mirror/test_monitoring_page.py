# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about monitoring, its alerts and its dashboard, are about the metrics that there are."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

import yaml

from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import metrics
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.report_words import REASONS
from ansible_collections.imagesync.registry.tests.unit.support import ROOT

from .test_metrics import SERIES

FOLDER = ROOT / "docs" / "monitoring"
#: added by Prometheus to what it scrapes
SCRAPED = {"instance", "job"}


def check_expression(text: str) -> None:
    """Each metric exists, with these labels and reasons, and brackets are closed."""
    names = re.findall(r"\bimagesync_\w+", text)
    assert names and set(names) <= set(SERIES)
    labels = SCRAPED.union(*(SERIES[name] for name in names))
    for name, selector in re.findall(r"(imagesync_\w+)\{(.*?)\}", text):
        used = re.findall(r'(\w+)(?:=~|!~|!=|=)"(.*?)"', selector)
        assert used and {label for label, _value in used} <= SCRAPED | SERIES[name]
        for label, value in used:
            assert label != "reason" or set(value.split("|")) <= set(REASONS)
    for group in re.findall(r"by \((.*?)\)", text):
        assert set(re.split(", *", group)) <= labels
    for opening, closing in ("()", "{}", "[]"):
        assert text.count(opening) == text.count(closing)


def rules() -> Iterator[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    for group in document["groups"]:
        assert set(group) == {"name", "rules"}
        yield from group["rules"]


def test_the_alerts() -> None:
    found = list(rules())
    assert len({rule["alert"] for rule in found}) == len(found) >= 6
    for rule in found:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        check_expression(rule["expr"])
        assert re.fullmatch(r"\d+[mhd]", rule.get("for", "1h"))
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        known = SCRAPED.union(*SERIES.values())
        used = re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
        assert rule["annotations"]["summary"] and set(used) <= known


def test_the_dashboard() -> None:
    document = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    panels = document["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    shown = ""
    for panel in panels:
        for target in panel["targets"]:
            check_expression(target["expr"])
            shown += target["expr"]
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken and max(x for x, _y in cells) < 24
        taken |= cells
    assert set(SERIES) <= set(re.findall(r"imagesync_\w+", shown))
    (variable,) = [v for v in document["templating"]["list"] if v["type"] == "query"]
    assert set(re.findall(r"imagesync_\w+", variable["query"]["query"])) <= set(SERIES)


def test_the_picture_is_of_this_dashboard() -> None:
    spec = importlib.util.spec_from_file_location("dashboard", ROOT / "tools" / "dashboard.py")
    assert spec and spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    document = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    drawn = tool.drawing(document)
    assert drawn == (FOLDER / "dashboard.svg").read_text(encoding="utf-8"), "run tools/dashboard.py"
    assert set(tool.SAMPLES) == {panel["title"] for panel in document["panels"]}


def test_the_page_has_all_metrics_and_alerts() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(imagesync_\w+)", page, re.MULTILINE) == list(metrics.HELP)
    assert re.findall(r"^\| `(ImageSync\w+)`", page, re.MULTILINE) == [r["alert"] for r in rules()]
