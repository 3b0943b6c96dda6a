# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module image_sign between its arguments and its result, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.errors import InvalidInput
from ..model.private_keys import SigningKey, parse_signing_key
from ..model.reference import parse_reference
from ..sync.masking import check_masking, would_mask
from ..sync.signatures import read_key_file
from ..sync.signing import FORMATS, Order, sign
from .arguments import CONNECTION_OPTIONS, read_annotations, read_settings

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "image": {"type": "str", "required": True},
    "private_key_path": {"type": "path", "no_log": False},
    "private_key_content": {"type": "str", "no_log": True},
    "private_key_passphrase": {"type": "str", "no_log": True},
    "format": {"type": "str", "choices": list(FORMATS), "default": "tag"},
    "annotations": {"type": "dict"},
    **CONNECTION_OPTIONS,
}
MUTUALLY_EXCLUSIVE = [("private_key_path", "private_key_content")]
REQUIRED_ONE_OF = [("private_key_path", "private_key_content")]


def image_sign(parameters: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The result of a call. Raises ImageSyncError."""
    settings = read_settings(parameters)
    reference = parse_reference(parameters["image"]).with_default_tag()
    check_masking(settings, [str(reference)])
    passphrase = parameters.get("private_key_passphrase")
    if passphrase and would_mask([passphrase], [str(reference)]):
        raise InvalidInput(
            "private_key_passphrase also occurs inside the image reference, or is so short that it "
            "may occur inside a digest; Ansible would mask it there and so corrupt the result"
        )
    annotations = read_annotations(parameters.get("annotations"))
    order = Order(reference, _key(parameters, passphrase), parameters["format"], annotations)
    return sign(order, settings, check_mode)


def _key(parameters: Mapping[str, Any], passphrase: str | None) -> SigningKey:
    path, content = parameters.get("private_key_path"), parameters.get("private_key_content")
    name = f"private_key_path {path}" if content is None else "private_key_content"
    try:
        text = read_key_file(path or "") if content is None else content
        return parse_signing_key(text, passphrase)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from None
