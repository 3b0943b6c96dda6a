# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talking to registries: authentication, redirects, retries and counting around each exchange."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..model.errors import ImageSyncError, RegistryError
from ..model.reference import DOCKER_HUB
from .answer import Answer
from .authenticator import Authenticator, Need
from .bandwidth import Bandwidth
from .credentials import Keychain
from .ecr_repositories import EcrRepositories
from .lanes import Holders, Lane
from .learned import Learned
from .problems import problem_of
from .rate_limits import Quotas, is_question, read_rate_limit
from .retry import LONGEST_PAUSE, Pace, Retrier
from .sending import Body, Sending
from .settings import Settings
from .text import Scrubber
from .tokens import TokenRequest
from .wire import host_of, origin_of
from .wires import Wires

#: the address behind the name docker.io
_HUB_ADDRESS = "registry-1.docker.io"


class Network:
    """All connections of one call, and what is counted about them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pace = Pace()
        self.retrier = Retrier(settings.retries, self.pace)
        self.quotas = Quotas()
        self.bandwidth = Bandwidth(settings.bandwidth_limit, self.pace)
        #: everything that a server said goes through this before it is shown
        self.scrub = Scrubber()
        self.keychain = Keychain(settings, self.scrub)
        self.ecr_repositories = EcrRepositories()
        #: requests sent, by registry (or other host)
        self.requests: Counter[str] = Counter()
        self.bytes_downloaded = 0
        self.bytes_uploaded = 0
        self._wires = Wires(settings, self.scrub, self.pace)
        self._told: dict[str, None] = {}
        self._lanes: dict[str, Lane] = {}
        self._holders = Holders()
        self._clients: dict[str, RegistryClient] = {}
        self._lock = threading.Lock()

    def client(self, registry: str) -> RegistryClient:
        """The client for a registry, always the same one."""
        with self._lock:
            found = self._clients.get(registry)
            if found is None:
                found = self._clients[registry] = RegistryClient(registry, self)
                self._wires.know(found.home, registry)
            return found

    def exchange(
        self,
        label: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
        patience: int = 0,
        home: str = "",
    ) -> Answer:
        """One request, counted under ``label``, when its turn at that host has come.

        ``home``: the origin of the registry that has sent us to this URL, where one has.
        """
        place = self.lane(label).enter(method == "GET")
        with self._lock:
            self.requests[label] += 1
        try:
            wire = self._wires.to(origin_of(url), home)
            answer = wire.exchange(method, url, headers, body, patience)
        except BaseException:
            place.leave()
            raise
        answer.ended = place.leave
        place.answered(answer.status)
        told = read_rate_limit(answer.headers)
        pause = self.quotas.of(label).learn(told, place.began) if told else 0.0
        if pause:
            self.pace.pause(label, pause)
        return answer

    def moved(self, downloaded: int = 0, uploaded: int = 0) -> None:
        """Counts bytes of blobs."""
        with self._lock:
            self.bytes_downloaded += downloaded
            self.bytes_uploaded += uploaded

    def lane(self, label: str) -> Lane:
        """The requests to a host that are under way."""
        with self._lock:
            lane = self._lanes.get(label)
            if lane is None:
                given = self.settings.connection(label)
                most = min(self.settings.concurrency, given.max_connections or 1 << 30)
                rate = given.requests_per_second
                lane = Lane(label, self.pace, most, rate, self._holders)
                self._lanes[label] = lane
            return lane

    def warn(self, text: str) -> None:
        """Something that the user should be told, once."""
        with self._lock:
            self._told[text] = None

    def warnings(self) -> list[str]:
        """What the user should be told about the settings, and about what was met."""
        with self._lock:
            return [*self.settings.warnings(), *map(self.scrub, self._told)]

    def close(self) -> None:
        """Closes all idle connections."""
        self._wires.close()


class _Refusal(NamedTuple):
    """A 401: what it says it wants, and the error that it is when we don't have that."""

    challenges: list[str]
    problem: RegistryError


class RegistryClient:
    """Sends requests to one registry."""

    def __init__(self, host: str, network: Network) -> None:
        """``host``: the registry's name as in a reference."""
        self.host = host
        self.network = network
        scheme = "http" if network.settings.connection(host).plain_http else "https"
        self.origin = f"{scheme}://{_HUB_ADDRESS if host == DOCKER_HUB else host}"
        self._home = origin_of(self.origin)
        self._proven = False
        #: whether a mount from the same repository finds what is there, once that was seen
        self.finds_own_blobs: bool | None = None
        #: whether it has the referrers API
        self.referrers_api = Learned()
        self._quota = network.quotas.of(host)
        self._auth = Authenticator(host, self._home, network.keychain, self._ask_realm)

    def call(
        self,
        method: str,
        path: str,
        what: str,
        need: Need,
        ok: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One operation that may be repeated as it is, tried until it succeeds or is final.

        ``what`` says in a message what was tried; answers with a status in ``ok`` are returned,
        all others raise.
        """
        return self.network.retrier.run(
            self.host, lambda _: self.once(method, self.url(path), what, need, ok, headers, body)
        )

    def expect(self, need: Need) -> None:
        """Requests with this need will come."""
        if "push" in need.actions:
            self.network.lane(self.host).will_be_written()
        self._auth.expect(need)

    def url(self, path: str) -> str:
        """The URL of a path such as ``/v2/``."""
        return f"{self.origin}{path}"

    @property
    def home(self) -> str:
        """The registry's origin."""
        return self._home

    def once(
        self,
        method: str,
        url: str,
        what: str,
        need: Need,
        ok: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        patience: int = 0,
    ) -> Answer:
        """One try: authenticated (again, if the registry says so), redirected where allowed.

        A ``body`` that is a callable gives the bytes anew each time; then ``patience`` may say
        how many seconds more than usual the answer may take. Raises NothingLeft, unsent, where
        the registry's limit is known to be used up.
        """
        send = self._sending(self.host, what, method, headers or {}, body, patience)
        question = is_question(self.host, method, url)
        # in this order: the first answer may also tell how many requests are left
        with self._auth.opening(), self._quota.asking(question):
            sent = self._auth.header(need, fresh=patience > 0) if self._is_home(url) else None
            answer = self._try(send, url, need, sent)
            refusal = self._refusal(answer, url, what, need, ok)
        for last in (False, True):
            again = self._again(answer, refusal, need, sent, ok)
            if not again:
                break
            first = answer.status
            with self._quota.asking(question):
                answer = self._try(send, url, need, again)
            self._auth.compared(need, sent, first, again, answer.status)
            ended = not last and self._auth.ended(again, answer.status)
            refusal = self._refusal(answer, url, what, need, ok) if ended else None
            sent = again
        if refusal:
            raise refusal.problem
        if answer.status in ok:
            if method == "HEAD":
                answer.drain()  # frees the connection
            return answer
        raise self.problem(answer, what, need)

    def _sending(
        self,
        label: str,
        what: str,
        method: str,
        headers: Mapping[str, str],
        body: Body = None,
        patience: int = 0,
    ) -> Sending:
        exchange = self.network.exchange
        return Sending(exchange, label, self._home, what, method, headers, body, patience)

    def _try(self, send: Sending, url: str, need: Need, sent: str | None) -> Answer:
        with self._auth.trial(need, sent):
            answer = send.to(url, sent)
            try:
                # a login that was left behind on the way wasn't judged
                judged = answer.authorization and self._is_home(answer.url)
                self._auth.tried(need, sent, answer.status if judged else 0)
            except ImageSyncError:
                answer.close()
                raise
        return answer

    def _again(
        self,
        answer: Answer,
        refusal: _Refusal | None,
        need: Need,
        sent: str | None,
        ok: tuple[int, ...],
    ) -> str | None:
        """Another Authorization value to try, after an answer that may be due to the first.

        The answer is read to its end before a token is waited for: other threads may need its
        place, the one that fetches the token among them.
        """
        if refusal:
            return self._auth.meet(refusal.challenges, need, sent) if refusal.challenges else None
        denied = answer.status == 404 or (answer.status == 403 and 403 not in ok)
        home = denied and self._is_home(answer.url)
        if home and self._auth.doubts(need, sent, answer.status):
            answer.drain()
            return self._auth.alone(need)
        return None

    def problem(self, answer: Answer, what: str, need: Need) -> RegistryError:
        """The error for an answer that isn't what was asked for, without any secret."""
        secrets = self._auth.secrets(need, answer.status)
        found = problem_of(answer, self.host, what, secrets)
        if not self._is_home(answer.url):
            found.elsewhere = True
            found.args = (f"{found} (said by {host_of(answer.url)}, where it leads to)",)
        too_long = (found.retry_after or 0) > LONGEST_PAUSE
        if found.status == 429 and (too_long or not found.transient):
            self._quota.spend(found.retry_after, everything=found.transient)
        return found

    def check_is_registry(self, answer: Answer) -> None:
        """Raises RegistryError when an answer looks as if no registry had given it.

        Then ``/v2/`` is asked, once: a registry answers 200 or 401 (distribution-spec, end-1).
        """
        kind = answer.header("Content-Type").lower()
        if "json" in kind or answer.header("Docker-Distribution-Api-Version") or self._proven:
            return
        ping = self.network.exchange(self.host, "GET", self.url("/v2/"), {})
        ping.drain()
        if ping.status == 429 or ping.status >= 500:
            return  # that says nothing
        if ping.status not in (200, 401, 403) or "html" in ping.header("Content-Type"):
            raise RegistryError(
                f"{self.host} isn't a registry: it answers {self.url('/v2/')} with {ping.status} "
                f"({ping.header('Content-Type')[:60] or 'no content type'})"
            )
        self._proven = True

    def _is_home(self, url: str) -> bool:
        return origin_of(url) == self._home

    def _refusal(
        self, answer: Answer, asked: str, what: str, need: Need, ok: tuple[int, ...]
    ) -> _Refusal | None:
        """A 401's challenges, or those of ``/v2/`` where it has none (gcr.io); and its error.

        None for other answers. ``asked``: the URL that was sent to; who is asked elsewhere may
        lead us here, and must not get what is answered: then there are no challenges. The
        answer is read to its end before anything else is sent, which needs its place.
        """
        if answer.status != 401 or 401 in ok:
            return None
        problem = self.problem(answer, what, need)
        if not self._is_home(asked) or not self._is_home(answer.url):
            return _Refusal([], problem)
        found = answer.all_headers("WWW-Authenticate")
        if not found:
            ping = self.network.exchange(self.host, "GET", self.url("/v2/"), {})
            found = ping.all_headers("WWW-Authenticate")
            ping.drain()
        self._auth.hear(found)
        return _Refusal(found, problem)

    def _ask_realm(self, request: TokenRequest) -> Answer:
        host = origin_of(request.url).partition("://")[2]
        label = self.host if self._is_home(request.url) else host
        what = f"asking {host} for a token"

        def attempt(_number: int) -> Answer:
            send = self._sending(label, what, request.method, request.headers, request.body)
            answer = send.to(request.url, request.headers.get("Authorization"))
            if answer.status == 200:
                return answer
            problem = problem_of(answer, self.host, what, request.secrets)
            problem.host = label  # it is the realm that asks for patience
            if not request.patient and answer.status != 429:
                problem.transient = False
            raise problem

        return self.network.retrier.run(label, attempt)
