# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in archives: those of OCI, to read and to write, and those of Docker, to read."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import sys
import tarfile
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    read_settings,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores import (
    archive,
    archive_writing,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.files import TEMPORARY
from ansible_collections.imagesync.registry.plugins.module_utils.sync import inspect
from tests.support import images, layouts, skopeo
from tests.support.content import Image, sha256, to_json
from tests.support.sides import Sides
from tests.support.sync import sync

A, B = images.image("archive a", layers=2), images.multi_platform("archive b")


def plain_image(seed: str, *shared: Any) -> Image:
    """One whose layers aren't compressed, as Docker keeps them."""
    return images.image(seed, layers=[*shared, *layouts.uncompressed([(seed, seed.encode())])])


SHARED = layouts.uncompressed([("shared", b"shared" * 100)])[0]
ONE, TWO = plain_image("docker one", SHARED), plain_image("docker two", SHARED)
SAVED = {"team/one:1": ONE, "two:2": TWO}


def digests_in(path: Path) -> set[str]:
    """The digests of an archive's blobs; its members must be sorted and have no times."""
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert [m.name for m in members][:2] == ["oci-layout", "index.json"]
        assert [m.name for m in members][2:] == sorted(m.name for m in members[2:])
        assert all((m.mtime, m.uid, m.uname, m.mode) == (0, 0, "", 0o644) for m in members)
        found = set()
        for member in members[2:]:
            data = tar.extractfile(member)
            assert data is not None
            digest = sha256(data.read())
            assert member.name == f"blobs/{digest.replace(':', '/')}"
            found.add(digest)
        return found


def put(source: Path, target: Path, name: str, **more: Any) -> dict[str, Any]:
    return sync(source=f"oci:{source}:{name}", destination=f"oci-archive:{target}:{name}", **more)


def unread(path: Path) -> tuple[int, int, int]:
    """What tells that a file wasn't written, though it may have been read."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_mode


# archives of OCI


def test_an_archive_is_written_as_a_whole_and_only_when_it_changes(tmp_path: Path) -> None:
    layouts.write_layout(tmp_path / "a", {"x:1": A, "y:2": B})
    target = tmp_path / "out" / "bundle.tar"
    target.parent.mkdir()
    told = put(tmp_path / "a", target, "x:1", check_mode=True)
    assert told["changed"] and not target.exists()

    assert put(tmp_path / "a", target, "x:1")["blobs_copied"] == 3
    target.chmod(0o640)
    first = unread(target)
    assert digests_in(target) == layouts.parts(A)
    assert not put(tmp_path / "a", target, "x:1", integrity="blobs")["changed"]
    assert unread(target) == first
    assert put(tmp_path / "a", target, "y:2")["changed"]
    assert digests_in(target) == layouts.parts(A, B)
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(target.parent.iterdir()) == [target]

    # the same images, in another order, are the same bytes
    for name in ("y:2", "x:1"):
        put(tmp_path / "a", tmp_path / "out" / "other.tar", name)
    assert (tmp_path / "out" / "other.tar").read_bytes() == target.read_bytes()
    skopeo.run("copy", "--all", f"oci-archive:{target}:y:2", f"dir:{tmp_path}/judge")
    assert sha256((tmp_path / "judge" / "manifest.json").read_bytes()) == B.digest

    gone = sync(destination=f"oci-archive:{target}:y:2", state="absent")
    assert gone["reason"] == "removed"
    assert digests_in(target) == layouts.parts(A)


def test_an_archive_goes_to_a_registry(sides: Sides, tmp_path: Path) -> None:
    sides.source.push(B)
    bundle = f"oci-archive:{tmp_path}/b.tar:quay.io/team/b:1"
    there = sync(source=sides.source.ref(), destination=bundle)
    assert there["id"] == f"oci-archive:{tmp_path}/b.tar@{B.digest}"
    assert sync(source=bundle, destination=sides.destination.ref(""))["digest"] == B.digest
    assert sides.destination.has_whole(B)


def test_what_others_wrote_into_an_archive_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.write_layout(tmp_path / "a", {"x:1": A, "y:2": B})
    target = tmp_path / "b.tar"
    layouts.write_archive(target, {"old:1": A})
    # debris of a process that was killed
    (tmp_path / f".b.tar{TEMPORARY}dead" / "blobs").mkdir(parents=True)
    finish = archive_writing.ArchiveWriter.finish
    once = threading.Lock()

    def late(writer: archive_writing.ArchiveWriter) -> None:
        if once.acquire(blocking=False):
            put(tmp_path / "a", target, "y:2")
        finish(writer)

    monkeypatch.setattr(archive_writing.ArchiveWriter, "finish", late)
    assert put(tmp_path / "a", target, "x:1")["changed"]

    assert once.locked()
    assert digests_in(target) == layouts.parts(A, B)
    assert sync(source=f"oci-archive:{target}", destination=f"oci:{tmp_path}/all")["changed"]
    assert set(layouts.names(tmp_path / "all")) == {"old:1", "x:1", "y:2"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "all", "b.tar"]


def test_an_archive_that_can_not_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.write_layout(tmp_path / "a", {"x:1": A})
    target = layouts.write_archive(tmp_path / "b.tar", {"old:1": B})
    before = target.read_bytes()

    def full(*_given: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        result = put(tmp_path / "a", target, "x:1", lock_file=str(tmp_path / "lock.json"))
    assert result["failed"] and not result["changed"]
    assert str(target) in result["msg"] and "No space left on device" in result["msg"]
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b.tar"]
    packed = tmp_path / "b.tar.gz"
    packed.write_bytes(gzip.compress(before))
    result = put(tmp_path / "a", packed, "x:1")
    assert "is compressed, and can only be read" in result["msg"]


@pytest.mark.parametrize("begins", [False, True], ids=["grows", "begins"])
def test_a_full_disk_leaves_the_old_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    """Whatever it is that finds no space."""
    layouts.write_layout(tmp_path / "a", {"x:1": A})
    target = tmp_path / "out" / "b.tar"
    target.parent.mkdir()
    if not begins:
        layouts.write_archive(target, {"old:1": B})
    before = target.read_bytes() if target.exists() else None
    number, failures = 0, 0
    count = [1]
    while count[0] >= number:
        number += 1
        count[0] = 0

        def fail(number: int = number) -> None:
            count[0] += 1
            if count[0] == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            for name in ("fsync", "rename", "mkdir", "replace"):
                original = getattr(os, name)
                patched.setattr(
                    os,
                    name,
                    lambda *given, original=original, **more: (fail(), original(*given, **more))[1],
                )
            result = put(tmp_path / "a", target, "x:1", concurrency=1)
        assert sorted(p.name for p in target.parent.iterdir()) == ["b.tar"] * target.exists()
        if result.get("failed"):
            failures += 1
            assert "No space left on device" in result["msg"] and not result["changed"]
        now = target.read_bytes() if target.exists() else None
        if now != before:  # but for the last fsync, it was done
            assert digests_in(target) == layouts.parts(A, *[] if begins else [B])
            target.unlink()
            if before is not None:
                target.write_bytes(before)
    assert failures > 10


# archives of Docker


@pytest.mark.parametrize("new", [False, True], ids=["old form", "new form"])
def test_docker_archives_have_one_digest_on_every_run(
    sides: Sides, tmp_path: Path, new: bool
) -> None:
    path = tmp_path / "saved.tar"
    path.write_bytes(layouts.docker_archive(SAVED, new))
    source = f"docker-archive:{path}:team/one:1"
    root = sides.destination.ref("")

    first = sync(source=source, destination=root)
    assert (first["changed"], first["destination"]) == (True, f"{root}:1")
    # what else is in the archive, and in which order, doesn't matter
    (tmp_path / "again.tar").write_bytes(layouts.docker_archive({"team/one:1": ONE}, new))
    again = sync(source=f"docker-archive:{tmp_path}/again.tar", destination=root)
    assert (again["reason"], again["digest"]) == ("in_sync", first["digest"])
    if new:
        assert first["digest"] == ONE.digest
    manifest = skopeo.raw_manifest(f"{sides.destination.host}/{sides.destination.repository}:1")
    assert sha256(manifest) == first["digest"]
    document = Image(manifest, "").document
    assert document["config"]["digest"] == ONE.blobs[0].digest
    assert [(one["mediaType"], one["digest"]) for one in document["layers"]] == [
        ("application/vnd.oci.image.layer.v1.tar", layer.digest) for layer in ONE.blobs[1:]
    ]
    skopeo.verify_whole(f"{sides.destination.host}/{sides.destination.repository}:1")


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def test_compressed_archives_of_many_images(tmp_path: Path) -> None:
    """As k3s and RKE2 bring them."""
    plain = layouts.docker_archive(SAVED)
    (tmp_path / "plain.tar").write_bytes(plain)
    wanted = sync(source=f"docker-archive:{tmp_path}/plain.tar", destination=f"oci:{tmp_path}/b")
    assert [one["source"].partition(".tar:")[2] for one in wanted["images"]] == list(SAVED)
    for kind, pack in PACKED.items():
        path = tmp_path / f"images.{kind}"
        path.write_bytes(pack(plain))
        found = sync(source=f"docker-archive:{path}", destination=f"oci:{tmp_path}/{kind}")
        digests = [one["digest"] for one in found["images"]]
        assert digests == [one["digest"] for one in wanted["images"]]
        layouts.check_valid(tmp_path / kind)
        # written by any name for it
        one = sync(
            source=f"docker-archive:{path}:docker.io/library/two:2",
            destination=f"oci:{tmp_path}/{kind}:x:1",
        )
        assert one["digest"] == digests[1]
        path.write_bytes(pack(plain)[:-100])
        cut = sync(source=f"docker-archive:{path}", destination=f"oci:{tmp_path}/cut")
        assert f"can't be decompressed ({kind})" in cut["msg"]


def test_zstd_where_python_has_it_and_a_clear_word_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = layouts.docker_archive({"two:2": TWO})
    path = tmp_path / "images.tar.zst"
    path.write_bytes(archive._ZSTD + plain)
    options = {"source": f"docker-archive:{path}", "destination": f"oci:{tmp_path}/b:x:1"}
    for name in ("compression", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)
    refused = sync(**options)
    assert "needs Python 3.14" in refused["msg"] and "unzstd" in refused["msg"]

    class Decompressor:
        """Stands in for the package's, which takes away what we put in front."""

        def stream_reader(self, file: Any, read_across_frames: bool) -> Any:
            assert read_across_frames
            file.seek(len(archive._ZSTD))
            return _Context(file)

    package = types.ModuleType("zstandard")
    package.ZstdDecompressor = Decompressor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zstandard", package)
    assert sync(**options)["changed"]


class _Context:
    """What a stream reader is."""

    def __init__(self, file: Any) -> None:
        self.read = file.read

    def __enter__(self) -> _Context:
        return self

    def __exit__(self, *_given: object) -> None:
        """Nothing to close."""


def test_layers_that_are_compressed_stay_so(tmp_path: Path) -> None:
    """Not docker, but crane and others write them so."""
    config, layer = A.blobs[0], A.blobs[1]
    diff_ids = [f"sha256:{number:064x}" for number in range(1)]
    own = to_json({"rootfs": {"type": "layers", "diff_ids": diff_ids}, "os": "linux"})
    files = {"c.json": own, "l.tar.gz": layer.data}
    listed = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l.tar.gz"]}]
    (tmp_path / "crane.tar").write_bytes(layouts.tar({**files, "manifest.json": to_json(listed)}))
    result = sync(source=f"docker-archive:{tmp_path}/crane.tar", destination=f"oci:{tmp_path}/b:1")
    assert result["changed"] and config.digest not in layouts.stored(tmp_path / "b")
    assert layer.digest in layouts.stored(tmp_path / "b")


def test_what_skopeo_saves_is_read(sides: Sides, tmp_path: Path) -> None:
    sides.source.push(ONE)
    target = f"docker-archive:{tmp_path}/s.tar:docker.io/team/one:1"
    ref = f"docker://{sides.source.host}/{sides.source.repository}:1"
    skopeo.run("copy", "--src-tls-verify=false", ref, target)
    result = sync(source=target, destination=f"oci:{tmp_path}/b")
    assert result["id"].startswith(f"oci:{tmp_path}/b@")
    assert layouts.stored(tmp_path / "b") >= {blob.digest for blob in ONE.blobs}


def _saved(**changes: Any) -> bytes:
    """An archive of one image in which something is wrong."""
    config = ONE.blobs[0]
    files = {"c.json": config.data, "l1": SHARED.data, "l2": ONE.blobs[2].data}
    image = {"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l1", "l2"], **changes}
    return layouts.tar({**files, "manifest.json": to_json([image])})


BROKEN: dict[str, tuple[bytes, str]] = {
    "no tar": (b"this is no tar file at all" * 100, "no tar file that can be read"),
    "empty": (b"", "no tar file that can be read"),
    "cut off": (_saved()[:-11000], "cut off"),
    "without list": (layouts.tar({"x": b"y"}), "no manifest.json"),
    "no list": (layouts.tar({"manifest.json": b"{}"}), "no list of images"),
    "no image": (layouts.tar({"manifest.json": b'["x"]'}), "has no Config"),
    "config missing": (_saved(Config="../../../etc/passwd"), "isn't in the archive"),
    "layer missing": (_saved(Layers=["l1", "/etc/passwd"]), "isn't in the archive"),
    "too few layers": (_saved(Layers=["l1"]), "names 2 layers, and there are 1"),
    "layers exchanged": (_saved(Layers=["l2", "l1"]), "has the digest"),
    "no such name": (_saved(RepoTags=["other:1"]), "doesn't exist"),
    "xz for a layer": (
        layouts.tar(
            {
                "c.json": ONE.blobs[0].data,
                "l1": lzma.compress(b"x"),
                "manifest.json": to_json(
                    [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l1", "l1"]}]
                ),
            }
        ),
        "is compressed with xz",
    ),
    "links without end": (
        layouts.tar(
            {"manifest.json": to_json([{"Config": "a", "RepoTags": ["x:1"], "Layers": []}])},
            {"a": "b", "b": "a"},
        ),
        "isn't in the archive",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_archives_are_refused(tmp_path: Path, kind: str) -> None:
    content, reason = BROKEN[kind]
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    result = sync(source=f"docker-archive:{path}:x:1", destination=f"oci:{tmp_path}/b:1")
    assert result["failed"] and reason in result["msg"], result["msg"]
    assert str(path) in result["msg"]
    assert not (tmp_path / "b").exists() or not layouts.names(tmp_path / "b")


def test_what_is_no_archive_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo")
    bomb = tmp_path / "bomb.tar.gz"
    bomb.write_bytes(gzip.compress(bytes(5_000_000)))
    monkeypatch.setattr(archive, "_ANY_GROWTH", 1000)
    for name, reason in {
        "fifo": "is no file",
        "missing": "doesn't exist",
        ".": "is no file",
        "bomb.tar.gz": "200 times as large",
    }.items():
        for kind in ("oci-archive", "docker-archive"):
            result = sync(source=f"{kind}:{tmp_path}/{name}", destination=f"oci:{tmp_path}/b:1")
            assert reason in result["msg"], result["msg"]
    with pytest.raises(ImageSyncError, match="can only be read, not written"):
        sync(source="busybox:1", destination=f"docker-archive:{tmp_path}/x.tar:1")


# looking


def test_looking_at_images_on_disk(tmp_path: Path) -> None:
    (tmp_path / "d.tar").write_bytes(layouts.docker_archive(SAVED, True))
    layouts.write_layout(tmp_path / "a", {"quay.io/a:1.0.0": A, "quay.io/a:1.1.0": B})
    layouts.write_archive(tmp_path / "o.tar", {"": B})
    settings = read_settings({"concurrency": 4, "retries": 0, "timeout": 5})
    texts = [
        f"oci:{tmp_path}/a:quay.io/a:1.0.0",
        f"oci:{tmp_path}/a@{B.digest}",
        f"oci-archive:{tmp_path}/o.tar",
        f"docker-archive:{tmp_path}/d.tar:two:2",
        f"oci:{tmp_path}/a:quay.io/a:none",
        f"oci:{tmp_path}/none:x",
    ]
    references = [parse_reference(text) for text in texts]
    wanted = [A.digest, B.digest, B.digest, TWO.digest, None, None]
    assert inspect.digests(references, settings, None, pytest.fail) == wanted
    found, numbers = inspect.describe(references, settings, True)
    assert [one.get("digest") for one in found] == wanted
    assert [one["exists"] for one in found] == [True] * 4 + [False] * 2
    assert found[1]["id"] == f"oci:{tmp_path}/a@{B.digest}"
    assert found[0]["size"] == A.size and numbers["requests"] == {}
    with pytest.raises(ImageSyncError, match="2 images are in it; name one of them"):
        inspect.digests([parse_reference(f"oci:{tmp_path}/a")], settings, None, pytest.fail)
