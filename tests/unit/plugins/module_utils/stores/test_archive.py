# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar files that somebody made in order to do harm."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    Cancelled,
    InvalidContent,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores.archive import TarFiles
from ansible_collections.imagesync.registry.plugins.module_utils.stores.docker_archive import (
    DockerArchiveFiles,
)

END = bytes(1024)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header as ``tarfile`` wouldn't write it: with any size."""
    info = tarfile.TarInfo(name)
    info.type = kind
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = b"\xff" + (size % 256**11).to_bytes(11, "big") if size < 0 else b"%011o\0" % size
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def pax(text: bytes) -> bytes:
    return header("p", len(text), tarfile.XHDTYPE) + text.ljust(512, b"\0")


#: a small file comes first, as a position of 0 ends the reading
FIRST = header("first", 0)
HOSTILE = {
    "a file of less than no bytes": FIRST + header("a", -512) + END,
    "the same, of a kind that isn't known": FIRST + header("a", -512, b"Z") + END,
    "the same in an attribute": FIRST + pax(b"13 size=-512\n") + header("a", 0) + END,
    "attributes of less than no bytes": header("a", -512, tarfile.XHDTYPE) + END,
    "a long name of less than no bytes": header("a", -512, tarfile.GNUTYPE_LONGNAME) + END,
    "attributes that don't end": header("a", 2 << 20, tarfile.XHDTYPE) + bytes(2 << 20) + END,
    "a name that doesn't end": header("a", 2 << 20, tarfile.GNUTYPE_LONGNAME) + b"a" * (2 << 20),
    "a map of holes that doesn't end": pax(
        b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n22 GNU.sparse.name=abc\n"
        b"27 GNU.sparse.realsize=512\n"
    )
    + header("a", 4 << 20)
    + b"9" * 18
    + b"\n"
    + b"1\n" * (2 << 20),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_headers_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(HOSTILE[kind])
    files = TarFiles(str(path))
    with pytest.raises(InvalidContent, match=r"a\.tar (is no tar file|has a file of less)"):
        files.size("a")
    files.close()


def test_long_names_and_attributes_of_real_archives_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    long = "b" * 3000
    with tarfile.open(path, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a", long, "c"):
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = 3, {"SCHILY.xattr.user.x": "y" * 100_000}
            archive.addfile(info, io.BytesIO(b"abc"))
    files = TarFiles(str(path))
    assert [files.read(name, 10) for name in ("a", long, "c", "d")] == [b"abc"] * 3 + [None]
    files.close()


@pytest.mark.parametrize("names", [5, "abc:1", {"a": 1}, [5, None, [], {}], None, True])
def test_names_of_a_docker_archive_that_are_no_names(tmp_path: Path, names: Any) -> None:
    path = tmp_path / "d.tar"
    listed = [{"Config": "config", "RepoTags": names, "Layers": []}]
    path.write_bytes(of(config=b"{}", **{"manifest.json": json.dumps(listed).encode()}))
    files = DockerArchiveFiles(TarFiles(str(path)))
    index = json.loads(files.read("index.json", 1 << 20) or b"")
    assert [entry.get("annotations") for entry in index["manifests"]] == [{}]
    files.close()


def test_decompressing_ends_with_the_run(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(of(a=bytes(5 << 20)), 1))
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled("the run is ending")

    files = TarFiles(str(path), check)
    with pytest.raises(Cancelled):
        files.size("a")
    assert files.size("a") == 5 << 20  # the next one begins anew
    files.close()
