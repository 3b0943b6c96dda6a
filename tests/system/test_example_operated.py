# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of a mirror that is operated: some weeks of it, between registries of the test."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import format_date
from tests.support import images, playbook, push, skopeo
from tests.support.content import Image
from tests.support.playbook import Run, run_playbook
from tests.support.proxy import RecordingProxy
from tests.support.units import read_by_systemd

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE, GUIDE = ROOT / "examples" / "operated-mirror", ROOT / "docs" / "operating.md"
#: stands in for the scanner
SCANNER = '#!/bin/sh\necho "$4" >> "$0.log"\ncase "$4" in */holes@*) exit 1;; esac\n'
OURS = {"org.opencontainers.image.revision": "0123abc"}
ARM = {"platform": "linux/arm64/v8"}


class Project:
    """The example with the addresses of registries here, a scanner, and folders to write to."""

    def __init__(
        self, folder: Path, source: RecordingProxy, destination: RecordingProxy, repo: str
    ) -> None:
        self.folder, self.source, self.destination = folder / "project", source, destination
        self.upstream, self.root = f"{source.host}/{repo}", f"{destination.host}/{repo}"
        self.repo, self.home, self.units = repo, folder / "home", folder / "units"
        self.metrics = folder / "textfile" / "mirror.prom"
        self.scanner, self.node = folder / "scanner", folder / "node"
        for made in (self.home, self.metrics.parent):
            made.mkdir()
        self.scanner.write_text(SCANNER, encoding="utf-8")
        self.scanner.chmod(0o755)
        places = {
            "docker.io/": f"{self.upstream}/",
            "ghcr.io/": f"{self.upstream}/",
            "registry.example.com/mirror": self.root,
            "/var/lib/node_exporter/textfile": str(self.metrics.parent),
            "scanner: trivy": f"scanner: {self.scanner}",
        }
        for path in EXAMPLE.rglob("*.*"):
            text = path.read_text(encoding="utf-8")
            for name, here in places.items():
                text = text.replace(name, here)
            target = self.folder / path.relative_to(EXAMPLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        self._host_vars("mirror", mirror_schedule_unit_dir=str(self.units))
        self._host_vars("node1.example.com", **self._below_the_node())

    def _host_vars(self, host: str, **variables: Any) -> None:
        """What only this machine needs."""
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "mirror_schedule_backend": "systemd",
            "mirror_schedule_environment": {
                "ANSIBLE_COLLECTIONS_PATH": playbook.collections_path()
            },
        }
        path = self.folder / "host_vars" / f"{host}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**common, **variables}), encoding="utf-8")

    def _below_the_node(self) -> dict[str, str]:
        return {
            "client_registries_conf_dir": f"{self.node}/.config/containers/registries.conf.d",
            "client_podman_certs_dir": f"{self.node}/containers/certs.d",
            "client_containerd_certs_dir": f"{self.node}/containerd/certs.d",
            "client_containerd_config": f"{self.node}/containerd/config.toml",
        }

    def push(self, name: str, image: Image) -> Image:
        """To upstream, behind the proxy."""
        direct = "{}:{}".format(*self.source.upstream)
        push.push(image, f"{direct}/{self.repo}/{name}")
        return image

    def at(self, name: str) -> str:
        """Where an image of upstream is to be."""
        return f"{self.root}/{self.upstream.replace(':', '_')}/{name}"

    def digest(self, name: str) -> str | None:
        """What a tag of the mirror names."""
        host, _slash, rest = self.at(name).partition("/")
        return push.digest_of(host, *rest.rsplit(":", 1))

    def play(self, name: str, *arguments: str) -> Run:
        """One of its playbooks."""
        self.clear()
        run = run_playbook(
            name, self.folder, "-i", "inventory.yml", *arguments, environment=self._environment()
        )
        self.settle()
        return run

    def scheduled(self) -> subprocess.CompletedProcess[str]:
        """What systemd would start, with nothing else than what it would give it."""
        words, directory, variables = read_by_systemd(self.units, "imagesync-mirror")
        environment = {**variables, "HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        self.clear()
        done = subprocess.run(
            words, cwd=directory, env=environment, capture_output=True, text=True, check=False
        )
        self.settle()
        return done

    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.home)}

    def clear(self) -> None:
        """Forgets the requests of the run before."""
        self.source.clear()
        self.destination.clear()

    def settle(self) -> None:
        """Waits for the last requests."""
        self.source.settle()
        self.destination.settle()

    def told(self) -> dict[str, dict[str, float]]:
        """The metrics, by name and the value of the label."""
        text = self.metrics.read_text(encoding="utf-8")
        return {
            family.name: {"".join(s.labels.values()): s.value for s in family.samples}
            for family in text_string_to_metric_families(text)
        }

    def reasons(self) -> dict[str, float]:
        """How many images ended how."""
        return {name: count for name, count in self.told()["imagesync_images"].items() if count}

    def report(self) -> str:
        """The newest page."""
        newest = max((self.folder / "reports").glob("*.html"))
        return newest.read_text(encoding="utf-8")

    def locked(self) -> dict[str, str]:
        """The digests in the lock."""
        text = (self.folder / "mirror.lock.json").read_text(encoding="utf-8")
        return {name: one["digest"] for name, one in json.loads(text)["images"].items()}


@pytest.fixture
def project(
    source: RecordingProxy, destination: RecordingProxy, repo: str, tmp_path: Path
) -> Project:
    return Project(tmp_path, source, destination, repo)


def test_some_weeks_of_a_mirror(project: Project) -> None:
    yesterday = format_date(time.time() - 86_400)
    first = project.push("example/app:stable", images.image("first", labels=OURS))
    wrong = project.push("grafana/grafana:11.2.0", images.image("wrong", **ARM))
    young = project.push("library/busybox:1.36", images.image("young", created=yesterday))
    _the_schedule_is_installed(project)
    _a_new_image_fails_its_gate_and_stays_out(project, first, wrong, young)
    second = _it_passes_and_moves(project, first)
    _the_way_back(project, first, second)
    good = images.image("good")
    _a_bad_release_is_held_back(project, first, good)
    _nodes_pull_from_the_mirror(project, first, good)
    _the_registry_is_lost(project, first, good)


def test_the_guide_and_the_list_of_files_are_those_of_the_example() -> None:
    files = {str(p.relative_to(EXAMPLE)) for p in EXAMPLE.rglob("*") if p.is_file()}
    tree = (EXAMPLE / "README.md").read_text(encoding="utf-8").split("```")[1]
    listed = {line.split()[0] for line in tree.splitlines()[1:]}
    below = {name for name in files if not name.startswith(("images/", "gates/"))}
    assert listed - {"images/", "gates/", "reports/"} == (
        {*below, "images/app/gate.yml"} - {"README.md", ".gitignore"}
    )
    guide = GUIDE.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:images|gates|group_vars)/[\w/]+\.yml)`", guide))
    assert named - {"images/redis.yml"} <= files and len(named) > 5
    (shown,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    variables = yaml.safe_load((EXAMPLE / "group_vars/mirrors.yml").read_text(encoding="utf-8"))
    assert (
        yaml.safe_load(shown).items()
        == {k: v for k, v in variables.items() if k != "scanner"}.items()
    )


def _the_schedule_is_installed(project: Project) -> None:
    run = project.play("schedule.yml")
    assert run.returncode == 0, run.output
    words, directory, _variables = read_by_systemd(project.units, "imagesync-mirror")
    assert words[-3:] == [
        "-i",
        str(project.folder / "inventory.yml"),
        str(project.folder / "mirror.yml"),
    ]
    service = (project.units / "imagesync-mirror.service").read_text(encoding="utf-8")
    writable = re.findall(r'ReadWritePaths="-(.*)"', service)
    # lock and reports are in the project, the metrics aren't
    assert writable[0] == directory == str(project.folder)
    assert writable[2:] == [str(project.metrics.parent)]


def _a_new_image_fails_its_gate_and_stays_out(
    project: Project, first: Image, wrong: Image, young: Image
) -> None:
    done = project.scheduled()
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{project.at('grafana/grafana:11.2.0')}: its gate failed" in done.stdout
    assert "it lacks linux/amd64" in done.stdout
    assert project.digest("example/app:stable") == first.digest
    assert project.digest("grafana/grafana:11.2.0") is None
    # it is there to be looked at, and was the only one that the scanner didn't come to
    assert skopeo.raw_digest(f"{project.at('grafana/grafana')}@{wrong.digest}") == wrong.digest
    scanned = Path(f"{project.scanner}.log").read_text(encoding="utf-8").splitlines()
    assert scanned == [f"{project.at('example/app')}@{first.digest}"]
    # one too young was judged by its config, once, and nothing of it was staged
    of_busybox = [r for r in project.source.requests if r.repo.endswith("busybox")]
    assert [r.kind for r in of_busybox if r.method == "GET"] == ["manifest", "blob"]
    assert not [r for r in project.destination.writes() if r.repo.endswith("busybox")]
    assert project.reasons() == {"absent": 1, "gate_failed": 1, "too_young": 1}
    told = project.told()["imagesync_image_last_success_timestamp_seconds"]
    assert set(told) == {project.at(n) for n in ("example/app:stable", "library/busybox:1.36")}
    assert "it lacks linux/amd64" in project.report() and young.digest not in project.report()
    assert project.locked() == {project.at("example/app:stable"): first.digest}


def _it_passes_and_moves(project: Project, first: Image) -> Image:
    second = project.push("example/app:stable", images.image("second", labels=OURS))
    good = project.push("grafana/grafana:11.2.0", images.image("good"))
    done = project.scheduled()
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.digest("example/app:stable") == second.digest
    assert project.digest("grafana/grafana:11.2.0") == good.digest
    # the backup is made as the tag moves, after the gates, and none of a tag that is new
    order = [
        r.reference
        for r in project.destination.writes()
        if r.kind == "manifest" and r.repo.endswith("app")
    ]
    assert order == [second.digest, "stable-previous", "stable"]
    assert skopeo.raw_manifest(project.at("example/app:stable-previous")) == first.manifest
    assert project.digest("grafana/grafana:11.2.0-previous") is None
    assert project.reasons() == {"absent": 1, "digest_differs": 1, "too_young": 1}
    app = project.at("example/app:stable")
    told = project.told()
    assert told["imagesync_image_in_sync"][app] == 1
    assert told["imagesync_image_in_sync"][project.at("library/busybox:1.36")] == 0
    page = project.report()
    assert f'data-image="{app}" data-digest="{second.digest}" data-exact="yes"' in page
    assert f"{app}-previous" in page
    assert project.locked()[app] == second.digest
    return second


def _the_way_back(project: Project, first: Image, second: Image) -> None:
    app = project.at("example/app:stable")
    run = project.play("back.yml", "-e", f"destination={app}")
    assert run.returncode == 0, run.output
    assert project.digest("example/app:stable") == first.digest != second.digest
    path = project.folder / "images" / "app.yml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(":stable", f":stable@{first.digest}"), encoding="utf-8")


def _a_bad_release_is_held_back(project: Project, first: Image, good: Image) -> None:
    """And nothing is pruned in such a run, though an image has left the project."""
    before = project.told()["imagesync_image_last_success_timestamp_seconds"]
    project.push("grafana/grafana:11.2.0", images.image("bad", **ARM))
    (project.folder / "images" / "busybox.yml").unlink()
    run = project.play("mirror.yml")
    assert run.returncode == 2, run.output
    assert project.digest("grafana/grafana:11.2.0") == good.digest
    assert project.digest("grafana/grafana:11.2.0-previous") is None
    assert project.reasons() == {"in_sync": 1, "gate_failed": 1}
    grafana, told = project.at("grafana/grafana:11.2.0"), project.told()
    after = told["imagesync_image_last_success_timestamp_seconds"]
    assert after[grafana] == before[grafana] and told["imagesync_image_in_sync"][grafana] == 0
    assert project.at("library/busybox:1.36") not in after
    assert project.digest("example/app:stable") == first.digest
    assert project.digest("example/app:stable-previous") == first.digest
    assert project.locked() == {
        project.at("example/app:stable"): first.digest,
        grafana: good.digest,
    }
    assert not [r for r in project.destination.requests if r.method == "DELETE"]


def _nodes_pull_from_the_mirror(project: Project, first: Image, good: Image) -> None:
    run = project.play("clients.yml", "--limit", "node1.example.com")
    assert run.returncode == 0, run.output
    project.clear()
    for name, image in (("example/app:stable", first), ("grafana/grafana:11.2.0", good)):
        assert skopeo.pulled(project.node, f"{project.upstream}/{name}") == image.digest
    assert project.source.requests == [] and project.destination.requests


def _the_registry_is_lost(project: Project, first: Image, good: Image) -> None:
    """And filled again as it was, by the guide's own command, whatever upstream's tags name now."""
    text = GUIDE.read_text(encoding="utf-8").partition("### The registry is lost")[2]
    command = shlex.split(text.split("```shell\n")[1].split("```")[0].replace("\\\n", " "))
    assert command[:4] == ["ansible-playbook", "-i", "inventory.yml", "mirror.yml"]
    before = project.locked()
    kept = {"example/app:stable": first.digest, "grafana/grafana:11.2.0": good.digest}
    for name, digest in kept.items():
        host, _slash, rest = project.at(name).partition("/")
        push.delete_manifest(host, rest.rpartition(":")[0], digest)
        assert project.digest(name) is None
    run = project.play("mirror.yml", *command[4:])
    assert run.returncode == 0, run.output
    for name, digest in kept.items():
        assert skopeo.verify_whole(project.at(name)) == project.digest(name) == digest
    assert project.locked() == before
