# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup image_tags, in playbooks."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import check_sentence, templated
from tests.support.playbook import Run, run_tasks
from tests.support.proxy import RecordingProxy
from tests.support.registries import PASSWORD, USER, DockerRegistry

NAME = "imagesync.registry.image_tags"
HEX = "ab12" * 16
APP = ["1.26.0", "1.27.0", "1.27.1", "1.27", "v1.28.0-rc1", "1.27.1-alpine", "latest", "edge"]
ORDER = ["v1.28.0-rc1", "1.27.1", "1.27.1-alpine", "1.27.0", "1.27", "1.26.0", "edge", "latest"]


@pytest.fixture(scope="module")
def registry() -> Iterator[DockerRegistry]:
    """A registry that wants alice's password, with an app of many tags and a tool of two."""
    with DockerRegistry(htpasswd=True) as found:
        for name, tags in {"app": [*APP, f"sha256-{HEX}.sig"], "tool": ["2", "1"]}.items():
            with push.Repository(found.host, f"team/{name}", auth=(USER, PASSWORD)) as there:
                for tag in tags:
                    there.put(images.image("lookup tags", layers=0), tag)
        yield found


@pytest.fixture
def proxy(registry: DockerRegistry) -> Iterator[RecordingProxy]:
    """A way to that registry which nobody used before."""
    with RecordingProxy(registry.url) as found:
        yield found


def query(*terms: str, **options: Any) -> str:
    """The expression of a query."""
    given = [repr(term) for term in terms]
    given += [f"{name}={_jinja(value)}" for name, value in options.items()]
    return f"query('{NAME}', {', '.join(given)})"


def _jinja(value: Any) -> str:
    return str(value) if isinstance(value, bool) else json.dumps(value)


def look(proxy: RecordingProxy, *expressions: str) -> Run:
    """A task for each expression, whose value is its message."""
    tasks = [{"ansible.builtin.debug": {"msg": templated(one)}} for one in expressions]
    login = {"name": proxy.host, "username": USER, "password": PASSWORD}
    return run_tasks(tasks, variables={"imagesync_registries": [login]})


def test_what_it_gives(proxy: RecordingProxy) -> None:
    app, tool = f"{proxy.host}/team/app", f"{proxy.host}/team/tool"
    cases = {
        query(app): ORDER,
        query(tool, app): ["2", "1", *ORDER],
        query(app, semver="1.27.x"): ["1.27.1", "1.27.0", "1.27"],
        query(app, semver=1.27, newest=1): ["1.27.1", "1.27"],
        query(app, semver=">=1.27.1", prereleases=True): ["v1.28.0-rc1", "1.27.1"],
        query(app, variants=["", "alpine"], newest=1): ["1.27.1", "1.27.1-alpine", "1.27"],
        query(app, include=["[a-z]+"], exclude="edge"): ["latest"],
        query(app, tags=["1.x.0", "latest"]): ["1.27.0", "1.26.0", "latest"],
        query(app, tags=["1.26.0", "edge"], newest=1): ["1.26.0", "edge"],
        query(app, semver="^9", allow_empty=True): [],
        query(f"docker://{app}", tags="1.26.x"): ["1.26.0"],
        f"lookup('{NAME}', '{tool}', newest=1)": "2",
        f"lookup('{NAME}', '{tool}')": "2,1",
        query(): [],
    }
    run = look(proxy, *cases)
    found = [result["msg"] for result in run.results]
    for (expression, expected), value in zip(cases.items(), found, strict=True):
        assert value == expected, expression
    assert not proxy.writes()


def test_what_it_costs(proxy: RecordingProxy) -> None:
    """One list for each repository; none for tags that are given by name."""
    app, tool = f"{proxy.host}/team/app", f"{proxy.host}/team/tool"
    look(proxy, query(app, tool, semver="*"))
    assert Counter(r.kind for r in proxy.requests if r.status == 200) == {"tags": 2}
    proxy.clear()
    look(proxy, query(app, tags=["latest", "1.26.0"]))
    assert Counter(r.kind for r in proxy.requests if r.status == 200) == {"manifest": 2}
    proxy.clear()
    look(proxy, query(app, tags=["latest", "1.26.x"]))
    assert Counter(r.kind for r in proxy.requests if r.status == 200) == {"tags": 1}


def test_what_fails(proxy: RecordingProxy) -> None:
    app, gone = f"{proxy.host}/team/app", f"{proxy.host}/team/gone"
    cases = {
        query(app, semver="^9"): f"{app}: none of the 8 tags matches semver '^9'",
        query(app, tags=["9.x"]): "no tag matches 9.x",
        query(app, tags=["9.9"]): "there is no tag 9.9",
        query(app, tags=["9.9", "1.x"]): "there is no tag 9.9",
        query(app, max_tags=2): "8 tags match the filter, and max_tags is 2",
        query(gone): f"the repository {gone} doesn't exist",
        query(gone, allow_empty=True): f"the repository {gone} doesn't exist",
    }
    _check_failures(look(proxy, *cases), cases)


def _check_failures(run: Run, cases: dict[str, str]) -> None:
    assert "Traceback" not in run.output
    for (expression, said), result in zip(cases.items(), run.results, strict=True):
        assert result["failed"], expression
        assert said in check_sentence(str(result["msg"]), 700), expression


def test_options_that_make_no_sense(proxy: RecordingProxy) -> None:
    """Told before any request, by the name of the option."""
    app = f"{proxy.host}/team/app"
    cases = {
        query(f"{app}:1"): f"{app}:1 has a tag or a digest",
        query(f"{app}@sha256:{HEX}"): "has a tag or a digest",
        query("UPPER/case"): "UPPER/case",
        query(app, semver=">=a"): "semver: '>=a' is no version range",
        query(app, include=["("]): "include: '(' is no valid regex",
        query(app, exclude=["*"]): "exclude: '*' is no valid regex",
        query(app, variants=["["]): "variants: '[' is no valid regex",
        query(app, newest=0): "newest must be a number from 1 on",
        query(app, newest="many"): "newest",
        query(app, max_tags=-1): "max_tags must be a number from 0 on",
        query(app, tags=[]): "tags is empty, which is an error without allow_empty",
        query(app, tags=["1.*"]): "'1.*' is not a tag",
        query(app, latest=3): "unknown option: latest",
        query(app, filter={"newest": 3}): "unknown option: filter",
        query(app, concurrency=0): "concurrency",
    }
    _check_failures(look(proxy, *cases), cases)
    assert proxy.requests == []


def test_terms_side_by_side(source_registry: DockerRegistry) -> None:
    names = [f"lookup/tags{number}" for number in range(8)]
    for number, name in enumerate(names):
        push.push(images.image("lookup tags", layers=0), f"{source_registry.host}/{name}:{number}")
    together = threading.Barrier(8)
    with RecordingProxy(source_registry.url) as proxy:
        proxy.inject("GET .*/tags/list", "pass", times=8, call=lambda: together.wait(20))
        run = look(proxy, query(*(f"{proxy.host}/{name}" for name in names), concurrency=8))
        assert run.last["msg"] == [str(number) for number in range(8)]
        assert proxy.peak == 8 and proxy.count("GET", "tags") == len(proxy.requests) == 8
