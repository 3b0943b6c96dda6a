# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``mirror`` on one host: from the variables to the facts, the lock and the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, push
from tests.support.playbook import run_playbook
from tests.support.proxy import RecordingProxy
from tests.support.registries import PASSWORD, USER, DockerRegistry, MakeRegistry
from tests.support.role import (
    FAIL,
    MIRROR,
    PLAYBOOK,
    facts,
    failure,
    inventory,
    mirror,
    refused,
)


class Place:
    """Two registries behind proxies, and names below which only this test writes."""

    def __init__(self, source: RecordingProxy, destination: RecordingProxy, repo: str) -> None:
        self.source, self.destination, self.repo = source, destination, repo
        self.root = f"{destination.host}/{repo}"

    def push(self, name: str, *tags: str) -> None:
        """Images of one repository at the source."""
        for tag in tags:
            push.push(images.image(f"{name}:{tag}"), self.ref(name, tag))

    def ref(self, name: str, tag: str = "") -> str:
        """A source."""
        return f"{self.source.host}/{self.repo}/{name}" + (f":{tag}" if tag else "")

    def at(self, name: str, tag: str) -> str:
        """Its destination."""
        return f"{self.root}/{self.repo}/{name}:{tag}"

    def id(self, name: str, tag: str) -> str:
        """What the role calls it there."""
        return f"{self.root}/{self.repo}/{name}@{images.image(f'{name}:{tag}').digest}"

    def tags(self, name: str) -> list[str]:
        """What is there."""
        return push.tags(self.destination.host, f"{self.repo}/{self.repo}/{name}")

    def hosts(self, *entries: Any, **variables: Any) -> dict[str, Any]:
        """An inventory of one host that mirrors these."""
        return inventory({"destination": self.root, "images": list(entries), **variables})

    def writes(self) -> list[str]:
        """The requests that wrote to the destination."""
        self.destination.settle()
        return [str(request) for request in self.destination.writes()]


@pytest.fixture
def place(source: RecordingProxy, destination: RecordingProxy, repo: str) -> Iterator[Place]:
    """Registries; nothing of the role's own may be an error of a server."""
    yield Place(source, destination, repo)


def test_a_list_is_mirrored_and_then_in_sync(place: Place, tmp_path: Path) -> None:
    place.push("app", "1.0", "1.1", "2.0")
    place.push("web", "3")
    (tmp_path / "images.txt").write_text(f"{place.ref('web', '3')}  # the web\n", encoding="utf-8")
    hosts = place.hosts(
        {"name": "app", "source": place.ref("app"), "tags": ["1.x", "2.0"]},
        lock_file="locks/{{ inventory_hostname }}.json",
        images_file="images.txt",
        images_more=[{"name": "one", "source": place.ref("app", "1.0"), "destination": "own:9"}],
    )
    foretold = mirror(tmp_path, hosts, "--check", "--diff")
    assert foretold.returncode == 0 and not place.writes()
    assert not (tmp_path / "locks").exists() and '"source_digest"' in foretold.output
    first = mirror(tmp_path, hosts)
    found = facts(first)
    assert found["mirror_ids"] == {
        **{place.ref("app", tag): place.id("app", tag) for tag in ("2.0", "1.1")},
        place.ref("app", "1.0"): f"{place.root}/own@{images.image('app:1.0').digest}",
        place.ref("web", "3"): place.id("web", "3"),
    }
    assert set(found["mirror_ids_by_name"]) == {"app:2.0", "app:1.1", "app:1.0", "one"}
    assert found["mirror_changed"] == ["app", "one", place.ref("web", "3")]
    assert found["mirror_result"]["stats"]["blobs_copied"] > 0
    assert found["mirror_result"]["failed"] is False and "invocation" not in found["mirror_result"]
    assert facts(foretold)["mirror_ids"] == found["mirror_ids"]
    assert facts(foretold)["mirror_changed"] == found["mirror_changed"]
    text = (tmp_path / "locks/site.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert place.at("web", "3") in json.loads(text)["images"]
    place.destination.clear()
    second = mirror(tmp_path, hosts)
    assert "changed=0" in second.output and facts(second)["mirror_changed"] == []
    assert not place.writes()
    assert (tmp_path / "locks/site.json").read_text(encoding="utf-8") == text


def test_a_failed_image_comes_after_everything_else(place: Place, tmp_path: Path) -> None:
    place.push("app", "1")
    hosts = place.hosts(
        place.ref("app", "1"),
        {"name": "gone", "source": place.ref("app", "2")},
        place.ref("none", "3"),
        lock_file="lock.json",
        report_file="out/report.md",
    )
    run = mirror(tmp_path, hosts)
    assert run.returncode != 0 and "failed=1" in run.output
    lines = failure(run).splitlines()
    assert lines[0] == "2 of 3 images failed:"
    assert [line.partition(": ")[0] for line in lines[1:]] == [
        place.at("app", "2"),
        place.at("none", "3"),
    ]
    assert not run.of(MIRROR)["site"]["failed"] and run.of(FAIL)["site"]["failed"]
    found = facts(run)
    assert found["mirror_ids"] == {place.ref("app", "1"): place.id("app", "1")}
    assert found["mirror_result"]["failed"] and len(found["mirror_result"]["images"]) == 3
    assert run.output.count('"blobs_present"') == 3 + 1  # in the debug task, and nowhere else
    lock = json.loads((tmp_path / "lock.json").read_text(encoding="utf-8"))
    assert list(lock["images"]) == [place.at("app", "1")]
    report = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert (
        "## `site`: Failed" in report and "### Failed" in report and place.at("app", "2") in report
    )


def test_an_option_that_image_sync_refuses_is_a_failure(place: Place, tmp_path: Path) -> None:
    run = mirror(
        tmp_path, place.hosts(place.ref("app", "1"), max_bytes="much", report_file="r.json")
    )
    assert run.returncode != 0 and "max_bytes" in failure(run)
    assert facts(run)["mirror_ids"] == {} and facts(run)["mirror_result"]["failed"]
    (part,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["hosts"]
    assert "max_bytes" in part["message"] and part["status"] == "failed"
    assert not place.source.requests and not place.destination.requests


def test_an_unreachable_host_is_in_the_report(place: Place, tmp_path: Path) -> None:
    hosts = inventory(
        {"destination": place.root, "images": [place.ref("a", "1")], "report_file": "r.html"},
        "far",
        far={"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
    )
    run = mirror(tmp_path, hosts)
    assert run.returncode != 0 and "the host is unreachable" in failure(run, "far")
    assert "unreachable" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"images": "busybox"}, "mirror_images must be a list"),
        ({"images_x": {"a": 1}}, "mirror_images_x must be a list"),
        ({"images_x": ["{{ nothing }}"]}, "mirror_images_x: "),
        ({"path": {"repository": None}}, "mirror_path is a mapping"),
        ({"images": [{"source": "a", "sorce": "b"}]}, "did you mean source?"),
        ({"images": ["a:1"], "destination": "mirror"}, "names no registry"),
        ({"only": ["x"]}, "mirror_only: no image is named 'x'"),
        ({"backup_tag": "{tag}"}, "is the destination's own tag"),
        ({"report_file": "x.pdf"}, "must end in .json, .md or .html"),
        ({"registries": [{"name": "a", "pasword": "hidden-word"}]}, "there is no key pasword"),
    ],
)
def test_what_is_wrong_is_refused_at_once(
    variables: dict[str, Any], words: str, tmp_path: Path
) -> None:
    given = {"destination": "registry.invalid/m", "images": ["registry.invalid/a:1"], **variables}
    run = mirror(tmp_path, inventory(given), "-vvvvv")
    assert words in refused(run)
    assert "hidden-word" not in run.output


def test_a_corrupt_lock_is_left_alone(place: Place, tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text('{"version": 2}', encoding="utf-8")
    run = mirror(tmp_path, place.hosts(place.ref("a", "1"), lock_file="lock.json"))
    assert "mirror_lock_file" in refused(run) and "left alone" in refused(run)
    assert (tmp_path / "lock.json").read_text(encoding="utf-8") == '{"version": 2}'


def test_pruning_with_the_lock(place: Place, tmp_path: Path) -> None:
    place.push("app", "1.0", "1.1")
    place.push("old", "1")
    both = {"source": place.ref("app"), "tags": ["1.x"]}
    options = {"lock_file": "lock.json", "prune": "lock"}
    mirror(tmp_path, place.hosts(both, place.ref("old", "1"), **options))
    only = mirror(
        tmp_path, place.hosts(both, place.ref("old", "1"), **options, only=[place.ref("app")])
    )
    assert only.returncode == 0 and "changed=0" in only.output
    less = place.hosts(both, **options)
    foretold = mirror(tmp_path, less, "--check")
    assert place.tags("old") == ["1"]
    run = mirror(tmp_path, less)
    assert [one["destination"] for one in facts(run)["mirror_result"]["pruned"]] == [
        place.at("old", "1")
    ]
    assert facts(foretold)["mirror_result"]["pruned"] == facts(run)["mirror_result"]["pruned"]
    assert place.tags("old") == [] and len(place.tags("app")) == 2
    assert "old" not in (tmp_path / "lock.json").read_text(encoding="utf-8")


def test_passwords_are_nowhere(
    make_registry: MakeRegistry, source_registry: DockerRegistry, repo: str, tmp_path: Path
) -> None:
    registry = make_registry(htpasswd=True)
    push.push(images.image("a"), f"{source_registry.host}/{repo}/a:1")
    images_of = [f"{source_registry.host}/{repo}/a:1", f"{source_registry.host}/{repo}/b:1"]
    hosts = inventory({"destination": registry.host, "images": images_of, "report_file": "r.json"})
    login = [{"name": registry.host, "username": USER, "password": "{{ vaulted }}"}]
    hosts["all"]["vars"].update(vaulted=PASSWORD, imagesync_registries=login)
    run = mirror(tmp_path, hosts, "-vvvvv", "--diff")
    assert len(failure(run).splitlines()) == 2
    assert facts(run)["mirror_result"]["credentials"][registry.host] == "options"
    assert PASSWORD not in run.output and PASSWORD not in (tmp_path / "r.json").read_text("utf-8")
    # and the role's own variable goes before
    hosts["all"]["vars"]["mirror_registries"] = [{**login[0], "password": "another"}]
    other = mirror(tmp_path, hosts, "-vvvvv")
    assert other.returncode != 0 and "another" not in other.output


def test_become_and_tags_and_delegation_don_t_matter(place: Place, tmp_path: Path) -> None:
    """The controller's steps connect to nobody; what connects is told where by the play."""
    place.push("a", "1")
    hosts = inventory(
        {"destination": place.root, "images": [place.ref("a", "1")], "lock_file": "lock.json"},
        "far",
        far={"ansible_connection": "ssh", "ansible_host": "192.0.2.1"},
    )
    role = {"name": "imagesync.registry.mirror", "apply": {"delegate_to": "localhost"}}
    play = {"tasks": [{"name": "Role", "ansible.builtin.include_role": role}]}
    run = mirror(tmp_path, hosts, **play)
    assert run.returncode == 0, run.output
    assert place.tags("a") == ["1"] and (tmp_path / "lock.json").exists()


def test_the_quickstart(place: Place, tmp_path: Path) -> None:
    place.push("a", "1")
    name = "imagesync.registry.quickstart"
    ends = ("-e", f"source={place.ref('a', '1')}", "-e", f"destination={place.root}/a")
    run = run_playbook(name, tmp_path, *ends)
    digest = images.image("a:1").digest
    assert run.returncode == 0 and f"{place.root}/a@{digest}: copied" in run.output
    assert f"{place.root}/a@{digest}: already there" in run_playbook(name, tmp_path, *ends).output
    assert "Say what to mirror" in run_playbook(name, tmp_path).output


def test_the_playbook_and_hosts_of_choice(place: Place, tmp_path: Path) -> None:
    place.push("a", "1")
    hosts = inventory(
        {"destination": place.root, "images": [place.ref("a", "1")], "lock_file": "lock.json"},
        *("one", "two"),
    )
    run = run_playbook(PLAYBOOK, tmp_path, "-e", "mirror_hosts=two", inventory=hosts)
    assert run.returncode == 0, run.output
    assert set(run.of(MIRROR)) == {"two"}
    assert (tmp_path / "lock.json").exists()  # relative to the inventory
