# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be said without asking; that they are created is for tests/system/test_ecr.py."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.ecr_repositories import (
    EcrRepositories,
)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(InvalidInput, match=r"of r\.example: .*botocore isn't installed"):
        EcrRepositories().create("r.example", "team/app")


def test_the_public_registry_wants_an_alias() -> None:
    with pytest.raises(InvalidInput, match="alias"):
        EcrRepositories().create("public.ecr.aws", "app")
