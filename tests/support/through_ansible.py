# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests start Ansible: those are run with every version of it, the others with one.

What the others do in their own process depends on Python alone, and the unit tests see to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import pytest

_STARTERS = ("tests.support.playbook", "tests.support.role")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that leaves the others out."""
    parser.addoption(
        "--through-ansible",
        choices=("all", "first"),
        help="only tests that start Ansible; first: the first of each file that isn't any_core",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, and so count, what is left out."""
    which = config.getoption("--through-ansible")
    if not which:
        return
    kept = [item for item in items if any(map(starts_ansible, _functions(item)))]
    if which == "first":
        kept = [item for item in kept if not item.get_closest_marker("any_core")]
        kept = list({item.path: item for item in reversed(kept)}.values())[::-1]
    left = [item for item in items if item not in kept]
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def _functions(item: Any) -> Iterator[Callable[..., Any]]:
    """The test, and the fixtures that it uses."""
    yield item.function
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        yield from (definition.func for definition in definitions)


def starts_ansible(function: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether it calls what starts Ansible, itself or by a function of its own module."""
    code = getattr(function, "__code__", None)
    if code is None or function in seen:
        return False
    for name in _names(code):
        found = function.__globals__.get(name)
        module = getattr(found, "__module__", None) or getattr(found, "__name__", "")
        if str(module).endswith(_STARTERS):
            return True
        own = getattr(found, "__module__", None) == function.__module__
        if own and starts_ansible(found, (*seen, function)):
            return True
    return False


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
