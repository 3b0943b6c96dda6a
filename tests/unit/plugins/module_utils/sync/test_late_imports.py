# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call that finds everything in sync doesn't import, since it has no use for it."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.imagesync.registry.tests.unit.support import MODULE_UTILS, A

PREFIX = "ansible_collections.imagesync.registry.plugins.module_utils."
#: Ansible hands them over without what Python has compiled, so each costs something on every run
SPARED = {
    *("model/claims", "model/cosign", "model/keys", "model/layout", "model/private_keys"),
    *("model/referrers", "model/secretbox", "model/version_range"),
    *("stores/archive", "stores/archive_writing", "stores/disk", "stores/docker_archive"),
    *("stores/files", "stores/layout", "stores/layout_writing", "stores/mirrored"),
    *("sync/ageing", "sync/asking", "sync/attached", "sync/attaching", "sync/graph"),
    *("sync/integrity", "sync/lock_file", "sync/order", "sync/prune", "sync/referrers"),
    *("sync/removal", "sync/replacing", "sync/signatures", "sync/transfer", "sync/usage"),
    *("sync/verifying", "transport/aws_errors", "transport/ecr_login"),
    *("transport/google_login", "transport/quiet"),
}
OTHERS = {"tarfile", "google.auth", "botocore", "cryptography"}
CALL = f"""
import json, sys
from {PREFIX}doors.image_sync import ARGUMENT_SPEC, image_sync
given = {{name: option.get("default") for name, option in ARGUMENT_SPEC.items()}}
host = sys.argv[1]
given.update(source=host + "/a:1", destination=host + "/b:1")
result = image_sync(given, False)
modules = sorted(sys.modules)
print(json.dumps([result, modules]))
"""


class Registry(http.server.BaseHTTPRequestHandler):
    """Has every tag, with the same image."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """A manifest is there."""
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        self.send_header("Docker-Content-Digest", A)
        self.send_header("Content-Length", "2")
        self.end_headers()

    def log_message(self, *_given: object) -> None:
        """Says nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_call_with_nothing_to_do_imports_little(host: str) -> None:
    assert {name for name in SPARED if not Path(MODULE_UTILS, f"{name}.py").is_file()} == set()
    command = [sys.executable, "-c", CALL, host]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result, modules = json.loads(done.stdout)
    assert (result["images"][0]["reason"], result["changed"]) == ("in_sync", False)
    ours = {name[len(PREFIX) :].replace(".", "/") for name in modules if name.startswith(PREFIX)}
    assert ours & SPARED == set()
    assert OTHERS.intersection(modules) == set()
