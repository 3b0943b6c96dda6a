# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a build in its folder: one run of buildah for each platform."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Callable, NamedTuple

from ..model.containerfile import Base, Containerfile
from ..model.descriptor import Descriptor
from ..model.errors import ImageSyncError, InvalidContent, InvalidInput
from ..model.manifest import Manifest
from ..model.platforms import Platform
from ..model.reference import Reference
from ..stores.build_folder import BuildFolder
from ..stores.built_layout import Built, BuiltLayout, Dressing, Layer, layers_of, renamed
from ..transport.buildah import Buildah, Finished
from ..transport.control_groups import PERIOD, Bounds, limited
from ..transport.text import clean
from .build_advice import advice
from .build_inputs import LABEL, BuildOrder, Inputs

ISOLATIONS = ("chroot", "oci", "rootless")
#: the folder with what is built from, the layout that is built into, and the image's name there
CONTEXT, _OUT, _NAME = "context", "out", "built"
#: lines of the output, and characters of one, that a message shows
_SHOWN_LINES, _LONGEST_LINE = 25, 500


class Manner(NamedTuple):
    """How is built: ``force``, also where nothing has changed; ``deadline`` in seconds."""

    isolation: str = "chroot"
    storage_driver: str = "vfs"
    bounds: Bounds = Bounds()
    force: bool = False
    deadline: float | None = None


class BuildSteps:
    """One build in its folder; ``check`` is called now and then, to end it by raising."""

    def __init__(
        self,
        order: BuildOrder,
        manner: Manner,
        inputs: Inputs,
        folder: BuildFolder,
        check: Callable[[], None],
    ) -> None:
        self._order, self._manner, self._inputs = order, manner, inputs
        self._folder, self._check = folder, check
        bases = dict.fromkeys(base for plan in inputs.plans.values() for base in plan.bases)
        #: the layout of each base, relative: no path of this machine gets into the image
        self._layouts = {base: f"base{number}" for number, base in enumerate(bases)}
        self._layers: dict[Base, dict[str, Layer]] = {}
        self._built: list[Built] = []
        #: where the image is to be had when it is built
        self.source = f"oci:{folder.at(_OUT)}:{_NAME}"

    def to_fetch(self) -> Iterator[Mapping[str, Any]]:
        """The images that are built on, each by its digest and for its platform alone."""
        for base, layout in self._layouts.items():
            digest = self._inputs.bases[base.reference]
            yield {
                "source": str(base.reference._replace(digest=digest)),
                "destination": f"oci:{self._folder.at(layout)}:base",
                "platforms": [str(base.platform)],
            }

    def run(self, buildah: Buildah) -> Manifest:
        """Builds all platforms; what is at ``source`` then. Raises ImageSyncError."""
        folder = self._folder
        folder.write("policy.json", _policy(folder.path))
        folder.write("auth.json", "{}")
        folder.write("ignore", "")  # what is to be left out isn't there
        for base, name in self._layouts.items():
            self._layers[base] = layers_of(folder.at(name))
        layout = BuiltLayout(folder.at(_OUT), self._check)
        for number, (platform, plan) in enumerate(self._inputs.plans.items()):
            folder.write(f"Containerfile{number}", plan.rewritten(self._names()))
            self._run(buildah, number, platform)
            built = layout.dress(f"platform{number}", self._dressing(plan))
            self._built.append(self._checked(built, platform, plan.root))
        return layout.finish(self._built, {LABEL: self._inputs.digest}, _NAME)

    def borrowed(self) -> Iterator[tuple[Reference, Descriptor]]:
        """The layers that what was built has in common with its bases, and where these are."""
        blobs = {blob.digest: blob for built in self._built for blob in built.manifest.blobs}
        for base, layers in self._layers.items():
            for layer in layers.values():
                blob = blobs.pop(layer.entry["digest"], None)
                if blob is not None:
                    yield base.reference, blob

    def _names(self) -> dict[Base, str]:
        return {base: f"oci:{layout}" for base, layout in self._layouts.items()}

    def _run(self, buildah: Buildah, number: int, platform: Platform) -> None:
        manner, path = self._manner, self._folder.path
        variables = {"TMPDIR": path}
        arguments = [
            *("--root", self._folder.at("storage"), "--runroot", self._folder.at("run")),
            *("--storage-driver", manner.storage_driver),
            *("build", "--isolation", manner.isolation, "--identity-label=false", "--retry", "0"),
            *("--signature-policy", "policy.json", "--authfile", "auth.json"),
            *("--ignorefile", "ignore", "--platform", str(platform)),
            *("--file", f"Containerfile{number}", "--tag", f"oci:{_OUT}:platform{number}"),
            *self._about_image(variables, self._inputs.plans[platform].target),
        ]
        bounds = manner.bounds
        if manner.isolation == "oci":
            arguments += _limits(bounds)
            bounds = Bounds()
        with limited(bounds, path.rpartition("/")[2]) as group:
            done = buildah.run([*arguments, CONTEXT], path, variables, group)
            starved = group is not None and group.ran_out_of_memory()
        self._check()
        if done.status:
            raise ImageSyncError(self._failure(done, platform, starved))

    def _about_image(self, variables: dict[str, str], target: str) -> list[str]:
        """The arguments that tell what the image is to be; some go by ``variables``."""
        order, found = self._order, []
        for name, value in order.arguments.items():
            # by the environment, which others can't see, unless that would change buildah itself
            if Buildah.may_be_passed(name):
                variables[name] = value
            found += ["--build-arg", name if name in variables else f"{name}={value}"]
        for name, value in {**order.labels, LABEL: self._inputs.digest}.items():
            found += ["--label", f"{name}={value}"]
        if target:
            found += ["--target", target]
        if order.timestamp is not None:
            found += ["--timestamp", str(order.timestamp)]
        return found

    def _failure(self, done: Finished, platform: Platform, starved: bool) -> str:
        names = {f"{self._folder.path}/": "", **self._meant()}
        lines = [clean(line, _LONGEST_LINE) for line in renamed(done.output, names).splitlines()]
        shown = [line for line in lines if line][-_SHOWN_LINES:]
        hint = advice(done.output, platform, self._manner.isolation, starved)
        return (
            f"the build for {platform} failed: buildah ended with exit status {done.status}"
            + (f"; {hint}" if hint else "")
            + (". Its last lines:\n" + "\n".join(shown) if shown else "")
        )

    def _meant(self) -> dict[str, str]:
        """The names that bases have during the build, and their own."""
        found = {}
        # the longest first: base1 is where base10 begins
        for base, layout in reversed(list(self._layouts.items())):
            found[f"localhost/{layout}:latest"] = found[f"oci:{layout}"] = str(base.reference)
        return found

    def _dressing(self, plan: Containerfile) -> Dressing:
        root, layers = plan.root, self._layers
        # of its root alone: what another image says of its layers must not stand for these
        known = layers[root] if root else {}
        base_of = (str(root.reference), self._inputs.bases[root.reference]) if root else None
        return Dressing(self._meant(), base_of, known)

    def _checked(self, built: Built, platform: Platform, root: Base | None) -> Built:
        if built.platform.full != platform.full:
            if root and root.platform.full != platform.full:
                raise InvalidInput(
                    f"the Containerfile: the FROM of the wanted stage takes {root.reference} for "
                    f"{root.platform}, so that nothing is built for {platform}; leave its "
                    f"--platform out, or set platforms to {root.platform}"
                )
            raise InvalidContent(f"buildah built for {built.platform} instead of {platform}")
        if built.labels.get(LABEL) != self._inputs.digest:
            raise InvalidContent(f"buildah left out the label {LABEL}")
        return built


def _policy(folder: str) -> str:
    """What buildah may take: nothing from a registry but through us, and no other folder.

    An ONBUILD of a base image names what it likes. containers-policy.json(5).
    """
    anything = [{"type": "insecureAcceptAnything"}]
    transports = {"oci": {folder: anything}, "containers-storage": {"": anything}}
    return json.dumps({"default": [{"type": "reject"}], "transports": transports})


def _limits(bounds: Bounds) -> list[str]:
    """The same for a container runtime."""
    found = [] if bounds.memory is None else ["--memory", str(bounds.memory)]
    if bounds.cpus is not None:
        found += ["--cpu-period", str(PERIOD), "--cpu-quota", str(bounds.quota)]
    return found
