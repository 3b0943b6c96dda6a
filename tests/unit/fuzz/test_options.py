# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users write: references, versions and their ranges, sizes, platforms, patterns."""

from __future__ import annotations

from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.patterns import (
    compile_patterns,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import (
    parse_platform,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    is_loopback,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.sizes import (
    format_size,
    parse_size,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.version import (
    newest_first,
    parse_version,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.version_range import (
    parse_range,
    parse_wildcard,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import basic
from ansible_collections.imagesync.registry.tests.unit.fuzz.strategies import (
    edited,
    fuzz,
    survives,
    texts,
)
from ansible_collections.imagesync.registry.tests.unit.support import A

REFERENCES = (
    "busybox",
    "docker://registry.example.com:5000/team/app:1.2",
    f"[::1]:5000/a/b__c.d-e:v1@{A}",
    "localhost/a",
    "a-" * 2000,
    "a." * 2000,
)
TAGS = ("1.27.3", "v2.0.0-rc.1-alpine3.20", "3.14.0b1", "2024.01.02.3", "latest", "1" * 120)
RANGES = (">=1.25 <2", "^1.2 || ~1.2.3", "1.2 - 1.4", "!=1.2.x, >1.0.0-rc.1", "*", "1.2.3-0")
PATTERNS = ("v?1\\..*", "(a|b){2,3}", "[[:alpha:]]", "(?i)x(?P<n>y)(?P=n)", "a{4294967296}", "\\")


@fuzz(st.one_of(edited(REFERENCES), texts))
def test_references(text: str) -> None:
    found = survives(parse_reference, text)
    if found is not None:
        assert parse_reference(str(found)) == found
        is_loopback(found.registry)


@fuzz(st.lists(edited(TAGS), max_size=4))
def test_versions(tags: list[str]) -> None:
    tags = [tag[:128] for tag in tags]
    ordered = survives(newest_first, tags)
    assert sorted(ordered) == sorted(set(tags))
    for one in filter(None, map(parse_version, tags)):
        assert one.name in one.names() and one.tag in tags


@fuzz(edited(RANGES), edited(TAGS))
def test_ranges(text: str, tag: str) -> None:
    found, version = survives(parse_range, text, "semver"), parse_version(tag[:128])
    if found is not None and version is not None:
        assert found.contains(version) in (True, False)
    wildcard = survives(parse_wildcard, text)
    if wildcard is not None and version is not None:
        assert wildcard.matches(version) in (True, False)


@fuzz(edited(PATTERNS))
def test_patterns(text: str) -> None:
    survives(compile_patterns, [text], "include")


@fuzz(st.one_of(edited(["20M", "1.5 GiB", "500kB", "4096"]), texts))
def test_sizes(text: str) -> None:
    found = survives(parse_size, text, "max_bytes")
    assert found is None or (found >= 1 and format_size(found))


@fuzz(st.one_of(edited(["linux/arm64/v8", "x86_64", "windows/amd64"]), texts))
def test_platforms(text: str) -> None:
    found = survives(parse_platform, text)
    assert found is None or parse_platform(str(found)) == found


@fuzz(edited(["registry.example.com", "docker.io/team", "[::1]:5000"]), texts, texts)
def test_registries(name: str, username: str, password: str) -> None:
    """What is taken can be sent."""
    given = [{"name": name, "username": username, "password": password}]
    entries = survives(read_entries, given)
    if entries is not None:
        basic(entries[0].username, entries[0].password)
        assert Settings(entries).entry(entries[0].host, entries[0].path, "username")
