# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tokens of many repositories, at realms and registries of every kind."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    AuthenticationFailed,
    InvalidInput,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.authenticator import (
    Authenticator,
    Need,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.docker_config import (
    Login,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.tokens import (
    TokenRequest,
)
from ansible_collections.imagesync.registry.tests.unit.support import answer

ALICE = Login("options", "alice", "password")
BOB = Login("options", "bob", "password")
NOBODY = Login("anonymous")
REALM = 'Bearer realm="https://auth.example/token",service="r.example"'


@dataclass
class World:
    """A realm and a registry; ``grants``: all, first, or a status for several."""

    grants: str | int = "all"
    denied: frozenset[str] = frozenset()
    denies_all: int = 0
    opaque: bool = False
    refuses: int = 401
    tells_why: bool = True
    passwords: bool = True
    requests: list[list[str]] = field(default_factory=list)
    bad: int = 0
    _given: dict[str, set[str]] = field(default_factory=dict)

    def realm(self, request: TokenRequest) -> Any:
        scopes = [v for k, v in parse_qsl(urlsplit(request.url).query) if k == "scope"]
        self.requests.append(scopes)
        if not self.passwords and request.headers:
            raise AuthenticationFailed("no", 401)
        names = [scope.split(":")[1] for scope in scopes]
        status = self.grants if len(names) > 1 and isinstance(self.grants, int) else 0
        status = status or (self.denies_all if self.denied.intersection(names) else 0)
        if status:
            kind = AuthenticationFailed if status == 401 else RegistryError
            raise kind("no", status)
        named = scopes[:1] if self.grants == "first" else scopes
        access = [
            {"type": "repository", "name": s.split(":")[1], "actions": s.split(":")[2].split(",")}
            for s in named
            if s.split(":")[1] not in self.denied
        ]
        value = f"opaque{len(self.requests)}"
        if not self.opaque:
            payload = json.dumps({"access": access, "id": len(self.requests)}).encode()
            value = f"h.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.s"
        self._given[value] = {f"{a['name']}:{x}" for a in access for x in a["actions"]}
        return answer(200, {"token": value, "expires_in": 300})

    def status(self, need: Need, header: str | None) -> int:
        """What the registry answers."""
        allowed = self._given.get(str(header).partition(" ")[2], set())
        wanted = {f"{need.repository}:{action}" for action in need.actions.split(",")}
        wanted |= {f"{source}:pull" for source in need.sources}
        if wanted <= allowed:
            return 200
        self.bad += 1
        return self.refuses if header else 401


class Keys:
    """A login for each repository; none is ``broken``."""

    def __init__(self, logins: dict[str, Login] | None = None, usual: Login = NOBODY) -> None:
        self.logins, self.usual = logins or {}, usual

    def find(self, _host: str, repository: str, demanded: bool = True) -> Login:
        if repository == "broken":
            raise InvalidInput("the auth file is damaged")
        return self.logins.get(repository, self.usual)

    def learn(self, token: str) -> None:
        assert token


def make(world: World, keys: Keys | None = None) -> Authenticator:
    keychain: Any = keys or Keys()
    return Authenticator("r.example", "https://r.example", keychain, world.realm)


def request(auth: Authenticator, world: World, need: Need) -> int:
    """One request as the client sends it; the last status."""
    sent = auth.header(need)
    status = world.status(need, sent)
    auth.tried(need, sent, status)
    again = None
    if status == 401:
        why = ',error="insufficient_scope"' if sent and world.tells_why else ""
        again = auth.meet([REALM + why], need, sent)
    elif status in (403, 404) and auth.doubts(need, sent, status):
        again = auth.alone(need)
    if again:
        first, status = status, world.status(need, again)
        auth.tried(need, again, status)
        auth.compared(need, sent, first, again, status)
    return status


def outcome(auth: Authenticator, world: World, need: Need) -> bool:
    try:
        return request(auth, world, need) == 200
    except RegistryError:
        return False


NAMES = [f"team/app{number:02}" for number in range(24)]
WORLDS = st.builds(
    World,
    grants=st.sampled_from(["all", "first", 400, 401, 403, 404, 500]),
    denied=st.frozensets(st.sampled_from(NAMES), max_size=3),
    denies_all=st.sampled_from([0, 401, 403, 404]),
    opaque=st.booleans(),
    refuses=st.sampled_from([401, 403, 404]),
    tells_why=st.booleans(),
)


@given(WORLDS, st.sampled_from([ALICE, NOBODY]), st.lists(st.sampled_from(NAMES), max_size=60))
def test_whatever_the_realm_does(world: World, login: Login, order: list[str]) -> None:
    """What is allowed succeeds at once, what is denied fails alone, and no token is wasted."""
    # a login that is refused the first thing it asks for counts as wrong
    order = [next(name for name in NAMES if name not in world.denied), *order]
    auth = make(world, Keys(usual=login))
    for name in NAMES:
        auth.expect(Need(name, "pull"))
    for name in order:
        if name not in world.denied:
            assert request(auth, world, Need(name, "pull")) == 200, name
        else:
            assert not outcome(auth, world, Need(name, "pull"))
    met = set(order)
    failures = sum(name in world.denied for name in order)
    # one each, a few to learn, and those that a denied one asks for again
    assert len(world.requests) <= len(met) + 4 + 3 * failures
    for name in met - world.denied:  # and then nothing any more
        before = len(world.requests)
        assert request(auth, world, Need(name, "pull")) == 200
        assert len(world.requests) == before


@given(WORLDS, st.sampled_from(["first", "last"]))
def test_mounts_whatever_the_realm_does(world: World, lent_by: str) -> None:
    """A mount that can't be had fails as a refusal of the registry; writing goes on."""
    names = [name for name in NAMES if name not in world.denied]
    lender = names[0] if lent_by == "first" else names[-1]
    auth = make(world, Keys(usual=ALICE))
    for name in names:
        auth.expect(Need(name, "pull,push"))
    for name in names:
        assert request(auth, world, Need(name, "pull,push")) == 200
        auth.expect(Need(name, "pull,push", (lender,) if name != lender else ()))
    for _blob in range(3):
        for name in names:
            if name != lender:
                try:
                    mounted = request(auth, world, Need(name, "pull,push", (lender,)))
                    assert mounted in (200, world.refuses)
                    assert mounted == 200 or world.grants != "all"
                except RegistryError as error:
                    assert 400 <= error.status < 500
                    assert not error.transient
            assert request(auth, world, Need(name, "pull,push")) == 200
    if world.grants == "all":
        assert len(world.requests) <= 3 + 3
    elif world.refuses == 404:  # that may mean the blob: one for each mount is asked for
        assert len(world.requests) <= 2 * len(names) + 6
    else:
        assert len(world.requests) <= len(names) + 6


def test_a_handful_for_fifty() -> None:
    world = World()
    auth = make(world, Keys(usual=ALICE))
    names = [f"r{number}" for number in range(50)]
    for name in names:
        auth.expect(Need(name, "pull,push"))
    for name in names:
        assert request(auth, world, Need(name, "pull,push")) == 200
    assert [len(scopes) for scopes in world.requests] == [1, 15, 15, 15, 4]
    for name in names[1:]:
        auth.expect(Need(name, "pull,push", (names[0],)))
    for name in names[1:]:
        assert request(auth, world, Need(name, "pull,push", (names[0],))) == 200
    assert [len(scopes) for scopes in world.requests[5:]] == [15, 15, 15, 8]
    assert world.bad == 1


def test_logins_are_never_mixed() -> None:
    world = World()
    logins = {f"b{number}": BOB for number in range(9)}
    auth = make(world, Keys(logins, ALICE))
    names = [f"{who}{number}" for number in range(9) for who in "ab"]
    for name in (*names, "broken"):
        auth.expect(Need(name, "pull"))
    for name in names:
        assert request(auth, world, Need(name, "pull")) == 200
    assert sorted(len(scopes) for scopes in world.requests) == [1, 1, 8, 8]
    for scopes in world.requests:
        assert len({scope.split(":")[1][0] for scope in scopes}) == 1
    with pytest.raises(InvalidInput):
        auth.header(Need("broken", "pull"))


def test_a_deletion_is_never_among_others() -> None:
    world = World()
    auth = make(world)
    for name in NAMES:
        auth.expect(Need(name, "pull"))
    need = Need(NAMES[0], "delete")
    auth.expect(need)
    assert auth.meet([f'{REALM},scope="repository:{NAMES[0]}:delete"'], need, None)
    assert world.requests == [[f"repository:{NAMES[0]}:delete"]]


def test_a_batch_is_renewed_as_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    world = World()
    auth = make(world)
    for name in NAMES[:15]:
        auth.expect(Need(name, "pull"))
    for _unused in range(3):
        for name in NAMES[:15]:
            assert request(auth, world, Need(name, "pull")) == 200
        now[0] += 280
    assert [len(scopes) for scopes in world.requests] == [15, 15, 15]


def together(work: Any, count: int = 16) -> None:
    start = threading.Barrier(count)

    def one(number: int) -> None:
        start.wait(10)
        work(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


@pytest.mark.parametrize("login", [ALICE, NOBODY])
@pytest.mark.parametrize("opaque", [True, False])
def test_many_threads_at_once(login: Login, opaque: bool) -> None:
    world = World(opaque=opaque)
    auth = make(world, Keys(usual=login))
    for name in NAMES[:16]:
        auth.expect(Need(name, "pull"))
    found: list[int] = []
    together(lambda n: found.append(request(auth, world, Need(NAMES[n], "pull"))))
    assert found == [200] * 16
    assert len(world.requests) == 2


def test_a_wrong_password_is_tried_once_whatever_is_expected() -> None:
    world = World(passwords=False)
    auth = make(world, Keys(usual=ALICE))
    for name in NAMES:
        auth.expect(Need(name, "pull"))
    failures: list[bool] = []
    together(lambda n: failures.append(outcome(auth, world, Need(NAMES[n], "pull"))))
    assert failures == [False] * 16
    assert [len(scopes) for scopes in world.requests] == [1]


def test_a_slow_realm_is_asked_side_by_side_where_it_grants_one_only() -> None:
    world = World(grants="first")
    auth = make(world)
    for name in NAMES:
        auth.expect(Need(name, "pull"))
    assert request(auth, world, Need(NAMES[-1], "pull")) == 200
    meeting = threading.Barrier(8)
    usual = world.realm

    def slow(asked: TokenRequest) -> Any:
        meeting.wait(10)  # breaks unless all eight are here at once
        return usual(asked)

    auth._send = slow
    found: list[int] = []
    together(lambda n: found.append(request(auth, world, Need(NAMES[n], "pull"))), 8)
    assert found == [200] * 8
    assert len(world.requests) == 9


def test_a_mount_is_not_asked_for_where_it_is_known_to_be_in_vain() -> None:
    world = World(grants="first")
    auth = make(world)
    for name in NAMES:
        auth.expect(Need(name, "pull,push"))
    request(auth, world, Need(NAMES[0], "pull,push"))
    with pytest.raises(AccessDenied, match="mount") as caught:
        auth.header(Need(NAMES[0], "pull,push", (NAMES[1],)))
    assert caught.value.status == 403
    assert len(world.requests) == 1


def test_who_waits_too_long_asks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.imagesync.registry.plugins.module_utils.transport.token_cache"
    monkeypatch.setattr(f"{module}._LONGEST_WAIT", 0.05)
    world = World()
    auth = make(world)
    auth.meet([REALM], Need("known", "pull"), None)
    second, usual = threading.Event(), world.realm

    def stuck(asked: TokenRequest) -> Any:
        if len(world.requests) > 1:
            second.set()
        result = usual(asked)
        assert len(world.requests) > 2 or second.wait(10)
        return result

    auth._send = stuck
    found: list[str | None] = []
    together(lambda _number: found.append(auth.header(Need("slow", "pull"))), 2)
    assert len(found) == 2
    assert len(world.requests) == 3


def test_the_first_request_of_a_registry_goes_alone() -> None:
    auth = make(World())
    log: list[int] = []
    release = threading.Event()

    def work(number: int) -> None:
        with auth.opening():
            log.append(number)
            if len(log) == 1:
                threading.Timer(0.05, release.set).start()
                assert release.wait(10)
                assert len(log) == 1
                log.append(-1)

    together(work, 8)
    assert log[1] == -1
    assert len(log) == 9


def test_nobody_waits_for_a_second_answer() -> None:
    """A registry out of reach is found so by all at once, not by one after the other."""
    auth = make(World())
    with pytest.raises(OSError, match="unreachable"), auth.opening():
        raise OSError("unreachable")
    meeting = threading.Barrier(8)

    def work(_number: int) -> None:
        with auth.opening():
            meeting.wait(10)

    together(work, 8)
    assert not meeting.broken
