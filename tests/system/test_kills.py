# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that are killed, ours and the registry's, and two runs at once.

The numbers are those of the fault matrix in docs/reliability.md.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import Lock, Locked
from ansible_collections.imagesync.registry.plugins.module_utils.sync.lock_file import LockFile
from ansible_collections.imagesync.registry.plugins.module_utils.transport import retry
from tests.support import images, skopeo
from tests.support.content import Image
from tests.support.faults import Fault
from tests.support.fixtures import MakeProxy, MakeRegistry
from tests.support.proxy import RecordingProxy
from tests.support.records import Request
from tests.support.registries import DockerRegistry
from tests.support.sides import Side, Sides
from tests.support.sync import sync
from tests.support.victims import Victim, syncing, writing

PLATFORMS = ("linux/amd64", "linux/arm64")
#: more than any copy of the image takes; else the loop below never ends
MOST_REQUESTS = 60


class Killer:
    """Kills a process when its n-th request arrives at one of several proxies.

    ``when``: "rst_before": the request gets no further; "rst_after": the registry has done it,
    and the answer finds nobody. Then only those that write count: after a read all is as before it.
    """

    def __init__(self, number: int, when: str, *proxies: RecordingProxy) -> None:
        self.victim: Victim | None = None
        self.number, self.when = number, when
        self.hit: Request | None = None
        self._seen = 0
        self._lock = threading.Lock()
        for proxy in proxies:
            proxy.pick = self._pick  # type: ignore[method-assign]

    def _pick(self, record: Request) -> Fault | None:
        if self.when == "rst_after" and record.method in ("GET", "HEAD"):
            return None
        with self._lock:
            self._seen += 1
            if self._seen < self.number:
                return None
            if self._seen > self.number:  # it comes from one who is being killed: too late
                record.fault = "too late"
                return Fault("", "rst_before")
            self.hit = record
        assert self.victim
        record.fault = f"killed, {self.when}"
        if self.when == "rst_before":
            self.victim.kill()
            return Fault("", self.when)
        return Fault("", self.when, after=self.victim.kill)


class Copy:
    """One copy that is killed, and the run after it."""

    def __init__(self, sides: Sides, image: Image, folder: Path, number: int, when: str) -> None:
        self.sides, self.image, self.folder = sides, image, folder
        self.repository = f"{sides.destination.repository}/{when}/{number}"
        self.options = {
            "source": sides.source.ref(),
            "destination": sides.destination.ref("1", self.repository),
            "lock_file": str(folder / "lock.json"),
            "referrers": "never",
        }
        proxies = (sides.source.proxy, sides.destination.proxy)
        self.killer = Killer(number, when, *proxies)
        with syncing(folder, **self.options) as victim:
            self.killer.victim = victim
            self.result = victim.result()
            self.status = victim.status
        for proxy in proxies:
            del proxy.pick
            proxy.settle()
            proxy.clear()

    def complete(self) -> int:
        """The next run does what is left to do and nothing else; the number of blobs it sent."""
        there = self.sides.destination
        told = f"after {self.killer.hit}"
        missing = there.missing(self.image, self.repository)
        in_sync = there.digest("1", self.repository) == self.image.digest

        again = sync(**self.options)

        assert not again.get("failed"), (told, again)
        assert again["images"][0]["changed"] is not in_sync, told
        assert sorted(there.written("upload")) == sorted(missing), told
        assert again["stats"]["blobs_copied"] == len(missing), told
        assert there.has_whole(self.image, repository=self.repository), told
        assert again["changed"] and os.listdir(self.folder) == ["lock.json"], told
        return len(missing)


@pytest.mark.parametrize("when", ["rst_before", "rst_after"])
def test_fault_54_killed_at_any_request_the_next_run_completes(
    sides: Sides, tmp_path: Path, when: str
) -> None:
    image = sides.source.push(images.multi_platform("killed", platforms=PLATFORMS, size=5000))
    found: list[Request] = []
    left: set[int] = set()
    for number in range(1, MOST_REQUESTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = Copy(sides, image, folder, number, when)
        if copy.killer.hit is None:  # one that needed fewer requests: all of them had their turn
            assert copy.result["changed"] and copy.status == 0
            break
        found.append(copy.killer.hit)
        assert copy.result is None and copy.status == -signal.SIGKILL
        left.add(copy.complete())
        sides.clear()
    else:
        pytest.fail("it never came to its end")
    kinds = {(request.method, request.kind) for request in found}
    assert kinds >= {("POST", "upload"), ("PUT", "upload"), ("PUT", "manifest")}
    reads = {("GET", "manifest"), ("GET", "blob")}
    assert kinds >= reads if when == "rst_before" else not kinds & reads
    assert found[-1].reference == "1" and found[-1].method == "PUT"
    assert any(0 < number < len(image.all_blobs) for number in left), "none was killed half-way"
    where = f"{sides.destination.host}/{copy.repository}:1"
    assert skopeo.verify_whole(where) == image.digest


LOCKED = Locked("example.com/a:1", f"sha256:{'0' * 64}", f"sha256:{'0' * 64}", "a/b", ())


def test_fault_54_killed_while_the_lock_is_written(tmp_path: Path) -> None:
    """The file is the old one or the new one, and what was begun is gone after the next run."""
    path = tmp_path / "lock.json"
    new = Lock({"example.com/old:1": LOCKED})
    old = new.text()
    new.images = {f"example.com/{n}:1": LOCKED for n in range(100)}
    lefts, texts = set(), set()
    for number in itertools.count(1):
        path.write_text(old)
        with writing(tmp_path, path, new, number) as victim:
            lines, status = victim.result(), victim.status
        if lines is not None:
            assert number > lines > 10
            break
        assert status == -signal.SIGKILL
        texts.add(path.read_text())
        lefts.add(len(os.listdir(tmp_path)))
        cleared = LockFile(str(path)).read()
        cleared.images = {}
        LockFile(str(path)).update(cleared)
        assert os.listdir(tmp_path) == ["lock.json"]
    assert path.read_text() == new.text() and texts == {old, new.text()}
    assert lefts == {1, 2}, "no temporary file was ever left behind"


# 28: the registry is killed


@pytest.fixture(params=["imagesync-tests", None], ids=["its secret is fixed", "a new secret"])
def mortal(request: pytest.FixtureRequest, make_registry: MakeRegistry) -> DockerRegistry:
    """A registry for one test alone. Without a secret it forgets its uploads when it ends."""
    return make_registry(secret=request.param)


@pytest.fixture
def mortals(
    source: RecordingProxy,
    source_registry: DockerRegistry,
    mortal: DockerRegistry,
    make_proxy: MakeProxy,
    repo: str,
) -> Iterator[Sides]:
    """A registry that lives as the source, one that will be killed as the destination."""
    yield Sides(
        Side(source, source_registry.host, repo),
        Side(make_proxy(mortal.url), mortal.host, f"{repo}/mirror"),
    )


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait for a moment, as registries start in one."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.03)


@pytest.mark.usefixtures("patient")
def test_fault_28_the_registry_is_killed_in_mid_upload(
    mortals: Sides, mortal: DockerRegistry
) -> None:
    """It is gone for a while, and comes back with half a blob; the same run goes on."""
    image = mortals.source.push(images.multi_platform("mortal", platforms=PLATFORMS, size=300_000))
    there = mortals.destination
    old = mortal.pid
    since: list[Fault] = []

    def killed() -> None:
        mortal.kill()
        since.append(there.proxy.inject(".*", "pass", times=2))
        since.append(there.proxy.inject(".*", "pass", call=mortal.restart))

    there.proxy.inject("PUT .*/blobs/uploads/", "rst_body", 200_000, after=killed)
    result = sync(retries=10, **mortals.options())
    assert [fault.hits for fault in since] == [2, 1] and mortal.pid != old
    assert any(request.status == 502 for request in there.proxy.requests)
    assert not result.get("failed"), result["msg"]
    assert result["changed"] and result["stats"]["retries"] >= 1
    assert there.has_whole(image, judge=True)
    assert not sync(**mortals.options())["changed"]


@pytest.mark.usefixtures("patient")
def test_fault_28_the_registry_is_killed_between_an_upload_and_its_content(
    mortals: Sides, mortal: DockerRegistry
) -> None:
    """Whether it knows its open uploads after that or not."""
    image = mortals.source.push(images.image("mortal", size=300_000))

    def killed() -> None:
        mortal.kill()
        mortal.restart()

    fault = mortals.destination.proxy.inject("PUT .*/blobs/uploads/", "pass", call=killed)
    result = sync(retries=10, **mortals.options())
    assert fault.hits == 1 and not result.get("failed"), result["msg"]
    assert mortals.destination.has_whole(image, judge=True)
    refused = [r for r in mortals.destination.proxy.select("PUT", "upload") if r.status == 404]
    assert bool(refused) is (mortal.mode.secret is None)


# 53: two runs at once


def test_fault_53_two_runs_at_once_to_one_destination(
    sides: Sides, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """They send the same blobs and write the same tag at the same moment, and both succeed."""
    image = sides.source.push(images.multi_platform("twice", platforms=PLATFORMS, size=100_000))
    proxies = [make_proxy(f"http://{sides.destination.host}") for _unused in range(2)]
    meetings = []
    for match in ("PUT .*/blobs/uploads/", "PUT .*/manifests/1$"):
        meeting = threading.Barrier(2, timeout=20)
        meetings += [proxy.inject(match, "pass", call=meeting.wait) for proxy in proxies]

    def run(proxy: RecordingProxy) -> dict[str, Any]:
        where = f"{proxy.host}/{sides.destination.repository}:1"
        return sync(source=sides.source.ref(), destination=where, referrers="never")

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, proxies))
    assert [meeting.hits for meeting in meetings] == [1] * 4
    assert [result.get("msg", "") for result in results] == ["", ""]
    assert [result["changed"] for result in results] == [True, True]
    assert {result["digest"] for result in results} == {image.digest}
    assert sides.destination.has_whole(image, judge=True)
    assert not any(run(proxy)["changed"] for proxy in proxies)
