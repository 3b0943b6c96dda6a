# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens for several repositories: few requests where they are given, one each where not."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import ask
from tests.support.fixtures import MakeStrict
from tests.support.layers import layer
from tests.support.proxy import RecordingProxy
from tests.support.registries import PASSWORD, USER, DockerRegistry
from tests.support.sync import sync
from tests.support.token_server import TokenServer

COUNT = 50
SHARED = layer("shared by fifty", 4096)
IMAGES = [images.image(f"batch{n}", layers=[SHARED]) for n in range(COUNT)]
SMALL = IMAGES[0]
SOURCES = [f"src/app{n:02}" for n in range(COUNT)]
THREADS = {"concurrency": 16, "timeout": 30}


class Side:
    """A registry, its token server, and a proxy before it that was never used."""

    def __init__(self, url: str, server: TokenServer) -> None:
        self.server = server
        self.proxy = RecordingProxy(url)
        self.host = self.proxy.host

    def scopes(self) -> list[list[str]]:
        """What each request for a token asked for."""
        return [request.scopes for request in self.server.token_requests]

    def first(self) -> list[str]:
        """What each request for a token asked for first."""
        return [scopes[0] for scopes in self.scopes()]

    def refused(self) -> int:
        """How many requests got a 401."""
        return len([r for r in self.proxy.requests if r.status == 401])

    def login(self, **more: Any) -> dict[str, Any]:
        """The entry of ``registries`` with alice's login."""
        return {"name": self.host, "username": USER, "password": PASSWORD, **more}


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[DockerRegistry, TokenServer]]:
    """A registry with fifty repositories."""
    with TokenServer() as server, DockerRegistry(token=server) as registry:
        for name, image in zip(SOURCES, IMAGES, strict=True):
            push.push(image, f"{registry.host}/{name}:1", auth=(USER, PASSWORD))
        yield registry, server


@pytest.fixture(scope="module")
def empty() -> Iterator[tuple[DockerRegistry, TokenServer]]:
    """A registry to copy to; each test has names of its own there."""
    with TokenServer() as server, DockerRegistry(token=server) as registry:
        yield registry, server


@contextlib.contextmanager
def side_of(running: tuple[DockerRegistry, TokenServer]) -> Iterator[Side]:
    """Its switches as they were made, nothing in its logs, a new proxy before it."""
    registry, server = running
    server.lifetime, server.gives_expires_in, server.anonymous_pull = 300, True, True
    server.multi_scope, server.refuses_several, server.denies_all = True, 0, 0
    server.opaque, server.bulk, server.denied, server.users = False, 0, set(), {USER: PASSWORD}
    server.token_requests.clear()
    server.clear()
    side = Side(registry.url, server)
    with side.proxy:
        try:
            yield side
        finally:
            errors = side.proxy.errors + server.errors
    assert not errors


@pytest.fixture
def source(filled: tuple[DockerRegistry, TokenServer]) -> Iterator[Side]:
    """Fifty repositories."""
    with side_of(filled) as side:
        yield side


@pytest.fixture
def destination(empty: tuple[DockerRegistry, TokenServer]) -> Iterator[Side]:
    """Where they are copied to."""
    with side_of(empty) as side:
        yield side


def copy(source: Side, destination: Side, count: int = COUNT, **more: Any) -> dict[str, Any]:
    """The result of a copy of so many repositories to new names."""
    prefix = f"copy{uuid.uuid4().hex[:8]}"
    entries = [
        {"source": f"{source.host}/{n}:1", "destination": f"{destination.host}/{prefix}/{n}:1"}
        for n in SOURCES[:count]
    ]
    options = {"registries": [destination.login()], "retries": 0, **THREADS, **more}
    done = sync(images=entries, **options)
    assert [image["msg"] for image in done["images"] if image["failed"]] == []
    assert [i["digest"] for i in done["images"]] == [image.digest for image in IMAGES[:count]]
    return done


def names_in(scopes: list[str]) -> set[str]:
    """The repositories that these name."""
    return {scope.rpartition(":")[0] for scope in scopes}


def test_fifty_repositories_cost_a_handful(source: Side, destination: Side) -> None:
    """Cold, all mounting the base layer of one: five tokens to look, four at most to mount."""
    done = copy(source, destination)
    assert done["stats"]["blobs_mounted"] == COUNT - 1
    assert 8 <= len(destination.scopes()) <= 9
    assert len(source.scopes()) == 4  # nobody's login: the first may name several already
    assert (destination.refused(), source.refused()) == (1, 1)
    for scopes in (*destination.scopes(), *source.scopes()):
        assert len(names_in(scopes)) == len(scopes) <= 15
    # a login is tried alone first: a refusal would otherwise say nothing
    assert [len(scopes) for scopes in destination.scopes()][:2] == [1, 15]
    lent = {s for scopes in destination.scopes() for s in scopes if s.endswith(":pull")}
    assert len(lent) == 1


def test_nothing_to_do(source: Side, destination: Side) -> None:
    """Two HEADs an image, and a handful of tokens for all."""
    entries = [
        {"source": f"{source.host}/{n}:1", "destination": f"{destination.host}/again/{n}:1"}
        for n in SOURCES
    ]
    sync(images=entries, registries=[destination.login()], **THREADS)
    for side in (source, destination):
        side.server.token_requests.clear()
        side.proxy.settle()
        side.proxy.clear()
    done = sync(images=entries, registries=[destination.login()], **THREADS)
    assert done["changed"] is False
    assert (len(source.scopes()), len(destination.scopes())) == (4, 5)
    assert [len(side.proxy.requests) for side in (source, destination)] == [COUNT + 1, COUNT + 1]


def test_image_info_of_fifty(source: Side) -> None:
    """The questions of a lookup are known ahead too."""
    found = ask(*[f"{source.host}/{name}:1" for name in SOURCES], **THREADS)
    assert [image["digest"] for image in found["images"]] == [image.digest for image in IMAGES]
    assert len(source.scopes()) == 4
    assert source.refused() == 1


def test_an_identity_token_asks_for_several_too(source: Side) -> None:
    """By POST, the scopes in one string."""
    secret = source.server.identity_token(USER)
    registries = [{"name": source.host, "identity_token": secret}]
    ask(*[f"{source.host}/{n}:1" for n in SOURCES], registries=registries, **THREADS)
    assert {request.method for request in source.server.token_requests} == {"POST"}
    assert sorted(len(scopes) for scopes in source.scopes()) == [1, 4, 15, 15, 15]
    assert all(len(request.params["scope"]) == 1 for request in source.server.token_requests)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
def test_a_server_that_refuses_several(status: int, source: Side, destination: Side) -> None:
    """One for each repository, and those that it took to learn it."""
    source.server.refuses_several = destination.server.refuses_several = status
    done = copy(source, destination)
    assert done["stats"]["blobs_mounted"] == 0
    assert done["stats"]["blobs_copied"] == 2 * COUNT
    for side in (source, destination):
        granted = [r.scopes for r in side.server.token_requests if r.status == 200]
        assert sorted(len(scopes) for scopes in granted) == [1] * COUNT
        assert len(side.scopes()) - len(granted) <= (1 if status == 400 else 3)
    assert destination.refused() == source.refused() == 1
    assert done["stats"]["retries"] == 0


def test_a_server_that_grants_the_first_only(source: Side, destination: Side) -> None:
    """The token says so itself: one for each repository, and no request in vain."""
    source.server.multi_scope = destination.server.multi_scope = False
    done = copy(source, destination)
    assert done["stats"]["blobs_mounted"] == 0
    for side in (source, destination):
        assert len(side.scopes()) == COUNT
        assert len(set(side.first())) == COUNT
        assert len([scopes for scopes in side.scopes() if len(scopes) > 1]) == 1
        assert side.refused() == 1


@pytest.mark.parametrize("status", [0, 401, 403, 404])
def test_one_that_is_denied_spoils_nothing(status: int, source: Side) -> None:
    """With a token for the others, or none at all, as long as it is among them."""
    source.server.denied = {SOURCES[7]}
    source.server.denies_all = status
    entries = [
        {"source": f"{source.host}/{n}:1", "destination": f"{source.host}/kept/{n}:1"}
        for n in SOURCES
    ]
    done = sync(images=entries, registries=[source.login()], retries=0, check_mode=True, **THREADS)
    failed = [image["source"] for image in done["images"] if image["failed"]]
    assert failed == [f"{source.host}/{SOURCES[7]}:1"]
    assert source.first().count(f"repository:{SOURCES[7]}:pull") <= 2
    assert len(source.scopes()) <= (10 if status == 0 else 2 * COUNT + 3)


def test_a_repository_that_is_denied_is_asked_for_alone(source: Side) -> None:
    """Once, after a token for several didn't have it; its images fail, the others don't."""
    source.server.denied = {SOURCES[7]}
    references = [f"{source.host}/{name}:1" for name in SOURCES[:7]]
    registries = [source.login()]
    found = ask(*references, registries=registries, **THREADS)
    assert all(image["exists"] for image in found["images"])
    source.server.token_requests.clear()
    done = sync(
        images=[
            {"source": f"{source.host}/{SOURCES[7]}:1", "destination": f"{source.host}/x/y:{n}"}
            for n in range(8)
        ],
        registries=registries,
        retries=0,
        check_mode=True,
    )
    assert all("401" in image["msg"] for image in done["images"])
    assert [n for n in source.first() if SOURCES[7] in n] == [f"repository:{SOURCES[7]}:pull"]


def test_two_logins_never_share_a_token(source: Side) -> None:
    """Each half of the repositories has its own."""
    source.server.users["bob"] = "bobs-own-word"
    registries = [
        source.login(),
        *(
            {"name": f"{source.host}/{name}", "username": "bob", "password": "bobs-own-word"}
            for name in SOURCES[::2]
        ),
    ]
    ask(*[f"{source.host}/{n}:1" for n in SOURCES], registries=registries, **THREADS)
    bobs = {f"repository:{name}" for name in SOURCES[::2]}
    for request in source.server.token_requests:
        assert names_in(request.scopes) <= bobs or not names_in(request.scopes) & bobs
        assert request.user == ("bob" if names_in(request.scopes) <= bobs else USER)
    assert len(source.scopes()) == 6  # 1, 15 and 9 for each


def test_a_wrong_password_is_tried_once(source: Side) -> None:
    """Of two logins, one is wrong: one try of it, and the other goes on."""
    registries = [
        source.login(password="not-the-password"),
        *({**source.login(), "name": f"{source.host}/{name}"} for name in SOURCES[25:]),
    ]
    entries = [
        {"source": f"{source.host}/{n}:1", "destination": f"{source.host}/{n}:2"} for n in SOURCES
    ]
    done = sync(images=entries, registries=registries, retries=3, check_mode=True, **THREADS)
    assert [image["failed"] for image in done["images"]] == [True] * 25 + [False] * 25
    assert [r.status for r in source.server.token_requests].count(401) == 1
    assert len(source.scopes()) == 1 + 3


@pytest.mark.parametrize(("bulk", "most"), [(0, 15), (300, 7), (550, 1)])
def test_tokens_that_grow_too_long(bulk: int, most: int, source: Side) -> None:
    """Proxies refuse headers above 8 KB."""
    source.server.bulk = bulk
    found = ask(*[f"{source.host}/{n}:1" for n in SOURCES], **THREADS)
    assert all(image["exists"] for image in found["images"])
    sizes = [len(scopes) for scopes in source.scopes()]
    assert (sizes[0], max(sizes[1:])) == (15, most)
    shown = [r.header("Authorization") or "" for r in source.proxy.requests]
    assert max(len(value) for value in shown) < 7600


@pytest.fixture
def opaque(make_strict: MakeStrict) -> Iterator[Side]:
    """A registry whose tokens say nothing of themselves."""
    with TokenServer(opaque=True) as server:
        registry = make_strict(token=server)
        for name in SOURCES[:30]:
            registry.add(name, SMALL, "1")
        side = Side(registry.url, server)
        with side.proxy:
            yield side
        assert not side.proxy.errors + server.errors


def test_tokens_that_say_nothing(opaque: Side) -> None:
    """They are used for all that was asked for; the registry accepts it."""
    found = ask(*[f"{opaque.host}/{n}:1" for n in SOURCES[:30]], **THREADS)
    assert all(image["exists"] for image in found["images"])
    assert len(opaque.scopes()) == 2
    assert opaque.refused() == 1


def test_tokens_that_say_nothing_and_allow_the_first_only(opaque: Side) -> None:
    """Then the registry's refusal tells it: one for each repository all the same."""
    opaque.server.multi_scope = False
    found = ask(*[f"{opaque.host}/{n}:1" for n in SOURCES[:30]], **THREADS)
    assert all(image["exists"] for image in found["images"])
    assert len(opaque.scopes()) == 30
    assert opaque.refused() <= 1 + 28


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("several", [True, False])
def test_what_a_token_for_others_is_refused_is_looked_into(
    several: bool, status: int, opaque: Side
) -> None:
    """Some hide what isn't allowed: so a 404 isn't believed at once, nor a 403."""
    opaque.server.multi_scope = several
    fault = opaque.proxy.inject(f"{SOURCES[1]}/manifests/1", "status", status)
    found = ask(*[f"{opaque.host}/{n}:1" for n in SOURCES[:9]], concurrency=1)
    assert fault.hits == 1
    assert all(image["exists"] for image in found["images"])
    assert len(opaque.scopes()) == (2 if several else 9)


@pytest.mark.parametrize(("says", "tokens"), [(True, 2), (False, 30)])
def test_what_is_missing_is_believed_where_the_token_says_so(
    says: bool, tokens: int, opaque: Side
) -> None:
    """Else one for each is asked for: what is taken for absent may be overwritten."""
    opaque.server.opaque = not says
    found = ask(*[f"{opaque.host}/{n}:missing" for n in SOURCES[:30]], concurrency=1)
    assert not any(image["exists"] for image in found["images"])
    assert len(opaque.scopes()) == tokens


@pytest.mark.parametrize("says", [True, False])
def test_tokens_that_end_in_mid_run(says: bool, opaque: Side) -> None:
    """Unforeseen, all at once: a batch is renewed as a batch, or where that is in doubt, alone."""
    opaque.server.opaque = not says
    ended = opaque.proxy.inject("GET .*/blobs/", "pass", call=opaque.server.revoke)
    found = ask(*[f"{opaque.host}/{n}:1" for n in SOURCES[:30]], concurrency=4)
    assert all(image["labels"] for image in found["images"])
    assert ended.hits == 1
    if says:
        # what was under way with one of the two tokens
        assert 1 < opaque.refused() <= 1 + 4 + 4
    # in doubt at worst one for each repository, and never one for each request
    assert len(opaque.scopes()) <= (4 if says else 2 + 30)


def test_a_token_that_ends_before_its_first_use(opaque: Side) -> None:
    """It was good for others meanwhile: so another one is asked for, and the request goes on."""
    ended = threading.Event()

    def end() -> None:
        opaque.server.revoke()
        ended.set()

    opaque.proxy.inject("GET .*/blobs/", "pass", call=end)
    # one of the two comes first, is told of the token server, and so comes again
    again = [
        opaque.proxy.inject(
            f"GET .*/{name}/manifests/", "pass", skip=1, call=lambda: ended.wait(10)
        )
        for name in SOURCES[:2]
    ]
    found = ask(*[f"{opaque.host}/{n}:1" for n in SOURCES[:2]], concurrency=2, retries=0)
    assert ended.is_set()
    assert sum(fault.hits for fault in again) == 1
    assert all(image["labels"] for image in found["images"])
    opaque.proxy.settle()
    requests = opaque.proxy.requests
    tries = [r.status for r in requests if r.target == requests[0].target]
    assert tries == [401, 401, 200]
