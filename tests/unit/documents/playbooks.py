# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with YAML: playbooks, tasks, inventories, variables, and what others read."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import yaml
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    CONNECTION_OPTIONS,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import read_image
from ansible_collections.imagesync.registry.tests.unit.documents.blocks import documentation
from ansible_collections.imagesync.registry.tests.unit.documents.shell import problems_of_script
from ansible_collections.imagesync.registry.tests.unit.documents.templates import (
    problems_of_templates,
)
from ansible_collections.imagesync.registry.tests.unit.documents.variables import (
    is_extra_variable,
    is_of_a_role,
    is_templated,
    problems_of_options,
    problems_of_variables,
)
from ansible_collections.imagesync.registry.tests.unit.support import PLUGINS, ROOT

_OURS = "imagesync.registry."
_BUILTIN = "ansible.builtin."
_ROLES = ("include_role", "import_role")
_TASK_WORDS = {*Task.fattributes, *Block.fattributes, "listen", "loop_control"} - {"args"}
_BLOCKS = ("block", "rescue", "always")
_PLAY_TASKS = ("pre_tasks", "tasks", "post_tasks", "handlers")
_GROUP_WORDS = {"hosts", "vars", "children"}
#: Collections that aren't installed here: their modules are taken as they are.
_FOREIGN = (
    "ansible.posix.",
    "community.crypto.",
    "community.docker.",
    "community.general.",
    "containers.podman.",
    "kubernetes.core.",
)
#: parts of a play that a document shows alone
_PARTS = {"vars", "module_defaults", "environment", "registries"}


def problems_of_yaml(text: str) -> list[str]:
    """What is wrong with a block; a kind that isn't known here is wrong, too."""
    try:
        documents = [one for one in yaml.load_all(text, _Loader) if one is not None]
    except yaml.YAMLError as error:
        return [str(error)]
    if not documents:
        return ["there is nothing in it"]
    if text.startswith("# before: "):
        return []
    return [problem for one in documents for problem in _problems(one)]


class _Loader(yaml.SafeLoader):
    """Knows Ansible's tags, and no key twice."""


def _tagged(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _value in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"twice in one mapping: {', '.join(sorted(twice))}")
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("!vault", _tagged)
_Loader.add_constructor("!unsafe", _tagged)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _problems(document: Any) -> list[str]:
    for is_one, check in _KINDS:
        if is_one(document):
            return list(check(document))
    keys = list(document) if isinstance(document, Mapping) else type(document).__name__
    return [f"of a kind that nothing checks ({keys}): tell playbooks.py how, or run it in a test"]


def _is_rulebook(document: Any) -> bool:
    return _is_list_with(document, "rules")


def _is_playbook(document: Any) -> bool:
    return _is_list_with(document, "hosts") or _is_list_with(document, "import_playbook")


def _is_list_with(document: Any, key: str) -> bool:
    return isinstance(document, list) and any(isinstance(o, Mapping) and key in o for o in document)


def _is_tasks(document: Any) -> bool:
    return _is_list_with(document, "name") or isinstance(document, list)


def _is_inventory(document: Any) -> bool:
    return isinstance(document, Mapping) and all(
        value is None or (isinstance(value, Mapping) and value.keys() <= _GROUP_WORDS)
        for value in document.values()
    )


def _has(*keys: str) -> Callable[[Any], bool]:
    return lambda document: isinstance(document, Mapping) and document.keys() >= set(keys)


def _is_part(document: Any) -> bool:
    return isinstance(document, Mapping) and document.keys() <= _PARTS


def _is_variables(document: Any) -> bool:
    return isinstance(document, Mapping) and any(
        is_of_a_role(str(key)) or str(key).startswith("imagesync_") for key in document
    )


def _is_read(document: Any) -> bool:
    """Variables of a playbook or rulebook, all of them."""
    return isinstance(document, Mapping) and all(is_extra_variable(str(key)) for key in document)


def _is_fragment(document: Any) -> bool:
    path = ROOT / "changelogs" / "config.yaml"
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))["sections"]
    known = {name for name, _title in sections} | {"trivial", "release_summary"}
    return isinstance(document, Mapping) and document.keys() <= known


def _playbook(plays: list[dict[str, Any]]) -> Iterator[str]:
    for play in plays:
        if "import_playbook" in play:
            name = str(play["import_playbook"])
            path = ROOT / "playbooks" / f"{name.removeprefix(_OURS)}.yml"
            if name.startswith(_OURS) and not path.exists():
                yield f"there is no playbook {name}"
            yield from problems_of_variables(play.get("vars", {}))
            continue
        unknown = play.keys() - set(Play.fattributes)
        if unknown:
            yield f"no keyword of a play: {', '.join(sorted(unknown))}"
        yield from _part({key: play[key] for key in _PARTS & play.keys()})
        for role in play.get("roles", []):
            yield from _role(role if isinstance(role, Mapping) else {"role": role})
        for key in _PLAY_TASKS:
            yield from _tasks(play.get(key, []))


def _part(part: Mapping[str, Any]) -> Iterator[str]:
    yield from problems_of_templates(dict(part))
    yield from problems_of_variables(part.get("vars", {}))
    if "registries" in part:
        given = {"registries": part["registries"]}
        yield from problems_of_options(CONNECTION_OPTIONS, given)
    for name, defaults in part.get("module_defaults", {}).items():
        if name == f"group/{_OURS}registry":
            yield from problems_of_options(CONNECTION_OPTIONS, defaults)
        elif name.startswith("group/"):
            yield f"there is no group {name}"
        else:
            yield from _options_alone(name, defaults)


def _options_alone(name: str, defaults: Mapping[str, Any]) -> Iterator[str]:
    known = _known_options(name)
    yield from (f"{name} has no option {key}" for key in defaults if known and key not in known)


def _role(role: Mapping[str, Any]) -> Iterator[str]:
    name = str(role.get("role") or role.get("name"))
    if name.startswith(_OURS) and not (ROOT / "roles" / name.removeprefix(_OURS)).is_dir():
        yield f"there is no role {name}"
    tasks = str(role.get("tasks_from", "main"))
    place = ROOT / "roles" / name.removeprefix(_OURS) / "tasks" / f"{tasks}.yml"
    if name.startswith(_OURS) and not place.exists():
        yield f"the role {name} has no entry point {tasks}"
    yield from problems_of_variables(role.get("vars", {}))
    yield from problems_of_templates(dict(role))
    yield from problems_of_variables({k: v for k, v in role.items() if is_of_a_role(k)})


def _tasks(tasks: Any) -> Iterator[str]:
    for task in tasks:
        if not isinstance(task, Mapping):
            yield f"no task: {task}"
            continue
        inner = [key for key in _BLOCKS if key in task]
        for key in inner:
            yield from _tasks(task[key])
        modules = [key for key in task if key not in _TASK_WORDS and key not in _BLOCKS]
        if len(modules) != (0 if inner else 1):
            yield f"one module is called by a task, and not {modules}"
        words = {key: value for key, value in task.items() if key not in _BLOCKS}
        yield from problems_of_templates(words)
        yield from problems_of_variables(task.get("vars", {}))
        for name in modules[:1]:
            yield from _module(str(name), task[name], task)


def _module(name: str, arguments: Any, task: Mapping[str, Any]) -> Iterator[str]:
    short = name.removeprefix(_BUILTIN)
    if name.startswith(_OURS):
        yield from _ours(name.removeprefix(_OURS), arguments)
    elif name.startswith(_FOREIGN):
        return
    elif not name.startswith(_BUILTIN):
        yield f"modules have full names, so there is no {name}"
    elif find_spec(f"ansible.modules.{short}") is None:
        yield f"there is no module {name}"
    elif isinstance(arguments, Mapping):
        yield from _options_alone(name, arguments)
        if short in _ROLES:
            yield from _role({**arguments, "vars": task.get("vars", {})})


def _ours(name: str, arguments: Any) -> Iterator[str]:
    path = PLUGINS / "modules" / f"{name}.py"
    if not path.exists() or not isinstance(arguments, Mapping):
        yield f"there is no module {_OURS}{name} that takes {arguments}"
        return
    door = find_spec(f"{__name__.partition('.tests.')[0]}.plugins.module_utils.doors.{name}")
    module = importlib.import_module(door.name) if door else None
    spec = getattr(module, "ARGUMENT_SPEC", None)
    if spec is None:
        yield from _options_alone(f"{_OURS}{name}", arguments)
        return
    rules = {
        rule: getattr(module, rule.upper())
        for rule in ("mutually_exclusive", "required_one_of", "required_together", "required_if")
        if hasattr(module, rule.upper())
    }
    yield from problems_of_options(spec, arguments, **rules)
    if name == "image_sync":
        yield from _images(arguments, spec)


def _images(arguments: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
    images = arguments.get("images", [arguments])
    if arguments.get("prune") == "lock" and not {"lock_file", "lock"} & arguments.keys():
        yield "prune: lock needs a lock"
    for image in images if isinstance(images, list) else ():
        known = spec["images"]["options"]
        given = {k: v for k, v in image.items() if k in known and not is_templated(v)}
        if len(given) < len(image.keys() & known.keys()):
            continue  # of which the rest is only known when it runs
        try:
            read_image(given)
        except InvalidInput as error:
            yield str(error)


@functools.cache
def _known_options(name: str) -> frozenset[str]:
    """The options of a module with their other names; nothing if it takes what you like."""
    if name.startswith(_OURS):
        options = documentation(PLUGINS / "modules" / f"{name.removeprefix(_OURS)}.py")["options"]
    else:
        module = find_spec(f"ansible.modules.{name.removeprefix(_BUILTIN)}")
        if module is None or module.origin is None or name.endswith((".set_fact", ".add_host")):
            return frozenset()
        found = get_docstring(module.origin, fragment_loader, plugin_type="module")[0]
        options = (found or {}).get("options") or {}
    aliases = (alias for option in options.values() for alias in option.get("aliases", []))
    return frozenset((*options, *aliases))


def _inventory(groups: Mapping[str, Any]) -> Iterator[str]:
    for group in groups.values():
        group = group or {}
        yield from _inventory(group.get("children") or {})
        for variables in [group.get("vars") or {}, *(group.get("hosts") or {}).values()]:
            yield from _variables(variables or {})


def _variables(variables: Mapping[str, Any]) -> Iterator[str]:
    yield from problems_of_templates(dict(variables))
    yield from problems_of_variables(variables)


def _rulebook(rulesets: list[dict[str, Any]]) -> Iterator[str]:
    """Event-Driven Ansible's: what it runs is there."""
    for rule in (rule for one in rulesets for rule in one["rules"]):
        for action in rule.get("actions") or [rule["action"]]:
            name = str((action.get("run_playbook") or {}).get("name", ""))
            path = ROOT / "playbooks" / f"{name.removeprefix(_OURS)}.yml"
            if name.startswith(_OURS) and not path.exists():
                yield f"there is no playbook {name}"


def _requirements(document: Mapping[str, Any]) -> Iterator[str]:
    for one in document["collections"]:
        if isinstance(one, Mapping) and one.keys() - {"name", "version", "source", "type"}:
            yield f"no keys of a collection: {sorted(one)}"


def _workflow(document: Mapping[str, Any]) -> Iterator[str]:
    """One of GitHub's: what its steps run is checked as any command."""
    for job in document["jobs"].values():
        for step in job.get("steps", []):
            if not {"uses", "run"} & step.keys():
                yield f"a step that does nothing: {sorted(step)}"
            if "run" in step:
                yield from problems_of_script(step["run"])


def _gitlab(document: Mapping[str, Any]) -> Iterator[str]:
    for job in document.values():
        if isinstance(job, Mapping) and "script" in job:
            yield from problems_of_script("\n".join(job["script"]))


def _nothing(_document: Any) -> Iterator[str]:
    """Others read it, and it is YAML."""
    return iter(())


def _is_workflow(document: Any) -> bool:
    # YAML takes the key for a truth value
    return _has("jobs")(document) and bool(document.keys() & {"on", True})


def _is_gitlab(document: Any) -> bool:
    return isinstance(document, Mapping) and any(
        isinstance(job, Mapping) and "script" in job for job in document.values()
    )


def _is_policy(document: Any) -> bool:
    """What tests/system/test_filters.py tries out."""
    return isinstance(document, Mapping) and list(document) == ["validations"]


#: the first that fits; what others read comes after what is ours
_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Iterator[str]]], ...] = (
    (_is_rulebook, _rulebook),
    (_is_playbook, _playbook),
    (_is_tasks, _tasks),
    (_is_part, _part),
    (_is_variables, _variables),
    (_has("collections"), _requirements),
    (_is_workflow, _workflow),
    (_is_gitlab, _gitlab),
    (_is_fragment, _nothing),
    (_is_policy, _nothing),
    (_has("apiVersion", "kind"), _nothing),
    (_has("services"), _nothing),
    # tests/package gives it to ansible-builder
    (_has("version", "images", "dependencies"), _nothing),
    (_has("groups"), _nothing),
    (_has("notifications"), _nothing),
    (_is_inventory, _inventory),
    (_is_read, _variables),
)
