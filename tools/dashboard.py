# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws docs/monitoring/dashboard.svg: where the dashboard's panels are, with made-up values.

It is a drawing of the JSON file, for those who have no Grafana at hand, and no screenshot.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "monitoring"
_COLUMN, _ROW, _GAP, _TOP = 46, 34, 8, 60
_WIDTH = 24 * _COLUMN + _GAP
_GREEN, _ORANGE, _RED, _BLUE, _YELLOW = "#73bf69", "#ff9830", "#f2495c", "#5794f2", "#fade2a"
_NOTE = "Drawn from dashboard.json with made-up values by tools/dashboard.py; not a screenshot."
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- Copyright (c) 2026, the imagesync.registry contributors -->
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
"""
_RUNS = 42
#: what each panel shows, by its title: value and colour; lines; bars; rows
SAMPLES: dict[str, Any] = {
    "Since the last run": ("2.4 hours", _GREEN),
    "Images": ("218", _GREEN),
    "Failed": ("1", _RED),
    "Not as their source": ("3", _ORANGE),
    "Images that weren't in sync": [
        ("digest_differs", _BLUE, [6 * (n % 7 == 3) for n in range(_RUNS)]),
        ("too_young", _YELLOW, [2 + (n % 9 == 4) for n in range(_RUNS)]),
        ("failed", _RED, [int(n > 30) for n in range(_RUNS)]),
    ],
    "Uploaded by each run": [
        ("bytes", _BLUE, [0.1 + 1.6 * (n % 7 == 3) + 0.4 * (n % 5 == 1) for n in range(_RUNS)])
    ],
    "Left of rate limits": [
        ("docker.io", _GREEN, 0.76, "76 %"),
        ("quay.io", _ORANGE, 0.18, "18 %"),
    ],
    "Requests of the last run": [
        ("docker.io", _GREEN, 0.5, "96"),
        ("quay.io", _GREEN, 0.32, "61"),
        ("registry.example.com", _GREEN, 1.0, "193"),
    ],
    "How long a run takes": [
        ("seconds", _BLUE, [12 + 30 * (n % 7 == 3) + 5 * math.sin(n) for n in range(_RUNS)])
    ],
    "Images that weren't mirrored for longest": [
        ("destination", "since a good run"),
        ("registry.example.com/mirror/grafana/grafana:11.2.0", "2.6 days"),
        ("registry.example.com/mirror/library/nginx:1.27", "2.4 hours"),
        ("registry.example.com/mirror/library/redis:7.4", "2.4 hours"),
        ("registry.example.com/mirror/prometheus/prometheus:v2.55.1", "2.4 hours"),
    ],
}


def drawing(dashboard: dict[str, Any]) -> str:
    """The whole picture as SVG; raises KeyError for a panel without sample values."""
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
    height = _TOP + rows * _ROW + _GAP
    parts = [
        f'{_HEAD}<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif">',
        f"<title>{escape(dashboard['title'])}</title><desc>{escape(_NOTE)}</desc>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#111217"/>',
        _text(_GAP + 4, 28, dashboard["title"], 20, "#e8e8ec"),
        _text(_GAP + 4, 48, _NOTE, 12, "#8e8e99"),
    ]
    for panel in dashboard["panels"]:
        parts += _panel(panel)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: dict[str, Any]) -> Iterator[str]:
    grid, sample = panel["gridPos"], SAMPLES[panel["title"]]
    x, y = _GAP + grid["x"] * _COLUMN, _TOP + grid["y"] * _ROW
    width, height = grid["w"] * _COLUMN - _GAP, grid["h"] * _ROW - _GAP
    yield (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#181b1f" '
        'stroke="#2c2f36"/>'
    )
    yield _text(x + 12, y + 22, panel["title"], 13, "#ccccdc")
    inside = (x + 12, y + 36, width - 24, height - 48)
    draw = {"stat": _stat, "timeseries": _lines, "bargauge": _bars, "table": _table}
    yield from draw[panel["type"]](sample, *inside)


def _stat(sample: Any, x: float, y: float, width: float, height: float) -> Iterator[str]:
    value, colour = sample
    yield _text(x + width / 2, y + height / 2 + 16, value, 38, colour, "middle")


def _lines(sample: Any, x: float, y: float, width: float, height: float) -> Iterator[str]:
    height -= 24
    for part in range(5):
        level = y + height * part / 4
        yield f'<path d="M{x:.1f} {level:.1f}h{width:.1f}" stroke="#2c2f36"/>'
    most = max(max(values) for _name, _colour, values in sample) * 1.05
    at = x
    for name, colour, values in sample:
        step = width / (len(values) - 1)
        points = " ".join(
            f"{x + n * step:.1f},{y + height * (1 - value / most):.1f}"
            for n, value in enumerate(values)
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        below = y + height + 14
        yield f'<rect x="{at:.1f}" y="{below:.1f}" width="12" height="4" fill="{colour}"/>'
        yield _text(at + 17, below + 7, name, 11, "#a0a0ac")
        at += 34 + 7 * len(name)


def _bars(sample: Any, x: float, y: float, width: float, height: float) -> Iterator[str]:
    step = height / len(sample)
    for number, (name, colour, share, value) in enumerate(sample):
        top, length = y + number * step, width - 60
        yield _text(x, top + 12, name, 12, "#a0a0ac")
        box = f'<rect x="{x:.1f}" y="{top + 18:.1f}" height="16" rx="2"'
        yield f'{box} width="{length:.1f}" fill="#22252b"/>'
        yield f'{box} width="{length * share:.1f}" fill="{colour}"/>'
        yield _text(x + width, top + 32, value, 14, colour, "end")


def _table(sample: Any, x: float, y: float, width: float, height: float) -> Iterator[str]:
    step = min(36.0, height / len(sample))
    for number, (place, since) in enumerate(sample):
        line, colour = y + number * step + 18, "#6e9fff" if number == 0 else "#ccccdc"
        yield _text(x, line, place, 13, colour)
        late = number and "days" in since
        yield _text(x + width, line, since, 13, _RED if late else colour, "end")
        yield f'<path d="M{x:.1f} {line + 10:.1f}h{width:.1f}" stroke="#2c2f36"/>'


def _text(x: float, y: float, text: str, size: int, colour: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def main() -> None:
    """Write it."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    (FOLDER / "dashboard.svg").write_text(drawing(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
