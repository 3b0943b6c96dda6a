# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.transport.challenge import (
    Challenge,
    choose_challenge,
    parse_challenges,
)

BEARER = 'Bearer realm="https://auth.example.com/token",service="reg",scope="repository:a/b:pull"'
PARAMETERS = {
    "realm": "https://auth.example.com/token",
    "service": "reg",
    "scope": "repository:a/b:pull",
}

TABLE: list[tuple[list[str], list[Challenge]]] = [
    ([BEARER], [Challenge("bearer", PARAMETERS)]),
    (['BASIC realm="Nexus"'], [Challenge("basic", {"realm": "Nexus"})]),
    (["Basic"], [Challenge("basic", {})]),
    (['bearer REALM="x"'], [Challenge("bearer", {"realm": "x"})]),
    (["Bearer realm=x,service=y"], [Challenge("bearer", {"realm": "x", "service": "y"})]),
    (['Bearer realm = "x" , service = y'], [Challenge("bearer", {"realm": "x", "service": "y"})]),
    (
        ['Bearer realm="x",scope="repository:a:pull,push repository:b:pull"'],
        [Challenge("bearer", {"realm": "x", "scope": "repository:a:pull,push repository:b:pull"})],
    ),
    (
        [r'Bearer realm="a \"quoted\" \\ name"'],
        [Challenge("bearer", {"realm": 'a "quoted" \\ name'})],
    ),
    (
        ['Negotiate, Basic realm="b", Bearer realm="c"'],
        [
            Challenge("negotiate", {}),
            Challenge("basic", {"realm": "b"}),
            Challenge("bearer", {"realm": "c"}),
        ],
    ),
    (
        ["Negotiate YII=", 'Bearer realm="c"'],
        [Challenge("negotiate", {}), Challenge("bearer", {"realm": "c"})],
    ),
    (
        ['Negotiate YIIa/b==, Basic realm="b"'],
        [Challenge("negotiate", {}), Challenge("basic", {"realm": "b"})],
    ),
    (['Bearer realm="x",realm="y"'], [Challenge("bearer", {"realm": "x"})]),
    (['Bearer realm="x",,service="y"'], [Challenge("bearer", {"realm": "x"})]),
    (['Bearer realm="unclosed'], [Challenge("bearer", {})]),
    ([""], []),
    ([], []),
    (["="], []),
]


@pytest.mark.parametrize(("headers", "challenges"), TABLE)
def test_parsing(headers: list[str], challenges: list[Challenge]) -> None:
    assert parse_challenges(headers)[: len(challenges)] == challenges
    if not challenges:
        assert parse_challenges(headers) == []


@pytest.mark.parametrize(
    ("headers", "scheme", "realm"),
    [
        ([BEARER], "bearer", PARAMETERS["realm"]),
        (["Negotiate", 'BASIC realm="b"'], "basic", "b"),
        (["Negotiate, Digest realm=x, Bearer realm=y"], "bearer", "y"),
        (['Basic realm="b"', BEARER], "basic", "b"),
        ([BEARER, 'Basic realm="b"'], "bearer", PARAMETERS["realm"]),
        (['Bearer service="no realm"', 'Basic realm="b"'], "basic", "b"),
        (["Bearer realm=x"], "bearer", "x"),
    ],
)
def test_the_first_that_can_be_met(headers: list[str], scheme: str, realm: str) -> None:
    found = choose_challenge(headers)
    assert found is not None
    assert (found.scheme, found.parameters["realm"]) == (scheme, realm)


@pytest.mark.parametrize(
    "headers", [[], [""], ["Negotiate"], ["Digest realm=x"], ["Bearer"], ['Bearer realm=""']]
)
def test_nothing_to_answer_with(headers: list[str]) -> None:
    assert choose_challenge(headers) is None


@given(st.lists(st.text(max_size=80), max_size=3))
def test_garbage_is_passed_over(headers: list[str]) -> None:
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower() != ""
        assert all(name == name.lower() for name in challenge.parameters)


@given(st.text(alphabet='aB="\\, \t', max_size=60))
def test_near_misses_are_passed_over(header: str) -> None:
    assert len(parse_challenges([header])) <= len(header)


TOKEN = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,8}", fullmatch=True)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(TOKEN, st.dictionaries(TOKEN.map(str.lower), VALUE, min_size=1, max_size=4))
def test_what_is_written_is_read(scheme: str, parameters: dict[str, str]) -> None:
    quoted = {
        name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in parameters.items()
    }
    header = f"{scheme} " + ", ".join(f'{name}="{value}"' for name, value in quoted.items())
    assert parse_challenges([header]) == [Challenge(scheme.lower(), parameters)]


def test_a_huge_header_is_cut() -> None:
    assert len(parse_challenges(["a, " * 1_000_000])) < 8192


@pytest.mark.parametrize("piece", [" ", ", ", "a=b "])
def test_reading_takes_time_in_proportion_to_the_length(piece: str) -> None:
    header = "Basic a=b" + piece * (8000 // len(piece)) + "="
    began = time.thread_time()
    parse_challenges([header] * 10)
    assert time.thread_time() - began < 2  # quadratic would be ten seconds
