# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step of the role ``client``: what a host is told follows from variables on the controller."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.client import names
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.connections import (
    public_fields,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.formats import planned
from ansible_collections.imagesync.registry.plugins.plugin_utils.client.node import read_node
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.names import (
    is_list_of_images,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import plain

Values = dict[str, Any]


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Values:
        """Plans for all runtimes, so that nothing is written if one can't be; writes for one."""
        result: Values = super().run(tmp, task_vars)
        variables = task_vars or {}
        runtime = str(self._task.args.get("runtime"))
        try:
            found = planned(self._node(variables)).get(runtime)
        except InvalidInput as error:
            return {**result, "failed": True, "changed": False, "msg": str(error)}
        if found is None:
            why = f"client_runtimes doesn't name {runtime}"
            return {**result, "skipped": True, "changed": False, "skip_reason": why}
        for warning in found["warnings"]:
            self._display.warning(f"{variables.get('inventory_hostname')}: {warning}")
        arguments = {"runtime": runtime, **found["arguments"]}
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _node(self, task_vars: Values) -> Any:
        """The variables, templated."""
        for warning in names.misspelt(name for name in task_vars if isinstance(name, str)):
            self._display.warning(warning)
        found, problems = {}, []
        for name in sorted(name for name in task_vars if names.is_read(str(name))):
            try:
                value = plain(self._templar.template(task_vars[name]))
            except AnsibleError as error:
                problems.append(f"{name}: {error}")
                continue
            if value is not None or is_list_of_images(name):
                found[name] = value
        if problems:
            raise InvalidInput("\n".join(problems))
        return read_node(found, task_vars, self._logins(task_vars), self._load)

    def _load(self, path: str) -> Any:
        """A file of mirror_images_dir, with vaults and templates, as for the role mirror."""
        found = self._loader.load_from_file(path, cache="none", trusted_as_template=True)
        return plain(self._templar.template(found))

    def _logins(self, task_vars: Values) -> Any:
        name = next((name for name in names.LOGINS if name in task_vars), None)
        if name is None:
            return []
        try:
            return plain(public_fields(task_vars[name], self._templar.template))
        except AnsibleError as error:
            raise InvalidInput(f"{name}: {error}") from None
