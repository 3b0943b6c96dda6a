# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a long time with bad registries would bring, in a few minutes.

Many small images are mirrored through proxies that do harm at random, by two runs at once to one
destination; tags move, and it goes on, until everything is in sync. `make soak` runs it at length,
tests/system/test_soak.py for a moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.imagesync.registry.benchmarks.storage import store
from ansible_collections.imagesync.registry.benchmarks.workloads import KIB, Tagged, Workload
from ansible_collections.imagesync.registry.plugins.module_utils.transport import retry
from ansible_collections.imagesync.registry.tests.support import push
from ansible_collections.imagesync.registry.tests.support.faults import Fault
from ansible_collections.imagesync.registry.tests.support.proxy import RecordingProxy
from ansible_collections.imagesync.registry.tests.support.records import Request
from ansible_collections.imagesync.registry.tests.support.registries import DockerRegistry
from ansible_collections.imagesync.registry.tests.support.sync import sync
from ansible_collections.imagesync.registry.tests.support.victims import Victim

#: runs of a kind until all must be done; each of them tries every request six times
MOST_RUNS = 5
#: tags in each repository, so that there is something to mount and something to list
TAGS = 10
#: seconds; a run that takes longer hangs
LONGEST_RUN = 1800
#: images whose every byte is read again at the end
READ_AGAIN = 20

#: what may happen to any request, and to those with a body in the answer or the request
_ANY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rst_before", {}),
    ("rst_after", {}),
    ("status", {"arg": 500}),
    ("status", {"arg": 502}),
    ("status", {"arg": 503, "headers": {"Retry-After": "0.2"}}),
    ("status", {"arg": 429, "headers": {"Retry-After": "0.1"}}),
    ("early_status", {"arg": 503}),
    ("status_after", {"arg": 504}),
    ("delay", {"arg": 0.2}),
)
_READ = (
    ("truncate", {"arg": 100}),
    ("close_short", {"arg": 700}),
    ("corrupt", {"arg": 50}),
    ("slow", {"arg": 2000, "pause": 0.01}),
)
_SENT = (("rst_body", {"arg": 0}), ("rst_body", {"arg": 5000}))


class Bad(RecordingProxy):
    """A proxy that does harm to some requests.

    Which ones is a matter of the seed, the request and how often it came, not of the order in
    which requests arrive: the same seed does the same harm.
    """

    def __init__(self, upstream: str, seed: str, rate: float) -> None:
        """``rate``: the share of requests that something happens to."""
        super().__init__(upstream)
        self.seed, self.rate = seed, rate
        self.thrown: Counter[str] = Counter()
        self.count_of_requests = 0
        self._times: Counter[str] = Counter()

    def pick(self, record: Request) -> Fault | None:
        """What happens to this request."""
        target = record.params.get("digest") or record.params.get("mount") or record.reference
        name = f"{record.method} {record.kind} {record.repo} {target}"
        with self._lock:
            self._requests.clear()  # they would be a hundred thousand
            self.count_of_requests += 1
            self._times[name] += 1
            chance = random.Random(f"{self.seed} {name} {self._times[name]}")
            if chance.random() >= self.rate:
                return None
            has_body = record.method == "GET" and record.kind in ("manifest", "blob")
            kinds = [
                *_ANY,
                *(_READ if has_body else ()),
                *(_SENT if record.method == "PUT" else ()),
            ]
            action, options = chance.choice(kinds)
            self.thrown[f"{action} {options['arg']}" if action == "status" else action] += 1
        return Fault("", action, **options)


class Done(NamedTuple):
    """One run: which it was, its result, its seconds, and the most memory it took, in MiB."""

    name: str
    result: dict[str, Any]
    seconds: float
    memory: float


@dataclasses.dataclass
class Soak:
    """All that goes on. ``say`` is told of each step; ``first_delay``: of retries, in seconds.

    In each of the ``rounds`` but the first, some tags move.
    """

    images: int
    seed: int
    rate: float
    folder: Path
    say: Callable[[str], object]
    first_delay: float = 0.5
    rounds: int = 3
    runs: list[Done] = dataclasses.field(default_factory=list)
    faults: Counter[str] = dataclasses.field(default_factory=Counter)
    requests: int = 0

    def run(self) -> None:
        """Raises AssertionError where something isn't as it should be."""
        workload = Workload("soak", self.images // TAGS, TAGS, 8 * KIB, base=2, base_size=20 * KIB)
        workload = dataclasses.replace(workload, prefix="soak")
        declared = workload.all()
        with DockerRegistry() as source, DockerRegistry() as destination:
            with self._proxies(source, destination) as pairs:
                for round_ in range(self.rounds):
                    moved = self._moved(workload, declared, round_)
                    store(source.storage, declared)
                    self.say(f"round {round_ + 1}: {moved} of {len(declared)} tags are new")
                    self._until_in_sync(declared, pairs, round_)
                    self._judge(destination.host, declared, round_)
            self._nothing_to_do(declared, source, destination)

    @contextlib.contextmanager
    def _proxies(
        self, source: DockerRegistry, destination: DockerRegistry
    ) -> Iterator[list[tuple[Bad, Bad]]]:
        """Two for each of two runs."""
        with contextlib.ExitStack() as stack:
            pairs = []
            for name in "AB":
                places = [(source, "source"), (destination, "destination")]
                bad = [Bad(r.url, f"{self.seed} {name} {w}", self.rate) for r, w in places]
                pairs.append((stack.enter_context(bad[0]), stack.enter_context(bad[1])))
            try:
                yield pairs
            finally:
                for proxy in (proxy for pair in pairs for proxy in pair):
                    self.faults.update(proxy.thrown)
                    self.requests += proxy.count_of_requests
            errors = [error for pair in pairs for proxy in pair for error in proxy.errors]
            assert not errors, errors[0]

    def _moved(self, workload: Workload, declared: list[Tagged], round_: int) -> int:
        """Gives some tags another image; how many."""
        if round_ == 0:
            return len(declared)
        chance = random.Random(f"{self.seed} moved {round_}")
        numbers = chance.sample(range(len(declared)), max(1, len(declared) // 4))
        for number in numbers:
            declared[number] = workload.tagged(number, version=round_)
        return len(numbers)

    def _until_in_sync(
        self, declared: list[Tagged], pairs: Sequence[tuple[Bad, Bad]], round_: int
    ) -> None:
        """Both runs at once, again until nothing failed in either."""
        for number in range(1, MOST_RUNS + 1):
            names = [f"{round_ + 1}{name}{number}" for name in "ab"]
            with contextlib.ExitStack() as stack:
                victims = [stack.enter_context(self._start(declared, *pair)) for pair in pairs]
                done = [Done(n, *v.result(LONGEST_RUN)) for n, v in zip(names, victims)]
            for one in done:
                self._tell(one)
            self.runs += done
            if not any(one.result.get("failed") for one in done):
                return
        raise AssertionError(f"after {MOST_RUNS} runs: {done[-1].result['msg'][:2000]}")

    def _start(self, declared: Sequence[Tagged], source: Any, destination: Any) -> Victim:
        options = _options(declared, source, destination)
        return Victim(self.folder, _measured, options, self.first_delay)

    def _tell(self, done: Done) -> None:
        reasons = Counter(image["reason"] for image in done.result["images"])
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        self.say(
            f"  run {done.name}: {told}; {done.result['stats']['retries']} retries, "
            f"{done.seconds:.0f} s, {done.memory:.0f} MiB"
        )
        for line in str(done.result.get("msg") or "").splitlines()[:5]:
            self.say(f"    {line}")

    def _judge(self, host: str, declared: Sequence[Tagged], round_: int) -> None:
        """By plain HTTP, without the proxies: all tags, and some images to their last byte."""
        wanted = {f"{one.repository}:{one.tag}": one.image.digest for one in declared}
        found = {}
        for repository in sorted({one.repository for one in declared}):
            for tag in push.tags(host, repository):
                found[f"{repository}:{tag}"] = push.digest_of(host, repository, tag)
        assert found == wanted
        for one in random.Random(f"{self.seed} {round_}").sample(
            list(declared), min(READ_AGAIN, len(declared))
        ):
            whole = {manifest.digest for manifest in one.image.walk()}
            whole |= {blob.digest for blob in one.content}
            assert set(push.verify_whole(f"{host}/{one.repository}:{one.tag}")) == whole
        self.say(f"  {len(found)} tags name what they should")

    def _nothing_to_do(
        self, declared: list[Tagged], source: DockerRegistry, destination: DockerRegistry
    ) -> None:
        """The last run goes to the registries themselves."""
        with self._start(declared, source, destination) as victim:
            last = Done("last", *victim.result(LONGEST_RUN))
        self._tell(last)
        assert not last.result["changed"] and not last.result.get("failed")
        assert not list(self.folder.iterdir()), "something was left behind"

    @property
    def memory(self) -> float:
        """The most that any run took, in MiB."""
        return max(one.memory for one in self.runs)

    @property
    def retries(self) -> int:
        """Of all runs."""
        return sum(one.result["stats"]["retries"] for one in self.runs)


def _options(declared: Sequence[Tagged], source: Any, destination: Any) -> dict[str, Any]:
    names = [f"{one.repository}:{one.tag}" for one in declared]
    pairs = [(f"{source.host}/{name}", f"{destination.host}/{name}") for name in names]
    return {"images": [{"source": s, "destination": d} for s, d in pairs], "referrers": "never"}


def _measured(options: dict[str, Any], first_delay: float) -> tuple[dict[str, Any], float, float]:
    """In a process of its own."""
    retry._FIRST_DELAY = first_delay
    began = time.monotonic()
    result = sync(**options)
    kept = {name: result.get(name) for name in ("changed", "failed", "msg", "stats")}
    kept["images"] = [{"reason": image["reason"]} for image in result["images"]]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return kept, time.monotonic() - began, memory
