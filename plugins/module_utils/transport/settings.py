# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user says about registries: the option ``registries``, looked up field by field."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..model.errors import InvalidInput
from ..model.reference import canonical_registry, check_repository, is_loopback
from ..model.strict_json import is_text
from .credential_helpers import check_helper_name
from .docker_config import is_token
from .proxies import parse_proxy
from .text import clean

_CONNECTION_FIELDS = (
    "plain_http",
    "validate_certs",
    "ca_path",
    "client_cert",
    "client_key",
    "proxy",
    "max_connections",
    "requests_per_second",
)


@dataclass(frozen=True)
class RegistryEntry:
    """One entry of ``registries``; None is "not given here"."""

    host: str
    path: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    helper: str | None = None
    auth: str | None = None
    plain_http: bool | None = None
    validate_certs: bool | None = None
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = field(default=None, repr=False)
    mirrors: tuple[str, ...] | None = None
    max_connections: int | None = None
    requests_per_second: float | None = None
    create_repository: bool | None = None

    @property
    def name(self) -> str:
        """``host[:port][/path]``."""
        return f"{self.host}/{self.path}" if self.path else self.host

    def covers(self, host: str, repository: str) -> bool:
        """Whether this entry speaks of ``host/repository``."""
        if self.host != host:
            return False
        return not self.path or f"{repository}/".startswith(f"{self.path}/")


@dataclass(frozen=True)
class Connection:
    """How one registry is reached."""

    plain_http: bool
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    #: None: what the environment says; "": none
    proxy: str | None = field(default=None, repr=False)
    max_connections: int | None = None
    requests_per_second: float | None = None


@dataclass(frozen=True)
class Settings:
    """All that the transport is told.

    ``retries``: further tries after the first, for each operation. ``timeout``: seconds without
    a byte on a connection. ``concurrency``: operations in flight at once. ``bandwidth_limit``:
    bytes of blobs a second that are read from all sources together.
    """

    entries: tuple[RegistryEntry, ...] = ()
    auth_file: str | None = None
    retries: int = 5
    timeout: int = 60
    concurrency: int = 16
    bandwidth_limit: int | None = None

    def lookup(self, host: str, repository: str, name: str) -> Any:
        """One field for ``host/repository``: the longest matching entry that gives it."""
        entry = self.entry(host, repository, name)
        return None if entry is None else getattr(entry, name)

    def entry(self, host: str, repository: str, name: str) -> RegistryEntry | None:
        """The entry that gives a field for ``host/repository``."""
        giving = [
            entry
            for entry in self.entries
            if entry.covers(host, repository) and getattr(entry, name) is not None
        ]
        return max(giving, key=lambda entry: len(entry.path), default=None)

    def connection(self, host: str) -> Connection:
        """How ``host`` is reached: loopback by plain HTTP, all others by HTTPS, unless told."""
        given = {name: self.lookup(host, "", name) for name in _CONNECTION_FIELDS}
        if given["plain_http"] is None:
            given["plain_http"] = is_loopback(host)
        if given["validate_certs"] is None:
            given["validate_certs"] = True
        return Connection(**given)

    def secrets(self) -> tuple[str, ...]:
        """All secrets given in ``registries``."""
        values = [s for e in self.entries for s in (e.password, e.token, e.identity_token)]
        return tuple(value for value in values if value)

    def warnings(self) -> list[str]:
        """What the user should be told about these settings."""
        unchecked = [
            f"the certificate of {entry.host} isn't checked (validate_certs: false)"
            for entry in self.entries
            if entry.validate_certs is False
        ]
        # of a variable of the environment that isn't set, say
        empty = [
            f"the password of {entry.name} in registries is empty, so its user name isn't used"
            for entry in self.entries
            if entry.username and entry.password == ""
        ]
        return unchecked + empty


def read_entries(given: Iterable[Mapping[str, Any]] | None) -> tuple[RegistryEntry, ...]:
    """The option ``registries``, checked; raises InvalidInput."""
    entries: list[RegistryEntry] = []
    for values in given or ():
        entry = _entry(values)
        if any(other.name == entry.name for other in entries):
            raise InvalidInput(f"registries has two entries for {entry.name}")
        entries.append(entry)
    found = Settings(tuple(entries))
    for entry in entries:
        _check_login(found, entry)
        _check_files(entry)
        _check_pace(entry)
        _check_way(entry)
    return found.entries


def _entry(values: Mapping[str, Any]) -> RegistryEntry:
    name = str(values.get("name") or "").strip()
    _refuse_login(name, "name")
    if "://" in name:
        raise InvalidInput(f"registries: write {name!r} as host[:port], without a scheme")
    host, _slash, path = name.rstrip("/").partition("/")
    try:
        host = canonical_registry(host)
        if path:
            check_repository(path)
    except InvalidInput as error:
        raise InvalidInput(f"registries: invalid name {name!r}: {error}") from None
    known = {f.name for f in fields(RegistryEntry)} - {"host", "path"}
    given = {k: values[k] for k in known if values.get(k) is not None}
    if "mirrors" in given:
        given["mirrors"] = tuple(map(read_mirror, given["mirrors"]))
    entry = RegistryEntry(host, path, **given)
    login = (entry.username, entry.password, entry.token, entry.identity_token)
    if not all(is_text(text or "") for text in login):
        raise InvalidInput(f"registries: the login of {entry.name} isn't Unicode text")
    if entry.token and not is_token(entry.token):
        raise InvalidInput(f"registries: the token of {entry.name} has a space or a line break")
    if entry.helper:
        check_helper_name(entry.helper, f"registries: helper of {entry.name}: ")
    misplaced = [k for k in _CONNECTION_FIELDS if path and getattr(entry, k) is not None]
    if misplaced:
        raise InvalidInput(
            f"registries: {', '.join(misplaced)} of {entry.name} belong to the whole registry: "
            f"give them in an entry named {host}"
        )
    return entry


def _refuse_login(text: str, what: str) -> None:
    """``user:password@host`` isn't repeated; a digest is another mistake."""
    if "@" in text and "@sha256:" not in text:
        shown = clean(text.rpartition("@")[2], 80)
        raise InvalidInput(
            f"registries: the {what} ...@{shown} has an @ in it: give a login as username and "
            "password of an entry"
        )


def _check_login(settings: Settings, entry: RegistryEntry) -> None:
    """A user name and a password make a login: here, or in an entry for a part of this."""
    for given, lacking in (("username", "password"), ("password", "username")):
        other = settings.lookup(entry.host, entry.path, lacking)
        if getattr(entry, given) is None or other is not None:
            continue
        if given == "username" and settings.lookup(entry.host, entry.path, "identity_token"):
            continue  # some registries want a certain name beside it
        parts = (e for e in settings.entries if entry.covers(e.host, e.path))
        if all(getattr(part, lacking) is None for part in parts):
            raise InvalidInput(f"registries: {entry.name} has no {lacking} to go with the {given}")


def read_mirror(text: str) -> str:
    """``host[:port][/prefix]``, checked; raises InvalidInput."""
    text = str(text).strip()
    _refuse_login(text, "mirror")
    if "://" in text:
        raise InvalidInput(
            f"registries: write the mirror {text!r} as host[:port], without a scheme"
        )
    host, _slash, prefix = text.rstrip("/").partition("/")
    try:
        host = canonical_registry(host)
        return f"{host}/{check_repository(prefix)}" if prefix else host
    except InvalidInput as error:
        raise InvalidInput(f"registries: invalid mirror {text!r}: {error}") from None


def _check_way(entry: RegistryEntry) -> None:
    """Proxy and mirrors."""
    if entry.proxy:
        what = f"registries: proxy of {entry.name}"
        if "://" not in entry.proxy:  # masked as a whole, it would go missing in messages
            raise InvalidInput(f"{what}: write it with a scheme, as http://host:port")
        parse_proxy(entry.proxy, what)
    mirrors = entry.mirrors or ()
    if entry.host in mirrors:
        raise InvalidInput(f"registries: {entry.host} is no mirror of itself")
    if len(set(mirrors)) < len(mirrors):
        raise InvalidInput(f"registries: {entry.name} has a mirror twice")


def _check_pace(entry: RegistryEntry) -> None:
    if entry.max_connections is not None and entry.max_connections < 1:
        raise InvalidInput(f"registries: max_connections of {entry.name} must be at least 1")
    rate = entry.requests_per_second
    if rate is not None and not 0 < rate < 1e6:  # NaN is none of it
        raise InvalidInput(f"registries: requests_per_second of {entry.name} must be above 0")


def _check_files(entry: RegistryEntry) -> None:
    for option in ("ca_path", "client_cert", "client_key"):
        path = getattr(entry, option)
        if path is not None and not os.path.exists(os.path.expanduser(path)):
            raise InvalidInput(f"registries: {option} of {entry.name} doesn't exist: {path}")
        if path is not None and not os.access(os.path.expanduser(path), os.R_OK):
            raise InvalidInput(f"registries: {option} of {entry.name} can't be read: {path}")
    if entry.client_key and not entry.client_cert:
        raise InvalidInput(f"registries: {entry.name} has a client_key and no client_cert")
