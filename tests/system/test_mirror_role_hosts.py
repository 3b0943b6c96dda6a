# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``mirror`` on several hosts of one play."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, push
from tests.support.proxy import RecordingProxy
from tests.support.role import MIRROR, PLAYBOOK, facts, failure, inventory, mirror, refused

HOSTS = ("a", "b", "c")


class Shards:
    """Nine repositories, some with two tags, and hosts that share them."""

    def __init__(self, source: RecordingProxy, destination: RecordingProxy, repo: str) -> None:
        self.destination, self.repo = destination, repo
        self.refs = []
        for number in range(9):
            for tag in ("1", "2")[: 1 + number % 2]:
                ref = f"{source.host}/{repo}/app-{number}:{tag}"
                push.push(images.image(f"{number}:{tag}"), ref)
                self.refs.append(ref)
        self.variables: dict[str, Any] = {
            "destination": f"{destination.host}/{repo}",
            "images": self.refs,
            "shard": True,
        }

    def hosts(self, **more: Any) -> dict[str, Any]:
        """The inventory."""
        return inventory({**self.variables, **more}, *HOSTS)

    def tags_written(self) -> Counter[str]:
        """How often each tag was written."""
        self.destination.settle()
        puts = self.destination.select("PUT", "manifest")
        return Counter(request.path.replace("/manifests/", ":") for request in puts)


@pytest.fixture
def shards(source: RecordingProxy, destination: RecordingProxy, repo: str) -> Shards:
    """Images to share."""
    return Shards(source, destination, repo)


def sources(run: Any) -> dict[str, list[str]]:
    return {h: [i["source"] for i in facts(run, h)["mirror_result"]["images"]] for h in HOSTS}


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_each_image_is_done_once(shards: Shards, tmp_path: Path, strategy: str) -> None:
    hosts = shards.hosts(
        lock_file="{{ inventory_hostname }}.json", prune="lock", report_file="r.json"
    )
    foretold = mirror(tmp_path, hosts, "--check", strategy=strategy)
    assert not shards.tags_written() and not (tmp_path / "r.json").exists()
    run = mirror(tmp_path, hosts, strategy=strategy)
    assert run.returncode == 0, run.output
    done = sources(run)
    assert sorted(ref for refs in done.values() for ref in refs) == sorted(shards.refs)
    assert {host: len({r.rpartition(":")[0] for r in refs}) for host, refs in done.items()} == {
        host: 3 for host in HOSTS
    }
    assert set(shards.tags_written().values()) == {1} and len(shards.tags_written()) == 13
    assert sources(foretold) == done
    locked = [
        ref for h in HOSTS for ref in json.loads((tmp_path / f"{h}.json").read_text())["images"]
    ]
    assert len(locked) == len(set(locked)) == len(shards.refs)
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report["totals"]["images"] == 13 and [h["host"] for h in report["hosts"]] == [*HOSTS]
    assert all(host["status"] == "changed" for host in report["hosts"])


def test_only_some_of_the_shards(shards: Shards, tmp_path: Path) -> None:
    hosts = shards.hosts(prune="repository", exclude=[".*/app-8.*"])
    assert mirror(tmp_path, hosts).returncode == 0
    again = mirror(
        tmp_path, shards.hosts(prune="repository", only=[shards.refs[2]]), "--forks", "1"
    )
    assert again.returncode == 0 and again.output.count("changed=0") == 3
    assert sorted(len(refs) for refs in sources(again).values()) == [0, 0, 1]
    assert len(shards.tags_written()) == 12


@pytest.mark.parametrize("play", [{}, {"tasks": [], "roles": [{"role": PLAYBOOK}]}])
def test_one_batch_after_the_other(shards: Shards, tmp_path: Path, play: dict[str, Any]) -> None:
    run = mirror(tmp_path, shards.hosts(report_file="r.json"), serial=1, **play)
    assert run.returncode == 0, run.output
    assert set(shards.tags_written().values()) == {1} and len(shards.tags_written()) == 13
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [host["status"] for host in report["hosts"]] == ["changed"] * 3


def test_one_lock_for_two_hosts_is_refused(shards: Shards, tmp_path: Path) -> None:
    run = mirror(tmp_path, shards.hosts(lock_file="lock.json"))
    assert "inventory_hostname" in refused(run, "a") and "for b and a, c" in refused(run, "b")
    assert not shards.destination.requests


def test_different_lists_for_shards_are_refused(shards: Shards, tmp_path: Path) -> None:
    hosts = shards.hosts()
    hosts["all"]["hosts"]["b"] = {"mirror_images_more": ["registry.invalid/x:1"]}
    run = mirror(tmp_path, hosts)
    assert "is declared for b and not for a" in refused(run, "a")


def test_the_report_has_all_hosts_also_those_that_failed(shards: Shards, tmp_path: Path) -> None:
    hosts = shards.hosts(shard=False, report_file="report.html")
    hosts["all"]["hosts"] = {
        "a": {"mirror_images": [shards.refs[0], f"{shards.refs[0]}9"]},
        "b": {"mirror_images": "wrong"},
        "c": {"mirror_images": shards.refs[1:3]},
        "d": {"mirror_images": shards.refs[3:4], "mirror_report_file": "d.json"},
    }
    run = mirror(tmp_path, hosts)
    assert run.returncode != 0 and failure(run, "a") and not failure(run, "c")
    assert set(run.of(MIRROR)) == {"a", "c", "d"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f"<h2>{host}</h2>" in page for host in HOSTS) and "<h2>d</h2>" not in page
    assert "mirror_images must be a list" in page and f"{shards.refs[0]}9" in page
    own = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert {part["host"] for part in own["hosts"]} == {"b", "d"}


def test_a_report_that_can_t_be_written_is_told_at_the_end(shards: Shards, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    run = mirror(tmp_path, shards.hosts(report_file="file/report.md"))
    assert run.returncode != 0 and len(shards.tags_written()) == 13
    assert "mirror_report_file" in failure(run, "a")
    assert not any(failure(run, host) for host in HOSTS[1:])


def test_a_host_that_is_left_out_leaves_the_report_to_others(
    shards: Shards, tmp_path: Path
) -> None:
    hosts = shards.hosts(shard=False, report_file="r.json")
    condition = {"role": PLAYBOOK, "when": f"inventory_hostname != '{HOSTS[0]}'"}
    run = mirror(tmp_path, hosts, tasks=[], roles=[condition])
    assert run.returncode == 0, run.output
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [host["host"] for host in report["hosts"]] == [*HOSTS[1:]]


def test_where_errors_are_ignored_what_is_refused_ends_all_the_same(
    shards: Shards, tmp_path: Path
) -> None:
    hosts = shards.hosts(shard=False, report_file="r.json")
    hosts["all"]["hosts"] = {
        "a": {"mirror_images": "wrong"},
        "b": {"mirror_lock_file": "same.json"},
        "c": {"mirror_lock_file": "same.json"},
        "d": {"mirror_images": shards.refs[:1]},
    }
    run = mirror(tmp_path, hosts, ignore_errors=True)
    failed = [(one["host"], one["result"]["msg"]) for one in run.records if one["status"] != "ok"]
    assert sorted(host for host, _msg in failed) == ["a", "b", "c"], run.output
    assert all(" a list" in msg or " the same file " in msg for _host, msg in failed)
    assert set(run.of(MIRROR)) == {"d"} and len(shards.tags_written()) == 1
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    told = {host["host"]: host["message"] for host in report["hosts"]}
    assert told == {**dict(failed), "d": ""}


def test_what_fails_before_the_module_starts_is_reported_too(
    shards: Shards, tmp_path: Path
) -> None:
    hosts = shards.hosts(shard=False, report_file="r.json")
    hosts["all"]["hosts"] = {HOSTS[0]: {"ansible_remote_tmp": "/dev/null/tmp"}}
    run = mirror(tmp_path, hosts)
    assert "/dev/null" in failure(run, HOSTS[0])
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert "/dev/null" in json.dumps(report["hosts"])
    assert facts(run, HOSTS[0])["mirror_result"]["failed"]


def test_run_once_is_one_host_that_does_it(shards: Shards, tmp_path: Path) -> None:
    hosts = shards.hosts(shard=False, lock_file="lock.json", report_file="r.json")
    task = {"name": "Role", "run_once": True}
    role = {"ansible.builtin.include_role": {"name": "imagesync.registry.mirror"}}
    run = mirror(tmp_path, hosts, tasks=[{**task, **role}])
    assert run.returncode == 0, run.output
    assert len(shards.tags_written()) == 13 and (tmp_path / "lock.json").exists()
