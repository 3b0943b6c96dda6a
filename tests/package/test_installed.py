# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed collection works where there is only Ansible and what it says that it needs."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.support import layouts, push
from tests.support.images import image, multi_platform
from tests.support.registries import DockerRegistry

from .conftest import Installed, checkout

ROOT = checkout()
COLLECTION = "imagesync.registry"

PLAY = """
- name: Each plugin once
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    tools: "{{ host }}/tools:1.0"
  tasks:
    - name: Mirror from one folder to another
      imagesync.registry.image_sync:
        source: "oci:{{ folder }}/from:app:1"
        destination: "oci:{{ folder }}/to:app:1"
      register: copied

    - name: Mirror it again
      imagesync.registry.image_sync:
        source: "oci:{{ folder }}/from:app:1"
        destination: "oci:{{ folder }}/to:app:1"
      register: again

    - name: Mirror from the folder to a registry
      imagesync.registry.image_sync:
        source: "oci:{{ folder }}/from:tools:1"
        destination: "{{ tools }}"

    - name: Look at it
      imagesync.registry.image_info:
        images: ["{{ tools }}"]
      register: info

    - name: Sign it
      imagesync.registry.image_sign:
        image: "{{ tools }}"
        private_key_content: "{{ key }}"
      register: signed

    - name: Compare what they say
      ansible.builtin.assert:
        that:
          - copied is changed
          - again is not changed
          - again.reason == 'in_sync'
          - info.images[0].digest == digest
          - signed is changed
          - lookup('imagesync.registry.image_digest', tools) == digest
          - query('imagesync.registry.image_tags', host ~ '/tools', semver='1.x') == ['1.0']
          - (tools | imagesync.registry.parse_reference).repository == 'tools'
          - "{'image': tools} | imagesync.registry.image_refs == [tools]"
          - pinned.image == host ~ '/tools@' ~ digest
      vars:
        pinned: "{{ {'image': tools} | imagesync.registry.pin_images({tools: info.images[0].id}) }}"
"""


def _there(kind: str, pattern: str = "[!_]*.py") -> set[str]:
    """The full names of what the repository has of a kind."""
    return {f"{COLLECTION}.{path.stem}" for path in (ROOT / kind).glob(pattern)}


def test_there_is_nothing_else_of_it(installed: Installed) -> None:
    """No path to the checkout, and no library that the tests have and users may not have."""
    seen = json.loads(
        installed.run("ansible-galaxy", "collection", "list", COLLECTION, "--format", "json")
    )
    folder = str(installed.collections / "ansible_collections")
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert seen == {folder: {COLLECTION: {"version": galaxy["version"]}}}
    script = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    names = ["requests", "ansible", "pytest", "botocore", "google", "ansible_collections"]
    assert installed.run("python", "-c", script.format(names)) == "['requests', 'ansible']\n"


def test_everything_has_its_documentation(installed: Installed) -> None:
    """What `ansible-doc` finds is what there is."""
    found: dict[str, dict[str, Any]] = json.loads(
        installed.run("ansible-doc", "--metadata-dump", COLLECTION)
    )["all"]
    del found["keyword"]  # Ansible's own
    texts = {kind: entries for kind, entries in found.items() if entries}
    assert {kind: set(entries) for kind, entries in texts.items()} == {
        "filter": _there("plugins/filter"),
        "lookup": _there("plugins/lookup"),
        "module": _there("plugins/modules"),
        "role": _there("roles", "*"),
    }


def test_each_of_it_works(installed: Installed, docker_registry: DockerRegistry) -> None:
    """All plugins, the role and the playbooks, through the installed Ansible."""
    app, tools = image("app"), multi_platform("tools")
    folder, host = installed.folder / "work", docker_registry.host
    folder.mkdir()
    layouts.write_layout(folder / "from", {"app:1": app, "tools:1": tools})
    (folder / "each.yml").write_text(PLAY, encoding="utf-8")
    (folder / "guide.yml").write_text(_playbook_of_the_guide(), encoding="utf-8")
    settings = {
        "mirror_destination": f"{host}/mirror",
        "mirror_images": [{"source": f"{host}/tools:1.0", "name": "tools"}],
        "source": f"{host}/tools:1.0",
        "destination": f"{host}/quick",
    }
    given = {"folder": str(folder), "host": host, "digest": tools.digest, "key": _key(installed)}
    variables = {"ansible_connection": "local", **settings, **given}
    hosts = {"all": {"hosts": {"localhost": variables}}}
    (folder / "inventory.yml").write_text(json.dumps(hosts), encoding="utf-8")
    own = (f"{COLLECTION}.quickstart", f"{COLLECTION}.mirror")
    playbooks = ("each.yml", *own, "guide.yml")
    output = installed.run("ansible-playbook", "-i", "inventory.yml", *playbooks, cwd=folder)
    assert layouts.names(folder / "to") == {"app:1": app.digest}
    for repository in ("quick", "mirror/tools"):
        assert push.digest_of(host, repository, "1.0") == tools.digest, output
        push.verify_whole(f"{host}/{repository}:1.0")


def _playbook_of_the_guide() -> str:
    """The one that docs/execution-environment.md has."""
    guide = (ROOT / "docs/execution-environment.md").read_text(encoding="utf-8")
    (found,) = [one for one in re.findall(r"```yaml\n(.*?)```", guide, re.S) if "playbook:" in one]
    return found


def _key(installed: Installed) -> str:
    """A key; `cryptography` comes with Ansible itself."""
    return installed.run(
        "python",
        "-c",
        "from cryptography.hazmat.primitives import serialization as s;"
        "from cryptography.hazmat.primitives.asymmetric import ec;"
        "print(ec.generate_private_key(ec.SECP256R1()).private_bytes(s.Encoding.PEM,"
        " s.PrivateFormat.PKCS8, s.NoEncryption()).decode())",
    )
