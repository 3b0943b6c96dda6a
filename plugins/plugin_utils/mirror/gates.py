# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates: tasks that an image has to pass between its staging and the move of its tag."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ansible.parsing.dataloader import DataLoader

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import (
    Declared,
    Everything,
    Several,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import Scrubber

from .entries import read
from .files import full_path
from .values import kind, plain, text

#: the variables of gate tasks
VARIABLES = ("image", "image_name", "image_source", "image_destination", "image_entry")
#: the image is at the destination by its digest, and its tag may name another one
_BY_DIGEST = ("staged", "incomplete", "referrers_missing")
_LIMIT = 1000
_INCLUDING = {
    f"{where}{name}": name
    for name in ("include_tasks", "import_tasks")
    for where in ("", "ansible.builtin.", "ansible.legacy.")
}

#: of the role that runs gates: Ansible looks here first
_ROLE_S = Path(__file__).resolve().parents[3] / "roles" / "mirror" / "tasks"

Load = Callable[[str], Any]
Values = Mapping[str, Any]
Entries = list[Values]


def load_yaml(path: str) -> Any:
    """A plain file, whose templates stay text."""
    return plain(DataLoader().load_from_file(path, cache="none"))


class GateFiles:
    """Reads files of tasks, each once: what is wrong with them is told before any request."""

    def __init__(self, folder: Path, load: Load, playbook: Path | None = None) -> None:
        """``folder``: where relative paths begin; ``load`` gives what a file holds.

        ``playbook``: its folder, if that is another one.
        """
        self._folder, self._load = folder, load
        self._playbook = str(playbook or folder)
        self._good: set[str] = set()
        self._included: set[str] = set()

    def paths(self, value: Any, name: str) -> list[str]:
        """Those of a variable or of an entry's field, one or a list; raises InvalidInput."""
        if value is None or value == "":
            return []
        found = []
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str) or not one.strip():
                raise InvalidInput(
                    f"{name} must be the path of a file of tasks, or a list of them, not "
                    f"{kind(one)}"
                )
            path = full_path(self._folder, text(one, name).strip())
            self.check(path, name)
            found.append(path)
        return found

    def check(self, path: str, name: str) -> None:
        """Refuses what is no list of tasks; raises InvalidInput."""
        if path in self._good:
            return
        where = path if path == name else f"{name} {path}"
        tasks = read_yaml(path, self._load, where)
        if not isinstance(tasks, list) or not tasks:
            raise InvalidInput(
                f"{where} must hold a list of tasks, not {kind(tasks)}"
                if tasks != []
                else f"{where} holds no tasks, so nothing would be tested"
            )
        self._check_tasks(tasks, path, where)
        self._good.add(path)

    def _check_tasks(self, tasks: list[Any], path: str, where: str) -> None:
        for number, task in enumerate(tasks):
            try:
                for one in _with_inner(task):
                    _check_task(one)
                    self._check_included(one, os.path.dirname(path))
            except InvalidInput as error:
                raise InvalidInput(f"{where}: task {number + 1} {error}") from None

    def _check_included(self, task: Values, folder: str) -> None:
        """The files that it includes by a plain path; what a template names is known later."""
        for name in _INCLUDING.keys() & task.keys():
            value = task[name]
            file = value.get("file") if isinstance(value, Mapping) else value
            if not isinstance(file, str) or "{{" in file:
                continue
            static = _INCLUDING[name] == "import_tasks"
            if not static and not os.path.isabs(file) and (_ROLE_S / file).is_file():
                raise InvalidInput(
                    f"includes {file}, which is one of the role's own files to Ansible, and would "
                    "begin anew what runs the gate; give the file another name"
                )
            paths = [os.path.join(one, file) for one in self._folders(folder, static)]
            path = next((os.path.abspath(one) for one in paths if os.path.isfile(one)), "")
            if path and path not in self._included:
                self._included.add(path)
                tasks = read_yaml(path, self._load, f"includes {path}, which can't be read")
                if isinstance(tasks, list):
                    self._check_tasks(tasks, path, f"includes {path}")

    def _folders(self, folder: str, static: bool) -> list[str]:
        """Where Ansible looks within a role, in its order; it also tells where there is none."""
        playbook = [os.path.join(self._playbook, "tasks"), self._playbook]
        inner = os.path.join(folder, "tasks")
        # the one without a folder is where Ansible was called
        if static:
            return [inner, "tasks", folder, *playbook]
        return ["tasks", *playbook, inner, folder]


def _with_inner(task: Any) -> Iterator[Values]:
    """A task, and those of a block; raises InvalidInput for what is none."""
    if not isinstance(task, Mapping):
        raise InvalidInput(f"is {kind(task)}, and no task")
    yield task
    for part in ("block", "rescue", "always"):
        for inner in task.get(part) or ():
            yield from _with_inner(inner)


def _check_task(task: Values) -> None:
    """Refuses what would end the run in the middle, and with it what isn't this image's."""
    if "hosts" in task:
        raise InvalidInput("is a play; a gate is a list of tasks")
    if task.get("run_once"):
        raise InvalidInput("has run_once, and each host has images of its own to test")
    for name in ("meta", "ansible.builtin.meta"):
        if str(task.get(name) or "").startswith("end_"):
            raise InvalidInput(
                f"is meta: {task[name]}, which ends more than the gate; a gate holds an image back "
                "by failing, and lets it in by coming to its end"
            )


def read_yaml(path: str, load: Load, name: str) -> Any:
    """What a file on the controller holds; raises InvalidInput that names it."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise InvalidInput(f"{name}: {error.strerror or error}") from None
    try:
        return load(path)
    except InvalidInput:
        raise
    except Exception as error:  # of YAML, of vault, of templates
        raise InvalidInput(f"{name}: {' '.join(str(error).split())[:_LIMIT]}") from None


def check_hidden(extra: Iterable[str]) -> None:
    """Extra variables come before all others, so a gate would test what they name.

    Raises InvalidInput.
    """
    hiding = sorted(set(VARIABLES).intersection(extra))
    if hiding:
        raise InvalidInput(
            f"-e {hiding[0]}=... hides the variable of that name that gates are given, so that "
            "they would not test the image that is to be let in; call yours otherwise"
        )


class Candidates:
    """Which entries the images of a result come from; of several the gates of all count."""

    def __init__(self, plan: Values) -> None:
        self._by_place: dict[str, Entries] = {}
        # by their repositories: each image of many would be held against all patterns else
        self._by_names: dict[tuple[str, str], list[tuple[Values, Any]]] = {}
        for entry in plan["entries"]:
            if not entry["wanted"]:
                continue
            for place in entry["places"]:
                self._by_place.setdefault(place, []).append(entry)
            if entry["by_pattern"] or any("@" in place for place in entry["places"]):
                for one in read(entry["image"], plan["options"]):
                    self._by_names.setdefault(_names(one), []).append((entry, one))

    def of(self, image: Values) -> Entries:
        """At least one, unless the image is none of this plan."""
        found = list(self._by_place.get(str(image.get("destination")), ()))
        others = [*self._by_names.get(_names_of(image), ()), *self._by_names.get(_ANY, ())]
        for entry, one in others:
            if not any(entry is known for known in found) and stands_for(one, image):
                found.append(entry)
        return found


#: an entry for all that is in a bundle
_ANY = ("", "")


def _names(declared: Any) -> tuple[str, str]:
    if isinstance(declared, Everything):
        return _ANY
    one: Declared = declared.base if isinstance(declared, Several) else declared
    return (one.source.name if one.source else "-", one.destination.name)


def _names_of(image: Values) -> tuple[str, str]:
    source = str(image.get("source") or "")
    name = parse_reference(source).name if source else "-"
    return (name, parse_reference(str(image.get("destination"))).name)


def stands_for(declared: Any, image: Values) -> bool:
    """Whether an image of a result is one of those that an entry declares."""
    source, destination = str(image.get("source") or ""), str(image.get("destination"))
    if isinstance(declared, Everything):
        return source.startswith(f"{declared.base.source}:")
    if isinstance(declared, Declared):  # some platforms of it are kept by a digest of their own
        same = str(declared.source) == source and not declared.destination.tag
        return same and parse_reference(destination).name == declared.destination.name
    base: Several = declared
    tag = base.base.source.tag_of(parse_reference(source).tag or "") if base.base.source else ""
    try:
        one = base.at(tag) if tag else None
    except InvalidInput:
        return False
    if one is None or str(one.source) != source or str(one.destination) != destination:
        return False
    chosen = base.selection
    alone = chosen._replace(filter=chosen.filter._replace(allow_empty=True, max_tags=0))
    return tag in chosen.literals or tag in alone.select([tag])


def gates_of(entries: Entries) -> list[str]:
    """The files of tasks for an image, each once, in their order."""
    return list(dict.fromkeys(path for entry in entries for path in entry.get("gates") or ()))


def waiting(plan: Values, result: Values, token: str) -> Iterator[dict[str, Any]]:
    """For each image of a result that waits for its gate what the gate's tasks are given.

    ``token``: of this run of the gates, so that nothing that an older one has left behind counts.
    """
    candidates = Candidates(plan)
    bundle = f"{plan['source']}:"
    for image in result.get("images") or ():
        entries = candidates.of(image) if _waits(image, plan["lock"]) else []
        files = gates_of(entries)
        if files:
            entry = entries[0]
            yield {
                "token": token,
                "id": image["id"],
                "destination": image["destination"],
                "name": str(image.get("name") or ""),
                "source": str(image.get("source") or "").removeprefix(bundle),
                "entry": {
                    **entry["image"],
                    **({"gate_tasks": entry["gate_tasks"]} if entry["gate_tasks"] else {}),
                },
                "files": files,
            }


def _waits(image: Values, lock: Values | None) -> bool:
    """Whether it is there by its digest, and its tag has yet to move.

    An image without a tag is at its place with its digest, so that the next run finds it in sync.
    Only the lock tells that its gate was passed; without one it is tested every time.
    """
    if image.get("failed") or not image.get("id"):
        return False
    digest, reason = image.get("digest"), image.get("reason")
    if reason == "staged" or (reason in _BY_DIGEST and image.get("previous_digest") != digest):
        return True
    if parse_reference(str(image["destination"])).tag or reason not in ("in_sync", *_BY_DIGEST):
        return False
    locked = (lock or {}).get("images", {}).get(image["destination"]) or {}
    return bool(locked.get("digest") != digest)


def scrubber(registries: Any) -> Scrubber:
    """Of the secrets in ``mirror_registries``."""
    scrub = Scrubber()
    for entry in registries if isinstance(registries, list) else ():
        if isinstance(entry, Mapping):
            scrub.add(*(str(entry[key]) for key in ("token", "identity_token") if entry.get(key)))
            scrub.add_login(str(entry.get("username") or ""), str(entry.get("password") or ""))
            scrub.add(_password_of(str(entry.get("proxy") or "")))
    return scrub


def _password_of(proxy: str) -> str:
    """That in the address of a proxy."""
    login = proxy.rpartition("@")[0].rpartition("//")[2]
    return unquote(login.partition(":")[2])


def verdict(result: Any, task: Any, scrub: Scrubber) -> str:
    """Why a gate failed, on one line: the message of the task that did.

    ``result``, ``task``: what Ansible says of the failure.
    """
    result = result if isinstance(result, Mapping) else {}
    task = task if isinstance(task, Mapping) else {}
    name = " ".join(str(task.get("name") or "").split())
    where = f"its gate failed at {name!r}" if name else "its gate failed"
    if result.get("_ansible_no_log") or result.get("censored") or task.get("no_log"):
        return scrub(f"{where}, which hides its output (no_log)", _LIMIT)
    said = _said(result)
    if not said:
        return f"{where}; what the play has printed says why"
    return scrub(f"{where}: {' '.join(said.split())}", _LIMIT)


def _said(result: Values) -> str:
    """A task's own words; of a loop those of the first item that failed."""
    items = result.get("results")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, Mapping) and item.get("failed"):
            if item.get("_ansible_no_log") or item.get("censored"):
                return "its output is hidden (no_log)"
            return _said(item)
    words = [str(result.get("msg") or result.get("reason") or "")]
    if "rc" in result:
        words.append(f"(exit code {result['rc']})")
        for stream in ("stderr", "stdout"):
            if str(result.get(stream) or "").strip():
                words.append(str(result[stream]).strip()[-400:])
                break
    elif result.get("assertion") and not result.get("msg"):
        words.append(str(result["assertion"]))
    return " ".join(word for word in words if word)
