# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step of the playbook ``inventory_from``, done on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.census import (
    Census,
    Surveyor,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.listing import reading, writing
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import files
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import (
    plain,
    text,
    text_list,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.options import (
    check_lookup,
    lookup_settings,
)

Values = dict[str, Any]
#: a registry that is gone is to be expected here, and the next run asks again
_RETRIES = 2
_SOURCES = ("kubernetes", "compose", "list", "registry")


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Values:
        """Reads, asks, writes."""
        result: Values = super().run(tmp, task_vars)
        try:
            return {**result, "changed": False, **self._list(task_vars or {})}
        except (ImageSyncError, AnsibleError) as error:
            return {**result, "failed": True, "changed": False, "msg": str(error)}

    def _list(self, task_vars: Values) -> Values:
        given = plain(self._task.args)
        output = Path.cwd() / Path(text(given.get("output") or "", "output")).expanduser()
        writing.check_ending(output)
        variable = text(given.get("variable") or "mirror_images", "variable")
        replace = boolean(given.get("replace") or False)
        before = writing.current(output, replace)
        words = {name: _words(given.get(name), name) for name in (*_SOURCES, "keys")}
        if not any(words[name] for name in _SOURCES):
            raise InvalidInput(
                "there is nothing to make a list from: set from_kubernetes, from_compose, "
                "from_list or from_registry"
            )
        named = _in_files(words)
        found = self._asked(named, words["registry"], task_vars)
        if not named and not found.images:
            raise InvalidInput("there is no image in what the list is to be made from")
        if not replace:
            writing.check_kept(before, found, output)
        after = writing.rendered(found, output, variable)
        if before != after and not self._task.check_mode:
            try:
                files.write(str(output), after)
            except OSError as error:
                raise InvalidInput(f"output {output}: {error.strerror or error}") from None
        header = {"before_header": str(output), "after_header": str(output)}
        diff = {**header, "before": before or "", "after": after}
        return {
            "changed": before != after,
            "output": str(output),
            **{key: list(value) for key, value in found._asdict().items()},
            **({"diff": diff} if self._task.diff else {}),
        }

    def _asked(
        self, named: list[reading.Named], places: list[str], task_vars: Values
    ) -> writing.Listed:
        lookup = lookup_loader.get(
            "imagesync.registry.image_digest", loader=self._loader, templar=self._templar
        )
        lookup.set_options(var_options=task_vars, direct={"retries": _RETRIES})
        check_lookup(lookup, {})
        surveyor = Surveyor(lookup_settings(lookup))
        try:
            there = [one for place in places for one in surveyor.everything(place)]
            more = [reading.Named("", one.reference) for one in there if not one.problem]
            unlisted: list[Census] = [one for one in there if one.problem]
            found = surveyor.digests(writing.wanted([*named, *more]))
        finally:
            surveyor.close()
            for warning in surveyor.warnings():
                self._display.warning(warning)
        return writing.listed(named, [*found, *unlisted])


def _words(value: Any, name: str) -> list[str]:
    """A list, or text with commas as ``-e`` gives it."""
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",") if word.strip()]
    return text_list(value or [], name)


def _in_files(words: dict[str, list[str]]) -> list[reading.Named]:
    found = []
    for name in ("kubernetes", "compose", "list"):
        for path in reading.paths_of(words[name], Path.cwd(), f"from_{name}"):
            found += (
                reading.in_list(path) if name == "list" else reading.in_data(path, words["keys"])
            )
    return found
