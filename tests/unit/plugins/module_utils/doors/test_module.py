# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import queue
import signal
from typing import Any

import pytest

pytest.importorskip("ansible", reason="doors/module.py runs inside a module of Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.doors import module as door
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Ended(Exception):
    """The module is over."""


class Module:
    """What a module of Ansible does at its end."""

    def __init__(self, diff: bool = True) -> None:
        self._diff = diff
        self.warnings: list[str] = []
        self.params: dict[str, Any] = {}
        self.no_log_values: set[str] = set()

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def fail_json(self, **result: Any) -> None:
        raise Ended("failed", result)

    def exit_json(self, **result: Any) -> None:
        raise Ended("ended", result)


def run(result: Any, module: Module | None = None) -> tuple[str, dict[str, Any]]:
    def work(_module: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    with pytest.raises(Ended) as caught:
        door.run(module or Module(), work)
    how, values = caught.value.args
    return how, values


def test_an_interrupted_module_says_so() -> None:
    def work(_module: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(Ended) as caught:
        door.run(Module(), work)
    assert caught.value.args == ("failed", {"msg": "the task was interrupted (SIGINT)"})


def test_a_result() -> None:
    module = Module()
    given = {"changed": True, "warnings": ["a", "b"], "diff": {"before": "", "after": ""}}
    assert run(given, module) == ("ended", {"changed": True, "diff": {"before": "", "after": ""}})
    assert module.warnings == ["a", "b"]


def test_a_private_key_is_never_shown_wherever_it_was_given() -> None:
    module, key = Module(), "-----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY-----"
    module.params = {"a": 1, "signed_by": ["x.pub", key], "images": [{"signed_by": [key + "2"]}]}
    run({}, module)
    assert module.no_log_values == {key, key + "2"}


def test_a_failed_result_keeps_its_fields_and_warnings() -> None:
    module = Module()
    given = {"failed": True, "msg": "broken", "images": [1], "warnings": ["a"]}
    assert run(given, module) == ("failed", {"msg": "broken", "images": [1]})
    assert module.warnings == ["a"]


def test_without_diff_mode_there_is_no_diff() -> None:
    assert run({"changed": False, "diff": {}}, Module(diff=False)) == ("ended", {"changed": False})


def test_an_error_is_one_sentence() -> None:
    assert run(InvalidInput("no such thing")) == ("failed", {"msg": "no such thing"})


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError())


def test_without_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REQUESTS_IMPORT_ERROR", "Traceback ...")
    how, result = run({"changed": True})
    assert how == "failed"
    assert "requests" in result["msg"]
    assert result["exception"] == "Traceback ..."


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_the_work_and_the_second_the_process(number: signal.Signals) -> None:
    before = {one: signal.getsignal(one) for one in SIGNALS}
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    try:
        signal.signal(number, signal.SIG_DFL)  # nohup has it ignored, and then it stays so
        door.on_termination(told.put)
        os.kill(os.getpid(), number)
        assert told.get(timeout=10) == f"the task was told to end ({number.name})"
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_what_ignores_the_end_of_its_session_goes_on(number: signal.Signals) -> None:
    before = {one: signal.getsignal(one) for one in SIGNALS}
    try:
        signal.signal(number, signal.SIG_IGN)  # as nohup does, and a shell in the background
        door.on_termination(lambda _why: None)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
