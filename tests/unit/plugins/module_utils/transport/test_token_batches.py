# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ImageSyncError,
    InvalidContent,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.token_batches import (
    Batches,
    Expected,
    Scopes,
    atoms,
    name_of,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import (
    Token,
    granted_by,
)

OWN = ("repository:own:pull",)


def pull(*names: str) -> Scopes:
    return tuple(f"repository:{name}:pull" for name in names)


def push(*names: str) -> Scopes:
    return tuple(f"repository:{name}:pull,push" for name in names)


def jwt(scopes: Scopes, filling: int = 0) -> str:
    access = [
        {"type": "repository", "name": name_of(s)[11:], "actions": s.rpartition(":")[2].split(",")}
        for s in scopes
    ]
    payload = json.dumps({"access": access, "filling": "x" * filling}).encode()
    return f"h.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.s"


def token(value: str, life: float = 300) -> Token:
    return Token(value, frozenset(), life, time.monotonic() + life)


# what a token says


def test_a_token_is_read() -> None:
    both = frozenset({"repository:a/b:pull", "repository:a/b:push"})
    assert granted_by(jwt(push("a/b"))) == both
    assert granted_by(jwt(())) == frozenset()


@pytest.mark.parametrize(
    "payload",
    [b"", b"x", b"[]", b"{}", b'{"access": 1}', b'{"access": [1]}', b'{"access": [{}]}', b"\xff"],
)
def test_a_token_that_says_nothing(payload: bytes) -> None:
    assert granted_by(f"h.{base64.urlsafe_b64encode(payload).decode()}.s") is None


@given(st.text(max_size=40))
def test_no_token_is_too_odd_to_be_looked_at(value: str) -> None:
    granted_by(value)
    granted_by(f"h.{value}.s")


def test_no_access_is_nothing_granted() -> None:
    payload = base64.urlsafe_b64encode(b'{"access": null}').decode()
    assert granted_by(f"h.{payload}.s") == frozenset()


# what is expected


def test_expected_in_the_order_of_their_turn() -> None:
    expected = Expected()
    for name in "abcd":
        expected.add(pull(name))
    names = [scopes[0] for scopes in expected.beginning_with("repository:c")]
    assert names == list(pull("c", "d", "a", "b"))
    assert list(expected.beginning_with("repository:unknown")) == [pull(n) for n in "abcd"]
    expected.add(pull("b"))
    assert [s[0] for s in expected.beginning_with("repository:a")] == list(pull("a", "c", "d", "b"))


def test_expected_to_write_and_to_mount() -> None:
    expected = Expected()
    expected.add(push("a"))
    expected.add(pull("a"))
    assert list(expected.beginning_with("")) == [push("a")]
    expected.add((*push("a"), *pull("x")))
    expected.add((*push("a"), *pull("y")))
    assert list(expected.beginning_with("")) == [
        (*push("a"), *pull("x")),
        (*push("a"), *pull("y")),
    ]


# composing

NAMES = [f"team/app{n}" for n in range(40)]
COMPOSED = (
    ("nothing expected", [], ()),
    ("one", [pull("a")], pull("a")),
    ("the same", [OWN, pull("a")], pull("a")),
    ("a wider one of the same is asked for by itself", [push("own"), pull("a")], pull("a")),
    ("a mount is named whole", [(*push("a"), *pull("x"))], (*push("a"), *pull("x"))),
    (
        "a lender once",
        [(*push("a"), *pull("x")), (*push("b"), *pull("x"))],
        (*push("a"), *pull("x"), *push("b")),
    ),
    (
        "a lender that is written too",
        [(*push("a"), *pull("x")), push("x")],
        (*push("a"), *push("x")),
    ),
    (
        "a lender that is the first",
        [(*push("a"), *OWN)],
        push("a"),
    ),
    ("as many as allowed", [pull(n) for n in NAMES], pull(*NAMES[:14])),
    (
        "no half of a mount",
        [*(pull(n) for n in NAMES[:13]), (*push("a"), *pull("x")), pull("b")],
        (*pull(*NAMES[:13]), *pull("b")),
    ),
    ("names that are too long", [pull("n" * 4090), pull("a")], pull("a")),
)


@pytest.mark.parametrize(
    ("candidates", "more"), [case[1:] for case in COMPOSED], ids=[case[0] for case in COMPOSED]
)
def test_composing(candidates: list[Scopes], more: Scopes) -> None:
    assert Batches().compose(OWN, candidates) == (*OWN, *more)


SCOPE = st.builds(
    "repository:{}:{}".format, st.sampled_from(NAMES), st.sampled_from(["pull", "pull,push"])
)
WANTED = st.lists(SCOPE, min_size=1, max_size=3, unique_by=name_of).map(tuple)


@given(WANTED, st.lists(WANTED, max_size=40), st.integers(1, 15), st.sets(st.sampled_from(NAMES)))
def test_laws_of_composing(
    own: Scopes, candidates: list[Scopes], limit: int, lonely: set[str]
) -> None:
    rules = Batches()
    rules.used()
    rules.limit = limit
    for name in lonely:
        rules.doubt(pull(name))
    asked = rules.compose(own, candidates)
    assert asked[: len(own)] == own
    names = [name_of(scope) for scope in asked]
    assert len(names) == len(set(names)) <= max(limit, len(own))
    assert sum(map(len, asked)) <= max(4096, sum(map(len, own)))
    assert not {f"repository:{name}" for name in lonely} & set(names[len(own) :])
    # nothing is named for nobody
    chosen = [atoms(c) for c in candidates if atoms(c) <= atoms(asked)]
    assert atoms(asked) - atoms(own) <= frozenset().union(*chosen)


# learning

BESIDE = pull("a", "b", "c")
ASKED = (*OWN, *BESIDE)


def learn(rules: Batches, value: str, life: float = 300) -> tuple[frozenset[str], bool]:
    return rules.granted(OWN, ASKED, token(value, life))


def test_all_granted() -> None:
    rules = Batches()
    assert learn(rules, jwt(ASKED)) == (atoms(ASKED), True)
    assert (rules.several, rules.most) == (True, 15)


def test_everything_granted_by_a_star() -> None:
    rules = Batches()
    stars = tuple(f"repository:{name}:*" for name in ("own", "a", "b", "c"))
    assert learn(rules, jwt(stars)) == (atoms(ASKED), True)


def test_the_first_only() -> None:
    rules = Batches()
    assert learn(rules, jwt(OWN)) == (atoms(OWN), True)
    assert (rules.several, rules.most) == (False, 1)
    assert rules.refuses((*push("a"), *pull("b")))


def test_one_denied_among_several() -> None:
    rules = Batches()
    assert learn(rules, jwt((*OWN, *pull("a", "c")))) == (atoms((*OWN, *pull("a", "c"))), True)
    assert (rules.several, rules.most) == (True, 15)
    assert rules.compose(OWN, [pull("b"), pull("d")]) == (*OWN, *pull("d"))


def test_to_read_where_writing_was_asked_for() -> None:
    rules = Batches()
    asked = (*OWN, *push("a", "b"))
    given = rules.granted(OWN, asked, token(jwt((*OWN, *pull("a", "b")))))
    assert given == (atoms((*OWN, *pull("a", "b"))), True)
    assert rules.compose(OWN, [push("a"), push("c")]) == (*OWN, *push("c"))


def test_nothing_granted_is_no_word_about_several() -> None:
    rules = Batches()
    assert learn(rules, jwt(())) == (atoms(OWN), True)
    assert (rules.several, rules.most) == (None, 15)


def test_a_token_that_can_not_be_read_is_believed() -> None:
    rules = Batches()
    assert learn(rules, "opaque") == (atoms(ASKED), False)
    assert rules.uncertain(False)
    rules.used()
    assert not rules.uncertain(False)


def test_doubts_that_turn_out_wrong() -> None:
    rules = Batches()
    learn(rules, "opaque")
    rules.doubt(pull("a"))
    assert rules.most == 1
    rules.used()
    assert rules.most == 15
    assert learn(rules, "opaque")[0] == atoms((*OWN, *pull("b", "c")))


@pytest.mark.parametrize(
    ("length", "most", "usable"),
    [(6000, 15, True), (6200, 2, True), (7500, 2, True), (7501, 1, False), (9000, 1, False)],
)
def test_long_tokens(length: int, most: int, usable: bool) -> None:
    rules = Batches()
    assert bool(learn(rules, "x" * length)[0]) is usable
    assert rules.most == most


def test_a_token_alone_may_be_as_long_as_it_is() -> None:
    rules = Batches()
    assert rules.granted(OWN, OWN, token("x" * 9000)) == (atoms(OWN), False)
    assert rules.most == 15


def test_tokens_that_live_too_short_to_be_kept() -> None:
    rules = Batches()
    learn(rules, jwt(ASKED), life=5)
    assert rules.most == 1


def refusal(status: int) -> RegistryError:
    return RegistryError("no", status)


FAILED = (
    # errors, whether one alone worked, then: several, most
    ("not understood", [refusal(400)], True, False, 1),
    ("method", [refusal(405)], True, False, 1),
    ("one may be denied: 401", [AuthenticationFailed("no", 401)], True, None, 1),
    ("one may be denied: 403", [refusal(403)], True, None, 1),
    ("one may be missing", [refusal(404)], True, None, 1),
    ("an accident", [refusal(500)], True, None, 15),
    ("no accident", [refusal(500), refusal(503)], True, False, 1),
    ("a connection", [ConnectionFailed("reset")], True, None, 15),
    ("connections", [ConnectionFailed("reset")] * 2, True, False, 1),
    ("no token", [InvalidContent("no token")], True, None, 15),
    ("no answer at all", [refusal(500)], False, None, 15),
    ("denied alone too", [refusal(403)], False, None, 15),
    ("denied alone too, again", [refusal(403)] * 2, False, None, 1),
    ("too long", [refusal(414)], True, None, 7),
    ("much too long", [refusal(431), refusal(431)], True, None, 3),
)


@pytest.mark.parametrize(
    ("errors", "alone", "several", "most"),
    [case[1:] for case in FAILED],
    ids=[case[0] for case in FAILED],
)
def test_failures(
    errors: list[ImageSyncError], alone: bool, several: bool | None, most: int
) -> None:
    rules = Batches()
    for error in errors:
        rules.failed(error, alone)
    assert (rules.several, rules.most) == (several, most)


def test_a_success_ends_a_row_of_failures() -> None:
    rules = Batches()
    for _unused in range(5):
        rules.failed(refusal(503), True)
        learn(rules, jwt(ASKED))
    assert (rules.several, rules.most) == (True, 15)


def test_mounts_that_are_refused() -> None:
    rules = Batches()
    first, second, third = ((*push(name), *pull("x")) for name in "abc")
    rules.refuse(first)
    assert rules.refuses(first)
    assert not rules.refuses(second)
    rules.refuse(second)
    assert rules.refuses(third)
    assert rules.most == 1


def test_mounts_that_are_refused_where_others_are_not() -> None:
    rules = Batches()
    rules.used()
    for name in "abc":
        rules.refuse((*push(name), *pull("x")))
    assert rules.refuses((*push("b"), *pull("x")))
    assert not rules.refuses((*push("d"), *pull("x")))
    assert rules.most == 15
