# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image references as Docker and the OCI tools write them.

The grammar is that of the distribution project (reference/reference.go) with the short forms
of Docker: ``busybox`` is ``docker.io/library/busybox``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from .digest import check_digest
from .errors import InvalidInput

DOCKER_HUB = "docker.io"
_DOCKER_HUB_NAMES = {
    DOCKER_HUB,
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
}
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_OTHER_TRANSPORTS = ("oci:", "oci-archive:", "docker-archive:", "dir:", "containers-storage:")
#: distribution-spec, "Pulling manifests": many clients limit a name to 255 characters
_NAME_LIMIT = 255


class Reference(NamedTuple):
    """A place on a registry: ``registry/repository``, with a tag, a digest, both or neither."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry}/{self.repository}"

    @property
    def pointer(self) -> str:
        """What is asked of the registry: the digest if there is one, else the tag."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    def at(self, digest: str) -> str:
        """The image's id: ``registry/repository@digest``."""
        return f"{self.name}@{digest}"

    def with_default_tag(self) -> Reference:
        """``latest`` where there is neither a tag nor a digest."""
        return self if self.tag or self.digest else self._replace(tag="latest")


def parse_reference(text: str) -> Reference:
    """The reference that ``text`` writes; raises InvalidInput with the reason.

    Neither tag nor digest is made up: ``busybox`` has no tag.
    """
    original, text = text, text.strip()
    try:
        return _parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"invalid image reference {original!r}: {error}") from None


def _parse(text: str) -> Reference:
    if text.startswith("docker://"):
        text = text[len("docker://") :]
    _refuse_other_forms(text)
    rest, at, digest = text.partition("@")
    if at:
        check_digest(digest)
    slash = rest.rfind("/")
    name, colon, tag = rest[slash + 1 :].partition(":")
    if colon:
        rest = rest[: slash + 1] + name
        check_tag(tag)
    if "/" not in rest and (rest == "localhost" or "." in rest):
        raise InvalidInput("it names a registry and no repository")
    registry, repository = _split_registry(rest)
    check_repository(repository)
    return Reference(registry, repository, tag or None, digest or None)


def _refuse_other_forms(text: str) -> None:
    if not text:
        raise InvalidInput("it is empty")
    if "://" in text:
        raise InvalidInput("write it without a scheme such as https://")
    if text.startswith(_OTHER_TRANSPORTS):
        raise InvalidInput(f"{text.partition(':')[0]}: references are not supported")
    if text.count("@") > 1:
        raise InvalidInput("it has more than one '@'")


def _split_registry(name: str) -> tuple[str, str]:
    """Docker's rule: the first part is a registry if it looks like a host name."""
    first, slash, rest = name.partition("/")
    is_host = "." in first or ":" in first or first == "localhost"
    if not slash or not is_host:
        first, rest = DOCKER_HUB, name
    registry = canonical_registry(first)
    if registry == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return registry, rest


def canonical_registry(host: str) -> str:
    """A registry's ``host[:port]`` in lower case, Docker Hub under its one name."""
    host = host.lower()
    if not _REGISTRY.fullmatch(host) or (host.startswith("[") and not _is_ipv6(host)):
        raise InvalidInput(f"{host!r} is not a registry host")
    port = host.rpartition(":")[2] if not host.endswith("]") and ":" in host else ""
    if port and not 0 < int(port) < 65536:
        raise InvalidInput(f"{port} is not a port")
    return DOCKER_HUB if host in _DOCKER_HUB_NAMES else host


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host[1:].partition("]")[0])
    except ValueError:
        return False
    return True


def check_repository(repository: str) -> str:
    """``repository`` itself when the grammar allows it; raises InvalidInput otherwise."""
    if repository.lower() != repository:
        raise InvalidInput(f"repository {repository!r} must be lower case")
    if not _REPOSITORY.fullmatch(repository):
        raise InvalidInput(
            f"{repository!r} is not a repository name (lower-case letters and digits, "
            "separated by single '.', '_', '__', '-' or '/')"
        )
    if len(repository) > _NAME_LIMIT:
        raise InvalidInput(f"the repository name is longer than {_NAME_LIMIT} characters")
    return repository


def check_tag(tag: str) -> str:
    """``tag`` itself when the grammar allows it; raises InvalidInput otherwise."""
    if not _TAG.fullmatch(tag):
        raise InvalidInput(
            f"{tag!r} is not a tag (letters, digits, '_', '.', '-', at most 128 characters, "
            "not beginning with '.' or '-')"
        )
    return tag


def is_loopback(host: str) -> bool:
    """Whether ``host[:port]`` is this machine: localhost, 127.0.0.0/8 or ::1."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    name = name.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
