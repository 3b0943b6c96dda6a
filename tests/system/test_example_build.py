# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example from a Containerfile to a signed, gated, mirrored image: one playbook, all real."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.support import cosign, images, push, skopeo
from tests.support.building import add_programs
from tests.support.content import Blob
from tests.support.playbook import Run, run_playbook
from tests.support.registries import DockerRegistry, MakeRegistry

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "build-to-mirror"
BASE = "library/nginx:1.27-alpine"
OURS, ANOTHER = cosign.make_key(), cosign.make_key()


class Example:
    """The example with the addresses of registries here, and its machines on this one."""

    def __init__(self, folder: Path, build: DockerRegistry, production: DockerRegistry) -> None:
        self.folder, self.build, self.production = folder, build, production
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
        places = {
            "docker.io/library": f"{build.host}/library",
            "build.example.com": build.host,
            "registry.example.com": production.host,
        }
        for name in ("Containerfile", "inventory/group_vars/all.yml"):
            path = folder / name
            text = path.read_text(encoding="utf-8")
            for place, here in places.items():
                text = text.replace(place, here)
            path.write_text(text, encoding="utf-8")
        (folder / "cosign.key").write_text(OURS.pem(), encoding="ascii")
        (folder / "another.key").write_text(ANOTHER.pem(), encoding="ascii")
        OURS.write(folder)

    def run(self, key: str = "cosign.key") -> Run:
        """The playbook; both builders are this machine, at the same time."""
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "shop_folder": f"{self.folder}/{{{{ inventory_hostname }}}}",
            "shop_key": str(self.folder / key),
            "shop_signers": [str(self.folder / "cosign.pub")],
        }
        arguments = ("-i", "inventory", "-e", json.dumps(variables))
        # a short path, as Ansible has a socket in it
        with tempfile.TemporaryDirectory(prefix="build-") as scratch:
            environment = {"TMPDIR": scratch, "ANSIBLE_PIPELINING": "1"}
            run = run_playbook("playbook.yml", self.folder, *arguments, environment=environment)
            assert not list(Path(scratch).glob("imagesync-*"))
        return run

    def deployed(self) -> str:
        """The image in the deployment."""
        text = (self.folder / "deployment.yml").read_text(encoding="utf-8")
        image: str = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"][0]["image"]
        return image


@pytest.fixture
def example(tmp_path: Path, make_registry: MakeRegistry) -> Example:
    """The example, with something like nginx to build on."""
    found = Example(tmp_path / "example", make_registry(), make_registry())
    root = tmp_path / "root"
    add_programs(root, "true")
    (root / "bin/true").rename(root / "bin/nginx")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(root, ".")
    programs = [Blob(packed.getvalue(), "application/vnd.oci.image.layer.v1.tar")]
    base = images.multi_platform("nginx", layers=programs)
    push.push(base, f"{found.build.host}/{BASE}")
    return found


def labels(ref: str) -> list[dict[str, str]]:
    """Those of each platform, as skopeo reads them."""
    found = []
    for architecture in ("amd64", "arm64"):
        told = skopeo.run(
            *("--override-os", "linux", "--override-arch", architecture),
            *("inspect", "--tls-verify=false", f"docker://{ref}"),
        )
        document = json.loads(told)
        assert document["Architecture"] == architecture
        found.append(document["Labels"])
    return found


def test_from_a_containerfile_to_production(example: Example) -> None:
    place = f"{example.production.host}/prod/team/shop"
    first = example.run()
    assert first.returncode == 0, first.output
    recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", first.output, re.MULTILINE)
    assert len(recap) == 3 and all(int(changed) for _host, changed in recap), first.output
    digest = skopeo.verify_whole(f"{place}:1.4")
    assert example.deployed() == f"{place}@{digest}"
    assert skopeo.verify_whole(f"{example.build.host}/team/shop:1.4") == digest
    for told in labels(f"{place}:1.4"):
        assert told["org.opencontainers.image.version"] == "1.4"
        assert told["org.opencontainers.image.vendor"] == "Example Shop"
    signature = skopeo.raw_manifest(f"{place}:{digest.replace(':', '-')}.sig")
    assert cosign.SIGNATURE in json.loads(signature)["layers"][0]["annotations"]

    second = example.run()
    assert second.returncode == 0, second.output
    assert [record["task"] for record in second.records if record["result"].get("changed")] == []
    assert second.output.count("changed=0") == 3, second.output
    assert not second.of("Look at what was brought")  # what is there already has passed

    # a new version, which nobody has described, by a key that isn't among ours
    containerfile = example.folder / "Containerfile"
    text = containerfile.read_text(encoding="utf-8")
    containerfile.write_text(re.sub(r"LABEL .*vendor.*\n", "", text), encoding="utf-8")
    third = example.run("another.key")
    assert third.returncode != 0
    (said,) = (one["msg"] for one in third.of("Fail for the images that failed").values())
    assert "none of our keys has signed it; it has no label org.opencontainers.image.vendor" in said
    assert skopeo.raw_digest(f"{example.build.host}/team/shop:1.4") != digest
    assert skopeo.raw_digest(f"{place}:1.4") == digest
    assert example.deployed() == f"{place}@{digest}"
