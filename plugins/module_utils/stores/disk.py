# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a reference to images on this machine's disk to what holds them."""

from __future__ import annotations

import os

from ..model.reference import DOCKER_ARCHIVE, LAYOUT, Reference
from ..transport.client import Network
from .archive import TarFiles
from .archive_writing import ArchiveWriter, Overlay
from .base import Repository
from .docker_archive import DockerArchiveFiles
from .files import FolderFiles
from .layout import LayoutRepository
from .layout_files import Writer
from .layout_writing import LayoutWriter


def open_on_disk(reference: Reference, network: Network) -> Repository:
    """The layout or archive; nothing is looked at yet."""
    path = os.path.expanduser(reference.repository)
    if reference.transport == LAYOUT:
        writer = LayoutWriter(path, network.pace)
        return LayoutRepository(reference.name, FolderFiles(path), writer, network)
    tar = TarFiles(path, network.pace.check)
    if reference.transport == DOCKER_ARCHIVE:
        return LayoutRepository(reference.name, DockerArchiveFiles(tar), Writer(path), network)
    files = Overlay(tar)
    return LayoutRepository(reference.name, files, ArchiveWriter(files, network.pace), network)
