# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import (
    report_dates,
    run_files,
    since,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.run_files import Ran
from ansible_collections.imagesync.registry.tests.unit.support import A, B

NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z
DAY = 86_400


def image(name: str = "a:1", reason: str = "in_sync", digest: str = A, **fields: Any) -> Any:
    failed = {"failed": True, "msg": "no"} if reason in ("failed", "not_done") else {}
    place = {"source": "q/x:1", "destination": f"r/{name}", "reason": reason, **failed}
    return {**place, **({"digest": digest} if digest else {}), **fields}


def ran(path: Path | str, *images: Any, host: str = "a", began: float = NOON, **plan: Any) -> Ran:
    files = {"report_path": str(path), "metrics_path": ""}
    given = {"destination": "r", "began": began, **files, **plan}
    result = {"images": list(images), "stats": {}}
    return Ran(host, given, {"facts": {"mirror_result": result}, "problem": ""}, "")


def wrote(*hosts: Ran, finished: float = NOON) -> list[str]:
    problems, written = run_files.write(list(hosts), finished)
    assert problems == []
    return written


# the date in the name


@pytest.mark.parametrize("path", ["/a/{date}/r.html", "/a/{date}-{date}.html"])
def test_the_date_stands_once_in_the_name(path: str) -> None:
    with pytest.raises(InvalidInput, match="may stand once, in the file's name"):
        report_dates.check_template(path)


@pytest.mark.parametrize("value", [0, -1, True, "x", "", 1.5, [1], "1.0"])
def test_keep_is_a_number_from_1_on(value: Any) -> None:
    with pytest.raises(InvalidInput, match="mirror_report_keep must be a whole number"):
        report_dates.read_keep(value, "r-{date}.html")


def test_keep_needs_a_date() -> None:
    assert report_dates.read_keep("20", "reports/r-{date}.html") == 20
    for path in ("", "r.html", "{date}/r.html"):
        with pytest.raises(InvalidInput, match="needs a mirror_report_file with"):
            report_dates.read_keep(20, path)


def test_one_name_for_all_hosts_of_a_run(tmp_path: Path) -> None:
    template = tmp_path / "r-{date}.json"
    hosts = [ran(template, host="a", began=NOON + 3), ran(template, host="b", began=NOON)]
    assert wrote(*hosts) == [str(tmp_path / "r-2026-11-21T12-00-00Z.json")]
    assert len(json.loads(Path(wrote(*hosts)[0]).read_text())["hosts"]) == 2


def test_only_the_newest_stay_and_nothing_else_goes(tmp_path: Path) -> None:
    template = tmp_path / "r+-{date}.html"
    others = [
        "r+-2026-11-21T12-00-00Z.html.bak",
        "xr+-2026-11-21T12-00-00Z.html",
        "rr-2020-11-21T12-00-00Z.html",
        "r+-2026-11-21.html",
        "r+-{date}.html",
        "r+-2020-11-21T12-00-00Z.json",
        "notes.txt",
    ]
    for name in others:
        (tmp_path / name).write_text("mine", encoding="utf-8")
    (tmp_path / "far").write_text("mine", encoding="utf-8")
    (tmp_path / "r+-2019-01-01T00-00-00Z.html").symlink_to(tmp_path / "far")
    (tmp_path / "r+-2018-01-01T00-00-00Z.html").mkdir()
    before = set(os.listdir(tmp_path))
    for day in range(5):
        wrote(ran(template, began=NOON + day * DAY, report_keep=3))
    made = sorted(set(os.listdir(tmp_path)) - before)
    assert made == [f"r+-2026-11-{day}T12-00-00Z.html" for day in (23, 24, 25)]
    assert before <= set(os.listdir(tmp_path))


def test_a_clock_that_was_ahead_doesn_t_cost_the_new_one(tmp_path: Path) -> None:
    template = tmp_path / "r-{date}.md"
    (later,) = wrote(ran(template, began=NOON + 1000 * DAY))
    (now,) = wrote(ran(template, report_keep=1))
    assert Path(now).exists() and not Path(later).exists()


def test_without_keep_all_stay(tmp_path: Path) -> None:
    template = tmp_path / "r-{date}.md"
    for day in range(3):
        wrote(ran(template, began=NOON + day * DAY))
    assert len(os.listdir(tmp_path)) == 3


# since when


def told(path: str) -> dict[str, tuple[str, str, bool]]:
    """Of each image: its digest's first letter, the day, and whether it is exact."""
    return {
        place: (one.digest[7], one.time[8:10], one.exact)
        for place, one in since.read([path]).items()
    }


@pytest.mark.parametrize(
    "name", ["r.html", "r.json", "r.md", "r-{date}.html", "r-{date}.json", "r-{date}.md"]
)
def test_each_report_goes_on_where_the_one_before_ended(tmp_path: Path, name: str) -> None:
    def day(number: int, *images: Any) -> dict[str, tuple[str, str, bool]]:
        when = NOON + number * DAY
        (path,) = wrote(ran(tmp_path / name, *images, began=when), finished=when)
        return told(path)

    first = day(0, image("new:1", "absent"), image("old:1"), image("none:1", "failed", ""))
    assert first == {"r/new:1": ("a", "21", True), "r/old:1": ("a", "21", False)}
    second = day(1, image("new:1"), image("old:1"))
    assert second == first
    third = day(
        2,
        image("new:1", "digest_differs", B, previous_digest=A),
        image("old:1", "failed", "", previous_digest=A),
    )
    assert third == {"r/new:1": ("b", "23", True), "r/old:1": ("a", "21", False)}
    # what is there is told, not what was to be
    fourth = day(3, image("new:1", "failed", ""), image("old:1", "staged", B, previous_digest=A))
    assert fourth == third
    fifth = day(4, image("new:1"), image("old:1", "in_sync", B))
    assert fifth == {"r/new:1": ("a", "25", False), "r/old:1": ("b", "25", False)}


def test_the_page_shows_it(tmp_path: Path) -> None:
    images = [image("a:1", "absent"), image("b:1"), {"destination": "r/c:1", "reason": "removed"}]
    (path,) = wrote(ran(tmp_path / "r.html", *images))
    page = Path(path).read_text(encoding="utf-8")
    assert page.count("<time ") == 2 and ">2026-11-21 12:00</time>" in page
    assert page.count("before <time ") == 1


def test_markdown_shows_it_too(tmp_path: Path) -> None:
    images = [image("a:1", "absent"), image("b:1"), image("c:1", "failed", "", previous_digest=A)]
    (path,) = wrote(ran(tmp_path / "r.md", *images))
    table, _comment, _rest = Path(path).read_text(encoding="utf-8").partition("<!--")
    assert table.count(" `2026-11-21 12:00` |") == 3
    assert table.count(" before `2026-11-21 12:00` |") == 2


def test_a_name_can_t_end_the_comment_that_markdown_remembers_by(tmp_path: Path) -> None:
    evil = {**image("x-->:1", "absent"), "destination": "r/x-->\n<!-- since"}
    (path,) = wrote(ran(tmp_path / "r.md", evil))
    text = Path(path).read_text(encoding="utf-8")
    comment = text[text.index("\n<!--") + 1 :]
    assert comment.count("<") == comment.count(">") == 1 and comment.endswith("\n-->\n")
    assert told(path) == {evil["destination"]: ("a", "21", True)}


def test_earlier_reports_tell_what_the_newest_doesn_t(tmp_path: Path) -> None:
    template = tmp_path / "r-{date}.html"
    wrote(ran(template, image("a:1", "absent"), image("b:1", "absent")))
    later = NOON + DAY
    wrote(ran(template, image("b:1"), began=later), finished=later)
    later += DAY
    (path,) = wrote(ran(template, image("a:1"), began=later), finished=later)
    assert told(path) == {"r/a:1": ("a", "21", True)}


def test_no_more_of_them_are_read_than_are_needed(tmp_path: Path) -> None:
    template = tmp_path / "r-{date}.html"
    for day in range(3):
        when = NOON + day * DAY
        (path,) = wrote(ran(template, image("a:1"), began=when), finished=when)

    def paths() -> Any:
        yield path
        raise AssertionError("the newest tells all")

    assert set(since.read(paths(), ["r/a:1"])) == {"r/a:1"}
    with pytest.raises(AssertionError):
        since.read(paths(), ["r/a:1", "r/b:1"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b'{"hosts": [{"images": [{"since": []}]}]}',
        b'{"hosts": 7}',
        b"[" * 100_000,
        b"<time data-image='r/a:1' data-digest='x' datetime='never'>",
        b"<!DOCTYPE html><time data-image <![CDATA[ <!--",
        b'<!-- since\n["r/a:1", "x"]\n-->',
        b'<!-- since\n["r/a:1", "x", "never", true]\n[{}, [], 7, 8]\n7\n-->',
    ],
)
@pytest.mark.parametrize("name", ["r.html", "r.json", "r.md"])
def test_a_damaged_report_tells_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (path,) = wrote(ran(tmp_path / name, image()))
    assert told(path) == {"r/a:1": ("a", "21", False)}


# both files


def test_metrics_are_readable_and_remember(tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "mirror.prom"
    old = os.umask(0o077)
    try:
        wrote(ran("", image("a:1"), metrics_path=str(path)))
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644
    success = 'imagesync_image_last_success_timestamp_seconds{destination="r/a:1"} 1795262400\n'
    assert success in path.read_text(encoding="utf-8")
    failed = ran("", image("a:1", "failed", ""), metrics_path=str(path))
    assert wrote(failed, finished=NOON + DAY) == [str(path)]
    text = path.read_text(encoding="utf-8")
    assert success in text and 'imagesync_image_in_sync{destination="r/a:1"} 0\n' in text
    assert f"imagesync_last_run_timestamp_seconds {int(NOON + DAY)}\n" in text
    assert os.listdir(path.parent) == ["mirror.prom"]


def test_hosts_have_their_own_files_or_share_one(tmp_path: Path) -> None:
    one, two = tmp_path / "1.prom", tmp_path / "2.prom"
    wrote(
        ran("", image("a:1"), host="a", metrics_path=str(one)),
        ran("", image("b:1"), host="b", metrics_path=str(one)),
        ran("", image("c:1"), host="c", metrics_path=str(two)),
        ran("", image("d:1"), host="d"),
    )
    assert [text in one.read_text() for text in ("r/a:1", "r/b:1", "r/c:1", "r/d:1")] == [
        *(True, True, False, False)
    ]
    assert "r/c:1" in two.read_text() and "r/a:1" not in two.read_text()


def test_hosts_that_got_nowhere_keep_their_series(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    wrote(ran("", image("a:1"), image("b:1"), metrics_path=str(path)))
    good = ran("", image("a:1"), metrics_path=str(path))
    lost = [
        (Ran("x", {"failed": True, "msg": "wrong"}, {}, "wrong"), 0),
        (Ran("x", {}, {}, ""), 1),
        (ran("", metrics_path=str(path))._replace(outcome={"problem": "x", "facts": {}}), 0),
    ]
    for other, expected in lost:
        wrote(ran("", image("a:1"), image("b:1"), metrics_path=str(path)))
        wrote(good, other)
        assert f'in_sync{{destination="r/b:1"}} {expected}\n' in path.read_text()
    skipped = Ran("x", {"skipped": True}, {}, "")
    wrote(good, skipped)
    assert "r/b:1" not in path.read_text()


def test_what_can_t_be_written_is_told_and_the_rest_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    host = ran(tmp_path / "file/r.md", metrics_path=str(tmp_path))
    problems, written = run_files.write([host], NOON)
    assert len(problems) == 2 and written == []
    assert "mirror_report_file" in problems[0] and "mirror_metrics_file" in problems[1]
