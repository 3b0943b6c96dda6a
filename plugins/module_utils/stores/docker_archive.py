# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``docker save`` writes, read as if it were an OCI image layout.

https://github.com/moby/docker-image-spec, "Combined Image JSON + Filesystem Changeset Format". Old
archives have a file for each layer and no manifests, so we make these: from the same archive always
the same ones. Layers stay as they are, which is uncompressed nearly always. Archives of Docker 25
and later are layouts too; an image that is whole there is taken as it is.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import threading
from collections.abc import Mapping
from typing import Any

from ..model.digest import digest_of, is_digest
from ..model.errors import InvalidContent
from ..model.layout import MARKER as MARKER_TEXT
from ..model.layout import REF_NAME, Entry, LayoutIndex, full_name, read_entry
from ..model.manifest import OCI_MANIFEST, SIZE_LIMIT
from ..model.strict_json import check_amount, parse_object, to_json
from .archive import TarFiles, compression_of
from .files import File, Files
from .layout_files import INDEX, MARKER, blob_path, read_index
from .marking import used

_LIST = "manifest.json"
_LIST_LIMIT = 64 << 20
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_SUFFIXES = {"": "", "gzip": "+gzip", "zstd": "+zstd"}
#: what containers/image and others accept
_MOST_IMAGES, _MOST_LAYERS = 10_000, 10_000
#: where made-up content is kept: a file of its own for each
_Made = dict[str, bytes]


class DockerArchiveFiles(Files):
    """See Files: the files of the layout that the archive would be."""

    def __init__(self, tar: TarFiles) -> None:
        self._tar, self.where = tar, tar.where
        self._lock = threading.Lock()
        self._made: _Made = {}
        #: blobs that are in the archive under other names
        self._elsewhere: dict[str, str] = {}
        self._read = False
        #: digests of layers that had to be hashed
        self._hashed: dict[str, str] = {}

    def exists(self) -> bool:
        """See Files."""
        return self._tar.exists()

    def state(self, name: str) -> object:
        """See Files."""
        return self._tar.state(name)

    def size(self, name: str) -> int | None:
        """See Files."""
        self._load()
        return len(self._made[name]) if name in self._made else super().size(name)

    def read(self, name: str, limit: int) -> bytes | None:
        """See Files."""
        self._load()
        return self._made[name] if name in self._made else super().read(name, limit)

    def open(self, name: str) -> File | None:
        """See Files."""
        self._load()
        if name in self._made:
            return _Memory(self._made[name], f"{self.where}:{name}")
        return self._tar.open(self._elsewhere.get(name, name))

    def close(self) -> None:
        """See Files."""
        self._tar.close()

    # making the layout

    def _load(self) -> None:
        with self._lock:
            if self._read or not self._tar.exists():
                return
            there = read_index(self._tar) if self._tar.size(MARKER) is not None else None
            entries: list[Entry] = []
            for number, image in enumerate(self._images()):
                where = f"{self.where}:{_LIST}, image {number}"
                entries += self._entries(image, there or LayoutIndex(), where)
            self._made[INDEX] = LayoutIndex(entries).raw()
            self._made[MARKER] = MARKER_TEXT
            self._read = True

    def _images(self) -> list[Any]:
        raw = self._tar.read(_LIST, _LIST_LIMIT)
        if raw is None:
            hint = "; oci-archive: is for OCI image layouts" if self._tar.size(MARKER) else ""
            raise InvalidContent(
                f"{self.where} is no archive of docker save: it has no {_LIST}{hint}"
            )
        check_amount(raw, f"{self.where}: {_LIST}")
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or len(found) > _MOST_IMAGES:
            raise InvalidContent(f"{self.where}: {_LIST} has no list of images")
        return found

    def _entries(self, image: Any, there: LayoutIndex, where: str) -> list[Entry]:
        """One for each of the image's names."""
        names = image.get("RepoTags") if isinstance(image, dict) else None
        listed = names if isinstance(names, list) else []
        names = [name for name in listed if isinstance(name, str) and name]
        found, made = [], None
        for name in names or [""]:
            old = there.find(full_name(name)) if name else ()
            document = next((dict(o.document) for o in old if self._is_whole(o)), None)
            if document is None:
                made = made or self._make(image, where)
                document = dict(made)
            document["annotations"] = {REF_NAME: name} if name else {}
            found.append(read_entry(document, where))
        return found

    def _is_whole(self, entry: Entry) -> bool:
        """A platform that wasn't pulled may be missing from an index."""
        try:
            digests = used(self._tar, LayoutIndex([entry]))
        except InvalidContent:
            return False
        return all(self._tar.size(blob_path(digest)) is not None for digest in digests)

    def _make(self, image: Any, where: str) -> dict[str, Any]:
        """The descriptor of a manifest made for the image, and its blobs found."""
        config_name, layers = _text(image, "Config", where), image.get("Layers") or []
        if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
            raise InvalidContent(f"{where} has no list of layers")
        config = self._tar.read(posixpath.normpath(config_name), SIZE_LIMIT)
        if config is None:
            raise InvalidContent(f"{where}: its config {config_name[:200]} isn't in the archive")
        diff_ids = _diff_ids(config, f"{self.where}:{config_name}")
        if len(diff_ids) != len(layers):
            raise InvalidContent(
                f"{where}: the config names {len(diff_ids)} layers, and there are {len(layers)}"
            )
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._add(config, _CONFIG),
            "layers": [self._layer(*pair, where) for pair in zip(layers, diff_ids)],
        }
        return self._add(to_json(document), OCI_MANIFEST)

    def _add(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest = digest_of(content)
        self._made[blob_path(digest)] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _layer(self, name: Any, diff_id: str, where: str) -> dict[str, Any]:
        path = posixpath.normpath(name) if isinstance(name, str) else ""
        file = self._tar.open(path)
        if file is None:
            raise InvalidContent(f"{where}: its layer {str(name)[:200]} isn't in the archive")
        compression = compression_of(file.read(0, 8))
        if compression not in _SUFFIXES:
            raise InvalidContent(f"{where}: its layer {path} is compressed with {compression}")
        # what isn't compressed has the digest that the config names; it is checked when it is read
        digest = self._digest(path, file) if compression else diff_id
        self._elsewhere[blob_path(digest)] = path
        return {"mediaType": _LAYER + _SUFFIXES[compression], "digest": digest, "size": file.size}

    def _digest(self, path: str, file: File) -> str:
        if path not in self._hashed:
            check = hashlib.sha256()
            for piece in file.pieces(1 << 20):
                check.update(piece)
            self._hashed[path] = f"sha256:{check.hexdigest()}"
        return self._hashed[path]


class _Memory(File):
    """Content that isn't in any file."""

    def __init__(self, content: bytes, where: str) -> None:
        super().__init__(-1, 0, len(content), where, False)
        self._content = content

    def read(self, position: int, length: int) -> bytes:
        """See File."""
        return self._content[position : position + length]


def _text(value: Mapping[str, Any], key: str, where: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str) or not found:
        raise InvalidContent(f"{where} has no {key}")
    return found


def _diff_ids(config: bytes, where: str) -> list[str]:
    """The digests of the layers as they are when they aren't compressed."""
    rootfs = parse_object(config, where).get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    found = [] if found is None else found
    if not isinstance(found, list) or not all(isinstance(d, str) and is_digest(d) for d in found):
        raise InvalidContent(f"{where} has no valid list of layers (rootfs.diff_ids)")
    return found
