# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the system tests."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.support.sides", "tests.support.sync", "tests.support.judging")

from tests.support.building import context, scratch  # noqa: E402
from tests.support.fixtures import (  # noqa: E402
    certificates,
    destination,
    destination_registry,
    make_proxy,
    make_registry,
    make_strict,
    repo,
    source,
    source_registry,
    strict,
    token_server,
)
from tests.support.judging import judge, pauses  # noqa: E402
from tests.support.sides import copied, quick, sides  # noqa: E402
from tests.support.through_ansible import (  # noqa: E402
    pytest_addoption,
    pytest_collection_modifyitems,
)

__all__ = [
    "certificates",
    "context",
    "copied",
    "destination",
    "destination_registry",
    "judge",
    "make_proxy",
    "make_registry",
    "make_strict",
    "pauses",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "quick",
    "repo",
    "scratch",
    "sides",
    "source",
    "source_registry",
    "strict",
    "token_server",
]
