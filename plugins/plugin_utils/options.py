# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of lookups, made into the same Settings as those of modules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator, ValidationResult
from ansible.module_utils.errors import UnsupportedError
from ansible.utils.display import Display

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    CONNECTION_OPTIONS,
    read_settings,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import Settings
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import kind


def check_lookup(lookup: Any, given: Mapping[str, Any]) -> None:
    """Refuses options that a lookup doesn't have, and a controller without ``requests``."""
    unknown = sorted(set(given) - set(lookup._options))
    if unknown:  # Ansible passes them over, and a misspelt platform would go unnoticed
        raise AnsibleLookupError(f"unknown option: {', '.join(unknown)}")
    # the actions, which ask no registry, do without
    from ansible_collections.imagesync.registry.plugins.module_utils.transport.libraries import (
        REQUESTS_IMPORT_ERROR,
    )

    if REQUESTS_IMPORT_ERROR is not None:
        raise AnsibleLookupError(
            "the Python library requests is missing on the controller, in the Python that "
            "runs Ansible"
        )


def texts(terms: list[Any]) -> list[str]:
    """The terms of a lookup; an empty value in YAML is no image of the name ``none``."""
    for number, term in enumerate(terms, 1):
        if not isinstance(term, str):
            raise AnsibleLookupError(f"term {number} must be text, not {kind(term)}")
    return [str(term) for term in terms]


def lookup_settings(lookup: Any) -> Settings:
    """The Settings of a lookup whose options are set.

    A value from a variable arrives as it is written there, so it is templated here; one from
    the environment is JSON, and taken as it is: Ansible trusts it as a template, but braces in a
    password are no more than that. Both are then checked by the specification of the modules.
    """
    values = {name: lookup.get_option(name) for name in CONNECTION_OPTIONS}
    for name in ("registries", "auth_file"):
        value, origin = lookup.get_option_and_origin(name)
        if value is not None and not str(origin).startswith("env:"):
            values[name] = lookup._templar.template(value)
    values["registries"] = _decoded(values["registries"])
    given = {name: value for name, value in values.items() if value is not None}
    checked = ArgumentSpecValidator(CONNECTION_OPTIONS).validate(given)
    if checked.error_messages:
        raise AnsibleLookupError(refusals(checked))
    settings = read_settings(checked.validated_parameters)
    for warning in settings.warnings():
        Display().warning(warning)
    return settings


def refusals(checked: ValidationResult) -> str:
    """What a validation found wrong; of what is unknown, Ansible itself tells the name alone."""
    return "; ".join(
        f"unsupported: {error.msg}" if isinstance(error, UnsupportedError) else str(error.msg)
        for error in checked.errors.errors
    )


def _decoded(registries: Any) -> Any:
    found = registries
    if isinstance(found, str):
        if not found.strip():
            return None
        try:
            found = json.loads(found)
        except ValueError:
            found = "no JSON"
    if found is not None and not isinstance(found, list):
        raise AnsibleLookupError("registries must be a list of dictionaries; as text, in JSON")
    return found
