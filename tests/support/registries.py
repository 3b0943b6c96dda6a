# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real registry: Debian's docker-registry, in each of the modes that tests need."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .certificates import Certificates, Identity
from .processes import ListeningProcess, find_program, free_port
from .token_server import TokenServer

USER, PASSWORD = "alice", "s3cret"
# The bcrypt hash of PASSWORD; Python has lost the module that made it.
HTPASSWD = f"{USER}:$2b$10$abcdefghijklmnopqrstuu3KWNuWLhBnmgYfnzONPueahDuedC/lu\n"


@dataclass(frozen=True)
class Mode:
    """How a registry behaves; `identity` replaces the server certificate of `tls`.

    `notify` is an endpoint for notifications: its `url`, and `headers` if it needs any.
    """

    htpasswd: bool = False
    tls: Certificates | None = None
    identity: Identity | None = None
    client_ca: bool = False
    token: TokenServer | None = None
    readonly: bool = False
    delete: bool = True
    foreign_urls: tuple[str, ...] | list[str] = ()
    relative_urls: bool = False
    blob_cache: bool = False
    secret: str | None = "imagesync-tests"
    notify: Mapping[str, Any] | None = None


class DockerRegistry:
    """A running docker-registry with storage of its own; use it as a context."""

    def __init__(self, **mode: Any) -> None:
        """Start one; the keywords are the fields of Mode."""
        self.mode = Mode(**mode)
        self._program = find_program("docker-registry", "docker-registry")
        self._directory = Path(tempfile.mkdtemp(prefix="imagesync-registry-"))
        self.storage = self._directory / "storage"
        self._last_log = ""
        try:
            self._process = self._start_somewhere()
        except BaseException:
            shutil.rmtree(self._directory)
            raise

    @property
    def host(self) -> str:
        """The name for references; `localhost` in place of 127.0.0.1 works too."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'https' if self.mode.tls else 'http'}://{self.host}"

    @property
    def pid(self) -> int:
        """The id of the registry's process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that the registry logged, over restarts, also after its end."""
        if self._log_file.exists():
            self._last_log = self._log_file.read_text(errors="replace")
        return self._last_log

    def stop(self) -> None:
        """End it and remove its storage."""
        self._process.stop()
        _unused = self.log
        shutil.rmtree(self._directory, ignore_errors=True)

    def kill(self) -> None:
        """End it at once with SIGKILL; restart() brings it back with what it has stored."""
        self._process.kill()

    def restart(self, **changes: Any) -> None:
        """Start again on the same port and storage, in another mode when told."""
        self._process.stop()
        self.mode = dataclasses.replace(self.mode, **changes)
        self._process = self._start()

    def garbage_collect(self, delete_untagged: bool = False) -> None:
        """Run its garbage collection beside it, as operators do."""
        option = ["-m"] if delete_untagged else []
        command = [self._program, "garbage-collect", *option, str(self._config_file)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def blob_path(self, digest: str) -> Path:
        """The file that holds a blob or manifest: delete or damage it behind its back."""
        algorithm, _unused, value = digest.partition(":")
        base = self.storage / "docker" / "registry" / "v2" / "blobs"
        return base / algorithm / value[:2] / value / "data"

    def __enter__(self) -> DockerRegistry:
        """Use it inside the with block."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop it at its end."""
        self.stop()

    @property
    def _config_file(self) -> Path:
        return self._directory / "config.yml"

    @property
    def _log_file(self) -> Path:
        return self._directory / "log"

    def _start_somewhere(self) -> ListeningProcess:
        """Start on a free port; another one when somebody took it meanwhile."""
        for _unused in range(3):
            self.port = free_port()
            try:
                return self._start()
            except RuntimeError:
                if "address already in use" not in self.log:
                    raise
        return self._start()

    def _start(self) -> ListeningProcess:
        self._config_file.write_text(json.dumps(self._config()))
        (self._directory / "htpasswd").write_text(HTPASSWD)
        command = [self._program, "serve", str(self._config_file)]
        return ListeningProcess(command, self.port, self._log_file)

    def _config(self) -> Mapping[str, Any]:
        """The settings file (JSON is YAML)."""
        mode = self.mode
        storage: dict[str, Any] = {
            "filesystem": {"rootdirectory": str(self.storage)},
            "delete": {"enabled": mode.delete},
            "maintenance": {
                "uploadpurging": {"enabled": False},
                "readonly": {"enabled": mode.readonly},
            },
        }
        if mode.blob_cache:
            storage["cache"] = {"blobdescriptor": "inmemory"}
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": storage,
            "http": self._http(),
            **self._auth(),
        }
        if mode.notify:
            endpoint = {"name": "test", "timeout": "2s", "threshold": 5, "backoff": "50ms"}
            config["notifications"] = {"endpoints": [{**endpoint, **mode.notify}]}
        if mode.foreign_urls:
            config["validation"] = {"manifests": {"urls": {"allow": list(mode.foreign_urls)}}}
        return config

    def _http(self) -> dict[str, Any]:
        mode = self.mode
        http: dict[str, Any] = {"addr": self.host, "relativeurls": mode.relative_urls}
        if mode.secret is not None:
            http["secret"] = mode.secret
        if mode.tls:
            identity = mode.identity or mode.tls.server
            http["tls"] = {"certificate": str(identity.cert), "key": str(identity.key)}
            if mode.client_ca:
                http["tls"]["clientcas"] = [str(mode.tls.ca)]
        return http

    def _auth(self) -> dict[str, Any]:
        if self.mode.htpasswd:
            path = str(self._directory / "htpasswd")
            return {"auth": {"htpasswd": {"realm": "test-realm", "path": path}}}
        if self.mode.token:
            bundle = self._directory / "token.crt"
            bundle.write_bytes(self.mode.token.certificate_pem)
            settings = {
                "realm": self.mode.token.realm,
                "service": self.mode.token.service,
                "issuer": self.mode.token.issuer,
                "rootcertbundle": str(bundle),
            }
            return {"auth": {"token": settings}}
        return {}


MakeRegistry = Callable[..., DockerRegistry]
