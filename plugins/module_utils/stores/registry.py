# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository of a registry (distribution-spec 1.1)."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urljoin

from ..model.descriptor import Descriptor
from ..model.digest import algorithm_of, as_tag, digest_of, is_digest
from ..model.errors import Cancelled, InvalidContent, InvalidInput, RegistryError, WrittenOtherwise
from ..model.manifest import MEDIA_TYPES, SIZE_LIMIT, Manifest
from ..model.reference import check_tag
from ..transport.answer import Answer
from ..transport.authenticator import Need
from ..transport.client import RegistryClient
from ..transport.retry import Retrier
from ..transport.wire import origin_of
from .base import BlobReader, Deleted, OpenBlob, Repository, TagPage, Written
from .creation import Creation
from .registry_blobs import RegistryBlobs, Use

_ACCEPT = {"Accept": ", ".join(MEDIA_TYPES)}
_LIST_LIMIT = 16 << 20
#: what a registry can make us keep in memory
_MOST_TAGS, _MOST_REFERRERS = 500_000, 10_000
#: distribution-spec, "Listing Referrers", 404; and what registries say that never heard of it
_NO_API = (400, 404, 405, 406)
#: distribution, while somebody else writes what the manifest names, which it doesn't do at once
_HALF_WRITTEN = {"DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"}
_UNKNOWN = {"NAME_UNKNOWN", "MANIFEST_UNKNOWN"}
#: Quay refuses more
_PAGE = 100
_MOST_PAGES = 20_000
_LINK_LIMIT = 8192
#: an address and its parameters (RFC 8288, 3); in time that grows with the length only
_LINK = re.compile(r'<([^<>]*)>\s*(;(?:"[^"]*"|[^",<]+)*)')
_NEXT = re.compile(r'\brel="?next"?', re.IGNORECASE)


class RegistryRepository(Repository):
    """See Repository."""

    def __init__(self, client: RegistryClient, path: str) -> None:
        self._client = client
        self.place, self.path = client.host, path
        self.name = f"{client.host}/{path}"
        self._pull = Need(path, "pull")
        self._push = Need(path, "pull,push")
        self._blobs = RegistryBlobs(client, path, self.first_tags)
        self._creation = Creation(client, path, self._blobs.in_use)
        client.expect(self._pull)

    def will_be_written(self) -> None:
        """Asks for both permissions from the first request on: one token serves for all.

        Some registries make a repository when a token to push to it is asked for (Quay).
        """
        self._pull = self._blobs.pull = self._push
        self._client.expect(self._push)

    def expect_lenders(self, paths: Iterable[str]) -> None:
        """See Repository. A token to write here can then allow to mount from there as well."""
        self._client.expect(self._push._replace(sources=tuple(paths)))

    def to_be_created(self) -> bool:
        """See Repository."""
        return self._creation.needed()

    # manifests

    def resolve(self, pointer: str) -> Descriptor | None:
        """See Repository. One HEAD, where the registry answers it with a digest."""
        what = f"looking for {_named(self.path, pointer)}"
        url = self._manifest_url(pointer)
        answer = self._client.call("HEAD", url, what, self._pull, (200, 404, 405, 501), _ACCEPT)
        if answer.status == 404:
            self._client.check_is_registry(answer)
            return None
        self._blobs.use = Use.USED
        digest = pointer if is_digest(pointer) else _named_digest(answer)
        _check_named(answer, pointer, f"{self.place}: {_named(self.path, pointer)}")
        if answer.status != 200 or not digest:
            try:
                return self.manifest(pointer).descriptor()
            except RegistryError as error:
                if error.status == 404:
                    return None
                raise
        return Descriptor(_content_type(answer), digest, answer.length() or 0)

    def manifest(self, pointer: str) -> Manifest:
        """See Repository. The body must match the digest asked for, by tag the one named."""
        return self._client.network.retrier.run(self.place, lambda _: self.read(pointer))

    def read(self, pointer: str) -> Manifest:
        """One try of ``manifest``."""
        raw, answer = self._get(pointer)
        wanted = pointer if is_digest(pointer) else _named_digest(answer)
        if not is_digest(pointer) and (not wanted or digest_of(raw, wanted) != wanted):
            # no digest named, or another one: what is read by digest decides
            wanted = wanted or digest_of(raw)
            raw, answer = self._get(wanted)
        actual = digest_of(raw, wanted)
        if actual != wanted:
            raise InvalidContent(
                f"{self.place}: {_named(self.path, pointer)} should have the digest {wanted}, "
                f"but what was sent has {actual}",
                True,
            )
        try:
            return Manifest(raw, _content_type(answer), wanted)
        except InvalidContent as error:
            self._client.check_is_registry(answer)
            raise InvalidContent(f"{self.place}/{_named(self.path, pointer)}: {error}") from None

    def _get(self, pointer: str) -> tuple[bytes, Answer]:
        what = f"reading {_named(self.path, pointer)}"
        url = self._client.url(self._manifest_url(pointer))
        answer = self._client.once("GET", url, what, self._pull, (200, 404), _ACCEPT)
        if answer.status == 404:
            problem = self._client.problem(answer, what, self._pull)
            self._client.check_is_registry(answer)
            raise problem
        named = f"{self.place}: the manifest of {_named(self.path, pointer)}"
        return answer.read(SIZE_LIMIT, named), answer

    def write_manifest(self, manifest: Manifest, tag: str | None) -> bool:
        """See Repository. Confirmed by the answer, or by a HEAD where it says nothing."""
        self._creation.ensure()
        pointer = tag or manifest.digest
        what = f"writing {_named(self.path, pointer)}"
        headers = {"Content-Type": manifest.media_type, "Content-Length": str(len(manifest.raw))}
        url = self._client.url(self._manifest_url(pointer))
        ok = (200, 201, 202)  # the first and the last prove nothing by themselves

        def attempt(_number: int) -> Answer:
            try:
                return self._client.once("PUT", url, what, self._push, ok, headers, manifest.raw)
            except RegistryError as error:
                error.transient = error.transient or _HALF_WRITTEN.issubset(error.codes)
                raise

        answer = self._client.network.retrier.run(self.place, attempt)
        answer.drain()
        subject = manifest.subject.digest if manifest.subject else ""
        listed = bool(subject) and answer.header("OCI-Subject").strip() == subject
        stored, now = _named_digest(answer) if answer.status == 201 else "", None
        if not stored:
            try:
                found = self.resolve(pointer)
            except Cancelled:
                return listed  # it is written, and a run that is ending must not deny it
            now = found.digest if found else ""
            stored = now or "nothing"
        if stored not in (manifest.digest, digest_of(manifest.raw)):
            raise WrittenOtherwise(
                f"{self.place}: after {what}, it names {stored[:140]} instead of {manifest.digest}",
                now,
            )
        return listed

    # blobs

    def has_blob(self, blob: Descriptor) -> bool:
        """See Repository."""
        return self._blobs.has(blob)

    def open_blob(self, blob: Descriptor) -> BlobReader:
        """See Repository. Tried until it begins; what breaks off later goes on from there."""
        return self._client.network.retrier.run(self.place, lambda _: self.begin_blob(blob))

    def begin_blob(self, blob: Descriptor, retrier: Retrier | None = None) -> BlobReader:
        """One try of ``open_blob``. ``retrier``: whose tries there are to go on later."""
        return self._blobs.open(blob, retrier)

    def read_blob(self, blob: Descriptor) -> bytes:
        """See Repository."""

        def attempt(_number: int) -> bytes:
            reader = self.begin_blob(blob)
            try:
                return b"".join(reader)
            finally:  # the place of one that was given up may be needed by the next try
                reader.close()

        return self._client.network.retrier.run(self.place, attempt)

    def write_blob(self, blob: Descriptor, source: OpenBlob, lender: str | None) -> Written:
        """See Repository."""
        return self._creation.then(lambda: self._blobs.write(blob, source, lender))

    # tags

    def first_tags(self) -> TagPage:
        """See Repository."""
        url = self._client.url(f"/v2/{self.path}/tags/list?n={_PAGE}")
        try:
            found, count, following, _whole = self._page(url)
        except RegistryError as error:
            if error.status == 404 and "NAME_UNKNOWN" in error.codes:
                self._blobs.use = Use.NEW
                return TagPage(frozenset(), False, True)
            raise
        self._blobs.use = Use.USED
        return TagPage(frozenset(found), True, not following and count != _PAGE)

    def tags(self, most_pages: int | None = None) -> list[str]:
        """See Repository. Read to the end, by Link where given, else by ``last``."""
        seen: dict[str, None] = {}
        linked = False
        url = self._client.url(f"/v2/{self.path}/tags/list?n={_PAGE}")
        for _page in range(_MOST_PAGES if most_pages is None else most_pages):
            try:
                found, count, following, whole = self._page(url)
            except RegistryError as error:
                if error.status == 404 and not seen:
                    return []
                raise
            new = [tag for tag in found if tag not in seen]
            seen.update(dict.fromkeys(new))
            if not found and (following or count == _PAGE) and count:
                raise InvalidContent(f"{self.name}: a page of the tag list has no valid tag")
            linked = linked or bool(following)
            # fewer than were asked for may be a page all the same, where no Link is ever sent
            maybe_cut = not (whole or linked) and found == sorted(found)
            if not following and new and (count == _PAGE or maybe_cut):
                query = f"n={_PAGE}&last={quote(found[-1], safe='')}"
                following = self._client.url(f"/v2/{self.path}/tags/list?{query}")
            if not following or not new:
                return list(seen)
            if len(seen) > _MOST_TAGS:
                break
            url = following
        raise InvalidContent(f"{self.name}: the tag list has no end")

    def _page(self, url: str) -> tuple[list[str], int, str, bool]:
        """The valid tags of one page, how many entries it has, and the next one's URL or "".

        And whether a short page is the last: those that call themselves a distribution send a
        Link, or the whole list at once.
        """
        document, following, answer = self._json(url, f"listing the tags of {self.path}")
        tags = document.get("tags")
        if tags is not None and not isinstance(tags, list):
            raise InvalidContent(f"{self.name}: the tag list isn't a list")
        tags = tags or []
        whole = bool(answer.header("Docker-Distribution-Api-Version"))
        return [tag for tag in tags if _is_tag(tag)], len(tags), following, whole

    # referrers

    def referrers(self, digest: str) -> list[Descriptor]:
        """See Repository. By the API, else by the tag that stands for it (tag schema)."""
        listed = self.listed_referrers(digest)
        if listed is not None:
            return [found for found in listed if found.media_type in MEDIA_TYPES]
        tag = as_tag(digest)
        if self.resolve(tag) is None:
            return []
        index = self.manifest(tag)
        return list(index.children) if index.is_index else []

    def listed_referrers(self, digest: str) -> list[Descriptor] | None:
        """See Repository. A registry found to have no such API isn't asked again."""
        api = self._client.referrers_api
        with api.turn():
            if api.known is False:
                return None
            pages = self._referrer_pages(self._client.url(f"/v2/{self.path}/referrers/{digest}"))
            try:
                found = next(pages)
            except RegistryError as error:
                if error.status not in _NO_API:
                    raise
                # one that knows such requests, but not this repository or digest, says so
                if api.known is None and not _UNKNOWN.intersection(error.codes):
                    api.known = False
                return None
            api.known = True
        return [*found, *itertools.chain.from_iterable(pages)]

    def _referrer_pages(self, url: str) -> Iterator[tuple[Descriptor, ...]]:
        seen, count = {url}, 0
        for _page in range(_MOST_PAGES):
            document, following, _answer = self._json(url, f"listing the referrers in {self.path}")
            index = Manifest(json.dumps(document).encode(), "")
            found = (*index.children, *index.blobs)
            yield found
            count += len(found)
            if not following or following in seen:
                return
            if count > _MOST_REFERRERS:
                break
            seen.add(following)
            url = following
        raise InvalidContent(f"{self.name}: the list of referrers has no end")

    # deletion

    def delete_tag(self, tag: str) -> Deleted:
        """See Repository. Registries may refuse it: 400 or 405 (distribution-spec, end-9)."""
        return self._delete(tag, (400, 405, 501))

    def delete_manifest(self, digest: str) -> Deleted:
        """See Repository."""
        return self._delete(digest, ())

    def _delete(self, pointer: str, unsupported: tuple[int, ...]) -> Deleted:
        what = f"deleting {_named(self.path, pointer)}"
        ok = (200, 202, 204, 404, *unsupported)
        url = self._manifest_url(pointer)
        answer = self._client.call("DELETE", url, what, Need(self.path, "delete"), ok)
        answer.drain()
        if answer.status in unsupported:
            return Deleted.UNSUPPORTED
        return Deleted.GONE if answer.status == 404 else Deleted.DELETED

    # requests

    def _manifest_url(self, pointer: str) -> str:
        if not is_digest(pointer):
            check_tag(pointer)
        return f"/v2/{self.path}/manifests/{pointer}"

    def _json(self, url: str, what: str) -> tuple[dict[str, Any], str, Answer]:
        """A JSON object, the URL of the next page (of the same origin only), and the answer."""

        def attempt(_number: int) -> tuple[bytes, Answer]:
            answer = self._client.once("GET", url, what, self._pull, (200,))
            return answer.read(_LIST_LIMIT, f"{self.place}: the answer to {what}"), answer

        raw, answer = self._client.network.retrier.run(self.place, attempt)
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            self._client.check_is_registry(answer)
            raise InvalidContent(f"{self.place}: {what} failed: the answer isn't a JSON object")
        links = _LINK.findall(answer.header("Link")[:_LINK_LIMIT])
        link = next((address for address, about in links if _NEXT.search(about)), None)
        try:
            following = "" if link is None else urljoin(url, link)
            elsewhere = bool(following) and origin_of(following) != origin_of(url)
        except ValueError:  # no URL at all
            elsewhere = True
        if elsewhere:
            raise InvalidContent(f"{self.place}: {what} failed: its next page is on another host")
        return document, following, answer


def _named(path: str, pointer: str) -> str:
    return f"{path}@{pointer}" if is_digest(pointer) else f"{path}:{pointer}"


def _content_type(answer: Answer) -> str:
    return answer.header("Content-Type").partition(";")[0].strip()


def _named_digest(answer: Answer) -> str:
    """The sha256 digest that the answer's header names, "" if none.

    Others are passed over: both sides of a copy must be compared by the same algorithm.
    """
    named = answer.header("Docker-Content-Digest").strip()
    return named if is_digest(named) and algorithm_of(named) == "sha256" else ""


def _check_named(answer: Answer, pointer: str, what: str) -> None:
    """Who is asked for a digest must not answer with another of the same kind."""
    named = _named_digest(answer)
    same_kind = algorithm_of(named) == algorithm_of(pointer)
    if is_digest(pointer) and same_kind and named != pointer:
        raise InvalidContent(f"{what} was answered with the digest {named}")


def _is_tag(tag: Any) -> bool:
    try:
        return isinstance(tag, str) and bool(check_tag(tag))
    except InvalidInput:
        return False
