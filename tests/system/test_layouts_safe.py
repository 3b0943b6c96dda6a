# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts on disk: hostile ones, full disks, killed and concurrent writers, deletion, integrity."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.stores import layout_writing
from tests.support import images, layouts
from tests.support.content import OCI_MANIFEST, Image, to_json
from tests.support.layouts import blob_file, names, stored, write_layout
from tests.support.signatures import Story, tag_of
from tests.support.sync import sync
from tests.support.waiting import wait_until

IMAGE = images.image("safe", layers=2)
OTHER = images.multi_platform("safe other")
LAYER = IMAGE.blobs[1].digest


def copy(source: Path, destination: Path, name: str = "x:1", **more: Any) -> dict[str, Any]:
    return sync(source=f"oci:{source}:{name}", destination=f"oci:{destination}:{name}", **more)


# hostile layouts: reliability fault 57


def _link(path: Path) -> None:
    """The same behind a link that leads out."""
    outside = path.parents[3] / f"outside-{path.name}"
    shutil.move(path, outside)
    path.symlink_to(outside)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(to_json(document))


def _digest(text: str) -> Callable[[Path], None]:
    return lambda d: _rewrite(d / "index.json", lambda i: i["manifests"][0].update(digest=text))


def _layer_digest(folder: Path) -> None:
    """A manifest, rightly hashed, that names a file outside."""
    document = IMAGE.document
    document["layers"][0]["digest"] = "sha256:../../../../secret"
    made = Image(to_json(document), OCI_MANIFEST)
    write_layout(folder, {"x:1": made})


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "digest with a path": (_digest("sha256:../../../secret"), "no valid digest"),
    "absolute digest": (_digest("/etc/passwd"), "no valid digest"),
    "upper case": (_digest("sha256:" + "A" * 64), "no valid digest"),
    "layer with a path": (_layer_digest, "no valid digest"),
    "linked blob": (lambda d: _link(blob_file(d, LAYER)), "link"),
    "linked manifest": (lambda d: _link(blob_file(d, IMAGE.digest)), "link"),
    "linked algorithm": (lambda d: _link(d / "blobs" / "sha256"), "link"),
    "linked blobs": (lambda d: _link(d / "blobs"), "link"),
    "linked index": (lambda d: _link(d / "index.json"), "link"),
    "linked marker": (lambda d: _link(d / "oci-layout"), "link"),
    "FIFO for a blob": (lambda d: _fifo(blob_file(d, LAYER)), "isn't a file"),
    "FIFO for the index": (lambda d: _fifo(d / "index.json"), "isn't a file"),
    "folder for a blob": (
        lambda d: (blob_file(d, LAYER).unlink(), blob_file(d, LAYER).mkdir()),
        "isn't a file",
    ),
    "empty blob": (lambda d: blob_file(d, LAYER).write_bytes(b""), "0 bytes"),
    "longer blob": (lambda d: blob_file(d, LAYER).write_bytes(b"x" * 9999), "9999 bytes"),
    "damaged blob": (
        lambda d: blob_file(d, LAYER).write_bytes(b"x" * len(IMAGE.blobs[1].data)),
        "has the digest",
    ),
    "damaged manifest": (
        lambda d: blob_file(d, IMAGE.digest).write_bytes(IMAGE.manifest + b" "),
        "damaged",
    ),
    "missing blob": (lambda d: blob_file(d, LAYER).unlink(), "has no blob"),
    "no marker": (lambda d: (d / "oci-layout").unlink(), "no file oci-layout"),
    "no index": (lambda d: (d / "index.json").unlink(), "no index.json"),
    "other version": (
        lambda d: (d / "oci-layout").write_text('{"imageLayoutVersion": "2.0"}'),
        "version",
    ),
    "index of nothing": (lambda d: (d / "index.json").write_text("[]"), "not a JSON object"),
    "no manifests": (lambda d: (d / "index.json").write_text("{}"), "no list of manifests"),
    "two of one name": (
        lambda d: _rewrite(
            d / "index.json",
            lambda i: i["manifests"].append(
                {**OTHER.descriptor, "annotations": {layouts.REF_NAME: "x:1"}}
            ),
        ),
        "2 images that are called x:1",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_layouts_are_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "in" / "bad"
    (tmp_path / "secret").write_text("canary")
    write_layout(folder, {"x:1": IMAGE})
    damage, reason = HOSTILE[kind]
    damage(folder)

    result = copy(folder, tmp_path / "b")

    assert result["failed"] and reason in result["msg"], result["msg"]
    assert str(folder) in result["msg"] and "canary" not in str(result)
    assert not (tmp_path / "b" / "index.json").exists() or not names(tmp_path / "b")


@pytest.mark.parametrize(
    "kind", ["linked blob", "linked algorithm", "linked blobs", "linked index", "no marker"]
)
def test_nothing_is_written_behind_a_link(tmp_path: Path, kind: str) -> None:
    write_layout(tmp_path / "a", {"x:1": IMAGE, "y:2": OTHER})
    folder = write_layout(tmp_path / "in" / "bad", {"x:1": IMAGE})
    HOSTILE[kind][0](folder)
    before = _tree(tmp_path)

    for name in ("x:1", "y:2"):
        result = copy(tmp_path / "a", folder, name, integrity="blobs")
        told = result.get("failed") and str(folder) in result["msg"]
        assert told or kind == "linked blob", result

    grown = _tree(tmp_path).keys() - before.keys()
    assert all(str(path).startswith(str(folder)) for path in grown)
    assert {path: before[path] for path in before if "outside" in str(path)} == {
        path: data for path, data in _tree(tmp_path).items() if "outside" in str(path)
    }


def _tree(folder: Path) -> dict[Path, bytes]:
    """All files, none behind a link."""
    return {
        Path(above) / name: (Path(above) / name).read_bytes()
        for above, _folders, files in os.walk(folder)
        for name in files
        if not (Path(above) / name).is_symlink()
    }


def test_what_is_harmless_is_taken(tmp_path: Path) -> None:
    """A link to the folder itself, hard links, one image under two names, other files."""
    origin = write_layout(tmp_path / "origin", {"x:1": IMAGE, "x:2": IMAGE})
    shutil.copytree(origin, tmp_path / "a", copy_function=os.link)
    (tmp_path / "a" / "README").write_text("not ours")
    (tmp_path / "link").symlink_to(tmp_path / "a")

    result = copy(tmp_path / "link", tmp_path / "b")
    into = copy(tmp_path / "b", tmp_path / "link", "x:1", integrity="blobs")

    assert result["changed"] and not into["changed"]
    assert stored(tmp_path / "b") == layouts.parts(IMAGE)
    # somebody else's files aren't written to, not even through a hard link
    copied = sync(source=f"oci:{tmp_path}/b:x:1", destination=f"oci:{tmp_path}/link:new:1")
    assert copied["changed"]
    assert set(names(tmp_path / "origin")) == {"x:1", "x:2"}
    assert (tmp_path / "a" / "README").read_text() == "not ours"


# full disks: reliability fault 55


def _steps(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], act: Callable[[int], None]
) -> list[int]:
    """Calls ``act`` with the number of each call of these functions of ``os``, before it."""
    count = [0]
    for name in names:
        original = getattr(os, name)

        def counted(*given: Any, _original: Any = original, **more: Any) -> Any:
            count[0] += 1
            act(count[0])
            return _original(*given, **more)

        monkeypatch.setattr(os, name, counted)
    return count


def test_a_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that finds no space."""
    write_layout(tmp_path / "a", {"x:1": IMAGE, "y:2": OTHER})
    copy(tmp_path / "a", tmp_path / "old", "x:1")
    before = (tmp_path / "old" / "index.json").read_bytes()
    number, failures = 0, 0
    while True:
        number += 1
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        shutil.copytree(tmp_path / "old", tmp_path / "b")

        def fail(step: int, number: int = number) -> None:
            if step == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            count = _steps(patched, ("fsync", "rename"), fail)
            result = copy(tmp_path / "a", tmp_path / "b", "y:2", concurrency=1)
        if count[0] < number:
            break
        failures += 1
        renamed = names(tmp_path / "b").get("y:2")
        assert result["failed"] and "No space left on device" in result["msg"]
        assert str(tmp_path / "b") in result["msg"] and "free some space" in result["msg"]
        layouts.check_valid(tmp_path / "b")  # nothing temporary either
        if renamed:  # all was done but for the last fsync
            assert renamed == OTHER.digest
        else:
            assert (tmp_path / "b" / "index.json").read_bytes() == before
    assert failures > 8
    assert names(tmp_path / "b") == {"x:1": IMAGE.digest, "y:2": OTHER.digest}


def test_a_file_that_can_not_grow_is_told(tmp_path: Path) -> None:
    """By the kernel, in the middle of a blob."""
    large = images.image("large", size=300_000)
    write_layout(tmp_path / "a", {"x:1": large})

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        result = copy(tmp_path / "a", tmp_path / "b")
        assert result["failed"] and "File too large" in result["msg"], result
        assert large.blobs[1].digest.partition(":")[2] in result["msg"]

    assert _in_child(limited) == 0
    layouts.check_valid(tmp_path / "b")
    assert copy(tmp_path / "a", tmp_path / "b")["changed"]


def _in_child(work: Callable[[], object]) -> int:
    """The exit status of a child process that does it."""
    return os.waitpid(_fork(work), 0)[1]


def _fork(work: Callable[[], object]) -> int:
    """The process id of a child that does it, and then ends."""
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test runner has threads
        child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


# killed and concurrent writers: reliability faults 54 and 58


def test_a_killed_writer_leaves_a_valid_layout_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = images.image("killed")
    write_layout(tmp_path / "a", {"y:2": small})
    number = debris = 0
    while True:
        number += 1
        shutil.rmtree(tmp_path / "b", ignore_errors=True)

        def killed(number: int = number) -> None:
            def kill(step: int) -> None:
                if step == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            _steps(monkeypatch, ("fsync", "rename", "mkdir"), kill)
            copy(tmp_path / "a", tmp_path / "b", "y:2")

        status = _in_child(killed)
        if status == 0:
            break
        assert status == signal.SIGKILL
        left = [p.name for p in (tmp_path / "b").iterdir()] if (tmp_path / "b").exists() else []
        debris += any(name.startswith(".") for name in left)
        for name in (tmp_path / "b" / "index.json", tmp_path / "b" / "oci-layout"):
            assert not name.exists() or json.loads(name.read_bytes())
        again = copy(tmp_path / "a", tmp_path / "b", "y:2")
        assert not again.get("failed")
        layouts.check_valid(tmp_path / "b")
        assert names(tmp_path / "b") == {"y:2": small.digest}
    assert number > 10 and debris > 3


def test_writers_lose_nothing(tmp_path: Path) -> None:
    """Four processes at once, each with a part of the images."""
    found = {f"app{n}:1": images.image(f"writer {n}") for n in range(24)}
    write_layout(tmp_path / "a", found)

    def write(part: int) -> None:
        entries = [
            {"source": f"oci:{tmp_path}/a:{name}", "destination": f"oci:{tmp_path}/b:{name}"}
            for name in list(found)[part::4]
        ]
        assert not sync(images=entries, concurrency=4).get("failed")

    children = [_fork(lambda part=part: write(part)) for part in range(4)]  # type: ignore[misc]

    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    layouts.check_valid(tmp_path / "b")
    assert names(tmp_path / "b") == {name: image.digest for name, image in found.items()}


def test_what_another_program_adds_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that replaces index.json, after we have looked at it and before we change it."""
    write_layout(tmp_path / "a", {"x:1": IMAGE})
    write_layout(tmp_path / "b", {"old:1": IMAGE})
    happened = []

    def add(_step: int) -> None:
        if not happened and (tmp_path / "b" / "blobs").exists():
            happened.append(1)
            write_layout(tmp_path / "b", {"old:1": IMAGE, "theirs:1": OTHER})

    blob_file(tmp_path / "b", LAYER).unlink()
    _steps(monkeypatch, ("fsync",), add)
    copy(tmp_path / "a", tmp_path / "b")

    assert happened
    assert set(names(tmp_path / "b")) == {"old:1", "theirs:1", "x:1"}


# deletion


def test_removal_takes_what_nothing_uses(tmp_path: Path) -> None:
    story = Story("on disk")
    base = images.image("base", layers=1).blobs[1]
    a, b = (images.image(f"sharing {n}", layers=[base, images.layer(n)]) for n in "ab")
    tagged = {"a:1": a, "b:1": b, "c:1": a, "story:1": story.image}
    write_layout(tmp_path / "a", {**tagged, **story.tagged})
    sync(
        images=[
            {"source": f"oci:{tmp_path}/a:{name}", "destination": f"oci:{tmp_path}/b:{name}"}
            for name in tagged
        ]
    )
    folder = tmp_path / "b"
    assert tag_of(story.image, ".sig") in names(folder)

    def remove(name: str, **more: Any) -> dict[str, Any]:
        return sync(destination=f"oci:{folder}:{name}", state="absent", **more)

    told = remove("a:1", check_mode=True)
    assert (told["reason"], "a:1" in names(folder)) == ("removed", True)
    assert not told.get("warnings")  # a folder deletes by name
    assert remove("a:1")["reason"] == "removed"
    assert stored(folder) >= layouts.parts(a, b)  # another name is left
    assert remove("c:1")["changed"]
    assert stored(folder) & layouts.parts(a) == {base.digest}
    assert remove("c:1")["reason"] == "in_sync"
    assert remove("story:1")["changed"]
    # what is attached to one of its platforms isn't the image's own
    left = {tag for tag in names(folder) if tag != "b:1"}
    child = story.image.children[1]
    assert left and all(tag_of(child, "") in tag or "sha256-" in tag for tag in left)
    assert not any(tag.startswith(tag_of(story.image, "")) for tag in left)
    assert stored(folder).isdisjoint(
        layouts.parts(story.image, story.tagged[tag_of(story.image, ".sig")]) - layouts.parts(b)
    )
    layouts.check_valid(folder)


@pytest.mark.parametrize("mode", ["lock", "repository"])
def test_pruning(tmp_path: Path, mode: str) -> None:
    new = images.image("pruning new")
    write_layout(tmp_path / "a", {"x:1": IMAGE, "y:1": OTHER, "x:2": new})
    folder = tmp_path / "b"
    lock = {"lock_file": str(tmp_path / "lock.json")}

    def entries(**chosen: str) -> list[dict[str, str]]:
        return [
            {"source": f"oci:{tmp_path}/a:{s}:{n}", "destination": f"oci:{folder}:{s}:1"}
            for s, n in chosen.items()
        ]

    sync(images=entries(x="1", y="1"), **lock)
    # the tag moves: what it named before is nobody's
    moved = sync(images=entries(x="2", y="1"), prune=mode, **lock)
    assert not moved.get("failed")
    assert stored(folder) == layouts.parts(new, OTHER)
    pruned = sync(images=entries(x="2"), prune=mode, **lock)
    assert [one["destination"] for one in pruned["pruned"]] == [f"oci:{folder}:y:1"]
    assert stored(folder) == layouts.parts(new)
    assert json.loads((tmp_path / "lock.json").read_bytes())["images"].keys() == {
        f"oci:{folder}:x:1"
    }
    kept = sync(images=entries(x="2"), prune="repository", declared=[f"oci:{folder}:x"], **lock)
    assert not kept["changed"]


@pytest.mark.parametrize("how", ["of this call", "declared elsewhere"])
@pytest.mark.parametrize("prune", ["lock", "none"])
@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_an_image_without_a_tag_outlives_the_tag_that_it_had(
    tmp_path: Path, kind: str, how: str, prune: str
) -> None:
    """One entry of the index was enough for both, until the tag moved."""
    write_layout(tmp_path / "a", {"x:1": IMAGE, "x:2": OTHER})
    place, options = f"{kind}:{tmp_path}/b", {"lock_file": str(tmp_path / "lock.json")}
    bare = {"source": f"oci:{tmp_path}/a@{IMAGE.digest}", "destination": place}
    tags = [{"source": f"oci:{tmp_path}/a:x:{n}", "destination": f"{place}:x:t"} for n in (1, 2)]
    sync(images=[tags[0], bare], **options)
    entries = [tags[1], bare] if how == "of this call" else tags[1:]
    declared = [] if how == "of this call" else [f"{place}@{IMAGE.digest}"]
    result = sync(images=entries, prune=prune, declared=declared, **options)
    assert not result.get("failed") and result["pruned"] == [] and not result["warnings"]
    check = sync(images=[bare, tags[1]], integrity="blobs", prune="lock", **options)
    assert [image["reason"] for image in check["images"]] == ["in_sync", "in_sync"]
    gone = sync(images=tags[1:], prune="lock", **options)
    assert [one["digest"] for one in gone["pruned"]] == [IMAGE.digest]


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were replaced in layouts; each costs two calls of fsync."""
    found: list[str] = []
    own = layout_writing.LayoutWriter._replace

    def counted(self: Any, root: int, name: str, content: bytes) -> None:
        found.append(name)
        own(self, root, name, content)

    monkeypatch.setattr(layout_writing.LayoutWriter, "_replace", counted)
    return found


def _many(tmp_path: Path, count: int) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Entries that are mirrored, and options for the next call."""
    source = write_layout(tmp_path / "a", {f"x:{n}": images.image(str(n)) for n in range(count)})
    lock = {"lock_file": str(tmp_path / "lock.json"), "prune_limit": count}
    found = [
        {"source": f"oci:{source}:x:{n}", "destination": f"oci:{tmp_path}/b:x:{n}"}
        for n in range(count)
    ]
    sync(images=found, **lock)
    return found, lock


def test_many_deletions_are_one_change_of_the_index(tmp_path: Path, replaced: list[str]) -> None:
    entries, lock = _many(tmp_path, 12)
    replaced.clear()
    pruned = sync(images=entries[:4], prune="lock", **lock)
    assert len(pruned["pruned"]) == 8 and replaced == ["index.json"]
    assert stored(tmp_path / "b") == layouts.parts(*(images.image(str(n)) for n in range(4)))
    replaced.clear()
    absent = [{"destination": entry["destination"], "state": "absent"} for entry in entries]
    result = sync(images=absent, **lock)
    assert [one["reason"] for one in result["images"]] == ["removed"] * 4 + ["in_sync"] * 8
    assert replaced == ["index.json"] and stored(tmp_path / "b") == set()


def test_deletions_that_come_to_nothing_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, lock = _many(tmp_path, 3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layout_writing.LayoutWriter, "_replace", full)
    absent = {"destination": entries[0]["destination"], "state": "absent"}
    for options in ({"images": entries[:1], "prune": "lock"}, {"images": [absent]}):
        result = sync(**options, **lock)
        assert result["failed"] and "No space left" in result["msg"]
        assert (result["changed"], result["pruned"]) == (False, [])
        assert {path: path.read_bytes() for path in before} == before


def test_what_gets_another_image_while_it_is_deleted_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, lock = _many(tmp_path, 3)
    commit = layout_writing.LayoutWriter.commit

    def at_last(self: Any, change: Any) -> None:
        monkeypatch.setattr(layout_writing.LayoutWriter, "commit", commit)
        write_layout(tmp_path / "c", {"x:1": OTHER})
        copy(tmp_path / "c", tmp_path / "b")
        commit(self, change)

    monkeypatch.setattr(layout_writing.LayoutWriter, "commit", at_last)
    sync(images=entries[:1], prune="lock", **lock)
    assert names(tmp_path / "b").keys() == {"x:0", "x:1"}
    assert names(tmp_path / "b")["x:1"] == OTHER.digest
    check = sync(images=[{**entries[1], "source": f"oci:{tmp_path}/c:x:1"}], integrity="blobs")
    assert not check["changed"]


def test_nothing_is_swept_while_others_are_there(tmp_path: Path) -> None:
    write_layout(tmp_path / "b", {"x:1": IMAGE, "y:1": OTHER})
    ready, done = tmp_path / "ready", tmp_path / "done"

    def use() -> None:
        import fcntl

        with open(tmp_path / "b" / "oci-layout") as marker:
            fcntl.flock(marker, fcntl.LOCK_SH)
            ready.touch()
            wait_until(done.exists, "the other process")

    child = _fork(use)
    wait_until(ready.exists, "the other process")
    result = sync(destination=f"oci:{tmp_path}/b:x:1", state="absent")
    done.touch()
    assert os.waitpid(child, 0)[1] == 0

    assert result["changed"] and "another process uses it" in result["warnings"][0]
    assert stored(tmp_path / "b") == layouts.parts(IMAGE, OTHER)
    sync(destination=f"oci:{tmp_path}/b:y:1", state="absent")
    assert stored(tmp_path / "b") == set()


# integrity


def test_integrity_repairs_what_is_damaged(tmp_path: Path) -> None:
    write_layout(tmp_path / "a", {"y:2": OTHER})
    child = OTHER.children[0]
    damage = {
        "manifests": lambda f: blob_file(f, child.digest).unlink(),
        "blobs": lambda f: blob_file(f, child.blobs[1].digest).write_bytes(
            b"x" * len(child.blobs[1].data)
        ),
        "blobs, gone": lambda f: blob_file(f, child.blobs[0].digest).unlink(),
    }
    for number, (kind, spoil) in enumerate(damage.items()):
        folder = tmp_path / f"b{number}"
        copy(tmp_path / "a", folder, "y:2")
        spoil(folder)
        assert copy(tmp_path / "a", folder, "y:2")["reason"] == "in_sync"
        depth = kind.partition(",")[0]
        repaired = copy(tmp_path / "a", folder, "y:2", integrity=depth)
        assert repaired["reason"] == "incomplete", kind
        layouts.check_valid(folder)
        assert stored(folder) == layouts.parts(OTHER)
        assert not copy(tmp_path / "a", folder, "y:2", integrity="blobs")["changed"]


def test_what_only_seemed_to_be_there_is_brought(tmp_path: Path) -> None:
    """The old image of a moved name tells what is there, and is wrong."""
    base = images.image("seeming", layers=1).blobs[1]
    old, new = (images.image(f"seeming {n}", layers=[base, images.layer(n)]) for n in "on")
    write_layout(tmp_path / "a", {"x:1": new})
    folder = write_layout(tmp_path / "b", {"x:1": old})
    blob_file(folder, base.digest).unlink()

    assert copy(tmp_path / "a", folder)["reason"] == "digest_differs"

    layouts.check_valid(folder)
    assert copy(tmp_path / "a", folder, integrity="blobs")["reason"] == "in_sync"
