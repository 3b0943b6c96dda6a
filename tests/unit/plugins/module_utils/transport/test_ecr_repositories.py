# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which API is asked to create a repository; that it does is for tests/system/test_ecr.py."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.transport.ecr_repositories import (
    EcrRepositories,
    place_of,
)


@pytest.mark.parametrize(
    ("host", "place"),
    {
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com": ("ecr", "eu-west-1", "123456789012"),
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": ("ecr", "cn-north-1", "123456789012"),
        "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": (
            "ecr",
            "us-gov-west-1",
            "123456789012",
        ),
        "123456789012.dkr-ecr.us-west-2.on.aws": ("ecr", "us-west-2", "123456789012"),
        "public.ecr.aws": ("ecr-public", "us-east-1", ""),
        "127.0.0.1:5000": ("ecr", "", ""),
        "12.dkr.ecr.eu-west-1.amazonaws.com": ("ecr", "", ""),
        "registry.example.com": ("ecr", "", ""),
    }.items(),
)
def test_where_the_api_is(host: str, place: tuple[str, str, str]) -> None:
    assert place_of(host) == place


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("botocore", "botocore.session", "botocore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InvalidInput, match=r"r\.example needs the Python library botocore"):
        EcrRepositories(1).create("r.example", "team/app")


def test_the_public_registry_wants_an_alias() -> None:
    with pytest.raises(InvalidInput, match="alias"):
        EcrRepositories(1).create("public.ecr.aws", "app")
