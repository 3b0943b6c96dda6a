# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``mirror`` over several runs: metrics, reports, ages and backups."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.imagesync.registry.plugins.module_utils.model.ages import format_date
from tests.support import images, push, skopeo
from tests.support.content import Image
from tests.support.role import facts, failure, inventory, mirror
from tests.support.sides import Sides

LAST_SUCCESS = "imagesync_image_last_success_timestamp_seconds"
IN_SYNC = "imagesync_image_in_sync"


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
