# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user reads when something is wrong: one sentence, with what and where."""

from __future__ import annotations

import json
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import images
from tests.support.asking import check_sentence, refusal, templated
from tests.support.playbook import Run, run_tasks
from tests.support.processes import free_port
from tests.support.servers import Handler, LocalServer
from tests.support.sync import sync

SYNC = "imagesync.registry.image_sync"
INFO = "imagesync.registry.image_info"
LOOKUP = "imagesync.registry.image_digest"


class _Page(Handler):
    """Answers everything with a page."""

    def __init__(self, owner: WebServer, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        record = self.owner.begin(self.command, self.path, self.headers.items())
        record.status = self.owner.status
        self.read_exactly(int(self.headers.get("Content-Length") or 0))
        page = b"<!DOCTYPE html><html><body>Welcome to nothing</body></html>"
        length = str(len(page))
        self.send_head(record.status, [("Content-Type", "text/html"), ("Content-Length", length)])
        if self.command != "HEAD":
            self.wfile.write(page)
        self.owner.end()


class WebServer(LocalServer):
    """A web server that is no registry."""

    def __init__(self, status: int) -> None:
        super().__init__(_Page)
        self.status = status


@pytest.fixture(params=[200, 404, 403, 500])
def web(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """One with this status for everything."""
    with WebServer(request.param) as server:
        yield server
        assert not server.errors


def check(run: Run, count: int) -> list[str]:
    """The messages of tasks that must all have failed, each in a sentence."""
    assert len(run.results) == count, run.output
    assert "Traceback" not in run.output
    assert "MODULE FAILURE" not in run.output
    assert [result["failed"] for result in run.results] == [True] * count
    for result in run.results:
        assert "exception" not in result or "(traceback unavailable)" in result["exception"]
    return [check_sentence(str(result["msg"]), 700) for result in run.results]


def task(module: str, **options: Any) -> dict[str, Any]:
    """A task of a playbook."""
    return {"name": module, module: options}


def test_what_users_get_wrong(sides: Any, tmp_path: Path) -> None:
    """All through ansible-playbook, in one."""
    sides.source.push(images.image("errors"))
    source, destination = sides.source.ref(), sides.destination.ref("")
    damaged = tmp_path / "auth.json"
    damaged.write_text("{canary-damaged", encoding="utf-8")
    closed = f"127.0.0.1:{free_port()}"
    both = {"source": source, "destination": destination, "retries": 0}
    host = sides.source.proxy.host
    cases: list[tuple[dict[str, Any], list[str]]] = [
        (task(SYNC, **{**both, "source": "No Such/Thing"}), ["No Such/Thing"]),
        (task(SYNC, **{**both, "destination": f"{host}/a:b:c"}), [f"{host}/a:b:c"]),
        (task(SYNC, **{**both, "source": f"{source}@sha256:12"}), ["sha256:12"]),
        (task(INFO, images=[source, "https://example.com/x"]), ["https://example.com/x", "scheme"]),
        (task(SYNC, **{**both, "source": sides.source.ref("gone")}), [":gone", host]),
        (task(INFO, images=[f"{closed}/app:1"], retries=1), [closed, "refused", "tried 2 times"]),
        (task(SYNC, **{**both, "source": f"{closed}/app:1"}), [closed, "refused"]),
        (task(SYNC, **{**both, "destination": f"{closed}/app"}), [closed, "refused"]),
        (
            task(INFO, images=["registry.invalid/app:1"], retries=0),
            ["registry.invalid", "can't be resolved"],
        ),
        (task(INFO, images=[source], auth_file=str(damaged)), [str(damaged), "damaged"]),
        (task(INFO, images=[source], auth_file="/missing/auth.json"), ["/missing/auth.json"]),
        (
            task(INFO, images=[source], registries=[{"name": host, "ca_path": "/missing/ca.pem"}]),
            ["/missing/ca.pem", "ca_path", host],
        ),
        (task(SYNC, **both, signed_buy=["x"]), ["signed_buy"]),
        (task(SYNC, **both, registries=[{"name": host, "pasword": "canary-typo"}]), ["pasword"]),
        (task(SYNC, **both, images=[]), ["mutually exclusive"]),
        (task(SYNC, source=source), ["destination"]),
        (task(SYNC, **both, concurrency=0), ["concurrency"]),
        (task(SYNC, **{**both, "destination": source}), [source]),
        (task(SYNC, **both, state="gone"), ["state", "absent"]),
    ]
    run = run_tasks([one for one, _signs in cases])
    for (one, signs), message in zip(cases, check(run, len(cases)), strict=True):
        for sign in signs:
            assert sign in message, one
    # ansible-core before 2.21 shows what isn't an option in "invocation", with -vvv
    ours = [{k: v for k, v in result.items() if k != "invocation"} for result in run.results]
    assert "canary" not in json.dumps(ours) and "canary" not in run.output
    assert sides.writes() == []


def test_many_at_once(sides: Any) -> None:
    """One line for each image that failed, and only for those."""
    sides.source.push(images.image("errors many"))
    entries = [
        {"source": sides.source.ref("gone"), "destination": sides.destination.ref("a")},
        {"source": sides.source.ref(), "destination": sides.destination.ref("b")},
        {"source": "registry.invalid/x:1", "destination": sides.destination.ref("c")},
    ]
    run = run_tasks([task(SYNC, images=entries, retries=0)])
    assert run.last["failed"]
    head, *lines = run.last["msg"].splitlines()
    assert head == "2 of 3 images failed:"
    assert [sides.destination.ref(tag) in line for tag, line in zip("ac", lines, strict=True)] == [
        True,
        True,
    ]
    for line in lines:
        check_sentence(line)
    assert "registry.invalid" in lines[1]
    assert run.last["changed"] is True
    assert "Traceback" not in run.output


def test_without_requests(tmp_path: Path) -> None:
    """A target whose Python lacks the library: told by its name, with that Python."""
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False, symlinks=True)
    python = str(bare / "bin" / "python")
    tasks = [
        task(SYNC, source="localhost:1/a:1", destination="localhost:1/b"),
        task(INFO, images=["localhost:1/a:1"]),
    ]
    run = run_tasks(tasks, python=python)
    assert len(run.results) == 2
    for result in run.results:
        assert result["failed"]
        message = check_sentence(result["msg"], 500)
        assert "requests" in message
        assert python in message
    assert "MODULE FAILURE" not in run.output
    assert "Traceback" not in run.output


def test_a_web_server_is_no_registry(web: WebServer, sides: Any) -> None:
    """Whatever it answers: as source, as destination, and when it is only looked at."""
    sides.source.push(images.image("errors web"))
    there = f"{web.host}/team/app"
    source = sync(source=f"{there}:1", destination=sides.destination.ref(""), retries=0)
    destination = sync(source=sides.source.ref(), destination=there, retries=0)
    texts = [
        refusal(f"{there}:1"),
        check_sentence(source["msg"]),
        check_sentence(destination["msg"]),
    ]
    for text in texts:
        assert web.host in text
        assert "<" not in text
        assert "Welcome" not in text
        if web.status in (200, 404):
            assert "isn't a registry" in text
        else:
            assert str(web.status) in text
    assert web.requests
    assert sides.writes() == []


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_server_in_a_lookup(status: int, sides: Any) -> None:
    """It is never "the image doesn't exist", also where that would be skipped."""
    with WebServer(status) as server:
        where = f"{server.host}/team/app:1"
        shown = [
            {"ansible.builtin.debug": {"msg": templated(f"query('{LOOKUP}', '{where}'{more})")}}
            for more in ("", ", missing='skip'", ", missing='empty'")
        ]
        run = run_tasks(shown)
        for message in check(run, 3):
            assert "isn't a registry" in message
            assert server.host in message
        assert server.requests


def test_a_secret_inside_a_reference(sides: Any) -> None:
    """Ansible would mask it there, and so name an image that doesn't exist: refused before."""
    sides.source.push(images.image("errors secret"))
    source, destination = sides.source.ref(), sides.destination.ref("")
    host = sides.source.proxy.host
    secrets = [sides.source.repository.split("/")[1], "abc", "sha256", "7"]

    def login(secret: str) -> dict[str, Any]:
        return {"registries": [{"name": host, "username": "alice", "password": secret}]}

    run = run_tasks(
        [
            task(SYNC, source=source, destination=destination, **login(secrets[0])),
            task(INFO, images=[source], **login(secrets[0])),
        ]
    )
    found = check(run, 2) + [refusal(source, **login(secret)) for secret in secrets]
    for message in found:
        assert "password" in message
        assert "auth_file" in message
        assert secrets[0] not in message
    assert sides.source.proxy.requests == sides.destination.proxy.requests == []


def test_a_secret_that_is_long_enough(sides: Any) -> None:
    """It is masked nowhere in what the result says of images."""
    image = sides.source.push(images.image("errors long"))
    login = {"name": sides.source.proxy.host, "username": "alice", "password": "deadbeefdeadbeef"}
    run = run_tasks([task(INFO, images=[sides.source.ref()], registries=[login])])
    assert run.last["images"][0]["id"] == sides.source.id(image.digest)


def test_module_defaults_of_the_group(sides: Any) -> None:
    """``registries`` and the rest once for all modules."""
    image = sides.source.push(images.image("errors defaults"))
    closed = f"127.0.0.1:{free_port()}"
    block = {
        "module_defaults": {
            "group/imagesync.registry.registry": {
                "retries": 0,
                "auth_file": "/missing/by-default.json",
            }
        },
        "block": [
            task(SYNC, source=sides.source.ref(), destination=sides.destination.ref("")),
            task(INFO, images=[sides.source.ref()]),
            task(INFO, images=[f"{closed}/app:1"], auth_file="/dev/null"),
        ],
        "ignore_errors": True,
    }
    run = run_tasks([block, task(INFO, images=[sides.source.ref()])])
    for result in run.results[:2]:
        assert "/missing/by-default.json" in result["msg"]
    assert "tried" not in run[2]["msg"]
    assert run[3]["images"][0]["digest"] == image.digest
