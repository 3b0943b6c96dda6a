# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``mirror`` over several runs: metrics, reports, ages and backups; then the example.

The example inventory has two sites and sixty images, which takes a while.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import format_date
from tests.support import images, push, skopeo
from tests.support.content import Image
from tests.support.playbook import Run, run_playbook
from tests.support.proxy import MakeProxy, RecordingProxy
from tests.support.registries import MakeRegistry
from tests.support.role import MIRROR, PLAYBOOK, facts, failure, inventory, mirror
from tests.support.sides import Sides

LAST_SUCCESS = "imagesync_image_last_success_timestamp_seconds"
IN_SYNC = "imagesync_image_in_sync"

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "inventory"
UPSTREAM = ("docker.io", "quay.io", "ghcr.io", "registry.k8s.io")
PLATFORMS = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")
#: the tags of the repositories that are selected from, and which of these are meant
TAGS = {
    "library/nginx": (["1.26.0", "1.26.1", "1.26.2"], ["1.27.0", "1.25.5", "1.26.1-alpine"]),
    "library/redis": (["7.2.5", "7.4.0", "7.4.1"], ["7.0.15", "8.0.0", "8.0-rc1", "7.4.1-alpine"]),
    "library/httpd": (
        ["2.4.60-alpine", "2.4.61-alpine", "2.4.62-alpine"],
        ["2.4.59-alpine", "2.4.62", "latest", "alpine"],
    ),
    "kube-apiserver": (["v1.31.0", "v1.31.1"], ["v1.30.5", "v1.32.0-alpha.1"]),
    "kube-proxy": (["v1.31.1"], ["v1.31.0", "v1.32.0"]),
    "prometheus/prometheus": (["v2.53.2", "v2.54.0", "v2.54.1"], ["v2.52.0", "v3.0.0-rc.0"]),
    "grafana/grafana": (
        ["11.1.0", "11.2.0", "11.2.2"],
        ["11.0.0", "10.4.9", "12.0.0", "11.2.2-ubuntu"],
    ),
}
#: for several platforms, where that matters
INDEXES = ("library/mysql", "library/php", "library/alpine", "library/mariadb")


def _metrics(path: Path) -> dict[str, dict[str, float]]:
    """By name and the value of the label, as Prometheus reads them."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
        samples = {"".join(sample.labels.values()): sample.value for sample in family.samples}
        found[family.name] = samples
    return found


def test_three_runs_of_two_hosts(sides: Sides, tmp_path: Path) -> None:
    source, there = sides.source, sides.destination
    root = there.ref("").rstrip(":")
    yesterday = format_date(time.time() - 86_400)

    def at(name: str) -> str:
        return f"{root}/{name}"

    def put(name: str, seed: str, **options: Any) -> Image:
        repository, _colon, tag = name.partition(":")
        found = images.image(seed, **options)
        return source.push(found, tag, f"{source.repository}/{repository}")

    def entry(name: str) -> dict[str, str]:
        repository, _colon, tag = name.partition(":")
        place = source.ref(tag, f"{source.repository}/{repository}")
        return {"source": place, "destination": f"{repository}:{tag}"}

    def kept(name: str) -> str | None:
        return push.digest_of(there.host, f"{there.repository}/app", name)

    old, young = put("app:1", "old"), put("app:2", "young", created=yesterday)
    put("gone:1", "gone")
    common = {
        "destination": root,
        "metrics_file": "out/mirror.prom",
        "report_file": "out/r-{date}.html",
        "report_keep": 1,
        "min_age": "3d",
        "backup_tag": "{tag}-previous",
        "prune": "repository",
    }
    lists = {
        "a": {"mirror_images": [entry("app:1"), entry("app:2")]},
        "b": {"mirror_images": [entry("lib:1"), entry("gone:1")]},
    }
    hosts = inventory(common, "a", "b", **lists)
    prom, now = tmp_path / "out" / "mirror.prom", time.time()

    first = mirror(tmp_path, hosts)
    assert first.returncode != 0 and failure(first, "b") and not failure(first, "a")
    reasons = [image["reason"] for image in facts(first, "a")["mirror_result"]["images"]]
    assert reasons == ["absent", "too_young"] and kept("2") is None
    told = _metrics(prom)
    assert prom.stat().st_mode & 0o777 == 0o644
    assert told[IN_SYNC] == {at("app:1"): 1, at("app:2"): 0, at("lib:1"): 0, at("gone:1"): 1}
    assert set(told[LAST_SUCCESS]) == {at("app:1"), at("app:2"), at("gone:1")}
    counts = {reason: count for reason, count in told["imagesync_images"].items() if count}
    assert counts == {"absent": 2, "too_young": 1, "failed": 1}
    assert now <= told["imagesync_last_run_timestamp_seconds"][""] <= time.time()
    assert 0 < told["imagesync_run_duration_seconds"][""] < 60
    sent = [facts(first, host)["mirror_result"]["stats"] for host in "ab"]
    assert told["imagesync_bytes_uploaded"][""] == sum(s["bytes_uploaded"] for s in sent) > 0
    requests = told["imagesync_requests"]
    assert requests[there.proxy.host] == sum(s["requests"][there.proxy.host] for s in sent)

    new = put("app:1", "new")
    del lists["b"]["mirror_images"][1]
    (report,) = prom.parent.glob("*.html")

    second = mirror(tmp_path, hosts)
    moved, still = facts(second, "a")["mirror_result"]["images"]
    assert moved["backup"] == at("app:1-previous") and still["reason"] == "too_young"
    assert facts(second, "a")["mirror_result"]["pruned"] == []
    assert (kept("1"), kept("1-previous")) == (new.digest, old.digest)
    ref = f"{there.host}/{there.repository}/app:1-previous"
    assert skopeo.verify_whole(ref) == old.digest
    later = _metrics(prom)
    assert later[IN_SYNC] == {at("app:1"): 1, at("app:2"): 0, at("lib:1"): 0}
    assert set(later[LAST_SUCCESS]) == {at("app:1"), at("app:2")}
    assert later[LAST_SUCCESS][at("app:1")] > told[LAST_SUCCESS][at("app:1")]

    # one report of the two is left; it knows since when, by the one before
    (latest,) = prom.parent.glob("*.html")
    assert latest != report and re.fullmatch(r"r-\d{4}-\d\d-\d\dT[\d-]{8}Z\.html", latest.name)
    page = latest.read_text(encoding="utf-8")
    assert f'data-image="{at("app:1")}" data-digest="{new.digest}" data-exact="yes"' in page
    assert young.digest not in page

    # just one image of one host: the others keep their series, and their backups
    third = mirror(tmp_path, hosts, "-e", f"mirror_only={entry('app:2')['source']}", "-l", "a")
    assert third.returncode == 0, third.output
    assert kept("1-previous") == old.digest
    assert _metrics(prom)[IN_SYNC] == later[IN_SYNC]


def _entries(*groups: str) -> Iterator[dict[str, Any]]:
    """What the lists of these groups have, as mappings."""
    for group in groups:
        variables = yaml.safe_load((EXAMPLE / f"group_vars/{group}.yml").read_text("utf-8"))
        for name, value in variables.items():
            for entry in value if name.startswith("mirror_images") else ():
                yield entry if isinstance(entry, dict) else {"source": entry}


def _expected(*groups: str) -> set[str]:
    """The sources that an independent reading of the example gives."""
    found = set()
    for entry in _entries(*groups):
        host, _slash, name = entry["source"].partition("/")
        repository, colon, tag = name.partition(":")
        tags = [tag] if colon else TAGS[repository][0] if repository in TAGS else entry["tags"]
        found.update(f"{host}/{repository}:{one}" for one in tags)
    return found


EUROPE = _expected("all", "kubernetes", "monitoring", "europe")
AMERICA = {
    source
    for source in _expected("all", "kubernetes", "america")
    if not re.search("postgres|mysql|mariadb|mongo", source)
}


class Example:
    """The inventory with the addresses of registries here, and images in these."""

    def __init__(self, folder: Path, source: RecordingProxy, sites: list[RecordingProxy]) -> None:
        self.folder, self.source, self.sites = folder, source, sites
        places = {name: source.host for name in UPSTREAM}
        places["registry.ams.example.com"], places["registry.bos.example.com"] = (
            site.host for site in sites
        )
        for path in EXAMPLE.rglob("*.yml"):
            text = path.read_text(encoding="utf-8")
            for name, host in places.items():
                text = re.sub(rf"(?<=[ '(]){re.escape(name)}/", f"{host}/", text)
            target = folder / "inventory" / path.relative_to(EXAMPLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def fill(self, upstream: str) -> None:
        """Everything that is declared, and what isn't to be taken."""
        others = {f"x/{name}:{tag}" for name, (_taken, left) in TAGS.items() for tag in left}
        for ref in sorted(EUROPE | AMERICA | others | {"x/library/mongo:1"}):
            name, _colon, tag = ref.partition("/")[2].partition(":")
            build = images.multi_platform if name in INDEXES else images.image
            options = {"platforms": PLATFORMS} if name in INDEXES else {}
            push.push(build(ref, **options), f"{upstream}/{name}:{tag}")

    def run(self, *arguments: str) -> Run:
        """The playbook of the collection."""
        for proxy in (self.source, *self.sites):
            proxy.settle()
            proxy.clear()
        run = run_playbook(PLAYBOOK, self.folder, "-i", "inventory", *arguments)
        for proxy in (self.source, *self.sites):
            proxy.settle()
        assert run.returncode == 0, run.output
        return run

    def lock(self, site: str) -> dict[str, Any]:
        """What its lock says."""
        path = self.folder / "locks" / f"{site}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["images"]
        return found

    def here(self, sources: set[str]) -> set[str]:
        """The sources as they are called here."""
        return {f"{self.source.host}/{source.partition('/')[2]}" for source in sources}


@pytest.fixture
def example(tmp_path: Path, make_registry: MakeRegistry, make_proxy: MakeProxy) -> Example:
    """The example, with its upstream filled and the sites empty."""
    upstream, *sites = (make_registry() for _unused in range(3))
    found = Example(tmp_path, make_proxy(upstream.url), [make_proxy(s.url) for s in sites])
    found.fill(upstream.host)
    return found


def _sources(run: Run, host: str) -> set[str]:
    return {image["source"] for image in run.of(MIRROR)[host]["images"]}


def _outcome(run: Run) -> dict[str, Any]:
    keys = ("destination", "digest", "reason", "changed", "bytes_copied")
    return {
        host: [{key: image.get(key) for key in keys} for image in result["images"]]
        for host, result in run.of(MIRROR).items()
    }


def test_the_example_is_what_it_says() -> None:
    assert 55 <= len(EUROPE) <= 80 and 45 <= len(AMERICA) < len(EUROPE)


def test_two_sites(example: Example) -> None:
    foretold = example.run("--check", "--diff", "-e", "mirror_metrics_file=../mirror.prom")
    assert not any(site.writes() for site in example.sites)
    assert sorted(path.name for path in (example.folder / "inventory").iterdir()) == [
        "group_vars",
        "hosts.yml",
    ]
    # no lock, no report and no metrics
    assert [path.name for path in example.folder.iterdir()] == ["inventory"]
    first = example.run()
    assert _sources(first, "amsterdam") == example.here(EUROPE)
    assert _sources(first, "boston") == example.here(AMERICA)
    assert _outcome(foretold) == _outcome(first)
    assert len(example.lock("amsterdam")) == len(EUROPE)
    page = (example.folder / "reports/mirror.html").read_text(encoding="utf-8")
    assert "<h2>amsterdam</h2>" in page and "<h2>boston</h2>" in page

    second = example.run()
    assert second.output.count("changed=0") == 2 and "WARNING" not in second.output
    assert not any(proxy.writes() for proxy in (example.source, *example.sites))
    asked = example.source.methods()
    assert set(asked) <= {("HEAD", "manifest"), ("GET", "tags"), ("GET", "base")}, asked
    assert asked["GET", "tags"] <= 2 * len(TAGS)

    _an_image_that_leaves_the_inventory_leaves_the_registry(example)


def _an_image_that_leaves_the_inventory_leaves_the_registry(example: Example) -> None:
    path = example.folder / "inventory/group_vars/all.yml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"  - \S+library/busybox:\S+\n", "", text), encoding="utf-8")
    gone = "library/busybox:1.36.1"
    run = example.run()
    for host, site in zip(("amsterdam", "boston"), example.sites, strict=True):
        (one,) = run.of(MIRROR)[host]["pruned"]
        assert one["destination"].endswith(gone)
        assert [request.method for request in site.writes()].count("DELETE") >= 1
        assert not [key for key in example.lock(host) if key.endswith(gone)]
