# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules do around their work: the only place where errors become fail_json."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..model.errors import ImageSyncError
from ..transport.libraries import REQUESTS_IMPORT_ERROR


def on_termination(request: Callable[[str], None]) -> None:
    """Calls ``request`` with the reason when the process is told to end, the first time.

    That is SIGTERM; SIGHUP where a session of ssh ends before the task, and SIGINT for who runs
    a module by hand (Ansible turns Ctrl-C into SIGTERM), unless these are ignored.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        why = f"the task was told to end ({signal.Signals(number).name})"
        threading.Thread(target=request, args=(why,), daemon=True).start()

    signal.signal(signal.SIGTERM, handle)
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)


def _private_keys(value: Any) -> Iterator[str]:
    """Every text among the options that has a private key in it."""
    if isinstance(value, str):
        if "PRIVATE KEY-----" in value:
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _private_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _private_keys(inner)


def run(
    module: AnsibleModule,
    work: Callable[[AnsibleModule], dict[str, Any]],
    needs_requests: bool = True,
) -> None:
    """Ends the module with what ``work`` returns, or with its error in one sentence.

    A result with ``failed`` true ends as a failure; ``warnings`` are given to Ansible.
    ``needs_requests``: whether the work asks registries.
    """
    if needs_requests and REQUESTS_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    # one may have been given where a public key belongs
    module.no_log_values.update(_private_keys(module.params))
    try:
        result = work(module)
    except ImageSyncError as error:
        module.fail_json(msg=str(error))
    except KeyboardInterrupt:
        module.fail_json(msg="the task was interrupted (SIGINT)")
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if not module._diff:
        result.pop("diff", None)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
