# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repositories of a whole registry.

No part of the distribution-spec: the catalog is distribution's own (its docs, "Listing
Repositories"). Harbor, Quay and others have it for administrators only, Docker Hub hasn't.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urljoin

from ..model.errors import InvalidContent, InvalidInput, RegistryError
from ..model.reference import parse_reference
from ..transport.answer import Answer
from ..transport.authenticator import CATALOG, Need
from ..transport.client import RegistryClient
from ..transport.wire import origin_of

_PAGE = 100
#: what a registry can make us keep in memory
_MOST_REPOSITORIES, _MOST_PAGES, _LIST_LIMIT = 200_000, 5_000, 16 << 20
_NEED = Need("", CATALOG)
_NONE = (404, 405, 501)
_LINK = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?', re.IGNORECASE)
_LINK_LIMIT = 8192


def catalog(client: RegistryClient) -> list[str]:
    """The names of all repositories that this login may see, sorted; raises ImageSyncError.

    Read to the end, by Link where given, else by ``last``. What is no name is left out.
    """
    seen: dict[str, None] = {}
    linked = False
    url = client.url(f"/v2/_catalog?n={_PAGE}")
    for _page in range(_MOST_PAGES):
        found, following = _read(client, url)
        new = [name for name in found if name not in seen]
        seen.update(dict.fromkeys(new))
        linked = linked or bool(following)
        if not following and new and len(found) >= _PAGE and not linked:
            following = client.url(f"/v2/_catalog?n={_PAGE}&last={quote(found[-1], safe='')}")
        if not following or not new:
            return sorted(name for name in seen if _is_name(client.host, name))
        if len(seen) > _MOST_REPOSITORIES:
            break
        url = following
    raise InvalidContent(f"{client.host}: the list of repositories has no end")


def _read(client: RegistryClient, url: str) -> tuple[list[str], str]:
    """The names on one page, and the next one's URL or ""."""
    what = "listing its repositories"

    def attempt(_number: int) -> tuple[bytes, Answer]:
        answer = client.once("GET", url, what, _NEED, (200,))
        return answer.read(_LIST_LIMIT, f"{client.host}: the answer to {what}"), answer

    try:
        raw, answer = client.network.retrier.run(client.host, attempt)
    except RegistryError as error:
        if error.status in (*_NONE, 401, 403):
            raise RegistryError(
                f"{error}; not every registry lists its repositories, or only for some logins: "
                "write them down yourself, as in registry/repository",
                error.status,
            ) from None
        raise
    names = _names(raw)
    if names is None:
        client.check_is_registry(answer)
        raise InvalidContent(f"{client.host}: {what} failed: the answer isn't such a list")
    link = _LINK.search(answer.header("Link")[:_LINK_LIMIT])
    try:
        following = urljoin(url, link[1]) if link else ""
        elsewhere = bool(following) and origin_of(following) != origin_of(url)
    except ValueError:  # no URL at all
        elsewhere = True
    if elsewhere:
        raise InvalidContent(f"{client.host}: {what} failed: its next page is on another host")
    return [name for name in names if isinstance(name, str)], following


def _names(raw: bytes) -> list[Any] | None:
    """None for what is no such list."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = document.get("repositories") or []  # null, where there is none
    return found if isinstance(found, list) else None


def _is_name(host: str, name: str) -> bool:
    try:
        found = parse_reference(f"{host}/{name}")
    except InvalidInput:
        return False
    return found.repository == name and not found.tag and not found.digest
