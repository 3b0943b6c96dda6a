# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder that an image is built from: what of it counts, its digest, and a copy of it.

What is built is a copy of just the files that were hashed, so that the digest is true of it
whatever happens to the folder meanwhile, and whatever the builder makes of the ignore file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from ..model.errors import DiskError, InvalidInput
from ..model.ignore_rules import IgnoreRules

_PIECE = 1 << 20
_IGNORE_FILES = (".containerignore", ".dockerignore")
#: as much as is read of a Containerfile or an ignore file
_TEXT_LIMIT = 4 << 20
CONTAINERFILES = ("Containerfile", "Dockerfile")


class _Entry(NamedTuple):
    """What is at a path of the context: its name there, and on this machine."""

    path: str
    place: str
    mode: int


class BuildContext:
    """A folder to build from.

    ``check``: called now and then, to end the work by raising. ``file``: the Containerfile in it,
    beside which there may be an ignore file for it alone.
    """

    def __init__(self, root: str, file: str, check: Callable[[], None]) -> None:
        self._root, self._check = os.path.realpath(os.path.expanduser(root)), check
        if not os.path.isdir(self._root):
            raise InvalidInput(f"context {root} isn't a folder on this host")
        self._file = file

    def containerfile(self) -> str:
        """The text of the Containerfile; raises InvalidInput."""
        names = [self._file] if self._file else list(CONTAINERFILES)
        for name in names:
            place = os.path.join(self._root, os.path.expanduser(name))
            if os.path.isfile(place):
                # messages show what is in it
                self._check_link(place, "the Containerfile")
                return read_text_file(place, "the Containerfile")
        raise InvalidInput(f"the context {self._root} has no file {' or '.join(names)}")

    def _check_link(self, place: str, what: str) -> None:
        """Raises InvalidInput where something in the context is a link to something outside."""
        inside = f"{self._root.rstrip('/')}/"
        named, real = os.path.normpath(place), os.path.realpath(place)
        if named.startswith(inside) and not real.startswith(inside):
            raise InvalidInput(f"{what} {named} is a link that leads out of the context")

    def digest(self) -> str:
        """Of all that counts: names, modes, contents and links; no times and no owners."""
        return self._walk(None)

    def copy(self, destination: str) -> str:
        """Copies what counts into a new folder; the digest of what was copied."""
        return self._walk(destination)

    def _walk(self, destination: str | None) -> str:
        whole = hashlib.sha256()
        folders: list[tuple[str, str]] = []
        try:
            if destination is not None:
                os.mkdir(destination, 0o755)
            for entry in self._entries():
                self._check()
                target = None if destination is None else os.path.join(destination, entry.path)
                described = self._take(entry, target)
                whole.update(json.dumps(described).encode() + b"\n")
                if target is not None and stat.S_ISDIR(entry.mode):
                    folders.append((entry.place, target))
            # a folder gets its own mode and time when all is in it
            for place, target in reversed(folders):
                shutil.copystat(place, target)
        except OSError as error:
            raise DiskError(
                f"the context can't be read: {error.filename or self._root}: {error.strerror}"
            ) from None
        return f"sha256:{whole.hexdigest()}"

    def _entries(self) -> Iterator[_Entry]:
        rules = self._rules()
        folders = [("", self._root)]
        while folders:
            above, folder = folders.pop()
            below = []
            for name in sorted(os.listdir(folder)):
                path = f"{above}{name}"
                place = os.path.join(folder, name)
                mode = os.lstat(place).st_mode
                folder_here = stat.S_ISDIR(mode)
                if rules.leaves_out(path) and not (
                    folder_here and _keeps_below(rules, path, place)
                ):
                    continue
                yield _Entry(path, place, mode)
                if folder_here:
                    below.append((f"{path}/", place))
            folders += reversed(below)

    def _rules(self) -> IgnoreRules:
        own = [f"{self._file or CONTAINERFILES[0]}{name}" for name in _IGNORE_FILES]
        for name in (*own, *_IGNORE_FILES):
            place = os.path.join(self._root, name)
            if os.path.isfile(place):
                self._check_link(place, "the ignore file")
                return IgnoreRules(read_text_file(place, "the ignore file").splitlines())
        return IgnoreRules()

    def _take(self, entry: _Entry, target: str | None) -> list[Any]:
        """What counts of an entry; it is copied to ``target`` meanwhile."""
        # names needn't be text
        name = os.fsencode(entry.path).decode("latin-1")
        bits = stat.S_IMODE(entry.mode)
        if stat.S_ISLNK(entry.mode):
            link = os.readlink(entry.place)
            if target is not None:
                os.symlink(link, target)
            return ["link", name, os.fsencode(link).decode("latin-1")]
        if stat.S_ISDIR(entry.mode):
            if target is not None:
                os.mkdir(target, 0o700)
            return ["folder", name, bits]
        if not stat.S_ISREG(entry.mode):
            return ["special", name]  # sockets and the like, which builders leave out
        return ["file", name, bits, self._content(entry, target)]

    def _content(self, entry: _Entry, target: str | None) -> str:
        whole = hashlib.sha256()
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(entry.place, flags), "rb") as source:
            if target is None:
                for piece in iter(lambda: source.read(_PIECE), b""):
                    self._check()
                    whole.update(piece)
                return whole.hexdigest()
            with open(target, "wb") as copy:
                for piece in iter(lambda: source.read(_PIECE), b""):
                    self._check()
                    whole.update(piece)
                    copy.write(piece)
        shutil.copystat(entry.place, target)
        return whole.hexdigest()


def _keeps_below(rules: IgnoreRules, path: str, place: str) -> bool:
    """Whether a folder that is left out has something in it that isn't."""
    if not rules.has_exceptions:
        return False
    for folder, _folders, files in os.walk(place):
        inner = os.path.relpath(folder, place)
        prefix = path if inner == "." else f"{path}/{inner}"
        names = [prefix, *(f"{prefix}/{name}" for name in files)]
        if not all(rules.leaves_out(name) for name in names):
            return True
    return False


def read_text_file(place: str, what: str) -> str:
    """A file of text; raises InvalidInput, which names ``what``."""
    try:
        with open(place, "rb") as file:
            raw = file.read(_TEXT_LIMIT + 1)
    except OSError as error:
        raise InvalidInput(f"{what} {place} can't be read: {error.strerror}") from None
    if len(raw) > _TEXT_LIMIT:
        raise InvalidInput(f"{what} {place} is larger than {_TEXT_LIMIT >> 20} MiB")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{what} {place} isn't text in UTF-8") from None
