# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

import yaml

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import (
    gates,
    scaffold,
    sharing,
    tagging,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.images_dir import (
    check_name,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan
from ansible_collections.imagesync.registry.tests.unit.support import ROOT

HOME = "registry.example.com/mirror"
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
TASKS = "- ansible.builtin.debug:\n"


def plan(folder: Path, **variables: Any) -> dict[str, Any]:
    given = {f"mirror_{name}": value for name, value in variables.items()}
    given.setdefault("mirror_destination", HOME)
    found = make_plan(given, {"inventory_hostname": "host", "playbook_dir": str(folder)})
    return {**found, "run": "run"}


def refusal(folder: Path, **variables: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        plan(folder, **variables)
    return str(caught.value)


def write(folder: Path, **files: str) -> None:
    """Files by their paths, with __ for / and no ending."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def image(name: str, reason: str = "staged", digest: str = A, **more: Any) -> dict[str, Any]:
    """A part of what image_sync returns."""
    return {
        "name": name,
        "source": f"docker.io/library/{name}:1",
        "destination": f"{HOME}/library/{name}:1",
        "id": f"{HOME}/library/{name}@{digest}",
        "digest": digest,
        "source_digest": digest,
        "reason": reason,
        "changed": reason not in ("in_sync", "kept"),
        "failed": reason == "failed",
        "bytes_copied": 5,
        **more,
    }


def result(*images: dict[str, Any], **more: Any) -> dict[str, Any]:
    stats = {"seconds": 1.0, "bytes_uploaded": 5, "requests": {"r": 3}, "blobs_copied": 1}
    return {"images": list(images), "stats": stats, "changed": True, "failed": False, **more}


# files


def test_the_order_of_gates(tmp_path: Path) -> None:
    files = dict.fromkeys(("all", "one", "two", "images__web__gate"), TASKS)
    write(tmp_path, **files, images__web="{source: 'web:1', gate_tasks: [one.yml, two.yml]}")
    found = plan(tmp_path, gate_tasks="all.yml", images_dir="images", images=["app:1"])
    app, web = ([str(Path(p).relative_to(tmp_path)) for p in e["gates"]] for e in found["entries"])
    assert app == ["all.yml"]
    assert web == ["all.yml", "one.yml", "two.yml", "images/web/gate.yml"]
    assert all("gate_tasks" not in entry["image"] for entry in found["entries"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("", "must hold a list of tasks, not empty"),
        ("[]", "holds no tasks"),
        ("a: 1", "must hold a list of tasks, not a mapping"),
        ("- just text", "task 1 is text"),
        ("- {hosts: all}", "is a play"),
        ("- [", "gate.yml: "),
        ("- {ansible.builtin.debug: {}}\n- {meta: end_play}", "task 2 is meta: end_play"),
        ("- {block: [{ansible.builtin.meta: end_host}]}", "is meta: end_host"),
        ("- {block: [], rescue: [{debug: {}, run_once: true}]}", "has run_once"),
    ],
)
def test_a_file_that_is_no_gate_is_told_with_its_name(
    text: str | None, words: str, tmp_path: Path
) -> None:
    if text is not None:
        write(tmp_path, gate=text)
    said = refusal(tmp_path, gate_tasks="gate.yml", images=["app:1"])
    assert said.startswith(f"mirror_gate_tasks {tmp_path / 'gate.yml'}") and words in said
    said = refusal(tmp_path, images=[{"name": "x", "source": "app:1", "gate_tasks": "gate.yml"}])
    assert said.startswith("mirror_images[0] (x): gate_tasks ") and words in said


@pytest.mark.parametrize(
    "include",
    [
        "{ansible.builtin.include_tasks: sub/one.yml}",
        "{block: [{import_tasks: {file: ./sub/one.yml}}]}",
    ],
)
def test_files_that_a_gate_includes_are_looked_into(include: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        gates__gate=f"- {include}",
        gates__sub__one="- {include_tasks: one.yml}\n- {include_tasks: two.yml}",
        gates__sub__two="- {debug: {}}\n- {meta: end_host}",
    )
    said = refusal(tmp_path, gate_tasks="gates/gate.yml", images=["app:1"])
    one, two = (tmp_path / "gates" / "sub" / f"{name}.yml" for name in ("one", "two"))
    assert f"gate.yml: task 1 includes {one}: task 2 includes {two}: task 2 is meta: end_" in said
    write(tmp_path, gates__sub__two="[]")
    assert plan(tmp_path, gate_tasks="gates/gate.yml", images=["app:1"])["entries"][0]["gates"]


@pytest.mark.parametrize(
    ("include", "found"),
    [
        ("include_tasks", "common"),
        ("include_tasks", "tasks/x"),
        ("include_tasks", "called/tasks/x"),
        ("import_tasks", "gates/common"),
        ("import_tasks", "gates/tasks/x"),
        ("import_tasks", "called/tasks/y"),
    ],
)
def test_of_several_files_it_is_the_one_that_ansible_takes(
    include: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = found.rpartition("/")[2]
    (tmp_path / "called").mkdir()
    monkeypatch.chdir(tmp_path / "called")
    there = "common", "gates/common", "gates/tasks/x", "gates/x", "gates/y", "tasks/y"
    files = dict.fromkeys(there, TASKS)
    files[found] = "- {meta: end_play}"
    write(
        tmp_path,
        gates__gate=f"- {include}: {name}.yml",
        **{path.replace("/", "__"): text for path, text in files.items()},
    )
    said = refusal(tmp_path, gate_tasks="gates/gate.yml", images=["app:1"])
    assert f"includes {tmp_path / found}.yml: task 1 is meta" in said


def test_a_file_called_as_one_of_the_role_s_own_is_refused(tmp_path: Path) -> None:
    """Ansible takes the role's, and the role would begin anew in each gate."""
    own = [path.name for path in (ROOT / "roles/mirror/tasks").iterdir()]
    write(tmp_path, gates__main=TASKS, gates__gate="- include_tasks: main.yml")
    said = refusal(tmp_path, gate_tasks="gates/gate.yml", images=["app:1"])
    assert "main.yml" in own and "task 1 includes main.yml, which is one of the role's own" in said
    for harmless in ("import_tasks: main.yml", f"include_tasks: {tmp_path}/gates/main.yml"):
        write(tmp_path, gates__gate=f"- {harmless}")
        assert plan(tmp_path, gate_tasks="gates/gate.yml", images=["app:1"])["entries"][0]["gates"]


def test_files_that_nobody_knows_yet_are_left_to_ansible(tmp_path: Path) -> None:
    write(tmp_path, gate="- include_tasks: '{{ image_name }}.yml'\n- include_tasks: none.yml\n")
    assert plan(tmp_path, gate_tasks="gate.yml", images=["app:1"])["entries"][0]["gates"]


@pytest.mark.parametrize("value", [5, {"a": 1}, ["a.yml", ""], [None]])
def test_what_is_no_path_is_refused(value: Any, tmp_path: Path) -> None:
    write(tmp_path, a=TASKS)
    assert "path of a file of tasks" in refusal(tmp_path, gate_tasks=value, images=["app:1"])


@pytest.mark.parametrize("state", ["staged", "absent"])
def test_what_lets_nothing_in_has_no_gate(state: str, tmp_path: Path) -> None:
    write(tmp_path, gate=TASKS)
    for given in ({"state": state}, {}):
        images = [{"source": "app:1", **given}]
        own = {} if given else {"state": state}
        assert (
            plan(tmp_path, gate_tasks="gate.yml", images=images, **own)["entries"][0]["gates"] == []
        )


def test_entries_that_differ_in_their_gates_aren_t_equal(tmp_path: Path) -> None:
    write(tmp_path, a=TASKS, b=TASKS)
    one = {"source": "app", "tags": ["1.x"], "gate_tasks": "a.yml"}
    for entry in (one, {**one, "tags": ["1.0"]}):
        assert len(plan(tmp_path, images=[entry, dict(entry)])["entries"]) == 1
        for other in ({**entry, "gate_tasks": "b.yml"}, {**entry, "gate_tasks": None}):
            assert "differ in their gates" in refusal(tmp_path, images=[entry, other])
            assert "differ in their gates" in refusal(tmp_path, images=[other, entry])


def test_extra_variables_must_not_hide_what_is_tested() -> None:
    gates.check_hidden(["name", "images"])
    with pytest.raises(InvalidInput, match="-e image_name="):
        gates.check_hidden(["name", "image_name"])


# one file per image


def test_files_are_entries_by_their_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        images__b="{source: 'web:1', platforms: [linux/amd64]}",
        images__a="app:1\n",
        images__a__gate=TASKS,
        images__c="{name: c, source: 'db:1'}",
    )
    (tmp_path / "images/README.md").write_text("no image")
    (tmp_path / "images/.b.yml.swp").write_text("no image")
    found = plan(tmp_path, images_dir="images", images=["cache:1"], only=["b", "cache:1"])
    entries = found["entries"]
    assert [entry["image"].get("name") for entry in entries] == [None, "a", "b", "c"]
    assert [entry["wanted"] for entry in entries] == [True, False, True, False]
    assert entries[1]["gates"] == [str(tmp_path / "images/a/gate.yml")]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"images__a": ""}, "a.yml must hold one image"),
        ({"images__a": "[app:1]"}, "a.yml must hold one image, as text or as a mapping"),
        ({"images__a": "{name: b, source: 'app:1'}"}, "a.yml: its name is a"),
        ({"images__a": "{sauce: 'app:1', x: 1}"}, "a.yml (a): there is no key 'sauce'"),
        ({"images__a": "{source: 'app:UPPER:1'}"}, "a.yml (a): "),
        ({"images__a": "a: ["}, "images/a.yml: "),
        ({"images__a b": "app:1"}, "a b.yml: the name 'a b'"),
        ({"images__a": "app:1", "images__b": "app:1"}, "b.yml (b) both declare"),
        ({"images__a__gate": TASKS}, "gate.yml is the gate of an image that isn't there: a.yml"),
        ({"images__a": "app:1", "images__a__gate": "[]"}, "images/a/gate.yml holds no tasks"),
        ({"other": ""}, "mirror_images_dir "),
    ],
)
def test_a_bad_file_is_told_with_its_name(
    files: dict[str, str], words: str, tmp_path: Path
) -> None:
    write(tmp_path, **files)
    assert words in refusal(tmp_path, images_dir="images")


def test_other_endings_are_told(tmp_path: Path) -> None:
    write(tmp_path, images__a="app:1", images__a__x=TASKS)
    (tmp_path / "images/b.yaml").write_text("app:2")
    (tmp_path / "images/a/gate.yaml").write_text(TASKS)
    said = refusal(tmp_path, images_dir="images")
    assert "call it b.yml" in said and "call it gate.yml" in said


def test_a_file_and_a_list_must_not_differ(tmp_path: Path) -> None:
    write(tmp_path, images__a="{source: 'app:1', platforms: [linux/amd64]}")
    said = refusal(tmp_path, images_dir="images", images=[{"name": "a", "source": "app:1"}])
    assert "mirror_images[0] (a)" in said and "a.yml (a)" in said


def test_an_empty_directory_declares_nothing(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert plan(tmp_path, images_dir="images")["entries"] == []


# the scaffold


def test_the_scaffold_is_an_image_with_a_gate(tmp_path: Path) -> None:
    given = {"name": "app", "source": "quay.io/a/app:1.30", "dir": str(tmp_path / "images")}
    assert scaffold.scaffold(given, True) and not (tmp_path / "images").exists()
    written = scaffold.scaffold(given, False)
    assert [Path(path).name for path in written] == ["app.yml", "gate.yml"]
    (entry,) = plan(tmp_path, images_dir="images")["entries"]
    assert (entry["image"]["name"], entry["image"]["source"]) == ("app", given["source"])
    assert entry["gates"] == [written[1]]
    for path in written:  # either of them is enough
        before = Path(path).read_text(encoding="utf-8")
        with pytest.raises(InvalidInput, match="is there already, and nothing was written"):
            scaffold.scaffold(given, False)
        assert Path(path).read_text(encoding="utf-8") == before
        Path(written[0]).unlink(missing_ok=True)
    assert not Path(written[0]).exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, "name is missing; say what to write"),
        ({"source": "", "dir": None}, "source, dir are missing"),
        ({"name": "../evil"}, "name '../evil' must be of letters"),
        ({"name": "a/b"}, "must be of letters"),
        ({"name": ".hidden"}, "must be of letters"),
        ({"source": "Not A Reference"}, "source 'Not A Reference': "),
        ({"source": {"a": 1}}, "source is a mapping"),
        ({"dir": "/proc/nowhere"}, "/proc/nowhere"),
    ],
)
def test_the_scaffold_refuses(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    given = {"name": "app", "source": "app:1", "dir": str(tmp_path), **changes}
    with pytest.raises(InvalidInput) as caught:
        scaffold.scaffold(given, False)
    assert words in str(caught.value) and not list(tmp_path.iterdir())


def test_names_are_those_of_files() -> None:
    assert check_name("1.2-a_B", "name") == "1.2-a_B"
    with pytest.raises(InvalidInput):
        check_name("a" * 201, "name")


# what waits


def waiting(found: dict[str, Any], *images: dict[str, Any]) -> list[dict[str, Any]]:
    return list(gates.waiting(found, result(*images), "token"))


def test_only_what_has_yet_to_be_let_in_waits(tmp_path: Path) -> None:
    write(tmp_path, gate=TASKS)
    names = ("new", "moved", "repaired", "same", "kept", "young", "failed", "fixed")
    found = plan(
        tmp_path, images=[{"name": n, "source": f"{n}:1"} for n in names], gate_tasks="gate.yml"
    )
    told = waiting(
        found,
        image("new"),
        image("moved", previous_digest=B),
        image("repaired", "incomplete", previous_digest=B),
        image("fixed", "incomplete", previous_digest=A),
        image("same", "in_sync", previous_digest=A),
        image("kept", "kept", B),
        image("young", "too_young", B, previous_digest=B),
        image("failed", "failed"),
    )
    assert [one["name"] for one in told] == ["new", "moved", "repaired"]
    (new, *_others) = told
    assert new["id"] == f"{HOME}/library/new@{A}" and new["token"] == "token"
    assert new["source"] == "docker.io/library/new:1"
    assert new["entry"] == found["entries"][0]["image"]


@pytest.mark.parametrize(("locked", "waits"), [(None, True), (B, True), (A, False)])
def test_without_a_tag_the_lock_tells_what_has_passed(
    locked: str | None, waits: bool, tmp_path: Path
) -> None:
    write(tmp_path, gate=TASKS)
    found = plan(tmp_path, images=[f"app@{A}"], gate_tasks="gate.yml")
    place = f"{HOME}/library/app@{A}"
    found["lock"] = {"images": {place: {"digest": locked}}} if locked else None
    one = image("app", "in_sync", destination=place, source=f"docker.io/library/app@{A}")
    assert bool(waiting(found, one)) is waits


def test_patterns_give_each_image_its_own_gate(tmp_path: Path) -> None:
    write(tmp_path, all=TASKS, one=TASKS, two=TASKS)
    web = {"source": "web"}
    images = [
        {**web, "tags": ["1.x", "2.x"], "gate_tasks": "one.yml"},
        {**web, "filter": {"semver": ">=1.5", "newest": 1}, "gate_tasks": "two.yml"},
        {**web, "filter": {"include": ["edge"]}, "destination_tag": "{tag}-x"},
    ]
    found = plan(tmp_path, images=images, gate_tasks="all.yml")
    chosen = {}
    for tag, written in (("1.2", "1.2"), ("1.7", "1.7"), ("3.0", "3.0"), ("edge", "edge-x")):
        place = f"{HOME}/library/web:{written}"
        (one,) = waiting(found, image("", source=f"docker.io/library/web:{tag}", destination=place))
        chosen[tag] = [Path(path).stem for path in one["files"]]
    assert chosen == {
        "1.2": ["all", "one"],
        "1.7": ["all", "one", "two"],
        "3.0": ["all", "two"],
        "edge": ["all"],
    }


def test_only_those_with_gates_are_staged(tmp_path: Path) -> None:
    write(tmp_path, gate=TASKS)
    images = [{"source": "a:1", "gate_tasks": "gate.yml"}, "b:1"]
    found = plan(tmp_path, images=images)
    for stage, states in ((True, ["staged", None]), (False, [None, None])):
        shared = sharing.shared(found, {}, ["host"], stage)
        assert [one.get("state") for one in shared["images"]] == states and shared["gated"]
    assert not sharing.shared(plan(tmp_path, images=["b:1"]), {}, ["host"])["gated"]
    assert not sharing.shared(plan(tmp_path, images=images, only=["b:1"]), {}, ["host"])["gated"]


# why a gate failed


@pytest.mark.parametrize(
    ("said", "task", "words"),
    [
        ({"msg": "no\n  good"}, {"name": "Look"}, "its gate failed at 'Look': no good"),
        ({"msg": "x"}, {}, "its gate failed: x"),
        ({}, {"name": "Look"}, "its gate failed at 'Look'; what the play has printed says why"),
        (None, None, "its gate failed; what the play has printed says why"),
        (
            {"msg": "bad", "rc": 3, "stderr": "CVE-1\n"},
            {},
            "its gate failed: bad (exit code 3) CVE-1",
        ),
        (
            {"msg": "bad", "rc": 3, "stdout": "CVE-2"},
            {},
            "its gate failed: bad (exit code 3) CVE-2",
        ),
        (
            {"results": [{"msg": "a"}, {"failed": True, "msg": "b"}], "msg": "c"},
            {},
            "its gate failed: b",
        ),
        (
            {"msg": "s3cret", "_ansible_no_log": True},
            {},
            "its gate failed, which hides its output (no_log)",
        ),
        ({"msg": "s3cret"}, {"no_log": True}, "its gate failed, which hides its output (no_log)"),
        (
            {"results": [{"failed": True, "censored": "x", "msg": "s3cret"}]},
            {},
            "its gate failed: its output is hidden (no_log)",
        ),
        (
            {"msg": "pass%20word pass word cGFzcyB3b3Jk"},
            {},
            "its gate failed: ******** ******** ********",
        ),
        ({"msg": "tok-en-1"}, {"name": "tok-en-1"}, "its gate failed at '********': ********"),
    ],
)
def test_the_message_is_the_task_s_own_and_no_secret(said: Any, task: Any, words: str) -> None:
    logins = [{"name": "r", "username": "u", "password": "pass word"}, {"token": "tok-en-1"}, None]
    assert gates.verdict(said, task, gates.scrubber(logins)) == words


def test_a_long_message_is_cut() -> None:
    assert len(gates.verdict({"msg": "x" * 5000}, {}, gates.scrubber(None))) < 1100


# the tags


WAITING = [{"destination": f"{HOME}/library/{name}:1", "token": "now"} for name in "ab"]


def test_a_gate_that_came_to_no_end_has_failed() -> None:
    a, b = (one["destination"] for one in WAITING)
    passed, old = {"token": "now", "message": ""}, {"token": "before", "message": ""}
    assert tagging.verdicts(WAITING, {0: passed, 1: passed}) == {a: "", b: ""}
    for other in (old, None, "passed", {"message": ""}):
        told = tagging.verdicts(WAITING, {0: passed, 1: other})
        assert told == {a: "", b: "its gate came to no end"}
    assert set(tagging.verdicts(WAITING, None).values()) == {tagging.NOT_TESTED}


def gated(tmp_path: Path, *names: str, **variables: Any) -> dict[str, Any]:
    write(tmp_path, gate=TASKS)
    images = [{"name": n, "source": f"{n}:1"} for n in names]
    return plan(tmp_path, images=images, gate_tasks="gate.yml", **variables)


def at(name: str) -> str:
    return f"{HOME}/library/{name}:1"


def test_the_second_call_is_for_what_has_passed(tmp_path: Path) -> None:
    found = gated(tmp_path, "a", "b", "c", existing="keep")
    first = result(image("a"), image("b", "incomplete", previous_digest=B), image("c", "in_sync"))
    call = tagging.second_call(found, first, {at("a"): "", at("b"): ""}, "none")
    assert [one["destination"] for one in call["images"]] == [at("a"), at("b")]
    (one, two) = call["images"]
    assert one["settled"]["reason"] == two["settled"]["reason"] == "staged"
    assert (one["state"], one["referrers"], one["platforms"]) == ("present", "never", [])
    assert not tagging.second_call(found, first, {at("a"): "no", at("b"): "no"}, "none")["images"]


def test_an_image_is_judged_by_its_age_once_and_its_backup_is_made_with_its_tag(
    tmp_path: Path,
) -> None:
    """Also when the second call is told of all images, because it prunes."""
    write(tmp_path, gate=TASKS)
    own = {"min_age": "3d", "backup_tag": "{tag}-old", "gate_tasks": "gate.yml"}
    images = [{"name": n, "source": f"{n}:1", **own} for n in ("a", "young")]
    found = plan(tmp_path, images=images, lock_file="lock.json", min_age="1d")
    young = image("young", "too_young", B, previous_digest=B, changed=False)
    first = result(image("a"), young, id="")
    call = tagging.second_call(found, first, {at("a"): ""}, "lock")
    assert [one["settled"]["reason"] for one in call["images"]] == ["staged", "too_young"]
    assert [one["backup_tag"] for one in call["images"]] == ["{tag}-old"] * 2
    assert not any("min_age" in one for one in call["images"])
    tasks = ROOT / "roles" / "mirror" / "tasks"
    (second,) = [
        task["imagesync.registry.image_sync"]
        for task in yaml.safe_load((tasks / "gates.yml").read_text(encoding="utf-8"))
        if "imagesync.registry.image_sync" in task
    ]
    assert "min_age" not in second and "backup_tag" in second

    kept = f"{at('a')}-old"
    done = result(image("a", "digest_differs", previous_digest=C, backup=kept), young)
    merged = tagging.merged(found, first, {at("a"): ""}, done, False)
    assert [one.get("backup") for one in merged["images"]] == [kept, None]
    alone = tagging.merged(found, result(image("a"), id=""), {at("a"): ""}, done, False)
    assert alone["backup"] == kept


def test_what_failed_keeps_everything_from_being_pruned(tmp_path: Path) -> None:
    found = gated(tmp_path, "a", "b", "c", lock_file="lock.json")
    good = result(image("a"), image("b", "in_sync"), lock={"version": 1, "images": {"x": {}}})
    call = tagging.second_call(found, good, {at("a"): ""}, "lock")
    assert call["prune"] == "lock" and len(call["images"]) == 2 and call["lock"] == found["lock"]
    assert [one["settled"]["reason"] for one in call["images"]] == ["staged", "in_sync"]
    for first, told in (
        (good, {at("a"): "no"}),
        (result(image("a"), image("b", "failed"), lock=good["lock"]), {at("a"): ""}),
        (result(image("a"), image("b", "not_done"), lock=good["lock"]), {at("a"): ""}),
    ):
        call = tagging.second_call(found, first, told, "lock")
        assert call["prune"] == "" and call["lock"] == good["lock"]
        assert all(one["destination"] == at("a") for one in call["images"])


def test_fail_fast_moves_no_tag_after_a_failure(tmp_path: Path) -> None:
    found = gated(tmp_path, "a", "b", fail_fast=True)
    told = {at("a"): "", at("b"): "no"}
    assert tagging.second_call(found, result(image("a"), image("b")), told, "none")["images"] == []
    merged = tagging.merged(found, result(image("a"), image("b")), told, None, False)
    assert [one["reason"] for one in merged["images"]] == ["not_done", "gate_failed"]


def test_both_calls_have_one_result(tmp_path: Path) -> None:
    found = gated(tmp_path, "a", "b", "c", "d", lock_file="lock.json")
    found["lock"] = {"version": 1, "images": {at("b"): {"digest": C}}}
    lock = {"version": 1, "images": {at("b"): {"digest": B}, at("a"): {"digest": A}}}
    first = result(
        image("a"), image("b", digest=B), image("c", "in_sync"), image("d", "failed", msg="gone")
    )
    second = result(image("a", "digest_differs", previous_digest=C), lock=lock)
    told = {at("a"): "", at("b"): "refused"}
    merged = tagging.merged(found, first, told, second, True)
    assert {one["name"]: one["reason"] for one in merged["images"]} == {
        "a": "digest_differs",
        "b": "gate_failed",
        "c": "in_sync",
        "d": "failed",
    }
    a, b, c, _d = merged["images"]
    assert (a["gate"], b["gate"], c.get("gate")) == ("passed", "failed", None)
    assert a["bytes_copied"] == 5 and a["previous_digest"] == C
    assert merged["msg"].splitlines() == [
        "2 of 4 images failed:",
        f"{at('b')}: refused",
        f"{at('d')}: gone",
    ]
    assert merged["stats"] == {
        "seconds": 2.0,
        "bytes_uploaded": 10,
        "requests": {"r": 6},
        "blobs_copied": 2,
    }
    assert merged["lock"]["images"] == {at("a"): {"digest": A}, at("b"): {"digest": C}}
    assert merged["warnings"] == [tagging.NOT_PRUNED] and merged["changed"] and merged["failed"]
    assert merged["summary"].startswith("1 failed, 1 failed at the gate, 1 updated, 1 in sync")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"msg": "no room", "failed": True}, "could not be moved: no room"),
        ({"unreachable": True, "msg": "ssh"}, "could not be moved: the host is unreachable: ssh"),
        ({}, "could not be moved: image_sync gave no result"),
        (result(image("a", "failed", msg="403")), "could not be moved: 403"),
    ],
)
def test_tags_that_could_not_be_moved(second: dict[str, Any], words: str, tmp_path: Path) -> None:
    found = gated(tmp_path, "a")
    merged = tagging.merged(found, result(image("a")), {at("a"): ""}, second, False)
    (one,) = merged["images"]
    assert one["failed"] and one["reason"] == "failed" and words in one["msg"]
    assert merged["failed"] and words in merged["msg"]


def test_a_tag_that_its_gate_has_moved_counts_as_moved(tmp_path: Path) -> None:
    found = gated(tmp_path, "a")
    second = result(image("a", "in_sync", previous_digest=A))
    for before, reason in ((B, "digest_differs"), ("", "absent")):
        first = result(image("a", previous_digest=before))
        (one,) = tagging.merged(found, first, {at("a"): ""}, second, False)["images"]
        assert (one["reason"], one["changed"]) == (reason, True)


def test_what_pruning_says_is_kept(tmp_path: Path) -> None:
    found = gated(tmp_path, "a", lock_file="lock.json")
    first, said = result(image("a", "in_sync")), "11 images would be pruned"
    second = result(image("a", "in_sync"), msg=said, failed=True)
    assert tagging.merged(found, first, {}, second, False)["msg"] == said
    assert tagging.merged(found, first, {}, {"msg": said}, False)["msg"] == said
    assert tagging.merged(found, first, {}, None, False) == first


def test_check_mode_says_that_no_gate_was_run(tmp_path: Path) -> None:
    write(tmp_path, gate=TASKS)
    images = [{"name": n, "source": f"{n}:1", "gate_tasks": "gate.yml"} for n in "ab"]
    found = plan(tmp_path, images=[*images, {"name": "c", "source": "c:1"}])
    told = tagging.not_run(
        found, result(image("a", "absent"), image("b", "in_sync"), image("c", "absent"))
    )
    assert [one.get("gate") for one in told["images"]] == ["not_run", None, None]
    assert "wasn't run" in told["images"][0]["warnings"][0]
    assert "hold back a, which" in tagging.foretold(told)
    assert tagging.foretold(found) == ""
    many = [{"destination": str(n), "gate": "not_run"} for n in range(7)]
    assert "0, 1, 2, 3, 4 and 2 more, which" in tagging.foretold({"images": many})


def test_an_image_is_held_against_the_entries_of_its_repository_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of a thousand would be held against a thousand patterns."""
    write(tmp_path, gate=TASKS)
    names = [f"app{number}" for number in range(50)]
    entries = [{"source": f"docker.io/library/{name}", "tags": ["1.x"]} for name in names]
    found = plan(tmp_path, images=entries, gate_tasks="gate.yml")
    asked, real = [], gates.stands_for
    monkeypatch.setattr(gates, "stands_for", lambda *both: asked.append(1) or real(*both))
    images = [
        {**image(name), "source": f"docker.io/library/{name}:1.2"}
        | {"destination": f"{HOME}/library/{name}:1.2"}
        for name in names
    ]
    assert len(list(gates.waiting(found, result(*images), "token"))) == len(names) == len(asked)


def test_the_password_of_a_proxy_is_struck_out() -> None:
    logins = [{"name": "r", "proxy": "http://me:c%40nary@proxy.example.com:3128"}]
    said = {"msg": "no way by me:c@nary@proxy or c%40nary"}
    assert gates.verdict(said, {}, gates.scrubber(logins)).endswith(
        "by me:********@proxy or ********"
    )


def test_both_calls_are_told_the_same_of_places_and_limits() -> None:
    """What the second one isn't told, it needn't know: only tags move."""
    calls = []
    for name in ("main", "gates"):
        tasks = yaml.safe_load((ROOT / f"roles/mirror/tasks/{name}.yml").read_text("utf-8"))
        calls += [t[key] for t in tasks for key in t if key.endswith(".image_sync")]
    first, second = calls
    of_sources = {"state", "destination_tag", "immutable_tags", "referrers", "integrity"}
    of_sources |= {"platforms", "platforms_missing", "signed_by", "min_age"}
    assert first.keys() - second.keys() == of_sources | {"bandwidth_limit", "max_bytes"}
    own = {"images", "lock", "prune"}
    assert {k: first[k] for k in second if k not in own} == {
        k: second[k] for k in second if k not in own
    }
