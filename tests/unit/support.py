# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Callable

import urllib3

from ansible_collections.imagesync.registry.plugins.module_utils.model.digest import digest_of
from ansible_collections.imagesync.registry.plugins.module_utils.transport.answer import Answer
from ansible_collections.imagesync.registry.plugins.module_utils.transport.bandwidth import (
    Bandwidth,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.learned import Learned
from ansible_collections.imagesync.registry.plugins.module_utils.transport.retry import (
    Pace,
    Retrier,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
)

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
MODULE_UTILS = PLUGINS / "module_utils"
A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64


def answer(
    status: int = 200,
    body: bytes | str | Mapping[str, Any] = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    url: str = "https://registry.example.com/v2/",
) -> Answer:
    """An answer whose body is served from memory."""
    if isinstance(body, Mapping):
        body = json.dumps(body)
    raw = urllib3.HTTPResponse(
        io.BytesIO(body.encode() if isinstance(body, str) else body),
        list(headers.items()) if isinstance(headers, Mapping) else list(headers),  # type: ignore[arg-type]
        status,
        preload_content=False,
    )
    return Answer(raw, url)


def descriptor(content: bytes = b"x", **fields: Any) -> dict[str, Any]:
    """A descriptor of some content, as in a document."""
    return {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": digest_of(content),
        "size": len(content),
        **fields,
    }


class FakeNetwork:
    """As much of Network as stores need."""

    def __init__(self, retries: int = 0) -> None:
        self.settings = Settings()
        self.pace = Pace()
        self.retrier = Retrier(retries, self.pace)
        self.bandwidth = Bandwidth(None, self.pace)
        self.downloaded = self.uploaded = 0

    def moved(self, downloaded: int = 0, uploaded: int = 0) -> None:
        self.downloaded += downloaded
        self.uploaded += uploaded


class FakeClient:
    """A RegistryClient whose answers are scripted; a request beyond the script fails the test."""

    host = "registry.example.com"
    origin = home = "https://registry.example.com"

    def __init__(self, answers: Callable[[str, str], Any] | list[Any], retries: int = 0) -> None:
        """``answers``: one after the other, or a function of method and URL."""
        self.network = FakeNetwork(retries)
        self.seen: list[tuple[str, str]] = []
        self.sent: list[bytes] = []
        self.needs: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self._answers = answers
        self.finds_own_blobs: bool | None = None
        self.referrers_api = Learned()

    def expect(self, need: Any) -> None:
        """Nobody asks it for a login."""

    def url(self, path: str) -> str:
        return self.origin + path

    def call(self, method: str, path: str, *args: Any, **named: Any) -> Answer:
        return self.network.retrier.run(
            self.host, lambda _: self.once(method, self.url(path), *args, **named)
        )

    def once(
        self,
        method: str,
        url: str,
        what: str,
        need: Any,
        ok: tuple[int, ...],
        headers: Any = None,
        body: Any = None,
        patience: int = 0,
    ) -> Answer:
        self.seen.append((method, url))
        self.needs.append(need)
        self.headers.append(dict(headers or {}))
        if body is not None:
            self.sent.append(b"".join(body()) if callable(body) else body)
        if callable(self._answers):
            found = self._answers(method, url)
        else:
            assert self._answers, f"unexpected request: {method} {url}"
            found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        assert found.status in ok, f"{what}: {found.status} is for problem_of"
        return found

    def check_is_registry(self, _answer: Answer) -> None:
        """It is one."""
