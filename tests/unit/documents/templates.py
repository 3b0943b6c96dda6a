# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with templates: their syntax, and the filters and lookups that they call."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import jinja2
from ansible.plugins.filter.core import FilterModule as Core
from ansible.plugins.filter.mathstuff import FilterModule as Mathstuff
from ansible.plugins.filter.urls import FilterModule as Urls
from jinja2 import nodes
from jinja2.filters import FILTERS as DEFAULT_FILTERS

from ansible_collections.imagesync.registry.tests.unit.documents.blocks import documentation
from ansible_collections.imagesync.registry.tests.unit.support import PLUGINS

_OURS = "imagesync.registry."
#: keywords of a task whose value is an expression, without braces
_EXPRESSIONS = ("when", "until", "changed_when", "failed_when", "that")
_FILTERS = {
    *DEFAULT_FILTERS,
    *Core().filters(),
    *Mathstuff().filters(),
    *Urls().filters(),
}
#: what Ansible's lookups take without our looking it up
_PASSED = ("wantlist", "errors")


def problems_of_templates(node: Any, key: str = "") -> list[str]:
    """What is wrong with the templates in all texts of a piece of YAML."""
    found = []
    if isinstance(node, dict):
        for name, value in node.items():
            found += problems_of_templates(value, str(name))
    elif isinstance(node, list):
        for value in node:
            found += problems_of_templates(value, key)
    elif isinstance(node, str) and key in _EXPRESSIONS and "{{" not in node:
        found += _problems(f"{{{{ {node} }}}}")
    elif isinstance(node, str) and ("{{" in node or "{%" in node):
        found += _problems(node)
    return found


def _problems(text: str) -> list[str]:
    # GitHub's own expressions look alike.
    try:
        tree = jinja2.Environment(extensions=["jinja2.ext.do"]).parse(text.replace("${{", "{{"))
    except jinja2.TemplateSyntaxError as error:
        return [f"{error}: {text}"]
    return [*_filters(tree), *_lookups(tree)]


def _filters(tree: nodes.Template) -> Iterator[str]:
    for node in tree.find_all(nodes.Filter):
        name = node.name.removeprefix("ansible.builtin.")
        if name.startswith(_OURS):
            path = PLUGINS / "filter" / f"{name.removeprefix(_OURS)}.py"
            if not path.exists():
                yield f"there is no filter {name}"
                continue
            options = list(documentation(path)["options"])
            for word in node.kwargs:
                if word.key not in options:
                    yield f"the filter {name} has no option {word.key}"
        elif "." not in name and name not in _FILTERS:
            yield f"there is no filter {name}"


def _lookups(tree: nodes.Template) -> Iterator[str]:
    for call in tree.find_all(nodes.Call):
        named = isinstance(call.node, nodes.Name) and call.node.name in ("lookup", "query", "q")
        if not named or not call.args or not isinstance(call.args[0], nodes.Const):
            continue
        name = str(call.args[0].value)
        if not name.startswith(_OURS):
            short = name.removeprefix("ansible.builtin.")
            if "." not in short and find_spec(f"ansible.plugins.lookup.{short}") is None:
                yield f"there is no lookup {name}"
            continue
        known = _lookup_options(name.removeprefix(_OURS))
        if not known:
            yield f"there is no lookup {name}"
        for word in call.kwargs if known else ():
            if word.key not in known:
                yield f"the lookup {name} has no option {word.key}"


@functools.cache
def _lookup_options(name: str) -> tuple[str, ...]:
    path = PLUGINS / "lookup" / f"{name}.py"
    return (*documentation(path)["options"], *_PASSED) if path.exists() else ()
