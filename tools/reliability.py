# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the tables of tests/support/matrix.py, with the names of the tests, into the page."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def matrix() -> Any:
    """The module with the tables, which needs nothing else of the collection."""
    spec = importlib.util.spec_from_file_location("matrix", ROOT / "tests/support/matrix.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["matrix"] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Write it."""
    tables = matrix()
    path = ROOT / "docs" / "reliability.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(tables.page(text, tables.read_tests(ROOT / "tests")), encoding="utf-8")


if __name__ == "__main__":
    main()
