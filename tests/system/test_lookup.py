# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup image_digest, in playbooks."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import check_sentence, templated
from tests.support.certificates import make_certificates
from tests.support.playbook import Run, run_tasks
from tests.support.processes import free_port
from tests.support.proxy import RecordingProxy
from tests.support.registries import PASSWORD, USER, DockerRegistry

NAME = "imagesync.registry.image_digest"
CANARY = "canary-of-the-lookup"
INDEX = images.multi_platform("lookup")
SINGLE = images.image("lookup single", platform="linux/s390x")


@pytest.fixture(scope="module")
def registry() -> Iterator[DockerRegistry]:
    """A registry that wants alice's password, with an index and an image."""
    with DockerRegistry(htpasswd=True) as found:
        push.push(INDEX, f"{found.host}/team/app:1", auth=(USER, PASSWORD))
        push.push(SINGLE, f"{found.host}/team/single:latest", auth=(USER, PASSWORD))
        yield found


@pytest.fixture
def proxy(registry: DockerRegistry) -> Iterator[RecordingProxy]:
    """A way to that registry which nobody used before."""
    with RecordingProxy(registry.url) as found:
        yield found


def look(
    *expressions: str, arguments: tuple[str, ...] = (), tasks: Any = (), **options: Any
) -> Run:
    """Runs a task for each expression, whose value is its message."""
    shown = [{"ansible.builtin.debug": {"msg": templated(one)}} for one in expressions]
    return run_tasks([*shown, *tasks], *arguments, **options)


def query(*terms: str, **options: Any) -> str:
    """The expression of a query."""
    given = [repr(term) for term in terms]
    given += [f"{name}={json.dumps(value)}" for name, value in options.items()]
    return f"query('{NAME}', {', '.join(given)})"


def values(run: Run) -> list[Any]:
    """What each task showed; none may have failed."""
    assert not [r["msg"] for r in run.results if r["failed"]]
    return [result["msg"] for result in run.results]


def failures(run: Run) -> list[str]:
    """With what each task failed: as one sentence at the end of Ansible's own words."""
    assert all(result["failed"] for result in run.results), run.results
    assert "Traceback" not in run.output
    found = [str(result["msg"]) for result in run.results]
    return [check_sentence(text, 600) for text in found]


def registries(proxy: RecordingProxy, **login: Any) -> list[dict[str, Any]]:
    """The option with alice's login, or another."""
    return [{"name": proxy.host, **(login or {"username": USER, "password": PASSWORD})}]


def test_what_it_gives(proxy: RecordingProxy) -> None:
    """Digests and ids, one for each term in their order, each the type that the caller asks for."""
    app, single = f"{proxy.host}/team/app:1", f"{proxy.host}/team/single"
    amd64, arm64 = INDEX.children
    by_digest = f"{proxy.host}/team/app@{amd64.digest}"
    nowhere = f"127.0.0.1:{free_port()}"
    mirrored = [{**registries(proxy)[0], "mirrors": [nowhere]}]
    run = look(
        f"lookup('{NAME}', '{app}')",
        query(app),
        query(single, app, app),
        f"lookup('{NAME}', '{app}', '{single}', wantlist=True)",
        f"lookup('{NAME}', '{app}', '{single}')",
        f"query('{NAME}', ['{app}', '{single}'])",
        query(app, single, format="id"),
        query(f"docker://{app}", by_digest),
        query(app, platform="linux/amd64"),
        query(app, platform="linux/arm64"),
        query(app, platform="arm64", format="id"),
        query(single, platform="linux/s390x"),
        query(app, platform="linux/amd64", registries=mirrored),
        query(),
        tasks=[
            {
                "ansible.builtin.debug": {"msg": "{{ item }}"},
                f"with_{NAME}": [app, single],
            },
        ],
        variables={"imagesync_registries": registries(proxy)},
    )
    *found, loop = run.results
    assert values(Run(0, "", found)) == [
        INDEX.digest,
        [INDEX.digest],
        [SINGLE.digest, INDEX.digest, INDEX.digest],
        [INDEX.digest, SINGLE.digest],
        f"{INDEX.digest},{SINGLE.digest}",
        [INDEX.digest, SINGLE.digest],
        [f"{proxy.host}/team/app@{INDEX.digest}", f"{proxy.host}/team/single@{SINGLE.digest}"],
        [INDEX.digest, amd64.digest],
        [amd64.digest],
        [arm64.digest],
        [f"{proxy.host}/team/app@{arm64.digest}"],
        [SINGLE.digest],
        [amd64.digest],
        [],
    ]
    assert f"the mirror {nowhere} of {proxy.host} isn't used any more" in run.output
    assert [one["msg"] for one in loop["results"]] == [INDEX.digest, SINGLE.digest]
    assert {r.method for r in proxy.requests if r.kind == "manifest" and r.status == 200} == {
        "HEAD",
        "GET",
    }
    assert not proxy.writes()


def test_what_is_missing(proxy: RecordingProxy) -> None:
    """An error that names it, left out, or an empty string in its place."""
    app, gone = f"{proxy.host}/team/app:1", f"{proxy.host}/team/gone:2"
    variables = {"imagesync_registries": registries(proxy)}
    run = look(
        query(gone, app, missing="skip"),
        query(gone, app, missing="empty"),
        query(gone, missing="skip"),
        query(gone, app, gone, missing="empty", format="id"),
        query(gone, missing="empty", platform="linux/amd64"),
        variables=variables,
    )
    assert values(run) == [
        [INDEX.digest],
        ["", INDEX.digest],
        [],
        ["", f"{proxy.host}/team/app@{INDEX.digest}", ""],
        [""],
    ]
    run = look(
        query(app, gone),
        query(app, gone, missing="error"),
        query(app, platform="windows/amd64"),
        query(f"{proxy.host}/team/single", platform="linux/amd64"),
        query(app, platform="windows/amd64", missing="skip"),
        variables=variables,
    )
    first, second, platform, single, skipped = failures(run)
    assert gone in first
    assert gone in second
    assert "doesn't exist" in first
    for text in (platform, skipped):
        assert f"failed: {app}: it has no windows/amd64; it has: linux/amd64, linux/arm64" in text
    assert "has no linux/amd64; it has: linux/s390x" in single


def test_options_that_make_no_sense(proxy: RecordingProxy) -> None:
    """Told before any request, by the name of the option."""
    app = f"{proxy.host}/team/app:1"
    cases = {
        query(app, format="short"): "format",
        query(app, missing="ignore"): "missing",
        query(app, plaform="linux/arm64"): "plaform",
        query(app, platform="a/b/c/d/e"): "platform",
        query(app, concurrency=0): "concurrency",
        query(app, retries="many"): "retries",
        query(app, timeout=-1): "timeout",
        query(app, registries="no json"): "registries must be a list",
        query(app, registries={"name": "x"}): "registries must be a list",
        query(app, registries=[{"name": "localhost", "pasword": CANARY}]): "pasword",
        query(app, registries=[{"username": "x"}]): "name",
        query(app, registries=["localhost"]): "registries",
        query(app, auth_file="/missing/auth.json"): "/missing/auth.json",
        query("UPPER/case:1"): "UPPER/case:1",
        query(f"https://{app}"): "scheme",
    }
    run = look(*cases)
    found = failures(run)
    for (expression, sign), text in zip(cases.items(), found, strict=True):
        assert sign in text, expression
    assert proxy.requests == []
    assert CANARY not in json.dumps(run.results)


def test_registries_from_everywhere(proxy: RecordingProxy, tmp_path: Path) -> None:
    """As an option, from variables in each form in which people write them, field by field."""
    app = f"{proxy.host}/team/app:1"
    entry = "[{'name': place, 'username': login.user, 'password': vaulted}]"
    nested = [{"name": "{{ place }}", "username": "{{ login.user }}", "password": "{{ vaulted }}"}]
    vault = tmp_path / "vault.yml"
    word = tmp_path / "word"
    word.write_text("the vault's own word", encoding="utf-8")
    vault.write_text(f"vaulted: {_encrypted(word)}\n", encoding="utf-8")
    task: Any = {"ansible.builtin.debug": {"msg": templated(query(app))}}
    run = run_tasks(
        [
            {**task, "vars": {"imagesync_registries": nested}},
            {**task, "vars": {"imagesync_registries": templated(entry)}},
            {**task, "vars": {"imagesync_registries": "{{ of_group }}", "of_group": nested}},
            {
                **task,
                "vars": {
                    "imagesync_registries": "{{ common + own }}",
                    "common": [{"name": proxy.host, "username": "{{ login.user }}"}],
                    "own": [{"name": "{{ place }}/team", "password": "{{ vaulted }}"}],
                },
            },
            {**task, "vars": {"imagesync_registries": templated(f"{entry} | to_json")}},
            {
                "ansible.builtin.debug": {
                    "msg": templated(f"query('{NAME}', '{app}', registries={entry})")
                }
            },
        ],
        "-vvvvv",
        "-e",
        f"@{vault}",
        "--vault-password-file",
        str(word),
        variables={"place": proxy.host, "login": {"user": USER}},
    )
    # an entry of a part takes the user name of the whole
    assert values(run) == [[INDEX.digest]] * 6
    assert PASSWORD not in run.output


def _encrypted(word: Path) -> str:
    """The password as ``ansible-vault`` writes it into a variables file."""
    program = Path(sys.executable).with_name("ansible-vault")
    command = [str(program), "encrypt_string", "--vault-password-file", str(word), PASSWORD]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_registries_from_the_environment(proxy: RecordingProxy) -> None:
    """As JSON; a variable goes before it, and an option before both."""
    app = f"{proxy.host}/team/app:1"
    good, bad = registries(proxy), registries(proxy, username="mallory", password=CANARY)
    environment = {"IMAGESYNC_REGISTRIES": json.dumps(good)}
    assert values(look(query(app), environment=environment)) == [[INDEX.digest]]
    environment = {"IMAGESYNC_REGISTRIES": json.dumps(bad)}
    variables = {"imagesync_registries": good}
    run = look(
        query(app),
        query(app, registries=bad),
        environment=environment,
        variables=variables,
        arguments=("-vvvvv",),
    )
    assert run[0]["msg"] == [INDEX.digest]
    assert run[1]["failed"]
    text = check_sentence(str(run[1]["msg"]), 600)
    assert "refused the login" in text
    assert proxy.host in text
    # the expression itself is the test's own, and shown where it stands
    assert PASSWORD not in run.output


@pytest.mark.parametrize("text", [f'[{{"password": "{CANARY}"', f'{{"password": "{CANARY}"}}', "5"])
def test_an_environment_that_is_no_list(text: str, proxy: RecordingProxy) -> None:
    """One sentence, without what was written there."""
    run = look(
        query(f"{proxy.host}/team/app:1"),
        environment={"IMAGESYNC_REGISTRIES": text},
        arguments=("-vvvvv",),
    )
    (message,) = failures(run)
    assert "registries must be a list" in message
    assert CANARY not in run.output
    assert proxy.requests == []


def test_auth_files_from_everywhere(proxy: RecordingProxy, tmp_path: Path) -> None:
    """As an option, a templated variable, from the environment, and where Docker has it."""
    app = f"{proxy.host}/team/app:1"
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {proxy.host: {"auth": login}}}), encoding="utf-8")
    variables = {"imagesync_auth_file": "{{ base }}/auth.json", "base": str(tmp_path)}
    elsewhere = {"IMAGESYNC_AUTH_FILE": "/missing/auth.json"}
    run = look(query(app), environment=elsewhere, variables=variables, arguments=("-vvvvv",))
    assert values(run) == [[INDEX.digest]]
    run = look(
        query(app),
        query(app, auth_file=str(tmp_path / "no.json")),
        environment={"IMAGESYNC_AUTH_FILE": str(path)},
    )
    assert run[0]["msg"] == [INDEX.digest]
    assert str(tmp_path / "no.json") in run[1]["msg"]
    (tmp_path / ".docker").mkdir()
    path.rename(tmp_path / ".docker" / "config.json")
    run = look(query(app), environment={"HOME": str(tmp_path)}, arguments=("-vvvvv",))
    assert values(run) == [[INDEX.digest]]
    assert PASSWORD not in run.output
    assert login not in run.output


def test_many_terms_side_by_side(source_registry: DockerRegistry) -> None:
    """Over shared connections, their order kept: each costs one request."""
    registry = source_registry
    pushed = [images.image(f"lookup/{number}") for number in range(24)]
    with push.Repository(registry.host, "lookup/many") as there:
        for number, image in enumerate(pushed):
            there.put(image, f"t{number}")
    together = threading.Barrier(8)
    with RecordingProxy(registry.url) as proxy:
        fault = proxy.inject("HEAD", "pass", times=8, call=lambda: together.wait(20))
        terms = [f"{proxy.host}/lookup/many:t{number}" for number in range(24)]
        run = look(query(*terms, concurrency=8))
        assert values(run) == [[image.digest for image in pushed]]
        assert fault.hits == 8
        assert proxy.count("HEAD", "manifest") == len(proxy.requests) == 24
        assert proxy.peak == 8


def test_a_registry_without_checked_certificates(
    source_registry: DockerRegistry, tmp_path: Path
) -> None:
    """Works when it is asked for, with a warning by name, and none of the library's."""
    made = make_certificates(tmp_path)
    push.push(SINGLE, f"{source_registry.host}/lookup/unchecked:1")
    with RecordingProxy(source_registry.url, tls=made) as proxy:
        entry = {"name": proxy.host, "plain_http": False, "validate_certs": False}
        run = look(query(f"{proxy.host}/lookup/unchecked:1", registries=[entry]))
    assert values(run) == [[SINGLE.digest]]
    assert f"certificate of {proxy.host} isn't checked" in " ".join(run.output.split())
    assert "InsecureRequestWarning" not in run.output


def test_for_a_deployment(proxy: RecordingProxy, tmp_path: Path) -> None:
    """The id in a file that a template makes: what the lookup is for."""
    template, made = tmp_path / "app.j2", tmp_path / "app.yml"
    template.write_text("image: {{ app_image }}\n", encoding="utf-8")
    app = f"lookup('{NAME}', '{proxy.host}/team/app:1', format='id')"
    task = {
        "ansible.builtin.template": {"src": str(template), "dest": str(made), "mode": "0600"},
        "vars": {"app_image": templated(app), "imagesync_registries": registries(proxy)},
    }
    run = run_tasks([task, task])
    assert [result["changed"] for result in run.results] == [True, False]
    assert made.read_text(encoding="utf-8") == f"image: {proxy.host}/team/app@{INDEX.digest}\n"
    assert os.path.getsize(made) > 0
