# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image references as Docker and the OCI tools write them.

The grammar is that of the distribution project (reference/reference.go) with the short forms
of Docker: ``busybox`` is ``docker.io/library/busybox``. References to images on disk begin with
their transport, as with skopeo (containers-transports(5)): ``oci:/srv/bundle:name``.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from typing import NamedTuple

from .digest import PATTERN, check_digest
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
_OTHER_TRANSPORTS = ("dir:", "containers-storage:")
#: images on disk: a folder that is an OCI image layout, one in a tar file, what docker save writes
LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE = "oci", "oci-archive", "docker-archive"
_ON_DISK = re.compile(rf"({LAYOUT}|{OCI_ARCHIVE}|{DOCKER_ARCHIVE}):(.*)", re.DOTALL)
_PINNED = re.compile(rf"(.*)@({PATTERN})", re.DOTALL)
#: image-spec, annotations.md, "org.opencontainers.image.ref.name"; a little wider
_REF_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+/-]{0,1023}")
#: distribution-spec, "Pulling manifests": many clients limit a name to 255 characters
_NAME_LIMIT = 255
#: what somebody may write for curl or git: ``user:password@registry/...``
_LOGIN = re.compile(r"(?:docker://)?[^/@:]+:.*@(?=[^@]*/)|https?://[^/@:]*:.*@(?!sha\d)", re.DOTALL)
_MOST_SHOWN = 1000


class Reference(NamedTuple):
    """A place on a registry: ``registry/repository``, with a tag, a digest, both or neither.

    Or one on disk: then ``transport`` says of which kind, ``repository`` is the folder or file, and
    ``tag`` the image's whole name there (``org.opencontainers.image.ref.name``), which may be a
    reference to a registry itself. An image that was taken by its digest alone is called so there,
    ``docker.io/library/busybox@sha256:...``.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    transport: str = ""

    @property
    def name(self) -> str:
        """``registry/repository``, or ``oci:/folder``."""
        if self.transport:
            return f"{self.transport}:{self.repository}"
        return f"{self.registry}/{self.repository}"

    @property
    def pointer(self) -> str:
        """What is asked for: the digest if there is one, else the tag.

        On disk "" stands for the only image there.
        """
        return self.digest or self.tag or ("" if self.transport else "latest")

    @property
    def image_tag(self) -> str | None:
        """The tag; on disk that of the name, which may be nothing but a tag."""
        if not self.transport or self.tag is None:
            return self.tag
        return _split_name(self.tag)[1]

    @property
    def group(self) -> str:
        """What the tags of one repository have in common: on disk, names may be of many."""
        if not self.transport or self.tag is None:
            return self.name
        repository = _split_name(self.tag)[0]
        return f"{self.name}:{repository}" if repository else self.name

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}" if digest and tag.endswith(digest) else self.name + tag + digest

    def at(self, digest: str) -> str:
        """The image's id: ``registry/repository@digest``."""
        return f"{self.name}@{digest}"

    def with_default_tag(self) -> Reference:
        """``latest`` where there is neither a tag nor a digest; not on disk."""
        known = self.tag or self.digest or self.transport
        return self if known else self._replace(tag="latest")

    def with_tag(self, tag: str) -> Reference:
        """One of the tags of this repository; on disk, of those whose names begin as this one."""
        own = f"{self.tag}:{tag}" if self.transport and self.tag else tag
        return self._replace(tag=own, digest=None)

    def tag_of(self, tag: str) -> str:
        """The inverse of ``with_tag``: what it was given, "" if ``tag`` isn't one of those."""
        if not self.transport or not self.tag:
            return tag
        found = tag[len(self.tag) + 1 :] if tag.startswith(f"{self.tag}:") else ""
        return found if _TAG.fullmatch(found) else ""

    def check_tag(self, tag: str) -> str:
        """``tag`` itself when it may stand here; raises InvalidInput otherwise."""
        return check_ref_name(tag) if self.transport else check_tag(tag)

    def covers(self, place: Reference) -> bool:
        """Whether ``place`` is this one, or one of the tags that this one, without any, has."""
        if self.name != place.name:
            return False
        if not self.tag and not self.digest:
            return True
        if self.transport and self.tag and place.tag and self.tag_of(place.tag):
            return True
        return self.tag == place.tag and (
            bool(self.tag) or not self.digest or self.digest == place.digest
        )


def parse_reference(text: str) -> Reference:
    """The reference that ``text`` writes; raises InvalidInput with the reason.

    Neither tag nor digest is made up: ``busybox`` has no tag.
    """
    try:
        if without_login(text) != text:
            raise InvalidInput("it has a login in it; give that in registries")
        return _parse(text.strip())
    except InvalidInput as error:
        shown = _shown(without_login(text))
        raise InvalidInput(f"invalid image reference {shown}: {error}") from None


def without_login(text: str) -> str:
    """``text`` as a message may show it: somebody may have written a login into a reference."""
    bare = text.strip()
    login = None if _ON_DISK.fullmatch(bare) else _LOGIN.match(bare)
    return f"...@{bare[login.end() :]}" if login else text


def _shown(text: str) -> str:
    """What somebody else may have written, at any length."""
    return repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}..."


def _parse(text: str) -> Reference:
    on_disk = _ON_DISK.fullmatch(text)
    if on_disk:
        return _parse_on_disk(*on_disk.groups())
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


def _parse_on_disk(transport: str, rest: str) -> Reference:
    pinned = _PINNED.fullmatch(rest)
    digest = None
    if pinned:
        rest, digest = pinned.groups()
    path, colon, name = rest.partition(":")
    if not path.startswith(("/", "~")):
        what = "directory" if transport == LAYOUT else "file"
        raise InvalidInput(f"its {what} must be absolute, or begin with ~")
    if not path.isprintable():
        raise InvalidInput("its path has characters that can't be shown")
    if colon and "/" in name and "@" not in name and _split_name(name)[1] is None:
        name += f"@{digest}" if digest else ""
    if colon:
        check_ref_name(name)
    path = (
        "/" + posixpath.normpath(path).lstrip("/") if path[0] == "/" else posixpath.normpath(path)
    )
    return Reference("", path, name or None, digest, transport)


def _split_name(name: str) -> tuple[str, str | None]:
    """The repository and the tag of a name on disk: ``1.2`` is a tag, ``a/b`` a repository."""
    rest = name.partition("@")[0]
    slash = rest.rfind("/")
    last, colon, tag = rest[slash + 1 :].partition(":")
    if colon:
        return rest[: slash + 1] + last, tag or None
    return (rest, None) if slash >= 0 or rest != name else ("", rest)


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


def check_ref_name(name: str) -> str:
    """``name`` itself when an image on disk may have it; raises InvalidInput otherwise."""
    if not _REF_NAME.fullmatch(name):
        raise InvalidInput(
            f"{_shown(name)} is not a name for an image on disk (letters, digits and '_.:@+/-', at "
            "most 1024 characters, beginning with a letter, a digit or '_')"
        )
    return name


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
