# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make bench-faults` runs: the faults of docs/reliability.md, for skopeo and for image_sync.

Each tool copies an image over an older one while a proxy makes the fault; then it is looked which
image the destination's tag names, and whether that is whole. The table goes to standard output and
to .build/bench/faults.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.imagesync.registry.benchmarks.tools import MODULE, SKOPEO_COPY
from ansible_collections.imagesync.registry.tests.support import images, push
from ansible_collections.imagesync.registry.tests.support.content import Image, to_json
from ansible_collections.imagesync.registry.tests.support.faults import ALWAYS, Fault
from ansible_collections.imagesync.registry.tests.support.layers import layer
from ansible_collections.imagesync.registry.tests.support.proxy import RecordingProxy
from ansible_collections.imagesync.registry.tests.support.registries import DockerRegistry

BUILD = Path(__file__).resolve().parent.parent / ".build" / "bench"
RETRIES = 3
SECONDS = 120
CHILD = images.image("faults", layers=[layer("faults", 3 << 20)])
IMAGE = images.index([CHILD])
LAYER = CHILD.blobs[1]
#: one bit makes another platform of it
PLATFORM = IMAGE.manifest.find(b"amd64") + 4
OLD = images.image("older")
OTHER = images.image("other")

ARRIVED, REFUSED = "arrived", "failed, tag kept"
WRONG, PART = "**wrong image published**", "**incomplete image published**"

BLOB_GET = f"GET .*/blobs/{LAYER.digest}"
BLOB_PUT = "(PUT|PATCH) .*/blobs/uploads/"
POST = "POST .*/blobs/uploads/"
TAG_GET = "GET .*/manifests/"
TAG_PUT = "PUT .*/manifests/1$"
LIMIT = to_json(
    {"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit"}]}
)
BASIC = {"WWW-Authenticate": 'Basic realm="faults"'}


@dataclasses.dataclass(frozen=True)
class Case:
    """A fault: its number, words for it, where it is made, and the fields of Fault."""

    number: int
    what: str
    side: str
    match: str
    action: str
    arg: int | float | str = 0
    times: int = 1
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    body: bytes = b""
    promise: str = ARRIVED

    def fault(self) -> Fault:
        """The fault, not yet made."""
        return Fault(
            self.match, self.action, self.arg, self.times, headers=self.headers, body=self.body
        )


def _bursts() -> Iterator[Case]:
    places = {
        "GET of a manifest": ("source", TAG_GET),
        "GET of a blob": ("source", BLOB_GET),
        "POST": ("destination", POST),
        "PUT of a blob": ("destination", BLOB_PUT),
        "PUT of a manifest": ("destination", TAG_PUT),
    }
    for what, (side, match) in places.items():
        yield Case(12, f"429, {what}", side, match, "status", 429, headers={"Retry-After": "1"})
        yield Case(14, f"503 three times, {what}", side, match, "status", 503, 3)


def _read(number: int, what: str, *fault: Any, **more: Any) -> Case:
    return Case(number, what, "source", BLOB_GET, *fault, **more)


def _write(number: int, what: str, *fault: Any, **more: Any) -> Case:
    return Case(number, what, "destination", BLOB_PUT, *fault, **more)


ELSEWHERE = {"Location": "http://169.254.169.254/latest/meta-data/"}
CASES: tuple[Case, ...] = (
    *(_read(1, f"reset at byte {k} of a blob", "truncate", k) for k in (0, 1, 1 << 20)),
    _read(2, "blob closed cleanly before its end", "close_short", 1 << 20),
    _read(3, "Content-Length too large, once", "wrong_length", 6),
    _read(3, "Content-Length too large, always", "wrong_length", 6, ALWAYS, promise=REFUSED),
    _read(5, "a corrupt byte in a blob, once", "corrupt", 1 << 20),
    _read(6, "a corrupt byte in a blob, always", "corrupt", 1 << 20, ALWAYS, promise=REFUSED),
    Case(7, "a corrupt byte in a manifest", "source", TAG_GET, "corrupt", PLATFORM),
    Case(8, "another image's manifest", "source", f"GET .*/manifests/{CHILD.digest}", "status", 200,
         ALWAYS, {"Content-Type": OTHER.media_type}, OTHER.manifest, REFUSED),
    Case(9, "a header with another digest", "source", "manifests/1", "set_header", 0, ALWAYS,
         {"Docker-Content-Digest": OTHER.digest}, promise=REFUSED),
    Case(10, "no Docker-Content-Digest", "source", "manifests", "drop_header",
         "Docker-Content-Digest", ALWAYS),
    Case(11, "HEAD answered with 405", "source", "HEAD .*/manifests", "status", 405, ALWAYS),
    *_bursts(),
    Case(13, "pull rate limit, for ever", "source", TAG_GET, "status", 429, ALWAYS, body=LIMIT,
         promise=REFUSED),
    _read(15, "503 for ever", "status", 503, ALWAYS, promise=REFUSED),
    _write(17, "401 in mid-run, PUT of a blob", "status", 401, headers=BASIC),
    Case(17, "401 in mid-run, PUT of the tag", "destination", TAG_PUT, "status", 401,
         headers=BASIC),
    _read(22, "no answer for 20 s, once", "hang", 20),
    _write(23, "reset in an upload", "rst_body", 1000),
    _write(24, "answer to an upload lost", "rst_after"),
    _write(25, "upload session lost", "status", 404,
           body=to_json({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]})),
    _write(29, "413 for uploads", "status", 413, ALWAYS, promise=REFUSED),
    Case(30, "no Location", "destination", POST, "drop_header", "Location", ALWAYS,
         promise=REFUSED),
    Case(31, "201 for an upload that isn't there", "destination", "PUT .*/blobs/uploads/",
         "status", 201),
    Case(32, "500 for every mount", "destination", "POST .*mount=", "status", 500, ALWAYS),
    Case(35, "answer to the tag lost", "destination", TAG_PUT, "rst_after"),
    Case(35, "500 for the tag that was written", "destination", TAG_PUT, "status_after", 500),
    _read(43, "redirect to 169.254.169.254", "status", 307, ALWAYS, headers=ELSEWHERE,
          promise=REFUSED),
    _read(44, "redirect to itself", "status", 307, ALWAYS, headers={"Location": "?again"},
          promise=REFUSED),
)  # fmt: skip


class Tool:
    """A way to copy one image."""

    title = ""

    def command(self, source: str, destination: str) -> list[str]:
        """The command, with logins that nobody needs unless a fault asks for them."""
        raise NotImplementedError


class Ours(Tool):
    """The module's process."""

    title = f"image_sync, retries: {RETRIES}"

    def command(self, source: str, destination: str) -> list[str]:
        """One image, as the options of the module."""
        hosts = [reference.partition("/")[0] for reference in (source, destination)]
        options = {
            "source": source,
            "destination": destination,
            "retries": RETRIES,
            "timeout": 5,
            "registries": [{"name": h, "username": "alice", "password": "s3cret-x"} for h in hosts],
        }
        return [sys.executable, "-m", MODULE, json.dumps({"ANSIBLE_MODULE_ARGS": options})]


class Skopeo(Tool):
    """`skopeo copy`."""

    def __init__(self, retries: int = 0) -> None:
        """Told to try again so often."""
        self.retries = retries
        self.title = "skopeo copy" + (f" --retry-times {retries}" if retries else "")

    def command(self, source: str, destination: str) -> list[str]:
        """One image, its digests preserved."""
        more = [f"--retry-times={self.retries}"] if self.retries else []
        logins = ["--src-creds=alice:s3cret-x", "--dest-creds=alice:s3cret-x"]
        return [*SKOPEO_COPY, *more, *logins, f"docker://{source}", f"docker://{destination}"]


TOOLS: tuple[Tool, ...] = (Ours(), Skopeo(), Skopeo(RETRIES))


class Field:
    """Two registries, each behind a proxy, for one copy after the other."""

    def __init__(self, source: DockerRegistry, destination: DockerRegistry) -> None:
        """Copy from one to the other."""
        self._source, self._destination = source, destination

    def outcome(self, case: Case, tool: Tool) -> str:
        """What became of the image; "not met" when the tool sent no request that was hit."""
        name = f"faults/{uuid.uuid4().hex[:12]}"
        push.push(IMAGE, f"{self._source.host}/{name}:1")
        push.push(OLD, f"{self._destination.host}/{name}:1")
        with contextlib.ExitStack() as stack:
            proxies = {
                "source": stack.enter_context(RecordingProxy(self._source.url)),
                "destination": stack.enter_context(RecordingProxy(self._destination.url)),
            }
            fault = proxies[case.side].add(case.fault())
            hosts = [proxy.host for proxy in proxies.values()]
            code = _run(tool.command(f"{hosts[0]}/{name}:1", f"{hosts[1]}/{name}:1"))
        found = judged(code, self._destination.host, name, IMAGE, OLD)
        return found if fault.hits else f"{found} (not met)"


def judged(code: int, host: str, name: str, new: Image, old: Image) -> str:
    """What is at the destination, after a tool has ended with this code."""
    there = push.digest_of(host, name, "1")
    if there == old.digest:
        return REFUSED if code else "**said success, did nothing**"
    if there != new.digest:
        return WRONG
    try:
        push.verify_whole(f"{host}/{name}:1")
    except (AssertionError, RuntimeError):
        return PART
    return f"{ARRIVED}, said failure" if code else ARRIVED


def _run(command: Sequence[str]) -> int:
    if command[0] == sys.executable:  # the module reads its arguments from a file
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            file.write(command[-1])
            file.flush()
            return _wait([*command[:-1], file.name])
    return _wait(command)


def _wait(command: Sequence[str]) -> int:
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return -1
    return done.returncode


def table(found: Mapping[Case, Sequence[str]], tools: Sequence[Tool]) -> str:
    """The outcomes, and how many of them are as promised."""
    lines = [f"| | fault | promise | {' | '.join(tool.title for tool in tools)} |"]
    lines.append("| --- " * (len(tools) + 3) + "|")
    for case, outcomes in found.items():
        lines.append(f"| {case.number} | {case.what} | {case.promise} | {' | '.join(outcomes)} |")
    for number, tool in enumerate(tools):
        kinds = Counter(_kind(case, outcomes[number]) for case, outcomes in found.items())
        words = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        lines.append(f"{'' if number else chr(10)}- {tool.title}: {words}")
    return "\n".join(lines)


def _kind(case: Case, outcome: str) -> str:
    if outcome.endswith("(not met)"):
        return "not met"
    if outcome == ARRIVED:
        return "recovered"
    if outcome == case.promise:
        return "rightly refused"
    return "wrong" if "**" in outcome else "failed"


def main() -> int:
    """Try all."""
    found: dict[Case, list[str]] = {}
    with DockerRegistry() as source, DockerRegistry() as destination:
        field = Field(source, destination)
        for case in sorted(CASES, key=lambda case: case.number):
            found[case] = [field.outcome(case, tool) for tool in TOOLS]
            print(f"{case.number:3} {case.what}: {' / '.join(found[case])}", flush=True)
    text = table(found, TOOLS)
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "faults.md").write_text(f"{text}\n", encoding="utf-8")
    print(f"\n{text}")
    ours = [outcomes[0].removesuffix(" (not met)") for outcomes in found.values()]
    return 0 if ours == [case.promise for case in found] else 1


if __name__ == "__main__":
    sys.exit(main())
