# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of image_sync that the role's variables set, each checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    CONNECTION_OPTIONS,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sync import (
    ARGUMENT_SPEC,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import (
    INHERITED,
    read_image,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.options import refusals

from .names import OPTIONS, PREFIX
from .values import text, text_list

#: what an entry of ``images`` may hold
ENTRY_SPEC: dict[str, dict[str, Any]] = ARGUMENT_SPEC["images"]["options"]
#: an image that nothing is wrong with, to try an option on
_SAMPLE = {"source": "registry.invalid/a:1", "destination": "registry.invalid/b:a-sample"}


def read_options(variables: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Those that are set; what is wrong is added to ``problems``."""
    found = {}
    for option in OPTIONS:
        value = variables.get(PREFIX + option)
        if value is None:
            continue
        try:
            found[option] = _checked(option, value)
        except InvalidInput as error:
            problems.append(str(error))
    return found


def _checked(option: str, value: Any) -> Any:
    name = PREFIX + option
    spec = ARGUMENT_SPEC.get(option)
    if spec is None:
        raise InvalidInput(f"{name}: image_sync has no option {option}")
    if spec["type"] == "str":
        value = text(value, name)
    if spec["type"] == "list" and not isinstance(value, str):  # text is split at its commas
        value = text_list(value, name)
    validated = validate({option: spec}, {option: value}, f"{name}: ")[option]
    if option in INHERITED:
        try:
            read_image({**_SAMPLE, option: validated})
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {str(error).removeprefix(f'{option}: ')}") from None
    return validated


def validate(
    spec: Mapping[str, Any], values: Mapping[str, Any], prefix: str = ""
) -> dict[str, Any]:
    """The values in the types of the specification; raises InvalidInput."""
    checked = ArgumentSpecValidator(dict(spec)).validate(dict(values))
    if checked.error_messages:
        raise InvalidInput(prefix + refusals(checked))
    return dict(checked.validated_parameters)


def check_logins(variable: str, registries: Any) -> None:
    """Refuses what image_sync would refuse; the message has no value of it. Raises InvalidInput."""
    if not isinstance(registries, list):
        raise InvalidInput(f"{variable} must be a list of mappings")
    spec = CONNECTION_OPTIONS["registries"]["options"]
    for number, entry in enumerate(registries):
        if not isinstance(entry, Mapping):
            raise InvalidInput(f"{variable}[{number}] must be a mapping")
        unknown = sorted(str(key) for key in entry if key not in spec)
        if unknown:
            raise InvalidInput(
                f"{variable}[{number}]: there is no key {unknown[0]}; there are: {', '.join(spec)}"
            )
