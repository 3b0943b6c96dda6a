# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks registries through the doors of the code, without the second that Ansible takes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors import image_info
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import ImageSyncError

Options = Mapping[str, Any]


def ask(*references: str, **options: Any) -> dict[str, Any]:
    """What image_info finds."""
    given = {"images": list(references), "retries": 0, "timeout": 20, **options}
    return image_info.image_info(_checked(image_info.ARGUMENT_SPEC, given))


def refusal(*references: str, **options: Any) -> str:
    """The sentence with which image_info fails."""
    return sentence_of(lambda: ask(*references, **options))


def sentence_of(call: Callable[[], Any]) -> str:
    """The message of the error that this must raise, which must be one sentence."""
    try:
        result = call()
    except ImageSyncError as error:
        return check_sentence(str(error))
    raise AssertionError(f"it should have failed, but gave {result}")


def check_sentence(text: str, limit: int = 400) -> str:
    """The text, if a user can read it as one sentence."""
    if "\n" in text or "Traceback" in text or not 20 < len(text) < limit:
        raise AssertionError(f"not one clear sentence: {text!r}")
    for sign in ("Error(", "object at 0x", "<class", "_ssl.c", "HTTPConnectionPool"):
        if sign in text:
            raise AssertionError(f"{sign} is no word for users: {text!r}")
    return text


def templated(expression: str) -> str:
    """The expression as a playbook has it."""
    return "{{ " + expression + " }}"


def basic(user: str, password: str) -> str:
    """The Authorization that these make."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _checked(spec: Options, given: Options) -> Options:
    """The options as Ansible hands them over: typed, with defaults."""
    checked = ArgumentSpecValidator(dict(spec)).validate(dict(given))
    if checked.error_messages:
        raise AssertionError(checked.error_messages)
    found: Options = checked.validated_parameters
    return found
