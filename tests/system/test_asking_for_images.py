# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that somebody asks for, and those that a registry tells of."""

from __future__ import annotations

import asyncio
import json
import runpy
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import format_date
from tests.support import images, push, role
from tests.support.playbook import Run, run_playbook
from tests.support.processes import free_port, listens
from tests.support.proxy import RecordingProxy
from tests.support.registries import PASSWORD, USER, MakeRegistry
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
EDA = ROOT / "extensions/eda"
SURVEY = ROOT / "docs/awx/survey.json"
ASKED = "imagesync.registry.mirror_one"
SECRET = "open sesame"


#: passes all images but one, and tells of each
GATE = [
    {
        "name": "Gate",
        "ansible.builtin.assert": {"that": "'/held@' not in image", "quiet": True},
    }
]


def ask(folder: Path, variables: dict[str, Any], **answers: Any) -> Run:
    """Runs the playbook with these answers, as AWX does: as extra variables."""
    hosts = role.inventory(variables)
    extra = {f"mirror_one_{name}": value for name, value in answers.items()}
    return run_playbook(ASKED, folder, "-e", json.dumps(extra), inventory=hosts)


def test_an_image_is_mirrored_for_who_asks(
    source: RecordingProxy, destination: RecordingProxy, repo: str, tmp_path: Path
) -> None:
    asked = f"{source.host}/{repo}/app:1"
    push.push(images.multi_platform(), asked)
    push.push(images.image("declared"), f"{source.host}/{repo}/declared:1")
    rules = {
        "destination": f"{destination.host}/{repo}/mirror",
        "path": "{name}",
        # what is declared isn't this run's business, and a lock and pruning neither
        "images": [f"{source.host}/{repo}/declared:1"],
        "images_more": [f"{source.host}/{repo}/declared:1"],
        "lock_file": "lock.json",
        "prune": "lock",
        "one_allowed": [rf"{source.host}/{repo}/.*"],
    }
    run = ask(tmp_path, rules, image=f" {asked} ", platforms=["linux/amd64", "linux/arm64"])
    assert run.returncode == 0, run.output
    place = f"{destination.host}/{repo}/mirror/app"
    assert run.of("Show where it is")["site"]["msg"].startswith(f"{place}@sha256:")
    found = json.loads(push.manifest_bytes(destination.host, f"{repo}/mirror/app", "1") or b"")
    assert [one["platform"]["architecture"] for one in found["manifests"]] == ["amd64", "arm64"]
    assert push.digest_of(destination.host, f"{repo}/mirror/declared", "1") is None
    assert not (tmp_path / "lock.json").exists()


def test_gates_and_ages_hold_for_who_asks(
    source: RecordingProxy, destination: RecordingProxy, repo: str, tmp_path: Path
) -> None:
    """Also those of the image alone, which is declared in a file of its own."""
    yesterday = format_date(time.time() - 86_400)
    for name in ("open", "held", "young", "own"):
        created = yesterday if name in ("young", "own") else images.CREATED
        push.push(images.image(name, created=created), f"{source.host}/{repo}/{name}:1")
    (tmp_path / "gate.yml").write_text(json.dumps(GATE), encoding="utf-8")
    (tmp_path / "images" / "own").mkdir(parents=True)
    own = {"source": f"{source.host}/{repo}/own:1", "min_age": "0"}
    (tmp_path / "images" / "own.yml").write_text(json.dumps(own), encoding="utf-8")
    gate = [{"name": "Gate of its own", "ansible.builtin.fail": {"msg": "not yet"}}]
    (tmp_path / "images" / "own" / "gate.yml").write_text(json.dumps(gate), encoding="utf-8")
    rules = {
        "destination": f"{destination.host}/{repo}/mirror",
        "path": "{name}",
        "images_dir": str(tmp_path / "images"),
        "gate_tasks": str(tmp_path / "gate.yml"),
        "min_age": "3d",
        "metrics_file": "m.prom",
        "report_file": "r-{date}.html",
        "report_keep": 5,
    }
    names = ("open", "held", "young", "own")
    asked = {name: {"mirror_one_image": f"{source.host}/{repo}/{name}:1"} for name in names}
    run = run_playbook(ASKED, tmp_path, inventory=role.inventory(rules, *names, **asked))
    there = {name: push.digest_of(destination.host, f"{repo}/mirror/{name}", "1") for name in names}
    assert there == {**dict.fromkeys(names), "open": images.image("open").digest}, run.output
    assert run.of("Gate").keys() == {"open", "held", "own"}
    shown = run.of("Show where it is")
    assert shown.keys() == {"open", "young"}
    assert shown["young"]["msg"] == "nothing: too_young"
    assert role.failure(run, "own").endswith("'Gate of its own': not yet")
    assert not [*tmp_path.glob("m.prom"), *tmp_path.glob("*.html")]


REFUSED = {
    "oci:/etc": "is an image on a registry",
    "": "Say which image",
    "registry.example.com/other/app:1": "isn't among those that may be asked for",
    # a regex that matches the beginning isn't enough
    "registry.example.com/team/app:1-evil": "isn't among those that may be asked for",
    "mirror.example.com/all/team/app:1": "that isn't the mirror",
    "-e x": "reference",
}


def test_what_may_not_be_asked_for_is_refused(tmp_path: Path) -> None:
    rules = {
        "destination": "mirror.example.com/all",
        "one_allowed": ["registry.example.com/team/app:1", "registry.example.com/b"],
    }
    hosts = role.inventory(rules, *[f"site{n}" for n in range(len(REFUSED))])
    for n, image in enumerate(REFUSED):
        hosts["all"]["hosts"][f"site{n}"]["mirror_one_image"] = image
    run = run_playbook(ASKED, tmp_path, inventory=hosts)
    told = {r["host"]: r["result"]["msg"] for r in run.records if r["status"] == "failed"}
    assert len(told) == len(REFUSED), run.output
    for n, message in enumerate(REFUSED.values()):
        assert message in told[f"site{n}"]
    assert not run.of(role.MIRROR)


def test_the_survey_is_what_awx_takes() -> None:
    """The rules are those of JobTemplateSurveySpec in AWX's api/views."""
    survey = json.loads(SURVEY.read_text(encoding="utf-8"))
    assert set(survey) == {"name", "description", "spec"} and survey["spec"]
    types = {"text": str, "textarea": str, "multiplechoice": str, "multiselect": str}
    for question in survey["spec"]:
        assert isinstance(question["required"], bool) and question["type"] in types
        for name in ("question_name", "question_description", "variable"):
            assert isinstance(question[name], str) and question[name]
        assert isinstance(question["default"], types[question["type"]])
        for name in ("min", "max"):
            assert question[name] is None or isinstance(question[name], int)
        if question["type"] in ("multiplechoice", "multiselect"):
            choices = question["choices"].splitlines()
            assert choices and set(question["default"].splitlines()) <= set(choices)
    asked = [question["variable"] for question in survey["spec"]]
    text = (ROOT / "playbooks/mirror_one.yml").read_text(encoding="utf-8")
    assert len(asked) == len(set(asked)) and all(name in text for name in asked)


def test_the_rulebook_fits_the_source_and_the_playbook() -> None:
    (rules,) = yaml.safe_load((EDA / "rulebooks/mirror_on_push.yml").read_text("utf-8"))
    assert set(rules) <= {"name", "hosts", "execution_strategy", "sources", "rules"}
    ((plugin, options),) = ((k, v) for k, v in rules["sources"][0].items() if k != "name")
    assert plugin == "imagesync.registry.registry_events"
    source = runpy.run_path(str(EDA / "plugins/event_source/registry_events.py"))
    assert set(options) <= set(yaml.safe_load(source["DOCUMENTATION"])["options"])
    ((action,),) = (rule["actions"] for rule in rules["rules"])
    assert action["run_playbook"]["name"] == ASKED
    assert set(action["run_playbook"]["extra_vars"]) == {"mirror_one_image"}


@contextmanager
def events(port: int, **args: Any) -> Iterator[list[dict[str, str]]]:
    """What comes out of the event source, run as ansible-rulebook does."""
    source = runpy.run_path(str(EDA / "plugins/event_source/registry_events.py"))
    found: list[dict[str, str]] = []

    class Queue:
        async def put(self, event: dict[str, str]) -> None:
            found.append(event)

    async def run() -> None:
        with_secret = {"port": port, "secret": SECRET, **args}
        task = asyncio.create_task(source["main"](Queue(), with_secret))
        ended.append((asyncio.get_running_loop(), task))
        await asyncio.gather(task, return_exceptions=True)

    ended: list[Any] = []
    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        wait_until(lambda: listens(port), "the event source to listen")
        yield found
    finally:
        loop, task = ended[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        assert not thread.is_alive()


def test_a_real_registry_tells_of_a_push(make_registry: MakeRegistry) -> None:
    port = free_port()
    notify = {
        "url": f"http://127.0.0.1:{port}/",
        "headers": {"Authorization": [f"Bearer {SECRET}"]},
    }
    registry = make_registry(htpasswd=True, notify=notify)
    image = images.multi_platform()
    with events(port) as found:
        push.push(image, f"{registry.host}/team/app:1", auth=(USER, PASSWORD))
        wait_until(lambda: any(event["tag"] for event in found), "the event of the tag")
    last = found[-1]
    assert last["image"] == f"{registry.host}/team/app:1"
    assert (last["action"], last["digest"], last["actor"]) == ("push", image.digest, USER)
    children = {event["digest"] for event in found if not event["tag"]}
    assert children == {child.digest for child in image.children}
