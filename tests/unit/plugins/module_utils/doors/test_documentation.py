# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors import (
    client_files,
    image_build,
    image_index,
    image_info,
    image_sign,
    image_sync,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    CONNECTION_OPTIONS,
    FILTER_OPTIONS,
    REGISTRY_OPTIONS,
)
from ansible_collections.imagesync.registry.tests.unit.support import PLUGINS

yaml = pytest.importorskip("yaml", reason="the documentation is YAML, which needs PyYAML")

FRAGMENTS = PLUGINS / "doc_fragments" / "_connection.py"
#: what argument specs and documentation have to agree about
SHARED = ("type", "elements", "default", "choices", "required", "aliases")


def document(file: Path, name: str) -> dict[str, Any]:
    """The YAML that a file assigns to ``name``, without importing the file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            found: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    raise AssertionError(f"{file} has no {name}")


def flat(options: dict[str, Any], children: str, above: str = "") -> dict[str, dict[str, Any]]:
    """Options and suboptions by their path, reduced to what has to agree."""
    found = {}
    for name, option in options.items():
        path = f"{above}{name}"
        kept = {key: option[key] for key in SHARED if option.get(key) not in (None, False, [])}
        if "choices" in kept:
            kept["choices"] = sorted(kept["choices"])
        found[path] = kept
        found.update(flat(option.get(children) or {}, children, f"{path}."))
    return found


def documented(file: Path, name: str = "DOCUMENTATION") -> dict[str, dict[str, Any]]:
    return flat(document(file, name)["options"], "suboptions")


def shared() -> dict[str, dict[str, Any]]:
    return {**documented(FRAGMENTS), **documented(FRAGMENTS, "LIMITS")}


def test_the_connection_fragment() -> None:
    assert shared() == flat(CONNECTION_OPTIONS, "options")


@pytest.mark.parametrize(
    ("module", "spec"),
    [
        ("image_sync", image_sync.ARGUMENT_SPEC),
        ("image_build", image_build.ARGUMENT_SPEC),
        ("image_info", image_info.ARGUMENT_SPEC),
        ("image_sign", image_sign.ARGUMENT_SPEC),
        ("image_index", image_index.ARGUMENT_SPEC),
    ],
)
def test_modules(module: str, spec: dict[str, Any]) -> None:
    own = documented(PLUGINS / "modules" / f"{module}.py")
    fragment = shared()
    assert not own.keys() & fragment.keys()
    assert {**own, **fragment} == flat(spec, "options")
    used = document(PLUGINS / "modules" / f"{module}.py", "DOCUMENTATION")
    for name in ("_connection", "_connection.limits"):
        assert f"imagesync.registry.{name}" in used["extends_documentation_fragment"]


def test_a_module_without_a_connection() -> None:
    own = documented(PLUGINS / "modules" / "client_files.py")
    assert own == flat(client_files.ARGUMENT_SPEC, "options")


def test_every_module_is_compared_here() -> None:
    modules = {file.stem for file in (PLUGINS / "modules").glob("*.py")}
    # these are actions, and their modules nothing but the documentation
    expected = {
        "client_files",
        "image_build",
        "image_index",
        "image_info",
        "image_sign",
        "image_sync",
    }
    assert modules - {"mirror_step", "image_list"} == expected


def test_the_fragment_of_plugins_on_the_controller() -> None:
    """The same options; a value from the environment or a variable has another type."""
    lookup = documented(FRAGMENTS, "PLUGIN")
    module = {k: v for k, v in documented(FRAGMENTS).items() if "." not in k}
    assert lookup.keys() == module.keys()
    for file in (PLUGINS / "lookup").glob("*.py"):
        used = document(file, "DOCUMENTATION")
        for name in ("_connection.plugin", "_connection.limits"):
            assert f"imagesync.registry.{name}" in used["extends_documentation_fragment"]
    options = document(FRAGMENTS, "PLUGIN")["options"]
    for name in ("registries", "auth_file"):
        assert options[name]["vars"] == [{"name": f"imagesync_{name}"}]
        assert options[name]["env"] == [{"name": f"IMAGESYNC_{name.upper()}"}]


def test_the_lookup_that_selects() -> None:
    """It takes what the module's option ``filter`` does, and ``tags``."""
    own = documented(PLUGINS / "lookup" / "image_tags.py")
    del own["_terms"]
    tags = {"tags": image_sync.ARGUMENT_SPEC["tags"]}
    assert own == flat({**tags, **FILTER_OPTIONS}, "options")


def test_what_is_secret_is_not_logged() -> None:
    secrets = {"password", "token", "identity_token", "proxy"}
    assert {name for name, option in REGISTRY_OPTIONS.items() if option.get("no_log")} == secrets


def test_the_defaults_of_the_contract() -> None:
    spec = flat(image_sync.ARGUMENT_SPEC, "options")
    assert {name: option["default"] for name, option in spec.items() if "default" in option} == {
        "state": "present",
        "destination_tag": "{tag}",
        "existing": "replace",
        "concurrency": 16,
        "retries": 5,
        "timeout": 60,
        "referrers": "with_image",
        "integrity": "tag",
        "platforms_missing": "fail",
        "lock_mode": "update",
        "progress": "auto",
        "prune": "none",
        "prune_limit": 10,
        "filter.max_tags": 200,
        "images.filter.max_tags": 200,
    }
    assert spec["state"]["choices"] == ["absent", "present", "staged"]
    assert spec["existing"]["choices"] == ["fail", "keep", "replace"]
    assert spec["auth_file"]["aliases"] == ["authfile"]
