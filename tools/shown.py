# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the playbooks and tasks that documents show as files, for ansible-lint.

`tests/unit/documents` checks the same with the real argument specifications.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path("playbooks", "shown")
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LIST = re.compile(r"\A(---\n)?- name: ")
_PLAY = re.compile(r"^  hosts: ", re.MULTILINE)
_INCLUDED = re.compile(r"(?:include|import)_tasks: (\S+\.yml)$", re.MULTILINE)
#: modules of collections that aren't installed for the tests
_FOREIGN = re.compile(r"^ +((?!ansible\.builtin|imagesync)\w+\.\w+\.\w+):$", re.MULTILINE)


def write_shown(checkout: Path) -> int:
    """Write all of them below `checkout`, and what they need; return how many there are."""
    folder = checkout / FOLDER
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    texts = []
    for page in [
        *checkout.glob("*.md"),
        *checkout.glob("docs/*.md"),
        *checkout.glob("roles/*/*.md"),
    ]:
        name = str(page.relative_to(checkout).with_suffix("")).lower()
        for number, text in enumerate(_BLOCK.findall(page.read_text(encoding="utf-8")), 1):
            if not _LIST.match(text):
                continue
            place = folder if _PLAY.search(text) else folder / "tasks"
            file = re.sub(r"\W", "_", f"{name}_{number}") + ".yml"
            texts.append(text)
            start = "" if text.startswith("---\n") else "---\n"
            (place / file).write_text(start + text, encoding="utf-8")
    together = "\n".join(texts)
    for included in _INCLUDED.findall(together):
        (checkout / included).write_text("---\n[]\n", encoding="utf-8")
    modules = sorted(set(_FOREIGN.findall(together)))
    if modules:
        with (checkout / ".ansible-lint").open("a", encoding="utf-8") as file_:
            file_.write("mock_modules:\n" + "".join(f"  - {one}\n" for one in modules))
    return len(texts)
