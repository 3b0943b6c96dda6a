# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the demo plays: between two registries, or two layouts on disk where none can be had."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ansible_collections.imagesync.registry.demo.registries import NoRegistry, two_registries
from ansible_collections.imagesync.registry.tests.support.content import Image
from ansible_collections.imagesync.registry.tests.support.layouts import blob_file, write_layout
from ansible_collections.imagesync.registry.tests.support.push import Repository, push


class Stage:
    """``source`` and ``destination``: references; ``told``: what the two places are."""

    def __init__(self, source: str, destination: str, told: str) -> None:
        self.source, self.destination, self.told = source, destination, told

    def put(self, image: Image) -> None:
        """The image at the source."""
        raise NotImplementedError

    def blob(self, digest: str) -> bytes:
        """A blob at the destination."""
        raise NotImplementedError


class Registries(Stage):
    """See Stage."""

    def __init__(self, upstream: str, mirror: str, name: str, tag: str) -> None:
        self._mirror, self._name = mirror, name
        super().__init__(
            f"{upstream}/{name}:{tag}",
            f"{mirror}/{name}:{tag}",
            f"""Two registries run on this machine until the demo ends:
  {upstream}  "upstream": holds the image {name}:{tag}
  {mirror}  "mirror": empty""",
        )

    def put(self, image: Image) -> None:
        """See Stage."""
        push(image, self.source)

    def blob(self, digest: str) -> bytes:
        """See Stage."""
        with Repository(self._mirror, self._name) as repository:
            return repository.blob(digest)


class Layouts(Stage):
    """See Stage."""

    def __init__(self, folder: Path, name: str, tag: str) -> None:
        self._upstream, self._mirror = folder / "upstream", folder / "mirror"
        self._name = f"{name}:{tag}"
        super().__init__(
            f"oci:{self._upstream}:{self._name}",
            f"oci:{self._mirror}:{self._name}",
            f"""The demo does without registries here, and uses folders (OCI image layouts) instead:
  {self._upstream}  "upstream": holds the image {self._name}
  {self._mirror}  "mirror": isn't there yet""",
        )

    def put(self, image: Image) -> None:
        """See Stage."""
        write_layout(self._upstream, {self._name: image})

    def blob(self, digest: str) -> bytes:
        """See Stage."""
        return blob_file(self._mirror, digest).read_bytes()


@contextmanager
def stage(name: str, tag: str, on_disk: bool = False) -> Iterator[Stage]:
    """Registries where they can be had, unless it is to be ``on_disk``. Gone at the end."""
    with ExitStack() as stack:
        found: Stage | None = None
        if not on_disk:
            with suppress(NoRegistry):
                found = Registries(*stack.enter_context(two_registries()), name, tag)
        if found is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="imagesync-demo-"))
            found = Layouts(Path(folder), name, tag)
        yield found
