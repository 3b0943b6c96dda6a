# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event source of ansible-rulebook: what registries tell of pushes.

ansible-rulebook runs this file by itself (runpy.run_path), without the rest of the collection on its
path. So all of it is here, and of Python's own library: its servers let anybody hold connections
for ever, and here each exchange has one request, a length and an end.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import logging
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DOCUMENTATION = r"""
---
author:
  - The imagesync.registry team (@imagesync)
short_description: Receive what registries tell of pushes
description:
  - An event source for C(ansible-rulebook) that listens for the notifications of docker-registry (CNCF Distribution),
    Harbor (the formats Default and CloudEvents) and Quay, and makes one event of each image in them.
  - An event has C(action) (V(push), V(pull), V(delete)), C(image) (a full reference, by tag where there is one, else by
    digest), C(registry), C(repository), C(tag) and C(digest) (empty where the registry doesn't tell), C(actor) (who did
    it, empty where the registry doesn't tell) and C(sender) (V(docker-registry), V(harbor), V(quay)).
  - Names, tags and digests are checked against the grammar of references, so that nothing else gets into a playbook. An event
    that has others is passed over, and told in the log. In C(actor), braces and what can't be printed are underscores.
  - Events come at least once. A registry that got no answer sends them again.
options:
  port:
    description: The port to listen on.
    type: int
    required: true
  host:
    description: The address to listen on. Other hosts reach V(0.0.0.0) or V(::); use O(certfile) there.
    type: str
    default: 127.0.0.1
  secret:
    description:
      - What the registry must send. One of this and O(secret_file) is needed.
      - In O(header), as it is, after C(Bearer), or as the password of C(Basic). The last one is what a registry makes of
        C(https://any:SECRET@host:port/), which is the way for Quay, as it can send no header.
    type: str
  secret_file:
    description: A file with the secret in its first line.
    type: str
  header:
    description: The header that has the secret.
    type: str
    default: Authorization
  registry:
    description:
      - What the registry is called in references, such as V(registry.example.com). Without it, what the notification
        says, which for docker-registry is the name that the client has used.
    type: str
  actions:
    description: What events are made of.
    type: list
    elements: str
    choices: [push, pull, delete]
    default: [push]
  certfile:
    description: A PEM file with the server's certificate and those between it and its authority. Turns TLS on.
    type: str
  keyfile:
    description: A PEM file with its private key, unless O(certfile) has it.
    type: str
  password:
    description: The password of the private key.
    type: str
  max_body:
    description: The most bytes of a notification.
    type: int
    default: 1048576
  max_connections:
    description: The most connections at once.
    type: int
    default: 256
  timeout:
    description: How many seconds an exchange may take from its first byte to the answer.
    type: int
    default: 10
"""

EXAMPLES = r"""
- imagesync.registry.registry_events:
    port: 5005
    secret: "{{ registry_events_secret }}"
    registry: registry.example.com
"""

_LOG = logging.getLogger(__name__)
_HEAD_BYTES = 16 * 1024
_NUMBERS = {"port": 0, "max_body": 1 << 20, "max_connections": 256, "timeout": 10}
_TEXTS = ("secret", "secret_file", "registry", "certfile", "keyfile", "password")
# ansible-rulebook adds the last one
_OTHERS = ("host", "header", "actions", "eda_feedback_queue")
_ACTIONS = {
    **{action: action for action in ("push", "pull", "delete")},
    **{f"{action.upper()}_ARTIFACT": action for action in ("push", "pull", "delete")},
    "harbor.artifact.pushed": "push",
    "harbor.artifact.pulled": "pull",
    "harbor.artifact.deleted": "delete",
}
# the grammar of references, as the distribution specification has it
_REGISTRY = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Event = dict[str, str]


class Refused(Exception):
    """An answer that isn't 200; to HEAD it has no body (RFC 9110, 9.3.2)."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.has_body = status, True


# Notifications


def read_events(document: Any, registry: str = "") -> list[Event]:
    """The events in a notification; ``registry``: its name, instead of what it says itself.

    Raises Refused (400) for what no registry sends. What isn't about an image is passed over.
    """
    if not isinstance(document, Mapping):
        raise _bad("not a JSON object")
    if isinstance(document.get("events"), list):
        found = _of_distribution(document["events"], registry)
    elif "event_data" in document or "specversion" in document:
        found = _of_harbor(document, registry)
    elif "docker_url" in document:
        found = _of_quay(document, registry)
    else:
        raise _bad("not a notification of docker-registry, Harbor or Quay")
    return list(found)


def _of_distribution(events: list[Any], registry: str) -> Iterator[Event]:
    """https://distribution.github.io/distribution/about/notifications, the envelope."""
    for event in map(_mapping, events):
        target = _mapping(event.get("target"))
        kind = _text(target.get("mediaType"))
        action = _ACTIONS.get(_text(event.get("action")), "")
        # blobs are told of too; what is deleted has no type
        if not action or (kind and not re.search(r"manifest|image\.index", kind)):
            continue
        name = registry or _text(_mapping(event.get("request")).get("host"))
        yield from _event(
            "docker-registry",
            action,
            name or urlsplit(_text(target.get("url"))).netloc,
            _text(target.get("repository")),
            _text(target.get("tag")),
            _text(target.get("digest")),
            _text(_mapping(event.get("actor")).get("name")),
        )


def _of_harbor(document: Mapping[str, Any], registry: str) -> Iterator[Event]:
    """https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks."""
    action = _ACTIONS.get(_text(document.get("type")), "")
    if not action:
        return
    data = _mapping(document.get("event_data", document.get("data")))
    repository = _mapping(data.get("repository"))
    resources = data.get("resources")
    for resource in map(_mapping, resources if isinstance(resources, list) else []):
        url = _text(resource.get("resource_url")).rpartition("://")[2]
        tag, digest = _text(resource.get("tag")), _text(resource.get("digest"))
        yield from _event(
            "harbor",
            action,
            registry or url.partition("/")[0],
            _text(repository.get("repo_full_name")),
            # pushed by digest, that is the tag as well
            "" if ":" in tag else tag,
            digest,
            _text(document.get("operator")),
        )


def _of_quay(document: Mapping[str, Any], registry: str) -> Iterator[Event]:
    """https://docs.projectquay.io/use_quay.html, repository events: Repository Push."""
    name = _text(document.get("docker_url")).partition("/")[0]
    tags = document.get("updated_tags")
    # builds and scans have none; old versions have a mapping
    for tag in tags if isinstance(tags, (list, Mapping)) else []:
        repository = _text(document.get("repository"))
        yield from _event("quay", "push", registry or name, repository, _text(tag), "", "")


def _event(
    sender: str, action: str, registry: str, repository: str, tag: str, digest: str, actor: str
) -> Iterator[Event]:
    if not registry or not repository:
        raise _bad("no registry or no repository")
    checks = (
        ("registry", registry, _REGISTRY),
        ("repository", repository, _REPOSITORY),
        ("tag", tag or "none", _TAG),
        ("digest", digest or f"sha256:{'0' * 64}", _DIGEST),
    )
    bad = [f"{what} {value[:100]!r}" for what, value, known in checks if not known.fullmatch(value)]
    if bad:
        # Refused, docker-registry would send it for ever, and nothing that comes after it.
        _LOG.warning("registry_events: passed over, as it is none: %s", ", ".join(bad))
    elif tag or digest:
        yield {
            "sender": sender,
            "action": action,
            "image": f"{registry}/{repository}" + (f":{tag}" if tag else f"@{digest}"),
            "registry": registry,
            "repository": repository,
            "tag": tag,
            "digest": digest,
            "actor": _harmless(actor[:200]),
        }


def _harmless(text: str) -> str:
    """Whoever that is may choose their name; no template and no terminal is to heed it."""
    return "".join(c if c.isprintable() and c not in "{}" else "_" for c in text)


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _bad("a field is no object")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _bad("a field is no text")
    return value


def _bad(why: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, why)


# Options


@dataclass(frozen=True)
class Settings:
    """The options, checked. ``secret`` is a hash of it."""

    host: str
    port: int
    secret: bytes
    header: str
    registry: str
    actions: tuple[str, ...]
    max_body: int
    max_connections: int
    timeout: int
    tls: ssl.SSLContext | None


def read_settings(args: Mapping[str, Any]) -> Settings:
    """Check the options of the rulebook; ValueError says what is wrong with them."""
    unknown = sorted(set(args) - {*_NUMBERS, *_TEXTS, *_OTHERS})
    if unknown:
        raise ValueError(f"registry_events has no option {', '.join(unknown)}")
    numbers = {name: _number(name, args.get(name, value)) for name, value in _NUMBERS.items()}
    texts = {name: str(args.get(name) or "") for name in _TEXTS}
    header = str(args.get("header") or "Authorization")
    if not _HEADER.fullmatch(header):
        raise ValueError(f"registry_events: header isn't the name of one: {header!r}")
    if texts["registry"] and not _REGISTRY.fullmatch(texts["registry"]):
        raise ValueError(f"registry_events: registry isn't a host: {texts['registry']}")
    actions = args.get("actions", ["push"])
    if not isinstance(actions, list) or any(one not in _ACTIONS.values() for one in actions):
        raise ValueError("registry_events: actions is a list of push, pull, delete")
    return Settings(
        host=str(args.get("host") or "127.0.0.1"),
        secret=_hash(_secret(texts).encode()),
        header=header.lower(),
        registry=texts["registry"],
        actions=tuple(actions),
        tls=_tls(texts),
        **numbers,
    )


def _number(name: str, value: Any) -> int:
    # templates give text
    if not re.fullmatch(r"[0-9]{1,10}", str(value)) or int(value) == 0:
        raise ValueError(f"registry_events: {name} must be a number above 0")
    if name == "port" and int(value) > 65535:
        raise ValueError("registry_events: port must be a number from 1 to 65535")
    return int(value)


def _secret(texts: Mapping[str, str]) -> str:
    secret, path = texts["secret"], texts["secret_file"]
    if secret and path:
        raise ValueError("registry_events takes one of secret and secret_file")
    if path:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(f"secret_file {path} can't be read", error) from None
        secret = lines[0].strip() if lines else ""
    if not secret:
        raise ValueError("registry_events needs a secret, which registries must send")
    return secret


def _tls(texts: Mapping[str, str]) -> ssl.SSLContext | None:
    path, key, password = texts["certfile"], texts["keyfile"], texts["password"]
    if not path:
        if key or password:
            raise ValueError("registry_events: keyfile and password go with certfile")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # without a password, OpenSSL would ask for one on the terminal
        context.load_cert_chain(path, key or None, password)
    except OSError as error:
        files = f"certfile {path} and keyfile {key}" if key else f"certfile {path}"
        raise _unusable(f"{files} can't be used", error) from None
    return context


def _unusable(what: str, error: Exception) -> ValueError:
    reason = getattr(error, "strerror", None) or str(error)
    return ValueError(f"registry_events: {what}: {reason}")


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def is_secret(value: str, secret: bytes) -> bool:
    """Whether a header has the secret; takes the same time whatever is wrong with it."""
    sent = value.encode("latin-1", "replace")  # the bytes of the header, as read_head() has them
    kind, _space, rest = sent.partition(b" ")
    candidates = [sent]
    if kind.lower() == b"bearer":
        candidates.append(rest.strip())
    elif kind.lower() == b"basic":
        with contextlib.suppress(binascii.Error):
            login = base64.b64decode(rest.strip(), validate=True)
            candidates.append(login.partition(b":")[2])
    return True in [hmac.compare_digest(_hash(one), secret) for one in candidates]


# The server


class Listener:
    """Answers registries, and puts what they tell into a queue."""

    def __init__(self, queue: Any, settings: Settings) -> None:
        self._queue, self._settings = queue, settings
        self._open: set[asyncio.StreamWriter] = set()

    async def run(self) -> None:
        """Listens until it is cancelled."""
        settings = self._settings
        waits = {"ssl_handshake_timeout": settings.timeout} if settings.tls else {}
        address = f"{settings.host}:{settings.port}"
        try:
            server = await asyncio.start_server(
                self._exchange,
                settings.host,
                settings.port,
                limit=_HEAD_BYTES,
                backlog=settings.max_connections,
                ssl=settings.tls,
                **waits,
            )
        except OSError as error:
            raise _unusable(f"can't listen on {address}", error) from None
        _LOG.info("registry_events listens on %s", address)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            # not serve_forever(), which would wait here for all who hold a connection
            server.close()
            for writer in self._open:
                writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer; nothing that happens in it ends the server."""
        if len(self._open) >= self._settings.max_connections:
            await self._turn_away(writer)
            return
        self._open.add(writer)
        try:
            async with asyncio.timeout(self._settings.timeout):
                number = await self._receive(reader, writer)
                await _answer(writer, HTTPStatus.OK, f"{number} events")
        except Refused as error:
            peer = writer.get_extra_info("peername")
            _LOG.warning("registry_events refused a request of %s: %s", peer, error)
            await self._refuse(reader, writer, error)
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            _LOG.info("registry_events: a connection ended early: %s", type(error).__name__)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _turn_away(self, writer: asyncio.StreamWriter) -> None:
        """Answers at once, and reads nothing."""
        _LOG.warning("registry_events: more than %s connections", self._settings.max_connections)
        with contextlib.suppress(OSError):
            await _answer(writer, HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
        writer.close()

    async def _refuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, error: Refused
    ) -> None:
        # Closed with something unread, the connection would be reset, and the answer lost.
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                await _answer(writer, error.status, str(error), error.has_body)
                if writer.can_write_eof():
                    writer.write_eof()
                for _unused in range(64):
                    if not await reader.read(_HEAD_BYTES):
                        break

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        settings = self._settings
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers") from None
        method, headers = read_head(head)
        refused = None
        if not is_secret(headers.get(settings.header, ""), settings.secret):
            refused = Refused(HTTPStatus.UNAUTHORIZED, "the secret is missing or wrong")
        elif method != "POST":
            refused = Refused(HTTPStatus.METHOD_NOT_ALLOWED, "notifications are sent by POST")
        if refused:
            refused.has_body = method != "HEAD"
            raise refused
        length = read_length(headers, settings.max_body)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            document = json.loads(await reader.readexactly(length))
        except (ValueError, RecursionError):
            raise _bad("no JSON") from None
        events = read_events(document, settings.registry)
        chosen = [event for event in events if event["action"] in settings.actions]
        try:
            for event in chosen:
                await self._queue.put(event)
        except asyncio.CancelledError:
            _LOG.warning("registry_events: the rules don't keep up; the registry will ask again")
            raise
        return len(chosen)


def read_head(head: bytes) -> tuple[str, dict[str, str]]:
    """The method, and the headers by their names in small letters (RFC 9112)."""
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    request = re.fullmatch(r"([A-Z]{1,20}) [!-~]+ HTTP/1\.[01]", first)
    if request is None:
        raise _bad("no HTTP request")
    headers: dict[str, str] = {}
    for line in lines:
        found = re.fullmatch(rf"({_HEADER.pattern}):[ \t]*([^\r\n\x00]*?)[ \t]*", line)
        if found is None:
            raise _bad("a header that is none")
        name = found.group(1).lower()
        if name in headers and name in ("content-length", "authorization"):
            raise _bad(f"{name} twice")
        headers[name] = found.group(2)
    return request.group(1), headers


def read_length(headers: Mapping[str, str], most: int) -> int:
    """How long the body is; it must be told."""
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not length:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed")
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise _bad("Content-Length is no number")
    if int(length) > most:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {most} bytes")
    return int(length)


async def _answer(
    writer: asyncio.StreamWriter, status: HTTPStatus, text: str, has_body: bool = True
) -> None:
    body = f"{text}\n".encode()
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if status is HTTPStatus.UNAUTHORIZED:
        head.append('WWW-Authenticate: Bearer realm="registry_events"')
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        head.append("Allow: POST")
    writer.write("\r\n".join([*head, "", ""]).encode() + (body if has_body else b""))
    await writer.drain()


async def main(queue: Any, args: dict[str, Any]) -> None:
    """What ansible-rulebook calls: puts events into the queue until it is cancelled."""
    await Listener(queue, read_settings(args)).run()
