# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make demo` runs once Ansible and the rest are there: the stage for demo/mirror.yml."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from ansible_collections.imagesync.registry.demo.image import hello_image, program_in
from ansible_collections.imagesync.registry.demo.stage import Layouts, Stage, stage
from ansible_collections.imagesync.registry.tests.support.content import Image

DEMO = Path(__file__).resolve().parent
PLAYBOOK = DEMO / "mirror.yml"
MANIFEST = DEMO.parent / ".build" / "demo" / "deployment.yml"
IMAGE, VERSION = "demo/hello", "1.0"
#: to see it without registries where these can be had
ON_DISK = "--on-disk"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def main() -> int:
    """Show it; 0 when all went as told."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        with stage(IMAGE, VERSION, ON_DISK in sys.argv[1:]) as place:
            image = hello_image(VERSION)
            place.put(image)
            _introduce(image, place)
            code = _play(place)
            if code == 0:
                _run_what_was_mirrored(place, image)
    except KeyboardInterrupt:
        print("\nStopped, and nothing runs any more.", file=sys.stderr)
        return 130
    print(CLOSING if code == 0 else "\nThe demo did not go as it should: see above.")
    return code


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _introduce(image: Image, place: Stage) -> None:
    print(
        f"""
{place.told}
The image is made for {_platforms(image)}.
Ansible now runs this playbook: {os.path.relpath(PLAYBOOK)}
""",
        flush=True,
    )


def _platforms(image: Image) -> str:
    names = [f"{p['os']}/{p['architecture']}" for p in (c.platform for c in image.children) if p]
    return " and ".join(names)


def _play(place: Stage) -> int:
    """Run the playbook as a user would, and return its exit code."""
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "source": place.source,
        "destination": place.destination,
        "manifest": MANIFEST,
        "requests": "0" if isinstance(place, Layouts) else "2",
    }
    command = ["ansible-playbook", str(PLAYBOOK)]
    for name, value in values.items():
        command += ["-e", f"{name}={value}"]
    environment = os.environ | {"ANSIBLE_CONFIG": str(DEMO / "ansible.cfg")}
    process = subprocess.Popen(command, env=environment)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _run_what_was_mirrored(place: Stage, image: Image) -> None:
    """Take the program out of the mirror's image and start it, where this machine can."""
    architecture = MACHINES.get(platform.machine()) if sys.platform == "linux" else None
    for child in image.children:
        if child.platform and child.platform["architecture"] == architecture:
            with tempfile.TemporaryDirectory() as folder:
                layer = place.blob(child.document["layers"][0]["digest"])
                program = Path(folder, "hello")
                program.write_bytes(program_in(layer))
                program.chmod(0o755)
                print(f"The program in the mirror's image says: {_output(program)}")


def _output(program: Path) -> str:
    try:
        done = subprocess.run([program], capture_output=True, text=True, check=True)
    except OSError as error:  # a folder for temporary files that nothing may be started from
        return f"nothing, as it cannot be started here ({error.strerror})"
    return done.stdout.strip()


CLOSING = f"""
You saw an image planned, copied, found in sync, put right, and pinned by its digest.
The playbook is {os.path.relpath(PLAYBOOK)}, what it wrote is {os.path.relpath(MANIFEST)}.
Next: README.md, "Using this collection", has your own first mirror in two minutes.
"""


if __name__ == "__main__":
    sys.exit(main())
