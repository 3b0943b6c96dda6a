# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of every fault: the same questions, whatever went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport import retry

from . import skopeo
from .asking import check_sentence
from .content import Image
from .faults import Fault
from .fixtures import MakeProxy
from .images import image
from .sides import IN_SYNC, Side, Sides
from .strict_registry import StrictRegistry
from .sync import sync

#: a password that no registry asks for: seen anywhere, it has leaked
CANARY = "canary-e3b0c44298fc"


class Judge:
    """Copies an image over an older one while something goes wrong, and looks what came of it.

    `spared` are further servers that must never see a login.
    """

    def __init__(self, sides: Sides, make_proxy: MakeProxy) -> None:
        """Judge copies between these sides."""
        self.sides, self.make_proxy = sides, make_proxy
        self.old: Image | None = None
        self.new = image("unset")
        self.spared: list[Any] = []

    @property
    def source(self) -> Any:
        """The proxy before the source."""
        return self.sides.source.proxy

    @property
    def destination(self) -> Any:
        """The proxy before the destination."""
        return self.sides.destination.proxy

    def read_from(self, registry: StrictRegistry) -> None:
        """Take this registry for the source, behind a proxy of its own."""
        repository = self.sides.source.repository
        self.sides.source = Side(self.make_proxy(registry.url), registry.host, repository)

    def write_to(self, registry: StrictRegistry) -> None:
        """Take this registry for the destination."""
        registry.rules.relative_location = True  # else uploads would go round the proxy
        repository = self.sides.destination.repository
        self.sides.destination = Side(self.make_proxy(registry.url), registry.host, repository)

    def given(self, new: Image, old: bool = True) -> Image:
        """Put an image at the source and, unless not `old`, another one where it is to go."""
        self.new = self.sides.source.push(new)
        self.old = self.sides.destination.push(image(f"older than {new.digest}")) if old else None
        return new

    def login(self, host: str, **more: Any) -> dict[str, Any]:
        """An entry of `registries` with the canary."""
        return {"name": host, "username": "alice", "password": CANARY, **more}

    def run(self, **more: Any) -> dict[str, Any]:
        """Copy, by one call."""
        hosts = dict.fromkeys((self.source.host, self.destination.host))
        options = {"registries": [self.login(host) for host in hosts], "referrers": "never"}
        return sync(**self.sides.options(**{**options, **more}))

    def survives(self, *faults: Fault, again: bool = True, **more: Any) -> dict[str, Any]:
        """The image arrives whole all the same; the next run has nothing to do.

        That one goes through the proxies and is counted, unless not `again`: the test has then
        questions to the proxies' logs, and it goes past them.
        """
        result = self.run(**more)
        assert all(fault.hits for fault in faults), faults
        assert not result.get("failed"), result.get("msg")
        before = self.old.digest if self.old else None
        reason = "digest_differs" if before else "absent"
        assert (result["changed"], result["reason"]) == (True, reason)
        assert (result["digest"], result.get("previous_digest")) == (self.new.digest, before)
        self.check_arrived()
        self.check_secrets(result)
        if again:
            self.sides.heal()
            result_again = self.run(**{**more, "retries": 0})
            assert (result_again["changed"], result_again["reason"]) == (False, "in_sync")
            assert self.sides.asked() == IN_SYNC
        else:
            self.check_in_sync()
        return result

    def check_in_sync(self) -> None:
        """A run that no proxy sees finds nothing to do."""
        source, there = self.sides.source, self.sides.destination
        result = sync(
            source=f"{source.host}/{source.repository}:1",
            destination=f"{there.host}/{there.repository}:1",
            registries=[self.login(host) for host in dict.fromkeys((source.host, there.host))],
            referrers="never",
            retries=0,
        )
        assert not result.get("failed"), result.get("msg")
        assert (result["changed"], result["reason"]) == (False, "in_sync")

    def refuses(
        self,
        *faults: Fault,
        says: tuple[str, ...] = (),
        lacks: str = "",
        changed: bool = False,
        mend: Callable[[], object] | None = None,
        **more: Any,
    ) -> str:
        """It fails in a sentence and leaves the tag; without the fault, the next run succeeds.

        `lacks`: a blob that must not be at the destination. `changed`: the registry has said that
        it wrote something. `mend` puts the source right.
        """
        result = self.run(**more)
        assert all(fault.hits for fault in faults), faults
        assert result.get("failed") and result["reason"] == "failed", result
        assert result["changed"] is changed
        message = check_sentence(result["msg"], 800)
        for word in (self.sides.destination.ref("1"), *says):
            assert word in message
        assert self.sides.destination.digest() == (self.old.digest if self.old else None)
        assert not lacks or lacks in self.sides.destination.missing(self.new)
        self.check_secrets(result)
        if mend:
            mend()
        self.sides.heal()
        result = self.run(**{**more, "retries": 0})
        assert not result.get("failed"), result.get("msg")
        assert result["digest"] == self.new.digest
        self.check_arrived()
        return message

    def check_arrived(self) -> None:
        """Two independent readers find the image, every byte of it, under its tag."""
        there = self.sides.destination
        assert there.has_whole(self.new)
        assert skopeo.raw_digest(f"{there.host}/{there.repository}:1") == self.new.digest

    def check_secrets(self, result: dict[str, Any]) -> None:
        """No login was shown to who hadn't to see it, and none is in the result."""
        assert CANARY not in json.dumps(result)
        for server in (self.source, self.destination, *self.spared):
            assert server.saw(CANARY) == []
        for server in self.spared:
            assert server.with_header("Authorization") + server.with_header("Cookie") == []

    def writes(self) -> list[str]:
        """All requests that write, at either side."""
        return [str(request) for request in self.sides.writes()]


@pytest.fixture
def judge(sides: Sides, make_proxy: MakeProxy, quick: None) -> Judge:
    """A judge of copies between the usual registries; tries follow each other at once."""
    return Judge(sides, make_proxy)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how many seconds hosts were to be left alone; nobody waits for that here."""
    found: list[float] = []
    monkeypatch.setattr(
        retry.Pace, "pause", lambda _self, _host, seconds: found.append(float(seconds))
    )
    return found
