# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The looks of the HTML report: in the page itself, so that it is one file."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --back: #f5f6f8; --card: #fff; --text: #1c2430; --soft: #5d6b7e; --line: #e2e6ec;
  --ok: #1a7f4b; --changed: #9a6700; --failed: #c62f2f; --code: #f0f2f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14181f; --card: #1c222b; --text: #e4e9f0; --soft: #98a5b6; --line: #2d3541;
    --ok: #4cc38a; --changed: #e0b04b; --failed: #ff7b7b; --code: #262e39;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; background: var(--back);
  color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem; }
p { margin: .3rem 0; }
header p, .soft { color: var(--soft); }
code {
  font: .86em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere;
}
.badge {
  display: inline-block; padding: .1rem .65rem; border-radius: 1rem; font-size: .82rem;
  font-weight: 600; border: 1px solid currentColor; white-space: nowrap;
}
.ok { color: var(--ok); }
.changed { color: var(--changed); }
.failed, .no_result { color: var(--failed); }
.cards {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem;
  margin: 1.5rem 0;
}
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .7rem .9rem;
}
.card b {
  display: block; font-size: 1.35rem; font-weight: 650; font-variant-numeric: tabular-nums;
}
.card span { color: var(--soft); font-size: .85rem; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.1rem 1.25rem; margin: 1rem 0;
}
.title { display: flex; flex-wrap: wrap; gap: .4rem .8rem; align-items: center; }
.bar {
  display: flex; height: .45rem; border-radius: .3rem; overflow: hidden; margin: .8rem 0 .3rem;
  background: var(--line);
}
.bar i { display: block; background: currentColor; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: .82rem; }
th, td {
  padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
}
tr:last-child td { border-bottom: 0; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.message {
  background: var(--code); border-left: 3px solid var(--failed); padding: .5rem .8rem;
  border-radius: .3rem; white-space: pre-wrap; overflow-wrap: anywhere;
}
summary { cursor: pointer; margin-top: 1rem; color: var(--soft); }
footer { color: var(--soft); font-size: .85rem; margin-top: 2rem; }
@media print { body { background: none; } section, .card { break-inside: avoid; } }
"""
