# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with options and variables: the real specifications and the real plan judge."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    CONNECTION_OPTIONS,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import names
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan
from ansible_collections.imagesync.registry.tests.unit.support import ROOT

Spec = Mapping[str, Mapping[str, Any]]

#: what lookups and roles read, and what they are in the modules
LOGINS = {"imagesync_registries": "registries", "imagesync_auth_file": "auth_file"}
#: of what a group or a task leaves to others, for the plan to be made
_REST = {"mirror_destination": "registry.example.com/mirror", "mirror_lock_file": "lock.json"}
_IMAGES = ["docker.io/library/busybox:1.36", "docker.io/library/nginx:1.27"]
_SAMPLES: dict[str, Any] = {"bool": True, "int": 1, "float": 1.0, "dict": {}, "list": []}
#: in a specification, and nothing for ArgumentSpecValidator
_WORDS = ("description", "version_added", "short_description", "author", "seealso")


def problems_of_options(spec: Spec, given: Mapping[str, Any], **rules: Any) -> list[str]:
    """What is wrong with the arguments of a module; ``rules``: mutually_exclusive and the like."""
    sampled = {key: _sample(spec.get(key, {}), value) for key, value in given.items()}
    return list(ArgumentSpecValidator(dict(spec), **rules).validate(sampled).error_messages)


def is_templated(value: Any) -> bool:
    """Whether Ansible makes the value when it runs."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _sample(option: Mapping[str, Any], value: Any) -> Any:
    """The value with something of the right kind for whatever is made by templates."""
    if is_templated(value):
        if option.get("choices"):
            return option["choices"][0]
        return _SAMPLES.get(str(option.get("type", "str")), value)
    inner = option.get("options")
    if isinstance(value, Mapping) and inner:
        return {key: _sample(inner.get(key, {}), one) for key, one in value.items()}
    if isinstance(value, list) and option.get("elements") == "dict":
        return [_sample({**option, "elements": ""}, one) for one in value if not is_templated(one)]
    return value


@functools.cache
def role_options() -> dict[str, dict[str, Any]]:
    """The variables of all roles, from all their entry points."""
    found: dict[str, dict[str, Any]] = {}
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            found.update(_plain(entry.get("options") or {}))
    return found


def _plain(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, option in options.items():
        kept = {key: value for key, value in option.items() if key not in _WORDS}
        if "options" in kept:
            kept["options"] = _plain(kept["options"])
        found[name] = {**kept, "required": False} if kept.get("required") else kept
    return found


@functools.cache
def _prefixes() -> tuple[str, ...]:
    roles = [path.name for path in ROOT.glob("roles/*") if path.is_dir()]
    return tuple(f"{name}_" for name in roles)


@functools.cache
def _of_playbooks() -> frozenset[str]:
    """All words of playbooks and rulebooks: the variables that only these read are among them."""
    files = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("extensions/eda/rulebooks/*.yml")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    return frozenset(re.findall(r"\w+", text))


def is_of_a_role(name: str) -> bool:
    """Whether a role would be the one to read it, by its name."""
    return name.startswith(_prefixes())


def is_extra_variable(name: str) -> bool:
    """Whether a role or a playbook of the collection reads it."""
    return (
        name in role_options()
        or name in LOGINS
        or names.is_list_of_images(name)
        or name in _of_playbooks()
    )


def problems_of_variables(variables: Mapping[str, Any]) -> list[str]:
    """What is wrong with variables of a play, a host or a group, as far as they are ours."""
    found = []
    for name, value in variables.items():
        if name in LOGINS:
            option = LOGINS[name]
            found += problems_of_options(CONNECTION_OPTIONS, {option: value})
        elif is_of_a_role(name) and not is_extra_variable(name):
            found.append(f"no role reads the variable {name}")
    ours = {name: value for name, value in variables.items() if name in role_options()}
    found += problems_of_options(role_options(), ours)
    of_mirror = {n: v for n, v in variables.items() if names.is_read(n)}
    return found or (_problems_of_plan(of_mirror) if of_mirror else [])


def _problems_of_plan(variables: Mapping[str, Any]) -> list[str]:
    """What the role itself says of them, before its first request."""
    # These name files that aren't here, or what may stand in another group.
    elsewhere = {"mirror_images_file", "mirror_baseline_lock_file", "mirror_exclude", "mirror_only"}
    given = {
        name: value
        for name, value in variables.items()
        if name not in elsewhere and not is_templated(value)
    }
    given = {**_REST, **given}
    if not any(re.match("mirror_(images|source)", name) for name in given):
        given["mirror_images"] = _IMAGES
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "inventory")
        place.mkdir()
        try:
            make_plan(given, {"inventory_hostname": "host", "playbook_dir": str(place)})
        except InvalidInput as error:
            found = str(error).splitlines()
            # files on the controller, which aren't here
            return [line for line in found if not line.endswith("No such file or directory")]
    return []
