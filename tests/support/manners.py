# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for the registries that people use: the strict registry with each one's manners.

They behave as the registries are documented to, or were seen to by others; nobody has compared
them with the real ones. What a profile says and its registry isn't documented to do is marked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from .servers import Handler, LocalServer
from .strict_registry import StrictRegistry
from .strict_rules import Answer, Call, Manner, Refused, broken
from .token_server import TokenServer
from .tokens import Access

USER, PASSWORD = "alice", "s3cret-of-alice"
LOGIN = {"username": USER, "password": PASSWORD}
Says = tuple[int, str, str]


# What a registry does in its own way


def no_chunks(_registry: StrictRegistry, call: Call) -> None:
    """Artifact Registry has no chunked uploads, ECR loses them: so nobody is sent any."""
    if call.method == "PATCH":
        raise broken(400, "UNSUPPORTED", "chunked uploads are not supported")


def pages_of(most: int, status: int) -> Manner:
    """Quay refuses to list more than 100 tags at once, ECR more than 1000."""

    def check(_registry: StrictRegistry, call: Call) -> None:
        if call.request.kind == "tags" and int(call.request.params.get("n", "0")) > most:
            raise broken(status, "PAGINATION_NUMBER_INVALID", f"at most {most}")

    return check


def tags_first(registry: StrictRegistry, call: Call) -> None:
    """Google: what a tag names isn't deleted."""
    named = registry.store.stock(call.repo).tags.values()
    if call.method == "DELETE" and call.request.kind == "manifest" and call.reference in named:
        raise broken(400, "GOOGLE_MANIFEST_DANGLING_TAG", "still referenced by a tag")


def cuts_unknown(registry: StrictRegistry, call: Call) -> None:
    """ECR: an upload to a repository that doesn't exist may end without any answer."""
    if call.request.kind == "upload" and call.repo not in registry.store.stocks:
        raise ConnectionResetError("no such repository")


def lists_nothing(_registry: StrictRegistry, call: Call) -> None:
    """Who may push there may not list tags."""
    if call.request.kind == "tags":
        raise Refused(403, "DENIED", "not authorized to perform: ecr:ListImages")


def not_found(code: str, message: str) -> Manner:
    """Another word than MANIFEST_UNKNOWN for a manifest that isn't there."""

    def check(registry: StrictRegistry, call: Call) -> None:
        read = call.request.kind == "manifest" and call.method in ("GET", "HEAD")
        if read and registry.store.resolve(call.repo, call.reference) is None:
            raise Refused(404, code, message)

    return check


def refuses_tag(says: Says) -> Manner:
    """A tag that is there can't be overwritten, not even by what it names."""

    def check(registry: StrictRegistry, call: Call) -> None:
        write = call.request.kind == "manifest" and call.method == "PUT"
        if write and call.reference in registry.store.stock(call.repo).tags:
            raise Refused(*says)

    return check


def no_room(says: Says) -> Manner:
    """The quota is used up, which is told at the manifest, when all blobs were sent."""

    def check(_registry: StrictRegistry, call: Call) -> None:
        if call.request.kind == "manifest" and call.method == "PUT":
            raise Refused(*says)

    return check


def no_project(says: Says) -> Manner:
    """Neither the repository nor what it would be in exists."""

    def check(_registry: StrictRegistry, call: Call) -> None:
        if call.request.kind != "ping":
            raise Refused(*says)

    return check


def busy(answers: list[Answer]) -> Manner:
    """Reading manifests gets these answers first."""

    def check(_registry: StrictRegistry, call: Call) -> Answer | None:
        reads = call.request.kind == "manifest" and call.method == "GET"
        return answers.pop(0) if reads and answers else None

    return check


def pull_limit(left: int) -> Manner:
    """Docker Hub: so many manifests may still be read with GET, and HEAD is free."""
    remaining = [left]

    def check(registry: StrictRegistry, call: Call) -> Answer | None:
        if call.request.kind != "manifest" or call.method != "GET":
            return None
        remaining[0] -= 1
        told = {
            "ratelimit-limit": "100;w=21600",
            "ratelimit-remaining": f"{max(0, remaining[0])};w=21600",
        }
        registry.rules.extra_headers = told
        if remaining[0] >= 0:
            return None
        said = (
            "You have reached your unauthenticated pull rate limit. "
            "https://www.docker.com/increase-rate-limit"
        )
        return Refused(429, "TOOMANYREQUESTS", said).answer

    return check


class QuayTokens(TokenServer):
    """Quay knows pull, push and * in a scope, and refuses all else."""

    def refusal(self, scopes: list[str]) -> int:
        """See TokenServer."""
        actions = {action for scope in scopes for action in Access.parse(scope).actions}
        return 400 if actions - {"pull", "push", "*"} else super().refusal(scopes)


class JobTokens(TokenServer):
    """GitLab: a job's token isn't allowed to delete."""

    def _granted(self, user: str | None, asked: Access) -> tuple[str, ...]:
        return tuple(action for action in super()._granted(user, asked) if action != "delete")


class Storage(LocalServer):
    """Azure's storage, to which blobs are redirected: 400 to who brings an Authorization."""

    def __init__(self) -> None:
        """Listen; ``registry`` has what is served."""
        super().__init__(_StorageHandler)
        self.registry: StrictRegistry | None = None


class _StorageHandler(Handler):
    def __init__(self, owner: Storage, *args: Any) -> None:
        self.owner = owner
        super().__init__(*args)

    def do_request(self) -> None:
        request = self.owner.begin(self.command, self.path, self.headers.items())
        status, data = 400, b"InvalidAuthenticationInfo"
        if self.headers.get("Authorization") is None and self.owner.registry:
            status, data = 200, self.owner.registry.store.data[request.reference]
        request.status = status
        self.send_head(status, [("Content-Length", str(len(data)))])
        if self.command != "HEAD":
            self.wfile.write(data)
        self.owner.end()


# Who they are


@dataclass(frozen=True)
class Profile:
    """A registry as docs/registries.md has it.

    ``rules``: switches of the strict registry. ``login``: basic, token (user and password at a
    token server), identity (a refresh token), anonymous (a token is needed nevertheless).
    ``deletes``: tag, digest, never. ``immutable``, ``quota``, ``missing``: how it refuses a tag
    that is there, a full project, and what isn't in any; None where that doesn't happen.
    """

    rules: Mapping[str, Any] = field(default_factory=dict)
    login: str = "token"
    tokens: Callable[..., TokenServer] = TokenServer
    repository: str = "team/app"
    pushes: bool = True
    deletes: str = "tag"
    immutable: Says | None = None
    quota: Says | None = None
    missing: Says | None = None
    manners: tuple[Manner, ...] = ()
    absolute_links: bool = False
    stores_elsewhere: bool = False


ECR = {
    "create_repositories": False,
    "mount_committed_only": True,
    "auth": ("AWS", PASSWORD),
    "challenges": ['Basic realm="https://123456789012.dkr.ecr.example/",service="ecr"'],
}
NO_TAG_DELETION = {"tag_delete": False}
#: by the name in the table of docs/registries.md
PROFILES: dict[str, Profile] = {
    "Docker Hub": Profile(
        {"delete": False, "page_size": 100},
        deletes="never",
        # only the status is known
        immutable=(403, "DENIED", "requested access to the resource is denied"),
    ),
    "GitHub (GHCR)": Profile(
        {"delete": False, "referrers_api": False, "relative_location": True, "page_size": 100},
        deletes="never",
    ),
    "Quay": Profile(
        {"delete_action": "push"},
        tokens=QuayTokens,
        manners=(pages_of(100, 413),),
        immutable=(409, "TAG_ALREADY_EXISTS", "tag was already pushed"),
        quota=(403, "DENIED", "Quota has been exceed on namespace"),
    ),
    "Google Artifact Registry": Profile(
        {"page_size": 50, "delete_untagged_only": True},
        repository="project/repository/app",
        manners=(tags_first,),
        immutable=(400, "MANIFEST_INVALID", "the repository has enabled tag immutability"),
        missing=(404, "NAME_UNKNOWN", 'Repository "repository" not found'),
    ),
    "Amazon ECR": Profile(
        ECR,
        login="basic",
        manners=(pages_of(1000, 400),),
        absolute_links=True,
        immutable=(
            400,
            "TAG_INVALID",
            "The image tag '1.0' already exists in the 'team/app' repository and cannot be "
            "overwritten because the repository is immutable.",
        ),
        missing=(404, "NAME_UNKNOWN", "The repository with name 'team/app' does not exist"),
    ),
    "Amazon ECR Public": Profile(
        {"referrers_api": False}, login="anonymous", repository="alias/app", pushes=False
    ),
    "Azure (ACR)": Profile(
        NO_TAG_DELETION,  # by tag: not documented
        login="identity",
        deletes="digest",
        stores_elsewhere=True,
        immutable=(
            405,
            "REGISTRY_DISALLOWED_OPERATION",
            "The operation is disallowed on this registry, repository or image.",
        ),
    ),
    "GitLab": Profile(
        {"referrers_api": False, "page_size": 100},
        repository="group/project/app",
        missing=(403, "DENIED", "requested access to the resource is denied"),
    ),
    "Harbor": Profile(
        NO_TAG_DELETION,
        deletes="digest",
        manners=(not_found("NOT_FOUND", "artifact team/app:1.0 not found"),),
        immutable=(412, "PRECONDITION", "Failed to process request due to immutable tag 1.0"),
        quota=(
            403,
            "DENIED",
            "adding 29.0 MiB of storage resource, which when updated to current usage of 152.4 "
            "MiB will exceed the configured upper limit of 10.0 MiB.",
        ),
        missing=(404, "NOT_FOUND", "project team not found"),
    ),
    "Artifactory": Profile(
        {"odd_tags": (f"sha256:{'0' * 64}",)},
        repository="docker-local/team/app",
        deletes="tag",
        immutable=(403, "DENIED", "Not enough permissions to overwrite artifact"),
    ),
    "Nexus": Profile(
        {
            "odd_tags": (None,),
            "referrers_api": False,
            "auth": (USER, PASSWORD),
            "challenges": ['BASIC realm="Sonatype Nexus Repository Manager"'],
            **NO_TAG_DELETION,  # not documented
        },
        login="basic",
        deletes="digest",
        immutable=(
            400,
            "BLOB_UPLOAD_INVALID",
            "Repository does not allow updating assets: docker",
        ),
    ),
    "Red Hat (registry.redhat.io)": Profile(
        {"referrers_api": False}, pushes=False, manners=(not_found("UNKNOWN", "Not Found"),)
    ),
}


@dataclass
class Stage:
    """A stand-in that is up. ``entry``: what ``registries`` has to say of it."""

    profile: Profile
    registry: StrictRegistry
    tokens: TokenServer | None
    entry: dict[str, Any]
    storage: Storage | None = None

    @property
    def repository(self) -> str:
        """Where the story takes place."""
        return self.profile.repository

    def ref(self, tag: str = "", repository: str = "") -> str:
        """A reference, of the repository alone without a tag."""
        name = f"{self.registry.host}/{repository or self.repository}"
        return f"{name}:{tag}" if tag else name

    def takes(self, *manners: Manner) -> None:
        """From now on it behaves so too."""
        self.registry.rules.manners = (*self.registry.rules.manners, *manners)


@contextlib.contextmanager
def playing(name: str) -> Iterator[Stage]:
    """A registry of this name; a request that the real one isn't documented to take fails it."""
    profile = PROFILES[name]
    with contextlib.ExitStack() as stack:
        tokens = None
        if profile.login != "basic":
            tokens = stack.enter_context(profile.tokens(users={USER: PASSWORD}))
        manners = (no_chunks, *profile.manners)
        registry = stack.enter_context(
            StrictRegistry(**{**profile.rules, "token": tokens, "manners": manners})
        )
        if profile.absolute_links:
            registry.rules.link_base = registry.url
        entry = {"name": registry.host, **_login(profile, tokens)}
        stage = Stage(profile, registry, tokens, entry)
        if profile.stores_elsewhere:
            stage.storage = stack.enter_context(Storage())
            stage.storage.registry = registry
            registry.rules.redirect_blobs_to = stage.storage.url
        if not registry.rules.create_repositories:
            registry.store.stock(profile.repository)
        yield stage
        servers = [server for server in (registry, tokens, stage.storage) if server]
        assert not [text for server in servers for text in server.errors]
        assert registry.violations == []


def _login(profile: Profile, tokens: TokenServer | None) -> dict[str, str]:
    if profile.login == "identity" and tokens:
        return {"identity_token": tokens.identity_token(USER)}
    if profile.login == "basic":
        return {"username": profile.rules["auth"][0], "password": profile.rules["auth"][1]}
    return dict(LOGIN) if profile.login == "token" else {}
