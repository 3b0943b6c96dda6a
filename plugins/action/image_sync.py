# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_sync, with live progress on the controller's terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.lines import Lines
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.remote import (
    RemoteFile,
    can_read_along,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.tail import Tail
from ansible_collections.imagesync.registry.plugins.plugin_utils.progress.watch import (
    Watch,
    tried,
)

display = Display()


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # closed, or none at all
        return False


#: asked here, as the main process imports this before it starts a worker; those have no terminal
TERMINAL = _is_terminal()


class ActionModule(ActionBase):
    """Runs the module of this name. Without this plugin it does the same, in silence."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """The module's result, as it is."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        in_background = self._task.async_val and not self._connection.has_native_async
        shown = None if in_background else self._shown(task_vars or {})
        if shown is None:
            found = self._execute_module(task_vars=task_vars, wrap_async=in_background)
        else:
            found = self._watched(*shown, task_vars)
        result.update(found)
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _shown(self, task_vars: Mapping[str, Any]) -> tuple[RemoteFile, Lines] | None:
        """Where progress is read, and what makes lines of it; None where there is to be none."""
        mode = str(self._task.args.get("progress") or "auto")
        wanted = mode == "always" or (mode == "auto" and TERMINAL)
        silent = self._task.no_log or self._task.args.get("progress_file")
        if not wanted or silent or not can_read_along(self._connection):
            return None
        with contextlib.suppress(Exception):  # the task doesn't depend on it
            lines = Lines(
                self._label(task_vars), self._task.check_mode, getattr(display, "columns", 79)
            )
            return RemoteFile(self), lines
        return None

    def _watched(self, file: RemoteFile, lines: Lines, task_vars: Any) -> dict[str, Any]:
        arguments = {**self._task.args, "progress_file": file.path}
        found: dict[str, Any] = {}
        watch = Watch(Tail(file.read), lines, _show)
        try:
            with watch:
                found = self._execute_module(module_args=arguments, task_vars=task_vars)
        finally:
            if "stats" not in found:  # it may have been killed, with its file left behind
                tried(file.remove)
        watch.end(found)
        return found

    def _label(self, task_vars: Mapping[str, Any]) -> str:
        """The host and, in a loop, the item: as Ansible calls them."""
        host, other = task_vars.get("inventory_hostname"), self._task.delegate_to
        label = f"[{host} -> {other}]" if other and other != host else f"[{host}]"
        name = str(task_vars.get("ansible_loop_var") or "")
        if name not in task_vars:
            return label
        given = self._task.loop_control.label if self._task.loop_control else None
        item = self._templar.template(given) if given else task_vars[name]
        # what is no text may hold anything, logins too; then the images have to tell it
        return f"{label} (item={item[:60]})" if isinstance(item, str) else label


def _show(line: str) -> None:
    # not into a log file
    display.display(line, color=C.COLOR_SKIP, screen_only=True)
