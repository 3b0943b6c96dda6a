# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock file that others write at the same time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors import image_sync
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import Lock, Locked
from ansible_collections.imagesync.registry.plugins.module_utils.sync import alone as module
from ansible_collections.imagesync.registry.plugins.module_utils.sync.alone import alone
from ansible_collections.imagesync.registry.plugins.module_utils.sync.lock_file import LockFile
from ansible_collections.imagesync.registry.tests.unit.support import A, B

C = "sha256:" + "c" * 64
FLOCK = fcntl.flock


def _locked(digest: str) -> Locked:
    return Locked("docker.io/library/a:1", digest, digest, "", ())


def _key(name: str) -> str:
    return f"r.example/{name}:1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock.json"


@pytest.fixture
def file(path: Path) -> LockFile:
    LockFile(str(path)).update(_lock(a=A, b=A))
    return LockFile(str(path))


def _lock(**entries: str) -> Lock:
    lock = Lock()
    lock.images = {_key(name): _locked(digest) for name, digest in entries.items()}
    return lock


def _digests(file: LockFile) -> dict[str, str]:
    return {key[10:-2]: locked.digest for key, locked in file.read().images.items()}


def test_what_another_run_has_written_stays(file: LockFile, path: Path) -> None:
    first, second = file.read(), file.read()
    first.images[_key("a")] = _locked(B)
    second.images[_key("new")] = _locked(C)
    second.images.pop(_key("b"))
    assert file.update(second) == []
    assert file.update(first) == []
    assert _digests(file) == {"a": B, "new": C}
    # what is returned and shown is what was written
    assert first.text() == path.read_text() and _key("new") in first.text_before()
    assert os.listdir(path.parent) == [path.name]


def test_what_both_have_written_alike_is_written_once(file: LockFile, path: Path) -> None:
    first, second = file.read(), file.read()
    for lock in (first, second):
        lock.images[_key("a")] = _locked(B)
    file.update(second)
    before = path.stat()
    assert file.update(first) == [] and not first.changed
    assert os.path.samestat(before, path.stat())


def test_what_both_have_changed_is_told(file: LockFile) -> None:
    first, second = file.read(), file.read()
    first.images = {_key("a"): _locked(B)}
    second.images = {_key("a"): _locked(C), _key("b"): _locked(C)}
    file.update(second)
    as_left, kept = file.update(first)
    assert as_left.endswith(f"as this one left them: {_key('a')}")
    assert kept.endswith(f"where this one removed an image: {_key('b')}")
    assert "lock_file /" in kept and "belongs to one task" in kept
    assert _digests(file) == {"a": B, "b": C}


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', "<<<<<<< HEAD\n"])
def test_what_is_no_lock_any_more_is_left_alone(file: LockFile, path: Path, content: str) -> None:
    lock = file.read()
    lock.images[_key("a")] = _locked(B)
    path.write_text(content)
    with pytest.raises(InvalidInput, match="at their places nevertheless") as caught:
        file.update(lock)
    assert "it was left alone" in str(caught.value)
    assert path.read_text() == content


def test_a_file_that_is_gone_is_written_whole(file: LockFile, path: Path) -> None:
    """What it knew isn't lost with it: pruning goes by that."""
    lock = file.read()
    lock.images[_key("a")] = _locked(B)
    path.unlink()
    assert file.update(lock)[0].endswith("was gone at the end of this run, and was written again")
    assert _digests(file) == {"a": B, "b": A}
    # nothing is left to be written
    lock = file.read()
    lock.images.clear()
    path.unlink()
    assert file.update(lock)[0].endswith("was gone at the end of this run") and not lock.changed
    assert not path.exists()


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    file = LockFile(str(tmp_path / "no" / "lock"), "mirror_lock_file")
    with pytest.raises(InvalidInput, match=r"mirror_lock_file /.*No such file"):
        file.update(_lock(a=A))


def test_a_folder_that_may_not_be_read(
    file: LockFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files may be replaced all the same; what it is locked by is the file."""
    lock = file.read()
    lock.images[_key("a")] = _locked(B)
    original, refused = os.open, []

    def refusing(name: str, flags: int, *args: int) -> int:
        if flags & os.O_DIRECTORY:
            refused.append(name)
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(name, flags, *args)

    def unlisted(name: str) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        patch.setattr(os, "listdir", unlisted)
        assert file.update(lock) == []
    assert refused == [str(path.parent)] and _digests(file) == {"a": B, "b": A}


def test_a_folder_that_may_not_be_written_to(
    file: LockFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told at once; who wants what is locked, and no change of that, may go on."""
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    options = {"lock_file": file.path}
    with pytest.raises(InvalidInput, match="can't be written to"):
        image_sync._locking(options)
    locking = image_sync._locking({**options, "lock_mode": "frozen"})
    assert locking.frozen and locking.lock and len(locking.lock.images) == 2


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(InvalidInput, match="isn't a file"):
            LockFile(str(tmp_path / name)).load()


class FileSystem:
    """What flock(2) answers there, and which kinds of files were locked."""

    def __init__(self, *lockable: str) -> None:
        self.lockable, self.locked = lockable, list[str]()

    def flock(self, handle: int, operation: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        if kind not in self.lockable and not operation & fcntl.LOCK_UN:
            raise OSError(errno.EBADF if kind == "folder" else errno.ENOLCK, "no locks")
        FLOCK(handle, operation)
        self.locked.append(kind)


@pytest.mark.parametrize("lockable", [("folder",), ("file",), ()])
def test_every_file_system_will_do(
    file: LockFile, monkeypatch: pytest.MonkeyPatch, lockable: tuple[str, ...]
) -> None:
    """As NFS locks files only, and some lock nothing."""
    there = FileSystem(*lockable)
    lock = file.read()
    lock.images[_key("c")] = _locked(C)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", there.flock)
        with alone(file.path):
            # the file that is written is locked besides
            assert there.locked == list(lockable)
        file.update(lock)
    assert _digests(file) == {"a": A, "b": A, "c": C}


def test_a_file_that_was_replaced_is_locked_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("old")
    (path.parent / "next").write_text("new")
    locked = []

    def flock(handle: int, operation: int) -> None:
        FileSystem("file").flock(handle, operation)
        locked.append(os.pread(handle, 9, 0))
        if len(locked) == 1:  # whoever had the lock has replaced the file
            os.replace(path.parent / "next", path)

    monkeypatch.setattr(fcntl, "flock", flock)
    with alone(str(path)):
        assert locked == [b"old", b"new"]


def test_who_holds_it_for_long_is_not_waited_for(
    file: LockFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run under flock(1) may hold the folder itself."""
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    lock = file.read()
    lock.images[_key("c")] = _locked(C)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        file.update(lock)
    finally:
        os.close(handle)
    assert _key("c") in file.read().images


@pytest.mark.parametrize("lockable", [("folder", "file"), ("file",)])
def test_many_at_once(
    file: LockFile, monkeypatch: pytest.MonkeyPatch, lockable: tuple[str, ...]
) -> None:
    """Processes that add an entry each time; between reading and replacing, they give way."""
    monkeypatch.setattr(fcntl, "flock", FileSystem(*lockable).flock)
    rebase = LockFile._rebase

    def slowly(self: LockFile, lock: Lock) -> list[str]:
        found = rebase(self, lock)
        os.sched_yield()
        return found

    monkeypatch.setattr(LockFile, "_rebase", slowly)
    children = [_forked(file, worker) for worker in range(3)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 3
    assert len(_digests(file)) == 2 + 3 * 5
    assert len(os.listdir(os.path.dirname(file.path))) == 1


def _forked(file: LockFile, worker: int) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        for number in range(5):
            lock = file.read()
            lock.images[_key(f"w{worker}-{number}")] = _locked(C)
            assert file.update(lock) == []
        status = 0
    finally:
        os._exit(status)
